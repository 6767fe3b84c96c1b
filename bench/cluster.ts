/** Kafka as the benchmarks need it: topics made and removed, input written, positions looked up. */
import { recordsOf } from '#potoroo/cli/demo/event-records.js'
import { describeTopic } from '#potoroo/cli/connection.js'
import { inputLags } from '#potoroo/cli/lag.js'
import { viewGroup } from '#potoroo/kafka/group-view.js'
import { IdempotentProducer, type OutgoingRecord } from '#potoroo/kafka/idempotent-producer.js'
import { createKafkaLog } from '#potoroo/kafka/log.js'
import type { KafkaOptions } from '#potoroo/kafka/options.js'
import type { Event } from '#potoroo/market-spread/calculation.js'
import type { Log, TopicInfo, TopicPartition } from '#potoroo/ports/log.js'
import { plainKafka } from './plain-kafka.js'
import { until } from './waiting.js'

type PlainAdmin = ReturnType<ReturnType<typeof plainKafka>['admin']>

const SOURCES = ['market-data', 'orders'] as const
const RECORDS_PER_REQUEST = 2000
/** While a group rebalances it names no members: then its sessions have to run out, of 45 s by default. */
const GROUP_EMPTY_MS = 60_000

export interface Progress {
  /** Records after which the group has committed. */
  readonly done: number
  readonly left: number
}

export type SendEvents = (events: readonly Event[]) => Promise<void>
export type SendRecords = (records: readonly OutgoingRecord[]) => Promise<void>

export class Cluster {
  private constructor(
    readonly options: KafkaOptions,
    readonly log: Log,
  ) {}

  static async connect(options: KafkaOptions): Promise<Cluster> {
    const log = createKafkaLog(options)
    await log.connect()
    return new Cluster(options, log)
  }

  close(): Promise<void> {
    return this.log.close()
  }

  async createTopics(names: readonly string[], partitions: number): Promise<void> {
    await this.log.createTopics(names.map((name) => ({ name, partitions })))
  }

  /** Those that are not there are none to remove. */
  async remove(topics: readonly string[], groups: readonly string[]): Promise<void> {
    await this.#withAdmin(async (admin) => {
      const there = new Set(await admin.listTopics())
      const found = topics.filter((name) => there.has(name))
      if (found.length > 0) await admin.deleteTopics({ topics: found })
      for (const group of groups) await this.#removeGroup(admin, group)
    })
  }

  /** All that a run left behind whose names begin with `prefix`, but for the topics in `kept`. */
  async removeBeginningWith(prefix: string, kept: readonly string[], groups: readonly string[]): Promise<void> {
    const all = await this.#withAdmin((admin) => admin.listTopics())
    const found = all.filter((name) => name.startsWith(prefix) && !kept.includes(name))
    await this.remove(found, groups)
  }

  /** Members that were killed, or left without a word as Kafka Streams' do, are made to leave: nobody waits for sessions. */
  async #removeGroup(admin: PlainAdmin, group: string): Promise<void> {
    const client = this.log.group(group)
    const state = async (): Promise<string> => {
      const { groups } = await admin.describeGroups([group])
      const [found] = groups
      for (const { memberId } of found?.members ?? []) await client.leave(memberId)
      return found?.state ?? 'Dead'
    }
    await until(`group ${group} has no members`, async () => ['Dead', 'Empty'].includes(await state()), {
      timeoutMs: GROUP_EMPTY_MS,
      everyMs: 100,
    })
    if ((await state()) === 'Empty') await admin.deleteGroups([group])
    await client.close()
  }

  /** In the order given within each topic, with each message's time as the record's. Resolves when all is acknowledged. */
  async produce(topicPrefix: string, events: Iterable<Event>): Promise<void> {
    await this.withProducer(topicPrefix, async (send) => {
      let round: Event[] = []
      for (const event of events) {
        round.push(event)
        if (round.length < RECORDS_PER_REQUEST) continue
        await send(round)
        round = []
      }
      await send(round)
    })
  }

  /** Lets `use` send events to their topics; each call resolves when all of them are acknowledged. */
  async withProducer<T>(topicPrefix: string, use: (send: SendEvents) => Promise<T>): Promise<T> {
    const names = SOURCES.map((name) => `${topicPrefix}${name}`)
    const topics = await this.log.describeTopics(names)
    const topicOf = (name: string): TopicInfo => {
      const topic = topics.get(name)
      if (topic === undefined) throw new Error(`there is no topic ${name}`)
      return topic
    }
    const producer = await IdempotentProducer.open(this.options)
    try {
      return await use(async (events) => {
        await Promise.all(
          SOURCES.map(async (name) => {
            const mine = events.filter((event) => event.topic === name)
            if (mine.length === 0) return
            const topic = topicOf(`${topicPrefix}${name}`)
            await producer.sendAll(topic, recordsOf(mine, topic.partitions))
          }),
        )
      })
    } finally {
      await producer.close()
    }
  }

  /** Lets `use` send records to one topic; each call resolves when all of them are acknowledged. */
  async withProducerTo<T>(topic: string, use: (send: SendRecords, partitions: number) => Promise<T>): Promise<T> {
    const info = await describeTopic(this.log, topic)
    const producer = await IdempotentProducer.open(this.options)
    try {
      return await use((records) => producer.sendAll(info, records), info.partitions)
    } finally {
      await producer.close()
    }
  }

  /** Lets `use` look at how far a group is, as often as it likes. */
  async watch<T>(
    group: string,
    topics: readonly string[],
    use: (look: () => Promise<Progress>) => Promise<T>,
  ): Promise<T> {
    const partitions = await this.partitionsOf(topics)
    const view = await viewGroup(this.options, group)
    try {
      return await use(async () => {
        const inputs = await inputLags(this.log, view, partitions)
        return {
          done: inputs.reduce((sum, { committed }) => sum + (committed ?? 0), 0),
          left: inputs.reduce((sum, { lag }) => sum + lag, 0),
        }
      })
    } finally {
      await view.close()
    }
  }

  async partitionsOf(topics: readonly string[]): Promise<TopicPartition[]> {
    const infos = await this.log.describeTopics(topics)
    return topics.flatMap((topic) =>
      Array.from({ length: infos.get(topic)?.partitions ?? 0 }, (_, partition) => ({ topic, partition })),
    )
  }

  /** A new one each time: kafkajs's clients go on asking for topics that were removed. */
  async #withAdmin<T>(use: (admin: PlainAdmin) => Promise<T>): Promise<T> {
    const admin = plainKafka(this.options).admin()
    await admin.connect()
    try {
      return await use(admin)
    } finally {
      await admin.disconnect()
    }
  }
}
