/**
 * Which brokers are gone, each said once in the log, and once when it is back: of all that is read over one cluster, for whoever
 * found it gone may have ended before it is back.
 */
import type { Logger } from '../ports/logger.js'

/** Stands for all brokers where none can be reached. */
const ALL = 'all'

export class GoneBrokers {
  readonly #addresses = new Set<string>()

  constructor(private readonly logger: Pick<Logger, 'info' | 'warn'>) {}

  /** `address`: undefined where none can be reached. */
  gone(address: string | undefined, reason: string): void {
    // When none can be reached, those that were in use have been named already, or are as good as named.
    if (this.#addresses.has(ALL) || (address === undefined ? this.#addresses.size > 0 : this.#addresses.has(address)))
      return
    const broker = address ?? ALL
    this.#addresses.add(broker)
    this.logger.warn({ broker, reason }, 'broker is gone, trying to reach it again')
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
}
