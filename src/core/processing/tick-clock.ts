/**
 * The wall clock, as ticks may go by it: where it is set forward, they continue by the clock as it was for a while; nobody is to
 * find all that is due in the next years done because a clock was wrong for a moment. Set back, it is believed at once.
 */

/** What clocks may be slewed by between two looks. */
const TOLERANCE_MS = 1000
/** For so long the clock as it was is believed, by monotonic time. */
const DOUBT_MS = 10_000

export class TickClock {
  /** Wall clock less monotonic clock. */
  #offsetMs: number | undefined
  #doubtedSinceMs: number | undefined

  /** Both clocks, now. Returns the wall clock to go by, ms since the epoch. */
  read(nowMs: number, monotonicMs: number): number {
    const offsetMs = nowMs - monotonicMs
    const believedMs = this.#offsetMs ?? offsetMs
    if (offsetMs - believedMs <= TOLERANCE_MS) {
      this.#offsetMs = offsetMs
      this.#doubtedSinceMs = undefined
      return nowMs
    }
    this.#doubtedSinceMs ??= monotonicMs
    if (monotonicMs - this.#doubtedSinceMs < DOUBT_MS) return believedMs + monotonicMs
    this.#offsetMs = offsetMs
    this.#doubtedSinceMs = undefined
    return nowMs
  }
}
