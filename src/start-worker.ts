/**
 * Starting a worker within any Node process: the place where the runtime, Kafka and LMDB are put together. It installs
 * no signal handlers and ends no process; `potoroo run` is this with a command line around it.
 */
import { homedir, hostname } from 'node:os'
import { isAbsolute, join } from 'node:path'
import type { Meter } from '@opentelemetry/api'
import * as v from 'valibot'
import { definitionOf, type Application } from './api/application.js'
import type { OpenMessages, Queries } from './api/queries.js'
import type { StateObject } from './api/state-object.js'
import type { Table } from './api/table.js'
import type { Pairs } from './api/stream.js'
import type { Closed, Windowed } from './api/windows.js'
import { topicsOf } from './api/graph.js'
import { loadPartitioners } from './core/plan/partitioner.js'
import { isPotorooError, PotorooError } from './errors.js'
import { brokersOf } from './kafka/environment.js'
import { createKafkaLog } from './kafka/log.js'
import { startWatchdog } from './kafka/watchdog.js'
import { checkedTls, type BrokerConnection } from './kafka/options.js'
import { jsonLogger } from './output.js'
import { openStateStores } from './lmdb/stores.js'
import { createPeers, type PeerOptions } from './peers/peers.js'
import { globalMeter, globalTracer } from './metrics/meter.js'
import { WorkerMetrics, type MeasuredWorker } from './metrics/worker-metrics.js'
import { namesOf } from './core/plan/topology.js'
import type { Readiness, WorkerFigures } from './ports/figures.js'
import { unfailing, type Logger } from './ports/logger.js'
import type { Observer } from './ports/observer.js'
import type { QueryService } from './ports/queries.js'
import type { StateStores } from './ports/store.js'
import { askedDefinition } from './runtime/queries/state-queries.js'
import { wholeNumberOptions as numbers, type WholeNumberOption } from './runtime/option-table.js'
import { defaults, MIN_INPUT_BYTES, type RuntimeOptions } from './runtime/options.js'
import { Worker } from './runtime/worker.js'
import { memoryShare, systemClock, systemRandom } from './system.js'

/** What startWorker takes. Only `brokers` has to be given; the defaults of the rest are in docs/configuration.md. */
export interface WorkerOptions extends BrokerConnection, Partial<Omit<RuntimeOptions, 'memoryBytes' | 'purge'>> {
  /**
   * What fetched records and state objects may take in memory, in bytes, about; what the process itself takes comes on top.
   * Default: a quarter of the machine's memory, or the container's.
   */
  readonly memoryBytes?: number | undefined
  /**
   * Directory of this worker's state stores. Default: `<state home>/potoroo/<application>/<name>`, where the state home is
   * XDG_STATE_HOME or ~/.local/state. Two workers can't share one (STATE_DIRECTORY_LOCKED).
   */
  readonly stateDir?: string
  /**
   * Where this worker listens to the others of its group, for copies of stores and to notice a death at once. Default:
   * loopback, any free port. Anything but loopback needs a token that all workers share.
   */
  readonly peers?: PeerOptions
  /**
   * Any pino logger, or any object with debug, info, warn and error; what it throws is ignored. Default: JSON lines on
   * standard output. They never wait for who reads them: up to 1 MiB is kept, and what is dropped beyond that is counted.
   */
  readonly logger?: Logger
  /** Stops the worker, as `stop` does, at any time: also while it starts. Then `startWorker` resolves, and so does `ended`. */
  readonly signal?: AbortSignal
}

export interface RunningWorker {
  readonly name: string
  readonly stateDir: string
  /** Ids of the tasks that this worker is processing now. */
  readonly active: readonly string[]
  /** Whether it is in its group, and all tasks that it has are running: for a probe. */
  readonly readiness: Readiness
  /**
   * State objects of any key, whichever worker has them: see docs/queries.md. Throws INVALID_DEFINITION, and STATE_UNKNOWN for what
   * the application does not have.
   */
  query<S extends object>(state: StateObject<S>): Queries<S>
  query<V>(table: Table<V>): Queries<V>
  /** The open windows of a key, in the order of their beginning; those that `closed` has told of are not there. */
  query<S extends object>(windows: Windowed<S>): Queries<readonly Closed<S>[]>
  /** The open messages of a key. */
  query<L, R>(pairs: Pairs<L, R>): Queries<OpenMessages<L, R>>
  /** Resolves when the worker was stopped; rejects with a PotorooError when something else ended it. */
  readonly ended: Promise<void>
  /** Commits, leaves the group, closes. Never rejects. */
  stop(): Promise<void>
}

