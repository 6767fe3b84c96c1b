/** When a task commits next: soon while it keeps up, in larger lumps while it works off a backlog. */

export interface CommitPace {
  readonly commitIntervalMs: number
  readonly backlogCommitIntervalMs: number
}

/** So many tasks work off a backlog at the plain interval: 50 transactions a second with the defaults. */
const TASKS_AT_PLAIN_INTERVAL = 10
/** A longer interval than this comes of what was configured alone: readers of the outputs wait for it. */
const MAX_LENGTHENED_MS = 1000

/**
 * When a task commits what it has, on the clock that `lastMs` is on. `backlogs`: how many tasks of the worker work off a
 * backlog, the task itself included; 0 when it keeps up.
 *
 * Tasks that keep up commit at the same moments, whole intervals from `phaseMs` (core/commit/commit-phase.ts): their requests then share system calls,
 * and wake the brokers once, which takes a quarter of the CPU of a worker with eight away. One that was idle commits at once.
 */
export function nextCommitMs(pace: CommitPace, backlogs: number, lastMs: number, phaseMs = 0): number {
  const interval = commitIntervalOf(pace, backlogs)
  if (backlogs > 0) return lastMs + interval
  const phase = phaseMs % interval
  return (Math.floor((lastMs - phase) / interval + ROUNDING) + 1) * interval + phase
}

/** A commit that was due and made at the same moment is not due again then, however sums of fractions come out. */
const ROUNDING = 1e-6

/**
 * How long a task's changes are gathered, ms. A transaction costs broker and worker a millisecond of CPU, however little is
 * in it: so the more tasks of a worker have a backlog, the less often each commits. `backlogs`: how many they are, the task
 * itself included; 0 when it keeps up.
 */
function commitIntervalOf({ commitIntervalMs, backlogCommitIntervalMs }: CommitPace, backlogs: number): number {
  if (backlogs === 0) return commitIntervalMs
  const lengthened = (backlogCommitIntervalMs * backlogs) / TASKS_AT_PLAIN_INTERVAL
  return Math.max(backlogCommitIntervalMs, Math.min(lengthened, MAX_LENGTHENED_MS))
}
