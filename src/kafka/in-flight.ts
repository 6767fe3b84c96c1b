/**
 * The requests of one connection that wait for their answer. It takes the place of kafkajs's queue, which wakes up every
 * millisecond for as long as a connection lives, and which gives up on a late request alone: Kafka answers a connection's
 * requests in order, so when one answer is overdue none behind it will come, and the connection is at its end.
 */
import type { Clock, Timer } from '../ports/clock.js'
import type { PushedRequest, RequestEntry, RequestQueue } from './kafkajs.js'

interface Waiting {
  readonly entry: RequestEntry
  readonly deadline: number
}

/**
 * So much longer than its time an answer may take: where the event loop was held up, timers come first, and answers that
 * arrived in time are read behind them.
 */
const READ_MS = 100

export class InFlight implements RequestQueue {
  readonly #waiting = new Map<number, Waiting>()
  #timer: Timer | undefined
  #timerAt = Infinity
  /** Whether one was, when that was looked at last. */
  #isOverdue = false
  #closed: Error | undefined

  constructor(
    private readonly clock: Clock,
    private readonly requestTimeoutMs: number,
    /** The connection is at its end: it has to be closed, and this with it. */
    private readonly broken: (why: string) => void,
  ) {}

  get size(): number {
    return this.#waiting.size
  }

  push(request: PushedRequest): void {
    const { entry, requestTimeout } = request
    if (this.#closed) throw this.#closed
    const deadline = this.clock.monotonic() + (requestTimeout ?? this.requestTimeoutMs)
    request.sendRequest()
    this.#waiting.set(entry.correlationId, { entry, deadline })
    this.#watch(deadline)
  }

  fulfillRequest({ correlationId, payload, size }: { correlationId: number; payload: Buffer; size: number }): void {
    const waiting = this.#waiting.get(correlationId)
    this.#waiting.delete(correlationId)
    waiting?.entry.resolve({ correlationId, entry: waiting.entry, size, payload })
  }

  /** How kafkajs says that the connection broke. */
  rejectAll(error: Error): void {
    this.broken(error.message)
  }

  /** Nothing is taken any more; what waits is rejected. */
  close(error: Error): void {
    this.#closed ??= error
    this.destroy()
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const { entry } of waiting) entry.reject(error)
  }

  destroy(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#timerAt = Infinity
  }

  // kafkajs waits here before it closes a socket; what waits is rejected instead.
  async waitForPendingRequests(): Promise<void> {}
  // The broker holds the answers of a throttled client back by itself (KIP-219).
  maybeThrottle(): void {}
  scheduleRequestTimeoutCheck(): void {}

  #watch(deadline: number): void {
    if (deadline >= this.#timerAt) return
    this.#timer?.cancel()
    this.#timerAt = deadline
    this.#timer = this.clock.after(Math.max(1, deadline - this.clock.monotonic()), () => {
      this.#check()
    })
  }

  #check(): void {
    const now = this.clock.monotonic()
    this.destroy()
    let next = Infinity
    for (const { deadline } of this.#waiting.values()) {
      if (deadline <= now) {
        if (this.#isOverdue) this.broken('an answer did not come in time')
        else {
          this.#isOverdue = true
          this.#watch(now + READ_MS)
        }
        return
      }
      next = Math.min(next, deadline)
    }
    this.#isOverdue = false
    if (next < Infinity) this.#watch(next)
  }
}