/** Each says what the option must be, and never what it is: it may be a secret. */
const mustBe = (what: string) => `must be ${what}`
const text = v.string(mustBe('a string'))
const someText = v.pipe(v.string(mustBe('a string, and not empty')), v.nonEmpty(mustBe('a string, and not empty')))
const number = v.number(mustBe('a number'))
/** One that can be called is one, too. */
const object = v.custom<object>((value) => Object(value) === value, mustBe('an object'))
const oneOf = <const T extends readonly string[]>(...words: T) => v.picklist(words, mustBe(words.join(' or ')))

function wholeNumber({ least, most = Number.MAX_SAFE_INTEGER }: WholeNumberOption) {
  const to = most === Number.MAX_SAFE_INTEGER ? 'or more' : `to ${String(most)}`
  const message = mustBe(`a whole number, ${String(least)} ${to}`)
  return v.pipe(v.number(message), v.safeInteger(message), v.minValue(least, message), v.maxValue(most, message))
}

/** These fields, among others. A field that is not there at all is the object's issue in valibot, not the field's own. */
const fields = <const T extends v.ObjectEntries>(entries: T) =>
  v.object(entries, ({ expected }) => (expected === 'Object' ? mustBe('an object') : 'is missing'))

const someStrings = mustBe('a list of strings, and not empty')

const optionsSchema = fields({
  brokers: v.pipe(v.array(text, someStrings), v.nonEmpty(someStrings)),
  ssl: v.optional(v.union([v.boolean(), object], mustBe('true or false, or an object'))),
  sasl: v.optional(
    fields({
      mechanism: oneOf('plain', 'scram-sha-256', 'scram-sha-512'),
      username: someText,
      password: someText,
    }),
  ),
  name: v.optional(text),
  stateDir: v.optional(someText),
  peers: v.optional(
    fields({
      host: v.optional(text),
      port: v.optional(number),
      advertise: v.optional(text),
      token: v.optional(text),
      maxSnapshotBytesPerSecond: v.optional(number),
    }),
  ),
  logger: v.optional(object),
  signal: v.optional(v.instance(AbortSignal, mustBe('an AbortSignal'))),
  topicPrefix: v.pipe(text, v.maxLength(100, mustBe('a string of 100 characters at most'))),
  commitIntervalMs: wholeNumber(numbers.commitIntervalMs),
  backlogCommitIntervalMs: wholeNumber(numbers.backlogCommitIntervalMs),
  storeIntervalMs: wholeNumber(numbers.storeIntervalMs),
  backlogStoreIntervalMs: wholeNumber(numbers.backlogStoreIntervalMs),
  maxUnstoredBytes: wholeNumber(numbers.maxUnstoredBytes),
  maxHoldMs: wholeNumber(numbers.maxHoldMs),
  memoryBytes: wholeNumber(numbers.memoryBytes),
  bufferBytes: wholeNumber(numbers.bufferBytes),
  onError: oneOf('dead-letter', 'stop'),
  deadLetterState: v.boolean(mustBe('true or false')),
  replicationFactor: v.optional(wholeNumber(numbers.replicationFactor)),
  sessionTimeoutMs: wholeNumber(numbers.sessionTimeoutMs),
  heartbeatIntervalMs: wholeNumber(numbers.heartbeatIntervalMs),
  rebalanceTimeoutMs: wholeNumber(numbers.rebalanceTimeoutMs),
  maxComputationMs: wholeNumber(numbers.maxComputationMs),
  standbys: wholeNumber(numbers.standbys),
  warmLag: wholeNumber(numbers.warmLag),
  handOverTimeoutMs: wholeNumber(numbers.handOverTimeoutMs),
} satisfies Record<keyof WorkerOptions, v.GenericSchema>)

