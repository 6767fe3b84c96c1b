/**
 * Which brokers are gone, of all that is read over one cluster: each is said once in the log, and once when it is back. Whoever
 * found it gone may have ended before that, and leaders may have moved away from it: so it is asked until it answers.
 */
import type { Logger } from '../ports/logger.js'
import { Backoff } from './backoff.js'
import type { Sleeper } from './sleeper.js'

/** Stands for all brokers where none can be reached. */
const ALL = 'all'
const FIRST_PAUSE_MS = 1_000
const MAX_PAUSE_MS = 5_000

export class GoneBrokers {
  readonly #addresses = new Set<string>()

  constructor(
    private readonly logger: Pick<Logger, 'info' | 'warn'>,
    private readonly sleeper: Pick<Sleeper, 'sleep'>,
    /** Resolves when that broker has answered; undefined: any of them. */
    private readonly ask: (address: string | undefined) => Promise<unknown>,
  ) {}

  /** `address`: undefined where none can be reached. */
  gone(address: string | undefined, reason: string): void {
    // When none can be reached, those that were in use have been named already, or are as good as named.
    if (this.#addresses.has(ALL) || (address === undefined ? this.#addresses.size > 0 : this.#addresses.has(address)))
      return
    const broker = address ?? ALL
    this.#addresses.add(broker)
    this.logger.warn({ broker, reason }, 'broker is gone, trying to reach it again')
    void this.#pollUntilAnswered(broker)
  }

  /** Whether `answered` has anything to say. */
  get some(): boolean {
    return this.#addresses.size > 0
  }

  /** A broker has answered; undefined: any of them. */
  answered(address: string | undefined): void {
    for (const broker of address === undefined ? [ALL] : [address, ALL])
      if (this.#addresses.delete(broker)) this.logger.info({ broker }, 'broker is back')
  }

  async #pollUntilAnswered(broker: string): Promise<void> {
    const address = broker === ALL ? undefined : broker
    const pauses = new Backoff(FIRST_PAUSE_MS, MAX_PAUSE_MS)
    while (this.#addresses.has(broker)) {
      try {
        await this.sleeper.sleep(pauses.next())
      } catch {
        // All is closed: nobody asks any more.
        return
      }
      if (!this.#addresses.has(broker)) return
      await this.ask(address).then(
        () => {
          this.answered(address)
        },
        () => undefined,
      )
    }
  }
}
