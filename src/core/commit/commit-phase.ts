/**
 * When in its interval a task commits. What one task writes to a repartition becomes readable when its transaction has ended;
 * a reader that committed at the same moments would wait for almost a whole interval. So readers commit later in the
 * interval, by what a transaction takes: then what was committed a stage before has just arrived. Tasks of the same depth
 * commit together on all workers, by the wall clock.
 *
 * Invariants
 * 1. Only the phase is taken from the wall clock: how far commits are apart is the monotonic clock's. Clocks that differ
 *    between workers cost latency, and nothing else.
 * 2. The phase moves only when transactions have become faster or slower by `STEP_MS`: each move may bring a commit forward.
 * 3. Without stages there is no phase: workers then commit at moments of their own, which spreads the brokers' load.
 */

/** Of a transaction, where none was seen yet. */
const FIRST_MS = 6
/** Until what was committed has been fetched. */
const FETCH_MS = 1
const STEP_MS = 1
/** A transaction that takes so long is a pause of broker or network, and says nothing about the next. */
const LONGEST_MS = 100
/** What the newest transaction counts, as in the smoothing of round trips (RFC 6298). */
const GAIN = 1 / 16
const DEVIATION_GAIN = 1 / 8

export class CommitPhase {
  #meanMs = FIRST_MS
  #deviationMs = 0
  #stageMs = FIRST_MS + FETCH_MS
  #wallMs: number | undefined

  /** From now on tasks have phases. `wallMs`: what the wall clock is ahead of the monotonic one. */
  align(wallMs: number): void {
    this.#wallMs = wallMs
  }

  /** A transaction of this worker took that long. */
  transacted(tookMs: number): void {
    const ms = Math.min(tookMs, LONGEST_MS)
    this.#deviationMs += DEVIATION_GAIN * (Math.abs(ms - this.#meanMs) - this.#deviationMs)
    this.#meanMs += GAIN * (ms - this.#meanMs)
    const stageMs = this.#meanMs + this.#deviationMs + FETCH_MS
    if (Math.abs(stageMs - this.#stageMs) >= STEP_MS) this.#stageMs = stageMs
  }

  /** A moment at which a task commits that so many stages lie before, on the monotonic clock, ms; others are intervals away. */
  of(depth: number): number {
    return this.#wallMs === undefined ? 0 : depth * this.#stageMs - this.#wallMs
  }
}
