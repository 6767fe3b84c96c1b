/** What `potoroo run` does in a worker's own process; src/cli/commands/run.ts says which flags there are. */
import { exitCodes, isPotorooError } from '../errors.js'
import { jsonLogger } from '../output.js'
import type { Readiness } from '../ports/figures.js'
import type { Access } from '../peers/access.js'
import type { Logger } from '../ports/logger.js'
import { startMeasuredWorker, startWorker, type ServedWorker, type WorkerOptions } from '../start-worker.js'
import { aborted } from './aborted.js'
import { loadApplication } from './application.js'
import { connectionOf, peerToken } from './connection.js'
import type { CliContext } from './context.js'
import type { Collecting } from './http/collecting.js'
import { bootstrapServers, withCopyableCures } from './invocation.js'
import type { ConnectionFlags } from './options.js'
import { prettyLogger } from './pretty-logger.js'
import { supervisorGone, reportMistake, reportStarted } from './supervised-process.js'

export interface RunFlags extends ConnectionFlags {
  readonly workers: number
  /** Set by the supervisor: this process is one of its workers. */
  readonly supervised?: boolean
  readonly name?: string
  readonly stateDir?: string
  readonly commitInterval: number
  readonly backlogCommitInterval: number
  readonly topicPrefix: string
  readonly onError: 'dead-letter' | 'stop'
  readonly deadLetterState: boolean
  readonly replicationFactor?: number
  readonly storeInterval: number
  readonly backlogStoreInterval: number
  readonly memory?: number
  readonly maxComputation: number
  readonly logLevel: string
  readonly standbys: number
  readonly peerHost: string
  readonly peerPort: number
  readonly peerAdvertise?: string
  /** Undefined: nothing is served. */
  readonly httpPort?: number
  readonly httpHost: string
}

/** Rejects with what is wrong, unless the supervisor was told. `stop`: to stop, at any time from the start on. */
export async function runWorker(path: string, flags: RunFlags, context: CliContext, stop: AbortSignal): Promise<void> {
  try {
    await run(path, flags, context, stop)
  } catch (error) {
    // All workers of a supervisor have the same command line and application: each would say the same.
    const isMistake = isPotorooError(error) && error.exitCode === exitCodes.usage
    if (!isMistake || flags.supervised !== true || !(await reportMistake(error))) throw error
    context.exitCode(error.exitCode)
  }
}

async function run(path: string, flags: RunFlags, context: CliContext, stop: AbortSignal): Promise<void> {
  const signal = flags.supervised === true ? AbortSignal.any([stop, supervisorGone()]) : stop
  const logger = withCopyableCures(workerLogger(flags, context), {
    ...flags,
    application: path,
    brokers: flags.brokers,
    bootstrapServers: bootstrapServers(context.env, flags.brokers),
  })
  // Before the application is loaded: that may take long, and it may have instruments of its own.
  const access = { host: flags.httpHost, token: peerToken(context.env) }
  const served = flags.httpPort === undefined ? undefined : await serveHealth(flags.httpPort, access, logger)
  try {
    await runApplication(path, flags, context, signal, logger, served)
  } finally {
    await served?.close()
  }
}

interface Served {
  readonly meters: Collecting['meters']
  close(): Promise<void>
  /** Asked for its readiness and its state objects, once it is there. */
  worker: ServedWorker | undefined
}

/** Who does not want it does not wait for the SDK to be loaded. */
async function serveHealth(port: number, access: Access, logger: Logger): Promise<Served> {
  const [{ startCollecting }, { HealthServer }, { StateHttp }] = await Promise.all([
    import('./http/collecting.js'),
    import('./http/health-server.js'),
    import('../peers/state-http.js'),
  ])
  const collecting = await startCollecting()
  const readiness = (): Readiness => served.worker?.readiness ?? { ready: false, reason: 'starting', tasks: [] }
  const { host } = access
  const states = new StateHttp(() => served.worker?.queries, access)
  const server = new HealthServer({ host, port }, { metrics: (format) => collecting.text(format), readiness, states })
  const close = (): Promise<void> => {
    collecting.stop()
    return server.close()
  }
  const served: Served = { meters: collecting.meters, close, worker: undefined }
  logger.info({ url: await server.listen() }, 'metrics and health are served')
  return served
}

async function runApplication(
  path: string,
  flags: RunFlags,
  context: CliContext,
  signal: AbortSignal,
  logger: Logger,
  served: Served | undefined,
): Promise<void> {
  const supervised = flags.supervised === true
  // What a module does while it is loaded may take long.
  const loaded = await Promise.race([loadApplication(path), aborted(signal)])
  if (loaded === undefined) return
  const options: WorkerOptions = {
    ...connectionOf(context.env, flags),
    topicPrefix: flags.topicPrefix,
    commitIntervalMs: flags.commitInterval,
    backlogCommitIntervalMs: flags.backlogCommitInterval,
    onError: flags.onError,
    deadLetterState: flags.deadLetterState,
    replicationFactor: flags.replicationFactor,
    storeIntervalMs: flags.storeInterval,
    backlogStoreIntervalMs: flags.backlogStoreInterval,
    memoryBytes: flags.memory,
    maxComputationMs: flags.maxComputation,
    standbys: flags.standbys,
    peers: {
      host: flags.peerHost,
      port: flags.peerPort,
      advertise: flags.peerAdvertise,
      token: context.env.POTOROO_PEER_TOKEN,
    },
    logger,
    signal,
    ...(flags.name === undefined ? {} : { name: flags.name }),
    ...(flags.stateDir === undefined ? {} : { stateDir: flags.stateDir }),
  }
  const { application } = loaded
  const worker =
    served === undefined
      ? await startWorker(application, options)
      : (served.worker = await startMeasuredWorker(application, options, served.meters))
  if (supervised && !signal.aborted) reportStarted(worker.name)
  await worker.ended
}

function workerLogger({ logLevel, supervised = false }: RunFlags, { stdout }: CliContext): Logger {
  if (stdout.isTTY === true) return prettyLogger(logLevel, supervised)
  // A supervisor that is gone takes no lines any more, nor does a full disk: the worker works on, and comes to its stop.
  stdout.on('error', () => undefined)
  return jsonLogger(stdout, { level: logLevel, base: { pid: process.pid } })
}
