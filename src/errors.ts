/**
 * Every error that Potoroo raises, by its stable code. A message says what was wrong and where; the table says
 * whether trying again can help, what the operator does about it, and with which status a worker process ends.
 */

/** Exit statuses of the command line. `stoppedByOnError` must never be restarted by a supervisor: it would stop again. */
export const exitCodes = {
  ok: 0,
  /** A failure that no other status names. */
  failure: 1,
  /** Wrong command line, configuration or application definition. */
  usage: 2,
  /** A topic is missing, or topics do not fit together. */
  topics: 3,
  /** No broker answered at the start, or it refused the credentials. */
  broker: 4,
  /** The state directory is in use, unreadable or on a full disk. */
  state: 5,
  /** A computation threw while `onError` was `stop`, or an upgrade of a state object failed. */
  stoppedByOnError: 6,
  /** Input was deleted before it was read, or the changelog was lost: an operator has to decide. */
  positions: 7,
} as const

interface ErrorKind {
  /** Whether the same call can succeed later with nothing changed by hand. */
  readonly retriable: boolean
  readonly exitCode: number
  /** What to do about it. */
  readonly cure: string
}

const kind = (exitCode: number, retriable: boolean, cure: string): ErrorKind => ({ exitCode, retriable, cure })
const { failure, usage, topics, broker, state, stoppedByOnError, positions } = exitCodes

