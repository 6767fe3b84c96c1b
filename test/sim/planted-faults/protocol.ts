/** Becoming active, the commit, the order of inputs: steps of docs/design.md, each broken. */
import type { PlantedFault } from './planted-fault.js'

const task = 'src/runtime/task.ts'
const committer = 'src/runtime/task/committer.ts'
const activation = 'src/runtime/activation.ts'
const reader = 'src/runtime/changelog-reader.ts'

const commitCall =
  'ends = await activation.producer.commit({ records: this.#landing(collected), group: plan.group, positions })'
const fence = '  const producer = await log.producer(plan.transactionalId, signal)\n'

const begin = '  try {\n    signal.throwIfAborted()\n    // A2\n'
const newProcessor =
  "new Processor({\n      ...plan.processor,\n      maxStateBytes: () => env.stateBytes(),\n      load: (storeKey) => store?.get(storeKey),\n      storeWasEmpty: (store?.size() ?? 0) === 0,\n      secret: activation.identity ?? '',\n      time,\n      lookUp: env.broadcasts && ((broadcast, key) => env.broadcasts?.lookup(broadcast, key)),\n    })"

export const protocolFaults: readonly PlantedFault[] = [
  {
    what: 'A1: the changelog is replayed before the owner before is fenced',
    plants: [
      { file: activation, find: fence, replace: '' },
      {
        file: activation,
        find: begin,
        replace: '  let producer\n  try {\n    signal.throwIfAborted()\n    // A2\n',
      },
      {
        file: activation,
        find: '    // A3\n',
        replace: '    producer = await log.producer(plan.transactionalId, signal)\n    // A3\n',
      },
      { file: activation, find: '    await producer.close()\n', replace: '    await producer?.close()\n' },
    ],
  },
  {
    what: 'A1, A3: the positions are read before the owner before is fenced',
    plants: [
      {
        file: activation,
        find: fence,
        replace:
          '  const partitions = plan.sources.map(({ topic }) => ({ topic, partition: plan.partition }))\n' +
          `  const early = await log.committedPositions(plan.group, partitions)\n${fence}`,
      },
      {
        file: activation,
        find: 'const { positions, known } = await inputPositions(plan, env, restored?.commit, group, signal)',
        replace:
          'const { positions: late, known } = await inputPositions(plan, env, restored?.commit, group, signal)\n' +
          '    const positions = late.map((position, i) => early[i] ?? position)',
      },
    ],
  },
  {
    what: 'A1: nobody is fenced, for every activation has a transactional id of its own',
    plants: [
      {
        file: activation,
        find: 'log.producer(plan.transactionalId, signal)',
        replace: 'log.producer(plan.transactionalId + random.id(), signal)',
      },
    ],
  },
  {
    what: 'A2: the changelog is not replayed where the store holds something',
    plants: [
      {
        file: 'src/core/commit/restore-plan.ts',
        find: "return { kind: 'replay', from: store.changelogPosition }",
        // The last transaction's commit record, without what came before it.
        replace: "return { kind: 'replay', from: Math.max(store.changelogPosition, end - 2) }",
      },
    ],
  },
  {
    what: 'A1, A2: fencing is begun, not awaited, and the changelog is replayed up to where it can be read by now',
    plants: [
      {
        file: activation,
        find: fence,
        replace: '  const fencing = log.producer(plan.transactionalId, signal)\n  fencing.catch(() => undefined)\n',
      },
      { file: activation, find: begin, replace: '  let producer\n  try {\n    // A2\n' },
      { file: activation, find: '    // A3\n', replace: '    // A3\n    producer = await fencing\n' },
      { file: activation, find: '    await producer.close()\n', replace: '    await producer?.close()\n' },
      {
        file: reader,
        find: 'if (this.#end !== undefined && this.#position >= this.#end) this.#finish()\n    else',
        replace:
          'if (this.#end !== undefined && (this.#position >= this.#end || fetched.batches.length === 0)) this.#finish()\n    else',
      },
    ],
  },
  {
    what: 'A2: the replay stops short of the last commit',
    plants: [
      {
        file: reader,
        find: 'if (this.#cursor.offset >= end) break',
        replace: 'if (this.#cursor.offset >= end - 4 && this.#commit) break',
      },
    ],
  },
  {
    what: 'A3: a group that is behind is taken for one that was reset',
    plants: [
      {
        file: 'src/core/commit/restore-plan.ts',
        find: 'group === committed || group === groupThen',
        replace: 'group === committed',
      },
    ],
  },
  {
    what: 'C2: an idle task leaves the group behind',
    plants: [
      {
        file: committer,
        find: 'return group && isBehind(group, current) ? offsetsDueMs(group.atMs, lastCommitMs) : undefined',
        replace: 'return undefined',
      },
    ],
  },
  {
    what: 'A3: the positions are those of the group, which may be gone',
    plants: [
      {
        file: activation,
        find: 'await inputPositions(plan, env, restored?.commit, group, signal)',
        replace: 'await inputPositions(plan, env, undefined, group, signal)',
      },
    ],
  },
  {
    what: 'A4: reading goes on one record too far',
    plants: [
      {
        file: 'src/runtime/task/sources.ts',
        find: 'new Input(i, source.topic, positions[i] ?? 0)',
        replace: 'new Input(i, source.topic, (positions[i] ?? 0) + (positions[i] > 3 ? 1 : 0))',
      },
    ],
  },
  {
    what: 'C1: the positions are taken after something was awaited',
    plants: [
      {
        file: committer,
        find: '    let ends: readonly number[]\n    try {\n',
        replace:
          '    let ends: readonly number[]\n    try {\n      await new Promise<void>((resolve) => this.env.clock.after(1, resolve))\n' +
          '      for (const input of inputs) record.positions[input.topic] = input.position\n',
      },
      // The changelog's commit record is written by then: its positions are not to be taken.
      {
        file: activation,
        find: 'await inputPositions(plan, env, restored?.commit, group, signal)',
        replace: 'await inputPositions(plan, env, undefined, group, signal)',
      },
    ],
  },
  {
    what: 'C1: the positions are those of what was fetched, not of what was processed',
    plants: [
      {
        file: committer,
        find: 'const positions = inputs.map((input) => input.position)\n    const byTopic',
        replace: 'const positions = inputs.map((input) => input.end)\n    const byTopic',
      },
    ],
  },
  {
    what: 'C2: outputs have a transaction of their own, after that of changelog and positions',
    plants: [
      {
        file: committer,
        find: commitCall,
        replace:
          'ends = await activation.producer.commit({ records: collected.records.slice(0, 1), group: plan.group, positions })\n' +
          '      await activation.producer.commit({ records: collected.records.slice(1), group: plan.group, positions: [] })',
      },
    ],
  },
  {
    what: 'C2: outputs have a transaction of their own, before that of changelog and positions',
    plants: [
      {
        file: committer,
        find: commitCall,
        replace:
          'await activation.producer.commit({ records: collected.records.slice(1), group: plan.group, positions: [] })\n' +
          '      ends = await activation.producer.commit({ records: collected.records.slice(0, 1), group: plan.group, positions })',
      },
    ],
  },
  {
    what: 'C2: a commit that failed is tried again as it was',
    plants: [
      {
        file: committer,
        find: commitCall,
        replace:
          'const all = { records: collected.records, group: plan.group, positions }\n' +
          '      ends = await activation.producer.commit(all).catch(async () => {\n' +
          '        const again = await this.env.log.producer(plan.transactionalId)\n' +
          '        Object.assign(activation, { producer: again })\n' +
          '        return again.commit(all)\n' +
          '      })',
      },
    ],
  },
  {
    what: 'C2: a commit that failed is taken for done',
    plants: [
      {
        file: committer,
        find: '      if (!work.isCurrent()) return undefined\n      this.#sayFailed(collected, begunMs, error)\n      work.failed(collected, error)\n      return undefined\n',
        replace:
          "      if (error.code !== 'TRANSACTION_FAILED') {\n        if (work.isCurrent()) work.failed(collected, error)\n        return\n      }\n" +
          '      Object.assign(activation, { producer: await this.env.log.producer(plan.transactionalId) })\n      return\n',
      },
    ],
  },
  {
    what: 'C2: after a failure, what was in memory stays',
    plants: [
      { file: task, find: newProcessor, replace: newProcessor.replace('new', '(this.kept ??= new').replace(/$/, ')') },
    ],
  },
  {
    what: 'C3: the store is written before Kafka',
    plants: [
      {
        file: committer,
        find: commitCall,
        replace: `const { store } = this.store.holder\n      if (store?.meta()) await store.write(collected.changes, undefined)\n      ${commitCall}`,
      },
    ],
  },
  {
    what: 'C3: the store says a position that it does not have yet',
    plants: [
      {
        file: 'src/runtime/task/store-writer.ts',
        find: 'store.write(unstored.changes, {',
        replace: 'store.write(unstored.changes.slice(1), {',
      },
    ],
  },
  {
    what: 'C3: state objects may be forgotten before the store has them',
    plants: [
      {
        file: 'src/core/state/state-memory.ts',
        find: '(words[at + BATCH] ?? 0) <= this.#storedBatch',
        replace: 'true',
      },
    ],
  },
  {
    what: 'hand-off: a task that comes back does not wait for its former life',
    plants: [
      {
        file: 'src/runtime/worker.ts',
        find: '(this.#transitions.get(id) ?? Promise.resolve()).then(work)',
        replace: 'Promise.resolve().then(work)',
      },
    ],
  },
  {
    what: 'a computation that throws leaves half of its changes',
    plants: [
      {
        file: 'src/core/state/state-table.ts',
        find: '  rollBack(): void {\n    this.undo()\n',
        replace: '  rollBack(): void {\n    this.#putAll()\n',
      },
      { file: 'src/core/state/state-table.ts', find: 'if (was !== NONE)', replace: 'if (was < NONE)' },
    ],
  },
  {
    what: 'order: an empty source holds nobody back',
    plants: [
      {
        file: 'src/core/processing/input.ts',
        find: 'return arrived <= this.#drainedAsked',
        replace: 'return true',
      },
    ],
  },
  {
    what: 'order: a source counts as drained by an answer that was asked for before the record arrived',
    plants: [
      {
        file: 'src/core/processing/input.ts',
        find: 'fetched.mayLag === true ? -1 : fetched.asked',
        replace: 'fetched.mayLag === true ? -1 : fetched.arrived - 1',
      },
    ],
  },
  {
    what: 'order: a source counts as drained by the same answer, though partitions are read one after the other',
    plants: [
      {
        file: 'src/core/processing/input.ts',
        find: 'fetched.mayLag === true ? -1 : fetched.asked',
        replace: 'fetched.mayLag === true ? -1 : fetched.arrived',
      },
    ],
  },
  {
    what: 'input: records below the position are not skipped in a first batch',
    plants: [{ file: 'src/core/processing/input.ts', find: 'if (this.cursor.offset < floor) continue\n', replace: '' }],
  },
  {
    what: 'input: the memory of an answer is used again once its records were taken, before they are committed',
    plants: [
      {
        file: 'src/core/processing/input.ts',
        find: '    this.#current++\n    this.#openFrom(0)\n',
        replace: '    this.#queue[this.#current]?.answer.release()\n    this.#current++\n    this.#openFrom(0)\n',
      },
    ],
  },
  {
    what: 'Kafka: requests that end a transaction are sent again after a lost connection, and so may come late',
    plants: [
      {
        file: 'src/memory/producer.ts',
        find: "this.#retries(['CONCURRENT_TRANSACTIONS', 'COORDINATOR_LOAD_IN_PROGRESS', 'NOT_COORDINATOR'])",
        replace: "this.#retries(['CONCURRENT_TRANSACTIONS', 'COORDINATOR_LOAD_IN_PROGRESS', 'CONNECTION_LOST'])",
      },
    ],
  },
]
