/**
 * Clients that ask for state objects: a small world of its own beside that of simulation.ts, in every fifth seed. Workers count what
 * comes by key, in trouble: they die, stop, stand still, do not reach their group, requests fail. Meanwhile clients ask any worker for
 * any key. What they are told is held against the history: what each transaction has made of each key, and when it was decided.
 */
import { application, definitionOf } from '../../src/api/application.js'
import { stateDefinition, stateObject } from '../../src/api/state-object.js'
import { from } from '../../src/api/stream.js'
import { topic } from '../../src/api/topic.js'
import { partitionOf } from '../../src/core/plan/partitioner.js'
import { namesOf } from '../../src/core/plan/topology.js'
import { decodeCommitRecord, isCommitKey } from '../../src/core/commit/commit-record.js'
import { askedRange, textOf, type ByteRange } from '../../src/core/query/range.js'
import { bytesOf } from '../../src/core/records/byte-string.js'
import { unpackRange } from '../../src/core/state/packing.js'
import { isPotorooError, messageOf } from '../../src/errors.js'
import { MemoryCluster } from '../../src/memory/cluster.js'
import { MemoryPeerNetwork } from '../../src/memory/peers.js'
import { SeededRandom } from '../../src/memory/random.js'
import { Scheduler, type SimulatedProcess } from '../../src/memory/scheduler.js'
import { MemoryDisk } from '../../src/memory/stores.js'
import { defaults } from '../../src/runtime/options.js'
import { Worker } from '../../src/runtime/worker.js'
import { anything } from './application.js'
import { LateAnswers } from './late-answers.js'
import { livedThrough, type OperatorOutcome } from './lived-through.js'
import { chunksOf } from './upstream.js'
import { PartitionView } from './views.js'
import { drawClimate, Weather, type Climate } from './weather.js'
import type { Faults } from '../../src/memory/faults.js'
import type { FoundPage } from '../../src/ports/queries.js'
import type { StateStores } from '../../src/ports/store.js'

interface Step {
  readonly id: string
  readonly key: string
  readonly forgets: boolean
  /** It fails when it has changed the state object. */
  readonly throws: boolean
  /** How large it makes the state object. */
  readonly size?: number | undefined
}
interface Count {
  n: number
  last: string
  filling?: string
}

const steps = topic('steps', { schema: anything<Step>(), key: ({ key }) => key })
const count = stateObject('count', (): Count => ({ n: 0, last: '' }))
const counting = definitionOf(
  application(
    'counting',
    from(steps).to(count, (state, { id, forgets, throws, size }, context) => {
      state.n++
      state.last = id
      if (size !== undefined) state.filling = 'x'.repeat(size)
      if (throws) throw new Error(id)
      if (forgets) context.forget()
    }),
  ),
)
const names = namesOf('', 'counting')
const CHANGELOG = names.changelog('count')

const TROUBLE_MS = 6_000
const REST_WITHIN_MS = 60_000
/** An owner that does not know yet that it is none tells what was, so long ago at most. */
const OWNER_MS = 1_000
const MOST_WORKERS = 4

/** Undefined for the seeds that draw none. */
export async function simulateQueries(
  seed: number,
  options: { readonly trace?: boolean } = {},
): Promise<OperatorOutcome | undefined> {
  const random = new SeededRandom(seed ^ 0x71c5b3e9)
  const tracing = options.trace === true
  if (random.chance(1 / 5)) return new QueriesWorld(random, tracing, 'any').run()
  const scanning = new SeededRandom(seed ^ 0x52a7c11f)
  return scanning.chance(1 / 8) ? new QueriesWorld(scanning, tracing, 'scans').run() : undefined
}

/** More of them, in every fourth seed. */
export async function simulateMoreQueries(
  seed: number,
  options: { readonly trace?: boolean } = {},
): Promise<OperatorOutcome | undefined> {
  const random = new SeededRandom(seed ^ 0x3ad8025f)
  if (!random.chance(1 / 4)) return undefined
  return new QueriesWorld(random, options.trace === true, random.pick(['pages', 'unaware', 'unaware'])).run()
}

