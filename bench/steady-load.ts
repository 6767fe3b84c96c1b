/**
 * Orders and as many quotes at a steady rate, and the latency of each order's rejection: from the moment in which the
 * order is handed to the producer to the one in which a read-committed reader has the rejection.
 */
import type { Cluster, SendEvents } from './cluster.js'
import { anySymbol, order, wideQuote } from './input.js'
import { type Arrival, RejectionReader } from './rejections.js'
import { delay, until } from './waiting.js'

/** For reports. */
export const CHECKED = 'Every order had to be rejected once, by a state object that knew a quote.'

/** The finer, the more requests; the coarser, the more orders share the fate of one request. */
const TICK_MS = 5

export interface LoadOptions {
  readonly topicPrefix: string
  /** Topic of rejections. */
  readonly rejections: string
  readonly ordersPerSecond: number
  readonly symbols: number
}

export interface OrderFate {
  readonly sentMs: number
  /** Undefined: no rejection came. */
  readonly latencyMs: number | undefined
}

export class SteadyLoad {
  readonly #sentMs: number[] = []
  readonly #arrivedMs: (number | undefined)[] = []
  #arrived = 0
  #repeated = 0
  #forgotten = 0
  #stop = false
  #pumping: Promise<void> = Promise.resolve()
  #reader: RejectionReader | undefined

  constructor(
    private readonly cluster: Cluster,
    private readonly options: LoadOptions,
  ) {}

  async start(): Promise<void> {
    this.#reader = await RejectionReader.open(this.cluster, this.options.rejections, (arrival) => this.#take(arrival))
    this.#pumping = this.cluster.withProducer(this.options.topicPrefix, (send) => this.#pump(send))
    // Looked at when it is stopped.
    this.#pumping.catch(() => undefined)
  }

  /** Sends no more, and waits for what is outstanding; after `timeoutMs` it counts as lost. */
  async stop(timeoutMs: number): Promise<void> {
    this.#stop = true
    await this.#pumping
    await until(
      'every order is rejected',
      () => {
        this.#reader?.assertReading()
        return this.#arrived === this.#sentMs.length
      },
      { timeoutMs },
    ).catch(() => undefined)
  }

  async close(): Promise<void> {
    this.#stop = true
    await this.#pumping.catch(() => undefined)
    await this.#reader?.close()
  }

  /** In the order in which they were sent. */
  get orders(): readonly OrderFate[] {
    return this.#sentMs.map((sentMs, i) => {
      const arrivedMs = this.#arrivedMs[i]
      return { sentMs, latencyMs: arrivedMs === undefined ? undefined : arrivedMs - sentMs }
    })
  }

  get lost(): number {
    return this.#sentMs.length - this.#arrived
  }
  /** Rejections of an order that had one already. */
  get repeated(): number {
    return this.#repeated
  }
  /** Rejections without the prices of their symbol, which has had a quote: its state object was lost. */
  get forgotten(): number {
    return this.#forgotten
  }

  async #pump(send: SendEvents): Promise<void> {
    const { ordersPerSecond, symbols } = this.options
    const picks = anySymbol(symbols, 7)
    const beganMs = performance.now()
    while (!this.#stop) {
      const due = Math.floor(((performance.now() - beganMs) / 1000) * ordersPerSecond)
      const timeMs = Date.now()
      const events = []
      for (let id = this.#sentMs.length; id < due; id++) {
        events.push(wideQuote(picks.next().value, timeMs), order(String(id), picks.next().value, timeMs))
        this.#sentMs.push(performance.now())
      }
      if (events.length > 0) await send(events)
      await delay(TICK_MS)
    }
  }

  #take({ atMs, rejection: { orderId, bid } }: Arrival): void {
    const id = Number(orderId)
    if (this.#arrivedMs[id] !== undefined) this.#repeated++
    else {
      this.#arrivedMs[id] = atMs
      this.#arrived++
    }
    if (bid === 0) this.#forgotten++
  }
}
