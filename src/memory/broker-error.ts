/** What a simulated broker answers instead of a result, under Kafka's own names. */
export type BrokerErrorCode =
  /** The connection ended: whether the request was worked off is unknown. */
  | 'CONNECTION_LOST'
  /** Try again: the broker is loading, moving, or waits for its replicas. Nothing was done. */
  | 'COORDINATOR_LOAD_IN_PROGRESS'
  | 'NOT_ENOUGH_REPLICAS'
  | 'NOT_LEADER_OR_FOLLOWER'
  | 'NOT_COORDINATOR'
  | 'FENCED_LEADER_EPOCH'
  | 'UNKNOWN_LEADER_EPOCH'
  | 'OFFSET_NOT_AVAILABLE'
  | 'CONCURRENT_TRANSACTIONS'
  | 'INVALID_PRODUCER_EPOCH'
  | 'INVALID_PRODUCER_ID_MAPPING'
  | 'INVALID_TXN_STATE'
  | 'OUT_OF_ORDER_SEQUENCE_NUMBER'
  | 'MESSAGE_TOO_LARGE'
  | 'INVALID_TIMESTAMP'
  | 'INVALID_RECORD'
  | 'UNKNOWN_TOPIC_OR_PARTITION'
  | 'UNKNOWN_TOPIC_ID'
  | 'OFFSET_OUT_OF_RANGE'
  | 'UNSTABLE_OFFSET_COMMIT'
  | 'MEMBER_ID_REQUIRED'
  | 'UNKNOWN_MEMBER_ID'
  | 'ILLEGAL_GENERATION'
  | 'REBALANCE_IN_PROGRESS'
  | 'INCONSISTENT_GROUP_PROTOCOL'
  | 'NON_EMPTY_GROUP'

export class BrokerError extends Error {
  override readonly name = 'BrokerError'
  constructor(
    readonly code: BrokerErrorCode,
    detail = '',
  ) {
    super(detail === '' ? code : `${code}: ${detail}`)
  }
}

export const isBrokerError = (error: unknown, ...codes: readonly BrokerErrorCode[]): error is BrokerError =>
  error instanceof BrokerError && (codes.length === 0 || codes.includes(error.code))
