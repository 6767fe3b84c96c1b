/**
 * A driver's world: one simulated broker and workers of the real runtime, under virtual time.
 *
 * Invariants
 * 1. Time advances only during a call that awaits it. Between calls nothing happens.
 * 2. At rest, everything in the application's topics is decided, processed and committed.
 */
import type { ApplicationDefinition, CallDefinition, TopicDefinition } from '../api/definition.js'
import { callsOf, topicsOf } from '../api/graph.js'
import { hasChangelog, namesOf, topologyOf, type Topology } from '../core/plan/topology.js'
import { pauseBeforeMs } from '../core/processing/calls/resumed.js'
import { PotorooError } from '../errors.js'
import { MemoryCluster } from '../memory/cluster.js'
import type { PartitionLog } from '../memory/partition.js'
import { MemoryPeerNetwork } from '../memory/peers.js'
import { SeededRandom } from '../memory/random.js'
import { Scheduler } from '../memory/scheduler.js'
import type { Logger } from '../ports/logger.js'
import type { Outside } from '../ports/outside.js'
import { defaults } from '../runtime/options.js'
import { SeededTiming } from './timing.js'
import { WorkerSlot } from './worker-slot.js'

export interface WorldOptions {
  readonly partitions: number
  readonly startMs: number | undefined
  readonly seed: number
  readonly onError: 'dead-letter' | 'stop'
  readonly logger: Logger
  /** What answers calls; default: the application. */
  readonly outside?: Outside
}

/** Of virtual time. Longer than any recovery takes: session, transaction and hand-over time out within 10 s. */
const REST_WITHIN_MS = 30_000
const BALANCE_WITHIN_MS = 30_000
/** Twice the longest timeout of workers and brokers. */
const LIVE_MS = 20_000
/** Workers distrust a clock that was set for this long: see core/processing/tick-clock.ts. */
const DOUBT_MS = 12_000
/** Longer than a transaction's markers take. */
const MARKERS_MS = 5

/** How long the slowest call may take until its last attempt has failed, ms. */
const longestCallMs = (application: ApplicationDefinition): number =>
  Math.max(0, ...callsOf(application).map(({ call }) => failingMs(call)))

/** How many attempts are waited for if there is no last one. */
const ENDLESS_ATTEMPTS = 100
function failingMs({ attempts, timeoutMs }: CallDefinition): number {
  let ms = timeoutMs
  for (let attempt = 2; attempt <= Math.min(attempts, ENDLESS_ATTEMPTS); attempt++)
    ms += pauseBeforeMs(attempt) + timeoutMs
  return ms
}

export class World {
  readonly topology: Topology
  readonly names: ReturnType<typeof namesOf>
  readonly scheduler: Scheduler
  readonly cluster: MemoryCluster
  readonly topics: readonly TopicDefinition[]
  readonly slots: WorkerSlot[] = []
  /** The mistake that the test made while the world ran. */
  #mistake: PotorooError | undefined
  readonly #random: SeededRandom
  readonly #timing: SeededTiming
  readonly #peers: MemoryPeerNetwork

  constructor(
    readonly application: ApplicationDefinition,
    readonly options: WorldOptions,
  ) {
    this.topology = topologyOf(application)
    this.names = namesOf('', application.name)
    this.scheduler = new Scheduler(options.startMs === undefined ? {} : { startMs: options.startMs })
    this.#random = new SeededRandom(options.seed)
    this.#timing = new SeededTiming(this.#random.fork())
    this.cluster = new MemoryCluster({
      scheduler: this.scheduler,
      faults: this.#timing,
      random: this.#random.fork(),
    })
    this.#peers = new MemoryPeerNetwork(this.scheduler)
    this.topics = topicsOf(application)
    const { partitions } = options
    for (const { name, config } of this.topics) this.cluster.createTopic({ name, partitions, config })
  }

  /** The topics that the application reads and that it does not write only for itself. */
  get sources(): readonly TopicDefinition[] {
    const { subTopologies } = this.topology
    const sources = subTopologies.flatMap((sub) => sub.sources.filter((one) => !one.isRepartition))
    const broadcasts = subTopologies.flatMap((sub) => sub.broadcasts)
    return [...new Set([...sources, ...broadcasts].map(({ topic }) => topic))]
  }

  /** How many there are. */
  get tasks(): number {
    return this.topology.subTopologies.length * this.options.partitions
  }

  get running(): readonly WorkerSlot[] {
    return this.slots.filter(({ isRunning }) => isRunning)
  }

  slot(name: string): WorkerSlot {
    const slot = this.slots.find((one) => one.name === name)
    if (slot !== undefined) return slot
    const known = this.slots.map((one) => one.name).join(', ')
    throw new PotorooError('INVALID_TEST', `There is no worker ${name}: the workers are ${known}.`)
  }

  addSlot(): WorkerSlot {
    const slot = new WorkerSlot(`worker-${String(this.slots.length + 1)}`)
    this.slots.push(slot)
    return slot
  }

