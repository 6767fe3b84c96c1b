/**
 * What operators do to a whole application: a small world of its own beside that of simulation.ts, in every fourth seed. Workers
 * do a part of the input, and are stopped, killed, or stand still. Then an operator starts again from the sources, and the reset
 * is killed halfway, again and again; or a repartition topic is lost. Meanwhile somebody starts a worker. In the end all has to
 * be as if nothing had been before, and no worker may have gone on where it was not to.
 */
import { application, definitionOf } from '../../src/api/application.js'
import { stateObject } from '../../src/api/state-object.js'
import { from } from '../../src/api/stream.js'
import { topic } from '../../src/api/topic.js'
import { decodeManifest, type Manifest } from '../../src/core/plan/manifest.js'
import { partitionOf } from '../../src/core/plan/partitioner.js'
import { namesOf, topologyOf } from '../../src/core/plan/topology.js'
import { RecordWriter } from '../../src/core/records/records.js'
import { isPotorooError, messageOf } from '../../src/errors.js'
import { MemoryCluster } from '../../src/memory/cluster.js'
import { noFaults, type Fate, type RequestInfo } from '../../src/memory/faults.js'
import { MemoryPeerNetwork } from '../../src/memory/peers.js'
import { SeededRandom } from '../../src/memory/random.js'
import { Scheduler, type SimulatedProcess } from '../../src/memory/scheduler.js'
import { MemoryDisk } from '../../src/memory/stores.js'
import { defaults } from '../../src/runtime/options.js'
import { planReset, type ResetTarget } from '../../src/runtime/reset.js'
import { Worker } from '../../src/runtime/worker.js'
import { anything } from './application.js'
import { multiset } from './checks.js'
import { livedThrough, type OperatorOutcome } from './lived-through.js'
import { recordsOf } from './views.js'

interface Reading {
  readonly meter: string
  readonly site: string
}
interface Counted {
  readonly name: string
  readonly n: number
}
const readings = topic('readings', { schema: anything<Reading>(), key: ({ meter }) => meter })
const notes = topic('notes', { schema: anything<{ name: string }>() })
const counted = (name: string) => topic(name, { schema: anything<Counted>(), key: (one) => one.name })
const [metered, sums] = [counted('metered'), counted('sums')]
const seen = topic('seen', { schema: anything<{ name: string }>(), key: ({ name }) => name })
const SINKS = ['metered', 'sums', 'seen'] as const

/** A sub-topology on a topic, one after a repartition, and one without state. */
const plant = (() => {
  const perMeter = from(readings).to(
    stateObject('meter', () => ({ n: 0 })),
    (state, one) => ({ ...one, name: one.meter, n: ++state.n }),
  )
  return definitionOf(
    application(
      'plant',
      perMeter.map(({ name, n }) => ({ name, n })).sink(metered),
      perMeter
        .keyBy(({ site }) => site)
        .to(
          stateObject('site', () => ({ n: 0 })),
          (state, { site: name }) => ({ name, n: ++state.n }),
        )
        .sink(sums),
      from(notes).sink(seen),
    ),
  )
})()
const REPARTITION = 'plant-meter-site-repartition'
const names = namesOf('', 'plant')

/** Longer than sessions and transactions last, and than a topic may be unknown. */
const LONG_MS = 16_000
const MOST_ATTEMPTS = 20

/** Undefined for the seeds that draw none. */
export async function simulateReset(
  seed: number,
  options: { readonly trace?: boolean } = {},
): Promise<OperatorOutcome | undefined> {
  const random = new SeededRandom(seed ^ 0x510e527f)
  if (!random.chance(1 / 4)) return undefined
  return new ResetWorld(random, options.trace === true).run()
}

interface Life {
  readonly process: SimulatedProcess
  readonly worker: Worker
  /** What ended it; undefined while it runs, and where it was told to. */
  end: string | undefined
}

class ResetWorld {
  readonly #scheduler = new Scheduler()
  readonly #cluster: MemoryCluster
  readonly #peers = new MemoryPeerNetwork(this.#scheduler)
  readonly #disks = new Map<string, MemoryDisk>()
  readonly #lives = new Map<string, Life>()
  readonly #problems: string[] = []
  readonly #trace: string[] = []
  readonly #warnings: string[] = []
  readonly #partitions: number
  /** All that was fed, in its order. */
  readonly #fed: { readonly reading: Reading; readonly atMs: number }[] = []
  #processes = 0
  /** The generation of the manifest when the repartition was lost: no reset has ended since. */
  #lostAt: number | undefined
  /** What becomes of the operator's requests. */
  #onRequest: (request: RequestInfo) => Fate = (request) => noFaults.request(request)

