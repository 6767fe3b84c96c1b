/** Feeds generated events into the two source topics, in their order, at a rate; remembers them for the calculation. */
import { PotorooError } from '../../errors.js'
import { IdempotentProducer } from '../../kafka/idempotent-producer.js'
import type { KafkaOptions } from '../../kafka/options.js'
import type { Event } from '../../market-spread/calculation.js'
import { marketEvents } from '../../market-spread/generator.js'
import { roundsOf } from '../../market-spread/rounds.js'
import type { TopicInfo } from '../../ports/log.js'
import { recordsOf } from './event-records.js'
import { paced, symbolsFor } from './paced.js'

export interface FeedOptions {
  readonly seed: number
  readonly topicPrefix: string
  readonly eventsPerSecond: number
  /** Asked before each round. */
  readonly isEnough: (seconds: number) => boolean
}

/** A round is what happens in that time. */
const ROUND_MS = 50

export class Feed {
  readonly events: Event[] = []

  /** `topics`: by their names in Kafka; the two sources are among them. */
  constructor(
    private readonly kafka: KafkaOptions,
    private readonly topics: ReadonlyMap<string, TopicInfo>,
    private readonly options: FeedOptions,
  ) {}

  /** Resolves when everything is acknowledged. Rejects when something is not. */
  async run(): Promise<void> {
    const { seed, eventsPerSecond, isEnough } = this.options
    const producer = await IdempotentProducer.open(this.kafka)
    try {
      const began = performance.now()
      const secondsSince = (): number => (performance.now() - began) / 1000
      const market = marketEvents({ seed, symbols: symbolsFor(eventsPerSecond) })
      const events = paced(market, Date.now, eventsPerSecond)
      const roundEvents = Math.max(1, Math.round((eventsPerSecond * ROUND_MS) / 1000))
      for (const { quotes, orders } of roundsOf(events, roundEvents)) {
        if (isEnough(secondsSince())) return
        // All of the round has happened by then.
        const dueSeconds = (this.events.length + quotes.length + orders.length) / eventsPerSecond
        const aheadSeconds = dueSeconds - secondsSince()
        if (aheadSeconds > 0) await pause(aheadSeconds * 1000)
        for (const part of [quotes, orders]) await this.#send(producer, part)
      }
    } finally {
      await producer.close()
    }
  }

  async #send(producer: IdempotentProducer, events: readonly Event[]): Promise<void> {
    const [first] = events
    if (first === undefined) return
    const name = `${this.options.topicPrefix}${first.topic}`
    const topic = this.topics.get(name)
    if (topic === undefined) throw new PotorooError('TOPIC_MISSING', `there is no topic ${name}`)
    // Remembered before they are sent: what was sent without an answer counts, too.
    this.events.push(...events)
    await producer.sendAll(topic, recordsOf(events, topic.partitions))
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