/**
 * Starts one worker of the application. Resolves when it has checked its topics and is joining the group. Rejects with a
 * PotorooError: INVALID_CONFIGURATION, BROKER_UNREACHABLE, AUTHENTICATION_FAILED, TOPIC_MISSING,
 * PARTITION_COUNTS_DIFFER, CHANGELOG_UNFIT, CHANGELOG_LOST, STATE_DIRECTORY_LOCKED, STORE_FAILED.
 */
export async function startWorker(application: Application, options: WorkerOptions): Promise<RunningWorker> {
  const meter = await globalMeter()
  return startMeasuredWorker(application, options, meter === undefined ? [] : [meter])
}

/** As the command line has it. */
export interface ServedWorker extends RunningWorker {
  /** For who asks by name. */
  readonly queries: QueryService | undefined
}

/** The same, and it counts for these meters. */
export async function startMeasuredWorker(
  application: Application,
  options: WorkerOptions,
  meters: readonly Meter[],
): Promise<ServedWorker> {
  const definition = definitionOf(application)
  const runtime = checkOptions(options)
  const logger = unfailing(options.logger ?? jsonLogger(process.stdout))
  await loadPartitioners(topicsOf(definition).map(({ partitioner }) => partitioner))
  const spansOf = await recordingSpans()
  const peers = createPeers({ ...options.peers, logger, clock: systemClock })
  const { name, stateDir, stores } = await openState(definition.name, options, logger)
  const connection = { brokers: options.brokers, ssl: options.ssl, sasl: options.sasl, clientId: name }
  const log = createKafkaLog({ ...connection, logger, clock: systemClock })
  const { group } = namesOf(runtime.topicPrefix, definition.name)
  const { maxComputationMs, sessionTimeoutMs } = runtime
  const watchdog =
    maxComputationMs === 0
      ? undefined
      : startWatchdog({ connection, group, maxComputationMs, sessionTimeoutMs }, logger)
  const measured = {
    application: `${runtime.topicPrefix}${definition.name}`,
    worker: name,
    isReady: (): boolean => worker.readiness.ready,
    figures: (): WorkerFigures => worker.figures(),
  }
  const counting = meters.map((meter) => new WorkerMetrics(meter, measured))
  const observers = spansOf === undefined ? counting : [...counting, spansOf(measured)]
  const worker: Worker = new Worker(
    definition,
    { ...runtime, name },
    { log, stores, peers, clock: systemClock, random: systemRandom, logger, observers, watchdog },
  )
  const { signal } = options
  const stop = (): void => {
    void worker.stop()
  }
  if (signal?.aborted === true) stop()
  signal?.addEventListener('abort', stop)
  const settled = (): void => {
    signal?.removeEventListener('abort', stop)
    for (const observer of counting) observer.close()
  }
  worker.ended.then(settled, settled)
  await worker.start()
  return {
    name,
    stateDir,
    get active() {
      return worker.active
    },
    get readiness() {
      return worker.readiness
    },
    get queries() {
      return worker.queries
    },
    query: <S>(state: unknown) => worker.query<S>(askedDefinition(state)),
    ended: worker.ended,
    stop: () => worker.stop(),
  }
}

/** Where no SDK has set up traces, nothing of theirs is loaded. */
async function recordingSpans(): Promise<((worker: MeasuredWorker) => Observer) | undefined> {
  const tracer = await globalTracer()
  if (tracer === undefined) return undefined
  const { WorkerSpans } = await import('./metrics/worker-spans.js')
  return (worker) => new WorkerSpans(tracer, worker)
}

type Given = { readonly [K in keyof WorkerOptions]: Exclude<WorkerOptions[K], undefined> }