  constructor(
    private readonly random: SeededRandom,
    private readonly tracing: boolean,
  ) {
    this.#partitions = 1 + random.below(3)
    this.#cluster = new MemoryCluster({
      scheduler: this.#scheduler,
      random: random.fork(),
      brokers: random.pick([1, 2]),
      faults: {
        ...noFaults,
        request: (request) =>
          request.process.startsWith('reset') ? this.#onRequest(request) : noFaults.request(request),
      },
    })
    for (const name of ['readings', 'notes', ...SINKS])
      this.#cluster.createTopic({ name, partitions: this.#partitions })
  }

  run(): Promise<OperatorOutcome> {
    const world = { scheduler: this.#scheduler, problems: this.#problems, trace: this.#trace }
    return livedThrough('operator', world, () => this.#live())
  }

  async #live(): Promise<void> {
    const { random } = this
    this.#feed(5 + random.below(40))
    const workers = random.chance(0.3) ? ['w1', 'w2'] : ['w1']
    for (const name of workers) await this.#start(name)
    if (random.chance(0.7)) await this.#rest()
    // In the middle of it: what is on its way through the repartition, nobody has processed, or nobody has committed anything.
    else await this.#scheduler.advance(random.pick([0, 2, 20, 200]))
    const sleeper = random.chance(0.3) ? this.#lives.get('w1') : undefined
    sleeper?.process.pause()
    for (const name of workers)
      if (this.#lives.get(name) === sleeper) this.#say(() => `${name} stands still`)
      else if (random.chance(0.6)) await this.#stop(name)
      else this.#kill(name)
    // Sessions end, and transactions.
    await this.#rest()
    if (random.chance(0.4)) await this.#loseRepartition()
    if (this.#problems.length === 0) await this.#reset(sleeper)
  }

  // ---- a repartition is lost ----

  async #loseRepartition(): Promise<void> {
    const { random } = this
    const known = this.#manifest?.subTopologies
      .flatMap(({ sources }) => sources)
      .find(({ topic: one }) => one === REPARTITION)
    if (known === undefined) return
    const isRecreated = random.chance(0.6)
    const groupsKeepPositions = random.chance(0.3)
    this.#say(() => `the repartition is deleted${isRecreated ? ', and recreated' : ''}`)
    this.#cluster.deleteTopic(REPARTITION, { groupsKeepPositions })
    if (isRecreated) {
      this.#cluster.createTopic({ name: REPARTITION, partitions: this.#partitions })
      // Said of some of its partitions, it is not said where to continue.
      const some = random.below(this.#partitions)
      const positions = Array.from({ length: some }, (_, partition) => ({ topic: REPARTITION, partition, position: 0 }))
      this.#cluster.setCommitted(names.group, positions)
    }
    const before = this.#outputs()
    this.#lostAt = this.#manifest?.generation
    const name = this.#lives.get('w1')?.process.paused === true ? 'w8' : random.pick(['w1', 'w8'])
    await this.#start(name)
    await this.#rest()
    const end = this.#lives.get(name)?.end ?? 'never'
    if (end !== 'REPARTITION_LOST') this.#problems.push(`${name} ended: ${end}, due was REPARTITION_LOST`)
    this.#problems.push(...multiset('outputs', before, this.#outputs()))
    await this.#stop(name)
    await this.#rest()
  }

  // ---- a reset ----

  async #reset(sleeper: Life | undefined): Promise<void> {
    const { random } = this
    this.#feed(random.below(10))
    await this.#scheduler.advance(1_000)
    const sinceMs = Math.floor(this.#scheduler.nowMs)
    await this.#scheduler.advance(1_000)
    this.#feed(random.below(10))
    const target = random.pick<ResetTarget>(['earliest', 'earliest', 'latest', sinceMs])
    const kills = random.below(4)
    for (let i = 0; i < kills; i++) {
      await this.#killedAt(target, 1 + random.below(90))
      if (random.chance(0.6)) await this.#startMeanwhile()
    }
    if (random.chance(0.2)) await this.#startInBetween(target)
    if (this.#problems.length > 0) return

    for (let attempt = 1; ; attempt++) {
      const flaky = random.chance(0.3) ? 0.02 : 0
      const failure = await this.#attempt(target, (request) => {
        const fault = random.chance(flaky) ? random.pick(['request-lost', 'answer-lost', 'cut'] as const) : undefined
        return { ...noFaults.request(request), fault }
      })
      if (failure === undefined) break
      if (attempt === MOST_ATTEMPTS) {
        this.#problems.push(`the reset does not end: ${failure}`)
        return
      }
    }
    const before = this.#outputs()
    // Whoever stood still meanwhile has nothing of before to say any more, and continues where the reset says, if it can.
    sleeper?.process.resume()
    await this.#rest()
    if (sleeper !== undefined) await this.#stop('w1')
    await this.#begin(target, before)
  }

  /** On a disk of before, and on another one. */
  async #begin(target: ResetTarget, before: readonly string[]): Promise<void> {
    const from =
      target === 'earliest' ? this.#fed : target === 'latest' ? [] : this.#fed.filter(({ atMs }) => atMs >= target)
    const begun = [...from.map(({ reading }) => reading)]
    this.#warnings.length = 0
    for (const name of ['w1', 'w5']) await this.#start(name)
    await this.#rest()
    const more = this.#feed(1 + this.random.below(20))
    await this.#rest()
    for (const name of ['w1', 'w5']) {
      const end = this.#lives.get(name)?.end
      if (end !== undefined) this.#problems.push(`${name} ended: ${end}`)
      await this.#stop(name)
    }
    this.#problems.push(...multiset('outputs', [...before, ...outputsOf([...begun, ...more])], this.#outputs()))
    for (const warning of this.#warnings)
      if (!warning.startsWith('the store is set aside')) this.#problems.push(`a warning of what nobody did: ${warning}`)
  }

  /** The reset dies when it sends that request, which may arrive. */
  async #killedAt(target: ResetTarget, at: number): Promise<void> {
    let requests = 0
    const isLost = this.random.chance(0.5)
    const process = this.#operator()
    this.#onRequest = (request) => {
      const fate = noFaults.request(request)
      if (request.process !== process.name || ++requests !== at) return fate
      this.#say(() => `the reset dies at request ${String(at)}, ${request.api}`)
      process.kill()
      return isLost ? { ...fate, fault: 'request-lost' } : fate
    }
    const done = this.#run(process, target).catch((error: unknown) => {
      this.#say(() => `the reset failed: ${messageOf(error)}`)
    })
    let isOver = false
    void done.then(() => (isOver = true))
    await this.#scheduler.until(() => isOver || !process.alive, LONG_MS)
    process.kill()
    // What it had under way arrives.
    await this.#scheduler.advance(1_000)
  }

  /** Whether it may start, the manifest says. */
  async #startMeanwhile(): Promise<void> {
    const isRefused = this.#manifest?.resetting === true
    await this.#start('w9')
    await this.#rest()
    const end = this.#lives.get('w9')?.end
    const isLost = this.#manifest?.generation === this.#lostAt && this.#lostAt !== undefined
    const due = isRefused ? 'RESET_UNFINISHED' : isLost ? 'REPARTITION_LOST' : undefined
    if (end !== due) this.#problems.push(`w9 ended: ${end ?? 'never'}, due was ${due ?? 'never'}`)
    await this.#stop('w9')
    await this.#rest()
  }

  /** A worker comes when the reset has looked, and has not begun. */
  async #startInBetween(target: ResetTarget): Promise<void> {
    this.#onRequest = (request) => noFaults.request(request)
    const process = this.#operator()
    const planned = await this.#scheduler.run(this.#plan(process))
    await this.#start('w9')
    if (this.#lives.get('w9')?.end !== undefined) {
      // A reset was begun before.
      process.kill()
      return
    }
    await this.#scheduler.advance(5_000)
    const failure = await this.#scheduler.run(
      planned.run(target, {}).then(() => 'none', codeOf),
      LONG_MS,
    )
    if (failure !== 'WORKERS_RUNNING')
      this.#problems.push(`a reset while a worker runs ended: ${failure}, due was WORKERS_RUNNING`)
    process.kill()
    await this.#stop('w9')
    await this.#rest()
  }

  /** Undefined: it has ended. */
  async #attempt(target: ResetTarget, onRequest: (request: RequestInfo) => Fate): Promise<string | undefined> {
    this.#onRequest = onRequest
    const process = this.#operator()
    try {
      return await this.#scheduler.run(
        this.#run(process, target).then(() => undefined, codeOf),
        5 * LONG_MS,
      )
    } catch (error) {
      return messageOf(error)
    } finally {
      process.kill()
    }
  }

  async #run(process: SimulatedProcess, target: ResetTarget): Promise<void> {
    await (
      await this.#plan(process)
    ).run(target, {
      said: (step) => {
        this.#say(() => `${process.name}: ${step}`)
      },
    })
  }

  #plan(process: SimulatedProcess) {
    const env = { log: this.#cluster.log({ process }), clock: process.clock, random: this.random.fork() }
    return planReset(topologyOf(plant), names, env)
  }

  #operator(): SimulatedProcess {
    return this.#scheduler.process(`reset-${String(++this.#processes)}`)
  }

  // ---- workers, and what there is ----

  async #start(name: string): Promise<void> {
    const disk = this.#disks.get(name) ?? new MemoryDisk()
    this.#disks.set(name, disk)
    const process = this.#scheduler.process(`${name}.${String(++this.#processes)}`)
    const quiet = (): void => undefined
    const warn = (fields: object, msg: string): void => {
      this.#say(() => `${name} warns: ${msg} ${JSON.stringify(fields)}`)
      this.#warnings.push(msg)
    }
    const worker = new Worker(
      plant,
      { ...defaults, name, purge: { lookMs: 300, records: 1, afterMs: 500 } },
      {
        log: this.#cluster.log({ process, clientId: name }),
        stores: disk.open({ process, faults: noFaults }),
        peers: this.#peers.peers({ process, faults: noFaults }),
        clock: process.clock,
        random: this.random.fork(),
        logger: { debug: quiet, info: quiet, warn, error: quiet },
      },
    )
    const life: Life = { process, worker, end: undefined }
    this.#lives.set(name, life)
    const ended = (error: unknown): void => {
      life.end ??= codeOf(error)
      this.#say(() => `${name} ended: ${life.end ?? ''}: ${messageOf(error)}`)
      process.kill()
    }
    worker.ended.catch(ended)
    await this.#scheduler.run(worker.start().catch(ended), LONG_MS)
  }

  async #stop(name: string): Promise<void> {
    const life = this.#lives.get(name)
    if (life?.process.alive !== true) return
    await this.#scheduler.run(life.worker.stop(), LONG_MS)
    life.process.kill()
  }

  #kill(name: string): void {
    this.#say(() => `${name} is killed`)
    this.#lives.get(name)?.process.kill()
  }

  async #rest(): Promise<void> {
    await this.#scheduler.advance(LONG_MS)
  }

  #feed(many: number): Reading[] {
    const fresh = Array.from({ length: many }, (): Reading => {
      return { meter: `m${String(this.random.below(6))}`, site: `s${String(this.random.below(4))}` }
    })
    const atMs = Math.floor(this.#scheduler.nowMs)
    for (const reading of fresh) {
      this.#fed.push({ reading, atMs })
      this.#append('readings', reading.meter, reading, atMs)
      this.#append('notes', reading.meter, { name: reading.meter }, atMs)
    }
    return fresh
  }

  #append(name: string, key: string, message: object, atMs: number): void {
    const writer = new RecordWriter(1_000_000)
    writer.append(atMs, key, JSON.stringify(message))
    const partition = partitionOf('murmur2', Buffer.from(key), this.#partitions)
    this.#cluster.append({ topic: name, partition }, writer.take())
  }

  #records(name: string): string[] {
    const partitions = this.#cluster.describeTopic(name)?.partitions ?? 0
    return Array.from({ length: partitions }, (_, partition) =>
      recordsOf(this.#cluster.partition({ topic: name, partition })),
    ).flatMap((records) => records.map(({ value }) => value))
  }

  #outputs(): string[] {
    return SINKS.flatMap((name) => this.#records(name).map((value) => `${name} ${value}`))
  }

  get #manifest(): Manifest | undefined {
    const last = this.#records(names.manifest).at(-1)
    return last === undefined ? undefined : decodeManifest(Buffer.from(last), 'here')
  }

  #say(what: () => string): void {
    if (this.tracing) this.#trace.push(`reset ${this.#scheduler.elapsedMs.toFixed(2).padStart(10)} ${what()}`)
  }
}

const codeOf = (error: unknown): string => (isPotorooError(error) ? error.code : messageOf(error))

/** What comes out where these are read from nothing, plainly. */
function outputsOf(all: readonly Reading[]): string[] {
  const counts = new Map<string, number>()
  const next = (sink: string, name: string): string => {
    const n = (counts.get(`${sink} ${name}`) ?? 0) + 1
    counts.set(`${sink} ${name}`, n)
    return `${sink} ${JSON.stringify({ name, n })}`
  }
  return all.flatMap(({ meter, site }) => [
    next('metered', meter),
    next('sums', site),
    `seen ${JSON.stringify({ name: meter })}`,
  ])
}
