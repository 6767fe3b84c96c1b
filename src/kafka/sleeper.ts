/** Pauses that end, with an error, when their owner is closed or the caller gives up. */
import { PotorooError } from '../errors.js'
import type { Clock } from '../ports/clock.js'

const closedError = (): PotorooError => new PotorooError('REQUEST_FAILED', 'the connection to Kafka was closed')

export class Sleeper {
  readonly #wakers = new Set<() => void>()
  #closed = false
  constructor(private readonly clock: Clock) {}

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (this.#closed) throw closedError()
    signal?.throwIfAborted()
    await new Promise<void>((resolve) => {
      const done = (): void => {
        timer.cancel()
        this.#wakers.delete(done)
        signal?.removeEventListener('abort', done)
        resolve()
      }
      const timer = this.clock.after(ms, done)
      this.#wakers.add(done)
      signal?.addEventListener('abort', done, { once: true })
    })
    if (this.isClosed()) throw closedError()
    signal?.throwIfAborted()
  }

  isClosed(): boolean {
    return this.#closed
  }

  close(): void {
    this.#closed = true
    for (const wake of [...this.#wakers]) wake()
  }
}
