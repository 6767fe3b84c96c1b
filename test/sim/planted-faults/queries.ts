/** Queries: src/runtime/task/answers.ts, src/runtime/queries, src/core/query. Invariant 21: what is told is committed. */
import type { PlantedFault } from './planted-fault.js'

const answers = 'src/runtime/task/answers.ts'
const committer = 'src/runtime/task/committer.ts'

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
        find: 'isFenced || tenure !== this.#tenure',
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
]
