/** Orders and as many quotes at a steady rate, and the latency of each order's rejection. */
import type { Rejection } from '#topics/rejections.js'
import type { Cluster } from './cluster.js'
import { anySymbol, order, wideQuote } from './input.js'
import { OutputReader } from './output-reader.js'
import { type Fate, PacedLoad } from './paced-load.js'

/** For reports. */
export const CHECKED = 'Every order had to be rejected once, by a state object that knew a quote.'

export interface LoadOptions {
  readonly topicPrefix: string
  /** Topic of rejections. */
  readonly rejections: string
  readonly ordersPerSecond: number
  readonly symbols: number
}

/** Of an order: undefined latency means that no rejection came. */
export type OrderFate = Fate

export class SteadyLoad {
  #forgotten = 0
  readonly #load: PacedLoad

  constructor(cluster: Cluster, { topicPrefix, rejections, ordersPerSecond, symbols }: LoadOptions) {
    const picks = anySymbol(symbols, 7)
    this.#load = new PacedLoad({
      perSecond: ordersPerSecond,
      sending: (use) =>
        cluster.withProducer(topicPrefix, (send) =>
          use((ids) => {
            const timeMs = Date.now()
            return send(
              ids.flatMap((id) => [
                wideQuote(picks.next().value, timeMs),
                order(String(id), picks.next().value, timeMs),
              ]),
            )
          }),
        ),
      reading: (take) =>
        OutputReader.open(cluster, rejections, (value, atMs) => {
          const { orderId, bid } = value as Rejection
          if (bid === 0) this.#forgotten++
          take(Number(orderId), atMs)
        }),
    })
  }

  start(): Promise<void> {
    return this.#load.start()
  }

  /** Sends no more, and waits for what is outstanding; after `timeoutMs` it counts as lost. */
  stop(timeoutMs: number): Promise<void> {
    return this.#load.stop(timeoutMs)
  }

  close(): Promise<void> {
    return this.#load.close()
  }

  /** In the order in which they were sent. */
  get orders(): readonly OrderFate[] {
    return this.#load.fates
  }

  get lost(): number {
    return this.#load.lost
  }
  /** Rejections of an order that had one already. */
  get repeated(): number {
    return this.#load.repeated
  }
  /** Rejections without the prices of their symbol, which has had a quote: its state object was lost. */
  get forgotten(): number {
    return this.#forgotten
  }
}
