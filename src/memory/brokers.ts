/**
 * The broker's side of a simulated cluster: topics, the transaction coordinator, the group coordinators, and brokers that
 * come and go. Clients reach it over a network that takes time and loses things; the other methods are the hands of a
 * test or of an operator, and act at once.
 */
import { GroupOffsets } from './offsets.js'
import { BrokerError } from './broker-error.js'
import { noFaults } from './faults.js'
import { Group } from './groups.js'
import { Network, partitionKey } from './network.js'
import { PartitionLog } from './partition.js'
import { SeededRandom } from './random.js'
import { TransactionCoordinator } from './transactions.js'
import type { Faults } from './faults.js'
import type { GroupDescription } from './groups.js'
import type { Scheduler } from './scheduler.js'
import type { EndedTransaction, ProducerIdentity } from './transactions.js'
import type { RecordChunk } from '../core/records.js'
import type { Random, Timer } from '../ports/clock.js'
import type { NewTopic, PartitionPosition, TopicInfo, TopicPartition } from '../ports/log.js'

export interface BrokersOptions {
  readonly scheduler: Scheduler
  /** Default: nothing fails. */
  readonly faults?: Faults
  /** For member ids. */
  readonly random?: Random
  /** Default: 1. The first one has the coordinators; partitions have their leaders in turn. */
  readonly brokers?: number
  /** As brokers before Kafka 2.8: topics have no ids. */
  readonly withoutTopicIds?: boolean
  /** `group.initial.rebalance.delay.ms`; default: 0, as the development broker has it. */
  readonly initialRebalanceDelayMs?: number
  /** Called for every transaction when its end is decided. */
  readonly onTransactionEnded?: (ended: EndedTransaction) => void
}

interface Topic {
  readonly name: string
  /** Of this topic alone: one of the same name that is made later has another. Undefined: these brokers have no ids. */
  readonly id: string | undefined
  readonly number: number
  readonly config: Readonly<Record<string, string>>
  readonly partitions: PartitionLog[]
}

const COORDINATOR = 0

export class Brokers {
  readonly scheduler: Scheduler
  readonly network: Network
  readonly transactions: TransactionCoordinator
  readonly brokers: number
  /** Where the coordinators are. */
  readonly coordinator = COORDINATOR
  readonly faults: Faults
  readonly #random: Random
  readonly #topics = new Map<string, Topic>()
  readonly #groups = new Map<string, Group>()
  /** Of brokers that are down, or were. */
  readonly #returns = new Map<number, Timer>()
  readonly #offsets = new Map<string, GroupOffsets>()
  #topicsMade = 0

  constructor(private readonly options: BrokersOptions) {
    const faults = (this.faults = options.faults ?? noFaults)
    this.scheduler = options.scheduler
    this.brokers = options.brokers ?? 1
    this.network = new Network(options.scheduler, faults, this.brokers)
    this.#random = options.random ?? new SeededRandom(0)
    this.transactions = new TransactionCoordinator({
      scheduler: options.scheduler,
      markerMs: (transactionalId) => faults.markerMs(transactionalId),
      onEnded: options.onTransactionEnded,
    })
  }

  // What a broker does. Throws BrokerError.

