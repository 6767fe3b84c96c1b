/** Calls: src/core/processing/calls, src/runtime/calls, src/runtime/call-task.ts. */
import type { PlantedFault } from './planted-fault.js'

const window = 'src/core/processing/calls/window.ts'
const attempts = 'src/runtime/calls/attempts.ts'
const caller = 'src/runtime/calls/caller.ts'

export const callsFaults: readonly PlantedFault[] = [
  {
    what: 'calls: bits are not shifted with the position',
    plants: [
      {
        file: window,
        find: '    return bitsOf(offsets, position)',
        replace: '    return bitsOf(offsets, this.#entries[0]?.offset ?? position)',
      },
    ],
  },
  {
    what: 'calls: what is done beyond the position is not committed',
    plants: [{ file: caller, find: '...(done === undefined ? {} : { done })', replace: '' }],
  },
  {
    what: 'calls: what is done is committed with the results of the next commit',
    plants: [
      { file: caller, find: '    const done = window.done(input.position)\n', replace: '    const { done } = current\n    current.done = window.done(input.position)\n' }, // prettier-ignore
      { file: caller, find: '  silent: number\n', replace: '  silent: number\n  done?: string\n' },
    ],
  },
  {
    what: 'calls: a message is done when its call is made',
    plants: [
      {
        file: window,
        find: '    this.#underWay++\n    return entry.pending',
        replace: '    this.#underWay++\n    entry.isDone = true\n    this.#moveOn()\n    return entry.pending',
      },
    ],
  },
  {
    what: 'calls: the position is behind what was taken',
    plants: [
      {
        file: 'src/runtime/calls/called-input.ts',
        find: 'return this.window.position(this.input.position)',
        replace: 'return this.input.position',
      },
    ],
  },
  {
    what: 'calls: what was done before is done again',
    plants: [{ file: caller, find: '    if (window.wasDone(offset)) return\n', replace: '' }],
  },
  {
    what: 'calls: results of a key go on as they come',
    plants: [
      {
        file: window,
        find: '    if (others !== undefined) {',
        replace: '    if (others !== undefined && others.length < 0) {',
      },
    ],
  },
  {
    what: 'calls: one is made for a message that is not committed',
    plants: [
      {
        file: 'src/memory/partition.ts',
        find: 'read(position: number, maxBytes: number, limit = this.lastStableOffset): ReadResult {',
        replace:
          "read(position: number, maxBytes: number, limit = this.topic.endsWith('-ship-repartition') ? this.logEnd : this.lastStableOffset): ReadResult {",
      },
    ],
  },
  {
    what: 'calls: each activation gives them other ids',
    plants: [
      {
        file: 'src/runtime/call-task.ts',
        find: 'generation: generation ?? generationOf(env.random.id()),',
        replace: 'generation: generationOf(env.random.id()),',
      },
    ],
  },
  {
    what: 'calls: the first ones are made before their generation is committed',
    plants: [
      {
        file: 'src/runtime/call-task.ts',
        find: 'isCommitted: generation !== undefined,',
        replace: 'isCommitted: true,',
      },
    ],
  },
  {
    what: 'calls: what an earlier activation has asked for is taken by the next',
    plants: [
      {
        file: attempts,
        find: 'if (this.#current !== current || !current.underWay.delete(one)) return',
        replace: 'if (!current.underWay.delete(one)) return',
      },
      { file: attempts, find: 'current.outcomes.push(', replace: 'this.#current?.outcomes.push(' },
    ],
  },
  {
    what: 'calls: an attempt that has taken too long gives a result after all',
    plants: [
      {
        file: attempts,
        find: 'if (this.#current !== current || !current.underWay.delete(one)) return',
        replace: 'if (this.#current !== current) return\n    current.underWay.delete(one)',
      },
    ],
  },
  {
    what: 'calls: a task continues with the first commit record that it finds',
    plants: [
      {
        file: 'src/runtime/calls/last-commit.ts',
        find: 'commit = { ...decodeCommitRecord',
        replace: 'commit ??= { ...decodeCommitRecord',
      },
      { file: 'src/runtime/calls/last-commit.ts', find: 'FIRST_LOOK_RECORDS = 2', replace: 'FIRST_LOOK_RECORDS = 64' },
    ],
  },
  {
    what: 'calls: a message that has failed is no dead letter',
    plants: [
      {
        file: caller,
        find: "    if (call.failed === 'dead-letter') processor.refuse(this.#slot, error, now)\n",
        replace: "    if (call.failed === 'dead-letter') current.silent++\n",
      },
    ],
  },
  {
    what: 'calls: what comes behind a message that has failed does not wait for the commit that says so',
    plants: [
      {
        file: caller,
        find: "    if ('error' in outcome) current.window.fail(request)\n    else current.window.finish(request)\n",
        replace: '    current.window.finish(request)\n',
      },
    ],
  },
]
