/**
 * Which messages meet in an interval join, and when they are over. Pure.
 *
 * Invariants
 * 1. Two messages meet if their timestamps are no further apart than `withinMs`, and neither was over by the other's bound: so whether they
 *    do depends on the logs of their partitions, and not on which of them came first.
 * 2. A message is over when time has passed its timestamp and `withinMs`: what is not late does not meet it any more. So none that has met
 *    nothing is over before it can't any more, and it is taken out once (`takeOver`).
 * 3. One that has met another is taken out later, by a part of `withinMs`: so a key whose messages all meet is not written for each
 *    of them once more.
 */
import type { Side } from '../../api/definition.js'
import { otherSide, SIDES, type OpenMessage, type OpenPairs, type OpenSide } from '../../api/open-pairs.js'

/** Invariant 3. */
const PARTS_OF_WITHIN = 64

/** The first moment at which it is over. */
export const overMs = (atMs: number, withinMs: number): number => atMs + withinMs + 1

/** Those of the other side that a message meets, in the order of their timestamps. Invariant 1. */
export function partnersOf(
  open: OpenPairs,
  side: Side,
  { atMs, boundMs }: Pick<OpenMessage, 'atMs' | 'boundMs'>,
  withinMs: number,
): readonly OpenMessage[] {
  const { list } = open[otherSide(side)]
  const found: OpenMessage[] = []
  for (let i = open[otherSide(side)].from(atMs - withinMs); i < list.length; i++) {
    const one = list[i]
    if (one === undefined || one.atMs > atMs + withinMs) break
    if (overMs(one.atMs, withinMs) > boundMs && overMs(atMs, withinMs) > one.boundMs) found.push(one)
  }
  return found
}

/** When something of them is to be taken out next; Infinity: nothing is there. */
export function nextOverMs(open: OpenPairs, withinMs: number): number {
  const stepMs = Math.max(1, Math.floor(withinMs / PARTS_OF_WITHIN))
  let next = Infinity
  for (const side of SIDES) {
    const { alone, list } = open[side]
    const [first] = list
    if (alone !== undefined) next = Math.min(next, overMs(alone.atMs, withinMs))
    if (first !== undefined) next = Math.min(next, Math.ceil(overMs(first.atMs, withinMs) / stepMs) * stepMs)
  }
  return next
}

/** Takes out what is over by then: all that have met another, up to the first that has not, which it gives. */
export function takeOver(
  open: OpenPairs,
  byMs: number,
  withinMs: number,
): { side: Side; one: OpenMessage } | undefined {
  const isOver = (one: OpenMessage | undefined): one is OpenMessage =>
    one !== undefined && overMs(one.atMs, withinMs) <= byMs
  const { left, right } = open
  const [l, r] = [left.alone, right.alone]
  const side: Side = isOver(l) && !(isOver(r) && r.atMs < l.atMs) ? 'left' : 'right'
  const one = open[side].alone
  const isAlone = isOver(one)
  for (const each of SIDES) {
    const own: OpenSide = open[each]
    const over = own.from(byMs - withinMs)
    own.removeFirst(isAlone && each === side ? Math.min(over, own.firstAlone + 1) : Math.min(over, own.firstAlone))
  }
  return isAlone ? { side, one } : undefined
}
