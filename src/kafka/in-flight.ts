/**
 * The requests of one connection that wait for their answer. It takes the place of kafkajs's queue, which wakes up every
 * millisecond for as long as a connection lives, and which gives up on a late request alone: Kafka answers a connection's
 * requests in order, so when one answer is overdue none after it will come, and the connection is at its end.
 *
 * While the broker throttles (`mute`), requests wait to be sent, in their order; how long an answer may take counts from when
 * its request is sent. What was sent before waits for its answer so much longer.
 */
import type { Clock, Timer } from '../ports/clock.js'
import { messageOf } from '../errors.js'
import type { PushedRequest, RequestEntry, RequestQueue } from './kafkajs.js'

interface Waiting {
  readonly entry: RequestEntry
  deadline: number
}

/**
 * So much longer than its time an answer may take: where the event loop was held up, timers come first, and answers that
 * arrived in time are read after them.
 */
const READ_MS = 100

export class InFlight implements RequestQueue {
  readonly #waiting = new Map<number, Waiting>()
  #timer: Timer | undefined
  #timerAt = Infinity
  /** Whether one was, when that was looked at last. */
  #isOverdue = false
  #closed: Error | undefined
  /** Not sent yet. */
  #held: PushedRequest[] = []
  #mutedUntil = -Infinity
  #unmuting: Timer | undefined
  #awaitingRoom: (() => void)[] = []

  constructor(
    private readonly clock: Clock,
    private readonly requestTimeoutMs: number,
    /** The connection is at its end: it must be closed, and this with it. */
    private readonly broken: (why: string) => void,
  ) {}

  get size(): number {
    return this.#waiting.size + this.#held.length
  }

  push(request: PushedRequest): void {
    if (this.#closed) throw this.#closed
    if (this.#unmuting === undefined) this.#send(request)
    else this.#held.push(request)
  }

  /** The broker takes nothing for so long. */
  mute(ms: number): void {
    if (this.#closed) return
    const until = this.clock.monotonic() + ms
    for (const waiting of this.#waiting.values()) waiting.deadline += ms
    if (until <= this.#mutedUntil) return
    this.#mutedUntil = until
    this.#unmuting?.cancel()
    this.#unmuting = this.clock.after(ms, () => {
      this.#unmute()
    })
  }

  /** Resolves when requests are sent at once, or the connection is at its end. */
  async unmuted(): Promise<void> {
    if (this.#unmuting !== undefined) await new Promise<void>((resolve) => this.#awaitingRoom.push(resolve))
  }

  #unmute(): void {
    this.#unmuting?.cancel()
    this.#unmuting = undefined
    const held = this.#held.splice(0)
    try {
      for (const request of held) this.#send(request)
    } catch (error) {
      // The socket is gone.
      this.broken(messageOf(error))
    }
    for (const resolve of this.#awaitingRoom.splice(0)) resolve()
  }

  #send(request: PushedRequest): void {
    const { entry, requestTimeout } = request
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
    this.#unmuting?.cancel()
    this.#unmuting = undefined
    const waiting = [...this.#waiting.values(), ...this.#held.splice(0)]
    this.#waiting.clear()
    for (const resolve of this.#awaitingRoom.splice(0)) resolve()
    for (const { entry } of waiting) entry.reject(error)
  }

  destroy(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#timerAt = Infinity
  }

  // kafkajs waits here before it closes a socket; what waits is rejected instead.
  async waitForPendingRequests(): Promise<void> {}
  // kafkajs reads no answers but those of SASL.
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