/** Before anything is opened: what has no types comes here, too. */
function checkOptions(options: WorkerOptions): Omit<RuntimeOptions, 'name'> {
  if (typeof options !== 'object' || (options as unknown) === null) throw invalid('the options are no object')
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Given
  const unknown = Object.keys(given).filter((key) => !Object.hasOwn(optionsSchema.entries, key))
  if (unknown.length > 0) throw invalid(`there is no option ${unknown.join(', ')}`)
  const all = { ...defaults, memoryBytes: memoryShare(), ...given }
  // Whatever has no message of its own gets one that tells no value.
  const { issues = [] } = v.safeParse(optionsSchema, all, {
    abortPipeEarly: true,
    message: () => 'is not as it must be',
  })
  const wrong = issues.map((issue) => `${v.getDotPath(issue) ?? 'something'} ${issue.message}`)
  if (wrong.length > 0) throw invalid(wrong.join('; '))
  const { name, stateDir = '', topicPrefix, brokers, logger, heartbeatIntervalMs, sessionTimeoutMs } = all
  brokersOf(brokers.join(), 'brokers')
  checkedTls(options.ssl)
  // These become parts of paths, and of names in Kafka.
  if (name !== undefined && !/^[a-zA-Z0-9._-]{1,100}$/.test(name))
    throw invalid(`name '${name}': 1 to 100 letters, digits, '.', '_' or '-'`)
  if (!/^[a-zA-Z0-9._-]*$/.test(topicPrefix))
    throw invalid(`topicPrefix '${topicPrefix}': letters, digits, '.', '_' or '-'`)
  if (stateDir.includes('\0')) throw invalid('stateDir has a character with code 0')
  for (const method of ['debug', 'info', 'warn', 'error'] as const)
    if (logger !== undefined && typeof (logger as Partial<Logger>)[method] !== 'function')
      throw invalid(`logger has no method ${method}`)
  if (heartbeatIntervalMs * 3 > sessionTimeoutMs)
    throw invalid(
      `heartbeatIntervalMs (${String(heartbeatIntervalMs)}) must be a third of sessionTimeoutMs (${String(sessionTimeoutMs)}) at most`,
    )
  const { memoryBytes } = all
  const bufferBytes =
    options.bufferBytes ?? Math.max(MIN_INPUT_BYTES, Math.min(defaults.bufferBytes, Math.floor(memoryBytes / 4)))
  if (bufferBytes > memoryBytes)
    throw invalid(
      `bufferBytes (${String(bufferBytes)}) is a part of memoryBytes (${String(memoryBytes)}): it can't be more`,
    )
  const runtime = Object.entries(given).filter(([key]) => key in defaults)
  return { ...defaults, ...Object.fromEntries(runtime), memoryBytes, bufferBytes }
}

const invalid = (message: string): PotorooError => new PotorooError('INVALID_CONFIGURATION', message)

interface OpenedState {
  readonly name: string
  readonly stateDir: string
  readonly stores: StateStores
}

/** As its specification has it: a variable that is empty or relative is as good as none. */
function stateHome(): string {
  const { XDG_STATE_HOME: wanted = '' } = process.env
  if (isAbsolute(wanted)) return wanted
  const without = 'no home directory to keep state in: set stateDir (--state-dir), or XDG_STATE_HOME, to a directory'
  let home: string
  try {
    home = homedir()
  } catch (cause) {
    throw new PotorooError('INVALID_CONFIGURATION', `there is ${without}`, { cause })
  }
  if (!isAbsolute(home)) throw invalid(`HOME is '${home}': there is ${without}`)
  return join(home, '.local', 'state')
}

/** Without a name, the first of `<host>-1`, `<host>-2`, … whose directory is free: the same again after a restart. */
async function openState(
  application: string,
  { name, stateDir, topicPrefix = '' }: WorkerOptions,
  logger: Logger,
): Promise<OpenedState> {
  // Asked for only where it is needed: not every user has one.
  const home = (): string => join(stateHome(), 'potoroo', `${topicPrefix}${application}`)
  const open = async (worker: string, directory: string): Promise<OpenedState> => ({
    name: worker,
    stateDir: directory,
    stores: await openStateStores({ directory, logger, worker }),
  })
  if (name !== undefined) return open(name, stateDir ?? join(home(), name))
  const host = hostname()
    .replace(/[^a-zA-Z0-9._-]/g, '-')
    .slice(0, 90)
  if (stateDir !== undefined) return open(`${host}-${String(process.pid)}`, stateDir)
  for (let i = 1; ; i++)
    try {
      const free = `${host}-${String(i)}`
      return await open(free, join(home(), free))
    } catch (error) {
      if (!isPotorooError(error, 'STATE_DIRECTORY_LOCKED') || i >= 1000) throw error
    }
}