/** A comment says what each one means; docs/errors.md is made of them. */
export const errorKinds = {
  // definition and configuration
  /** The application is defined in a way that the types can't refuse, and that does not work. */
  INVALID_DEFINITION: kind(usage, false, 'Correct the definition of the application.'),
  /** An option or an environment variable has a value that it may not have. */
  INVALID_CONFIGURATION: kind(usage, false, 'Correct the option or the environment variable that the message names.'),
  /** A package that a codec needs, and Potoroo does not bring along, is not installed. */
  DEPENDENCY_MISSING: kind(usage, false, 'Install the package that the message names.'),
  // one message
  /** The value is not JSON. */
  NOT_JSON: kind(failure, false, 'The producer has to write JSON.'),
  /** The value has a whole number beyond 2^53, which JavaScript would read as another one. */
  NUMBER_NOT_EXACT: kind(
    failure,
    false,
    "The producer has to write whole numbers that JavaScript alters (beyond 2^53) as strings; or declare how they are read: bigIntegers of a topic in JSON, longs of a registry's codec.",
  ),
  /** The value is not what the topic's codec reads. */
  NOT_DECODABLE: kind(failure, false, "The producer has to write what the topic's codec reads: see docs/formats.md."),
  /** The schema registry does not have the schema that the value names. */
  SCHEMA_UNKNOWN: kind(
    failure,
    false,
    'Register the schema; or see whether the producer writes with another registry than this application reads with.',
  ),
  /** The topic's schema refuses the value. */
  SCHEMA_MISMATCH: kind(failure, false, "The producer has to write what the topic's schema says."),
  /** The record has no key, and its topic declares one. */
  KEY_MISSING: kind(failure, false, 'The producer has to set the record key.'),
  /** The record has another key than the one that the topic derives from its value. */
  KEY_MISMATCH: kind(failure, false, 'The producer has to set the record key to the key that the topic declares.'),
  /** The key is not UTF-8; the message has its bytes in hex. */
  KEY_NOT_TEXT: kind(
    failure,
    false,
    "The producer has to write keys in UTF-8; or declare the topic with keyFormat: 'hex', and let its key give hex text.",
  ),
  /** The key is longer than that of a state object may be. */
  KEY_TOO_LONG: kind(failure, false, 'Keys of state objects are at most 1,800 bytes of UTF-8.'),
  /** The record lies on another partition than its key belongs on. */
  WRONG_PARTITION: kind(failure, false, "The producer has to use the topic's partitioner."),
  /** The computation, a filter, a map or a key function threw; the message says what. */
  COMPUTATION_FAILED: kind(stoppedByOnError, false, 'Correct the computation or the message.'),
  /** The computation did not end within `maxComputationMs`. */
  COMPUTATION_TOO_LONG: kind(
    stoppedByOnError,
    false,
    'Make the computation faster or end its loop, or raise maxComputationMs (--max-computation).',
  ),
  /** The last attempt of a call has failed. */
  CALL_FAILED: kind(
    stoppedByOnError,
    false,
    'See whether what is called is there, then replay the dead letter, which calls again: npx potoroo dead-letters replay. Or give the call more attempts, or a failed function.',
  ),
  /** An attempt of a call took longer than its `timeoutMs`; it is tried again. */
  CALL_TIMED_OUT: kind(failure, true, 'See why what is called is slow; or raise timeoutMs of the call.'),
  /** The computation returned what can't be written to its sink. */
  OUTPUT_INVALID: kind(stoppedByOnError, false, 'The computation has to return what the sink takes.'),
  /** The computation left in the state object what can't be stored. */
  STATE_NOT_PACKABLE: kind(stoppedByOnError, false, 'Keep to values that can be stored, or bring pack and unpack.'),
  /** An output or the state object is larger than its topic takes. */
  RECORD_TOO_LARGE: kind(
    failure,
    false,
    'Make the record smaller, or raise max.message.bytes of the topic (kafka-configs --bootstrap-server <brokers> --alter).',
  ),
  /** The broker refused an output or a state object. */
  RECORD_REFUSED: kind(failure, false, 'The broker refused the record (its timestamp, say): see the message.'),
  /** The record has no value: it is a tombstone. */
  VALUE_NULL: kind(
    failure,
    false,
    "The producer has to write a value; or declare the topic with tombstones: 'message'. Tables take records without one, right behind their topic.",
  ),
  /** A window of the message has closed; everything else that it was to do is done. */
  LATE: kind(
    failure,
    false,
    "Raise the topic's latenessMs, if records may come so late; or declare the windows with late: 'drop'. Its other effects are done.",
  ),
  /** The key has 1,000 windows open. */
  TOO_MANY_WINDOWS: kind(
    stoppedByOnError,
    false,
    "A key may have 1,000 windows open: see the message's timestamps, and what holds the task's time back (npx potoroo status).",
  ),
  /** The key has 100,000 messages open in an interval join. */
  TOO_MANY_OPEN: kind(
    stoppedByOnError,
    false,
    "An interval join keeps 100,000 open messages of a key at most: shorten withinMs, choose keys that have fewer messages, or see what holds the task's time back (npx potoroo status).",
  ),
  // brokers
  /** None of the brokers answered. */
  BROKER_UNREACHABLE: kind(
    broker,
    true,
    'Start the broker (npx potoroo broker runs one for development), or correct --brokers or KAFKA_BROKERS.',
  ),
  /** A broker answered, and none of the addresses that it advertises can be reached. */
  ADVERTISED_ADDRESS_UNREACHABLE: kind(
    broker,
    true,
    "Set the broker's advertised.listeners to an address that can be reached from here; in a compose file, give it a listener for the host.",
  ),
  /** The broker refused the credentials. */
  AUTHENTICATION_FAILED: kind(
    broker,
    false,
    'Correct the credentials: KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD, or the option sasl.',
  ),
  /** The user may not do what the message names. */
  NOT_AUTHORIZED: kind(
    broker,
    false,
    'Give the user the access that the message names (kafka-acls --bootstrap-server <brokers> --add, with --allow-principal, --operation, and --topic, --group or --transactional-id).',
  ),
  /** A topic has records in a format from before Kafka 0.11. */
  UNSUPPORTED_FORMAT: kind(failure, false, 'Write the topic in record batch format 2 (magic 2).'),
  /** A batch of records is damaged, or becomes more than memory holds when it is decompressed. */
  CORRUPT_BATCH: kind(
    failure,
    true,
    "If it comes again, the log is damaged there, or holds what can't be read: set the group's offset behind it.",
  ),
  /** A request to a broker failed, for now. */
  REQUEST_FAILED: kind(
    broker,
    true,
    "Nothing, if it passes: it is tried again, or can be. If it comes again, the message has the broker's answer, and its log more.",
  ),
  /** A broker answered what nobody expects of that request. */
  UNEXPECTED_ANSWER: kind(
    failure,
    true,
    "Nothing, if it passes: the task starts again from its last commit, a few times. If it comes again, look at the broker's log.",
  ),
  /** A broker refused a request for good. */
  REQUEST_REFUSED: kind(
    failure,
    false,
    "The message has the broker's answer, and its log may say more: what it refuses has to be put right there.",
  ),
  /** Another worker, or another producer under the same transactional id, has begun after this one. */
  FENCED: kind(failure, true, 'Another worker took the task over: nothing to do.'),
  /** A transaction was not committed, or nobody knows whether it was. */
  TRANSACTION_FAILED: kind(
    failure,
    true,
    'Nothing, if it passes: the task starts again from its last commit. If it comes again, look at the log of the broker that the message names.',
  ),
  // codecs and schema registry
  /** What a codec needs at the start is not there. */
  CODEC_NOT_READY: kind(
    failure,
    true,
    'Nothing, if what the codec needs comes back: it is tried again. Else see the message.',
  ),
  /** The schema registry does not answer. */
  REGISTRY_UNREACHABLE: kind(broker, true, 'Nothing, if it comes back: it is waited for. Else correct its url.'),
  /** The schema registry refused a request. */
  REGISTRY_REFUSED: kind(broker, false, "The message has the registry's answer: correct url, credentials or schema."),
  // local broker
  /** A program that the local broker needs is not installed, or too old. */
  TOOL_MISSING: kind(broker, false, 'Install it, or name a running broker with KAFKA_BROKERS.'),
  /** The local broker's jars could not be fetched. */
  JARS_NOT_FETCHED: kind(
    broker,
    true,
    'Maven Central must be within reach; or name a running broker with KAFKA_BROKERS.',
  ),
  /** The local broker did not start. */
  BROKER_NOT_STARTED: kind(broker, false, 'See what its log says; another port or data directory may help.'),
  // topics
  /** A topic is not there. */
  TOPIC_MISSING: kind(topics, false, 'Create what is missing: npx potoroo topics <application>'),
  /** Topics that share state objects have different numbers of partitions. */
  PARTITION_COUNTS_DIFFER: kind(
    topics,
    false,
    'Give co-partitioned topics the same number of partitions, or put keyBy() behind one of them, which sends its messages to where the others have their keys.',
  ),
  /** Partitions were added to a source while workers ran. */
  PARTITION_COUNT_CHANGED: kind(
    topics,
    false,
    'Without state: start again. With state: make new topics with that many partitions, use a new application name, and copy.',
  ),
  /** What the application has in Kafka does not fit what it is now. */
  TOPOLOGY_INCOMPATIBLE: kind(
    topics,
    false,
    'Give what is new another name; or start again from the sources, with npx potoroo reset <application> or under another application name.',
  ),
  /** A newer version of the application has processed this task. */
  TOPOLOGY_OUTDATED: kind(
    topics,
    false,
    'Run the newer version of the application; or one that has what it has, and more. To go back to the older one for good: npx potoroo roll-back <application>, then restart its workers.',
  ),
  /** This version of Potoroo can't read the manifest. */
  MANIFEST_UNREADABLE: kind(topics, false, 'Run the version of Potoroo that wrote it, or a newer one.'),
  /** A reset was killed or failed half way. */
  RESET_UNFINISHED: kind(topics, false, 'Run it again, and it goes on where it was: npx potoroo reset <application>'),
  /** A changelog deletes records, has another number of partitions than its sources, or is not of this application. */
  CHANGELOG_UNFIT: kind(
    topics,
    false,
    'The changelog must be compacted only, have as many partitions as its sources, and be of this application alone.',
  ),
  /** Workers of the application run, and the command needs them stopped. */
  WORKERS_RUNNING: kind(
    failure,
    false,
    'Stop all workers of the application, and try again. Who is there: npx potoroo status <application>',
  ),
  /** A sink, a broadcast or the dead letters was deleted and created again under a running worker. */
  TOPIC_CHANGED: kind(topics, false, 'Start again: the worker then works with the topic as it is now.'),
  /** A broadcast is larger than its `maxBytes`. */
  BROADCAST_TOO_LARGE: kind(
    topics,
    false,
    'Make it a table, whose keys are spread over the workers: keyBy() to its key, then join(). Or raise maxBytes of the broadcast, and give workers that much memory more.',
  ),
  // positions
  /** A source was deleted and created again: positions in the former one mean nothing in it. */
  TOPIC_REPLACED: kind(
    positions,
    false,
    "Decide where to go on in the new topic, and set the group's offset there: its messages are other ones.",
  ),
  /** Records of a source were deleted before they were read. */
  OFFSET_OUT_OF_RANGE: kind(positions, false, "Decide where to go on, and set the group's offset there."),
  /** A repartition topic is gone, or was created again, with the messages that were on their way through it. */
  REPARTITION_LOST: kind(
    positions,
    false,
    "Start again from the sources: npx potoroo reset <application>. Or go on without what was in it, by setting the group's offsets in the new topic.",
  ),
  /** A changelog is gone, was created again, or has lost records. */
  CHANGELOG_LOST: kind(
    positions,
    false,
    'Restore the changelog; or give the state objects up, and start again from the sources: npx potoroo reset <application>',
  ),
  // state directory
  /** Another process uses the state directory. */
  STATE_DIRECTORY_LOCKED: kind(state, false, 'Stop the other process, or give this worker another --state-dir.'),
  /** A store does not fit its changelog, or can't be read. */
  STORE_DAMAGED: kind(state, true, 'Nothing: the store is set aside and rebuilt from the changelog.'),
  /** A state object is stored in a newer version than the application knows. */
  STATE_NEWER: kind(
    topics,
    false,
    'Run the version of the application (and of Potoroo) that wrote it, or a newer one. To go back to the former shape, add an upgrade that makes it.',
  ),
  /** An upgrade of a state object threw, or returned what can't be stored. */
  STATE_UPGRADE_FAILED: kind(
    stoppedByOnError,
    false,
    'Correct the upgrade, then start again: nothing was stored of what it did. A unit test with what the key has stored shows it.',
  ),
  /** The state directory can't be written or read. */
  STORE_FAILED: kind(
    state,
    false,
    'Look at the disk of the directory that the message names: df -h says whether it is full, ls -ld whether it can be written.',
  ),
  // other workers
  /** Another worker does not answer. */
  PEER_UNREACHABLE: kind(failure, true, 'Nothing: what it was asked for comes from Kafka instead.'),
  /** Another worker has another token. */
  PEER_REFUSED: kind(failure, false, 'Start all workers of the group with the same POTOROO_PEER_TOKEN.'),
  /** A copy of another worker's store came incomplete or damaged. */
  SNAPSHOT_DAMAGED: kind(failure, true, 'Nothing: the changelog is replayed instead.'),
  // queries
  /** The application has no state object of that name. */
  STATE_UNKNOWN: kind(usage, false, 'Ask for one of those that the message lists.'),
  /** A query has a key, a range or a limit that makes no sense. */
  QUERY_INVALID: kind(usage, false, 'Ask as docs/queries.md says.'),
  /** No worker answered a query in time. */
  QUERY_UNANSWERED: kind(
    failure,
    true,
    'Ask again: a task may be on its way between workers. Where that goes on: npx potoroo status <application>',
  ),
  // tests with potoroo/testing
  /** A test asks `TestDriver` for what the application does not have. */
  INVALID_TEST: kind(usage, false, 'Correct the test: the message says what it did.'),
  // onError
  /** A message failed, and `onError` is `stop`. */
  STOPPED_BY_ON_ERROR: kind(stoppedByOnError, false, 'Correct the computation or the message, then start again.'),
  // the machine
  /** The operating system refused something: a file, a socket, a process. */
  SYSTEM_REFUSED: kind(
    failure,
    false,
    'The operating system refused that: look at the path, its permissions, and the space on the disk.',
  ),
  /** A worker of the demonstration ended without having been told to. */
  WORKER_ENDED: kind(failure, true, 'See in the last lines of its log what ended it, then start again.'),
  /** Something happened that can't happen. */
  INTERNAL: kind(failure, false, 'This is a defect of Potoroo: please report it.'),
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
    return 'something was thrown that has no text'
  }
}
