#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { type CliContext, textLogger } from './context.js'
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

// A reader that went away (`| head`) is no failure of what was written.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})

try {
  const args = process.argv.slice(2)
  await (await createProgram(args, context, versionOf())).parseAsync(args, { from: 'user' })
} catch (error) {
  process.exitCode = reportFailure(error, process.stderr, debug)
}

function versionOf(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  const parsed: unknown = JSON.parse(text)
  return typeof parsed === 'object' && parsed !== null && 'version' in parsed ? String(parsed.version) : 'unknown'
}
