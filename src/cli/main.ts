#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { type CliContext, textLogger } from './context.js'
import { PotorooError } from '../errors.js'
import { drained, endProcess } from './ending.js'
import { reportFailure } from './failure.js'
import { createProgram } from './program.js'

const debug = process.argv.includes('--debug') || (process.env['DEBUG'] ?? '') !== ''

const context: CliContext = {
  env: process.env,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  logger: textLogger(process.stderr, debug),
  stopRequested: () => {
    const controller = new AbortController()
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => {
        controller.abort()
      })
    return controller.signal
  },
  exitCode: (code) => {
    process.exitCode = code
  },
}

// Looked at when the command is done. (Node's standard streams forget their errors by themselves.)
const unwritten: NodeJS.ErrnoException[] = []
process.stdout.on('error', (error: NodeJS.ErrnoException) => unwritten.push(error))
// There is nowhere left to say it.
process.stderr.on('error', () => undefined)

// Nothing is under way any more, and the command has not ended: it awaits what never comes.
process.once('beforeExit', () => {
  const message = 'there is nothing left to wait for, as where the module of an application awaits what never comes'
  process.exitCode = reportFailure(new PotorooError('INVALID_DEFINITION', message), process.stderr, debug)
  void endProcess(process.stdout, process.stderr)
})

try {
  const args = process.argv.slice(2)
  await (await createProgram(args, context, versionOf())).parseAsync(args, { from: 'user' })
} catch (error) {
  process.exitCode = reportFailure(error, process.stderr, debug)
}
await drained(process.stdout)
// A reader that went away (`| head`) is no failure of what was written; a full disk is.
const failure = unwritten.find(({ code }) => code !== 'EPIPE')
if (failure !== undefined && (process.exitCode ?? 0) === 0)
  process.exitCode = reportFailure(failure, process.stderr, debug)
await endProcess(process.stdout, process.stderr)

function versionOf(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  const parsed: unknown = JSON.parse(text)
  return typeof parsed === 'object' && parsed !== null && 'version' in parsed ? String(parsed.version) : 'unknown'
}
