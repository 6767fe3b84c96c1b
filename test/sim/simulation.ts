/**
 * One simulated world from one seed: brokers, several workers of the real runtime, input, and everything that can go
 * wrong. After some seconds of trouble all is well again; then the world has to come to rest, and everything has to be
 * as the plain calculation has it.
 */
import { definitionOf } from '../../src/api/application.js'
import { partitionOf } from '../../src/core/partitioner.js'
import { RecordWriter, type RecordChunk } from '../../src/core/records.js'
import { namesOf, taskId } from '../../src/core/topology.js'
import { isPotorooError, messageOf, type ErrorCode } from '../../src/errors.js'
import type { ByteString } from '../../src/core/byte-string.js'
import { unpack } from '../../src/core/packing.js'
import { MemoryCluster } from '../../src/memory/cluster.js'
import { MemoryPeerNetwork } from '../../src/memory/peers.js'
import { SeededRandom } from '../../src/memory/random.js'
import { Scheduler, type SimulatedProcess } from '../../src/memory/scheduler.js'
import { MemoryDisk } from '../../src/memory/stores.js'
import { defaults, type RuntimeOptions } from '../../src/runtime/options.js'
import { Worker } from '../../src/runtime/worker.js'
import { APPLICATION, simulated, type SymbolState } from './application.js'
import { checkDeadLetters, checkNoted, checkOutputs, checkOutputsLoosely, checkStates } from './checks.js'
import { calculate, drawMarket, type MarketEvent } from './market.js'
import { ChangelogView, recordsOf, type SeenRecord, valuesAfter } from './views.js'
import { drawClimate, Weather } from './weather.js'
import type { PartitionLog } from '../../src/memory/partition.js'
import type { Logger } from '../../src/ports/logger.js'

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
}

const definition = definitionOf(simulated)
const names = namesOf('', APPLICATION)
const STATE = 'symbol'
const CHANGELOG = names.changelog(STATE)
const TOPICS = ['quotes', 'orders', 'checked', 'noted', names.deadLetters, CHANGELOG]
const TROUBLE_MS = 10_000
const BUFFER_BYTES = 1 << 20
const REST_WITHIN_MS = 180_000
const MOST_WORKERS = 5
/** A group that rebalances again and again does so more often than this. */
const UNMOVED_MS = 5_000
/** A worker that ends with one of these is started again, as a supervisor would do; any other is a finding. */
const acceptable: ReadonlySet<ErrorCode> = new Set(['BROKER_UNREACHABLE', 'REQUEST_FAILED', 'STORE_FAILED'])
/** The shortest `delete.retention.ms`: stores that were away for half of it are rebuilt. */
const SHORT_RETENTION_MS = 2_000

export async function simulate(seed: number, options: { readonly trace?: boolean } = {}): Promise<Outcome> {
  return new World(seed, options.trace === true).run()
}

