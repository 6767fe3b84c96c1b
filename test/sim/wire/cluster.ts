/**
 * The cluster in memory behind brokers that speak Kafka's protocol: its workers' logs are the real ones of src/kafka, on
 * sockets in memory. Topics, logs, groups and positions are those of `MemoryCluster`, so that a simulated world feeds and
 * checks them as ever; transactions, leaders and what brokers know of each other are Kafka's, and are here.
 *
 * Leaders: each partition has one, which moves when its broker goes down, or just so, and may move back. Brokers learn of
 * it some time later, and until then tell clients what was. Logs are the same wherever they are read: replication is not
 * simulated.
 */
import { createKafkaLog } from '../../../src/kafka/log.js'
import type { IntendedPartition } from '../../../src/memory/brokers.js'
import { MemoryCluster, type MemoryClusterOptions } from '../../../src/memory/cluster.js'
import type { MemoryLogOptions } from '../../../src/memory/log.js'
import { partitionKey } from '../../../src/memory/network.js'
import type { GroupOffsets } from '../../../src/memory/offsets.js'
import type { PartitionLog } from '../../../src/memory/partition.js'
import type { SimulatedProcess } from '../../../src/memory/scheduler.js'
import type { CommittedOffset, Log, NewTopic, TopicPartition } from '../../../src/ports/log.js'
import type { Logger } from '../../../src/ports/logger.js'
import type { ApiInfo } from './api.js'
import { Writer } from './bytes.js'
import type { Refusable, WireWeather } from './climate.js'
import { errorName, errors, KafkaError } from './errors.js'
import { fetchRequests } from './fetch-requests.js'
import { groupRequests } from './group-requests.js'
import { type Call, hostOf, PORT, WireNetwork } from './network.js'
import { ProducerStates } from './producer-states.js'
import type { Handlers } from './request.js'
import { topicRequests } from './topic-requests.js'
import { transactionRequests } from './transaction-requests.js'
import { type End, type Identity, type Participant, Transactions } from './transactions.js'

export interface WireClusterOptions extends MemoryClusterOptions {
  readonly weather: WireWeather
  readonly logger: (process: SimulatedProcess) => Logger
  readonly said: (what: () => string) => void
  /** Told of what no client may send. */
  readonly nonsense: (what: string) => void
  /** For how long leaders and coordinators move just so, ms. */
  readonly troubleMs: number
}

const handlers: Handlers = { ...topicRequests, ...fetchRequests, ...groupRequests, ...transactionRequests }

export class WireCluster extends MemoryCluster {
  readonly coordinated: Transactions
  /** Told of what no client may send. */
  readonly nonsense: (what: string) => void
  readonly verifies: boolean
  readonly knowsVersion2: boolean
  #transactionVersion: 1 | 2
  readonly #wire: WireNetwork
  readonly #weather: WireWeather
  readonly #said: WireClusterOptions['said']
  readonly #logger: WireClusterOptions['logger']
  /** Those of a topic that was deleted are no other's. */
  readonly #producers = new WeakMap<PartitionLog, ProducersOfPartition>()
  readonly #offsetsOf = new Map<string, OffsetsOfGroup>()
  readonly #names = new Set<string>()
  /** Where they are not where they would be if nothing had happened; -1: there is none. */
  readonly #leaders = new Map<string, number>()
  /** The same as each broker knows it. */
  readonly #seen: readonly Map<string, number>[]
  readonly #coordinators = new Map<string, number>()
  /** From when on a broker knows a topic. */
  readonly #knownAtMs = new Map<string, readonly number[]>()
  readonly #loadedAtMs: number[]
  readonly #believedDown: readonly Set<number>[]

