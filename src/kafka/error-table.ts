/**
 * Every error code that a Kafka broker may answer, up to Kafka 4.2, and what each request of this layer makes of it. Names
 * and codes are those of Kafka's `Errors.java`; what a code means in an answer to a request was looked up where the broker
 * gives that answer (ReplicaManager and LogValidator for Produce, the coordinators for the rest). Everything here that
 * judges a code does so by this table, and a test walks all of it (test/unit/kafka/error-table.test.ts).
 *
 * A code that stands for nothing a broker should answer to that request, and one that is not in the table at all, is
 * `unexpected`: it is tried again so often, in case something at the broker went wrong, and no more.
 */

/** The requests that are judged. A name is Kafka's. */
export const judgedApis = [
  'Produce',
  'Fetch',
  'ListOffsets',
  'Metadata',
  'OffsetFetch',
  'FindCoordinator',
  'JoinGroup',
  'Heartbeat',
  'LeaveGroup',
  'SyncGroup',
  'CreateTopics',
  'InitProducerId',
  'AddPartitionsToTxn',
  'AddOffsetsToTxn',
  'EndTxn',
  'TxnOffsetCommit',
  'DescribeConfigs',
] as const
export type JudgedApi = (typeof judgedApis)[number]

export type ErrorKind =
  /** Nothing was done; the same request may succeed a moment later. */
  | 'again'
  /** The same, once it was asked again who leads the partition. */
  | 'leader'
  /** The same, once it was asked again who coordinates. */
  | 'coordinator'
  /** Records of the request are at fault: with them it is refused whenever it is sent. */
  | 'record'
  /** Another activation of the transactional id has begun. */
  | 'fenced'
  /** This transaction is over, or what became of it is unknown. The task's next activation may succeed. */
  | 'abort'
  /** The user may not do it. */
  | 'denied'
  /** Refused until somebody changes a configuration, or this code. */
  | 'refused'
  /** No answer to this request, as far as is known: tried again so often, and then refused. */
  | 'unexpected'
  /** The request's own: whoever sends it knows what it says. */
  | 'special'

/** How often in a row an unexpected answer is taken before it counts as a refusal. */
export const MAX_UNEXPECTED_ANSWERS = 20

type Exceptions = Partial<Record<JudgedApi, ErrorKind>>
interface Row {
  readonly code: number
  readonly kind: ErrorKind
  /** Requests that take it as another kind. */
  readonly but: Exceptions
}
const row = (code: number, kind: ErrorKind, but: Exceptions = {}): Row => ({ code, kind, but })

const ofAll = (apis: readonly JudgedApi[], kind: ErrorKind): Exceptions =>
  Object.fromEntries(apis.map((api) => [api, kind]))
const group = (kind: ErrorKind): Exceptions => ofAll(['JoinGroup', 'SyncGroup', 'Heartbeat', 'LeaveGroup'], kind)
/** The requests of one. */
const transaction = (kind: ErrorKind): Exceptions =>
  ofAll(['Produce', 'AddPartitionsToTxn', 'AddOffsetsToTxn', 'TxnOffsetCommit', 'EndTxn'], kind)

/**
 * Not obvious:
 * - Produce is sent again as it was after NOT_ENOUGH_REPLICAS and CONCURRENT_TRANSACTIONS alone, for with these nothing was
 *   appended. After REQUEST_TIMED_OUT or NETWORK_EXCEPTION it may have been.
 * - CORRUPT_MESSAGE to a Produce says that the batch's checksum is wrong. Records that a topic does not take are
 *   INVALID_RECORD, INVALID_TIMESTAMP, or what a gateway in front of the brokers makes of its rules, POLICY_VIOLATION.
 * - INVALID_TXN_STATE is fencing in transactions of version 2: see `isFencing`.
 * - UNKNOWN_SERVER_ERROR is also what a group whose metadata has become too large for its topic is answered.
 */
