/**
 * Runs an application in a test: the production runtime, on in-memory versions of Kafka, disks and the clock. Nothing
 * waits for real time, and the same calls give the same run.
 */
import { definitionOf, type Application } from '../api/application.js'
import type { ApplicationDefinition, StateDefinition, TopicDefinition } from '../api/definition.js'
import { topicsOf } from '../api/graph.js'
import { stateDefinition, type AnyStateObject } from '../api/state-object.js'
import { topicDefinition, type Message, type Origin, type Sink } from '../api/topic.js'
import { windowsDefinition, type AnyWindowed, type State } from '../api/windows.js'
import { loadPartitioners } from '../core/plan/partitioner.js'
import { PotorooError } from '../errors.js'
import type { Logger } from '../ports/logger.js'
import { codecUses } from '../runtime/codecs.js'
import { Calls, type DrivenCalls } from './calls.js'
import { deadLetterOf, textHeaders, type DeadLetter } from './dead-letters.js'
import { feed, rawRecordOf, recordOf, type PipeOptions, type RawMessage } from './feed.js'
import { States } from './states.js'
import { TopicReader, type RawRecord } from './topic-reader.js'
import { World } from './world.js'
import type { WorkerSlot } from './worker-slot.js'

export interface TestDriverOptions {
  /**
   * How many partitions every topic gets, whatever it declares; default 1, at most 1,000. With more, keys are spread
   * over several tasks.
   */
  readonly partitions?: number
  /** How many workers run at the start; default 1, at most 20. */
  readonly workers?: number
  /** The time at the start, ms since the epoch; default 2024-01-01T00:00:00Z. */
  readonly startMs?: number
  /** Determines how long everything takes, and so the order in which workers act; default 1. */
  readonly seed?: number
  /** As in `startWorker`: what happens to a message whose computation throws; default `dead-letter`. */
  readonly onError?: 'dead-letter' | 'stop'
  /** Where workers log; default: nothing is logged. `console` works. */
  readonly logger?: Logger
}

/** What a topic accepts: if its schema converts or fills in defaults, that is less than what is read from it. */
export type Piped<T extends Origin<unknown>> = T extends Sink<infer M> ? M : Message<T>

/** A record with its message. */
export interface OutputRecord<M> {
  readonly key: string | undefined
  readonly message: M
  readonly timestampMs: number
  readonly partition: number
  readonly offset: number
  /** Read as UTF-8. */
  readonly headers: Readonly<Record<string, string>>
}

export interface DrivenWorker {
  readonly name: string
  readonly running: boolean
  /** Ids of the tasks that it is currently processing: `<state object>_<partition>`. */
  readonly tasks: readonly string[]
}

const silent: Logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }

/**
 * Methods that return a promise let virtual time advance; the others look at the world as it is. Mistakes of a test
 * throw INVALID_TEST. If a worker stops, the call that was letting the world run throws its PotorooError.
 */
export class TestDriver {
  readonly #states: States
  readonly #readers = new Map<string, TopicReader>()
  /** Calls that let the world run are queued, even if a test forgot to await one. */
  #last: Promise<unknown> = Promise.resolve()
  #closed = false

  private constructor(
    private readonly world: World,
    /** The answers to calls. */
    readonly calls: DrivenCalls,
  ) {
    this.#states = new States(world)
  }

  /**
   * Starts the application's workers, and resolves when they have their tasks. Throws INVALID_TEST, INVALID_DEFINITION.
   */
  static async start(application: Application, options: TestDriverOptions = {}): Promise<TestDriver> {
    const definition = definitionOf(application)
    const { partitions = 1, workers = 1, seed = 1, onError = 'dead-letter', logger = silent, startMs } = options
    requireWhole('partitions', partitions, 1, 1_000)
    requireWhole('workers', workers, 1, 20)
    requireWhole('seed', seed, -(2 ** 31), 2 ** 32)
    if (startMs !== undefined) requireWhole('startMs', startMs, 0, Number.MAX_SAFE_INTEGER)
    await loadPartitioners(topicsOf(definition).map(({ partitioner }) => partitioner))
    // In real time: inside the driver's world, time passes only when something happens.
    await openInRealTime(definition)
    const calls = new Calls(definition)
    const world = new World(definition, { partitions, startMs, seed, onError, logger, outside: calls })
    calls.in(world)
    const driver = new TestDriver(world, calls)
    await world.start(Array.from({ length: workers }, () => world.addSlot()))
    await world.balance()
    return driver
  }

  /** The time in the driver's world, ms since the epoch. */
  get nowMs(): number {
    return Math.floor(this.world.scheduler.nowMs)
  }

  get workers(): readonly DrivenWorker[] {
    return this.world.slots.map(({ name, isRunning, active }) => ({ name, running: isRunning, tasks: active }))
  }

