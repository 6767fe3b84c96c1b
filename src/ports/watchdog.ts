/**
 * What goes on while the application's code holds the event loop up: heartbeats, and the end of code that takes too long.
 * In production a thread does it (src/kafka/watchdog.ts).
 */
import type { Clock } from './clock.js'
import type { Membership } from './log.js'

export interface Watchdog {
  /**
   * Calls `work` once, when IO that waits was given its turn, and watches it. Where it runs for longer than a computation
   * may (`maxComputationMs`), it is ended from outside: nothing of it runs any more, no `catch` and no `finally`, and then
   * `cutOff` is called. Not to be called again before `work` has returned or was cut off.
   */
  run(work: () => void, cutOff: () => void): void
  /** Asked by `work` after each record: whether it has held the event loop up for so long that it should return. */
  isOverdue(): boolean
  /**
   * The membership has just been confirmed. When this is not said again in time, heartbeats are sent for it, unless the
   * event loop has been silent for longer than a computation may take. Undefined: there is no membership, or a join is
   * under way.
   */
  attend(membership: Membership | undefined): void
  close(): Promise<void>
}

/** Nobody watches: while a computation runs, the worker is silent. */
export const unwatched = (clock: Clock): Watchdog => ({
  run: (work) => {
    clock.soon(work)
  },
  isOverdue: () => false,
  attend: () => undefined,
  close: () => Promise.resolve(),
})
