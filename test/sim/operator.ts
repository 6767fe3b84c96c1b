/**
 * What operators do to topics and groups: a small world of its own beside that of simulation.ts, in every third seed. Workers
 * do a part of the input, in trouble, and come to rest; then an operator acts, while they run or while they are stopped, and
 * the rest of the input comes. Where topics are not what they were, workers have to stop with the code that says so, and
 * nobody may have done what was not due; where the operator's word is to be honoured, it is.
 */
import { application, definitionOf } from '../../src/api/application.js'
import { from } from '../../src/api/stream.js'
import { topic } from '../../src/api/topic.js'
import type { ApplicationDefinition } from '../../src/api/definition.js'
import { partitionOf } from '../../src/core/plan/partitioner.js'
import { RecordWriter } from '../../src/core/records/records.js'
import { namesOf, taskId } from '../../src/core/plan/topology.js'
import { isPotorooError, messageOf, type ErrorCode } from '../../src/errors.js'
import { MemoryCluster } from '../../src/memory/cluster.js'
import { MemoryPeerNetwork } from '../../src/memory/peers.js'
import { SeededRandom } from '../../src/memory/random.js'
import { Scheduler, type SimulatedProcess } from '../../src/memory/scheduler.js'
import { MemoryDisk } from '../../src/memory/stores.js'
import type { PartitionPosition } from '../../src/ports/log.js'
import { defaults } from '../../src/runtime/options.js'
import { Worker } from '../../src/runtime/worker.js'
import { anything, APPLICATION, simulatedFrom, type Noted, type Order } from './application.js'
import { checkDeadLetters, checkNoted, checkOutputs } from './checks.js'
import { calculate, drawMarket, type Expected, type MarketEvent } from './market.js'
import { livedThrough, type OperatorOutcome } from './lived-through.js'
import { recordsOf, type SeenRecord } from './views.js'
import { Chronicle, Warnings, type Line } from './warnings.js'
import { drawClimate, Weather } from './weather.js'

const TROUBLE_MS = 4_000
const REST_WITHIN_MS = 120_000
/** Longer than whatever workers do by themselves, and than a topic may be unknown. */
const LONG_MS = 40_000
const SOURCES = ['quotes', 'orders'] as const
/** Somebody starts the worker again; what it says next time is what counts. */
const passing: ReadonlySet<ErrorCode> = new Set([
  'BROKER_UNREACHABLE',
  'REQUEST_FAILED',
  'STORE_FAILED',
  'TOPIC_CHANGED',
  'TOPIC_MISSING',
])

/** Undefined for the seeds that draw none. */
export async function simulateOperator(
  seed: number,
  options: { readonly trace?: boolean } = {},
): Promise<OperatorOutcome | undefined> {
  const random = new SeededRandom(seed ^ 0x2545f491)
  if (!random.chance(1 / 3)) return undefined
  return new OperatorWorld(random, options.trace === true).run()
}

/** Both worlds of a seed in one. */
export const withOperator = <T extends OperatorOutcome>(outcome: T, operator: OperatorOutcome | undefined): T =>
  operator === undefined
    ? outcome
    : {
        ...outcome,
        problems: [...outcome.problems, ...operator.problems],
        events: outcome.events + operator.events,
        virtualMs: outcome.virtualMs + operator.virtualMs,
        trace: [...outcome.trace, ...operator.trace],
      }

const orders = (start: 'earliest' | 'latest') =>
  topic('orders', { schema: anything<Order>(), key: ({ symbol }) => symbol, start })
const noted = topic('noted', { schema: anything<Noted>(), key: ({ account }) => account })
const STATELESS = 'notes'
/** Positions in the group alone. */
const statelessFrom = (start: 'earliest' | 'latest') =>
  application(
    STATELESS,
    from(orders(start), 'notes')
      .filter(({ kind }) => kind === 'plain')
      .map(({ id, account }) => ({ id, account }))
      .sink(noted),
  )

interface Slot {
  readonly name: string
  readonly disk: MemoryDisk
  process: SimulatedProcess | undefined
  worker: Worker | undefined
  lives: number
  wanted: boolean
  /** What ended it for good. */
  end: ErrorCode | undefined
}

