/**
 * Every error that Potoroo raises, by its stable code. A message says what was wrong and where; the table says whether
 * a retry can help, what the operator should do, and with which status a worker process exits.
 */

/**
 * Exit statuses of the command line. A supervisor must never restart after `stoppedByOnError`: the worker would stop
 * again.
 */
export const exitCodes = {
  ok: 0,
  /** A failure without a status of its own. */
  failure: 1,
  /** Wrong command line, configuration or application definition. */
  usage: 2,
  /** A topic is missing, or topics do not fit together. */
  topics: 3,
  /** No broker answered at the start, or it refused the credentials. */
  broker: 4,
  /** The state directory is in use, unreadable, or on a full disk. */
  state: 5,
  /** A computation threw while `onError` was `stop`, or an upgrade of a state object failed. */
  stoppedByOnError: 6,
  /** Input was deleted before it was read, or the changelog was lost: an operator must decide. */
  positions: 7,
} as const

interface ErrorKind {
  /** Whether the same call can succeed later although nothing is changed by hand. */
  readonly retriable: boolean
  readonly exitCode: number
  /** What to do about it. */
  readonly cure: string
}

const kind = (exitCode: number, retriable: boolean, cure: string): ErrorKind => ({ exitCode, retriable, cure })
const { failure, usage, topics, broker, state, stoppedByOnError, positions } = exitCodes

