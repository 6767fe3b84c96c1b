/** What `potoroo run` does in a worker's own process; src/cli/commands/run.ts says which flags there are. */
import { exitCodes, isPotorooError } from '../errors.js'
import { jsonLogger } from '../output.js'
import type { Logger } from '../ports/logger.js'
import { startWorker, type WorkerOptions } from '../start-worker.js'
import { loadApplication } from './application.js'
import { connectionOf } from './connection.js'
import type { CliContext } from './context.js'
import { withCopyableCures } from './invocation.js'
import type { ConnectionFlags } from './options.js'
import { prettyLogger } from './pretty-logger.js'
import { supervisorGone, tellMistake, tellStarted } from './supervised-process.js'

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
}

/** Rejects with what is wrong, unless the supervisor was told. `stop`: to stop, at any time from the start on. */
export async function runWorker(path: string, flags: RunFlags, context: CliContext, stop: AbortSignal): Promise<void> {
  try {
    await run(path, flags, context, stop)
  } catch (error) {
    // All workers of a supervisor have the same command line and application: each would say the same.
    const isMistake = isPotorooError(error) && error.exitCode === exitCodes.usage
    if (!isMistake || flags.supervised !== true || !(await tellMistake(error))) throw error
    context.exitCode(error.exitCode)
  }
}

async function run(path: string, flags: RunFlags, context: CliContext, stop: AbortSignal): Promise<void> {
  const supervised = flags.supervised === true
  const signal = supervised ? AbortSignal.any([stop, supervisorGone()]) : stop
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
    logger: withCopyableCures(workerLogger(flags, context), { ...flags, application: path, brokers: flags.brokers }),
    signal,
    ...(flags.name === undefined ? {} : { name: flags.name }),
    ...(flags.stateDir === undefined ? {} : { stateDir: flags.stateDir }),
  }
  const worker = await startWorker(loaded.application, options)
  if (supervised && !signal.aborted) tellStarted(worker.name)
  await worker.ended
}

const aborted = (signal: AbortSignal): Promise<undefined> =>
  new Promise((resolve) => {
    signal.addEventListener('abort', () => {
      resolve(undefined)
    })
    if (signal.aborted) resolve(undefined)
  })

function workerLogger({ logLevel, supervised = false }: RunFlags, { stdout }: CliContext): Logger {
  if (stdout.isTTY === true) return prettyLogger(logLevel, supervised)
  // A supervisor that is gone takes no lines any more, nor does a full disk: the worker works on, and comes to its stop.
  stdout.on('error', () => undefined)
  return jsonLogger(stdout, { level: logLevel, base: { pid: process.pid } })
}