/** What becomes of it: every worker has to stop so, or what is then to be read, of events in their order. */
type Due =
  | { readonly stops: ErrorCode }
  /** Some may stop so, and others do no more than is due of these events. */
  | { readonly mayStop: ErrorCode; readonly most: readonly MarketEvent[] }
  | { readonly rest: readonly MarketEvent[]; readonly stateIsGone?: boolean; readonly onlyRest?: string }

class OperatorWorld {
  readonly #scheduler = new Scheduler()
  readonly #cluster: MemoryCluster
  readonly #peers = new MemoryPeerNetwork(this.#scheduler)
  readonly #weather: Weather
  readonly #chronicle = new Chronicle()
  readonly #warnings: Warnings
  readonly #problems: string[] = []
  readonly #trace: string[] = []
  readonly #slots: Slot[] = []
  readonly #definition: ApplicationDefinition
  readonly #names: ReturnType<typeof namesOf>
  readonly #changelog: string
  readonly #partitions: number
  readonly #stateful: boolean
  readonly #start: 'earliest' | 'latest'
  readonly #withIds: boolean
  readonly #inTrouble: boolean
  /** Looks at what had to stay. */
  #finally: () => void = () => undefined
  /** What is in the sources, by topic and partition, in the order of offsets. */
  readonly #log = new Map<string, MarketEvent[]>()

