/** The looks at the group that the page is told, for who waits for the next one. */
import { PotorooError } from '../../errors.js'
import type { Now, UiEvent } from '../ui/wire.js'

/** Kafka that does not answer for longer than that is gone. */
const AWAY_MS = 30_000

interface Waiting {
  readonly resolve: (now: Now) => void
  readonly reject: (error: Error) => void
}

export class Looks {
  #waiting: Waiting | undefined

  readonly listener = (event: UiEvent): void => {
    if (event.event === 'now') this.#taken()?.resolve(event.data)
    if (event.event === 'away' && event.data.forMs > AWAY_MS)
      this.#taken()?.reject(new PotorooError('BROKER_UNREACHABLE', event.data.message))
  }

  /** One at a time. Rejects with BROKER_UNREACHABLE. */
  next(): Promise<Now> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
    })
  }

  #taken(): Waiting | undefined {
    const waiting = this.#waiting
    this.#waiting = undefined
    return waiting
  }
}
