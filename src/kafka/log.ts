/** The port `Log` on kafkajs's connections. */
import type {
  CommittedOffset,
  FetchInput,
  Fetcher,
  GroupClient,
  GroupMember,
  Log,
  NewTopic,
  PartitionPosition,
  TopicInfo,
  TopicPartition,
} from '../ports/log.js'
import type { TransactionalProducer } from '../ports/log.js'
import {
  committedOffsets,
  createTopics,
  deleteGroup,
  deleteRecords,
  deleteTopics,
  describeTopics,
  groupMembers,
  listOffsets,
  offsetsAt,
} from './admin.js'
import { Cluster } from './cluster.js'
import { KafkaFetcher } from './fetcher.js'
import { KafkaGroup } from './group.js'
import { type KafkaOptions, settingsOf } from './options.js'
import { openProducer } from './transactions.js'

export type { BrokerConnection, KafkaOptions, SaslOptions, SocketFactory } from './options.js'
export type { FetchInput }

export function createKafkaLog(options: KafkaOptions): Log {
  return new KafkaLog(new Cluster(settingsOf(options)))
}

class KafkaLog implements Log {
  readonly #fetchers = new Set<KafkaFetcher>()
  #ticks = 0
  #clients = 0

  constructor(private readonly cluster: Cluster) {}

  get bootstrapServers(): string {
    return this.cluster.settings.brokers.join(',')
  }

  connect(): Promise<void> {
    return this.cluster.connect()
  }
  describeTopics(names: readonly string[]): Promise<ReadonlyMap<string, TopicInfo>> {
    return describeTopics(this.cluster, names)
  }
  createTopics(topics: readonly NewTopic[]): Promise<void> {
    return createTopics(this.cluster, topics)
  }
  listOffsets(
    partitions: readonly TopicPartition[],
    which: 'earliest' | 'end',
    options?: { readonly refresh?: boolean },
  ): Promise<readonly number[]> {
    return listOffsets(this.cluster, partitions, which, options)
  }
  async committedPositions(
    group: string,
    partitions: readonly TopicPartition[],
  ): Promise<readonly (number | undefined)[]> {
    return (await this.committedOffsets(group, partitions)).map((offset) => offset?.position)
  }
  committedOffsets(
    group: string,
    partitions: readonly TopicPartition[],
  ): Promise<readonly (CommittedOffset | undefined)[]> {
    return committedOffsets(this.cluster, group, partitions)
  }
  offsetsAt(partitions: readonly TopicPartition[], timeMs: number): Promise<readonly number[]> {
    return offsetsAt(this.cluster, partitions, timeMs)
  }
  deleteTopics(names: readonly string[]): Promise<void> {
    return deleteTopics(this.cluster, names)
  }
  groupMembers(group: string): Promise<readonly GroupMember[]> {
    return groupMembers(this.cluster, group)
  }
  deleteGroup(group: string): Promise<void> {
    return deleteGroup(this.cluster, group)
  }
  deleteRecords(upTo: readonly PartitionPosition[]): Promise<void> {
    return deleteRecords(this.cluster, upTo)
  }
  fetcher(): Fetcher {
    const tick = (): number => (this.#ticks += 1)
    const fetcher = new KafkaFetcher(this.cluster, (this.#clients += 1), tick, (closed) =>
      this.#fetchers.delete(closed),
    )
    this.#fetchers.add(fetcher)
    return fetcher
  }
  producer(transactionalId: string, signal?: AbortSignal): Promise<TransactionalProducer> {
    return openProducer(this.cluster, transactionalId, signal)
  }
  group(groupId: string): GroupClient {
    return new KafkaGroup(this.cluster, groupId, (this.#clients += 1))
  }
  async close(): Promise<void> {
    const fetchersClosed = Promise.all([...this.#fetchers].map((fetcher) => fetcher.close()))
    await this.cluster.close()
    await fetchersClosed
  }
}
