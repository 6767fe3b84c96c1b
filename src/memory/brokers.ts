/**
 * The broker's side of a simulated cluster: topics, the transaction coordinator, the group coordinators, and brokers that
 * come and go. Clients reach it over a network that takes time and loses things; the other methods are the hands of a
 * test or of an operator, and act at once.
 */
import { GroupOffsets } from './offsets.js'
import { BrokerError } from './broker-error.js'
import { noFaults } from './faults.js'
import { Group } from './groups.js'
import { Leaders } from './leaders.js'
import { Network, partitionKey } from './network.js'
import { PartitionLog } from './partition.js'
import { checkRecords, type RecordPolicy } from './record-checks.js'
import { SeededRandom } from './random.js'
import { TransactionCoordinator } from './transactions.js'
import type { Faults } from './faults.js'
import type { AssignedMember, GroupDescription, Reply } from './groups.js'
import type { Leadership, Move, ServedLog } from './leaders.js'
import type { Scheduler } from './scheduler.js'
import type { EndedTransaction, Participant, ProducerIdentity } from './transactions.js'
import type { RecordChunk } from '../core/records/records.js'
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
  /** Default: records are taken whatever is in them. */
  readonly policy?: RecordPolicy | undefined
  /** Called for every transaction when its end is decided. */
  readonly onTransactionEnded?: (ended: EndedTransaction) => void
  /** Called when a client has deleted what is below that position. */
  readonly onRecordsDeleted?: (of: TopicPartition, before: number) => void
  /** Called when the leader of a group has assigned its tasks. */
  readonly onAssigned?: (members: readonly AssignedMember[]) => void
  /** Which version of transactions all brokers take: 1 (the default), or 2, which Kafka 4 has. */
  readonly transactionVersion?: TransactionVersion
  /** The last epoch of a producer id; default 32,766, as Kafka has it. */
  readonly maxEpoch?: number
}

export type TransactionVersion = 1 | 2

/** Where `topicId` is known, another topic of that name is not meant. */
export interface IntendedPartition extends TopicPartition {
  readonly topicId?: string | undefined
}

interface Topic {
  readonly name: string
  /** Of this topic alone: one of the same name that is made later has another. Undefined: these brokers have no ids. */
  readonly id: string | undefined
  readonly number: number
  config: Readonly<Record<string, string>>
  readonly partitions: PartitionLog[]
}

