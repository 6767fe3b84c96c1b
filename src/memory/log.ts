/** `Log` on a simulated cluster: one client, with connections of its own, inside one simulated process. */
import { PotorooError, messageOf } from '../errors.js'
import { BrokerError, isBrokerError } from './broker-error.js'
import { MemoryFetcher } from './fetcher.js'
import { MemoryGroupClient } from './group-client.js'
import { LeaderCache } from './leader-cache.js'
import { Connections, partitionKey } from './network.js'
import { MemoryProducer } from './producer.js'
import { retrying } from './waiting.js'
import type { Api } from './faults.js'
import type { Brokers } from './brokers.js'
import type { SimulatedProcess } from './scheduler.js'
import type { Clock } from '../ports/clock.js'
import type {
  CommittedOffset,
  Fetcher,
  GroupClient,
  GroupMember,
  Log,
  NewTopic,
  PartitionPosition,
  TopicInfo,
  TopicPartition,
  TransactionalProducer,
} from '../ports/log.js'

export interface MemoryLogOptions {
  /** The process that this client is part of: it lives and dies with it. */
  readonly process: SimulatedProcess
  readonly clientId?: string
  /** How long `connect` tries; default 10 s. */
  readonly connectTimeoutMs?: number
  /** Default 10 s. */
  readonly transactionTimeoutMs?: number
  /** How long a fetch that finds nothing waits at the broker; default 100 ms. */
  readonly maxWaitMs?: number
  /** Default 16 MiB. */
  readonly maxBytes?: number
  /** Default 1 MiB. */
  readonly maxBytesPerPartition?: number
  /** Default 10 s. */
  readonly requestTimeoutMs?: number
}

const TRANSIENT = [
  'CONNECTION_LOST',
  'NOT_LEADER_OR_FOLLOWER',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'OFFSET_NOT_AVAILABLE',
  'COORDINATOR_LOAD_IN_PROGRESS',
  'NOT_COORDINATOR',
] as const

export class MemoryLog implements Log {
  readonly bootstrapServers = 'memory:9092'
  readonly #connections: Connections
  readonly #leaders: LeaderCache
  readonly #clock: Clock
  readonly #requestTimeoutMs: number
  #ticks = 0
  readonly #fetchers = new Set<MemoryFetcher>()

  constructor(
    private readonly cluster: Brokers,
    private readonly options: MemoryLogOptions,
  ) {
    this.#connections = new Connections(options.process, options.clientId ?? options.process.name)
    this.#leaders = new LeaderCache(cluster, options.process.name)
    this.#clock = options.process.clock
    this.#requestTimeoutMs = options.requestTimeoutMs ?? 10_000
  }

