/**
 * How long a worker's tasks gather changes before they commit. Each task commits alone, so that 32 tasks with an interval
 * of 20 ms make 1,600 transactions a second. Where that is more than the brokers take, transactions queue: each takes
 * longer, the brokers have nothing left for fetches and hand-offs, and outputs are later than with fewer, larger commits.
 *
 * Invariants
 * 1. While commits don't queue there is no least interval, however long the brokers take for one commit.
 * 2. It grows with the time that commits queue, up to `longestMs`, and shrinks with it.
 * 3. Tasks that began together drift apart: many commits at once queue for each other.
 */

/** A commit is to be queueing for this part of the time at most, one divided by it. */
const INTERVALS_PER_QUEUEING = 4
/** The part that one commit has in the average. */
const AVERAGED = 1 / 16
/** How fast the shortest time is forgotten, by commit: brokers may have become slower for good. */
const FORGOTTEN = 1 / 4096
/** The part of a stretched interval over which tasks are spread. */
const SPREAD = 0.3
/** Multiples of it, without their whole part, fill the range from 0 to 1 evenly in whatever number. */
const GOLDEN = (Math.sqrt(5) - 1) / 2

export class CommitPace {
  #averageMs = 0
  #shortestMs = Infinity
  #given = 0

  /** `longestMs`: how far the interval may be stretched. */
  constructor(private readonly longestMs: number) {}

  /** How long commits queue now, about. */
  get queueingMs(): number {
    return Math.max(0, this.#averageMs - this.#shortestMs)
  }

  /** A commit took so long. */
  took(ms: number): void {
    // One that waited for a broker to come back says little about the next.
    const bounded = Math.min(ms, this.longestMs)
    this.#averageMs = this.#shortestMs === Infinity ? bounded : mix(this.#averageMs, bounded, AVERAGED)
    this.#shortestMs = Math.min(
      bounded,
      this.#shortestMs === Infinity ? bounded : mix(this.#shortestMs, bounded, FORGOTTEN),
    )
  }

  /** The least time from a commit that begins now to the next one of the same task. */
  nextIntervalMs(): number {
    const wholeMs = Math.min(this.longestMs, INTERVALS_PER_QUEUEING * this.queueingMs)
    this.#given += 1
    return Math.round(wholeMs * (1 - SPREAD * ((this.#given * GOLDEN) % 1)))
  }
}

const mix = (before: number, now: number, part: number): number => before + (now - before) * part