  /**
   * Writes messages to a source, as a producer does: checked by its schema, with its key, on the key's partition. Each
   * takes a millisecond, unless it is given a timestamp, so that messages are processed in the order in which they were
   * piped. Throws SCHEMA_MISMATCH, OUTPUT_INVALID, KEY_TOO_LONG or RECORD_TOO_LARGE for an invalid message; then
   * nothing of the call is written. A null, for a topic with tombstones, takes its key from the options.
   */
  pipe<T extends Origin<unknown>>(
    topic: T,
    messages: Piped<T> | readonly Piped<T>[],
    options: PipeOptions = {},
  ): Promise<void> {
    return this.#do(async () => {
      const source = this.#source(topic)
      const list: readonly unknown[] = Array.isArray(messages) ? messages : [messages]
      await source.codec?.open('write')
      await feed(
        this.world,
        source,
        list.map((message) => recordOf(source, message, options)),
      )
    })
  }

  /** Writes records to a source as they are, unchecked, to imitate mistakes of other producers. */
  pipeRaw(topic: Origin<unknown>, records: RawMessage | readonly RawMessage[]): Promise<void> {
    return this.#do(async () => {
      const list: readonly RawMessage[] = isList(records) ? records : [records]
      const source = this.#source(topic)
      const feeding = list.map(rawRecordOf)
      for (const { value } of feeding)
        if (value !== null) await source.codec?.prepare?.(Buffer.from(value), 0, value.length)?.catch(() => undefined)
      await feed(this.world, source, feeding)
    })
  }

  /**
   * Lets time advance until everything that was piped is processed and committed, including what passes through topics
   * inside the application, and everything due by now is done: timers, state objects whose ttl has ended, and windows
   * that close. While nothing arrives, workers do these by the clock, after the lateness of the topics and a second
   * have passed. Throws what stopped a worker; INVALID_TEST if no worker runs, or if it never ends.
   */
  settle(): Promise<void> {
    return this.#do(() => this.#rest())
  }

  /**
   * Advances the clock by this many ms: as much as you like, a year is as quick as a minute. Workers keep working
   * meanwhile, but it does not wait for them. Call `settle` afterwards, and everything due by then is done.
   */
  advance(ms: number): Promise<void> {
    return this.#do(async () => {
      if (!(ms >= 0 && ms < Infinity))
        throw new PotorooError('INVALID_TEST', `advance() was given ${String(ms)}: it must be a number of ms.`)
      await this.world.advance(ms)
    })
  }

  /**
   * The messages that were committed to a topic since it was last read. Those of one partition come in order, those of
   * several by the timestamps of the messages that caused them. Throws SCHEMA_MISMATCH if an output does not match the
   * topic's schema.
   */
  read<M>(topic: Origin<M>): M[] {
    return this.readRecords(topic).map(({ message }) => message)
  }

  /** As `read`, with keys, timestamps and headers. */
  readRecords<M>(topic: Origin<M>): OutputRecord<M>[] {
    const definition = this.#topic(topic)
    return this.#reader(definition.name).take((record) => outputOf<M>(definition, record))
  }

  /** The dead letters since they were last read. */
  readDeadLetters(): DeadLetter[] {
    const definitions = new Map(
      this.world.topology.subTopologies.flatMap(({ states }) => states.map((state) => [state.name, state] as const)),
    )
    return this.#reader(this.world.names.deadLetters).take((record) => deadLetterOf(record, definitions))
  }

  /**
   * The state object of a key as it was last committed; undefined if none is stored, because no message has changed it
   * yet, or because it was forgotten. For windows: those that are open, in the order in which they start. It is a copy:
   * changing it changes nothing.
   */
  state<T extends AnyStateObject | AnyWindowed>(stateObject: T, key: string): State<T> | undefined {
    this.#requireOpen()
    return this.#states.get(definitionIn(stateObject, 'The argument of state()'), key) as State<T> | undefined
  }

  /** All of its stored state objects, by key. */
  states<T extends AnyStateObject | AnyWindowed>(stateObject: T): Map<string, State<T>> {
    this.#requireOpen()
    const all = this.#states.all(definitionIn(stateObject, 'The argument of states()'))
    return all as Map<string, State<T>>
  }

  /**
   * Sets a state object after everything piped so far was processed; undefined deletes it. Throws STATE_NOT_PACKABLE or
   * RECORD_TOO_LARGE.
   */
  setState<T extends AnyStateObject | AnyWindowed>(
    stateObject: T,
    key: string,
    state: State<T> | undefined,
  ): Promise<void> {
    return this.#do(async () => {
      const definition = definitionIn(stateObject, 'The argument of setState()')
      const running = this.world.running.length > 0
      if (running) await this.#rest()
      await this.#states.set(definition, key, state)
      if (running) await this.world.rest()
    })
  }

  /**
   * Kills a worker, or all of them, like SIGKILL or a power cut. Its disk stays. What was not committed is processed
   * again.
   */
  crash(worker?: string): void {
    this.#requireOpen()
    for (const slot of this.#named(worker, 'crash', true)) slot.kill()
  }

  /** Stops a worker, or all of them, like SIGTERM: it commits, hands over its tasks, and leaves the group. */
  stopWorker(worker?: string): Promise<void> {
    return this.#do(async () => {
      const stopping = this.#named(worker, 'stopWorker', true).map((slot) => slot.stop())
      await this.world.scheduler.run(Promise.all(stopping))
      if (this.world.running.length > 0) await this.world.balance()
    })
  }

  /**
   * Starts a worker that is down, or all that are, with the disk that it had. Resolves when they have their tasks
   * again.
   */
  restart(worker?: string): Promise<void> {
    return this.#do(async () => {
      await this.world.start(this.#named(worker, 'restart', false))
      await this.world.balance()
    })
  }

  /** Starts one more worker. Resolves with its name, when it has its share of the tasks. */
  addWorker(): Promise<string> {
    return this.#do(async () => {
      const slot = this.world.addSlot()
      await this.world.start([slot])
      await this.world.balance()
      return slot.name
    })
  }

  /** Ends everything. The driver can't be used afterwards. */
  async close(): Promise<void> {
    await this.#last.catch(() => undefined)
    this.#closed = true
    for (const slot of this.world.slots) slot.kill()
  }

  #do<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(() => {
      this.#requireOpen()
      return work()
    })
    this.#last = done.catch(() => undefined)
    return done
  }

  async #rest(): Promise<void> {
    const { world } = this
    const untilMs = this.nowMs
    await world.rest()
    if (world.running.length > 0) await world.rest(() => this.#states.hasDue(untilMs))
  }

  #requireOpen(): void {
    if (this.#closed) throw new PotorooError('INVALID_TEST', 'The driver is closed.')
  }

  #named(worker: string | undefined, method: string, running: boolean): readonly WorkerSlot[] {
    const { world } = this
    const slots = worker === undefined ? world.slots : [world.slot(worker)]
    const fit = slots.filter(({ isRunning }) => isRunning === running)
    if (fit.length > 0) return fit
    const state = running ? 'running' : 'down'
    throw new PotorooError(
      'INVALID_TEST',
      worker === undefined ? `${method}(): no worker is ${state}.` : `${method}(): ${worker} is not ${state}.`,
    )
  }

  #source(topic: Origin<unknown>): TopicDefinition {
    const definition = topicDefinition(topic, 'The argument of pipe() or pipeRaw()')
    const { application } = this.world
    const sources = this.world.sources.map(({ name }) => name)
    if (sources.includes(definition.name)) return definition
    throw new PotorooError(
      'INVALID_TEST',
      `Application ${application.name} reads no topic ${definition.name}: it reads ${sources.join(', ')}.`,
    )
  }

  #topic(topic: Origin<unknown>): TopicDefinition {
    const definition = topicDefinition(topic, 'What was read')
    const { application, topics } = this.world
    if (topics.some(({ name }) => name === definition.name)) return definition
    throw new PotorooError(
      'INVALID_TEST',
      `Application ${application.name} has no topic ${definition.name}: it has ${topics.map(({ name }) => name).join(', ')}.`,
    )
  }

  #reader(name: string): TopicReader {
    this.#requireOpen()
    const there = this.#readers.get(name)
    if (there !== undefined) return there
    const made = new TopicReader(this.world.partitionsOf(name))
    this.#readers.set(name, made)
    return made
  }
}