const table = {
  UNKNOWN_SERVER_ERROR: row(-1, 'unexpected'),
  OFFSET_OUT_OF_RANGE: row(1, 'unexpected', { Fetch: 'special' }),
  CORRUPT_MESSAGE: row(2, 'unexpected', { Fetch: 'special' }),
  UNKNOWN_TOPIC_OR_PARTITION: row(3, 'leader'),
  INVALID_FETCH_SIZE: row(4, 'refused'),
  LEADER_NOT_AVAILABLE: row(5, 'leader'),
  NOT_LEADER_OR_FOLLOWER: row(6, 'leader'),
  REQUEST_TIMED_OUT: row(7, 'again', { Produce: 'abort' }),
  BROKER_NOT_AVAILABLE: row(8, 'again', { Produce: 'abort' }),
  REPLICA_NOT_AVAILABLE: row(9, 'leader'),
  MESSAGE_TOO_LARGE: row(10, 'unexpected', { Produce: 'record' }),
  STALE_CONTROLLER_EPOCH: row(11, 'unexpected'),
  OFFSET_METADATA_TOO_LARGE: row(12, 'refused'),
  NETWORK_EXCEPTION: row(13, 'leader'),
  COORDINATOR_LOAD_IN_PROGRESS: row(14, 'again', { Produce: 'abort' }),
  COORDINATOR_NOT_AVAILABLE: row(15, 'coordinator'),
  NOT_COORDINATOR: row(16, 'coordinator'),
  INVALID_TOPIC_EXCEPTION: row(17, 'refused'),
  RECORD_LIST_TOO_LARGE: row(18, 'unexpected', { Produce: 'record' }),
  NOT_ENOUGH_REPLICAS: row(19, 'again'),
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: row(20, 'unexpected', { Produce: 'abort' }),
  INVALID_REQUIRED_ACKS: row(21, 'refused'),
  ILLEGAL_GENERATION: row(22, 'unexpected', group('special')),
  INCONSISTENT_GROUP_PROTOCOL: row(23, 'unexpected', group('special')),
  INVALID_GROUP_ID: row(24, 'refused'),
  UNKNOWN_MEMBER_ID: row(25, 'unexpected', { ...group('special'), TxnOffsetCommit: 'special' }),
  INVALID_SESSION_TIMEOUT: row(26, 'refused', { JoinGroup: 'special' }),
  REBALANCE_IN_PROGRESS: row(27, 'unexpected', group('special')),
  INVALID_COMMIT_OFFSET_SIZE: row(28, 'refused'),
  TOPIC_AUTHORIZATION_FAILED: row(29, 'denied'),
  GROUP_AUTHORIZATION_FAILED: row(30, 'denied'),
  CLUSTER_AUTHORIZATION_FAILED: row(31, 'denied'),
  INVALID_TIMESTAMP: row(32, 'unexpected', { Produce: 'record' }),
  UNSUPPORTED_SASL_MECHANISM: row(33, 'refused'),
  ILLEGAL_SASL_STATE: row(34, 'refused'),
  UNSUPPORTED_VERSION: row(35, 'unexpected', transaction('abort')),
  TOPIC_ALREADY_EXISTS: row(36, 'unexpected', { CreateTopics: 'special' }),
  INVALID_PARTITIONS: row(37, 'refused'),
  INVALID_REPLICATION_FACTOR: row(38, 'refused'),
  INVALID_REPLICA_ASSIGNMENT: row(39, 'refused'),
  INVALID_CONFIG: row(40, 'refused'),
  NOT_CONTROLLER: row(41, 'leader'),
  INVALID_REQUEST: row(42, 'refused'),
  UNSUPPORTED_FOR_MESSAGE_FORMAT: row(43, 'refused'),
  POLICY_VIOLATION: row(44, 'refused', { Produce: 'record' }),
  OUT_OF_ORDER_SEQUENCE_NUMBER: row(45, 'unexpected'),
  DUPLICATE_SEQUENCE_NUMBER: row(46, 'unexpected'),
  INVALID_PRODUCER_EPOCH: row(47, 'unexpected', { ...transaction('fenced'), InitProducerId: 'fenced' }),
  INVALID_TXN_STATE: row(48, 'unexpected'),
  INVALID_PRODUCER_ID_MAPPING: row(49, 'unexpected', { ...transaction('fenced'), InitProducerId: 'fenced' }),
  INVALID_TRANSACTION_TIMEOUT: row(50, 'unexpected', { InitProducerId: 'special' }),
  CONCURRENT_TRANSACTIONS: row(51, 'again'),
  TRANSACTION_COORDINATOR_FENCED: row(52, 'unexpected'),
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: row(53, 'denied'),
  SECURITY_DISABLED: row(54, 'refused'),
  OPERATION_NOT_ATTEMPTED: row(55, 'unexpected'),
  KAFKA_STORAGE_ERROR: row(56, 'leader'),
  LOG_DIR_NOT_FOUND: row(57, 'unexpected'),
  SASL_AUTHENTICATION_FAILED: row(58, 'refused'),
  UNKNOWN_PRODUCER_ID: row(59, 'unexpected'),
  REASSIGNMENT_IN_PROGRESS: row(60, 'unexpected'),
  DELEGATION_TOKEN_AUTH_DISABLED: row(61, 'unexpected'),
  DELEGATION_TOKEN_NOT_FOUND: row(62, 'unexpected'),
  DELEGATION_TOKEN_OWNER_MISMATCH: row(63, 'unexpected'),
  DELEGATION_TOKEN_REQUEST_NOT_ALLOWED: row(64, 'unexpected'),
  DELEGATION_TOKEN_AUTHORIZATION_FAILED: row(65, 'denied'),
  DELEGATION_TOKEN_EXPIRED: row(66, 'unexpected'),
  INVALID_PRINCIPAL_TYPE: row(67, 'unexpected'),
  NON_EMPTY_GROUP: row(68, 'unexpected'),
  GROUP_ID_NOT_FOUND: row(69, 'unexpected', { TxnOffsetCommit: 'refused' }),
  FETCH_SESSION_ID_NOT_FOUND: row(70, 'again', { Produce: 'unexpected' }),
  INVALID_FETCH_SESSION_EPOCH: row(71, 'again', { Produce: 'unexpected' }),
  LISTENER_NOT_FOUND: row(72, 'leader'),
  TOPIC_DELETION_DISABLED: row(73, 'unexpected'),
  FENCED_LEADER_EPOCH: row(74, 'leader'),
  UNKNOWN_LEADER_EPOCH: row(75, 'leader'),
  UNSUPPORTED_COMPRESSION_TYPE: row(76, 'refused'),
  STALE_BROKER_EPOCH: row(77, 'unexpected'),
  OFFSET_NOT_AVAILABLE: row(78, 'again', { Produce: 'unexpected' }),
  MEMBER_ID_REQUIRED: row(79, 'unexpected', { JoinGroup: 'special' }),
  PREFERRED_LEADER_NOT_AVAILABLE: row(80, 'unexpected'),
  GROUP_MAX_SIZE_REACHED: row(81, 'refused'),
  FENCED_INSTANCE_ID: row(82, 'unexpected'),
  ELIGIBLE_LEADERS_NOT_AVAILABLE: row(83, 'leader'),
  ELECTION_NOT_NEEDED: row(84, 'unexpected'),
  NO_REASSIGNMENT_IN_PROGRESS: row(85, 'unexpected'),
  GROUP_SUBSCRIBED_TO_TOPIC: row(86, 'unexpected'),
  INVALID_RECORD: row(87, 'unexpected', { Produce: 'record' }),
  UNSTABLE_OFFSET_COMMIT: row(88, 'again', { Produce: 'unexpected' }),
  THROTTLING_QUOTA_EXCEEDED: row(89, 'again', { Produce: 'unexpected' }),
  PRODUCER_FENCED: row(90, 'unexpected', { ...transaction('fenced'), InitProducerId: 'fenced' }),
  RESOURCE_NOT_FOUND: row(91, 'unexpected'),
  DUPLICATE_RESOURCE: row(92, 'unexpected'),
  UNACCEPTABLE_CREDENTIAL: row(93, 'unexpected'),
  INCONSISTENT_VOTER_SET: row(94, 'unexpected'),
  INVALID_UPDATE_VERSION: row(95, 'unexpected'),
  FEATURE_UPDATE_FAILED: row(96, 'unexpected'),
  PRINCIPAL_DESERIALIZATION_FAILURE: row(97, 'unexpected'),
  SNAPSHOT_NOT_FOUND: row(98, 'unexpected'),
  POSITION_OUT_OF_RANGE: row(99, 'unexpected'),
  UNKNOWN_TOPIC_ID: row(100, 'leader'),
  DUPLICATE_BROKER_REGISTRATION: row(101, 'unexpected'),
  BROKER_ID_NOT_REGISTERED: row(102, 'unexpected'),
  INCONSISTENT_TOPIC_ID: row(103, 'leader'),
  INCONSISTENT_CLUSTER_ID: row(104, 'unexpected'),
  TRANSACTIONAL_ID_NOT_FOUND: row(105, 'unexpected'),
  FETCH_SESSION_TOPIC_ID_ERROR: row(106, 'again', { Produce: 'unexpected' }),
  INELIGIBLE_REPLICA: row(107, 'unexpected'),
  NEW_LEADER_ELECTED: row(108, 'unexpected'),
  OFFSET_MOVED_TO_TIERED_STORAGE: row(109, 'unexpected'),
  FENCED_MEMBER_EPOCH: row(110, 'unexpected'),
  UNRELEASED_INSTANCE_ID: row(111, 'unexpected'),
  UNSUPPORTED_ASSIGNOR: row(112, 'unexpected'),
  STALE_MEMBER_EPOCH: row(113, 'unexpected'),
  MISMATCHED_ENDPOINT_TYPE: row(114, 'unexpected'),
  UNSUPPORTED_ENDPOINT_TYPE: row(115, 'unexpected'),
  UNKNOWN_CONTROLLER_ID: row(116, 'unexpected'),
  UNKNOWN_SUBSCRIPTION_ID: row(117, 'unexpected'),
  TELEMETRY_TOO_LARGE: row(118, 'unexpected'),
  INVALID_REGISTRATION: row(119, 'unexpected'),
  TRANSACTION_ABORTABLE: row(120, 'unexpected', transaction('abort')),
  INVALID_RECORD_STATE: row(121, 'unexpected'),
  SHARE_SESSION_NOT_FOUND: row(122, 'unexpected'),
  INVALID_SHARE_SESSION_EPOCH: row(123, 'unexpected'),
  FENCED_STATE_EPOCH: row(124, 'unexpected'),
  INVALID_VOTER_KEY: row(125, 'unexpected'),
  DUPLICATE_VOTER: row(126, 'unexpected'),
  VOTER_NOT_FOUND: row(127, 'unexpected'),
  INVALID_REGULAR_EXPRESSION: row(128, 'unexpected'),
  REBOOTSTRAP_REQUIRED: row(129, 'unexpected'),
  STREAMS_INVALID_TOPOLOGY: row(130, 'unexpected'),
  STREAMS_INVALID_TOPOLOGY_EPOCH: row(131, 'unexpected'),
  STREAMS_TOPOLOGY_FENCED: row(132, 'unexpected'),
  SHARE_SESSION_LIMIT_REACHED: row(133, 'unexpected'),
} as const satisfies Record<string, Row>

