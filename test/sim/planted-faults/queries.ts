/** Queries: src/runtime/task/answers.ts, src/runtime/queries, src/core/query. Invariant 21: what is told is committed. */
import type { PlantedFault } from './planted-fault.js'

const answers = 'src/runtime/task/answers.ts'
const committer = 'src/runtime/task/committer.ts'
const reader = 'src/runtime/changelog-reader.ts'
const router = 'src/runtime/queries/router.ts'
const writer = 'src/runtime/task/store-writer.ts'

export const queriesFaults: readonly PlantedFault[] = [
  {
    what: 'query: answered before the commit is acknowledged',
    plants: [
      {
        file: answers,
        find: 'const made = isUnderWay ? await committer.underWay() : committer.made',
        replace: 'const made = committer.made',
      },
    ],
  },
  {
    what: 'query: answered from memory, as messages have left it',
    plants: [
      {
        file: 'src/core/state/state-table.ts',
        find: 'live === 0 ? NONE : this.#touched.noted(live - 1)',
        replace: 'NONE',
      },
    ],
  },
  {
    what: 'query: a commit that failed counts as acknowledged',
    plants: [
      {
        file: committer,
        find: 'work.failed(collected, error)\n      return undefined',
        replace: 'work.failed(collected, error)\n      return current.made',
      },
    ],
  },
  {
    what: 'query: fenced, by an owner that was fenced',
    plants: [
      {
        file: answers,
        find: 'if (isFenced && !(await this.committer.proven())) return NOT_HERE',
        replace: '',
      },
    ],
  },
  {
    what: 'query: fenced, by a commit that had begun before the question',
    plants: [
      {
        file: committer,
        find: 'if (this.#current === undefined) return Promise.resolve(false)\n',
        replace:
          'if (this.#current === undefined) return Promise.resolve(false)\n    if (this.#underWay !== undefined) return this.#underWay.then((made) => made !== undefined)\n',
      },
    ],
  },
  {
    what: 'query: an owner answers that the group has not confirmed for long',
    plants: [
      {
        file: 'src/runtime/worker.ts',
        find: 'return task.answer(question, ageMs > maxAgeMs)',
        replace: "return task.answer(question, consistency === 'fenced' && ageMs > maxAgeMs)",
      },
    ],
  },
  {
    what: 'query: an owner answers that others have come between, since it became active',
    plants: [
      {
        file: 'src/runtime/task.ts',
        find: 'isFenced || ownershipEpoch !== this.#ownershipEpoch',
        replace: 'isFenced',
      },
    ],
  },
  {
    what: 'query: a standby answers, however old it is',
    plants: [
      {
        file: 'src/runtime/standby.ts',
        find: 'if (clock.monotonic() - stored.atMs > maxAgeMs) return NOT_HERE',
        replace: '',
      },
    ],
  },
  {
    what: 'scan: a store is said to have the last commit',
    plants: [
      { file: answers, find: '{ asOf: stored, timeMs: made.timeMs', replace: '{ asOf: made.asOf, timeMs: made.timeMs' },
    ],
  },
  {
    what: 'scan: fenced, of a store that is behind',
    plants: [
      { file: answers, find: "if (consistency !== 'committed') {", replace: "if (typeof consistency === 'number') {" },
    ],
  },
  {
    what: 'scan: what a task has not told yet is passed over',
    plants: [
      {
        file: 'src/core/query/range.ts',
        find: 'if (next !== undefined && (told === undefined || next < told)) told = next',
        replace: 'if (next !== undefined && (told === undefined || next > told)) told = next',
      },
    ],
  },
  {
    what: 'scan: the next page begins behind the key that it should begin with',
    plants: [
      {
        file: 'src/core/query/range.ts',
        find: 'from: successorOf(last.key), before',
        replace: "from: last.key + '~', before",
      },
    ],
  },
  {
    what: 'query: a heartbeat confirms an owner from when it is answered',
    plants: [
      {
        file: 'src/runtime/membership.ts',
        find: 'this.#informWatchdog()\n      this.#confirmedMs = sentMs',
        replace: 'this.#informWatchdog()\n      this.#confirmedMs = clock.monotonic()',
      },
    ],
  },
  {
    what: 'query: a standby takes what is not decided yet for what is not there',
    plants: [
      {
        file: reader,
        find: 'if (this.#position >= fetched.highWatermark) this.#completeMs',
        replace: 'if (this.#position >= fetched.lastStableOffset) this.#completeMs',
      },
    ],
  },
  {
    what: 'query: a standby is as old as the answer that it has read, not as the question for it',
    plants: [
      {
        file: reader,
        find: 'this.#completeMs = this.#asked.monotonicMs',
        replace: 'this.#completeMs = this.#moment().monotonicMs',
      },
    ],
  },
  {
    what: 'query: a standby has what it has read, written or not',
    plants: [
      {
        file: reader,
        find: 'const isWritten = this.#slice.count === 0 && this.#writing === undefined && this.#commit === this.#written',
        replace: 'const isWritten = true',
      },
    ],
  },
  {
    what: 'query: what the client has seen before is not looked at',
    plants: [{ file: router, find: 'Math.max(atLeast, question', replace: 'Math.max(-1, question' }],
  },
  {
    what: 'query: who has a task is looked up once',
    plants: [
      { file: router, find: 'isFirst ? RECORD_MS : RECORD_AGAIN_MS', replace: '1e9' },
      {
        file: router,
        find: 'Math.min(this.#holdersAtMs, this.env.clock.monotonic() - RECORD_MS)',
        replace: 'this.#holdersAtMs',
      },
    ],
  },
  {
    what: 'scan: a store has what is being written',
    plants: [
      { file: writer, find: 'Math.min(writesSinceMs, behindSinceMs) > untilMs', replace: 'behindSinceMs > untilMs' },
    ],
  },
  {
    what: 'scan: a store that was written has the last commit by then',
    plants: [{ file: writer, find: 'current.stored = asOf\n', replace: 'current.stored = current.made\n' }],
  },
  {
    what: 'scan: a part that was cut off is said to be whole',
    plants: [{ file: 'src/runtime/queries/stored.ts', find: 'next = key\n', replace: '' }],
  },
  {
    what: 'scan: the key that a part has ended before is passed over',
    plants: [
      {
        file: 'src/core/query/range.ts',
        find: 'rest: { from: told, before',
        replace: 'rest: { from: successorOf(told), before',
      },
    ],
  },
  {
    what: 'scan: what is under way is not waited for, though it may have been decided long ago',
    plants: [{ file: answers, find: "if (consistency !== 'fenced') await this.committer.underWay()", replace: '' }],
  },
  {
    what: 'scan: a store is behind since the acknowledgement of a commit, not since it began',
    plants: [
      {
        file: writer,
        find: 'current.behindSinceMs ??= begunMs',
        replace: 'current.behindSinceMs ??= this.env.clock.monotonic()',
      },
    ],
  },
  {
    what: 'scan: what a page that was cut by its bytes or its time has not told is passed over',
    plants: [
      {
        file: 'src/runtime/queries/stored.ts',
        find: 'next = key\n',
        replace: 'next = entries.length === limit ? key : undefined\n',
      },
    ],
  },
]
