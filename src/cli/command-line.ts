/** The command line in this process: what it has of the world, and how it ends. */
import { readFileSync } from 'node:fs'
import { flushed, LogOutput } from '../output.js'
import { type CliContext, textLogger } from './context.js'
import { reportFailure } from './failure.js'
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
  // A reader that went away (`| head`) is no failure of what was written.
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
  try {
    await (await createProgram(args, context, versionOf())).parseAsync(args, { from: 'user' })
  } catch (error) {
    exitCode = reportFailure(error, stderr, debug)
  }
  // A command's output waits for its reader as long as that takes, unless it is to stop; a worker's log does not.
  await flushed([stdout, stderr], isRun || signals.received ? LAST_WORDS_MS : Infinity)
  return process.exit(exitCode)
}

function versionOf(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  const parsed: unknown = JSON.parse(text)
  return typeof parsed === 'object' && parsed !== null && 'version' in parsed ? String(parsed.version) : 'unknown'
}
