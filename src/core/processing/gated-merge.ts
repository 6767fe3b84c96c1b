/**
 * The merge of a task whose messages look things up in broadcasts.
 *
 * Invariants
 * 1. A record goes only when the broadcasts are proven for the tick at which it arrived: so a lookup finds all that was
 *    acknowledged before the record was even written. That is waited for without a bound: what is not known must not be
 *    taken for what is not there.
 */
import type { Input } from './input.js'
import { Merge } from './merge.js'

/** Says whether what arrived at a tick may go; what may not, it says again when it may. */
export interface Gate {
  isOpenFor(arrived: number): boolean
}

export class GatedMerge extends Merge {
  constructor(
    inputs: readonly Input[],
    maxHoldMs: number,
    waived: (input: Input) => void,
    private readonly gate: Gate,
  ) {
    super(inputs, maxHoldMs, waived)
  }

  override next(monotonicMs: () => number): Input | undefined {
    const best = super.next(monotonicMs)
    return best !== undefined && this.gate.isOpenFor(best.headArrived) ? best : undefined
  }
}
