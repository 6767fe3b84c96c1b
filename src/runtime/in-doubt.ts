/** Commits of which nobody knows whether they were done. */
import { isPotorooError, PotorooError } from '../errors.js'

/** So many answers in a row that nobody expects are taken for a broker that refuses: with the pauses in between, some seconds. */
export const MAX_UNEXPECTED_ANSWERS = 10

/** The next producer of the transactional id ends what is under way; what can be read then tells whether it was committed. */
export const isInDoubt = (error: unknown): error is PotorooError =>
  isPotorooError(error, 'TRANSACTION_FAILED') || isPotorooError(error, 'UNEXPECTED_ANSWER')

/** What a run of answers that nobody expects ends with. */
export const refusedAtLast = (error: PotorooError, message = error.message): PotorooError =>
  new PotorooError('REQUEST_REFUSED', `${message}; ${String(MAX_UNEXPECTED_ANSWERS)} times in a row`, { cause: error })
