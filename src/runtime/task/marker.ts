/**
 * When a task that others after repartitions wait for tells them how far it is. With each commit it does; where nothing is to be
 * committed, or not in all partitions, by and by (core/processing/marks.ts).
 *
 * Invariants
 * 1. A task whose time nobody needs does nothing here.
 * 2. A commit is made for marks alone only where they say something new.
 * 3. What the clock brings is as of the round: its inputs are asked once more, and waited for, but not for long.
 */
import type { Claim, Marks } from '../../core/processing/marks.js'
import type { Watermark } from '../../core/processing/watermark.js'
import type { Clock } from '../../ports/clock.js'
import type { Timekeeper } from './timekeeper.js'

/** What an activation tells. */
export interface Telling {
  readonly marks: Marks
  readonly time: Pick<Watermark, 'claimed'>
  /** How far it is, now. */
  claim(): Claim
}

/** A broker that has not answered by then is not waited for. */
const PATIENCE_MS = 500

export class Marker {
  #current: Telling | undefined
  /** On the monotonic clock. */
  #activityMs = -Infinity

  constructor(
    private readonly clock: Clock,
    private readonly timekeeper: Pick<Timekeeper, 'askAgain' | 'isAnswered'>,
  ) {}

  /** `telling`: undefined where nobody needs its time. */
  begin(telling: Telling | undefined): void {
    if (telling === undefined) return
    this.#current = telling
    this.#activityMs = this.clock.monotonic()
  }

  end(): void {
    this.#current = undefined
  }

  /** When to commit for marks alone, or to ask for it again, on the monotonic clock; undefined: never. */
  dueMs(): number | undefined {
    const current = this.#current
    if (current === undefined) return undefined
    const { marks } = current
    const nowMs = this.clock.monotonic()
    const roundMs = marks.roundDueMs(this.#activityMs)
    if (roundMs > nowMs) return roundMs
    if (nowMs < roundMs + PATIENCE_MS && !this.timekeeper.isAnswered(nowMs - roundMs)) {
      this.timekeeper.askAgain(nowMs - roundMs)
      return roundMs + PATIENCE_MS
    }
    if (marks.isNews(current.claim())) return nowMs
    marks.skipRound(nowMs)
    return marks.roundDueMs(this.#activityMs)
  }

  /** To be called first of all that is collected for a commit. `hasWork`: it is not for marks alone. */
  collects(hasWork: boolean): void {
    const current = this.#current
    if (current === undefined) return
    const nowMs = this.clock.monotonic()
    if (hasWork) this.#activityMs = nowMs
    const claim = current.claim()
    current.time.claimed(claim)
    current.marks.prepare(claim, nowMs, this.#activityMs)
  }
}