export class Brokers {
  readonly scheduler: Scheduler
  readonly network: Network
  readonly transactions: TransactionCoordinator
  readonly brokers: number
  readonly #leaders: Leaders
  #coordinator = 0
  /** From when on the coordinators have loaded what the ones before left, on the scheduler's clock. */
  #coordinatesFromMs = 0
  #groupsAreUp = true
  readonly #keptEnds = new Map<string, { readonly end: number; readonly untilMs: number }>()
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
    this.#leaders = new Leaders(this.scheduler, (of) => this.firstLeaderOf(of))
    this.#random = options.random ?? new SeededRandom(0)
    this.transactions = new TransactionCoordinator({
      scheduler: options.scheduler,
      markerMs: (transactionalId) => faults.markerMs(transactionalId),
      maxEpoch: options.maxEpoch,
      onEnded: options.onTransactionEnded,
    })
  }

  // What a broker does. Throws BrokerError.

  protected firstLeaderOf({ topic, partition }: TopicPartition): number {
    return ((this.#topics.get(topic)?.number ?? 0) + partition) % this.brokers
  }

  /** What a client is told that asks who leads a partition. */
  leaderTold(of: TopicPartition, client: string): Leadership & { readonly topicId: number } {
    return { ...this.#leaders.told(of, client), topicId: this.#topics.get(of.topic)?.number ?? -1 }
  }

  /** What that broker reads from, for a client that takes this epoch for the current one; -1: for any. */
  served(broker: number, of: IntendedPartition, epoch: number): ServedLog {
    return this.#leaders.serving(of, this.partition(of), broker, epoch)
  }

  /** Where that broker says that a partition ends. Throws BrokerError. */
  listedEnd(broker: number, of: TopicPartition, epoch: number): number {
    const { knowsItsEnd, highWatermark } = this.served(broker, of, epoch)
    if (!knowsItsEnd) throw new BrokerError('OFFSET_NOT_AVAILABLE', partitionKey(of))
    const kept = this.#keptEnds.get(partitionKey(of))
    return kept && kept.untilMs > this.scheduler.elapsedMs ? Math.min(kept.end, highWatermark) : highWatermark
  }

  /** Throws BrokerError: NOT_LEADER_OR_FOLLOWER, OFFSET_OUT_OF_RANGE. */
  deleteRecords(broker: number, of: TopicPartition, before: number): void {
    const { highWatermark } = this.served(broker, of, -1)
    // One that was replaced can't get its followers to do it.
    if (this.#leaders.now(of).leader !== broker) throw new BrokerError('NOT_LEADER_OR_FOLLOWER', partitionKey(of))
    if (before > highWatermark) throw new BrokerError('OFFSET_OUT_OF_RANGE', partitionKey(of))
    this.deleteBefore(of, before)
  }

  /** What a leader does with DeleteRecords. */
  protected deleteBefore(of: TopicPartition, before: number): void {
    this.partition(of).deleteBefore(before)
    this.options.onRecordsDeleted?.(of, before)
  }

  /** Where the coordinators are. */
  get coordinator(): number {
    return this.#coordinator
  }

  /** What a coordinator does, where that broker is one. */
  coordinate<T>(broker: number, work: () => T): T {
    if (broker !== this.#coordinator) throw new BrokerError('NOT_COORDINATOR', String(broker))
    if (this.scheduler.elapsedMs < this.#coordinatesFromMs)
      throw new BrokerError('COORDINATOR_LOAD_IN_PROGRESS', String(broker))
    return work()
  }

  /** Throws UNKNOWN_TOPIC_OR_PARTITION, or UNKNOWN_TOPIC_ID where another topic of that name is meant. */
  partition(of: IntendedPartition): PartitionLog {
    const topic = this.#topics.get(of.topic)
    const partition = topic?.partitions[of.partition]
    if (partition === undefined) throw new BrokerError('UNKNOWN_TOPIC_OR_PARTITION', partitionKey(of))
    if (of.topicId !== undefined && topic?.id !== undefined && of.topicId !== topic.id)
      throw new BrokerError('UNKNOWN_TOPIC_ID', `${partitionKey(of)} of ${of.topicId}`)
    return partition
  }

  get transactionVersion(): TransactionVersion {
    return this.options.transactionVersion ?? 1
  }

  produceAt(
    broker: number,
    identity: ProducerIdentity,
    to: IntendedPartition,
    chunk: RecordChunk,
    sequence: number,
    reply: Reply<number>,
  ): void {
    const takes = this.#leaders.takes(to, broker)
    if (takes === undefined) throw new BrokerError('NOT_LEADER_OR_FOLLOWER', partitionKey(to))
    if (takes === 'records') reply.answer(this.produce(identity, to, chunk, sequence))
    else
      // No replica follows it any more: it waits for them, and truncates its log when it learns that it was replaced.
      this.scheduler.after(undefined, takes.givesUpAfterMs, () => {
        reply.refuse(new BrokerError('NOT_LEADER_OR_FOLLOWER', partitionKey(to)))
      })
  }

  /** A batch of a transaction, whose first record has that sequence; default: what is due. Returns its first offset. */
  produce(identity: ProducerIdentity, to: IntendedPartition, chunk: RecordChunk, sequence?: number): number {
    const partition = this.partition(to)
    const topic = this.describeTopic(to.topic)
    if (topic !== undefined && chunk.end > topic.maxMessageBytes) {
      throw new BrokerError('MESSAGE_TOO_LARGE', `${String(chunk.end)} bytes for ${partitionKey(to)}`)
    }
    this.checkRecords(to, chunk)
    this.#takes(identity, partition)
    const first = sequence ?? partition.sequences.next(identity)
    const there = partition.sequences.find(identity, first, chunk.count)
    if (there !== undefined) return there
    const offset = partition.append(chunk, { producerId: identity.producerId, ...this.appendTime(to.topic) })
    partition.sequences.appended(identity, { first, count: chunk.count, offset })
    return offset
  }

  /** Whether its topic takes the records. Throws INVALID_TIMESTAMP or INVALID_RECORD. */
  checkRecords(to: TopicPartition, chunk: RecordChunk): void {
    checkRecords(to, chunk, this.#topics.get(to.topic)?.config ?? {}, this.scheduler.nowMs, this.options.policy)
  }

  commitOffsets(identity: ProducerIdentity, group: string, positions: readonly PartitionPosition[]): void {
    const offsets = this.offsets(group)
    this.#takes(identity, offsets)
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
          onAssigned: this.options.onAssigned,
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
    const id = this.options.withoutTopicIds === true ? undefined : topicIdOf(number)
    this.#topics.set(name, { name, id, number, config: config ?? {}, partitions: logs })
  }

  /** Sets what is named, and leaves the rest. */
  alterTopic(name: string, config: Readonly<Record<string, string>>): void {
    const topic = this.#topics.get(name)
    if (topic !== undefined) topic.config = { ...topic.config, ...config }
  }

  /**
   * Groups lose their positions on it, as with Kafka, unless their coordinator was away when the topic was deleted.
   */
  deleteTopic(name: string, { groupsKeepPositions = false }: { readonly groupsKeepPositions?: boolean } = {}): void {
    const partitions = this.#topics.get(name)?.partitions ?? []
    for (const one of partitions) {
      this.#leaders.forget(one)
      this.#keptEnds.delete(partitionKey(one))
    }
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
    const first = partition.logEnd
    for (const chunk of chunks) partition.append(chunk, this.appendTime(to.topic))
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

  /** As another activation of that transactional id does. Throws CONCURRENT_TRANSACTIONS while the one before is ended. */
  fence(transactionalId: string): void {
    this.transactions.init(transactionalId, 10_000)
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
  /** What the group keeps beside that offset. */
  committedNote(groupId: string, of: TopicPartition): string | undefined {
    return this.offsets(groupId).committed(partitionKey(of))?.note
  }

  /**
   * A broker goes down and comes back. What it had written is there still; connections and rebalances are not. One that is
   * down already comes back once, when the last restart says so.
   */
  restartBroker(broker: number, downMs: number): void {
    this.network.stop(broker)
    if (broker === this.#coordinator) this.#stopGroups()
    this.#returns.get(broker)?.cancel()
    const returns = this.scheduler.after(undefined, downMs, () => {
      if (broker === this.#coordinator) this.#startGroups()
      this.network.start(broker)
    })
    this.#returns.set(broker, returns)
  }

  #takes(identity: ProducerIdentity, participant: Participant): void {
    if (this.transactionVersion === 1) this.transactions.verify(identity, participant)
    else this.transactions.include(identity, participant)
  }

  /** For so long, who asks where the partition ends is answered as of now, whatever is appended. */
  keepListing(of: TopicPartition, ms: number): void {
    const untilMs = this.scheduler.elapsedMs + ms
    this.#keptEnds.set(partitionKey(of), { end: this.partition(of).highWatermark, untilMs })
  }

  /** Another broker is elected to lead a partition. */
  moveLeader(of: TopicPartition, move: Move): void {
    this.#leaders.move(of, this.partition(of), move)
  }

  /**
   * Another broker coordinates from here on. For `loadsMs` it loads what the one before left; then it sends the markers of
   * transactions that are being ended, those among them that were written already.
   */
  moveCoordinator(to: number, loadsMs: number): void {
    const before = this.#coordinator
    if (to === before) return
    const wasUp = this.network.isUp(before)
    // Who waits at the one before is cut off.
    this.network.stop(before)
    if (wasUp) this.network.start(before)
    this.#stopGroups()
    this.#coordinator = to
    this.#coordinatesFromMs = this.scheduler.elapsedMs + loadsMs
    this.scheduler.after(undefined, loadsMs, () => {
      if (this.#coordinator !== to || this.scheduler.elapsedMs < this.#coordinatesFromMs) return
      this.transactions.failOver()
      if (this.network.isUp(to)) this.#startGroups()
    })
  }

  #stopGroups(): void {
    if (!this.#groupsAreUp) return
    this.#groupsAreUp = false
    for (const group of this.#groups.values()) group.stop()
  }

  #startGroups(): void {
    if (this.#groupsAreUp || this.scheduler.elapsedMs < this.#coordinatesFromMs) return
    this.#groupsAreUp = true
    for (const group of this.#groups.values()) group.start()
  }

  /** What the broker stamps on what is appended now, if the topic has LogAppendTime. */
  appendTime(topic: string): { readonly appendTimeMs?: number } {
    const type = this.#topics.get(topic)?.config['message.timestamp.type']
    return type === 'LogAppendTime' ? { appendTimeMs: Math.floor(this.scheduler.nowMs) } : {}
  }
}

/** A UUID, as Kafka's tools print it. */
function topicIdOf(number: number): string {
  const bytes = Buffer.alloc(16)
  bytes.writeUInt32BE(number + 1, 12)
  return bytes.toString('base64url')
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
