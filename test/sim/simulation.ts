/**
 * One simulated world from one seed: brokers, several workers of the real runtime, input, and everything that can go
 * wrong. After some seconds of trouble all is well again; then the world has to come to rest, and everything has to be
 * as the plain calculation has it.
 */
import { partitionCounts } from '../../src/core/plan/partition-counts.js'
import { partitionOf } from '../../src/core/plan/partitioner.js'
import { taskId, topologyOf, type SubTopology } from '../../src/core/plan/topology.js'
import { bytesOf, type ByteString } from '../../src/core/records/byte-string.js'
import { isPotorooError, messageOf, type ErrorCode, type PotorooError } from '../../src/errors.js'
import { MemoryCluster, type MemoryClusterOptions } from '../../src/memory/cluster.js'
import { MemoryPeerNetwork } from '../../src/memory/peers.js'
import { SeededRandom } from '../../src/memory/random.js'
import { Scheduler, type SimulatedProcess } from '../../src/memory/scheduler.js'
import { MemoryDisk } from '../../src/memory/stores.js'
import { defaults, type RuntimeOptions } from '../../src/runtime/options.js'
import { planRollBack } from '../../src/runtime/roll-back.js'
import { Worker } from '../../src/runtime/worker.js'
import { checkAssigned } from './assignment-watch.js'
import { drawHandOff, groupAtRest, MOST_WORKERS, planBiggerSteps } from './bigger-steps.js'
import { drawBreadth, type Breadth } from './breadth.js'
import { Deployments } from './deployments.js'
import { checkStore } from './disk-check.js'
import { LeaderTrouble } from './leader-trouble.js'
import { planMachines } from './machine-trouble.js'
import { simulateOperator, withOperator } from './operator.js'
import { simulateMoreQueries, simulateQueries } from './queries-world.js'
import { simulateReplays } from './replays.js'
import { placesOf, stateOf, type Places, type SubTopologyPlace } from './places.js'
import { PurgeWatch } from './purge-watch.js'
import { Refusals } from './refusals.js'
import { simulateReset } from './reset-world.js'
import { oddTimestamps, plainTimestamps } from './timestamps.js'
import { chunksOf, haunt } from './upstream.js'
import { ChangelogView, recordsOf, type SeenRecord } from './views.js'
import { Chronicle, Warnings, type Line } from './warnings.js'
import { marketApplication } from './applications/market-application.js'
import { callsApplication } from './applications/calls-application.js'
import { joinsApplication } from './applications/joins-application.js'
import { pairsApplication } from './applications/pairs-application.js'
import { routingApplication } from './applications/routing-application.js'
import { distantApplication } from './applications/distant-application.js'
import { timedApplication } from './applications/timed-application.js'
import { timedCallsApplication } from './applications/timed-calls-application.js'
import { windowsApplication } from './applications/windows-application.js'
import { SchemaTrouble } from './schema-trouble.js'
import { SlowClocks } from './slow-clocks.js'
import { SlowMessages } from './slow-messages.js'
import { Upgrades } from './upgrades.js'
import { drawClimate, Weather } from './weather.js'
import { blips, cutOff, flutter, pause } from './worker-trouble.js'
import { withoutDeletes } from './without-deletes.js'
import type { Hands, Slot } from './hands.js'
import type { ApplicationDefinition } from '../../src/api/definition.js'
import type { Feed, FeedEvent, SimulatedApplication } from './applications/simulated-application.js'
import { WireCluster } from './wire/cluster.js'
import { drawWireClimate, WireWeather } from './wire/climate.js'
import type { PartitionLog } from '../../src/memory/partition.js'
import type { EndedTransaction } from '../../src/memory/transactions.js'
import type { Logger } from '../../src/ports/logger.js'
import type { Outside } from '../../src/ports/outside.js'

export interface Outcome {
  readonly seed: number
  /** Empty: nothing was found. */
  readonly problems: readonly string[]
  /** The same for every run of the same code with the same seed. */
  readonly fingerprint: number
  readonly events: number
  readonly virtualMs: number
  /** What happened, with its times; only when asked for. */
  readonly trace: readonly string[]
  /** Copies of stores that standbys took, and those that were set aside after all. */
  readonly snapshots: { readonly taken: number; readonly discarded: number }
}

const TROUBLE_MS = 10_000
const BUFFER_BYTES = 1 << 20
const REST_WITHIN_MS = 180_000
/** Requests that nobody answers are given up by then, and sent again. */
const PURGED_WITHIN_MS = 60_000
const BACK_WITHIN_MS = 30_000
/** A worker that ends with one of these is started again, as a supervisor would do; any other is a finding. */
const acceptable: ReadonlySet<ErrorCode> = new Set(['BROKER_UNREACHABLE', 'REQUEST_FAILED', 'STORE_FAILED'])
/** The shortest `delete.retention.ms`: stores that were away for half of it are rebuilt. */
const SHORT_RETENTION_MS = 2_000

export interface SimulateOptions {
  readonly trace?: boolean
  /** Workers reach their brokers through src/kafka, in Kafka's protocol, over a network of bytes: see wire/. */
  readonly wire?: boolean
}

export async function simulate(seed: number, options: SimulateOptions = {}): Promise<Outcome> {
  const routed = withSecond(await new World(seed, options).run(), await simulateRouting(seed, options), 'routing')
  const joined = withSecond(routed, await simulateJoins(seed, options), 'joins')
  const timed = withSecond(joined, await simulateTimed(seed, options), 'timed')
  const called = withSecond(timed, await simulateCalls(seed, options), 'calls')
  const distant = withSecond(called, await simulateDistant(seed, options), 'distant')
  const windowed = withSecond(distant, await simulateWindows(seed, options), 'windows')
  const paired = withSecond(windowed, await simulatePairs(seed, options), 'pairs')
  const outcome = withSecond(paired, await simulateTimedCalls(seed, options), 'time of calls')
  // Their brokers are those in memory: beside worlds of bytes it would be nothing new.
  if (options.wire === true) return outcome
  const others = [
    await simulateOperator(seed, options),
    await simulateReset(seed, options),
    await simulateReplays(seed, options),
    await simulateQueries(seed, options),
    await simulateMoreQueries(seed, options),
  ]
  return others.reduce(withOperator, outcome)
}

/**
 * Applications of several stages have worlds of their own, beside the first in every third seed, so that the others are what
 * they were before there was any routing. Undefined for the seeds that draw none.
 */