export type ErrorName = keyof typeof table

/** The codes by their names. */
export const codes = Object.fromEntries(Object.entries(table).map(([name, { code }]) => [name, code])) as {
  readonly [Name in ErrorName]: number
}

interface Entry extends Row {
  readonly name: string
}
const byCode: ReadonlyMap<number, Entry> = new Map(
  Object.entries(table).map(([name, entry]): [number, Entry] => [entry.code, { name, ...entry }]),
)

/** Kafka's name; a code that is younger than the table is named by its number. */
export const errorName = (code: number): string => byCode.get(code)?.name ?? `error code ${String(code)}`

/** What the code is to whoever sent that request; without a request, what it is to most. */
export function kindOf(api: JudgedApi | undefined, code: number): ErrorKind {
  const entry = byCode.get(code)
  if (entry === undefined) return 'unexpected'
  return (api === undefined ? undefined : entry.but[api]) ?? entry.kind
}

/** EndTxn of version 2, for one, answers INVALID_TXN_STATE where another activation, or the timeout, has just aborted. */
export const isFencing = (api: JudgedApi | undefined, code: number, version: 1 | 2): boolean =>
  kindOf(api, code) === 'fenced' || (version === 2 && code === codes.INVALID_TXN_STATE)

const passing: ReadonlySet<ErrorKind> = new Set<ErrorKind>(['again', 'leader', 'coordinator'])
/** Whether the request may succeed a moment later. */
export const isPassingKind = (kind: ErrorKind): boolean => passing.has(kind)
