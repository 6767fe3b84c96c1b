/**
 * Starting a worker within any Node process: the place where the runtime, Kafka and LMDB are put together. It installs
 * no signal handlers and ends no process; `potoroo run` is this with a command line around it.
 */
import { homedir, hostname } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { pino } from 'pino'
import { definitionOf, type Application } from './api/application.js'
import * as check from './checks.js'
import { loadPartitioners } from './core/partitioner.js'
import { isPotorooError, PotorooError } from './errors.js'
import { brokersOf } from './kafka/environment.js'
import { createKafkaLog } from './kafka/log.js'
import { checkedTls, type BrokerConnection } from './kafka/options.js'
import { openStateStores } from './lmdb/stores.js'
import { createPeers, type PeersOptions } from './peers/peers.js'
import type { Logger } from './ports/logger.js'
import type { StateStores } from './ports/store.js'
import { defaults, MIN_INPUT_BYTES, type RuntimeOptions } from './runtime/options.js'
import { Worker } from './runtime/worker.js'
import { memoryShare, systemClock, systemRandom } from './system.js'

/** What startWorker takes. Only `brokers` has to be given; the defaults of the rest are in docs/configuration.md. */
export interface WorkerOptions extends BrokerConnection, Partial<Omit<RuntimeOptions, 'memoryBytes'>> {
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
  readonly peers?: Pick<PeersOptions, 'host' | 'port' | 'advertise' | 'token' | 'maxSnapshotBytesPerSecond'>
  /** Any pino logger, or any object with debug, info, warn and error. Default: pino, JSON lines on standard output. */
  readonly logger?: Logger
}

export interface RunningWorker {
  readonly name: string
  readonly stateDir: string
  /** Ids of the tasks that this worker is processing now. */
  readonly active: readonly string[]
  /** Resolves when the worker was stopped; rejects with a PotorooError when something else ended it. */
  readonly ended: Promise<void>
  /** Commits, leaves the group, closes. Never rejects. */
  stop(): Promise<void>
}

const optionChecks = {
  brokers: check.someStrings,
  ssl: check.optional(check.either(check.aBoolean, check.anObject)),
  sasl: check.optional(
    check.withFields({
      mechanism: check.oneOf('plain', 'scram-sha-256', 'scram-sha-512'),
      username: check.someText,
      password: check.someText,
    }),
  ),
  name: check.optional(check.aString),
  stateDir: check.optional(check.someText),
  peers: check.optional(
    check.withFields({
      host: check.optional(check.aString),
      port: check.optional(check.aNumber),
      advertise: check.optional(check.aString),
      token: check.optional(check.aString),
      maxSnapshotBytesPerSecond: check.optional(check.aNumber),
    }),
  ),
  logger: check.optional(check.anObject),
  topicPrefix: check.stringUpTo(100),
  commitIntervalMs: check.wholeNumber(1, 10_000),
  backlogCommitIntervalMs: check.wholeNumber(1, 10_000),
  storeIntervalMs: check.wholeNumber(0, 60_000),
  backlogStoreIntervalMs: check.wholeNumber(0, 600_000),
  maxUnstoredBytes: check.wholeNumber(0),
  maxHoldMs: check.wholeNumber(0, 3_600_000),
  memoryBytes: check.wholeNumber(2 * 1024 * 1024),
  bufferBytes: check.wholeNumber(1024 * 1024),
  onError: check.oneOf('dead-letter', 'stop'),
  replicationFactor: check.optional(check.wholeNumber(1, 100)),
  sessionTimeoutMs: check.wholeNumber(1000, 1_800_000),
  heartbeatIntervalMs: check.wholeNumber(10, 60_000),
  rebalanceTimeoutMs: check.wholeNumber(500, 1_800_000),
  standbys: check.wholeNumber(0, 10),
  warmLag: check.wholeNumber(0),
  handOverTimeoutMs: check.wholeNumber(0, 3_600_000),
} as const satisfies Record<keyof WorkerOptions, check.Check>

/**
 * Starts one worker of the application. Resolves when it has checked its topics and is joining the group. Rejects with a
 * PotorooError: INVALID_CONFIGURATION, BROKER_UNREACHABLE, AUTHENTICATION_FAILED, TOPIC_MISSING,
 * PARTITION_COUNTS_DIFFER, CHANGELOG_UNFIT, CHANGELOG_LOST, STATE_DIRECTORY_LOCKED, STORE_FAILED.
 */
export async function startWorker(application: Application, options: WorkerOptions): Promise<RunningWorker> {
  const definition = definitionOf(application)
  const runtime = checkOptions(options)
  const logger = options.logger ?? pino()
  await loadPartitioners(definition.pipelines.flatMap(({ source, sink }) => [source.partitioner, sink?.partitioner]))
  const peers = createPeers({ ...options.peers, logger, clock: systemClock })
  const { name, stateDir, stores } = await openState(definition.name, options, logger)
  const log = createKafkaLog({
    brokers: options.brokers,
    ssl: options.ssl,
    sasl: options.sasl,
    clientId: name,
    logger,
    clock: systemClock,
  })
  const worker = new Worker(
    definition,
    { ...runtime, name },
    { log, stores, peers, clock: systemClock, random: systemRandom, logger },
  )
  await worker.start()
  return {
    name,
    stateDir,
    get active() {
      return worker.active
    },
    ended: worker.ended,
    stop: () => worker.stop(),
  }
}

type Given = { readonly [K in keyof WorkerOptions]: Exclude<WorkerOptions[K], undefined> }

/** Before anything is opened: what has no types comes here, too. */
function checkOptions(options: WorkerOptions): Omit<RuntimeOptions, 'name'> {
  if (typeof options !== 'object' || (options as unknown) === null) throw invalid('the options are no object')
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Given
  const unknown = Object.keys(given).filter((key) => !Object.hasOwn(optionChecks, key))
  if (unknown.length > 0) throw invalid(`there is no option ${unknown.join(', ')}`)
  const all = { ...defaults, memoryBytes: memoryShare(), ...given }
  const wrong = check.wrongFields(optionChecks, all)
  if (wrong !== undefined) throw invalid(wrong)
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
    options.bufferBytes ?? Math.max(MIN_INPUT_BYTES, Math.min(defaults.bufferBytes, Math.floor(memoryBytes / 2)))
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

/** Without a name, the first of `<host>-1`, `<host>-2`, … whose directory is free: the same again after a restart. */
async function openState(
  application: string,
  { name, stateDir, topicPrefix = '' }: WorkerOptions,
  logger: Logger,
): Promise<OpenedState> {
  // As its specification has it: one that is empty or relative is as good as none.
  const { XDG_STATE_HOME: wanted = '' } = process.env
  const stateHome = isAbsolute(wanted) ? wanted : join(homedir(), '.local', 'state')
  const home = join(stateHome, 'potoroo', `${topicPrefix}${application}`)
  const open = async (worker: string, directory: string): Promise<OpenedState> => ({
    name: worker,
    stateDir: directory,
    stores: await openStateStores({ directory, logger, worker }),
  })
  if (name !== undefined) return open(name, stateDir ?? join(home, name))
  const host = hostname()
    .replace(/[^a-zA-Z0-9._-]/g, '-')
    .slice(0, 90)
  if (stateDir !== undefined) return open(`${host}-${String(process.pid)}`, stateDir)
  for (let i = 1; ; i++)
    try {
      const free = `${host}-${String(i)}`
      return await open(free, join(home, free))
    } catch (error) {
      if (!isPotorooError(error, 'STATE_DIRECTORY_LOCKED') || i >= 1000) throw error
    }
}
