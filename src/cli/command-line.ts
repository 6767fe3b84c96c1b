/** The command line in this process: what it has of the world, and how it ends. */
import type { Command } from 'commander'
import { readFileSync } from 'node:fs'
import { PotorooError } from '../errors.js'
import { flushed, LogOutput } from '../output.js'
import { type CliContext, textLogger } from './context.js'
import { drained, endProcess } from './ending.js'
import { reportFailure } from './failure.js'
import { invocationOf } from './invocation.js'
import { createProgram } from './program.js'
import type { StopSignals } from './signals.js'

/** What a process that was told to stop has to say waits so long for a reader. */
const LAST_WORDS_MS = 1000

/** Does not return: when the command is done the process ends, whatever an application has left running. */
export async function commandLine(args: readonly string[], signals: StopSignals, isRun: boolean): Promise<never> {
  const debug = args.includes('--debug') || (process.env['DEBUG'] ?? '') !== ''
  const { env, stdin, stdout, stderr } = process
  const errors = new LogOutput(
    stderr,
    (dropped) => `warning: standard error was not read in time: ${String(dropped)} lines were dropped\n`,
  )
  let exitCode = 0
  // Looked at when the command is done. (Node's standard streams forget their errors by themselves.)
  const unwritten: NodeJS.ErrnoException[] = []
  stdout.on('error', (error: NodeJS.ErrnoException) => unwritten.push(error))
  // There is nowhere left to say it.
  stderr.on('error', () => undefined)
  // Nothing is under way any more, and the command has not ended: it awaits what never comes.
  process.once('beforeExit', () => {
    const message =
      "there is nothing left to do, but the command has not finished: perhaps the application's module awaits something that never comes"
    process.exitCode = reportFailure(new PotorooError('INVALID_DEFINITION', message), stderr, debug)
    void endProcess(stdout, stderr)
  })
  const context: CliContext = {
    env,
    stdin,
    stdout,
    stderr,
    logger: textLogger(errors, debug),
    stopRequested: () => signals.requested(),
    exitCode: (code) => {
      exitCode = code
    },
  }
  let program: Command | undefined
  try {
    program = await createProgram(args, context, versionOf())
    await program.parseAsync(args, { from: 'user' })
  } catch (error) {
    exitCode = reportFailure(error, stderr, debug, program && invocationOf(program, env))
  }
  // A command's output waits for its reader while that takes any of it; a worker's log, and what is to stop, do not.
  if (isRun || signals.received) await flushed([stdout, stderr], LAST_WORDS_MS)
  else await drained(stdout)
  // A reader that went away (`| head`) is no failure of what was written; a full disk is.
  const failure = isRun ? undefined : unwritten.find(({ code }) => code !== 'EPIPE')
  if (failure !== undefined && exitCode === 0) exitCode = reportFailure(failure, stderr, debug)
  process.exitCode = exitCode
  return isRun || signals.received ? process.exit() : endProcess(stdout, stderr)
}

function versionOf(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  const parsed: unknown = JSON.parse(text)
  return typeof parsed === 'object' && parsed !== null && 'version' in parsed ? String(parsed.version) : 'unknown'
}
