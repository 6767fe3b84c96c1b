/** What a command has of the world, so that tests can give it another one. */
import type { Readable, Writable } from 'node:stream'
import type { LogOutput } from '../output.js'
import type { Logger } from '../ports/logger.js'
import { printable } from './printable.js'

export type Environment = Readonly<Record<string, string | undefined>>

export interface CliContext {
  readonly env: Environment
  readonly stdin: Readable
  readonly stdout: Writable & { readonly isTTY?: boolean; hasColors?(env: object): boolean }
  readonly stderr: Writable & { readonly isTTY?: boolean }
  /** For what goes on below: warnings and errors as lines on stderr, more of it with --debug. */
  readonly logger: Logger
  /** Aborted by the first SIGINT or SIGTERM after it was asked for; the second one ends the process at once. */
  stopRequested(): AbortSignal
  /** The exit code of a command that ended without an error but not well. */
  exitCode(code: number): void
}

/** Log lines as text, for commands that a person looks at. */
export function textLogger(stderr: Pick<LogOutput, 'write'>, debug: boolean): Logger {
  const line =
    (level: string) =>
    (fields: object, message: string): void => {
      const rest = Object.keys(fields).length === 0 ? '' : ` ${JSON.stringify(fields, errorsAsText)}`
      stderr.write(printable(`${level}: ${message}${rest}\n`))
    }
  const silent = (): void => undefined
  return {
    debug: debug ? line('debug') : silent,
    info: debug ? line('info') : silent,
    warn: line('warning'),
    error: line('error'),
  }
}

const errorsAsText = (_key: string, value: unknown): unknown => (value instanceof Error ? value.message : value)