export const errorKinds = {
  // definition of an application
  INVALID_DEFINITION: kind(usage, false, 'Correct the definition of the application.'),
  INVALID_CONFIGURATION: kind(usage, false, 'Correct the option or the environment variable that the message names.'),
  DEPENDENCY_MISSING: kind(usage, false, 'Install the package that the message names.'),
  // one record
  NOT_JSON: kind(failure, false, 'The producer must write JSON.'),
  NUMBER_NOT_EXACT: kind(
    failure,
    false,
    "The producer must write whole numbers beyond 2^53, which JavaScript can't represent exactly, as strings. Or declare how to read them: bigIntegers of a JSON topic, longs of a schema registry codec.",
  ),
  NOT_DECODABLE: kind(failure, false, "The producer must write the format of the topic's codec: see docs/formats.md."),
  SCHEMA_UNKNOWN: kind(
    failure,
    false,
    'Register the schema, or check whether the producer and this application use the same registry.',
  ),
  SCHEMA_MISMATCH: kind(failure, false, "The producer must write what the topic's schema requires."),
  KEY_MISSING: kind(failure, false, 'The producer must set the record key.'),
  KEY_MISMATCH: kind(failure, false, 'The producer must set the record key to the key that the topic declares.'),
  KEY_NOT_TEXT: kind(
    failure,
    false,
    "The producer must write keys in UTF-8. Or declare the topic with keyFormat: 'hex', and let its key function return hex text.",
  ),
  KEY_TOO_LONG: kind(failure, false, 'Keys of state objects are at most 1,800 bytes of UTF-8.'),
  WRONG_PARTITION: kind(failure, false, "The producer must use the topic's partitioner."),
  COMPUTATION_FAILED: kind(stoppedByOnError, false, 'Correct the computation or the message.'),
  COMPUTATION_TOO_LONG: kind(
    stoppedByOnError,
    false,
    'Make the computation faster or end its loop, or raise maxComputationMs (--max-computation).',
  ),
  CALL_FAILED: kind(
    stoppedByOnError,
    false,
    'Check the system that is called, then replay the dead letter, which repeats the call: npx potoroo dead-letters <application> replay. Or give the call more attempts, or a failed function.',
  ),
  CALL_TIMED_OUT: kind(
    failure,
    true,
    'Find out why the system that is called is slow, or raise timeoutMs of the call.',
  ),
  OUTPUT_INVALID: kind(stoppedByOnError, false, 'The computation must return what the sink accepts.'),
  STATE_NOT_PACKABLE: kind(stoppedByOnError, false, 'Use only values that can be stored, or provide pack and unpack.'),
  RECORD_TOO_LARGE: kind(
    failure,
    false,
    'Make the record smaller, or raise max.message.bytes of the topic (kafka-configs --bootstrap-server <brokers> --alter).',
  ),
  RECORD_REFUSED: kind(
    failure,
    false,
    'The broker refused the record, for instance because of its timestamp: see the message.',
  ),
  VALUE_NULL: kind(
    failure,
    false,
    "The producer must write a value. Or declare the topic with tombstones: 'message'. A table takes records without a value if it comes straight after its topic.",
  ),
  LATE: kind(
    failure,
    false,
    "Raise the topic's latenessMs if records may come this late, or declare the windows with late: 'drop'. The message's other effects are done.",
  ),
  TOO_MANY_WINDOWS: kind(
    stoppedByOnError,
    false,
    "A key may have 1,000 windows open: check the message's timestamps, and what holds the task's time back (npx potoroo status).",
  ),
  TOO_MANY_OPEN: kind(
    stoppedByOnError,
    false,
    "An interval join keeps at most 100,000 open messages of a key: shorten withinMs, choose keys with fewer messages, or check what holds the task's time back (npx potoroo status).",
  ),
  // broker
  BROKER_UNREACHABLE: kind(
    broker,
    true,
    'Start the broker (npx potoroo broker runs one for development), or correct --brokers or KAFKA_BROKERS.',
  ),
  ADVERTISED_ADDRESS_UNREACHABLE: kind(
    broker,
    true,
    "Set the broker's advertised.listeners to an address that this machine can reach; in a compose file, add a listener for the host.",
  ),
  AUTHENTICATION_FAILED: kind(
    broker,
    false,
    'Correct the credentials: KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD, or the option sasl.',
  ),
  NOT_AUTHORIZED: kind(
    broker,
    false,
    'Grant the user the access that the message names (kafka-acls --bootstrap-server <brokers> --add, with --allow-principal, --operation, and --topic, --group or --transactional-id).',
  ),
  UNSUPPORTED_FORMAT: kind(failure, false, 'Write the topic in record batch format 2 (magic 2).'),
  CORRUPT_BATCH: kind(
    failure,
    true,
    "If it persists, the log is damaged at this point, or can't be read: set the group's offset after it.",
  ),
  REQUEST_FAILED: kind(
    broker,
    true,
    "Nothing, if it passes: the request is retried, or can be. If it persists, see the broker's answer in the message, and its log.",
  ),
  UNEXPECTED_ANSWER: kind(
    failure,
    true,
    "Nothing, if it passes: the task restarts from its last commit, a few times. If it persists, look at the broker's log.",
  ),
  REQUEST_REFUSED: kind(
    failure,
    false,
    "See the broker's answer in the message, and its log, and fix there what it refuses.",
  ),
  FENCED: kind(failure, true, 'Nothing: another worker took over the task.'),
  TRANSACTION_FAILED: kind(
    failure,
    true,
    'Nothing, if it passes: the task restarts from its last commit. If it persists, look at the log of the broker that the message names.',
  ),
  // codecs
  CODEC_NOT_READY: kind(
    failure,
    true,
    'Nothing, if what the codec needs comes back: it is retried. Otherwise see the message.',
  ),
  REGISTRY_UNREACHABLE: kind(
    broker,
    true,
    'Nothing, if it comes back: the worker waits for it. Otherwise correct its url.',
  ),
  REGISTRY_REFUSED: kind(
    broker,
    false,
    "See the registry's answer in the message, and correct url, credentials or schema.",
  ),
  // local broker
  TOOL_MISSING: kind(broker, false, 'Install it, or set KAFKA_BROKERS to a running broker.'),
  JARS_NOT_FETCHED: kind(broker, true, 'Make Maven Central reachable, or set KAFKA_BROKERS to a running broker.'),
  BROKER_NOT_STARTED: kind(broker, false, 'See its log; another port or data directory may help.'),
  // topics
  TOPIC_MISSING: kind(topics, false, 'Create what is missing: npx potoroo topics <application>'),
  PARTITION_COUNTS_DIFFER: kind(
    topics,
    false,
    'Give co-partitioned topics the same number of partitions, or put keyBy() after one of them, which repartitions its messages like the others.',
  ),
  PARTITION_COUNT_CHANGED: kind(
    topics,
    false,
    'Without state: restart the workers. With state: create new topics with the new number of partitions, use a new application name, and copy the data.',
  ),
  TOPOLOGY_INCOMPATIBLE: kind(
    topics,
    false,
    'Give the new one another name. Or start again from the sources, with npx potoroo reset <application> or under another application name.',
  ),
  TOPOLOGY_OUTDATED: kind(
    topics,
    false,
    'Run the newer version of the application, or one that extends it. To go back to the older one for good: npx potoroo roll-back <application>, then restart its workers.',
  ),
  MANIFEST_UNREADABLE: kind(topics, false, 'Run the version of Potoroo that wrote it, or a newer one.'),
  RESET_UNFINISHED: kind(
    topics,
    false,
    'Run it again, and it continues where it stopped: npx potoroo reset <application>',
  ),
  CHANGELOG_UNFIT: kind(
    topics,
    false,
    'The changelog must be compacted only, have as many partitions as its sources, and belong to this application only.',
  ),
  WORKERS_RUNNING: kind(
    failure,
    false,
    'Stop all workers of the application, and try again. To list them: npx potoroo status <application>',
  ),
  TOPIC_CHANGED: kind(topics, false, 'Restart the worker: it then uses the topic as it is now.'),
  BROADCAST_TOO_LARGE: kind(
    topics,
    false,
    'Make it a table, whose keys are spread over the workers: keyBy() to its key, then join(). Or raise maxBytes of the broadcast, and give workers as much more memory.',
  ),
  // positions
  TOPIC_REPLACED: kind(
    positions,
    false,
    "Decide where to continue in the new topic, whose messages are different ones, and set the group's offset there.",
  ),
  OFFSET_OUT_OF_RANGE: kind(positions, false, "Decide where to continue, and set the group's offset there."),
  REPARTITION_LOST: kind(
    positions,
    false,
    "Start again from the sources: npx potoroo reset <application>. Or continue without the messages that were in it, by setting the group's offsets in the new topic.",
  ),
  CHANGELOG_LOST: kind(
    positions,
    false,
    'Restore the changelog. Or give up the state objects, and start again from the sources: npx potoroo reset <application>',
  ),
  // state directory
  STATE_DIRECTORY_LOCKED: kind(state, false, 'Stop the other process, or give this worker another --state-dir.'),
  STORE_DAMAGED: kind(state, true, 'Nothing: the store is set aside and rebuilt from the changelog.'),
  STATE_NEWER: kind(
    topics,
    false,
    'Run the version of the application (and of Potoroo) that wrote it, or a newer one. To go back to the old shape, add an upgrade that produces it.',
  ),
  STATE_UPGRADE_FAILED: kind(
    stoppedByOnError,
    false,
    'Correct the upgrade, then restart: nothing that it did was stored. Reproduce it in a unit test with what the key has stored.',
  ),
  STORE_FAILED: kind(
    state,
    false,
    'Look at the disk of the directory that the message names: df -h shows whether it is full, ls -ld whether it is writable.',
  ),
  // other workers
  PEER_UNREACHABLE: kind(failure, true, 'Nothing: the data comes from Kafka instead.'),
  PEER_REFUSED: kind(failure, false, 'Start all workers of the group with the same POTOROO_PEER_TOKEN.'),
  SNAPSHOT_DAMAGED: kind(failure, true, 'Nothing: the changelog is replayed instead.'),
  // queries
  STATE_UNKNOWN: kind(usage, false, 'Use one of those that the message lists.'),
  QUERY_INVALID: kind(usage, false, 'See docs/queries.md for valid queries.'),
  QUERY_UNANSWERED: kind(
    failure,
    true,
    'Try again: a task may be moving between workers. If it persists: npx potoroo status <application>',
  ),
  // tests with potoroo/testing
  INVALID_TEST: kind(usage, false, 'Correct the test: the message says what is wrong.'),
  // the application's wish
  STOPPED_BY_ON_ERROR: kind(stoppedByOnError, false, 'Correct the computation or the message, then restart.'),
  // the machine
  SYSTEM_REFUSED: kind(
    failure,
    false,
    'The operating system refused that: look at the path, its permissions, and the space on the disk.',
  ),
  INTERNAL: kind(failure, false, 'This is a bug in Potoroo: please report it.'),
} as const satisfies Record<string, ErrorKind>

