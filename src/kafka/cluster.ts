/**
 * The cluster as one worker sees it: which broker leads what, and the connections to them.
 *
 * Connections are made by lane: Kafka works off the requests of one connection in order, so that a long poll or a join
 * would hold up whatever came after it. Each lane has its own connection to each broker that it talks to.
 *
 * Invariants:
 * 1. There is at most one live link for a lane and a broker.
 * 2. Who leads a partition, or coordinates a group or a transactional id, is remembered until a broker says otherwise or
 *    the connection to it breaks: no look-ups where things go well.
 * 3. What a broker says of leaders is not taken where a later election is known (KIP-320): metadata spread from broker to
 *    broker. It is then asked of another one. (Without topic ids, before Kafka 2.8, a topic that was recreated looks the
 *    same: there any word is taken.)
 * 4. After `close`, nothing is opened, and everything that waits is rejected.
 */
import { setMaxListeners } from 'node:events'
import { type Address, parseAddress, textOf } from './address.js'
import { AnswerMemory } from './answer-memory.js'
import { isPotorooError, messageOf, PotorooError } from '../errors.js'
import type { TopicPartition } from '../ports/log.js'
import { Backoff } from './backoff.js'
import { BrokerError, codes, isCoordinatorMoved, LinkError } from './errors.js'
import { firstOf } from './first-of.js'
import { GoneBrokers } from './gone-brokers.js'
import { inTime } from './in-time.js'
import { Link } from './link.js'
import type { KafkaSettings } from './options.js'
import type { Request } from './prepared.js'
import { metadata, type MetadataAnswer } from './metadata-request.js'
import { findCoordinator } from './requests.js'
import { Sleeper } from './sleeper.js'
import { ThrottleNotices } from './throttling.js'
import type { TransactionVersion } from './transaction-version.js'

export type CoordinatorKind = 'group' | 'transaction'
interface TopicState {
  /** Undefined where the broker gives none. */
  readonly id: string | undefined
  /** 0, or why the topic can't be used now. */
  readonly errorCode: number
  /** By partition. */
  readonly leaders: ReadonlyMap<number, Leader>
}
interface Leader {
  /** -1: there is none now. */
  readonly nodeId: number
  readonly epoch: number | undefined
}
/** The newest epoch that was seen of each partition. */
interface Epochs {
  readonly topicId: string
  readonly newest: Map<number, number>
}
const NOBODY: Leader = { nodeId: -1, epoch: undefined }

const ADMIN = 'admin'
/** Asks brokers that are gone whether they are back. */
const PROBE = 'probe'
const PROBE_TIMEOUT_MS = 2_000
/** One that gives no answer at all costs 5 s each time. */
const SHUN_MS = 30_000
const key = (lane: string, address: string): string => `${lane} ${address}`

export class Cluster {
  readonly sleeper: Sleeper
  readonly #seeds: readonly Address[]
  #nodes: ReadonlyMap<number, Address> = new Map()
  #controller = -1
  readonly #topics = new Map<string, TopicState>()
  readonly #epochs = new Map<string, Epochs>()
  /** How many look-ups of leaders there were: each is asked of the next broker. */
  #lookUps = 0
  /** Until when brokers that could not be reached are asked after the others, by address. */
  readonly #shunnedUntil = new Map<string, number>()
  readonly #coordinators = new Map<string, number>()
  readonly #links = new Map<string, { readonly opening: Promise<Link>; link?: Link }>()
  readonly #notices: ThrottleNotices
  readonly #refreshing = new Set<{ readonly topics: ReadonlySet<string>; readonly done: Promise<void> }>()
  /** Addresses at which a broker has answered. */
  readonly #reached = new Set<string>()
  #closed = false
  readonly #closing = new AbortController()

  readonly gone: GoneBrokers
  /** Of all connections. */
  readonly answerMemory = new AnswerMemory()