  leaderOf({ topic, partition }: TopicPartition): number {
    return ((this.#topics.get(topic)?.number ?? 0) + partition) % this.brokers
  }

  /** Throws UNKNOWN_TOPIC_OR_PARTITION, or UNKNOWN_TOPIC_ID where another topic of that name is meant. */
  partition(of: TopicPartition & { readonly topicId?: string | undefined }): PartitionLog {
    const topic = this.#topics.get(of.topic)
    const partition = topic?.partitions[of.partition]
    if (partition === undefined) throw new BrokerError('UNKNOWN_TOPIC_OR_PARTITION', partitionKey(of))
    if (of.topicId !== undefined && topic?.id !== undefined && of.topicId !== topic.id)
      throw new BrokerError('UNKNOWN_TOPIC_ID', `${partitionKey(of)} of ${of.topicId}`)
    return partition
  }

  produce(
    identity: ProducerIdentity,
    to: TopicPartition & { readonly topicId?: string | undefined },
    chunk: RecordChunk,
  ): number {
    const partition = this.partition(to)
    const topic = this.describeTopic(to.topic)
    if (topic !== undefined && chunk.end > topic.maxMessageBytes) {
      throw new BrokerError('MESSAGE_TOO_LARGE', `${String(chunk.end)} bytes for ${partitionKey(to)}`)
    }
    this.transactions.verify(identity, partition)
    return partition.append(chunk, { producerId: identity.producerId, ...this.#appendTime(to.topic) })
  }

  commitOffsets(identity: ProducerIdentity, group: string, positions: readonly PartitionPosition[]): void {
    const offsets = this.offsets(group)
    this.transactions.verify(identity, offsets)
    offsets.pend(
      identity.producerId,
      new Map(positions.map((one) => [partitionKey(one), { position: one.position, note: one.note ?? '' }])),
    )
  }

  offsets(group: string): GroupOffsets {
    return getOrMake(this.#offsets, group, () => new GroupOffsets())
  }

  group(groupId: string): Group {
    return getOrMake(
      this.#groups,
      groupId,
      () =>
        new Group(groupId, {
          scheduler: this.scheduler,
          random: this.#random,
          initialRebalanceDelayMs: this.options.initialRebalanceDelayMs ?? 0,
        }),
    )
  }

  // Hands of tests and operators.

  describeTopic(name: string): TopicInfo | undefined {
    const topic = this.#topics.get(name)
    if (topic === undefined) return undefined
    const { config } = topic
    return {
      name,
      id: topic.id,
      partitions: topic.partitions.length,
      maxMessageBytes: Number(config['max.message.bytes'] ?? 1_048_588),
      cleanupPolicy: (config['cleanup.policy'] ?? 'delete')
        .split(',')
        .map((policy) => policy.trim())
        .sort(),
      deleteRetentionMs: Number(config['delete.retention.ms'] ?? 86_400_000),
      retentionMs: retentionOf(config),
    }
  }

  createTopic({ name, partitions, config }: NewTopic): void {
    if (this.#topics.has(name)) return
    const logs = Array.from({ length: partitions }, (_, partition) => new PartitionLog(name, partition))
    const number = this.#topicsMade++
    const id = this.options.withoutTopicIds === true ? undefined : `id-${String(number)}`
    this.#topics.set(name, { name, id, number, config: config ?? {}, partitions: logs })
  }

  /**
   * Groups lose their positions on it, as with Kafka, unless their coordinator was away when the topic was deleted.
   */
  deleteTopic(name: string, { groupsKeepPositions = false }: { readonly groupsKeepPositions?: boolean } = {}): void {
    const partitions = this.#topics.get(name)?.partitions ?? []
    this.#topics.delete(name)
    if (groupsKeepPositions) return
    for (const offsets of this.#offsets.values()) for (const one of partitions) offsets.delete(partitionKey(one))
  }

  /** Raises the number of partitions. */
  addPartitions(name: string, partitions: number): void {
    const topic = this.#topics.get(name)
    if (topic === undefined) throw new RangeError(`there is no topic ${name}`)
    while (topic.partitions.length < partitions) topic.partitions.push(new PartitionLog(name, topic.partitions.length))
  }

  /** Appends without a transaction, as a plain producer does. Returns the offset of the first record. */
  append(to: TopicPartition, chunks: readonly RecordChunk[]): number {
    const partition = this.partition(to)
    const first = partition.highWatermark
    for (const chunk of chunks) partition.append(chunk, this.#appendTime(to.topic))
    return first
  }

  /** Whether the record at that offset is committed: readers see it, or will. */
  isCommitted(of: TopicPartition, offset: number): boolean {
    const fate = this.partition(of).fateOf(offset)
    return typeof fate === 'string' ? fate === 'committed' : this.transactions.isCommitting(fate.open)
  }

  /** Compacts a topic now. */
  compact(name: string): void {
    const topic = this.describeTopic(name)
    if (topic === undefined) return
    const { deleteRetentionMs } = topic
    for (let partition = 0; partition < topic.partitions; partition++) {
      this.partition({ topic: name, partition }).compact({ nowMs: this.scheduler.elapsedMs, deleteRetentionMs })
    }
  }

  describeGroup(groupId: string): GroupDescription {
    return this.group(groupId).describe()
  }

  /** Forgets its positions; members, if there are any, stay. */
  deleteOffsets(groupId: string): void {
    this.offsets(groupId).clear()
  }

  /** An operator's reset. */
  setCommitted(groupId: string, positions: readonly PartitionPosition[]): void {
    const offsets = this.offsets(groupId)
    for (const position of positions) offsets.set(partitionKey(position), position.position)
  }

  committed(groupId: string, of: TopicPartition): number | undefined {
    return this.offsets(groupId).get(partitionKey(of))
  }

  /**
   * A broker goes down and comes back. What it had written is there still; connections and rebalances are not. One that is
   * down already comes back once, when the last restart says so.
   */
  restartBroker(broker: number, downMs: number): void {
    this.network.stop(broker)
    if (broker === COORDINATOR) for (const group of this.#groups.values()) group.stop()
    this.#returns.get(broker)?.cancel()
    const returns = this.scheduler.after(undefined, downMs, () => {
      if (broker === COORDINATOR) for (const group of this.#groups.values()) group.start()
      this.network.start(broker)
    })
    this.#returns.set(broker, returns)
  }

  #appendTime(topic: string): { readonly appendTimeMs?: number } {
    const type = this.#topics.get(topic)?.config['message.timestamp.type']
    return type === 'LogAppendTime' ? { appendTimeMs: Math.floor(this.scheduler.nowMs) } : {}
  }
}

function getOrMake<V>(map: Map<string, V>, key: string, make: () => V): V {
  const there = map.get(key)
  if (there !== undefined) return there
  const made = make()
  map.set(key, made)
  return made
}

/** Kafka's default is a week. */
function retentionOf(config: Readonly<Record<string, string>>): number | undefined {
  const policy = config['cleanup.policy'] ?? 'delete'
  const ms = Number(config['retention.ms'] ?? 604_800_000)
  const isKept = !policy.includes('delete') || ms < 0 || config['message.timestamp.type'] === 'LogAppendTime'
  return isKept ? undefined : ms
}
