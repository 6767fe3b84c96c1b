/** What may go wrong with a message, or with what is due, and whose fault it is. */
import { isPotorooError, messageOf, PotorooError, type ErrorCode } from '../../errors.js'
import { takeLarger } from '../plan/topic-cures.js'
import type { Destination } from './outbox.js'

/** Thrown in normal mode: take the interval back (`rollBack`), rewind the inputs, and continue in careful mode. */
export class Rollback extends Error {
  override readonly name = 'Rollback'
}

/** Bad input, found before the pipeline has changed anything: dead letters, whatever onError says. */
const badInput: ReadonlySet<ErrorCode> = new Set([
  'KEY_MISSING',
  'KEY_NOT_TEXT',
  'KEY_MISMATCH',
  'KEY_TOO_LONG',
  'WRONG_PARTITION',
])
export const isBadInput = (error: unknown): error is PotorooError => isPotorooError(error) && badInput.has(error.code)

/** Errors that are not of a message, but of the store or of the application as a whole: they stop the worker. */
const notOfTheMessage: ReadonlySet<ErrorCode> = new Set([
  'STORE_FAILED',
  'STORE_DAMAGED',
  'STATE_NEWER',
  'STATE_UPGRADE_FAILED',
  'INTERNAL',
  'INVALID_DEFINITION',
])
export const isNotOfTheMessage = (error: unknown): boolean => isPotorooError(error) && notOfTheMessage.has(error.code)

/** A failure of the application's, as it is told. */
export const asPotorooError = (error: unknown): PotorooError =>
  error instanceof PotorooError ? error : new PotorooError('COMPUTATION_FAILED', messageOf(error), { cause: error })

export const noKey = (): PotorooError => new PotorooError('KEY_MISSING', 'the record has no key')

export const tooLarge = (to: Destination): PotorooError =>
  new PotorooError(
    'RECORD_TOO_LARGE',
    `an output is larger than ${to.topic} takes (max.message.bytes ${String(to.maxMessageBytes)})`,
    { cure: takeLarger(to.topic, to.maxMessageBytes) },
  )
