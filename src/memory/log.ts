/** `Log` on a simulated cluster: one client, with connections of its own, inside one simulated process. */
import { PotorooError, messageOf } from '../errors.js'
import { BrokerError, isBrokerError } from './broker-error.js'
import { MemoryFetcher } from './fetcher.js'
import { MemoryGroupClient } from './group-client.js'
import { Connections, partitionKey } from './network.js'
import { MemoryProducer } from './producer.js'
import { retrying } from './waiting.js'
import type { Api } from './faults.js'
import type { Brokers } from './brokers.js'
import type { SimulatedProcess } from './scheduler.js'
import type { Clock } from '../ports/clock.js'
import type {
  Fetcher,
  GroupClient,
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

const TRANSIENT = ['CONNECTION_LOST', 'NOT_LEADER_OR_FOLLOWER', 'COORDINATOR_LOAD_IN_PROGRESS'] as const

export class MemoryLog implements Log {
  readonly #connections: Connections
  readonly #clock: Clock
  readonly #requestTimeoutMs: number
  #ticks = 0
  readonly #fetchers = new Set<MemoryFetcher>()

  constructor(
    private readonly cluster: Brokers,
    private readonly options: MemoryLogOptions,
  ) {
    this.#connections = new Connections(options.process, options.clientId ?? options.process.name)
    this.#clock = options.process.clock
    this.#requestTimeoutMs = options.requestTimeoutMs ?? 10_000
  }

  async connect(): Promise<void> {
    const forMs = this.options.connectTimeoutMs ?? 10_000
    try {
      await this.#ask('ping', '', 0, () => undefined, forMs)
    } catch (error) {
      const message = `No broker answered within ${String(forMs)} ms: ${messageOf(error)}`
      throw new PotorooError('BROKER_UNREACHABLE', message, { cause: error })
    }
  }

  async describeTopics(names: readonly string[]): Promise<ReadonlyMap<string, TopicInfo>> {
    return this.#ask('describeTopics', names.join(), this.cluster.coordinator, () => {
      const found = names.map((name) => this.cluster.describeTopic(name)).filter((topic) => topic !== undefined)
      return new Map(found.map((topic) => [topic.name, topic]))
    })
  }

  async createTopics(topics: readonly NewTopic[]): Promise<void> {
    const subject = topics.map(({ name }) => name).join()
    await this.#ask('createTopics', subject, this.cluster.coordinator, () => {
      for (const topic of topics) this.cluster.createTopic(topic)
    })
  }

  async listOffsets(partitions: readonly TopicPartition[], which: 'earliest' | 'end'): Promise<readonly number[]> {
    const offsets = partitions.map(async (of) =>
      this.#ask('listOffsets', partitionKey(of), this.cluster.leaderOf(of), () => {
        const partition = this.cluster.partition(of)
        return which === 'earliest' ? partition.logStart : partition.highWatermark
      }),
    )
    return Promise.all(offsets)
  }

  async committedPositions(
    group: string,
    partitions: readonly TopicPartition[],
  ): Promise<readonly (number | undefined)[]> {
    return this.#ask('offsetFetch', group, this.cluster.coordinator, () => {
      const offsets = this.cluster.offsets(group)
      const keys = partitions.map(partitionKey)
      const unstable = keys.find((key) => offsets.isPending(key))
      if (unstable !== undefined) throw new BrokerError('UNSTABLE_OFFSET_COMMIT', unstable)
      return keys.map((key) => offsets.get(key))
    })
  }

  async deleteRecords(upTo: readonly PartitionPosition[]): Promise<void> {
    await Promise.all(
      upTo.map((of) =>
        this.#ask('deleteRecords', partitionKey(of), this.cluster.leaderOf(of), () => {
          this.cluster.partition(of).deleteBefore(of.position)
        }),
      ),
    )
  }

  fetcher(): Fetcher {
    const fetcher = new MemoryFetcher(
      this.cluster,
      this.#connections,
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
    const to = {
      broker: cluster.coordinator,
      api: 'initProducerId',
      subject: transactionalId,
      timeoutMs: this.#requestTimeoutMs,
    } as const
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
        return cluster.network.call(this.#connections, to, () =>
          cluster.transactions.init(transactionalId, transactionTimeoutMs),
        )
      })
      return new MemoryProducer({
        cluster,
        connections: this.#connections,
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

  /** A request that can be sent again without harm. */
  async #ask<T>(api: Api, subject: string, broker: number, work: () => T, forMs = this.#requestTimeoutMs): Promise<T> {
    const retries = {
      clock: this.#clock,
      on: [...TRANSIENT, 'UNSTABLE_OFFSET_COMMIT'] as const,
      fromMs: 5,
      toMs: 500,
      forMs,
    }
    const to = { broker, api, subject, timeoutMs: this.#requestTimeoutMs }
    try {
      return await retrying(retries, () => {
        if (this.#connections.closed) throw closedError()
        return this.cluster.network.call(this.#connections, to, work)
      })
    } catch (error) {
      throw requestFailed(api, subject, error)
    }
  }
}

const closedError = (): PotorooError => new PotorooError('REQUEST_FAILED', 'this client was closed')

function requestFailed(api: Api, subject: string, error: unknown): PotorooError {
  if (error instanceof PotorooError) return error
  const code = isBrokerError(error, 'UNKNOWN_TOPIC_OR_PARTITION') ? 'TOPIC_MISSING' : 'REQUEST_FAILED'
  return new PotorooError(code, `${api} of ${subject} failed: ${messageOf(error)}`, { cause: error })
}