/**
 * scans: most of what is asked is ranges, of stores that are often behind, while acknowledgements come late.
 * pages: ranges that do not go into one page, because what is stored is large, or the disk slow.
 * unaware: whoever has lost a task, or has committed, is told late.
 */
type Kind = 'any' | 'scans' | 'pages' | 'unaware'

/** Longer than a page may take to read is what so many entries take. */
const SLOW_READ_MS = 0.4
const LARGE_BYTES = 200_000
const LATE = {
  syncGroup: { rate: 0.6, fromMs: 400, toMs: 950 },
  endTxn: { rate: 0.1, fromMs: 350, toMs: 900 },
} as const

type Consistency = 'committed' | 'fenced' | number

interface Told {
  readonly key: string
  readonly partition: number
  readonly consistency: Consistency
  readonly askedMs: number
  readonly toldMs: number
  readonly worker: string
  readonly state: string | undefined
  readonly position: number
  readonly from: 'owner' | 'standby'
  readonly isScanned: boolean
}
interface Scanned {
  readonly from: string
  readonly before: string | undefined
  readonly consistency: Consistency
  readonly askedMs: number
  readonly toldMs: number
  readonly keys: readonly string[]
}

/** What a client asks next. */
interface Asked {
  readonly worker: string
  readonly key: string
}

/** What a key has from a commit on. */
interface Version {
  readonly state: string | undefined
  readonly position: number
  readonly fromMs: number
  untilMs: number
}

interface Life {
  readonly process: SimulatedProcess
  readonly worker: Worker
}

class QueriesWorld {
  readonly #scheduler = new Scheduler()
  readonly #cluster: MemoryCluster
  readonly #weather: Weather
  readonly #faults: Faults
  readonly #peers = new MemoryPeerNetwork(this.#scheduler)
  readonly #disks = new Map<string, MemoryDisk>()
  readonly #lives = new Map<string, Life>()
  readonly #problems: string[] = []
  readonly #trace: string[] = []
  readonly #partitions: number
  readonly #keys: readonly string[]
  readonly #runtime
  /** By transactional id: when its transactions were decided, in their order. */
  readonly #decided = new Map<string, number[]>()
  readonly #told: Told[] = []
  readonly #scanned: Scanned[] = []
  readonly #isSlow: boolean
  readonly #isLarge: boolean
  #fed = 0
  #lives_ = 0
  #unanswered = 0

