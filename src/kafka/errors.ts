/**
 * Failures inside the Kafka layer, and what they become for the layers above.
 *
 * `LinkError`: a connection broke or was never made; whether the broker carried the request out is unknown.
 * `BrokerError`: the broker answered with an error code.
 */
import { isPotorooError, messageOf, PotorooError } from '../errors.js'
import { errorCodes } from './kafkajs.js'

export class LinkError extends Error {
  override readonly name = 'LinkError'
}

export class BrokerError extends Error {
  override readonly name = 'BrokerError'
  constructor(
    readonly errorCode: number,
    what: string,
  ) {
    super(`${what}: ${errorName(errorCode)}`)
  }
}

/** Kafka's error codes that this layer tells apart. */
export const codes = {
  UNKNOWN_SERVER_ERROR: -1,
  OFFSET_OUT_OF_RANGE: 1,
  CORRUPT_MESSAGE: 2,
  UNKNOWN_TOPIC_OR_PARTITION: 3,
  LEADER_NOT_AVAILABLE: 5,
  NOT_LEADER_OR_FOLLOWER: 6,
  REQUEST_TIMED_OUT: 7,
  MESSAGE_TOO_LARGE: 10,
  OFFSET_METADATA_TOO_LARGE: 12,
  NETWORK_EXCEPTION: 13,
  COORDINATOR_LOAD_IN_PROGRESS: 14,
  COORDINATOR_NOT_AVAILABLE: 15,
  NOT_COORDINATOR: 16,
  INVALID_TOPIC: 17,
  RECORD_LIST_TOO_LARGE: 18,
  NOT_ENOUGH_REPLICAS: 19,
  ILLEGAL_GENERATION: 22,
  INCONSISTENT_GROUP_PROTOCOL: 23,
  UNKNOWN_MEMBER_ID: 25,
  REBALANCE_IN_PROGRESS: 27,
  TOPIC_AUTHORIZATION_FAILED: 29,
  GROUP_AUTHORIZATION_FAILED: 30,
  CLUSTER_AUTHORIZATION_FAILED: 31,
  UNSUPPORTED_VERSION: 35,
  TOPIC_ALREADY_EXISTS: 36,
  NOT_CONTROLLER: 41,
  INVALID_PRODUCER_EPOCH: 47,
  INVALID_TXN_STATE: 48,
  INVALID_PRODUCER_ID_MAPPING: 49,
  INVALID_TRANSACTION_TIMEOUT: 50,
  CONCURRENT_TRANSACTIONS: 51,
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 53,
  STORAGE_ERROR: 56,
  FENCED_LEADER_EPOCH: 74,
  UNKNOWN_LEADER_EPOCH: 75,
  OFFSET_NOT_AVAILABLE: 78,
  MEMBER_ID_REQUIRED: 79,
  UNSTABLE_OFFSET_COMMIT: 88,
  PRODUCER_FENCED: 90,
  UNKNOWN_TOPIC_ID: 100,
  INCONSISTENT_TOPIC_ID: 103,
  TRANSACTION_ABORTABLE: 120,
} as const

// Codes that are younger than kafkajs.
const youngNames: Readonly<Record<number, string>> = {
  [codes.PRODUCER_FENCED]: 'PRODUCER_FENCED',
  [codes.UNKNOWN_TOPIC_ID]: 'UNKNOWN_TOPIC_ID',
  [codes.INCONSISTENT_TOPIC_ID]: 'INCONSISTENT_TOPIC_ID',
  [codes.TRANSACTION_ABORTABLE]: 'TRANSACTION_ABORTABLE',
}

export function errorName(code: number): string {
  const known = errorCodes.find((entry) => entry.code === code)
  return known ? `${known.type} (${known.message})` : (youngNames[code] ?? `error code ${String(code)}`)
}

const notAuthorized: ReadonlySet<number> = new Set([
  codes.TOPIC_AUTHORIZATION_FAILED,
  codes.GROUP_AUTHORIZATION_FAILED,
  codes.CLUSTER_AUTHORIZATION_FAILED,
  codes.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
])
export const isAuthorizationCode = (code: number): boolean => notAuthorized.has(code)

/** The coordinator has to be looked up anew. */
export const isCoordinatorMoved = (code: number): boolean =>
  code === codes.COORDINATOR_NOT_AVAILABLE || code === codes.NOT_COORDINATOR

const passing: ReadonlySet<number> = new Set([
  codes.UNKNOWN_TOPIC_OR_PARTITION,
  codes.LEADER_NOT_AVAILABLE,
  codes.NOT_LEADER_OR_FOLLOWER,
  codes.REQUEST_TIMED_OUT,
  codes.NETWORK_EXCEPTION,
  codes.COORDINATOR_LOAD_IN_PROGRESS,
  codes.COORDINATOR_NOT_AVAILABLE,
  codes.NOT_COORDINATOR,
  codes.NOT_CONTROLLER,
  codes.CONCURRENT_TRANSACTIONS,
  codes.STORAGE_ERROR,
  codes.FENCED_LEADER_EPOCH,
  codes.UNKNOWN_LEADER_EPOCH,
  codes.OFFSET_NOT_AVAILABLE,
  codes.UNSTABLE_OFFSET_COMMIT,
  codes.UNKNOWN_TOPIC_ID,
  codes.INCONSISTENT_TOPIC_ID,
])
/** Whether the same request may succeed a moment later. */
export const isPassing = (error: unknown): boolean =>
  error instanceof LinkError || (error instanceof BrokerError && passing.has(error.errorCode))

/** What a failure that is not retried any more is to the layers above. */
export function toPotorooError(error: unknown, what: string): PotorooError {
  if (isPotorooError(error)) return error
  if (error instanceof BrokerError && isAuthorizationCode(error.errorCode)) {
    return new PotorooError('NOT_AUTHORIZED', `${what}: ${error.message}`, { cause: error })
  }
  return new PotorooError('REQUEST_FAILED', `${what}: ${messageOf(error)}`, { cause: error })
}