async function simulateRouting(seed: number, options: SimulateOptions): Promise<Outcome | undefined> {
  const routing = new SeededRandom(seed ^ 0x68e31da4)
  if (!routing.chance(1 / 3)) return undefined
  return new World(seed ^ 0x1a36e2eb, options, routing).run()
}

/** What uses time has worlds of its own, too, in every third seed. */
export async function simulateTimed(seed: number, options: SimulateOptions): Promise<Outcome | undefined> {
  const random = new SeededRandom(seed ^ 0x3c6ef372)
  if (!random.chance(1 / 3)) return undefined
  return new World(
    seed ^ 0x510e527f,
    options,
    undefined,
    timedApplication(random.pick(['clock', 'clock', 'never'])),
    true,
  ).run()
}

/** And so have windows. */
export async function simulateWindows(seed: number, options: SimulateOptions): Promise<Outcome | undefined> {
  const random = new SeededRandom(seed ^ 0x1f83d9ab)
  if (!random.chance(1 / 3)) return undefined
  const idle = random.pick(['clock', 'clock', 'never'] as const)
  return new World(seed ^ 0x5be0cd19, options, undefined, windowsApplication(idle), true).run()
}

/** And interval joins. */
export async function simulatePairs(seed: number, options: SimulateOptions): Promise<Outcome | undefined> {
  const random = new SeededRandom(seed ^ 0x4c1b90d7)
  if (!random.chance(1 / 4)) return undefined
  const idle = random.pick(['clock', 'clock', 'never'] as const)
  return new World(seed ^ 0x29e4a853, options, undefined, pairsApplication(idle), true).run()
}

/** And what uses time after repartitions, in every sixth: there are many tasks in them. */
export async function simulateDistant(seed: number, options: SimulateOptions): Promise<Outcome | undefined> {
  const random = new SeededRandom(seed ^ 0x2b992ddf)
  if (!random.chance(1 / 6)) return undefined
  const application = distantApplication(random.pick(['clock', 'clock', 'never']))
  return new World(seed ^ 0x6a09e667, options, undefined, application, true, random).run()
}

/** And what uses time after calls. */
export async function simulateTimedCalls(seed: number, options: SimulateOptions): Promise<Outcome | undefined> {
  const random = new SeededRandom(seed ^ 0x7a13c9e5)
  if (!random.chance(1 / 5)) return undefined
  const application = timedCallsApplication(random, random.pick(['clock', 'clock', 'never']))
  return new World(seed ^ 0x0f3d5b21, options, undefined, application, true, random).run()
}

/** So have tables, joins and broadcasts. */
export async function simulateJoins(seed: number, options: SimulateOptions): Promise<Outcome | undefined> {
  const random = new SeededRandom(seed ^ 0x3d8a91c7)
  if (!random.chance(1 / 3)) return undefined
  return new World(seed ^ 0x6b43a9b5, options, undefined, joinsApplication(random, TROUBLE_MS)).run()
}

/** And so have calls. */
export async function simulateCalls(seed: number, options: SimulateOptions): Promise<Outcome | undefined> {
  const random = new SeededRandom(seed ^ 0x1f83d9ab)
  if (!random.chance(1 / 3)) return undefined
  return new World(seed ^ 0x5be0cd27, options, undefined, callsApplication(random)).run()
}

/** Both worlds of a seed in one. */
const withSecond = (first: Outcome, second: Outcome | undefined, what: string): Outcome =>
  second === undefined
    ? first
    : {
        ...withOperator(first, { ...second, problems: second.problems.map((one) => `${what}: ${one}`) }),
        fingerprint: (Math.imul(first.fingerprint, 31) + second.fingerprint) | 0,
      }

/** Purging goes on all the time, or now and then; in some lives it is not allowed. */
const drawPurge = (random: SeededRandom) => ({
  pace: {
    lookMs: random.pick([20, 300, 1_000]),
    records: random.pick([1, 20, 10_000]),
    afterMs: random.pick([50, 500, 2_000]),
  },
  refusedShare: random.chance(0.15) ? 0.5 : 0,
})

class World {
  readonly #scheduler = new Scheduler()
  readonly #random: SeededRandom
  readonly #problems: string[] = []
  readonly #trace: string[] = []
  readonly #slots: Slot[] = []
  readonly #cluster: MemoryCluster
  readonly #peers = new MemoryPeerNetwork(this.#scheduler)
  readonly #weather: Weather
  readonly #partitions: number
  /** Records in the order of their timestamps, always; else those of one source may overtake another's within bounds. */
  readonly #strict: boolean
  /** Of what worlds may be beside what they were at first: see breadth.ts. */
  readonly #broad: SeededRandom
  readonly #breadth: Breadth
  #places: Places
  readonly #input: Feed
  readonly #runtime: Omit<RuntimeOptions, 'name'>
  /** By task. */
  readonly #changelogs = new Map<string, ChangelogView>()
  /** Small ones make a backlog come in pieces, one source ahead of the other. */
  readonly #bytesPerPartition: number
  /** For those who draw trouble. */
  readonly #hands: Hands
  readonly #chronicle = new Chronicle()
  readonly #warnings: Warnings
  #fingerprint = 0
  #compacted = false
  /** Tombstones go soon; then wall clocks are right, for by them the age of stores is known. */
  readonly #shortRetention: boolean
  /** Of hand-off alone, so that worlds without its bigger steps are what they were before there were any. */
  readonly #handOffs: SeededRandom
  readonly #biggerSteps: boolean
  readonly #leaderTrouble: LeaderTrouble
  readonly #refusals: Refusals
  readonly #slow: SlowMessages
  readonly #slowClocks: SlowClocks
  readonly #upgrades: Upgrades
  readonly #schemas: SchemaTrouble
  #counts: (readonly [SubTopology, number])[] | undefined
  readonly #purgeWatch: PurgeWatch
  readonly #purge: ReturnType<typeof drawPurge> | undefined
  readonly #deployments: Deployments | undefined
  /** Workers of a version that can't continue where the application is. */
  readonly #strangers: Slot[] = []
  #operators = 0
  /** Of applications with calls. */
  readonly #outside: Outside | undefined
  /** Processes that may not delete records, and have tried. */
  readonly #deletingRefused = new Set<string>()