  constructor(readonly settings: KafkaSettings) {
    this.#seeds = settings.brokers.map(parseAddress)
    if (this.#seeds.length === 0) throw new PotorooError('INVALID_CONFIGURATION', 'no broker is configured')
    this.sleeper = new Sleeper(settings.clock)
    // Each connection that is being opened listens.
    setMaxListeners(0, this.#closing.signal)
    this.#notices = new ThrottleNotices(settings)
    this.gone = new GoneBrokers(settings.logger, this.sleeper, (address) => this.#probe(address))
  }

  get closed(): boolean {
    return this.#closed
  }
  now(): number {
    return this.settings.clock.monotonic()
  }

  /**
   * Tries the configured brokers until one answers and one of the addresses that it gives for the cluster's brokers answers,
   * too: that these differ, and can't be reached from here, is the commonest mistake of all. Rejects with
   * BROKER_UNREACHABLE or ADVERTISED_ADDRESS_UNREACHABLE when `connectTimeoutMs` are over, whatever is under way then.
   */
  async connect(): Promise<void> {
    const failures = new Map<string, string>(this.#seeds.map((seed) => [textOf(seed), 'no answer']))
    const { clock, connectTimeoutMs } = this.settings
    await inTime(clock, connectTimeoutMs, this.#tryToConnect(failures), () => notConnected(failures, connectTimeoutMs))
  }

  /** Writes into `failures` why addresses can't be reached. Resolves when one can; then it does not matter any more. */
  async #tryToConnect(failures: Map<string, string>): Promise<void> {
    const deadline = this.now() + this.settings.connectTimeoutMs
    const backoff = new Backoff(50, 1_000)
    for (let said = false; ; said = true) {
      const connected = await firstOf(
        this.settings.clock,
        this.#seeds,
        async (seed) => {
          this.#learn(await (await this.#link(ADMIN, seed)).call(metadata([])))
          failures.delete(textOf(seed))
          await this.#tryAdvertised(textOf(seed), failures)
          return true
        },
        (seed, error) => {
          this.#check()
          if (isPotorooError(error) && error.code !== 'ADVERTISED_ADDRESS_UNREACHABLE') throw error
          if (!isPotorooError(error)) failures.set(textOf(seed), whyNotMade(error))
        },
      )
      if (connected) return
      if (!said) this.settings.logger.info({ tried: listed(failures) }, 'no broker answers yet, still trying')
      const pause = backoff.next()
      if (this.now() + pause >= deadline) throw notConnected(failures, this.settings.connectTimeoutMs)
      await this.sleeper.sleep(pause)
    }
  }

  /** A connection to a seed proves nothing: what comes goes to the addresses that brokers advertise. */
  async #tryAdvertised(seed: string, failures: Map<string, string>): Promise<void> {
    if (this.#nodes.size === 0) throw new LinkError('it knows no brokers yet')
    const reached = await firstOf(
      this.settings.clock,
      [...this.#nodes.values()],
      (address) => this.#link(ADMIN, address),
      (address, error) => {
        this.#check()
        if (isPotorooError(error)) throw error
        failures.set(...advertisedTo(seed, address, error))
      },
    )
    if (reached === undefined) throw new PotorooError('ADVERTISED_ADDRESS_UNREACHABLE', listed(failures))
  }

  /** Calls a broker on a lane's own connection. Rejects with LinkError when it can't be reached or the link breaks. */
  call<T>(lane: string, nodeId: number, request: Request<T>, timeoutMs?: number): Promise<T> {
    return this.#on(lane, nodeId, (link) => link.call(request, timeoutMs))
  }

  /**
   * What the broker takes, as of when the lane's connection to it was opened, which it is if there is none. Resolves once the
   * broker takes something on that connection: it may be throttled.
   */
  transactionVersion(lane: string, nodeId: number): Promise<TransactionVersion> {
    return this.#on(lane, nodeId, async (link) => {
      await link.unmuted()
      return link.transactionVersion
    })
  }

  async #on<T>(lane: string, nodeId: number, use: (link: Link) => T | Promise<T>): Promise<T> {
    try {
      return await use(await this.link(lane, nodeId))
    } catch (error) {
      if (error instanceof LinkError) this.#forgetNode(nodeId)
      throw error
    }
  }

  async link(lane: string, nodeId: number): Promise<Link> {
    const address = this.#nodes.get(nodeId)
    if (!address) throw new LinkError(`broker ${String(nodeId)} is not in the cluster's metadata`)
    try {
      return await this.#link(lane, address)
    } catch (error) {
      if (!(error instanceof LinkError) || this.#reached.has(textOf(address))) throw error
      throw new LinkError(`broker ${String(nodeId)} advertises ${cantBeReached(address, error)}`, { cause: error })
    }
  }

  /** Any broker; the one that takes administrative requests where that is known. */
  async callAny<T>(request: Request<T>, timeoutMs?: number): Promise<T> {
    return (await this.#any()).call(request, timeoutMs)
  }
  async callController<T>(request: Request<T>, timeoutMs?: number): Promise<T> {
    return this.#nodes.has(this.#controller)
      ? this.call(ADMIN, this.#controller, request, timeoutMs)
      : this.callAny(request, timeoutMs)
  }

  // leaders

  /** Who leads the partition as far as is known; undefined: refresh. */
  leaderOf({ topic, partition }: TopicPartition): number | undefined {
    const leader = this.#topics.get(topic)?.leaders.get(partition)?.nodeId
    return leader === -1 ? undefined : leader
  }
  /** Of the election that made it the leader; undefined where it is not known, or brokers don't count. */
  epochOf({ topic, partition }: TopicPartition): number | undefined {
    return this.#topics.get(topic)?.leaders.get(partition)?.epoch
  }
  /** The error code that says why `leaderOf` knows none, as of the last answer. */
  whyLeaderless({ topic, partition }: TopicPartition): number {
    const state = this.#topics.get(topic)
    if (state === undefined) return codes.UNKNOWN_TOPIC_OR_PARTITION
    if (state.errorCode !== 0) return state.errorCode
    return state.leaders.has(partition) ? codes.LEADER_NOT_AVAILABLE : codes.UNKNOWN_TOPIC_OR_PARTITION
  }
  /** As of the last answer; 0: unknown. */
  partitionsOf(topic: string): number {
    return this.#topics.get(topic)?.leaders.size ?? 0
  }
  /** As of the last answer; undefined: unknown. */
  topicIdOf(topic: string): string | undefined {
    return this.#topics.get(topic)?.id
  }
  /** As of the last answer; undefined: no such broker. */
  addressOf(nodeId: number): string | undefined {
    const address = this.#nodes.get(nodeId)
    return address && textOf(address)
  }
  forgetTopic(topic: string): void {
    this.#topics.delete(topic)
  }
  /**
   * Asks for these topics' leaders, each time another broker: the one asked last may be the one that knows least. Whoever
   * asks for some of the same topics meanwhile shares the answer.
   */
  async refresh(topics: readonly string[]): Promise<void> {
    const wanted = new Set(topics)
    for (const under of this.#refreshing) if ([...wanted].every((topic) => under.topics.has(topic))) return under.done
    const done = this.#lookUp([...wanted])
    const refreshing = { topics: wanted, done }
    this.#refreshing.add(refreshing)
    try {
      await done
    } finally {
      this.#refreshing.delete(refreshing)
    }
  }
  async #lookUp(topics: readonly string[]): Promise<void> {
    const link = await this.#anyNode(this.#lookUps++)
    this.#learn(await link.call(metadata(topics)))
    this.gone.answered(undefined)
  }
  /** Asked now; what it says of leaders is remembered. */
  async metadataOf(topics: readonly string[]): Promise<MetadataAnswer> {
    const answer = await this.callAny(metadata([...new Set(topics)]))
    this.#learn(answer)
    return answer
  }

  // coordinators

  /** Rejects with BrokerError while there is none. */
  async coordinator(kind: CoordinatorKind, of: string): Promise<number> {
    const known = this.#coordinators.get(key(kind, of))
    if (known !== undefined && this.#nodes.has(known)) return known
    const { errorCode, coordinator } = await this.callAny(findCoordinator(kind, of))
    if (errorCode !== 0) throw new BrokerError(errorCode, `coordinator of the ${kind} ${of}`, 'FindCoordinator')
    if (!this.#nodes.has(coordinator.nodeId)) await this.refresh([])
    this.#coordinators.set(key(kind, of), coordinator.nodeId)
    return coordinator.nodeId
  }
  forgetCoordinator(kind: CoordinatorKind, of: string): void {
    this.#coordinators.delete(key(kind, of))
  }
  /** After a failure: looks the coordinator up again if the code says that it moved. */
  noteCoordinatorFailure(kind: CoordinatorKind, of: string, error: unknown): void {
    if (error instanceof LinkError || (error instanceof BrokerError && isCoordinatorMoved(error))) {
      this.forgetCoordinator(kind, of)
    }
  }

  // end of connections

  /** Closes the connections of lanes with these names; what is under way on them is rejected. */
  closeLanes(...lanes: readonly string[]): void {
    for (const [name, entry] of [...this.#links]) {
      if (!lanes.some((lane) => name.startsWith(`${lane} `))) continue
      this.#links.delete(name)
      entry.opening.then(
        (link) => {
          link.close('closed')
        },
        () => undefined,
      )
    }
  }
  async close(): Promise<void> {
    this.#closed = true
    this.#closing.abort()
    this.sleeper.close()
    const all = [...this.#links.values()]
    this.#links.clear()
    for (const { link } of all) link?.close('closed')
    await Promise.allSettled(all.map(async ({ opening }) => (await opening).close('closed')))
  }

  // --

  #check(): void {
    if (this.#closed) throw new PotorooError('REQUEST_FAILED', 'the connection to Kafka was closed')
  }

  async #link(lane: string, { host, port }: Address): Promise<Link> {
    this.#check()
    const address = textOf({ host, port })
    const name = key(lane, address)
    const known = this.#links.get(name)
    if (known && (known.link === undefined || known.link.usable)) return known.opening
    const old = known?.link
    const entry: { readonly opening: Promise<Link>; link?: Link } = {
      opening: Link.open(host, port, this.settings, this.answerMemory, this.#notices, this.#closing.signal),
    }
    this.#links.set(name, entry)
    try {
      const link = await entry.opening
      entry.link = link
      this.#reached.add(address)
      if (this.#closed) link.close('closed')
      this.#check()
      // It broke, or its session ends: what is under way on it is not cut off.
      old?.retire()
      return link
    } catch (error) {
      if (this.#links.get(name) === entry) this.#links.delete(name)
      throw error
    }
  }

  /** A live administrative link to any broker: one that is open, else any that opens. */
  async #any(): Promise<Link> {
    this.#check()
    for (const [name, { link }] of this.#links) if (name.startsWith(`${ADMIN} `) && link?.usable) return link
    return this.#anyNode()
  }

  /** `first`: which of the brokers is tried first, counted through. */
  async #anyNode(first = 0): Promise<Link> {
    const failures = new Map<string, string>()
    const nodes = [...this.#nodes.values()]
    const turn = first % Math.max(1, nodes.length)
    const inTurn = [...nodes.slice(turn), ...nodes.slice(0, turn), ...this.#seeds]
    const isShunned = (address: Address): boolean => (this.#shunnedUntil.get(textOf(address)) ?? -Infinity) > this.now()
    for (const address of [...inTurn.filter((one) => !isShunned(one)), ...inTurn.filter(isShunned)]) {
      try {
        return await this.#link(ADMIN, address)
      } catch (error) {
        this.#check()
        this.#shunnedUntil.set(textOf(address), this.now() + SHUN_MS)
        if (isPotorooError(error)) throw error
        failures.set(textOf(address), whyNotMade(error))
      }
    }
    throw new LinkError(`no broker can be reached: ${listed(failures)}`)
  }

  #learn(answer: MetadataAnswer): void {
    if (answer.brokers.length > 0) {
      this.#nodes = new Map(answer.brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]))
      this.#controller = answer.controllerId
    }
    for (const { topic, topicErrorCode, topicId, partitionMetadata } of answer.topicMetadata) {
      const errorCode = topicErrorCode === codes.LEADER_NOT_AVAILABLE ? 0 : topicErrorCode
      const newest = this.#newestOf(topic, topicId)
      const leaders = new Map<number, Leader>()
      for (const { partitionId, leader, leaderEpoch = -1 } of partitionMetadata) {
        const isOld = leaderEpoch < (newest?.get(partitionId) ?? -1)
        if (!isOld && leaderEpoch >= 0) newest?.set(partitionId, leaderEpoch)
        const epoch = leaderEpoch < 0 ? undefined : leaderEpoch
        leaders.set(partitionId, isOld ? NOBODY : { nodeId: leader, epoch })
      }
      this.#topics.set(topic, { id: topicId, errorCode, leaders })
    }
  }

  /** Undefined where a topic is not known from another of the same name. */
  #newestOf(topic: string, topicId: string | undefined): Map<number, number> | undefined {
    if (topicId === undefined) return undefined
    const known = this.#epochs.get(topic)
    if (known?.topicId === topicId) return known.newest
    const newest = new Map<number, number>()
    this.#epochs.set(topic, { topicId, newest })
    return newest
  }

  /** On a connection of its own: what gives no answer holds nobody else up. */
  async #probe(address: string | undefined): Promise<void> {
    if (address === undefined) {
      await this.refresh([])
      return
    }
    const lane = `${PROBE}-${address}`
    try {
      await (await this.#link(lane, parseAddress(address))).call(metadata([]), PROBE_TIMEOUT_MS)
    } finally {
      this.closeLanes(lane)
    }
  }

  #forgetNode(nodeId: number): void {
    for (const [name, node] of this.#coordinators) if (node === nodeId) this.#coordinators.delete(name)
    for (const [topic, { leaders }] of this.#topics) {
      if ([...leaders.values()].some((leader) => leader.nodeId === nodeId)) this.#topics.delete(topic)
    }
  }
}

/** Why a connection broke. */
export const reasonOf = (error: unknown): string => messageOf(error).replace(/^(?:Connection error: |\S+:\d+: )+/, '')

/**
 * Why a connection could not be made. One that the broker closes without a word is, nearly always, one that TLS or SASL
 * was expected on, or not.
 */
function whyNotMade(error: unknown): string {
  const reason = reasonOf(error)
  return /connection closed|closed connection|disconnected before secure/i.test(reason)
    ? `${reason}: does it expect TLS or SASL, or neither?`
    : reason
}

const listed = (failures: ReadonlyMap<string, string>): string =>
  [...failures].map(([address, reason]) => `${address} (${reason})`).join(', ')

const cantBeReached = (address: Address, error: unknown): string =>
  `${textOf(address)}, which can't be reached from here (${whyNotMade(error)})`

/** An entry of `failures`: the one whose address leads nowhere, and who gave it. */
const advertisedTo = (seed: string, address: Address, error: unknown): [string, string] => [
  `broker ${seed} advertises ${textOf(address)}`,
  `which can't be reached from here: ${whyNotMade(error)}`,
]

function notConnected(failures: ReadonlyMap<string, string>, timeoutMs: number): PotorooError {
  const advertised = [...failures.keys()].some((what) => what.startsWith('broker '))
  return new PotorooError(
    advertised ? 'ADVERTISED_ADDRESS_UNREACHABLE' : 'BROKER_UNREACHABLE',
    `no broker could be reached within ${String(timeoutMs / 1000)} s: ${listed(failures)}`,
  )
}
