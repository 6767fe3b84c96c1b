/**
 * How far a task that makes calls is: no further than the oldest message whose result is not written yet. Pure.
 *
 * Invariants
 * 1. What counts is what was taken and is not done: also what was answered, until its result is put out. Marks come behind that, in
 *    one transaction with it (marks.ts).
 * 2. What was late in its source holds time where its bound was: it is in time yet for windows that end behind that, and its result brings the
 *    bound along. What came by an edge that carries no time does not hold it where it lies below what was said of others.
 */
import type { Claim } from '../marks.js'

/** What is kept of a message's time until it is done. */
export interface Taken {
  /** The bound by which it was late; undefined: it was not. */
  readonly lateBoundMs: number | undefined
  /** What time may not pass while it is not done; Infinity: it does not hold it. */
  readonly holdsMs: number
}

/** `boundMs`: of its input, when it was taken. */
export const takenAt = (timestampMs: number, lateBoundMs: number | undefined, boundMs: number): Taken => ({
  lateBoundMs,
  holdsMs: (lateBoundMs ?? timestampMs) >= boundMs ? (lateBoundMs ?? timestampMs) : Infinity,
})

/** `claim`: by what was taken, as if all of it were done. */
export function claimWith(claim: Claim, underWay: Iterable<Pick<Taken, 'holdsMs'>>): Claim {
  let oldestMs = Infinity
  for (const { holdsMs } of underWay) oldestMs = Math.min(oldestMs, holdsMs)
  return { boundMs: Math.min(claim.boundMs, oldestMs), tickMs: Math.min(claim.tickMs, oldestMs) }
}
