/**
 * What continues while the application's code blocks the event loop: heartbeats, and the end of code that takes too
 * long. In production a thread does this (src/kafka/watchdog.ts).
 */
import type { Clock } from './clock.js'
import type { Membership } from './log.js'

export interface Watchdog {
  /**
   * Calls `work` once, after pending IO has had its turn, and watches it. If it runs longer than a computation may
   * (`maxComputationMs`), it is ended from outside: none of it runs any more, no `catch` and no `finally`, and then
   * `cutOff` is called. Do not call again before `work` has returned or was cut off.
   */
  run(work: () => void, cutOff: () => void): void
  /** `work` asks after each record whether it has blocked the event loop for so long that it should return. */
  isOverdue(): boolean
  /**
   * The membership has just been confirmed. If this is not called again in time, heartbeats are sent for it, unless the
   * event loop has been silent for longer than a computation may take. Undefined: there is no membership, or a join is
   * in progress.
   */
  attend(membership: Membership | undefined): void
  close(): Promise<void>
}

/** No watchdog: while a computation runs, the worker is silent. */
export const unwatched = (clock: Clock): Watchdog => ({
  run: (work) => {
    clock.soon(work)
  },
  isOverdue: () => false,
  attend: () => undefined,
  close: () => Promise.resolve(),
})
