/**
 * Failures inside the Kafka layer, and what they become for the layers above.
 *
 * `LinkError`: a connection broke or was never made; whether the broker carried the request out is unknown.
 * `BrokerError`: the broker answered with an error code.
 */
import { isPotorooError, messageOf, PotorooError } from '../errors.js'
import { errorName, isPassingKind, kindOf, type ErrorKind, type JudgedApi } from './error-table.js'

export { codes, errorName } from './error-table.js'

export class LinkError extends Error {
  override readonly name = 'LinkError'
}

export class BrokerError extends Error {
  override readonly name = 'BrokerError'
  constructor(
    readonly errorCode: number,
    what: string,
    /** What it is the answer to. */
    readonly api?: JudgedApi,
  ) {
    super(`${what}: ${errorName(errorCode)}`)
  }

  get kind(): ErrorKind {
    return kindOf(this.api, this.errorCode)
  }
}

/** Whether the coordinator has to be looked up again. */
export const isCoordinatorMoved = ({ kind }: BrokerError): boolean => kind === 'coordinator'

/** Whether the same request may succeed a moment later. */
export const isPassing = (error: unknown): boolean =>
  error instanceof LinkError || (error instanceof BrokerError && isPassingKind(error.kind))

export const isUnexpected = (error: unknown): error is BrokerError =>
  error instanceof BrokerError && error.kind === 'unexpected'

/** What a failure that is not retried any more is to the layers above. An answer that can't be read counts as a refusal. */
export function toPotorooError(error: unknown, what: string): PotorooError {
  if (isPotorooError(error)) return error
  const isDenied = error instanceof BrokerError && error.kind === 'denied'
  const code = isPassing(error) ? 'REQUEST_FAILED' : isDenied ? 'NOT_AUTHORIZED' : 'REQUEST_REFUSED'
  return new PotorooError(code, `${what}: ${messageOf(error)}`, { cause: error })
}
