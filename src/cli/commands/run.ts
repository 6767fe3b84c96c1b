import { join } from 'node:path'
import { type Command, Option } from 'commander'
import { PotorooError } from '../../errors.js'
import { jsonLogger } from '../../output.js'
import { wholeNumberOptions as numbers } from '../../runtime/option-table.js'
import { defaults } from '../../runtime/options.js'
import { moduleFile } from '../application.js'
import type { CliContext } from '../context.js'
import {
  connectionHelp,
  listenHost,
  MAX_PORT,
  numberOption,
  path as pathOption,
  port,
  size,
  wholeNumber,
  withConnection,
  withTopicPrefix,
  workerName,
} from '../options.js'
import type { RunFlags } from '../run-worker.js'
import { workerArguments, workerProcesses } from '../supervised-process.js'
import { Supervisor } from '../supervisor.js'
import { prettyLogger } from '../pretty-logger.js'
import { memoryShare, systemClock } from '../../system.js'

export function registerRun(program: Command, context: CliContext): void {
  const command = program
    .command('run')
    .summary('run workers of an application')
    .description(
      'Runs one worker, in the foreground. Start as many as you like, on as many machines: they share the work.\n' +
        'SIGTERM and SIGINT: it commits, leaves the group and ends with exit code 0.\n\n' +
        'With --workers it runs so many in processes of their own, passes on their log lines, and starts one that died ' +
        'again: after 0.2 s, then twice as long with every death, up to 10 s, until one has lived for 60 s. ' +
        'SIGTERM and SIGINT stop all of them, a second one kills them. When this process is killed, its workers stop.',
    )
    .argument('<application>', 'a JavaScript module whose default export is an application')
    .option('--workers <n>', 'how many; 1 runs in this very process, and nothing restarts it', wholeNumber(1, 100), 1)
    .addOption(new Option('--supervised').hideHelp())
    .option(
      '--name <name>',
      'of the worker (default: <host>-<n>, the first whose state directory is free); of several: <name>-1, <name>-2, ...',
      workerName,
    )
    .option(
      '--state-dir <dir>',
      'where its state stores lie (default: ~/.local/state/potoroo/<application>/<name>); of several: <dir>/1, <dir>/2, ...',
      pathOption,
    )
    .addOption(numberOption(numbers.commitIntervalMs))
    .addOption(numberOption(numbers.backlogCommitIntervalMs))
    .addOption(
      new Option('--on-error <what>', 'when a computation throws')
        .choices(['dead-letter', 'stop'])
        .default(defaults.onError),
    )
    .option(
      '--no-dead-letter-state',
      'keep state objects out of dead letters: those of failed computations carry what their message met, up to 64 KiB',
    )
    .addOption(numberOption(numbers.replicationFactor))
    .option(
      '--memory <size>',
      "for fetched records and state objects, beside what the process itself takes: 512m, 2g (default: a quarter of the machine's, shared by all --workers)",
      size(numbers.memoryBytes.least),
    )
    .addOption(numberOption(numbers.storeIntervalMs))
    .addOption(numberOption(numbers.backlogStoreIntervalMs))
    .addOption(numberOption(numbers.maxComputationMs))
    .addOption(numberOption(numbers.standbys))
    .option('--peer-host <host>', 'where to listen to the other workers', '127.0.0.1')
    .option(
      '--peer-port <port>',
      'the same: 0 takes a free port; several workers take this one and those after it',
      port,
      0,
    )
    .option('--peer-advertise <host>', 'the host under which the others reach this worker (default: --peer-host)')
    .option(
      '--http-port <port>',
      'serve /metrics, /livez and /readyz there: 0 takes a free port; several workers take this one and those after it (default: off)',
      port,
    )
    .option('--http-host <host>', 'where to listen for that; who reaches it needs no password', listenHost, '127.0.0.1')
    .addOption(
      new Option('--log-level <level>', 'the least that is logged')
        .choices(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
        .default('info'),
    )
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
With --workers: a worker that ends with 2, 6 or 7, with 4 or 5 before it has ever run, or whose start fails with 3, is not
started again; the others are stopped, and the exit code is that worker's. After a signal it is the worst of all workers', 1 if they had to
be killed.

Examples:
  potoroo run dist/market-spread/application.js
  potoroo run dist/market-spread/application.js --workers 4
  potoroo run dist/application.js --name w1 --state-dir /var/lib/app/w1 --on-error stop`,
    )
    .action(async (path: string, flags: RunFlags) => {
      const stop = context.stopRequested()
      // A supervisor needs nothing of what a worker is made of, and its workers wait for it.
      if (flags.workers === 1) await (await import('../run-worker.js')).runWorker(path, flags, context, stop)
      else await runWorkers(path, flags, command, context, stop)
    })
}

async function runWorkers(
  path: string,
  flags: RunFlags,
  command: Command,
  context: CliContext,
  stop: AbortSignal,
): Promise<void> {
  moduleFile(path)
  const { name, stateDir, workers } = flags
  const peerPort = portsFrom('--peer-port', flags.peerPort, workers)
  const httpPort = portsFrom('--http-port', flags.httpPort, workers)
  const argumentsOf = (worker: number): string[] =>
    workerArguments(command, [path], {
      name: name === undefined ? undefined : `${name}-${String(worker)}`,
      stateDir: stateDir === undefined ? undefined : join(stateDir, String(worker)),
      peerPort: peerPort(worker),
      httpPort: httpPort(worker),
      memory: String(flags.memory ?? memoryShare(flags.workers)),
    })
  const names = Array.from({ length: flags.workers }, (_, i) => `${name ?? 'worker'}-${String(i + 1)}`)
  let mistake: PotorooError | undefined
  const supervisor = new Supervisor(names, {
    start: workerProcesses(argumentsOf, context, systemClock, (error) => (mistake ??= error)),
    clock: systemClock,
    logger: supervisorLogger(flags, context),
  })
  const onStop = (): void => {
    // Asked for only now, so that the signal that stops is not the one that kills.
    context.stopRequested().addEventListener('abort', () => {
      supervisor.kill()
    })
    supervisor.stop()
  }
  stop.addEventListener('abort', onStop)
  if (stop.aborted) onStop()
  const code = await supervisor.run()
  // What every worker stumbles over is said once, here.
  if (mistake !== undefined) throw mistake
  context.exitCode(code)
}

/** Of each worker, as its own command line has it. Throws INVALID_CONFIGURATION where the last one would have none. */
function portsFrom(flag: string, first: number | undefined, workers: number): (worker: number) => string | undefined {
  if (first === undefined) return () => undefined
  if (first === 0) return () => '0'
  const last = first + workers - 1
  if (last > MAX_PORT)
    throw new PotorooError(
      'INVALID_CONFIGURATION',
      `${flag} ${String(first)} with --workers ${String(workers)} needs ports up to ${String(last)}: it has to be ` +
        `${String(MAX_PORT - workers + 1)} or less`,
    )
  return (worker) => String(first + worker - 1)
}

/** Through the stream that the workers' lines go through, so that lines stay whole. */
function supervisorLogger({ logLevel }: RunFlags, { stdout }: CliContext) {
  if (stdout.isTTY === true) return prettyLogger(logLevel, true)
  return jsonLogger(stdout, { level: logLevel, base: { pid: process.pid } })
}
