/** Bounds on what a worker does for others, so that its own work goes on. */
import type { Clock } from '../ports/clock.js'

/** Lets a number of callers in at a time; others wait in the order in which they came. */
export class Line {
  readonly #waiting: (() => void)[] = []
  #free: number

  constructor(places: number) {
    this.#free = places
  }

  /** Resolves with what gives the place back, to be called once; rejects with the signal's reason. */
  async enter(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted()
    if (this.#free > 0) this.#free--
    else await this.#turn(signal)
    return () => {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free++
      else next()
    }
  }

  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const enter = (): void => {
        signal.removeEventListener('abort', leave)
        resolve()
      }
      const leave = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(enter), 1)
        reject(signal.reason as Error)
      }
      this.#waiting.push(enter)
      signal.addEventListener('abort', leave, { once: true })
    })
  }
}

/** Spreads bytes over time: no more a second than given, all callers together. */
export class Pace {
  #nextMs = -Infinity

  constructor(
    private readonly clock: Clock,
    private readonly bytesPerSecond: number,
  ) {}

  /** Resolves when that many bytes may go, after those that were asked for before. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    const nowMs = this.clock.monotonic()
    const waitMs = this.#nextMs - nowMs
    this.#nextMs = Math.max(nowMs, this.#nextMs) + (bytes / this.bytesPerSecond) * 1000
    if (waitMs > 0) await pause(this.clock, waitMs, signal)
  }
}

/** Rejects with the signal's reason. */
export const pause = (clock: Clock, ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const abort = (): void => {
      timer.cancel()
      reject(signal.reason as Error)
    }
    const timer = clock.after(ms, () => {
      signal.removeEventListener('abort', abort)
      resolve()
    })
    signal.addEventListener('abort', abort, { once: true })
  })