  constructor(
    private readonly random: SeededRandom,
    private readonly tracing: boolean,
  ) {
    this.#inTrouble = random.chance(0.7)
    this.#weather = new Weather(random.fork(), drawClimate(random), {
      crash: (process, why, afterMs) => {
        this.#scheduler.after(undefined, afterMs, () => {
          this.#kill(process, why)
        })
      },
      said: (what) => {
        this.#say(what)
      },
      sent: (request, wrong) => {
        this.#chronicle.sent(request, wrong)
      },
      writeFailed: (process) => {
        this.#chronicle.writeFailed(process)
      },
      markerIsLate: () => {
        this.#chronicle.markersWereLate = true
      },
    })
    this.#weather.calm = true
    this.#withIds = random.chance(0.9)
    this.#cluster = new MemoryCluster({
      scheduler: this.#scheduler,
      faults: this.#weather,
      random: random.fork(),
      brokers: random.pick([1, 2]),
      withoutTopicIds: !this.#withIds,
    })
    this.#partitions = 1 + random.below(3)
    this.#stateful = random.chance(0.75)
    this.#start = random.chance(0.2) ? 'latest' : 'earliest'
    this.#definition = definitionOf((this.#stateful ? simulatedFrom : statelessFrom)(this.#start))
    this.#names = namesOf('', this.#stateful ? APPLICATION : STATELESS)
    this.#changelog = this.#names.changelog('symbol')
    this.#warnings = new Warnings({
      chronicle: this.#chronicle,
      application: this.#definition.name,
      strict: true,
      shortRetention: false,
      mayBeAwayMs: () => (this.#cluster.describeTopic(this.#changelog)?.deleteRetentionMs ?? Infinity) / 2,
      worthACopy: defaults.warmLag * 2,
    })
  }

  run(): Promise<OperatorOutcome> {
    const world = { scheduler: this.#scheduler, problems: this.#problems, trace: this.#trace }
    return livedThrough('operator', world, () => this.#live())
  }

  async #live(): Promise<void> {
    const { random } = this
    for (const name of [...SOURCES, 'checked', 'noted'])
      this.#cluster.createTopic({ name, partitions: this.#partitions })
    const market = drawMarket(random.fork(), {
      events: 40 + random.below(160),
      symbols: 1 + random.below(8),
      fromMs: -60_000,
      toMs: -1_000,
      forgetShare: 0.05,
    })
    const parts = [0.1, 0.6].map((share) => Math.floor(market.length * share))
    const [before, first, second] = [
      market.slice(0, parts[0]),
      market.slice(parts[0], parts[1]),
      market.slice(parts[1]),
    ]
    this.#feed(before)
    const count = 1 + random.below(3)
    for (let i = 0; i < count; i++) this.#addSlot()
    if (this.#start === 'latest') {
      // What was there before the first start is skipped, and nothing else.
      if (!(await this.#rest())) return
      this.#feed(first)
      await this.#trouble()
    } else {
      this.#feed(first)
      await this.#trouble()
    }
    if (!(await this.#rest())) return
    const done = this.#start === 'latest' ? first : [...before, ...first]
    if (!this.#stateful) this.#say(() => 'a task without state')
    this.#check(calculate(this.#relevant(done)), 'before')
    if (this.#problems.length > 0) return
    await this.#act(done, second)
  }

  // ---- the operator ----

  async #act(done: readonly MarketEvent[], second: readonly MarketEvent[]): Promise<void> {
    const { random } = this
    const acts = [
      () => this.#resetGroup(second),
      () => this.#forgetGroup(done, second),
      () => this.#recreateSink(second),
      ...(this.#withIds ? [() => this.#recreateSource(done, second), () => this.#recreateSource(done, second)] : []),
      ...(this.#stateful
        ? [
            () => this.#loseChangelog(done, second),
            () => this.#loseChangelog(done, second),
            () => this.#shortenChangelog(done, second),
            () => this.#truncateChangelog(done, second),
          ]
        : []),
    ]
    const due = await random.pick(acts)()
    for (const slot of this.#slots) if (slot.process === undefined && slot.end === undefined) this.#begin(slot)
    if ('rest' in due) await this.#expectDone(done, due)
    else await this.#expectStop(done, due)
  }

  #reset(positions: readonly PartitionPosition[]): void {
    for (const { topic: of, partition } of positions) this.#chronicle.wasReset(`${of}-${String(partition)}`)
    this.#cluster.setCommitted(this.#names.group, positions)
  }

  /** To somewhere else: what is read again counts again, and what is skipped does not. */
  async #resetGroup(second: readonly MarketEvent[]): Promise<Due> {
    await this.#stopAll()
    this.#feed(second)
    const rest = new Set(second)
    const again: MarketEvent[] = []
    const positions = this.#sources().flatMap((name) =>
      Array.from({ length: this.#partitions }, (_, partition) => {
        const events = this.#log.get(`${name}-${String(partition)}`) ?? []
        const position = this.random.below(events.length + 1)
        for (const [offset, event] of events.entries())
          if (rest.has(event) && offset < position) rest.delete(event)
          else if (!rest.has(event) && offset >= position) again.push(event)
        return { topic: name, partition, position }
      }),
    )
    this.#say(() => `the group is reset: ${JSON.stringify(positions)}`)
    this.#reset(positions)
    return { rest: [...again, ...rest].sort((a, b) => a.atMs - b.atMs) }
  }

  /** State and positions are in the changelog. Without one, all is done again, or skipped: the worker says so. */
  async #forgetGroup(done: readonly MarketEvent[], second: readonly MarketEvent[]): Promise<Due> {
    await this.#stopAll()
    this.#say(() => 'the group is deleted')
    this.#cluster.deleteOffsets(this.#names.group)
    if (this.#stateful) {
      this.#feed(second)
      return { rest: second }
    }
    if (this.#start === 'earliest') {
      this.#feed(second)
      return { rest: [...done, ...second] }
    }
    for (const slot of this.#slots) this.#begin(slot)
    await this.#rest()
    this.#feed(second)
    return { rest: second }
  }

  async #recreateSink(second: readonly MarketEvent[]): Promise<Due> {
    if (this.random.chance(0.5)) await this.#stopAll()
    const name = this.#stateful ? this.random.pick(['checked', 'noted']) : 'noted'
    await this.#recreate(name)
    this.#feed(second)
    return { rest: second, onlyRest: name }
  }

  async #recreateSource(done: readonly MarketEvent[], second: readonly MarketEvent[]): Promise<Due> {
    const running = this.random.chance(0.5)
    if (!running) await this.#stopAll()
    else if (this.#inTrouble) this.#weather.calm = false
    const name = this.random.pick(this.#sources())
    const groupsKeepPositions = this.random.chance(0.3)
    for (let partition = 0; partition < this.#partitions; partition++) this.#log.delete(`${name}-${String(partition)}`)
    await this.#recreate(name, groupsKeepPositions)
    const isReset = !running && this.random.chance(0.4)
    const mine = second.filter((event) => event.topic === name)
    // More than there was before, mostly.
    const much = [...mine, ...(isReset ? [] : this.#copies(mine))]
    this.#feed(much)
    if (isReset) {
      this.#say(() => `the group is reset to the beginning of ${name}`)
      const all = Array.from({ length: this.#partitions }, (_, partition) => ({ topic: name, partition, position: 0 }))
      this.#reset(all)
      return { rest: mine }
    }
    await this.#troubleGoesOn()
    // A group without positions is all that a task without state knows, once nobody runs who has read the other topic.
    const isForgotten = !this.#stateful && !groupsKeepPositions
    if (!isForgotten) return { stops: 'TOPIC_REPLACED' }
    if (running) return { mayStop: 'TOPIC_REPLACED', most: [...done, ...much] }
    return this.#start === 'earliest' ? { rest: much } : { rest: [] }
  }

  async #loseChangelog(done: readonly MarketEvent[], second: readonly MarketEvent[]): Promise<Due> {
    // Without ids, who writes to a changelog can't tell that it is another one.
    const running = this.#withIds && this.random.chance(0.5)
    if (!running) {
      await this.#stopAll()
      for (const slot of this.#slots) if (this.random.chance(0.5)) slot.disk.wipe()
    } else if (this.#inTrouble) this.#weather.calm = false
    const isEmptied = this.random.chance(0.5)
    if (isEmptied) {
      this.#say(() => 'all records of the changelog are deleted')
      this.#chronicle.wasTamperedWith(this.#changelog)
      for (let partition = 0; partition < this.#partitions; partition++)
        this.#cluster.partition({ topic: this.#changelog, partition }).deleteBefore(Infinity)
    } else {
      await this.#recreate(this.#changelog)
      if (!running && this.random.chance(0.5)) this.#abortIn(this.#changelog)
    }
    if (running && isEmptied) {
      // Whoever has the state objects continues with them. Who has not, later, is told.
      await this.#troubleGoesOn()
      this.#feed(second)
      return { mayStop: 'CHANGELOG_LOST', most: [...done, ...second] }
    }
    if (!running && this.random.chance(0.3)) return this.#acceptLoss(second)
    this.#feed(second)
    await this.#troubleGoesOn()
    if (!running) this.#notSetAside()
    return { stops: 'CHANGELOG_LOST' }
  }

  /** Its end moves, and there is nothing in it. */
  #abortIn(name: string): void {
    const { transactions } = this.#cluster
    this.#say(() => `transactions in ${name} are aborted`)
    const count = 1 + this.random.below(300)
    for (let partition = 0; partition < this.#partitions; partition++) {
      const log = this.#cluster.partition({ topic: name, partition })
      const { producerId } = transactions.init(`somebody-${String(partition)}`, 10_000)
      for (let i = 0; i < count; i++) log.mark(producerId, 'abort')
    }
  }

  /** From here on stores stay what they are. */
  #notSetAside(): void {
    const tasks = Array.from({ length: this.#partitions }, (_, partition) => taskId('symbol', partition))
    const positions = (): string[] =>
      this.#slots.flatMap(({ name, disk }) =>
        tasks.map((task) => `the store of ${task} on ${name} is at ${String(disk.look(task).meta?.changelogPosition)}`),
      )
    const before = positions()
    this.#finally = () => {
      for (const [i, now] of positions().entries())
        if (now !== before[i]) this.#problems.push(`${now}, though its changelog was lost: ${before[i] ?? ''}`)
    }
  }

  /** As the error says. */
  async #acceptLoss(second: readonly MarketEvent[]): Promise<Due> {
    this.#say(() => 'the operator gives the state objects up')
    await this.#recreate(this.#changelog)
    for (const slot of this.#slots) slot.disk.wipe()
    const positions = this.#sources().flatMap((name) =>
      Array.from({ length: this.#partitions }, (_, partition) => {
        const position = this.#cluster.committed(this.#names.group, { topic: name, partition }) ?? 0
        return { topic: name, partition, position }
      }),
    )
    this.#reset(positions)
    this.#feed(second)
    return { rest: second, stateIsGone: true }
  }

  /** Records at its start are deleted. Stores that have them go on, and others say so. */
  async #shortenChangelog(done: readonly MarketEvent[], second: readonly MarketEvent[]): Promise<Due> {
    if (this.random.chance(0.5)) await this.#stopAll()
    for (const slot of this.#slots) if (slot.process === undefined && this.random.chance(0.5)) slot.disk.wipe()
    this.#chronicle.wasTamperedWith(this.#changelog)
    for (let partition = 0; partition < this.#partitions; partition++) {
      const log = this.#cluster.partition({ topic: this.#changelog, partition })
      const start = this.random.below(log.highWatermark)
      this.#say(() => `records of the changelog's partition ${String(partition)} below ${String(start)} are deleted`)
      log.deleteBefore(start)
    }
    this.#feed(second)
    return { mayStop: 'CHANGELOG_LOST', most: [...done, ...second] }
  }

  /** A leader was elected that lacked the last transactions. Where they changed something, the group's offsets tell. */
  async #truncateChangelog(done: readonly MarketEvent[], second: readonly MarketEvent[]): Promise<Due> {
    await this.#stopAll()
    for (const slot of this.#slots) if (this.random.chance(0.5)) slot.disk.wipe()
    this.#chronicle.wasTamperedWith(this.#changelog)
    for (let partition = 0; partition < this.#partitions; partition++) {
      const log = this.#cluster.partition({ topic: this.#changelog, partition })
      const ends = log.stored(0).flatMap(({ marker, lastOffset }) => (marker === undefined ? [] : [lastOffset + 1]))
      const end = this.random.pick([0, ...ends])
      this.#say(() => `the changelog's partition ${String(partition)} is truncated to ${String(end)}`)
      log.truncate(end)
    }
    this.#feed(second)
    return { mayStop: 'CHANGELOG_LOST', most: [...done, ...second] }
  }

  async #recreate(name: string, groupsKeepPositions = false): Promise<void> {
    const isChangelog = name === this.#changelog
    const gapMs = this.random.pick([0, 0, 300])
    this.#say(() => `${name} is deleted, and recreated ${String(gapMs)} ms later`)
    this.#chronicle.wasTamperedWith(name)
    this.#cluster.deleteTopic(name, { groupsKeepPositions })
    await this.#scheduler.advance(gapMs)
    const config = isChangelog ? { 'cleanup.policy': 'compact' } : {}
    this.#cluster.createTopic({ name, partitions: this.#partitions, config })
  }

  // ---- what is due ----

  async #expectStop(done: readonly MarketEvent[], due: Exclude<Due, { rest: unknown }>): Promise<void> {
    const untilMs = this.#scheduler.elapsedMs + LONG_MS
    const isOver = (): boolean => this.#slots.every(({ end }) => end !== undefined)
    while (!isOver() && this.#scheduler.elapsedMs < untilMs) await this.#scheduler.advance(200)
    if ('stops' in due) {
      for (const { name, end } of this.#slots)
        if (end !== due.stops) this.#problems.push(`${name} ended: ${end ?? 'never'}, due was ${due.stops}`)
      this.#check(calculate(this.#relevant(done)), 'what was done before')
      this.#finally()
      return
    }
    for (const { name, end } of this.#slots)
      if (end !== undefined && end !== due.mayStop) this.#problems.push(`${name} ended: ${end}`)
    const most = calculate(this.#relevant(due.most))
    const undue = [
      ...checkNoted(most, this.#records('noted')),
      ...checkDeadLetters(most, this.#records(this.#names.deadLetters)),
    ].filter((problem) => problem.includes('never due'))
    // Whatever came out has seen what it should.
    const outputs = new Set([...most.checked.values()].flat().map((one) => JSON.stringify(one)))
    const wrong = this.#records('checked').flatMap(({ value }) =>
      outputs.has(value) ? [] : [`checked, never due: ${value}`],
    )
    this.#problems.push(...undue, ...wrong)
  }

  async #expectDone(done: readonly MarketEvent[], due: Extract<Due, { rest: unknown }>): Promise<void> {
    if (!(await this.#rest())) return
    for (const { name, end } of this.#slots) if (end !== undefined) this.#problems.push(`${name} ended: ${end}`)
    const [first, rest] = [this.#relevant(done), this.#relevant(due.rest)]
    if (due.stateIsGone === true) {
      this.#check(added(calculate(first), calculate(rest)), 'after')
      return
    }
    const all = calculate([...first, ...rest])
    this.#check(due.onlyRest === undefined ? all : without(all, calculate(first), due.onlyRest), 'after')
  }

  #check(expected: Expected, when: string): void {
    const problems = [
      ...(this.#stateful ? checkOutputs(expected, this.#records('checked')) : []),
      ...checkNoted(expected, this.#records('noted')),
      ...checkDeadLetters(expected, this.#records(this.#names.deadLetters)),
    ]
    this.#problems.push(...problems.map((one) => `${one} (${when})`))
  }

  /** Without quotes, where nobody reads them; without state nothing throws. */
  #relevant(events: readonly MarketEvent[]): readonly MarketEvent[] {
    if (this.#stateful) return events
    return events.filter(
      ({ topic: of, message }) => of === 'orders' && (message === undefined || message.kind === 'plain'),
    )
  }

  #sources(): readonly ('quotes' | 'orders')[] {
    return this.#stateful ? SOURCES : ['orders']
  }

  #records(name: string): SeenRecord[] {
    const partitions = this.#cluster.describeTopic(name)?.partitions ?? 0
    return Array.from({ length: partitions }, (_, partition) =>
      this.#cluster.partition({ topic: name, partition }),
    ).flatMap(recordsOf)
  }

  // ---- input ----

  #feed(events: readonly MarketEvent[]): void {
    for (const event of events) {
      const { topic: of, key, text, atMs } = event
      const partition = partitionOf('murmur2', Buffer.from(key), this.#partitions)
      const writer = new RecordWriter(1_000_000)
      writer.append(this.#scheduler.startMs + atMs, key, text)
      this.#cluster.append({ topic: of, partition }, writer.take())
      const name = `${of}-${String(partition)}`
      const log = this.#log.get(name)
      if (log === undefined) this.#log.set(name, [event])
      else log.push(event)
    }
  }

  /** Others of the same kind. */
  #copies(events: readonly MarketEvent[]): MarketEvent[] {
    return [1, 2].flatMap((round) => events.map((event) => ({ ...event, atMs: event.atMs + round * 60_000 })))
  }

  // ---- workers ----

  #addSlot(): void {
    const name = `w${String(this.#slots.length)}`
    const slot: Slot = {
      name,
      disk: new MemoryDisk(),
      process: undefined,
      worker: undefined,
      lives: 0,
      wanted: true,
      end: undefined,
    }
    this.#slots.push(slot)
    this.#begin(slot)
  }

  #begin(slot: Slot): void {
    if (slot.process !== undefined || slot.end !== undefined) return
    slot.wanted = true
    const process = this.#scheduler.process(`${slot.name}.${String(++slot.lives)}`)
    const at =
      (level: Line['level']) =>
      (fields: object, message: string): void => {
        const line = { slot: slot.name, process: process.name, level, message, fields: fields as Line['fields'] }
        this.#problems.push(...this.#warnings.line(line))
        this.#say(() => `${process.name} ${level} ${message} ${JSON.stringify(fields)}`)
      }
    const faults = this.#weather
    slot.disk.onOpened = (task, meta, size) => {
      this.#warnings.opened({ slot: slot.name, process: process.name, task, meta, size, nowMs: process.clock.now() })
    }
    const worker = new Worker(
      this.#definition,
      { ...defaults, name: slot.name, maxHoldMs: 3_600_000, storeIntervalMs: this.random.pick([0, 100, 1000]) },
      {
        log: this.#cluster.log({ process, clientId: slot.name, requestTimeoutMs: 5_000, connectTimeoutMs: 5_000 }),
        stores: slot.disk.open({ process, faults }),
        peers: this.#peers.peers({ process, faults }),
        clock: process.clock,
        random: this.random.fork(),
        logger: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') },
      },
    )
    slot.process = process
    slot.worker = worker
    const ended = (error: unknown): void => {
      if (slot.process !== process) return
      this.#say(() => `${process.name} ended: ${error === undefined ? 'as it was told' : messageOf(error)}`)
      process.kill()
      this.#chronicle.workerDied = true
      slot.process = slot.worker = undefined
      if (error === undefined || (isPotorooError(error) && passing.has(error.code))) this.#again(slot)
      else slot.end = isPotorooError(error) ? error.code : 'INTERNAL'
    }
    worker.ended.then(() => {
      ended(undefined)
    }, ended)
    worker.start().catch(ended)
  }

  #again(slot: Slot): void {
    this.#scheduler.after(undefined, 500, () => {
      if (slot.wanted) this.#begin(slot)
    })
  }

  #kill(processName: string, why: string): void {
    const slot = this.#slots.find(({ process }) => process?.name === processName)
    if (slot === undefined || this.#weather.calm) return
    this.#say(() => `${processName} dies ${why}`)
    slot.process?.kill()
    this.#chronicle.workerDied = true
    slot.process = slot.worker = undefined
    this.#again(slot)
  }

  async #trouble(): Promise<void> {
    if (!this.#inTrouble) return
    this.#weather.calm = false
    await this.#troubleGoesOn()
  }

  async #troubleGoesOn(): Promise<void> {
    if (this.#weather.calm) return
    const kills = this.random.below(4)
    for (let i = 0; i < kills; i++)
      this.#scheduler.after(undefined, this.random.between(0, TROUBLE_MS), () => {
        this.#kill(this.random.pick(this.#slots).process?.name ?? '', 'for it is killed')
      })
    await this.#scheduler.advance(TROUBLE_MS)
    this.#weather.calm = true
  }

  async #stopAll(): Promise<void> {
    const stopping = this.#slots.flatMap((slot) => {
      slot.wanted = false
      const { worker, process } = slot
      if (worker === undefined || process === undefined) return []
      this.#chronicle.wasToldToStop(process.name)
      const dead = new Promise<void>((resolve) => void process.onDeath(resolve))
      return [Promise.race([worker.stop(), dead])]
    })
    await this.#scheduler.run(Promise.all(stopping), 60_000)
    await this.#scheduler.advance(1_000)
  }

  /** Until all that is there is committed. */
  async #rest(): Promise<boolean> {
    const untilMs = this.#scheduler.elapsedMs + REST_WITHIN_MS
    while (this.#left() !== '') {
      if (this.#scheduler.elapsedMs > untilMs || this.#slots.some(({ end }) => end !== undefined)) {
        const ends = this.#slots.map(({ name, end = 'runs' }) => `${name} ${end}`).join(', ')
        this.#problems.push(`not at rest: ${this.#left()} (${ends})`)
        return false
      }
      await this.#scheduler.advance(200)
    }
    await this.#scheduler.advance(1_000)
    return true
  }

  #left(): string {
    for (const name of this.#sources())
      for (let partition = 0; partition < this.#partitions; partition++) {
        const end = this.#cluster.partition({ topic: name, partition }).highWatermark
        const position = this.#cluster.committed(this.#names.group, { topic: name, partition })
        if (position !== end) return `${name}-${String(partition)} is at ${String(position)} of ${String(end)}`
      }
    for (const name of ['checked', 'noted', this.#names.deadLetters, ...(this.#stateful ? [this.#changelog] : [])]) {
      const partitions = this.#cluster.describeTopic(name)?.partitions ?? 0
      for (let partition = 0; partition < partitions; partition++) {
        const { lastStableOffset, highWatermark } = this.#cluster.partition({ topic: name, partition })
        if (lastStableOffset < highWatermark) return `a transaction is open on ${name}`
      }
    }
    return ''
  }

  #say(what: () => string): void {
    if (this.tracing) this.#trace.push(`operator ${this.#scheduler.elapsedMs.toFixed(2).padStart(10)} ${what()}`)
  }
}

/** What two calculations, each from nothing, give together. */
function added(one: Expected, other: Expected): Expected {
  const symbols = new Set([...one.checked.keys(), ...other.checked.keys()])
  return {
    checked: new Map(
      [...symbols].map((key) => [key, [...(one.checked.get(key) ?? []), ...(other.checked.get(key) ?? [])]]),
    ),
    noted: [...one.noted, ...other.noted],
    deadLetters: [...one.deadLetters, ...other.deadLetters],
    states: other.states,
  }
}

/** What a calculation gives in one sink behind what its beginning gave there. */
function without(all: Expected, begin: Expected, sink: string): Expected {
  return {
    ...all,
    ...(sink === 'checked'
      ? {
          checked: new Map([...all.checked].map(([key, due]) => [key, due.slice(begin.checked.get(key)?.length ?? 0)])),
        }
      : { noted: all.noted.slice(begin.noted.length) }),
  }
}
