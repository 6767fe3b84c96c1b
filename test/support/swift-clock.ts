/** A clock that does not wait: when nothing else is left to do, it continues to its next timer. */
import type { Clock, Timer } from '../../src/ports/clock.js'

export class SwiftClock implements Clock {
  #nowMs = 1_700_000_000_000
  #timers: { readonly atMs: number; readonly call: () => void }[] = []
  #isTurning = false

  now = (): number => this.#nowMs
  monotonic = (): number => this.#nowMs
  soon = (call: () => void): void => {
    setImmediate(call)
  }
  after = (ms: number, call: () => void): Timer => {
    const timer = { atMs: this.#nowMs + ms, call }
    this.#timers.push(timer)
    this.#turn()
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer)
      },
    }
  }

  pass(ms: number): void {
    this.#nowMs += ms
  }

  #turn(): void {
    if (this.#isTurning || this.#timers.length === 0) return
    this.#isTurning = true
    setImmediate(() => {
      this.#isTurning = false
      const [next] = this.#timers.sort((a, b) => a.atMs - b.atMs)
      if (next === undefined) return
      this.#timers = this.#timers.filter((other) => other !== next)
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      next.call()
      this.#turn()
    })
  }
}