  async start(slots: readonly WorkerSlot[]): Promise<void> {
    const { onError, logger, outside } = this.options
    const starts = slots.map((slot) =>
      slot.start(
        (process) => ({
          definition: this.application,
          options: { ...defaults, onError, name: slot.name },
          ports: {
            log: this.cluster.log({ process, clientId: slot.name }),
            stores: slot.disk.open({ process, faults: this.#timing }),
            peers: this.#peers.peers({ process, faults: this.#timing }),
            clock: process.clock,
            random: this.#random.fork(),
            logger,
            outside,
          },
        }),
        this.scheduler,
      ),
    )
    await this.scheduler.run(Promise.all(starts))
  }

  /** Lets the world run until it is at rest. `isLeft`: whether something is still to be done. */
  async rest(isLeft: () => boolean = () => false): Promise<void> {
    // Without workers, the markers of their last commits are still to be written.
    if (this.running.length === 0) await this.scheduler.advance(MARKERS_MS)
    const unfinished = (): string | undefined =>
      this.#unfinished() ??
      (isLeft() ? 'something due is not processed: a timer, or a state object whose ttl has ended' : undefined)
    const withinMs = REST_WITHIN_MS + longestCallMs(this.application)
    await this.#until(() => unfinished() === undefined, withinMs)
    const left = unfinished()
    if (left === undefined) return
    throw new PotorooError(
      'INVALID_TEST',
      this.running.length === 0
        ? `No worker is running, and ${left}: call restart() or addWorker().`
        : `After ${String(withinMs / 1000)} s of virtual time ${left}. Does the application feed itself in an endless loop?${callsOf(this.application).length === 0 ? '' : ' Or does a call fail forever?'}`,
    )
  }

  /** Lets the world run until the running workers have all tasks, evenly distributed, and are at rest. */
  async balance(): Promise<void> {
    await this.#until(() => this.#isBalanced() && this.#unfinished() === undefined, BALANCE_WITHIN_MS)
  }

  /** Advances time: its first part step by step, the rest by setting the clocks, because nothing waits that long. */
  async advance(ms: number): Promise<void> {
    await this.scheduler.advance(Math.min(ms, LIVE_MS))
    const skippedMs = Math.max(0, ms - LIVE_MS - DOUBT_MS)
    this.scheduler.skip(skippedMs)
    // Workers don't immediately trust a clock that was set.
    await this.scheduler.advance(Math.max(0, ms - LIVE_MS - skippedMs))
    this.#throwFailure()
  }

  partitionsOf(topic: string): PartitionLog[] {
    const partitions = this.cluster.describeTopic(topic)?.partitions ?? 0
    return Array.from({ length: partitions }, (_, partition) => this.cluster.partition({ topic, partition }))
  }

  /**
   * Until the condition holds, or no worker is left to make it hold, or the time is over. Throws what stopped a worker.
   */
  async #until(condition: () => boolean, limitMs: number): Promise<void> {
    const { scheduler } = this
    let late = false
    const timer = scheduler.after(undefined, limitMs, () => {
      late = true
    })
    await scheduler.until(() => late || this.#failed() || this.running.length === 0 || condition(), Infinity)
    timer.cancel()
    this.#throwFailure()
  }

  /** The call that lets the world run throws it. */
  fail(mistake: PotorooError): void {
    this.#mistake ??= mistake
  }

  #failed(): boolean {
    if (this.#mistake !== undefined) return true
    return this.slots.some(({ failure }) => failure !== undefined)
  }

  /** Once for each failure. */
  #throwFailure(): void {
    const mistake = this.#mistake
    this.#mistake = undefined
    if (mistake !== undefined) throw mistake
    for (const slot of this.slots) {
      const failure = slot.takeFailure()
      if (failure !== undefined) throw failure
    }
  }

  #isBalanced(): boolean {
    const loads = this.running.map(({ active }) => active.length)
    const sum = loads.reduce((all, one) => all + one, 0)
    return sum === this.tasks && Math.max(...loads) - Math.min(...loads) <= 1
  }

  /** What is not done yet; undefined at rest. */
  #unfinished(): string | undefined {
    const { cluster, names } = this
    const own = this.topology.subTopologies.flatMap((sub) => [
      ...(hasChangelog(sub) ? [names.changelog(sub.name)] : []),
      ...sub.sinks.map((topic) => topic.name),
    ])
    for (const topic of [...this.topics.map(({ name }) => name), ...own, names.deadLetters])
      for (const { partition, lastStableOffset, highWatermark } of this.partitionsOf(topic))
        if (lastStableOffset < highWatermark)
          return `a transaction is open on topic ${topic}, partition ${String(partition)}`
    for (const { sources } of this.topology.subTopologies)
      for (const { topic } of sources)
        for (const { partition, highWatermark } of this.partitionsOf(topic.name)) {
          const position = cluster.committed(names.group, { topic: topic.name, partition })
          // Without a position it has no reader yet, and where to start is not decided.
          if (position === undefined) return `topic ${topic.name}, partition ${String(partition)} has no reader yet`
          if (position < highWatermark)
            return `records of topic ${topic.name}, partition ${String(partition)} are not processed`
        }
    return undefined
  }
}
