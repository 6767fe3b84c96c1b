/**
 * Order within a task: which input gives the next record.
 *
 * 1. The record with the lowest record timestamp goes first (Kafka Streams' rule, KIP-353; never a field of the value);
 *    ties in the order in which the sources are declared, then by position.
 * 2. An input whose buffer is empty holds the others back until it is proven to have had nothing older to give.
 * 3. That wait is bounded, is waited once per dry spell, and starts again only when the input gave something.
 */
import type { Input } from './input.js'

export class Merge {
  /** While records are held back: until when, on the caller's clock. */
  heldUntilMs: number | undefined
  /** The empty input that holds the others back. */
  #awaited: Input | undefined

  constructor(
    readonly inputs: readonly Input[],
    private readonly maxHoldMs: number,
    /** Told when an input was waited for for nothing: from here the order of records across sources is not certain. */
    private readonly waived: (input: Input) => void = () => undefined,
  ) {}

  /** The input whose head is to be taken now; undefined when there is none, or when it is held back. */
  next(monotonicMs: () => number): Input | undefined {
    let best: Input | undefined
    let anyEmpty = false
    for (const input of this.inputs) {
      if (!input.hasHead) anyEmpty = true
      else if (best === undefined || input.cursor.timestampMs < best.cursor.timestampMs) best = input
    }
    if (best !== undefined && anyEmpty && this.#isHeld(best, monotonicMs)) return undefined
    this.#awaited = undefined
    this.heldUntilMs = undefined
    return best
  }

  /** Whether the input is empty, and what others have can't go before an answer has shown that it has nothing older. */
  awaits(input: Input): boolean {
    return this.inputs.some((other) => other.hasHead && holdsBack(input, other))
  }

  #isHeld(best: Input, monotonicMs: () => number): boolean {
    for (const input of this.inputs) {
      if (!holdsBack(input, best)) continue
      const now = monotonicMs()
      if (this.#awaited !== input || this.heldUntilMs === undefined) {
        this.#awaited = input
        this.heldUntilMs = now + this.maxHoldMs
      }
      if (now < this.heldUntilMs) return true
      input.waived = true
      this.waived(input)
    }
    return false
  }
}

/** Whether the input, being empty, may have something that is older than the other's head. */
const holdsBack = (input: Input, other: Input): boolean =>
  !input.hasHead && !input.waived && !input.isDrainedFor(other.headArrived)
