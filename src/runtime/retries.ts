/** Trying something again until it succeeds: pauses that grow, up to a bound, and when it is to be said that it fails. */
import type { Clock } from '../ports/clock.js'

const FIRST_PAUSE_MS = 100
const MAX_PAUSE_MS = 5_000
/** So often it is said, while it continues failing. */
const SAY_EVERY_MS = 30_000

export class Retries {
  #sinceMs: number
  #saidMs: number | undefined
  #pauseMs = FIRST_PAUSE_MS

  constructor(private readonly clock: Clock) {
    this.#sinceMs = clock.monotonic()
  }

  /** Something else is tried from now on. */
  begin(): void {
    this.#sinceMs = this.clock.monotonic()
    this.#saidMs = undefined
    this.#pauseMs = FIRST_PAUSE_MS
  }

  /** It failed: since when it is tried, ms, where that is to be said now. */
  failed(): number | undefined {
    const now = this.clock.monotonic()
    if (this.#saidMs !== undefined && now - this.#saidMs < SAY_EVERY_MS) return undefined
    this.#saidMs = now
    return Math.round(now - this.#sinceMs)
  }

  /** It succeeded: after how long, ms, where it was said that it failed. */
  succeeded(): number | undefined {
    return this.#saidMs === undefined ? undefined : Math.round(this.clock.monotonic() - this.#sinceMs)
  }

  /** Since when it is tried, ms. */
  get waitedMs(): number {
    return Math.round(this.clock.monotonic() - this.#sinceMs)
  }

  /** How long to wait before the next try. */
  nextPauseMs(): number {
    const ms = this.#pauseMs
    this.#pauseMs = Math.min(MAX_PAUSE_MS, ms * 2)
    return ms
  }
}