  constructor(
    readonly seed: number,
    private readonly options: SimulateOptions,
    /** Of worlds with an application of several stages. */
    private readonly routing?: SeededRandom,
    /** Instead of one of those that are drawn. */
    given?: SimulatedApplication,
    /** It uses time: then clocks are right, or behind, and leaders know who they are, for time goes by them. */
    private readonly isTimed = false,
    /** Its repartitions are purged at a pace that is drawn. */
    purging = routing,
  ) {
    const random = (this.#random = new SeededRandom(seed))
    const broad = (this.#broad = new SeededRandom(seed ^ 0x2545f491))
    const breadth = (this.#breadth = drawBreadth(broad, given ?? (routing && routingApplication(routing))))
    this.#places = placesOf(breadth.application.definition, breadth.application.later?.compatible)
    this.#purge = purging && drawPurge(purging)
    this.#deployments = routing && new Deployments(routing.fork(), new SeededRandom(seed ^ 0x3c6ef372))
    this.#purgeWatch = new PurgeWatch(this.#places, () => this.#cluster)
    this.#leaderTrouble = new LeaderTrouble(seed, options.wire === true)
    this.#outside = breadth.application.outside?.({
      scheduler: this.#scheduler,
      isCommitted: (of, offset) => this.#cluster.isCommitted(of, offset),
      isCalm: () => this.#weather.calm,
    })
    const climate = drawClimate(random)
    this.#weather = new Weather(random.fork(), climate, {
      crash: (process, why, afterMs) => {
        this.#crash(process, why, afterMs)
      },
      said: (what) => {
        this.#say(what)
      },
      sent: (request, wrong) => {
        this.#chronicle.sent(request, wrong)
        this.#problems.push(...this.#warnings.sent(request))
      },
      writeFailed: (process) => {
        this.#chronicle.writeFailed(process)
      },
      markerIsLate: () => {
        this.#chronicle.markersWereLate = true
      },
    })
    const cluster: MemoryClusterOptions = {
      scheduler: this.#scheduler,
      faults: this.#weather,
      policy: (to, cursor) => this.#refusals.policy?.(to, cursor),
      random: random.fork(),
      brokers: this.#leaderTrouble.brokers(random.pick([1, 1, 2])),
      initialRebalanceDelayMs: random.pick([0, 0, 500]),
      ...breadth.transactions,
      onTransactionEnded: (ended: EndedTransaction) => {
        const { transactionalId, epoch, kind } = ended
        this.#say(() => `${transactionalId}: ${kind} decided at epoch ${String(epoch)}`)
        if (purging !== undefined) this.#purgeWatch.ended(ended)
      },
      onRecordsDeleted: (of, before) => {
        this.#say(() => `${of.topic}-${String(of.partition)} is purged up to ${String(before)}`)
        this.#problems.push(...this.#purgeWatch.deleted(of, before))
      },
      onAssigned: (members) => {
        this.#problems.push(...checkAssigned(members))
      },
    }
    this.#cluster = options.wire === true ? this.#wired(cluster) : new MemoryCluster(cluster)
    this.#partitions = random.pick([1, 2, 3, 6])
    const odd = breadth.timestamps === 'odd'
    // With odd timestamps, what is written later may be due earlier: the order is certain where all is there before.
    const strict = random.chance(0.7)
    const early = odd && broad.chance(0.5)
    this.#strict = odd ? early : strict
    this.#bytesPerPartition = random.pick([300, 1_500, 1_048_576])
    this.#shortRetention = random.chance(0.3)
    const isPlainMarket = breadth.application === marketApplication && !odd && options.wire !== true
    this.#refusals = new Refusals(seed, this.#shortRetention, isPlainMarket)
    this.#chronicle.recordsAreRefused = this.#refusals.isThere
    this.#slowClocks = new SlowClocks(seed, isTimed && !this.#shortRetention)
    if (this.#slowClocks.isOn) this.#chronicle.clocksWereSet = true
    this.#handOffs = new SeededRandom(seed ^ 0x5bd1e995)
    this.#biggerSteps = this.#handOffs.chance(0.5)
    this.#slow = new SlowMessages(seed, isPlainMarket)
    this.#chronicle.messagesAreSlow = this.#slow.isOn
    const isPlain = isPlainMarket && !this.#slow.isOn && !this.#refusals.isThere
    this.#upgrades = new Upgrades(seed, isPlain, TROUBLE_MS)
    this.#chronicle.mayFindNewer = (process, code) => this.#upgrades.mayFind(process, code)
    this.#chronicle.mayBeOutdated = (process) => this.#upgrades.mayBeOutdated(process)
    if (this.#upgrades.isOn) this.#places = placesOf(this.#upgrades.newest)
    this.#schemas = new SchemaTrouble(seed, isPlain && !this.#upgrades.isOn, TROUBLE_MS)
    this.#chronicle.schemasAreFetched = this.#schemas.isOn || breadth.application.equip !== undefined
    this.#runtime = {
      ...defaults,
      ...this.#slow.options,
      ...(this.#biggerSteps ? drawHandOff(this.#handOffs) : {}),
      commitIntervalMs: random.pick([1, 5, 20, 100]),
      backlogCommitIntervalMs: random.pick([1, 20, 100]),
      storeIntervalMs: random.pick([0, 10, 100, 1000]),
      backlogStoreIntervalMs: 3_000,
      maxHoldMs: this.#strict ? 3_600_000 : random.pick([0, 50, 500]),
      memoryBytes: BUFFER_BYTES + random.pick([1, 1000, 1_000_000]),
      bufferBytes: BUFFER_BYTES,
      ...(this.#purge && { purge: this.#purge.pace }),
    }
    const stamps = {
      startMs: this.#scheduler.startMs,
      partitions: this.#partitions,
      sources: this.#places.sources,
    }
    const plan = {
      random: random.fork(),
      events: random.pick([20 + random.below(280), 20 + random.below(280), 900]),
      keys: random.pick([1 + random.below(8), 40]),
      partitions: this.#partitions,
      fromMs: random.pick([0, -TROUBLE_MS / 2, -TROUBLE_MS * 3]),
      toMs: random.pick([TROUBLE_MS, TROUBLE_MS * 0.7]),
      forgetShare: this.#strict ? (this.#shortRetention ? 0.3 : 0.07) : 0,
      strict: this.#strict,
      isRefused: this.#refusals.isRefused,
    }
    this.#input = breadth.application.draw(plan.random, {
      ...plan,
      ...(early ? { fromMs: -TROUBLE_MS * 3, toMs: -1 } : {}),
      stamp: (events) => (odd ? oddTimestamps(broad, stamps, events) : plainTimestamps(events)),
    })
    this.#hands = {
      scheduler: this.#scheduler,
      cluster: this.#cluster,
      weather: this.#weather,
      chronicle: this.#chronicle,
      slots: this.#slots,
      addSlot: (afterMs) => this.#addSlot(afterMs),
      stop: (slot) => {
        this.#stop(slot)
      },
      kill: (slot, what) => {
        this.#kill(slot, what)
      },
      gone: (slot, restartAfterMs) => {
        this.#gone(slot, restartAfterMs)
      },
      restartBroker: (broker, downMs) => {
        this.#restartBroker(broker, downMs)
      },
      say: (what) => {
        this.#say(what)
      },
    }
    this.#warnings = new Warnings({
      chronicle: this.#chronicle,
      application: this.#breadth.application.definition.name,
      strict: this.#strict,
      shortRetention: this.#shortRetention,
      mayBeAwayMs: (task) => {
        const place = this.#places.subTopologies.find(({ name }) => task.startsWith(`${name}_`))
        const changelog = place?.changelog === undefined ? undefined : this.#cluster.describeTopic(place.changelog)
        return (changelog?.deleteRetentionMs ?? Infinity) / 2
      },
      worthACopy: this.#runtime.warmLag * 2,
    })
    this.#slow.draw(this.#input.events)
    this.#say(
      () =>
        `${breadth.application.definition.name}, timestamps ${breadth.timestamps}, ${JSON.stringify(breadth.transactions)}, climate ${JSON.stringify(climate)}, strict ${String(this.#strict)}, ${JSON.stringify(this.#runtime)}`,
    )
  }

  async run(): Promise<Outcome> {
    try {
      this.#createTopics()
      this.#feed()
      const workers = 1 + this.#random.below(4)
      for (let i = 0; i < workers; i++) this.#addSlot(this.#random.pick([0, 0, 200, 2_000]))
      this.#plan()
      await this.#scheduler.advance(TROUBLE_MS)
      this.#calm()
      await this.#rest()
      await this.#untilDue()
      await this.#touchAll()
      await this.#stopEarly()
      await this.#stopAll()
      this.#check()
    } catch (error) {
      this.#problems.push(
        `the simulation broke off: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      )
    } finally {
      if (this.#cluster instanceof WireCluster) this.#cluster.close()
    }
    return {
      seed: this.seed,
      problems: this.#problems,
      fingerprint: this.#fingerprint,
      events: this.#scheduler.happened,
      virtualMs: this.#scheduler.elapsedMs,
      trace: this.#trace,
      snapshots: { taken: this.#warnings.snapshotsTaken, discarded: this.#warnings.snapshotsDiscarded },
    }
  }

  #wired(options: MemoryClusterOptions): WireCluster {
    const random = new SeededRandom(this.seed ^ 0x2c1b3c6d)
    const climate = drawWireClimate(random)
    this.#say(() => `wire ${JSON.stringify(climate)}`)
    this.#chronicle.leadersMoved = true
    this.#chronicle.epochsWereUsed = climate.firstEpoch > 0
    return new WireCluster({
      ...options,
      brokers: climate.brokers,
      weather: new WireWeather(random, climate, () => this.#weather.calm),
      // What kafkajs says, stacks and all, src/kafka says in its own words.
      logger: (process) => {
        const [name = ''] = process.name.split('.')
        return { ...this.#logger({ name }, process), debug: () => undefined }
      },
      said: (what) => {
        this.#say(what)
      },
      nonsense: (what) => {
        this.#problems.push(what)
      },
      troubleMs: TROUBLE_MS,
    })
  }

  // ---- what goes in ----

  #createTopics(): void {
    const sinkPartitions = this.#random.chance(0.5) ? this.#partitions : 1 + this.#random.below(4)
    const { sources, sinks, changelogs } = this.#places
    const configOf = (name: string) => ({
      ...this.#breadth.application.topicConfig?.(name),
      ...this.#refusals.configOf(name),
    })
    const { deadLetters } = this.#places.names
    const config = configOf(deadLetters)
    if (Object.keys(config).length > 0)
      this.#cluster.createTopic({ name: deadLetters, partitions: this.#partitions, config })
    for (const name of sources)
      this.#cluster.createTopic({ name, partitions: this.#partitionsOfSource(name), config: configOf(name) })
    for (const name of sinks) this.#cluster.createTopic({ name, partitions: sinkPartitions, config: configOf(name) })
    if (!this.#random.chance(0.7) && this.#breadth.application.topicConfig === undefined) return
    const retention = this.#shortRetention ? { 'delete.retention.ms': String(SHORT_RETENTION_MS) } : {}
    for (const name of changelogs) {
      const config = { 'cleanup.policy': 'compact', ...retention, ...configOf(name) }
      const place = this.#places.subTopologies.find(({ changelog }) => changelog === name)
      this.#cluster.createTopic({ name, partitions: this.#countOf(place), config })
    }
  }

  #partitionsOfSource(name: string): number {
    return this.#breadth.application.partitionsOf?.(name, this.#partitions) ?? this.#partitions
  }

  /** How many tasks a sub-topology has. */
  #countOf(place: SubTopologyPlace | undefined): number {
    const { definition, later } = this.#breadth.application
    this.#counts ??= [definition, later?.compatible ?? definition].flatMap((version) => [
      ...partitionCounts(topologyOf(version).subTopologies, ({ name }) =>
        this.#places.sources.includes(name) ? this.#partitionsOfSource(name) : undefined,
      ),
    ])
    return this.#counts.find(([{ name }]) => name === place?.name)?.[1] ?? this.#partitions
  }

  #feed(): void {
    const backlog = new Map<string, FeedEvent[]>()
    const where = ({ topic, key }: FeedEvent) => {
      return { topic, partition: partitionOf('murmur2', Buffer.from(key), this.#partitionsOfSource(topic)) }
    }
    for (const event of this.#input.events) {
      const to = where(event)
      if (event.atMs >= 0) {
        this.#scheduler.after(undefined, event.atMs, () => {
          this.#cluster.append(
            to,
            chunksOf([this.#refusals.fed(event, this.#scheduler.startMs)], this.#scheduler.startMs),
          )
        })
        continue
      }
      const name = `${to.topic}-${String(to.partition)}`
      const events = backlog.get(name)
      if (events === undefined) backlog.set(name, [this.#refusals.fed(event, this.#scheduler.startMs)])
      else events.push(this.#refusals.fed(event, this.#scheduler.startMs))
    }
    // What was there before is in batches of several records.
    for (const events of backlog.values())
      while (events.length > 0) {
        const batch = events.splice(0, 1 + this.#random.below(20))
        const [first] = batch
        if (first !== undefined) this.#cluster.append(where(first), chunksOf(batch, this.#scheduler.startMs))
      }
  }

  // ---- what goes wrong ----

  #plan(): void {
    const random = this.#random
    const operations: readonly (() => void)[] = [
      () => {
        this.#kill(this.#anySlot(), 'is killed')
      },
      () => {
        this.#kill(this.#anySlot(), 'is killed')
      },
      () => {
        this.#stop(this.#anySlot())
      },
      () => {
        flutter(this.#hands, random, this.#anySlot())
      },
      () => {
        blips(this.#hands, random, this.#places.names.group)
      },
      () => {
        if (this.#slots.length < MOST_WORKERS) this.#addSlot(0)
      },
      () => {
        pause(this.#hands, random, this.#anySlot())
      },
      () => {
        cutOff(this.#hands, random, this.#anySlot())
      },
      () => {
        cutOff(this.#hands, random, this.#anySlot())
      },
      () => {
        const broker = random.below(this.#cluster.brokers)
        const downMs = random.pick([1, 100, 1_000, 3_000])
        this.#say(() => `broker ${String(broker)} restarts, down for ${String(downMs)} ms`)
        this.#restartBroker(broker, downMs)
      },
      () => {
        this.#compact()
      },
      () => {
        const partition = random.below(this.#partitions)
        const transactionalId = this.#places.names.transactionalId(this.#anySubTopology().name, partition)
        this.#say(() => `somebody else fences ${transactionalId}`)
        try {
          this.#chronicle.activated('somebody else', transactionalId)
          this.#cluster.fence(transactionalId)
        } catch (error) {
          this.#say(() => messageOf(error))
        }
      },
      () => {
        // Tasks without a changelog have them nowhere else, and would start over.
        if (this.#places.subTopologies.some(({ changelog }) => changelog === undefined)) return
        this.#say(() => 'the group loses its positions')
        this.#cluster.deleteOffsets(this.#places.names.group)
      },
      () => {
        if (!this.#shortRetention && !this.isTimed)
          this.#anySlot().process?.setWallClockOff(random.between(-100_000, 100_000))
      },
      () => {
        const slot = this.#anySlot()
        this.#kill(slot, 'is killed, and its disk is lost')
        slot.disk.wipe()
      },
      () => {
        const slot = this.#anySlot()
        this.#kill(slot, 'is killed, and a store of it is damaged')
        const task = taskId(this.#anySubTopology().name, random.below(this.#partitions))
        this.#chronicle.storeWasDamaged(slot.name, task)
        slot.disk.damage(task)
      },
    ]
    const count = random.below(14)
    for (let i = 0; i < count; i++) {
      const operation = random.pick(operations)
      this.#scheduler.after(undefined, random.between(0, TROUBLE_MS), operation)
    }
    const { narrows } = this.#refusals
    if (narrows !== undefined)
      this.#scheduler.after(undefined, narrows.atMs, () => {
        this.#say(() => `topics take less: ${JSON.stringify(narrows.config)}`)
        for (const name of [...this.#places.sinks, ...this.#places.changelogs])
          this.#cluster.alterTopic(name, narrows.config)
      })
    if (this.#biggerSteps) planBiggerSteps(this.#hands, this.#handOffs, TROUBLE_MS * 0.9)
    if (this.#breadth.machines)
      planMachines(this.#hands, this.#broad, {
        withinMs: TROUBLE_MS,
        setsClocks: !this.#shortRetention && !this.isTimed,
      })
    const { changelogs, sources, sinks, repartitions, broadcasts } = this.#places
    const fewest = Math.min(...sources.map((name) => this.#partitionsOfSource(name)))
    // What follows an open transaction, nobody can read: nor can a lookup find it.
    const haunted = sources.filter((name) => !broadcasts.includes(name))
    if (!this.#strict) haunt(this.#hands, random, fewest, haunted, TROUBLE_MS)
    this.#deployments?.plan(this.#hands, {
      withinMs: TROUBLE_MS * 0.9,
      isKnown: () => this.#isKnown(),
      startIncompatible: () => {
        this.#strangers.push(this.#newSlot('x0', 'incompatible'))
        for (const slot of this.#strangers) this.#startLater(slot, 0)
      },
      rollBackTo: (version) => this.#rollBackTo(version),
    })
    // Nor can anybody know what a successor acknowledges while a leader that was replaced goes on answering.
    const mayBeStale = (topic: string): boolean =>
      !sources.includes(topic) || (!this.#strict && !this.isTimed && !broadcasts.includes(topic))
    const all = [...changelogs, ...sources, ...sinks, this.#places.names.deadLetters, ...repartitions]
    this.#leaderTrouble.plan(this.#cluster, this.#scheduler, all, mayBeStale, TROUBLE_MS, {
      disturb: (own) => {
        const slot = own.pick(this.#slots)
        if (own.chance(0.5)) this.#stop(slot)
        else this.#kill(slot, 'is killed')
      },
      said: (what) => {
        this.#chronicle.leadersMoved = true
        this.#say(what)
      },
    })
    if (!this.#shortRetention) return
    for (let atMs = 0; atMs < TROUBLE_MS; atMs += SHORT_RETENTION_MS / 3)
      this.#scheduler.after(undefined, atMs, () => {
        this.#compact()
      })
  }

  #compact(): void {
    for (const changelog of this.#places.changelogs) {
      if (this.#cluster.describeTopic(changelog) === undefined) continue
      this.#say(() => 'the changelog is compacted')
      this.#compacted = true
      this.#cluster.compact(changelog)
    }
  }

  #restartBroker(broker: number, downMs: number): void {
    this.#chronicle.brokerWentDown = true
    this.#cluster.restartBroker(broker, downMs)
  }

  /** Applications with several have them at the same places. */
  #anySubTopology(): SubTopologyPlace {
    const { subTopologies } = this.#places
    const [first] = subTopologies
    if (first === undefined) throw new RangeError('an application has a sub-topology')
    return subTopologies.length === 1 ? first : this.#random.pick(subTopologies)
  }

  // ---- workers ----

  #anySlot(): Slot {
    return this.#random.pick(this.#slots)
  }

  #addSlot(afterMs: number): Slot {
    const slot = this.#newSlot(`w${String(this.#slots.length)}`, this.#deployments?.version ?? 'first')
    this.#slots.push(slot)
    this.#startLater(slot, afterMs)
    return slot
  }

  #newSlot(name: string, version: Slot['version']): Slot {
    const slot: Slot = {
      name,
      disk: new MemoryDisk(),
      process: undefined,
      worker: undefined,
      lives: 0,
      version,
      wanted: true,
    }
    slot.disk.onWritten = (task, meta) => {
      const at = task.lastIndexOf('_')
      const of = { topic: this.#places.names.changelog(task.slice(0, at)), partition: Number(task.slice(at + 1)) }
      if (meta === undefined || this.#cluster.isCommitted(of, meta.changelogPosition)) return
      // Compaction may have taken it away since.
      if (this.#compacted && meta.changelogPosition < this.#cluster.partition(of).decidedBelow) return
      this.#problems.push(
        `${name}: the store of ${task} is at ${String(meta.changelogPosition)}, which is not committed`,
      )
    }
    return slot
  }

  async #rollBackTo(version: Slot['version']): Promise<void> {
    const process = this.#scheduler.process(`operator.${String(++this.#operators)}`)
    const log = this.#cluster.log({ process, clientId: 'operator', requestTimeoutMs: 5_000, connectTimeoutMs: 5_000 })
    try {
      await log.connect()
      const topology = topologyOf(this.#definitionOf({ version }))
      const { outdated, run } = await planRollBack(topology, this.#places.names, { log, clock: process.clock })
      await run(new AbortController().signal)
      this.#say(() => `made the newest: ${outdated.map(({ name }) => name).join() || 'nothing, it is already'}`)
    } finally {
      await log.close()
      process.kill()
    }
  }

  #definitionOf({ version }: Pick<Slot, 'version'>): ApplicationDefinition {
    const { definition, later } = this.#breadth.application
    if (version === 'first' || later === undefined) return definition
    return version === 'later' ? later.compatible : later.incompatible
  }

  #isKnownTopic(name: string | undefined): boolean {
    return name === undefined || this.#cluster.describeTopic(name) !== undefined
  }

  /** Whether the first version has written down what it is. */
  #isKnown(): boolean {
    const { manifest } = this.#places.names
    return this.#cluster.describeTopic(manifest) !== undefined && this.#records(manifest).length > 0
  }

  #startLater(slot: Slot, afterMs: number): void {
    this.#scheduler.after(undefined, afterMs, () => {
      if (slot.wanted && slot.process === undefined) this.#start(slot)
    })
  }

  #start(slot: Slot): void {
    const process = this.#scheduler.process(`${slot.name}.${String(++slot.lives)}`)
    const logger = this.#logger(slot, process)
    const client = this.#cluster.log({
      process,
      clientId: slot.name,
      requestTimeoutMs: 5_000,
      connectTimeoutMs: 5_000,
      maxBytesPerPartition: this.#bytesPerPartition,
    })
    const mayDelete = this.#weather.calm || !(this.routing?.chance(this.#purge?.refusedShare ?? 0) ?? false)
    const log = mayDelete
      ? client
      : withoutDeletes(client, () => {
          this.#chronicle.deletingIsRefused = true
          this.#deletingRefused.add(process.name)
        })
    slot.disk.onOpened = (task, meta, size) => {
      this.#warnings.opened({ slot: slot.name, process: process.name, task, meta, size, nowMs: process.clock.now() })
    }
    const stores = slot.disk.open({ process, faults: this.#weather })
    const peers = this.#peers.peers({ process, faults: this.#weather })
    const definition = this.#upgrades.isOn
      ? this.#upgrades.start(process.name, this.#scheduler.elapsedMs, this.#weather.calm, () => this.#values().values())
      : (this.#breadth.application.equip?.(process, () => this.#weather.calm) ?? this.#definitionOf(slot))
    const { group } = this.#places.names
    const equipped = this.#slow.equip(process, this.#cluster, group, this.#runtime, definition)
    const { isOn: isDeployed = false, rollsBack = false } = this.#deployments ?? {}
    if (isDeployed && (slot.version === 'first' || rollsBack)) this.#chronicle.isOfOldVersion(process.name)
    const { watchdog } = equipped
    const outside = this.#outside
    const ports = { log, stores, peers, clock: process.clock, random: this.#random.fork(), logger, watchdog, outside }
    process.setWallClockOff(this.#refusals.clockOffMs(slot.lives) + this.#slowClocks.offMs(this.#weather.calm))
    const options = { ...this.#runtime, ...this.#refusals.onError(this.#weather.calm), name: slot.name }
    const worker = new Worker(this.#schemas.equip(process, equipped.definition), options, ports)
    slot.process = process
    slot.worker = worker
    this.#say(() => `${process.name} starts`)
    const ended = (error: unknown): void => {
      if (slot.process !== process) return
      this.#say(() => `${process.name} ended: ${error === undefined ? 'as it was told' : messageOf(error)}`)
      if (slot.version === 'incompatible' && isPotorooError(error, 'TOPOLOGY_INCOMPATIBLE')) {
        slot.wanted = false
        this.#gone(slot, 500)
        return
      }
      this.#problems.push(...this.#upgrades.ended(process.name, error))
      if (
        error !== undefined &&
        !(isPotorooError(error) && (acceptable.has(error.code) || this.#mayStop(error, process.name)))
      )
        this.#problems.push(`${process.name} ended: ${isPotorooError(error) ? error.code : ''} ${messageOf(error)}`)
      this.#gone(slot, 500)
    }
    const starting = worker.start()
    starting.catch(ended)
    // One that fails while it starts has ended, too, before that is known.
    worker.ended
      .then(() => starting)
      .then(() => {
        ended(undefined)
      }, ended)
  }

  /** Whether it was told to stop at a message that fails, and did at one that does. */
  #mayStop({ code, message }: PotorooError, process: string): boolean {
    if (this.#upgrades.mayFind(process, code)) return true
    const [, topic = '', partition, offset] = /^(\w+), partition (\d+), offset (\d+): /.exec(message) ?? []
    if (code !== 'STOPPED_BY_ON_ERROR' || !this.#refusals.stopsOnError || partition === undefined) return false
    const found = recordsOf(this.#cluster.partition({ topic, partition: Number(partition) })).find(
      (record) => record.offset === Number(offset),
    )
    return found !== undefined && this.#input.deadLetters?.().includes(found.value) === true
  }

  #gone(slot: Slot, restartAfterMs: number): void {
    this.#chronicle.workerDied = true
    slot.process?.kill()
    slot.process = slot.worker = undefined
    this.#startLater(slot, restartAfterMs)
  }

  #crash(processName: string, why: string, afterMs: number): void {
    const slot = this.#slots.find(({ process }) => process?.name === processName)
    if (slot === undefined) return
    const { process } = slot
    const restartAfterMs = this.#random.pick([10, 500, 4_000])
    const die = (): void => {
      if (slot.process !== process) return
      this.#say(() => `${processName} dies ${why}`)
      this.#gone(slot, restartAfterMs)
    }
    if (afterMs === 0) die()
    else this.#scheduler.after(undefined, afterMs, die)
  }

  #kill(slot: Slot, what: string): void {
    if (slot.process === undefined) return
    this.#say(() => `${slot.process?.name ?? ''} ${what}`)
    this.#gone(slot, this.#random.pick([1, 300, 3_000, 8_000]))
  }

  #stop(slot: Slot): void {
    const { process, worker } = slot
    if (process === undefined || worker === undefined) return
    this.#say(() => `${process.name} is told to stop`)
    this.#chronicle.wasToldToStop(process.name)
    void worker.stop()
    // A supervisor loses patience.
    this.#scheduler.after(undefined, 15_000, () => {
      if (slot.process === process) this.#kill(slot, 'did not stop in time, and is killed')
    })
  }

  // ---- the end ----

  #calm(): void {
    this.#say(() => 'from here on all is well')
    this.#weather.calm = true
    this.#slow.calm()
    this.#schemas.calm()
    this.#slowClocks.putRight(this.#hands)
    this.#deployments?.finish(this.#hands)
    for (const slot of this.#slots) if (slot.process && this.#upgrades.isOld(slot.process.name)) this.#stop(slot)
  }

  get #isLater(): boolean {
    return this.#deployments?.version === 'later'
  }

  /** Where versions were deployed, a message comes for each state object: the newest version has stored it then. */
  async #touchAll(): Promise<void> {
    if (!this.#upgrades.isOn || this.#problems.length > 0) return
    // Those that stop may take their time.
    while (this.#slots.some(({ process }) => process && this.#upgrades.isOld(process.name)))
      await this.#scheduler.advance(200)
    const keys = [...this.#values().keys()].map((storeKey) =>
      bytesOf(storeKey.slice(storeKey.indexOf('\0') + 1)).toString(),
    )
    for (const event of this.#upgrades.touching(keys, this.#scheduler.elapsedMs)) {
      const partition = partitionOf('murmur2', Buffer.from(event.key), this.#partitions)
      this.#cluster.append({ topic: event.topic, partition }, chunksOf([event], this.#scheduler.startMs))
    }
    await this.#rest()
    this.#problems.push(...this.#upgrades.stored(this.#values()))
  }

  /** What is committed of state objects, by store key. */
  #values(): Map<ByteString, ByteString> {
    const views = this.#tasks().flatMap(({ place, partition }) => {
      if (place.changelog === undefined || this.#cluster.describeTopic(place.changelog) === undefined) return []
      // Read from the start: one that looks seldom misses deletions that are compacted away meanwhile.
      const of = this.#cluster.partition({ topic: place.changelog, partition })
      return [new ChangelogView(`changelog ${String(partition)}`, of)]
    })
    for (const view of views) view.update()
    return new Map(views.flatMap(({ values }) => [...values]))
  }

  /** Waits until everything that went in is committed. */
  async #rest(): Promise<void> {
    const untilMs = this.#scheduler.elapsedMs + REST_WITHIN_MS
    while (!this.#isAtRest()) {
      if (this.#scheduler.elapsedMs > untilMs) {
        this.#problems.push(`not at rest ${String(REST_WITHIN_MS)} ms after all was well: ${this.#whatIsLeft()}`)
        return
      }
      await this.#scheduler.advance(200)
    }
    // What would be repeated is repeated soon.
    await this.#scheduler.advance(1_000)
    await this.#untilPurged()
    await this.#untilAllIsBack()
    if (!this.#biggerSteps) return
    const problem = await groupAtRest(this.#hands, this.#places.names.group, this.#tasks().length, REST_WITHIN_MS)
    if (problem !== undefined) this.#problems.push(problem)
  }

  /** What is due after all that was fed is done, too. */
  async #untilDue(): Promise<void> {
    const { restMs } = this.#breadth.application
    if (restMs === undefined || this.#problems.length > 0) return
    await this.#scheduler.advance(restMs + this.#slowClocks.restMs)
    await this.#rest()
  }

  /** What a worker said is gone it says is back: whoever reads its log believes it. */
  async #untilAllIsBack(): Promise<void> {
    const untilMs = this.#scheduler.elapsedMs + BACK_WITHIN_MS
    for (;;) {
      const [left] = this.#slots.flatMap(({ process }) => {
        const missed = process === undefined ? [] : this.#warnings.missedBy(process.name)
        return missed.map((what) => `${process?.name ?? ''} has not said that ${what} is back`)
      })
      if (left === undefined) return
      if (this.#scheduler.elapsedMs > untilMs) {
        this.#problems.push(`${left}, ${String(BACK_WITHIN_MS)} ms after all was well`)
        return
      }
      await this.#scheduler.advance(500)
    }
  }

  /** Repartitions end up empty, unless somebody may not delete. */
  async #untilPurged(): Promise<void> {
    const untilMs = this.#scheduler.elapsedMs + PURGED_WITHIN_MS
    // Where tasks tell each other how far they are, it never ends; up to here it must be purged.
    this.#purgeWatch.stand()
    for (;;) {
      if (this.#slots.some(({ process }) => process !== undefined && this.#deletingRefused.has(process.name))) return
      const left = this.#purgeWatch.unpurged(this.#isLater)
      if (left === undefined) return
      if (this.#scheduler.elapsedMs > untilMs) {
        this.#problems.push(`not purged ${String(PURGED_WITHIN_MS)} ms after all was processed: ${left}`)
        return
      }
      await this.#scheduler.advance(500)
    }
  }

  #isAtRest(): boolean {
    return this.#whatIsLeft() === ''
  }

  #whatIsLeft(): string {
    const { names, changelogs, sources, sinks, repartitions } = this.#places
    const other = this.#slots.find(
      ({ process, version }) => process !== undefined && version !== this.#slots[0]?.version,
    )
    if (other !== undefined) return `${other.name} runs another version`
    if (this.#deployments?.isUnderWay === true) return 'an operator rolls back'
    if (this.#strangers.some(({ wanted }) => wanted)) return 'an incompatible version is not refused yet'
    if (changelogs.some((name) => this.#cluster.describeTopic(name) === undefined)) return 'there is no changelog yet'
    for (const topic of [...sources, ...sinks, names.deadLetters, ...changelogs, ...repartitions]) {
      const undecided = this.#partitionsOf(topic).find((one) => one.lastStableOffset < one.logEnd)
      if (undecided !== undefined) return `a transaction is open on ${topic}-${String(undecided.partition)}`
    }
    for (const { place, partition } of this.#tasks()) {
      if (place.isNew && !this.#isKnownTopic(place.changelog)) return `there is no ${place.name} yet`
      const view = this.#changelogOf(place, partition)
      view?.update()
      for (const topic of [...place.sources, ...(this.#isLater ? place.laterSources : [])]) {
        const { logEnd } = this.#cluster.partition({ topic, partition })
        const inGroup = this.#cluster.committed(names.group, { topic, partition })
        const position = (view === undefined ? inGroup : view.commit?.positions[topic]) ?? 0
        if (position < logEnd) return `${topic}-${String(partition)} is at ${String(position)} of ${String(logEnd)}`
        const offset = inGroup ?? position
        if (offset !== position)
          return `${topic}-${String(partition)} is at ${String(position)}, but the group has ${String(offset)}`
      }
    }
    return ''
  }

  #tasks(): readonly { readonly place: SubTopologyPlace; readonly partition: number }[] {
    const there = this.#places.subTopologies.filter(({ isNew }) => !isNew || this.#isLater)
    return there.flatMap((place) =>
      Array.from({ length: this.#countOf(place) }, (_, partition) => ({ place, partition })),
    )
  }

  /** Of a task that has one. */
  #changelogOf(place: SubTopologyPlace, partition: number): ChangelogView | undefined {
    const { name, changelog } = place
    if (changelog === undefined) return undefined
    const task = taskId(name, partition)
    let view = this.#changelogs.get(task)
    if (view === undefined) {
      const of = this.#cluster.partition({ topic: changelog, partition })
      view = new ChangelogView(`changelog ${String(partition)}`, of)
      this.#changelogs.set(task, view)
    }
    return view
  }

  /** One that is told to stop while it starts leaves nothing behind that the group would wait for. */
  async #stopEarly(): Promise<void> {
    const random = new SeededRandom(this.seed ^ 0x5be0cd19)
    if (this.#problems.length > 0 || !random.chance(0.3)) return
    const early = this.#addSlot(0)
    const { name } = early
    await this.#scheduler.advance(random.between(0, 6))
    early.wanted = false
    this.#say(() => `${name} is told to stop while it starts`)
    await this.#scheduler.run(early.worker?.stop() ?? Promise.resolve(), 60_000)
    // What was under way is there by now.
    await this.#scheduler.advance(10)
    const { members, awaited } = this.#cluster.describeGroup(this.#places.names.group)
    const ids = [...awaited, ...members.map(({ memberId }) => memberId)]
    if (ids.some((id) => id.startsWith(`${name}-`)))
      this.#problems.push(`the group waits for ${name}, which was told to stop while it started`)
  }

  async #stopAll(): Promise<void> {
    for (const slot of [...this.#slots, ...this.#strangers]) {
      slot.wanted = false
      if (slot.process !== undefined) this.#chronicle.wasToldToStop(slot.process.name)
    }
    if (this.#problems.length > 0) return
    const stopping = this.#slots.flatMap(({ worker, process }) =>
      // A worker can die while it stops: then nobody waits for it any more.
      process?.alive === true && worker
        ? [Promise.race([worker.stop(), new Promise<void>((resolve) => void process.onDeath(resolve))])]
        : [],
    )
    await this.#scheduler.run(Promise.all(stopping), 60_000)
  }

  #check(): void {
    const problems = this.#problems
    problems.push(...this.#slow.problems(this.#leaderTrouble.isOn || this.#refusals.isThere))
    const states = new Map<string, Map<string, unknown>>()
    for (const { place, partition } of this.#tasks()) {
      const view = this.#changelogOf(place, partition)
      if (view === undefined) continue
      view.update()
      problems.push(...view.problems)
      for (const [storeKey, bytes] of view.values) {
        const { name, key, state } = stateOf(place, storeKey, bytes)
        const ofName = states.get(name)
        if (ofName === undefined) states.set(name, new Map([[key, state]]))
        else ofName.set(key, state)
      }
    }
    if (this.#upgrades.isOn)
      for (const [name, all] of states) {
        const { states: plain, problems: found } = this.#upgrades.without(all)
        problems.push(...found)
        states.set(name, plain)
      }
    problems.push(
      ...this.#input.check({
        records: (topic) => this.#records(topic),
        deadLetters: this.#records(this.#places.names.deadLetters),
        states: (name) => states.get(name) ?? new Map<string, unknown>(),
        isLater: this.#isLater,
      }),
    )
    for (const slot of this.#slots)
      for (const { place, partition } of this.#tasks()) {
        const [view, { changelog }] = [this.#changelogOf(place, partition), place]
        if (view === undefined || changelog === undefined) continue
        const log = this.#cluster.partition({ topic: changelog, partition })
        const task = taskId(place.name, partition)
        problems.push(
          ...checkStore(slot, {
            task,
            log,
            view,
            compacted: this.#compacted,
            show: (storeKey, bytes) => JSON.stringify(stateOf(place, storeKey, bytes).state),
          }),
        )
      }
  }

  #records(topic: string): SeenRecord[] {
    return this.#partitionsOf(topic).flatMap(recordsOf)
  }

  #partitionsOf(topic: string): PartitionLog[] {
    const partitions = this.#cluster.describeTopic(topic)?.partitions ?? 0
    return Array.from({ length: partitions }, (_, partition) => this.#cluster.partition({ topic, partition }))
  }

  // ---- the trace ----

  #logger({ name: slot }: Pick<Slot, 'name'>, process: SimulatedProcess): Logger {
    const at =
      (level: Line['level']) =>
      (fields: object, message: string): void => {
        const line = { slot, process: process.name, level, message, fields: fields as Line['fields'] }
        this.#problems.push(...this.#warnings.line(line))
        if (message === 'worker started' && this.#strangers.some(({ name }) => name === slot))
          this.#problems.push('an incompatible version was started')
        this.#say(() => `${process.name} ${level} ${message} ${JSON.stringify(fields)}`)
      }
    return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  }

  #say(what: () => string): void {
    const { elapsedMs } = this.#scheduler
    this.#fingerprint = (Math.imul(this.#fingerprint, 31) + Math.floor(elapsedMs * 1_000)) | 0
    if (this.options.trace === true) this.#trace.push(`${elapsedMs.toFixed(2).padStart(10)} ${what()}`)
  }
}
