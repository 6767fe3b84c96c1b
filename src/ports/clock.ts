/** Time and chance. Everything in api, core and runtime that needs them gets them here, so that one seed reproduces a run. */

export interface Timer {
  cancel(): void
}
export interface Clock {
  /** Wall clock, ms since the epoch. */
  now(): number
  /** Never goes back; ms, fractional; only differences mean something. */
  monotonic(): number
  /** Calls once after that many ms, unless cancelled. */
  after(ms: number, call: () => void): Timer
  /** Calls once when IO that waits was given its turn (setImmediate). */
  soon(call: () => void): void
}
export interface Random {
  /** 0 <= x < 1 */
  next(): number
  /** An id that nobody else has: 32 hexadecimal digits. */
  id(): string
}