interface Slot {
  readonly name: string
  readonly disk: MemoryDisk
  process: SimulatedProcess | undefined
  worker: Worker | undefined
  lives: number
  /** It is to be started again when it is down. */
  wanted: boolean
}

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
  /** Quotes and orders in the order of their timestamps, always; else orders may overtake quotes within bounds. */
  readonly #strict: boolean
  readonly #events: readonly MarketEvent[]
  readonly #runtime: Omit<RuntimeOptions, 'name'>
  readonly #changelogs: ChangelogView[] = []
  /** Small ones make a backlog come in pieces, one source ahead of the other. */
  readonly #bytesPerPartition: number
  #fingerprint = 0
  #compacted = false
  /** Tombstones go soon; then wall clocks are right, for by them the age of stores is known. */
  readonly #shortRetention: boolean
  /** Of hand-off alone, so that worlds without its bigger steps are what they were before there were any. */
  readonly #handOffs: SeededRandom
  readonly #biggerSteps: boolean

  constructor(
    readonly seed: number,
    private readonly tracing: boolean,
  ) {
    const random = (this.#random = new SeededRandom(seed))
    const climate = drawClimate(random)
    this.#weather = new Weather(random.fork(), climate, {
      crash: (process, why, afterMs) => {
        this.#crash(process, why, afterMs)
      },
      said: (what) => {
        this.#say(what)
      },
    })
    this.#cluster = new MemoryCluster({
      scheduler: this.#scheduler,
      faults: this.#weather,
      random: random.fork(),
      brokers: random.pick([1, 1, 2]),
      initialRebalanceDelayMs: random.pick([0, 0, 500]),
      onTransactionEnded: ({ transactionalId, epoch, kind }) => {
        this.#say(() => `${transactionalId}: ${kind} decided at epoch ${String(epoch)}`)
      },
    })
    this.#partitions = random.pick([1, 2, 3, 6])
    this.#strict = random.chance(0.7)
    this.#bytesPerPartition = random.pick([300, 1_500, 1_048_576])
    this.#shortRetention = random.chance(0.3)
    this.#handOffs = new SeededRandom(seed ^ 0x5bd1e995)
    this.#biggerSteps = this.#handOffs.chance(0.5)
    this.#runtime = {
      ...defaults,
      ...(this.#biggerSteps ? drawHandOff(this.#handOffs) : {}),
      commitIntervalMs: random.pick([1, 5, 20, 100]),
      backlogCommitIntervalMs: random.pick([1, 20, 100]),
      storeIntervalMs: random.pick([0, 10, 100, 1000]),
      backlogStoreIntervalMs: 3_000,
      maxHoldMs: this.#strict ? 3_600_000 : random.pick([0, 50, 500]),
      memoryBytes: BUFFER_BYTES + random.pick([1, 1000, 1_000_000]),
      bufferBytes: BUFFER_BYTES,
    }
    this.#events = drawMarket(random.fork(), {
      events: random.pick([20 + random.below(280), 20 + random.below(280), 900]),
      symbols: random.pick([1 + random.below(8), 40]),
      fromMs: random.pick([0, -TROUBLE_MS / 2, -TROUBLE_MS * 3]),
      toMs: random.pick([TROUBLE_MS, TROUBLE_MS * 0.7]),
      forgetShare: this.#strict ? (this.#shortRetention ? 0.3 : 0.07) : 0,
    })
    this.#say(
      () => `climate ${JSON.stringify(climate)}, strict ${String(this.#strict)}, ${JSON.stringify(this.#runtime)}`,
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
      await this.#stopAll()
      this.#check()
    } catch (error) {
      this.#problems.push(
        `the simulation broke off: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      )
    }
    return {
      seed: this.seed,
      problems: this.#problems,
      fingerprint: this.#fingerprint,
      events: this.#scheduler.happened,
      virtualMs: this.#scheduler.elapsedMs,
      trace: this.#trace,
    }
  }

  // ---- what goes in ----

  #createTopics(): void {
    const sinkPartitions = this.#random.chance(0.5) ? this.#partitions : 1 + this.#random.below(4)
    for (const name of ['quotes', 'orders']) this.#cluster.createTopic({ name, partitions: this.#partitions })
    for (const name of ['checked', 'noted']) this.#cluster.createTopic({ name, partitions: sinkPartitions })
    if (!this.#random.chance(0.7)) return
    const retention = this.#shortRetention ? { 'delete.retention.ms': String(SHORT_RETENTION_MS) } : {}
    const config = { 'cleanup.policy': 'compact', ...retention }
    this.#cluster.createTopic({ name: CHANGELOG, partitions: this.#partitions, config })
  }

  #feed(): void {
    const backlog = new Map<string, MarketEvent[]>()
    const where = ({ topic, key }: MarketEvent) => {
      return { topic, partition: partitionOf('murmur2', Buffer.from(key), this.#partitions) }
    }
    for (const event of this.#events) {
      const to = where(event)
      if (event.atMs >= 0) {
        this.#scheduler.after(undefined, event.atMs, () => {
          this.#cluster.append(to, chunksOf([event], this.#scheduler.startMs))
        })
        continue
      }
      const name = `${to.topic}-${String(to.partition)}`
      const events = backlog.get(name)
      if (events === undefined) backlog.set(name, [event])
      else events.push(event)
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
        this.#flutter(this.#anySlot())
      },
      () => {
        this.#blips()
      },
      () => {
        if (this.#slots.length < MOST_WORKERS) this.#addSlot(0)
      },
      () => {
        this.#pause(this.#anySlot())
      },
      () => {
        this.#cutOff(this.#anySlot())
      },
      () => {
        this.#cutOff(this.#anySlot())
      },
      () => {
        const broker = random.below(this.#cluster.brokers)
        const downMs = random.pick([1, 100, 1_000, 3_000])
        this.#say(() => `broker ${String(broker)} restarts, down for ${String(downMs)} ms`)
        this.#cluster.restartBroker(broker, downMs)
      },
      () => {
        this.#compact()
      },
      () => {
        const partition = random.below(this.#partitions)
        const transactionalId = names.transactionalId(STATE, partition)
        this.#say(() => `somebody else fences ${transactionalId}`)
        try {
          this.#cluster.transactions.init(transactionalId, 10_000)
        } catch (error) {
          this.#say(() => messageOf(error))
        }
      },
      () => {
        this.#say(() => 'the group loses its positions')
        this.#cluster.deleteOffsets(names.group)
      },
      () => {
        if (!this.#shortRetention) this.#anySlot().process?.setWallClockOff(random.between(-100_000, 100_000))
      },
      () => {
        const slot = this.#anySlot()
        this.#kill(slot, 'is killed, and its disk is lost')
        slot.disk.wipe()
      },
      () => {
        const slot = this.#anySlot()
        this.#kill(slot, 'is killed, and a store of it is damaged')
        slot.disk.damage(taskId(STATE, random.below(this.#partitions)))
      },
    ]
    const count = random.below(14)
    for (let i = 0; i < count; i++) {
      const operation = random.pick(operations)
      this.#scheduler.after(undefined, random.between(0, TROUBLE_MS), operation)
    }
    if (this.#biggerSteps) this.#planBiggerSteps()
    if (!this.#strict) this.#haunt()
    if (!this.#shortRetention) return
    for (let atMs = 0; atMs < TROUBLE_MS; atMs += SHORT_RETENTION_MS / 3)
      this.#scheduler.after(undefined, atMs, () => {
        this.#compact()
      })
  }

  /** Several workers at once, or one after the other, come and go. */
  #planBiggerSteps(): void {
    const random = this.#handOffs
    const running = (): Slot[] => this.#slots.filter(({ process }) => process !== undefined)
    const join = (count: number): Slot[] => {
      const free = Math.min(count, MOST_WORKERS - this.#slots.length)
      return Array.from({ length: free }, () => this.#addSlot(random.pick([0, 0, 20, 300])))
    }
    const steps: readonly (() => void)[] = [
      () => {
        this.#say(() => 'several join at once')
        join(2 + random.below(2))
      },
      () => {
        this.#say(() => 'all but one stop at once')
        for (const slot of running().slice(1)) this.#stop(slot)
      },
      () => {
        this.#say(() => 'all stop at once')
        for (const slot of running()) this.#stop(slot)
      },
      () => {
        const everyMs = random.pick([100, 600, 2_000])
        this.#say(() => `all are restarted, one every ${String(everyMs)} ms`)
        for (const [i, slot] of running().entries())
          this.#scheduler.after(undefined, i * everyMs, () => {
            this.#stop(slot)
          })
      },
      () => {
        this.#say(() => 'one joins, and is to die while it warms up')
        for (const slot of join(1))
          this.#scheduler.after(undefined, random.between(300, 1_500), () => {
            this.#kill(slot, 'is killed')
          })
      },
      () => {
        this.#say(() => 'one joins, and a broker restarts while it warms up')
        join(1)
        this.#scheduler.after(undefined, random.between(50, 1_500), () => {
          this.#cluster.restartBroker(random.below(this.#cluster.brokers), random.pick([1, 100, 1_000, 3_000]))
        })
      },
    ]
    const count = 1 + random.below(3)
    for (let i = 0; i < count; i++)
      this.#scheduler.after(undefined, random.between(0, TROUBLE_MS * 0.9), random.pick(steps))
  }

  /** Upstream transactions that are aborted after a while: nothing of them may ever be seen. */
  #haunt(): void {
    const random = this.#random
    const { transactions } = this.#cluster
    const count = random.below(6)
    for (let i = 0; i < count; i++) {
      const to = { topic: random.pick(['quotes', 'orders']), partition: random.below(this.#partitions) }
      const key = `S${String(random.below(40))}`
      const ghost: MarketEvent = { topic: 'quotes', key, text: `ghost ${String(i)}`, message: undefined, atMs: 0 }
      const openMs = random.pick([1, 100, 2_000])
      this.#scheduler.after(undefined, random.between(0, TROUBLE_MS), () => {
        this.#say(() => `an upstream transaction on ${to.topic}-${String(to.partition)}, open for ${String(openMs)} ms`)
        const identity = transactions.init(`upstream-${String(i)}`, 60_000)
        const partition = this.#cluster.partition(to)
        transactions.add(identity, [partition])
        const [chunk] = chunksOf([ghost, ghost], this.#scheduler.startMs)
        if (chunk !== undefined) partition.append(chunk, { producerId: identity.producerId })
        this.#scheduler.after(undefined, openMs, () => {
          transactions.end(identity, 'abort')
        })
      })
    }
  }

  #compact(): void {
    if (this.#cluster.describeTopic(CHANGELOG) === undefined) return
    this.#say(() => 'the changelog is compacted')
    this.#compacted = true
    this.#cluster.compact(CHANGELOG)
  }

  // ---- workers ----

  #anySlot(): Slot {
    return this.#random.pick(this.#slots)
  }

  #addSlot(afterMs: number): Slot {
    const name = `w${String(this.#slots.length)}`
    const slot: Slot = { name, disk: new MemoryDisk(), process: undefined, worker: undefined, lives: 0, wanted: true }
    this.#slots.push(slot)
    slot.disk.onWritten = (task, meta) => {
      const partition = Number(task.slice(task.lastIndexOf('_') + 1))
      if (meta === undefined || this.#cluster.isCommitted({ topic: CHANGELOG, partition }, meta.changelogPosition))
        return
      // Compaction may have taken it away since.
      if (
        this.#compacted &&
        meta.changelogPosition < this.#cluster.partition({ topic: CHANGELOG, partition }).lastStableOffset
      )
        return
      this.#problems.push(
        `${name}: the store of ${task} is at ${String(meta.changelogPosition)}, which is not committed`,
      )
    }
    this.#startLater(slot, afterMs)
    return slot
  }

  #startLater(slot: Slot, afterMs: number): void {
    this.#scheduler.after(undefined, afterMs, () => {
      if (slot.wanted && slot.process === undefined) this.#start(slot)
    })
  }

  #start(slot: Slot): void {
    const process = this.#scheduler.process(`${slot.name}.${String(++slot.lives)}`)
    const logger = this.#logger(process)
    const log = this.#cluster.log({
      process,
      clientId: slot.name,
      requestTimeoutMs: 5_000,
      connectTimeoutMs: 5_000,
      maxBytesPerPartition: this.#bytesPerPartition,
    })
    const stores = slot.disk.open({ process, faults: this.#weather })
    const peers = this.#peers.peers({ process, faults: this.#weather })
    const ports = { log, stores, peers, clock: process.clock, random: this.#random.fork(), logger }
    const worker = new Worker(definition, { ...this.#runtime, name: slot.name }, ports)
    slot.process = process
    slot.worker = worker
    this.#say(() => `${process.name} starts`)
    const ended = (error: unknown): void => {
      if (slot.process !== process) return
      this.#say(() => `${process.name} ended: ${error === undefined ? 'as it was told' : messageOf(error)}`)
      if (error !== undefined && !(isPotorooError(error) && acceptable.has(error.code)))
        this.#problems.push(`${process.name} ended: ${isPotorooError(error) ? error.code : ''} ${messageOf(error)}`)
      this.#gone(slot, 500)
    }
    worker.ended.then(() => {
      ended(undefined)
    }, ended)
    worker.start().catch(ended)
  }

  #gone(slot: Slot, restartAfterMs: number): void {
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

  /** Members that join, are given tasks, and leave: the tasks come back to where they were a moment ago. */
  #blips(): void {
    const process = this.#scheduler.process('blip')
    const { clock } = process
    const everyMs = this.#random.pick([400, 700])
    const client = this.#cluster.log({ process, clientId: 'blip' }).group(names.group)
    const blip = async (): Promise<void> => {
      let id = ''
      const request = { memberId: '', sessionTimeoutMs: 6_000, rebalanceTimeoutMs: 3_000, protocol: 'potoroo' }
      try {
        const joined = await client.join({ ...request, metadata: new Uint8Array(0) }, (given) => (id = given))
        if (joined.leaderId !== id) await client.sync(joined, new Map())
      } catch (error) {
        this.#say(() => `blip: ${messageOf(error)}`)
      }
      await client.leave(id).catch(() => undefined)
    }
    this.#say(() => 'members come and go at once')
    for (let i = 0; i < 5; i++) clock.after(i * everyMs, () => void blip())
  }

  /** Comes and goes, so that tasks come back to where they were a moment ago. */
  #flutter(slot: Slot): void {
    const everyMs = this.#random.between(50, 800)
    for (let i = 1; i <= 4; i++)
      this.#scheduler.after(undefined, i * everyMs, () => {
        if (slot.process === undefined) return
        this.#say(() => `${slot.process?.name ?? ''} is killed`)
        this.#gone(slot, everyMs / 2)
      })
  }

  #stop(slot: Slot): void {
    const { process, worker } = slot
    if (process === undefined || worker === undefined) return
    this.#say(() => `${process.name} is told to stop`)
    void worker.stop()
    // A supervisor loses patience.
    this.#scheduler.after(undefined, 15_000, () => {
      if (slot.process === process) this.#kill(slot, 'did not stop in time, and is killed')
    })
  }

  #pause(slot: Slot): void {
    const { process } = slot
    if (process === undefined) return
    const forMs = this.#random.pick([50, 1_000, 5_000, 10_000])
    this.#say(() => `${process.name} is paused for ${String(forMs)} ms`)
    process.pause()
    this.#scheduler.after(undefined, forMs, () => {
      process.resume()
    })
  }

  /** Its session ends, others get its tasks, and it goes on: only fencing can stop it. */
  #cutOff(slot: Slot): void {
    const { process } = slot
    if (process === undefined) return
    const forMs = this.#random.pick([1_000, 7_000, 9_000])
    this.#say(() => `${process.name} does not reach its group for ${String(forMs)} ms`)
    this.#weather.cutOff.add(process.name)
    this.#scheduler.after(undefined, forMs, () => {
      this.#weather.cutOff.delete(process.name)
    })
  }

  // ---- the end ----

  #calm(): void {
    this.#say(() => 'from here on all is well')
    this.#weather.calm = true
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
    if (this.#biggerSteps) await this.#groupAtRest()
  }

  /** Waits until the workers share the tasks evenly; then nothing may move any more. */
  async #groupAtRest(): Promise<void> {
    const untilMs = this.#scheduler.elapsedMs + REST_WITHIN_MS
    let generation = -1
    let sinceMs = 0
    while (generation < 0 || this.#scheduler.elapsedMs < sinceMs + UNMOVED_MS) {
      await this.#scheduler.advance(200)
      const now = this.#isBalanced() ? this.#cluster.describeGroup(names.group).generation : -1
      if (now !== generation) sinceMs = this.#scheduler.elapsedMs
      generation = now
      if (this.#scheduler.elapsedMs < untilMs) continue
      const shares = this.#slots.map(({ name, worker }) => `${name} ${worker?.active.join() ?? 'is down'}`)
      this.#problems.push(
        `the group rebalances, ${String(REST_WITHIN_MS)} ms after all was well: ${shares.join('; ')}, ` +
          `generation ${String(this.#cluster.describeGroup(names.group).generation)}`,
      )
      return
    }
  }

  #isBalanced(): boolean {
    const shares = this.#slots.map(({ worker }) => worker?.active ?? [])
    const sizes = shares.map(({ length }) => length)
    return (
      this.#slots.every(({ process }) => process?.paused === false) &&
      new Set(shares.flat()).size === sizes.reduce((sum, size) => sum + size, 0) &&
      sizes.reduce((sum, size) => sum + size, 0) === this.#partitions &&
      Math.max(...sizes) - Math.min(...sizes) <= 1
    )
  }

  #isAtRest(): boolean {
    return this.#whatIsLeft() === ''
  }

  #whatIsLeft(): string {
    if (this.#cluster.describeTopic(CHANGELOG) === undefined) return 'there is no changelog yet'
    for (const topic of TOPICS) {
      const undecided = this.#partitionsOf(topic).find((one) => one.lastStableOffset < one.highWatermark)
      if (undecided !== undefined) return `a transaction is open on ${topic}-${String(undecided.partition)}`
    }
    for (let partition = 0; partition < this.#partitions; partition++) {
      let view = this.#changelogs[partition]
      if (view === undefined) {
        const of = this.#cluster.partition({ topic: CHANGELOG, partition })
        view = this.#changelogs[partition] = new ChangelogView(`changelog ${String(partition)}`, of)
      }
      view.update()
      for (const topic of ['quotes', 'orders']) {
        const { highWatermark } = this.#cluster.partition({ topic, partition })
        const position = view.commit?.positions[topic] ?? 0
        if (position < highWatermark)
          return `${topic}-${String(partition)} is at ${String(position)} of ${String(highWatermark)}`
        const offset = this.#cluster.committed(names.group, { topic, partition }) ?? position
        if (offset !== position)
          return `${topic}-${String(partition)} is at ${String(position)}, but the group has ${String(offset)}`
      }
    }
    return ''
  }

  async #stopAll(): Promise<void> {
    for (const slot of this.#slots) slot.wanted = false
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
    const expected = calculate(this.#events)
    const problems = this.#problems
    const checked = this.#records('checked')
    if (this.#strict) problems.push(...checkOutputs(expected, checked))
    else problems.push(...checkOutputsLoosely(this.#events, expected, checked))
    problems.push(...checkNoted(expected, this.#records('noted')))
    problems.push(...checkDeadLetters(expected, this.#records(names.deadLetters)))
    const states = new Map<string, SymbolState>()
    for (const view of this.#changelogs) {
      view.update()
      problems.push(...view.problems)
      for (const [key, bytes] of view.values) {
        const symbol = key.slice(STATE.length + 1)
        states.set(symbol, unpackState(bytes, symbol))
      }
    }
    problems.push(...checkStates(expected, states, !this.#strict))
    for (const slot of this.#slots) problems.push(...this.#checkDisk(slot))
  }

  /**
   * A store never has what the changelog has not, and at its position it has the same: or, where a write came to half of
   * its objects, what the changelog gave them later.
   */
  #checkDisk({ name, disk }: Slot): string[] {
    return this.#changelogs.flatMap((view, partition) => {
      const { meta, values, aheadTo } = disk.look(taskId(STATE, partition))
      const where = `${name}: the store of ${taskId(STATE, partition)}`
      if (meta === undefined) return []
      if (meta.changelogPosition > view.commitPosition) return [`${where} is ahead of the changelog`]
      const of = this.#cluster.partition({ topic: CHANGELOG, partition })
      if (meta.changelogPosition < view.commitPosition && this.#compacted) return []
      const then = new ChangelogView(where, of, meta.changelogPosition + 1)
      then.update()
      if (then.commitPosition !== meta.changelogPosition) return [`${where}: there is no commit at its position`]
      const later =
        aheadTo > meta.changelogPosition
          ? valuesAfter(meta.changelogPosition, of)
          : new Map<ByteString, readonly unknown[]>()
      return [...new Set([...values.keys(), ...then.values.keys()])].flatMap((key) => {
        const [got, due] = [values.get(key), then.values.get(key)]
        if ((got !== undefined && got === due) || later.get(key)?.includes(got) === true) return []
        const show = (bytes: ByteString | undefined): string =>
          bytes === undefined ? 'nothing' : JSON.stringify(unpackState(bytes, key))
        return [`${where}: ${key.slice(STATE.length + 1)} is ${show(got)}, in the changelog ${show(due)}`]
      })
    })
  }

  #records(topic: string): SeenRecord[] {
    return this.#partitionsOf(topic).flatMap(recordsOf)
  }

  #partitionsOf(topic: string): PartitionLog[] {
    const partitions = this.#cluster.describeTopic(topic)?.partitions ?? 0
    return Array.from({ length: partitions }, (_, partition) => this.#cluster.partition({ topic, partition }))
  }

  // ---- the trace ----

  #logger(process: SimulatedProcess): Logger {
    const at =
      (level: string) =>
      (fields: object, message: string): void => {
        this.#say(() => `${process.name} ${level} ${message} ${JSON.stringify(fields)}`)
      }
    return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  }

  #say(what: () => string): void {
    const { elapsedMs } = this.#scheduler
    this.#fingerprint = (Math.imul(this.#fingerprint, 31) + Math.floor(elapsedMs * 1_000)) | 0
    if (this.tracing) this.#trace.push(`${elapsedMs.toFixed(2).padStart(10)} ${what()}`)
  }
}

/** With a low bound of warmth, standbys are cold for a while, and far enough behind to begin with a copy of the owner's store. */
const drawHandOff = (random: SeededRandom): Partial<RuntimeOptions> => ({
  standbys: random.pick([0, 0, 1, 2]),
  warmLag: random.pick([0, 5, 50, defaults.warmLag]),
  handOverTimeoutMs: random.pick([500, defaults.handOverTimeoutMs]),
})

const [stateDefinition] = definition.pipelines.flatMap((node) => (node.kind === 'compute' ? [node.state] : []))
function unpackState(bytes: ByteString, key: string): SymbolState {
  if (stateDefinition === undefined) throw new RangeError('the application has a state object')
  return unpack(stateDefinition, bytes, key) as SymbolState
}

function chunksOf(events: readonly MarketEvent[], startMs: number): RecordChunk[] {
  const writer = new RecordWriter(1_000_000)
  for (const { key, text, atMs } of events) writer.append(startMs + atMs, key, text)
  return writer.take()
}
