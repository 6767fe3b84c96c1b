/**
 * Notices that a transaction of a source's producer stays open: what follows it on its partition can't be read until it
 * ends, and nobody would know why nothing comes.
 */
import type { Fetched } from '../records/fetched.js'

/** Transactions take a fraction of this. Longer, and whoever looks for the reason waits; shorter, and slow ones are said. */
const PATIENCE_MS = 5000

export type OpenTransaction =
  /** Said once for each transaction that stays open. */
  | { readonly kind: 'waiting'; readonly waitedMs: number; readonly records: number }
  /** After `waiting`: what followed it can be read. */
  | { readonly kind: 'over'; readonly waitedMs: number }

export class OpenTransactionWatch {
  #at: number | undefined
  #sinceMs = 0
  #said = false

  /** To be told every answer, also the empty ones. Returns what should be said, if anything. */
  observe(
    {
      nextPosition,
      lastStableOffset,
      highWatermark,
    }: Pick<Fetched, 'nextPosition' | 'lastStableOffset' | 'highWatermark'>,
    nowMs: number,
  ): OpenTransaction | undefined {
    if (this.#at === lastStableOffset && lastStableOffset < highWatermark) {
      const waitedMs = nowMs - this.#sinceMs
      // What is below the last stable offset is read first: until then nothing waits.
      if (this.#said || nextPosition < lastStableOffset || waitedMs < PATIENCE_MS) return undefined
      this.#said = true
      return { kind: 'waiting', waitedMs, records: highWatermark - lastStableOffset }
    }
    const over = this.#said ? ({ kind: 'over', waitedMs: nowMs - this.#sinceMs } as const) : undefined
    this.#at = lastStableOffset < highWatermark ? lastStableOffset : undefined
    this.#sinceMs = nowMs
    this.#said = false
    return over
  }
}