export type ErrorCode = keyof typeof errorKinds

export const isErrorCode = (value: unknown): value is ErrorCode =>
  typeof value === 'string' && Object.hasOwn(errorKinds, value)

/** The one class of error that Potoroo throws. `code` is stable; messages may change. */
export class PotorooError extends Error {
  override readonly name = 'PotorooError'
  readonly #cure: string | undefined
  constructor(
    readonly code: ErrorCode,
    message: string,
    /** `cure`: what to do here, where more can be said than of the code in general. */
    options?: { readonly cause?: unknown; readonly cure?: string },
  ) {
    super(message, options)
    this.#cure = options?.cure
  }
  get retriable(): boolean {
    return errorKinds[this.code].retriable
  }
  get exitCode(): number {
    return errorKinds[this.code].exitCode
  }
  get cure(): string {
    return this.#cure ?? errorKinds[this.code].cure
  }
}

export const isPotorooError = (error: unknown, code?: ErrorCode): error is PotorooError =>
  error instanceof PotorooError && (code === undefined || error.code === code)

/** The message of anything thrown, which may be anything: what has no text must not fail in turn, where it is being told. */
export function messageOf(error: unknown): string {
  try {
    return String(error instanceof Error ? error.message : error)
  } catch {
    return 'something without a message was thrown'
  }
}
