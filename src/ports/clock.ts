/**
 * Time and randomness. Everything in api, core and runtime that needs them gets them here, so that one seed reproduces
 * a run.
 */

export interface Timer {
  cancel(): void
}
export interface Clock {
  /** Wall clock, ms since the epoch. */
  now(): number
  /** Never goes back; ms, fractional; only differences are meaningful. */
  monotonic(): number
  /** Calls once after this many ms, unless cancelled. */
  after(ms: number, call: () => void): Timer
  /** Calls once after pending IO has had its turn (setImmediate). */
  soon(call: () => void): void
}
export interface Random {
  /** 0 <= x < 1 */
  next(): number
  /** A unique id: 32 hexadecimal digits. */
  id(): string
}
