/** How a failed command ends: one line that says what, where and what to do, and an exit code that says which kind. */
import { CommanderError } from 'commander'
import type { Writable } from 'node:stream'
import { exitCodes, isPotorooError, messageOf, PotorooError } from '../errors.js'
import { DEFAULT_BROKERS } from './connection.js'
import { copyable, type Invocation } from './invocation.js'
import { printable } from './printable.js'

const withoutApplication: Invocation = {
  application: undefined,
  brokers: undefined,
  bootstrapServers: DEFAULT_BROKERS,
  topicPrefix: '',
}

/** Writes the line, with the stack below it when debug. Returns the exit code. */
export function reportFailure(
  error: unknown,
  stderr: Writable,
  debug: boolean,
  invocation: Invocation = withoutApplication,
): number {
  // Commander has printed its message (or the help) itself by now.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
  const failure = failureOf(error)
  stderr.write(`${failureLine(failure, invocation)}\n`)
  if (debug) stderr.write(`${stackOf(error)}\n`)
  return failure.exitCode
}

export const failureLine = (failure: PotorooError, invocation: Invocation = withoutApplication): string =>
  printable(`error ${failure.code}: ${sentence(failure.message)} ${copyable(failure.cure, invocation)}`)

/** What the operating system refuses is no defect, wherever that was not expected. */
function failureOf(error: unknown): PotorooError {
  if (isPotorooError(error)) return error
  const code = isOfSystem(error) ? 'SYSTEM_REFUSED' : 'INTERNAL'
  return new PotorooError(code, messageOf(error), { cause: error })
}

const isOfSystem = (error: unknown): boolean =>
  error instanceof Error && 'syscall' in error && typeof error.syscall === 'string'

const sentence = (text: string): string => (/[.!?:]$/.test(text.trimEnd()) ? text.trimEnd() : `${text.trimEnd()}.`)

export function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const own = error.stack ?? error.message
  return error.cause === undefined ? own : `${own}\ncaused by: ${stackOf(error.cause)}`
}