function outputOf<M>(topic: TopicDefinition, record: RawRecord): OutputRecord<M> {
  const { value, headers, timestampMs, partition, offset } = record
  const key = record.key?.toString(topic.hexKeys === true ? 'hex' : 'utf8')
  if (value === undefined && topic.nullIsMessage === true)
    return { key, message: null as M, timestampMs, partition, offset, headers: textHeaders(headers) }
  if (value === undefined)
    throw new PotorooError('VALUE_NULL', `The record of topic ${topic.name} at offset ${String(offset)} has no value.`)
  const message = topic.decode(value, 0, value.length) as M
  return { key, message, timestampMs, partition, offset, headers: textHeaders(headers) }
}

async function openInRealTime(application: ApplicationDefinition): Promise<void> {
  for (const [{ codec }, use] of codecUses(application)) await codec?.open(use)
}

function requireWhole(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return
  throw new PotorooError(
    'INVALID_TEST',
    `TestDriver.start() was given ${name}: ${String(value)}. It must be a whole number from ${String(least)} to ${String(most)}.`,
  )
}

const isList = <T>(value: T | readonly T[]): value is readonly T[] => Array.isArray(value)

const definitionIn = (value: unknown, where: string): StateDefinition =>
  windowsDefinition(value) ?? stateDefinition(value, where)