  constructor(options: WireClusterOptions) {
    super({ ...options, withoutTopicIds: !options.weather.climate.topicIds })
    const { scheduler, faults, weather, brokers } = { ...options, faults: this.faults, brokers: this.brokers }
    this.#weather = weather
    this.#said = options.said
    this.nonsense = options.nonsense
    this.#logger = options.logger
    const { climate, random } = weather
    this.verifies = climate.verifies
    this.knowsVersion2 = climate.transactions !== 'version 1'
    this.#transactionVersion = climate.transactions === 'version 2' || climate.transactions === 'downgrade' ? 2 : 1
    this.#seen = Array.from({ length: brokers }, () => new Map<string, number>())
    this.#believedDown = Array.from({ length: brokers }, () => new Set<number>())
    this.#loadedAtMs = Array.from({ length: brokers }, () => 0)
    this.#wire = new WireNetwork({
      scheduler,
      faults,
      wireFaults: weather,
      isUp: (broker) => this.network.isUp(broker),
      serve: (call) => {
        this.#serve(call)
      },
      nonsense: options.nonsense,
    })
    this.coordinated = new Transactions({
      scheduler,
      markerMs: (transactionalId) => faults.markerMs(transactionalId),
      firstEpoch: climate.firstEpoch,
      onEnded: (ended) => options.onTransactionEnded?.(ended),
    })
    if (climate.transactions === 'upgrade' || climate.transactions === 'downgrade')
      scheduler.after(undefined, random.between(0, options.troubleMs), () => {
        this.#transactionVersion = this.#transactionVersion === 1 ? 2 : 1
        this.#said(() => `transaction.version is ${String(this.#transactionVersion)}`)
      })
    for (let i = 0; i < climate.moves; i++)
      scheduler.after(undefined, random.between(0, options.troubleMs), () => {
        this.#moveSomething()
      })
  }

  override log({ process, clientId, ...options }: MemoryLogOptions): Log {
    return createKafkaLog({
      brokers: Array.from({ length: this.brokers }, (_, broker) => `${hostOf(broker)}:${String(PORT)}`),
      clientId: clientId ?? process.name,
      logger: this.#logger(process),
      clock: process.clock,
      ...(options.connectTimeoutMs === undefined ? {} : { connectTimeoutMs: options.connectTimeoutMs }),
      ...(options.transactionTimeoutMs === undefined ? {} : { transactionTimeoutMs: options.transactionTimeoutMs }),
      ...(options.requestTimeoutMs === undefined ? {} : { requestTimeoutMs: options.requestTimeoutMs }),
      fetch: {
        ...(options.maxWaitMs === undefined ? {} : { maxWaitMs: options.maxWaitMs }),
        ...(options.maxBytes === undefined ? {} : { maxBytes: options.maxBytes }),
        ...(options.maxBytesPerPartition === undefined ? {} : { maxBytesPerPartition: options.maxBytesPerPartition }),
      },
      socketFactory: this.#wire.socketFactory(process),
    })
  }

  /** Ends the connections that are left, with their timers of real time. */
  close(): void {
    this.#wire.close()
  }

  // what requests ask

  override get transactionVersion(): 1 | 2 {
    return this.#transactionVersion
  }
  get topicNames(): readonly string[] {
    return [...this.#names]
  }
  maxVersionOf({ maxVersion, olderMaxVersion = maxVersion, maxVersionWithoutIds = maxVersion }: ApiInfo): number {
    const { topicIds } = this.#weather.climate
    return Math.min(this.knowsVersion2 ? maxVersion : olderMaxVersion, topicIds ? maxVersion : maxVersionWithoutIds)
  }
  throttleMs(): number {
    return this.#weather.throttleMs()
  }
  refusal(what: Refusable): number {
    return this.#weather.refusal(what)
  }
  chance(probability: number): boolean {
    return this.#weather.random.chance(probability)
  }

  has({ topic, partition }: TopicPartition): boolean {
    return partition < (this.describeTopic(topic)?.partitions ?? 0)
  }
  /** Of the topic that has this id now. */
  nameOf(topicId: string): string | undefined {
    return this.topicNames.find((name) => this.describeTopic(name)?.id === topicId)
  }
  /** The log, at the broker that leads it. Throws KafkaError, or BrokerError. */
  ledBy(broker: number, of: IntendedPartition): PartitionLog {
    if (of.topic === '') throw new KafkaError(errors.UNKNOWN_TOPIC_ID, of.topicId)
    if (!this.knows(broker, of.topic))
      throw new KafkaError(of.topicId === undefined ? errors.UNKNOWN_TOPIC_OR_PARTITION : errors.UNKNOWN_TOPIC_ID)
    const log = this.partition(of)
    if (this.leaderOf(of) !== broker) throw new KafkaError(errors.NOT_LEADER_OR_FOLLOWER)
    return log
  }
  /** Where the log begins then. Throws KafkaError, or BrokerError. */
  deleteLedBy(broker: number, of: TopicPartition, before: number): number {
    const log = this.ledBy(broker, of)
    if (before > log.highWatermark) throw new KafkaError(errors.OFFSET_OUT_OF_RANGE)
    this.deleteBefore(of, before)
    return log.logStart
  }
  leaderOf(of: TopicPartition): number {
    return this.#leaders.get(partitionKey(of)) ?? this.firstLeaderOf(of)
  }
  /** A topic that was made a moment ago is not known everywhere yet. */
  knows(broker: number, topic: string): boolean {
    return (this.#knownAtMs.get(topic)?.[broker] ?? 0) <= this.scheduler.elapsedMs
  }
  /** The leaders of its partitions as far as that broker knows; undefined for a topic that it does not know. */
  partitionsSeenFrom(broker: number, topic: string): readonly number[] | undefined {
    const there = this.describeTopic(topic)
    if (there === undefined || !this.knows(broker, topic)) return undefined
    return Array.from({ length: there.partitions }, (_, partition) => {
      const of = { topic, partition }
      const leader = this.#seen[broker]?.get(partitionKey(of)) ?? this.firstLeaderOf(of)
      return this.#believedDown[broker]?.has(leader) === true ? -1 : leader
    })
  }
  brokersSeenFrom(broker: number): readonly number[] {
    return Array.from({ length: this.brokers }, (_, node) => node).filter(
      (node) => node === broker || this.#believedDown[broker]?.has(node) !== true,
    )
  }

  /** Groups are coordinated where the cluster in memory has them; transactional ids by one broker each. */
  coordinatorOf(kind: 'group' | 'transaction', of: string): number {
    if (kind === 'group') return this.coordinator
    const home = [...Buffer.from(of)].reduce((sum, byte) => sum + byte, 0) % this.brokers
    return this.#coordinators.get(of) ?? home
  }
  /** -1: none that it knows of. */
  coordinatorSeenFrom(broker: number, kind: 'group' | 'transaction', of: string): number {
    const coordinator = this.coordinatorOf(kind, of)
    return this.#believedDown[broker]?.has(coordinator) === true ? -1 : coordinator
  }
  isLoading(broker: number): boolean {
    return (this.#loadedAtMs[broker] ?? 0) > this.scheduler.elapsedMs
  }
  /** Whether that broker gets an answer from the other. */
  reaches(broker: number, other: number): boolean {
    return broker === other || (this.network.isUp(other) && !this.isLoading(other))
  }

  producersOf(of: TopicPartition): ProducersOfPartition {
    const log = this.partition(of)
    let producers = this.#producers.get(log)
    if (producers === undefined) {
      producers = new ProducersOfPartition(log)
      this.#producers.set(log, producers)
    }
    return producers
  }
  offsetsOf(group: string): OffsetsOfGroup {
    let offsets = this.#offsetsOf.get(group)
    if (offsets === undefined) {
      offsets = new OffsetsOfGroup(this.offsets(group))
      this.#offsetsOf.set(group, offsets)
    }
    return offsets
  }

  // hands of tests and operators

  override createTopic(topic: NewTopic): void {
    super.createTopic(topic)
    this.#names.add(topic.name)
  }
  /** Brokers learn of it one after the other. */
  createSlowly(topic: NewTopic): void {
    const { elapsedMs } = this.scheduler
    this.#knownAtMs.set(
      topic.name,
      this.#loadedAtMs.map(() => elapsedMs + this.#weather.lagMs()),
    )
    this.createTopic(topic)
  }
  override isCommitted(of: TopicPartition, offset: number): boolean {
    const fate = this.partition(of).fateOf(offset)
    return super.isCommitted(of, offset) || (typeof fate === 'object' && this.coordinated.isCommitting(fate.open))
  }
  override fence(transactionalId: string): void {
    try {
      this.coordinated.init(transactionalId, 10_000)
    } catch (error) {
      throw error instanceof KafkaError ? new RangeError(errorName(error.code), { cause: error }) : error
    }
  }
  override restartBroker(broker: number, downMs: number): void {
    super.restartBroker(broker, downMs)
    this.#wire.stop(broker)
    this.scheduler.after(undefined, this.#weather.lagMs(), () => {
      if (!this.network.isUp(broker)) this.#goneDown(broker)
    })
    this.scheduler.after(undefined, downMs, () => {
      if (this.network.isUp(broker)) this.#cameBack(broker)
    })
  }

  // --

  #serve(call: Call): void {
    const { info, version, correlationId } = call
    const handler = handlers[info.name]
    if (handler === undefined) throw new RangeError(`nobody handles ${info.name}`)
    const flexible = version >= info.flexibleFrom
    handler({
      ...call,
      cluster: this,
      answer: (write, mutedMs) => {
        // So that every client can read it, the header of an answer to ApiVersions has no tagged fields.
        const header = new Writer(flexible && info.name !== 'ApiVersions').int32(correlationId).tags()
        const body = new Writer(flexible)
        write(body)
        call.answer(Buffer.concat([header.bytes(), body.bytes()]), mutedMs)
      },
    })
  }

  #partitions(): TopicPartition[] {
    return this.topicNames.flatMap((topic) =>
      Array.from({ length: this.describeTopic(topic)?.partitions ?? 0 }, (_, partition) => ({ topic, partition })),
    )
  }

  #lead(of: TopicPartition, broker: number): void {
    const key = partitionKey(of)
    this.#leaders.set(key, broker)
    this.#said(() => `${key} is led by ${String(broker)}`)
    for (const seen of this.#seen)
      this.scheduler.after(undefined, this.#weather.lagMs(), () => {
        seen.set(key, this.leaderOf(of))
      })
  }

  #goneDown(broker: number): void {
    for (const believed of this.#believedDown)
      this.scheduler.after(undefined, this.#weather.lagMs(), () => {
        if (!this.network.isUp(broker)) believed.add(broker)
      })
    const others = this.#upBrokers().filter((other) => other !== broker)
    if (others.length === 0) return
    const { random } = this.#weather
    for (const of of this.#partitions()) if (this.leaderOf(of) === broker) this.#lead(of, random.pick(others))
    for (const id of this.coordinated.names)
      if (this.coordinatorOf('transaction', id) === broker) this.#coordinators.set(id, random.pick(others))
  }

  #cameBack(broker: number): void {
    this.#loadedAtMs[broker] = this.scheduler.elapsedMs + this.#weather.loadingMs()
    for (const believed of this.#believedDown) believed.delete(broker)
  }

  #upBrokers(): number[] {
    return Array.from({ length: this.brokers }, (_, broker) => broker).filter((broker) => this.network.isUp(broker))
  }

  #moveSomething(): void {
    const { random } = this.#weather
    const up = this.#upBrokers()
    const partitions = this.#partitions()
    if (up.length === 0 || partitions.length === 0) return
    const to = random.pick(up)
    if (random.chance(0.7)) {
      this.#lead(random.pick(partitions), to)
      return
    }
    this.#loadedAtMs[to] = this.scheduler.elapsedMs + this.#weather.loadingMs()
    for (const transactionalId of this.coordinated.names) this.#coordinators.set(transactionalId, to)
    this.#said(() => `transactional ids are coordinated by ${String(to)}`)
  }
}

/** A partition as transactions see it: its log, and what its leader remembers of producers. */
class ProducersOfPartition implements Participant {
  readonly states = new ProducerStates()
  constructor(private readonly log: PartitionLog) {}

  mark(producerId: number, epoch: number, kind: End): void {
    this.states.marked(producerId, epoch)
    this.log.mark(producerId, kind)
  }
}

/** A group's positions, which lie in a partition of their own. */
class OffsetsOfGroup implements Participant {
  readonly #states = new ProducerStates()
  constructor(private readonly offsets: GroupOffsets) {}

  /** Throws INVALID_PRODUCER_EPOCH. */
  pend({ producerId, epoch }: Identity, positions: ReadonlyMap<string, CommittedOffset>): void {
    this.#states.checkEpoch(producerId, epoch)
    this.offsets.pend(producerId, positions)
  }
  mark(producerId: number, epoch: number, kind: End): void {
    this.#states.marked(producerId, epoch)
    this.offsets.mark(producerId, kind)
  }
}
