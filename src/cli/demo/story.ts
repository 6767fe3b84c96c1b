/**
 * What happens to the workers, and when: they come one after another, the last that has tasks is killed, and is started again. Pure.
 */
import { isSettled, type Show } from './show.js'

export interface Step {
  readonly kind: 'add' | 'kill' | 'restart'
  /** Since feeding began. */
  readonly dueMs: number
}

/** By parts of the time for which it is fed. The first worker is there before. */
const ADDED_BY = 0.5
const KILLED_AT = 0.5
const RESTARTED_AT = 0.72
/** So long a step waits for the one before to have taken its effect. */
const PATIENCE_MS = 20_000
const SEEN_MS = 1_500

export const storyOf = (workers: number, plannedMs: number): readonly Step[] => [
  ...Array.from({ length: workers - 1 }, (_, i): Step => ({
    kind: 'add',
    dueMs: plannedMs * ADDED_BY * ((i + 1) / workers),
  })),
  { kind: 'kill', dueMs: plannedMs * KILLED_AT },
  { kind: 'restart', dueMs: plannedMs * RESTARTED_AT },
]

/**
 * Whether this step is to be done now. A worker is killed when all have their tasks, and started again when the others have
 * its tasks: else there would be nothing to see. `sinceMs`: when the step before it was done.
 */
export function isDue(step: Step, show: Show, nowMs: number, sinceMs: number): boolean {
  if (show.beganAtMs === undefined) return false
  const dueMs = Math.max(show.beganAtMs + step.dueMs, sinceMs)
  if (nowMs < dueMs) return false
  if (step.kind === 'add' || nowMs >= dueMs + PATIENCE_MS) return true
  // Nobody else takes the tasks of the only one.
  return isSeen(show, nowMs) || (step.kind === 'restart' && show.workers.length === 1)
}

/** Whether what the last step came to has stood there for as long as it takes to see it. */
export const isSeen = (show: Show, nowMs: number): boolean =>
  isSettled(show) && show.tasks.every(({ moved }) => moved === undefined || nowMs - moved.atMs >= SEEN_MS)

/** The last that has tasks; of workers that all have none, the last. */
export function victimOf({ workers, tasks }: Show): string | undefined {
  const names = workers.map(({ name }) => name)
  return names.findLast((name) => tasks.some(({ owner }) => owner === name)) ?? names.at(-1)
}
