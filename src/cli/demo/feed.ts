/** Feeds generated events into the two source topics, in their order, at a rate; remembers them for the calculation. */
import { plainKafka } from '../../kafka/plain.js'
import type { KafkaOptions } from '../../kafka/options.js'
import type { Event } from '../../market-spread/calculation.js'
import { marketEvents } from '../../market-spread/generator.js'
import { roundsOf } from '../../market-spread/rounds.js'

export interface FeedOptions {
  readonly seed: number
  readonly topicPrefix: string
  readonly eventsPerSecond: number
  readonly seconds: number
  readonly stop: AbortSignal
}

const ROUND_EVENTS = 200

export class Feed {
  readonly events: Event[] = []

  constructor(
    private readonly kafka: KafkaOptions,
    private readonly options: FeedOptions,
  ) {}

  /** Resolves when everything is acknowledged. */
  async run(): Promise<void> {
    const { seed, eventsPerSecond, seconds, stop } = this.options
    // One ms of record time per event, so that the order of events is the order of record timestamps; ends about now.
    const startMs = Date.now() - eventsPerSecond * seconds
    const producer = plainKafka(this.kafka).producer({ idempotent: true, maxInFlightRequests: 1 })
    await producer.connect()
    try {
      const began = performance.now()
      for (const { quotes, orders } of roundsOf(marketEvents({ seed, startMs }), ROUND_EVENTS)) {
        const elapsed = (performance.now() - began) / 1000
        if (elapsed >= seconds || stop.aborted) return
        const ahead = this.events.length / eventsPerSecond - elapsed
        if (ahead > 0) await pause(ahead * 1000)
        for (const part of [quotes, orders]) await this.#send(producer, part)
      }
    } finally {
      await producer.disconnect()
    }
  }

  async #send(
    producer: ReturnType<ReturnType<typeof plainKafka>['producer']>,
    events: readonly Event[],
  ): Promise<void> {
    const [first] = events
    if (first === undefined) return
    // Remembered before they are sent: what was sent without an answer counts, too.
    this.events.push(...events)
    await producer.send({
      topic: `${this.options.topicPrefix}${first.topic}`,
      acks: -1,
      messages: events.map(({ message }) => ({
        key: message.symbol,
        value: JSON.stringify(message),
        timestamp: String(typeof message.time === 'number' ? message.time : Date.parse(message.time)),
      })),
    })
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