  constructor(
    private readonly random: SeededRandom,
    private readonly tracing: boolean,
    private readonly kind: Kind,
  ) {
    this.#isSlow = kind === 'pages' && random.chance(0.5)
    this.#isLarge = kind === 'pages' && !this.#isSlow
    this.#partitions = random.pick(kind === 'pages' ? [1, 2] : [1, 2, 4])
    // More than fit into little memory, in some worlds.
    this.#keys = Array.from(
      { length: random.pick(this.#isSlow ? [40, 60] : this.#isLarge ? [12, 16] : [3, 12, 60]) },
      (_, i) => `k${String(i)}${i % 5 === 0 ? 'ü' : ''}`,
    )
    // An acknowledgement that comes late meets a successor.
    const climate = climateOf(kind, random)
    this.#weather = new Weather(random.fork(), climate, {
      crash: (process, why, afterMs) => {
        this.#scheduler.after(undefined, afterMs, () => {
          this.#kill(process.split('.')[0] ?? '', why)
        })
      },
      said: (what) => {
        this.#say(what)
      },
      sent: () => undefined,
      writeFailed: () => undefined,
      markerIsLate: () => undefined,
    })
    this.#faults = kind === 'unaware' ? new LateAnswers(this.#weather, random.fork(), LATE) : this.#weather
    this.#cluster = new MemoryCluster({
      scheduler: this.#scheduler,
      faults: this.#faults,
      random: random.fork(),
      brokers: random.pick([1, 2]),
      transactionVersion: random.pick([1, 2]),
      onTransactionEnded: ({ transactionalId, kind }) => {
        if (kind === 'abort') return
        const all = this.#decided.get(transactionalId) ?? []
        all.push(this.#scheduler.elapsedMs)
        this.#decided.set(transactionalId, all)
      },
    })
    this.#runtime = {
      ...defaults,
      commitIntervalMs: random.pick([1, 15, 100]),
      storeIntervalMs: random.pick(kind === 'any' || kind === 'pages' ? [0, 50, 1000] : [1_000, 5_000]),
      standbys: random.pick([0, 1]),
      // Whoever does not reach its group soon has successors, and does not know it.
      sessionTimeoutMs: random.pick([1_500, 6_000]),
      warmLag: random.pick([10, 10_000]),
      memoryBytes: (1 << 20) + random.pick([1, 2_000, 1_000_000]),
      bufferBytes: 1 << 20,
    }
  }

  run(): Promise<OperatorOutcome> {
    const world = { scheduler: this.#scheduler, problems: this.#problems, trace: this.#trace }
    return livedThrough('queries', world, async () => {
      this.#cluster.createTopic({ name: 'steps', partitions: this.#partitions })
      const workers = 1 + this.random.below(3)
      for (let i = 1; i <= workers; i++) this.#start(`w${String(i)}`)
      this.#plan()
      await this.#scheduler.advance(TROUBLE_MS)
      this.#weather.calm = true
      this.#weather.cutOff.clear()
      for (const { process } of this.#lives.values()) process.resume()
      for (let i = 1; i <= 2; i++) if (!this.#lives.has(`w${String(i)}`)) this.#start(`w${String(i)}`)
      await this.#rest()
      await this.#askAll()
      this.#check()
      this.#say(
        () =>
          `${String(this.#told.length)} answers, ${String(this.#scanned.length)} scans, ${String(this.#unanswered)} without`,
      )
    })
  }

  // ---- what happens ----

  #start(name: string): void {
    if (this.#lives.has(name)) return
    const process = this.#scheduler.process(`${name}.${String(++this.#lives_)}`)
    const disk = this.#disks.get(name) ?? new MemoryDisk()
    this.#disks.set(name, disk)
    const logger = {
      debug: () => undefined,
      info: (fields: object, what: string) => {
        this.#say(() => `${process.name} ${what} ${JSON.stringify(fields)}`)
      },
      warn: (fields: object, what: string) => {
        this.#say(() => `${process.name} warn ${what} ${JSON.stringify(fields)}`)
      },
      error: (fields: object, what: string) => {
        this.#say(() => `${process.name} error ${what} ${JSON.stringify(fields)}`)
      },
    }
    const worker = new Worker(
      counting,
      { ...this.#runtime, name },
      {
        log: this.#cluster.log({ process, clientId: name }),
        stores: this.#storesOf(disk, process),
        peers: this.#peers.peers({ process, faults: this.#faults }),
        clock: process.clock,
        random: this.random.fork(),
        logger,
      },
    )
    this.#lives.set(name, { process, worker })
    const ended = (): void => {
      if (this.#lives.get(name)?.process === process) this.#kill(name, 'has ended')
    }
    worker.start().catch(ended)
    worker.ended.then(ended, ended)
  }

  #storesOf(disk: MemoryDisk, process: SimulatedProcess): StateStores {
    const stores = disk.open({ process, faults: this.#weather })
    if (!this.#isSlow) return stores
    const open = stores.open.bind(stores)
    stores.open = async (...what) => {
      const store = await open(...what)
      const scan = store.scan.bind(store)
      store.scan = (from, before, take) => {
        scan(from, before, (...entry) => {
          process.compute(SLOW_READ_MS)
          return take(...entry)
        })
      }
      return store
    }
    return stores
  }

  /** It comes back some time later. */
  #kill(name: string, why: string): void {
    const life = this.#lives.get(name)
    if (life === undefined) return
    this.#say(() => `${name} is killed: ${why}`)
    this.#lives.delete(name)
    life.process.kill()
    this.#scheduler.after(undefined, this.random.pick([10, 300, 2_000]), () => {
      this.#start(name)
    })
  }

  #plan(): void {
    const { random } = this
    const at = (what: () => void): void => void this.#scheduler.after(undefined, random.between(0, TROUBLE_MS), what)
    const some = (): readonly [string, Life] | undefined => {
      const lives = [...this.#lives]
      return lives.length === 0 ? undefined : random.pick(lives)
    }
    const feeds = 20 + random.below(this.#isLarge || this.kind === 'unaware' ? 80 : 500)
    // Each time, tasks move.
    const moves = this.kind === 'unaware' ? 6 : 0
    for (let i = 0; i < feeds; i++) at(() => this.#feed(random.chance(0.1) ? 20 : 1))
    for (let i = 0; i < random.below(5); i++)
      at(() => {
        const [name] = some() ?? []
        if (name !== undefined) this.#kill(name, 'SIGKILL')
      })
    for (let i = 0; i < moves / 2 + random.below(3); i++)
      at(() => {
        const [, life] = some() ?? []
        void life?.worker.stop()
      })
    for (let i = 0; i < random.below(3); i++)
      at(() => {
        const [, life] = some() ?? []
        if (life === undefined) return
        const forMs = random.pick([50, 800, 3_000, 7_000])
        this.#say(() => `${life.process.name} stands still for ${String(forMs)} ms`)
        life.process.pause()
        this.#scheduler.after(undefined, forMs, () => {
          life.process.resume()
        })
      })
    for (let i = 0; i < random.below(4); i++)
      at(() => {
        const [, life] = some() ?? []
        if (life === undefined) return
        this.#say(() => `${life.process.name} does not reach its group`)
        this.#weather.cutOff.add(life.process.name)
        this.#scheduler.after(undefined, random.pick([900, 3_000, 5_000]), () => {
          this.#weather.cutOff.delete(life.process.name)
        })
      })
    for (let i = 0; i < moves + random.below(3); i++)
      at(() => this.#start(`w${String(1 + random.below(MOST_WORKERS))}`))
    const clients = 1 + random.below(3)
    for (let i = 0; i < clients; i++) this.#client(random.fork())
  }

  #feed(most: number): void {
    const { random } = this
    for (let i = 0; i < most; i++) {
      const key = random.pick(this.#keys)
      const id = `s${String(++this.#fed)}`
      const step: Step = { id, key, forgets: random.chance(0.05), throws: random.chance(0.03) }
      const text = JSON.stringify(this.#isLarge ? { ...step, size: LARGE_BYTES } : step)
      const event = { topic: 'steps', key, text, atMs: Math.floor(this.#scheduler.elapsedMs) }
      this.#cluster.append(
        { topic: 'steps', partition: this.#partitionOf(key) },
        chunksOf([event], this.#scheduler.startMs),
      )
    }
  }

  /** Asks one question after the other, of whichever worker. */
  #client(random: SeededRandom): void {
    const everyMs = random.pick(this.kind === 'unaware' ? [3] : [3, 15, 60])
    /** By key: the highest position of an owner that it has seen, which it says in some worlds. */
    const seen = this.kind === 'unaware' || random.chance(0.5) ? new Map<string, number>() : undefined
    const last = new Map<string, number>()
    const asksNext: Asked[] = []
    const ask = async (): Promise<void> => {
      const lives = [...this.#lives]
      if (lives.length === 0) return
      const next = asksNext.shift()
      const [name, { worker, process }] = lives.find(([one]) => one === next?.worker) ?? random.pick(lives)
      // Of a process that stands still, an answer may come much later.
      const gone = new Promise<void>((resolve) => {
        process.onDeath(resolve)
        this.#scheduler.after(undefined, 1_200, resolve)
      })
      if (worker.queries === undefined) return
      const queries = worker.query<Count>(definition)
      if (next === undefined && random.chance({ any: 0.1, scans: 0.6, pages: 0.6, unaware: 0.1 }[this.kind])) {
        await Promise.race([gone, this.#scan(worker, name, random)])
        return
      }
      const isComparing = next === undefined && this.kind === 'unaware' && random.chance(0.5)
      const key = next?.key ?? random.pick(this.#keys)
      const consistency =
        next !== undefined
          ? 'committed'
          : isComparing
            ? 'fenced'
            : random.pick<Consistency>(['committed', 'committed', 'fenced', 0, 300, 1_500])
      if (isComparing) asksNext.push(...this.#comparison(key, name, random))
      const askedMs = this.#scheduler.elapsedMs
      const atLeast = seen?.get(key)
      const asking = queries.get(key, { consistency, ...(atLeast !== undefined && { atLeast }) }).then(
        ({ state, asOf, from }) => {
          const position = asOf.changelogPosition
          const told: Told = {
            ...{ key, partition: this.#partitionOf(key), consistency, askedMs, worker: name, position, from },
            toldMs: this.#scheduler.elapsedMs,
            state: state && shown(state),
            isScanned: false,
          }
          this.#told.push(told)
          this.#say(() => `told ${JSON.stringify(told)}`)
          if (atLeast !== undefined && position < atLeast)
            this.#problems.push(`an answer of ${key} is of ${String(position)}, and ${String(atLeast)} was seen before`)
          if (from === 'owner' && typeof consistency !== 'number') {
            const where = `${process.name} ${String(told.partition)}`
            // Of one worker, answers to questions that were asked one after the other do not go back.
            if (position < (last.get(where) ?? -1))
              this.#problems.push(
                `${where}: an answer went back from ${String(last.get(where))} to ${String(position)}`,
              )
            last.set(where, position)
          }
          if (seen !== undefined) seen.set(key, Math.max(position, seen.get(key) ?? -1))
        },
        (error: unknown) => {
          this.#unanswered++
          if (!isPotorooError(error, 'QUERY_UNANSWERED'))
            this.#problems.push(`a question failed: ${isPotorooError(error) ? error.code : ''} ${messageOf(error)}`)
        },
      )
      await Promise.race([gone, asking])
    }
    const next = (): void => {
      if (this.#scheduler.elapsedMs > TROUBLE_MS + 2_000) return
      void ask().then(() => this.#scheduler.after(undefined, everyMs * (0.5 + random.next()), next))
    }
    next()
  }

  /** What one has told, another is to have; and it has told that from then on, whatever it is asked for. */
  #comparison(key: string, asked: string, random: SeededRandom): readonly Asked[] {
    const others = [...this.#lives.keys()].filter((name) => name !== asked)
    const beside = this.#keys.filter((one) => one !== key && this.#partitionOf(one) === this.#partitionOf(key))
    if (others.length === 0 || beside.length === 0) return []
    const worker = random.pick(others)
    return [
      { worker, key },
      { worker, key: random.pick(beside) },
    ]
  }

  /** Page by page, of whatever length. */
  async #scan({ queries }: Worker, name: string, random: SeededRandom): Promise<void> {
    if (queries === undefined) return
    const bounds = [random.pick(this.#keys), random.pick(this.#keys)].sort()
    const [from = '', before] = random.chance(0.3) ? [''] : bounds
    const consistency = random.pick<Consistency>(
      { any: ['committed', 'fenced', 300], scans: [0, 50, 300, 'fenced'], pages: ['fenced', 300], unaware: [300] }[
        this.kind
      ] as Consistency[],
    )
    const limit = random.pick(this.kind === 'pages' ? [1_000] : [1, 3, 1_000])
    const keys: string[] = []
    const askedMs = this.#scheduler.elapsedMs
    try {
      for (let rest: ByteRange | undefined = askedRange({ from, before }); rest !== undefined;) {
        const pageAskedMs = this.#scheduler.elapsedMs
        const page: FoundPage = await queries.page('count', rest, limit, consistency)
        for (const { key: bytes, packed, asOf, from: by } of page.entries) {
          const key = textOf(bytes)
          const state = shown(unpackRange(definition, bytesOf(packed), 0, packed.length, key))
          keys.push(key)
          this.#told.push({
            ...{ key, partition: this.#partitionOf(key), consistency, state, worker: name, from: by, isScanned: true },
            ...{ askedMs: pageAskedMs, toldMs: this.#scheduler.elapsedMs, position: asOf.changelogPosition },
          })
        }
        rest = page.rest
      }
    } catch (error) {
      this.#unanswered++
      if (!isPotorooError(error, 'QUERY_UNANSWERED'))
        this.#problems.push(`a scan failed: ${isPotorooError(error) ? error.code : ''} ${messageOf(error)}`)
      return
    }
    this.#scanned.push({ from, before, consistency, askedMs, toldMs: this.#scheduler.elapsedMs, keys })
  }

  // ---- the end ----

  async #rest(): Promise<void> {
    const untilMs = this.#scheduler.elapsedMs + REST_WITHIN_MS
    while (!this.#isAtRest()) {
      if (this.#scheduler.elapsedMs > untilMs) {
        this.#problems.push(`not at rest ${String(REST_WITHIN_MS)} ms after all was well`)
        return
      }
      await this.#scheduler.advance(200)
    }
    // Stores have it by then, and workers that came back have their tasks.
    await this.#scheduler.advance(12_000)
  }

  #isAtRest(): boolean {
    if (this.#cluster.describeTopic(CHANGELOG) === undefined) return false
    return Array.from({ length: this.#partitions }, (_, partition) => partition).every((partition) => {
      const position = this.#cluster.committed(names.group, { topic: 'steps', partition }) ?? 0
      const changelog = this.#cluster.partition({ topic: CHANGELOG, partition })
      const { logEnd } = this.#cluster.partition({ topic: 'steps', partition })
      return position >= logEnd && changelog.lastStableOffset >= changelog.logEnd
    })
  }

  /** All is well: everybody answers, and tells what is. */
  async #askAll(): Promise<void> {
    if (this.#problems.length > 0) return
    const histories = this.#histories()
    const answers = [...this.#lives].flatMap(([name, { worker }]) =>
      this.#keys.map(async (key) => {
        const versions = histories.get(key)
        for (const consistency of ['committed', 'fenced', 2_000] as const) {
          const { state } = await worker.query<Count>(definition).get(key, { consistency })
          const told = state && shown(state)
          const due = versions?.at(-1)?.state
          if (told !== due)
            this.#problems.push(`in the end ${name} tells ${String(told)} of ${key}, and it is ${String(due)}`)
        }
      }),
    )
    await this.#scheduler.run(Promise.all(answers), 60_000)
  }

  /** By key. */
  #histories(): ReadonlyMap<string, readonly Version[]> {
    const histories = new Map<string, Version[]>(
      this.#keys.map((key) => [key, [{ state: undefined, position: -1, fromMs: -Infinity, untilMs: Infinity }]]),
    )
    for (let partition = 0; partition < this.#partitions; partition++) {
      if (this.#cluster.describeTopic(CHANGELOG) === undefined) break
      const decided = this.#decided.get(names.transactionalId('count', partition)) ?? []
      let [commits, changed] = [0, new Map<string, string | undefined>()]
      new PartitionView(
        this.#cluster.partition({ topic: CHANGELOG, partition }),
        ({ buffer, keyStart, keyEnd, valueStart, valueEnd, offset }) => {
          if (!isCommitKey(buffer, keyStart, keyEnd)) {
            const key = buffer.toString('utf8', keyStart, keyEnd).slice('count\0'.length)
            const state = valueStart < 0 ? undefined : unpackRange(definition, buffer, valueStart, valueEnd, key)
            changed.set(key, state && shown(state))
            return
          }
          decodeCommitRecord(buffer.subarray(valueStart, valueEnd), 'changelog')
          const fromMs = decided[commits++] ?? NaN
          for (const [key, state] of changed) {
            const versions = histories.get(key) ?? []
            const former = versions.at(-1)
            if (former !== undefined) former.untilMs = fromMs
            versions.push({ state, position: offset, fromMs, untilMs: Infinity })
            histories.set(key, versions)
          }
          changed = new Map()
        },
      ).update()
      if (commits !== decided.length)
        this.#problems.push(
          `${String(commits)} commits are in the changelog, and ${String(decided.length)} were decided`,
        )
    }
    return histories
  }

  #check(): void {
    const histories = this.#histories()
    for (const told of this.#told) {
      const wrong = wrongOf(told, histories.get(told.key) ?? [])
      if (wrong !== undefined) this.#problems.push(`${wrong}: ${JSON.stringify(told)}`)
      if (this.#problems.length > 5) return
    }
    for (const scan of this.#scanned) this.#checkScan(scan, histories)
  }

  #checkScan(scan: Scanned, histories: ReadonlyMap<string, readonly Version[]>): void {
    const { from, before, keys, consistency, askedMs, toldMs } = scan
    const isWithin = (key: string): boolean =>
      Buffer.compare(Buffer.from(key), Buffer.from(from)) >= 0 &&
      (before === undefined || Buffer.compare(Buffer.from(key), Buffer.from(before)) < 0)
    const bytes = keys.map((key) => Buffer.from(key))
    for (const [i, key] of bytes.entries()) {
      const former = bytes[i - 1]
      if (former !== undefined && Buffer.compare(former, key) >= 0)
        this.#problems.push(`a scan has ${key.toString()} behind ${former.toString()}`)
      if (!isWithin(key.toString())) this.#problems.push(`a scan of ${from} to ${String(before)} has ${key.toString()}`)
    }
    if (consistency !== 'fenced') return
    for (const [key, versions] of histories) {
      const during = versions.filter(({ fromMs, untilMs }) => fromMs <= toldMs && untilMs >= askedMs)
      const isThere = during.every(({ state }) => state !== undefined)
      if (isThere && isWithin(key) && !keys.includes(key))
        this.#problems.push(`a scan has passed over ${key}: ${JSON.stringify(scan)}`)
    }
  }

  #partitionOf = (key: string): number => partitionOf('murmur2', Buffer.from(key), this.#partitions)

  #say(what: () => string): void {
    if (this.tracing) this.#trace.push(`${this.#scheduler.elapsedMs.toFixed(2).padStart(10)} queries: ${what()}`)
  }
}

const definition = stateDefinition(count, 'count')

/** As answers are compared: what fills it is always the same. */
const shown = (state: object): string =>
  JSON.stringify(state, (name, value: unknown) => (name === 'filling' ? undefined : value))

function climateOf(kind: Kind, random: SeededRandom): Climate {
  const climate = drawClimate(random)
  if (kind === 'unaware')
    return { ...climate, lateRate: 0, latencyMs: random.pick([0.2, 1, 5]), markerMs: 2, diskMs: 2 }
  return { ...climate, lateRate: random.pick(kind === 'scans' ? [0.03, 0.1] : [0, 0.002, 0.03]) }
}

/** What is wrong with an answer, by what was; undefined: nothing. */
function wrongOf(told: Told, versions: readonly Version[]): string | undefined {
  const { state, position, consistency, askedMs, toldMs, from, isScanned } = told
  const same = versions.filter((version) => version.state === state)
  if (same.length === 0) return 'it was never committed'
  const decided = same.filter(({ fromMs }) => fromMs <= toldMs)
  if (decided.length === 0) return 'it was told before it was committed'
  const next = (version: Version): Version | undefined => versions[versions.indexOf(version) + 1]
  // What is read of a store may be newer than the commit that it is known to have.
  const isOf = (version: Version): boolean =>
    (isScanned || from === 'standby' || version.position <= position) &&
    (next(version)?.position ?? Infinity) > position
  const ofCommit = decided.filter(isOf)
  if (ofCommit.length === 0) return 'it is not what that commit has'
  const bound = consistency === 'fenced' ? 0 : consistency === 'committed' ? OWNER_MS : consistency
  if (isScanned && consistency === 'committed') return undefined
  if (ofCommit.every(({ untilMs }) => untilMs < askedMs - bound)) return 'it is older than it may be'
  if (consistency === 'fenced' && from !== 'owner') return 'a standby has answered what only an owner can'
  return undefined
}