  async connect(): Promise<void> {
    const forMs = this.options.connectTimeoutMs ?? 10_000
    try {
      await this.#ask(
        'ping',
        '',
        () => 0,
        () => undefined,
        forMs,
      )
    } catch (error) {
      const message = `No broker answered within ${String(forMs)} ms: ${messageOf(error)}`
      throw new PotorooError('BROKER_UNREACHABLE', message, { cause: error })
    }
  }

  async describeTopics(names: readonly string[]): Promise<ReadonlyMap<string, TopicInfo>> {
    return this.#ask('describeTopics', names.join(), this.#anyBroker, () => {
      const found = names.map((name) => this.cluster.describeTopic(name)).filter((topic) => topic !== undefined)
      return new Map(found.map((topic) => [topic.name, topic]))
    })
  }

  async createTopics(topics: readonly NewTopic[]): Promise<void> {
    const subject = topics.map(({ name }) => name).join()
    await this.#ask('createTopics', subject, this.#anyBroker, () => {
      for (const topic of topics) this.cluster.createTopic(topic)
    })
    // As src/kafka, which waits for leaders: there may have been another of that name.
    for (const { name: topic, partitions } of topics)
      for (let partition = 0; partition < partitions; partition++) this.#leaders.forget({ topic, partition })
  }

  async listOffsets(
    partitions: readonly TopicPartition[],
    which: 'earliest' | 'end',
    { refresh = false } = {},
  ): Promise<readonly number[]> {
    // By name alone, as with Kafka, whatever else is known of the topic.
    const named = partitions.map(({ topic, partition }) => ({ topic, partition }))
    if (refresh) for (const of of named) this.#leaders.forget(of)
    return Promise.all(
      named.map((of) =>
        this.#askLeader('listOffsets', of, (broker, epoch) =>
          which === 'end' ? this.cluster.listedEnd(broker, of, epoch) : this.cluster.served(broker, of, epoch).logStart,
        ),
      ),
    )
  }

  async #askLeader<T>(request: Api, of: TopicPartition, ask: (broker: number, epoch: number) => T): Promise<T> {
    let epoch = -1
    const leader = (): number => {
      const told = this.#leaders.of(of)
      epoch = told.epoch
      return told.leader
    }
    const failed = (error: unknown): void => {
      this.#leaders.noteFailure(of, error)
    }
    const answer = (broker: number): T => ask(broker, epoch)
    return this.#ask(request, partitionKey(of), leader, answer, this.#requestTimeoutMs, failed)
  }

  async committedPositions(
    group: string,
    partitions: readonly TopicPartition[],
  ): Promise<readonly (number | undefined)[]> {
    return (await this.committedOffsets(group, partitions)).map((offset) => offset?.position)
  }

  async committedOffsets(
    group: string,
    partitions: readonly TopicPartition[],
  ): Promise<readonly (CommittedOffset | undefined)[]> {
    return this.#ask('offsetFetch', group, this.#anyBroker, (broker) =>
      this.cluster.coordinate(broker, () => {
        const offsets = this.cluster.offsets(group)
        const keys = partitions.map(partitionKey)
        const unstable = keys.find((key) => offsets.isPending(key))
        if (unstable !== undefined) throw new BrokerError('UNSTABLE_OFFSET_COMMIT', unstable)
        return keys.map((key) => offsets.committed(key))
      }),
    )
  }

  async deleteRecords(upTo: readonly PartitionPosition[]): Promise<void> {
    await Promise.all(
      upTo.map(({ topic, partition, position }) =>
        this.#askLeader('deleteRecords', { topic, partition }, (broker) => {
          this.cluster.deleteRecords(broker, { topic, partition }, position)
        }),
      ),
    )
  }

  async offsetsAt(partitions: readonly TopicPartition[], timeMs: number): Promise<readonly number[]> {
    return Promise.all(
      partitions.map(({ topic, partition }) =>
        this.#askLeader('listOffsets', { topic, partition }, (broker, epoch) => {
          const { highWatermark } = this.cluster.served(broker, { topic, partition }, epoch)
          return this.cluster.partition({ topic, partition }).offsetAt(timeMs) ?? highWatermark
        }),
      ),
    )
  }

  async deleteTopics(names: readonly string[]): Promise<void> {
    await this.#ask('deleteTopics', names.join(), this.#anyBroker, () => {
      for (const name of names) this.cluster.deleteTopic(name)
    })
  }

  async groupMembers(group: string): Promise<readonly GroupMember[]> {
    return this.#ask('describeGroup', group, this.#anyBroker, (broker) =>
      this.cluster.coordinate(broker, () => this.cluster.describeGroup(group).members),
    )
  }

  async deleteGroup(group: string): Promise<void> {
    await this.#ask('deleteGroup', group, this.#anyBroker, (broker) => {
      this.cluster.coordinate(broker, () => {
        if (this.cluster.describeGroup(group).state !== 'empty') throw new BrokerError('NON_EMPTY_GROUP', group)
        this.cluster.deleteOffsets(group)
      })
    })
  }

  fetcher(): Fetcher {
    const fetcher = new MemoryFetcher(
      this.cluster,
      this.#connections,
      this.#leaders,
      this.#requestTimeoutMs,
      this.options,
      () => ++this.#ticks,
    )
    this.#fetchers.add(fetcher)
    return fetcher
  }

  async producer(transactionalId: string, signal?: AbortSignal): Promise<TransactionalProducer> {
    const { cluster } = this
    const transactionTimeoutMs = this.options.transactionTimeoutMs ?? 10_000
    const to = { api: 'initProducerId', subject: transactionalId, timeoutMs: this.#requestTimeoutMs } as const
    const retries = {
      clock: this.#clock,
      on: [...TRANSIENT, 'CONCURRENT_TRANSACTIONS'] as const,
      fromMs: 2,
      toMs: 50,
      signal,
    }
    try {
      const identity = await retrying(retries, () => {
        if (this.#connections.closed) throw closedError()
        const broker = cluster.coordinator
        return cluster.network.call(this.#connections, { ...to, broker }, () =>
          cluster.coordinate(broker, () => cluster.transactions.init(transactionalId, transactionTimeoutMs)),
        )
      })
      return new MemoryProducer({
        cluster,
        connections: this.#connections,
        leaders: this.#leaders,
        clock: this.#clock,
        transactionalId,
        identity,
        transactionTimeoutMs,
        requestTimeoutMs: this.#requestTimeoutMs,
      })
    } catch (error) {
      throw requestFailed('initProducerId', transactionalId, error)
    }
  }

  group(groupId: string): GroupClient {
    return new MemoryGroupClient(this.cluster, this.#connections, groupId, this.#requestTimeoutMs)
  }

  async close(): Promise<void> {
    this.#connections.close()
    await Promise.all([...this.#fetchers].map((fetcher) => fetcher.close()))
  }

  /** That it is the one with the coordinators makes no difference, but to what worlds draw. */
  readonly #anyBroker = (): number => this.cluster.coordinator

  /** A request that can be sent again without harm. */
  async #ask<T>(
    api: Api,
    subject: string,
    to: () => number,
    work: (broker: number) => T,
    forMs = this.#requestTimeoutMs,
    failed: (error: unknown) => void = () => undefined,
  ): Promise<T> {
    const retries = {
      clock: this.#clock,
      on: [...TRANSIENT, 'UNSTABLE_OFFSET_COMMIT'] as const,
      fromMs: 5,
      toMs: 500,
      forMs,
    }
    const timeoutMs = this.#requestTimeoutMs
    try {
      return await retrying(retries, async () => {
        if (this.#connections.closed) throw closedError()
        try {
          const broker = to()
          const target = { broker, api, subject, timeoutMs }
          return await this.cluster.network.call(this.#connections, target, () => work(broker))
        } catch (error) {
          failed(error)
          throw error
        }
      })
    } catch (error) {
      throw requestFailed(api, subject, error)
    }
  }
}

const closedError = (): PotorooError => new PotorooError('REQUEST_FAILED', 'this client was closed')

function requestFailed(api: Api, subject: string, error: unknown): PotorooError {
  if (error instanceof PotorooError) return error
  const code = isBrokerError(error, 'UNKNOWN_TOPIC_OR_PARTITION')
    ? 'TOPIC_MISSING'
    : isBrokerError(error, 'NON_EMPTY_GROUP')
      ? 'WORKERS_RUNNING'
      : 'REQUEST_FAILED'
  return new PotorooError(code, `${api} of ${subject} failed: ${messageOf(error)}`, { cause: error })
}
