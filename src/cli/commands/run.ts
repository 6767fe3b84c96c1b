import type { Command } from 'commander'
import { pino } from 'pino'
import { exitCodes } from '../../errors.js'
import { defaults } from '../../runtime/options.js'
import { startWorker, type WorkerOptions } from '../../start-worker.js'
import { loadApplication } from '../application.js'
import { connectionOf } from '../connection.js'
import type { CliContext } from '../context.js'
import { connectionHelp, type ConnectionFlags, port, wholeNumber, withConnection, withTopicPrefix } from '../options.js'

interface RunFlags extends ConnectionFlags {
  readonly name?: string
  readonly stateDir?: string
  readonly commitInterval: number
  readonly backlogCommitInterval: number
  readonly topicPrefix: string
  readonly onError: 'dead-letter' | 'stop'
  readonly replicationFactor?: number
  readonly cachedStateObjects: number
  readonly logLevel: string
  readonly standbys: number
  readonly peerHost: string
  readonly peerPort: number
  readonly peerAdvertise?: string
}

export function registerRun(program: Command, context: CliContext): void {
  const command = program
    .command('run')
    .summary('run one worker of an application')
    .description(
      'Runs one worker, in the foreground. Start as many as you like, on as many machines: they share the work.\n' +
        'SIGTERM and SIGINT: it commits, leaves the group and ends with exit code 0.',
    )
    .argument('<application>', 'a JavaScript module whose default export is an application')
    .option('--name <name>', 'of the worker (default: <host>-<n>, the first whose state directory is free)')
    .option('--state-dir <dir>', 'where its state stores lie (default: ~/.local/state/potoroo/<application>/<name>)')
    .option(
      '--commit-interval <ms>',
      'how long changes are gathered before they are committed',
      wholeNumber(1, 10_000),
      defaults.commitIntervalMs,
    )
    .option(
      '--backlog-commit-interval <ms>',
      'the same while there is a backlog to work off',
      wholeNumber(1, 10_000),
      defaults.backlogCommitIntervalMs,
    )
    .option('--on-error <what>', 'when a computation throws: dead-letter or stop', defaults.onError)
    .option('--replication-factor <n>', "of topics that it creates (default: the broker's)", wholeNumber(1, 100))
    .option('--cached-state-objects <n>', 'state objects kept in memory', wholeNumber(1), defaults.cachedStateObjects)
    .option(
      '--standbys <n>',
      'workers that keep a copy of each task beside its owner',
      wholeNumber(0, 10),
      defaults.standbys,
    )
    .option('--peer-host <host>', 'where to listen to the other workers', '127.0.0.1')
    .option('--peer-port <port>', 'the same: 0 takes a free port', port, 0)
    .option('--peer-advertise <host>', 'the host under which the others reach this worker (default: --peer-host)')
    .option('--log-level <level>', 'debug, info, warn or error', 'info')
  withTopicPrefix(withConnection(command))
    .addHelpText(
      'after',
      `${connectionHelp}

Workers copy state from each other, and notice each other's death, over --peer-host: beyond loopback that needs the
same secret in POTOROO_PEER_TOKEN for all of them.

Logs are JSON lines on standard output, or text where that is a terminal.

Exit codes:
  0  stopped by a signal      4  broker unreachable, or refused the credentials
  1  another failure          5  state directory in use, or not writable, or its disk is full
  2  wrong command line       6  stopped by --on-error stop: don't restart it, it would stop again
  3  topics missing or unfit  7  input was deleted before it was read, or the changelog was lost

Examples:
  potoroo run dist/market-spread/application.js
  potoroo run dist/application.js --name w1 --state-dir /var/lib/app/w1 --on-error stop`,
    )
    .action((path: string, flags: RunFlags) => runWorker(path, flags, context))
}

async function runWorker(path: string, flags: RunFlags, context: CliContext): Promise<void> {
  const stop = context.stopRequested()
  const { application } = await loadApplication(path)
  const options: WorkerOptions = {
    ...connectionOf(context.env, flags),
    topicPrefix: flags.topicPrefix,
    commitIntervalMs: flags.commitInterval,
    backlogCommitIntervalMs: flags.backlogCommitInterval,
    onError: flags.onError,
    replicationFactor: flags.replicationFactor,
    cachedStateObjects: flags.cachedStateObjects,
    standbys: flags.standbys,
    peers: {
      host: flags.peerHost,
      port: flags.peerPort,
      advertise: flags.peerAdvertise,
      token: context.env.POTOROO_PEER_TOKEN,
    },
    logger: workerLogger(flags.logLevel, context),
    ...(flags.name === undefined ? {} : { name: flags.name }),
    ...(flags.stateDir === undefined ? {} : { stateDir: flags.stateDir }),
  }
  const worker = await startWorker(application, options)
  const onStop = (): void => {
    void worker.stop()
  }
  stop.addEventListener('abort', onStop)
  if (stop.aborted) onStop()
  await worker.ended
  context.exitCode(exitCodes.ok)
}

/** Written synchronously: what a worker says last is what matters most. */
function workerLogger(level: string, context: CliContext) {
  const options = { level, base: { pid: process.pid } }
  if (context.stdout.isTTY !== true) return pino(options, pino.destination({ dest: 1, sync: true }))
  return pino({ ...options, transport: { target: 'pino-pretty', options: { destination: 1, ignore: 'pid' } } })
}
