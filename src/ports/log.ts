/**
 * The log: what the runtime needs of Kafka. The unit is the batch, never the message.
 *
 * Positions are exclusive: the offset of the next record to read. Offsets are numbers (exact below 2^53).
 * Every failure is a PotorooError; its code says what kind it is and whether trying again can help.
 */
import type { Fetched, TopicPartition } from '../core/records/fetched.js'
import type { RecordChunk } from '../core/records/records.js'

export type { Fetched, TopicPartition } from '../core/records/fetched.js'

export interface PartitionPosition extends TopicPartition {
  readonly position: number
  /** What the group keeps beside it (Kafka's metadata of an offset), of some hundred bytes; default: PLAIN_NOTE. */
  readonly note?: string | undefined
}

/** What a group has for a partition. */
export interface CommittedOffset {
  readonly position: number
  /** As it was committed, in full or not (core/commit/offset-note.ts); '' where an operator has set the position, or another program. */
  readonly note: string
}

export interface TopicInfo {
  readonly name: string
  /** Another one for each topic that ever had this name (KIP-516); undefined where the brokers have none. */
  readonly id?: string | undefined
  readonly partitions: number
  /** `max.message.bytes`: the largest batch that the topic takes. */
  readonly maxMessageBytes: number
  /** `cleanup.policy`, sorted: `['compact']`, `['delete']`, … */
  readonly cleanupPolicy: readonly string[]
  /** `delete.retention.ms`: for how long a compacted topic keeps a tombstone. */
  readonly deleteRetentionMs: number
  /** `retention.ms`, where records go by their own timestamps; undefined where age deletes none, or they get the broker's. */
  readonly retentionMs?: number | undefined
}

export interface NewTopic {
  readonly name: string
  readonly partitions: number
  /** Default: the broker's. */
  readonly replicationFactor?: number | undefined
  readonly config?: Readonly<Record<string, string>>
}

/** One partition that is read. The fetcher asks it before each request; it decides by itself what it takes. */
export interface FetchInput extends TopicPartition {
  /** The topic that is meant. Where it is known, another one of that name is not read, but TOPIC_REPLACED. */
  readonly topicId?: string | undefined
  /** The position to read from now, or undefined while nothing is wanted (its buffer is full). */
  wanted(): number | undefined
  /** True while somebody waits for this answer, even an empty one: the request then doesn't linger at the broker. */
  hurried(): boolean
  /** Called for every answer, also an empty one. It may be for a position that is no longer the wanted one: drop it then. */
  deliver(fetched: Fetched): void
  /** OFFSET_OUT_OF_RANGE, UNSUPPORTED_FORMAT, CORRUPT_BATCH, TOPIC_MISSING, TOPIC_REPLACED, NOT_AUTHORIZED, REQUEST_REFUSED; never what the fetcher retries by itself. */
  failed(error: Error): void
}

/** Reads read-committed, in long polls, per broker one request ahead. Connection errors are retried, and said in the log. */
export interface Fetcher {
  add(input: FetchInput): void
  /** After this, the input is not called any more. */
  remove(input: FetchInput): void
  /** An input that wanted nothing wants something again, or is hurried now. */
  wake(): void
  close(): Promise<void>
}

/** Everything that one Kafka transaction writes. */
export interface Transaction {
  /**
   * Chunks of one partition land in the order given. With `topicId`, no other topic of that name is written to, as far as
   * the brokers can tell (Kafka 4).
   */
  readonly records: readonly (TopicPartition & {
    readonly topicId?: string | undefined
    readonly chunks: readonly RecordChunk[]
    /**
     * Where the partition ends, if nobody else writes there: the first record has to land at this offset, and each chunk
     * behind the one before, else nothing is committed (core/commit/landing.ts).
     */
    readonly end?: number | undefined
  })[]
  readonly group: string
  readonly positions: readonly PartitionPosition[]
}

/** One activation of one transactional id. */
export interface TransactionalProducer {
  /**
   * Writes all of it in one transaction. Resolves when it is committed, with the position behind the last record of each
   * partition of `records`, in their order. Rejects with FENCED (another activation of this transactional id exists),
   * RECORD_TOO_LARGE or RECORD_REFUSED (the message names topic and partition, the cause is RecordsRefused), NOT_AUTHORIZED,
   * REQUEST_REFUSED, or one of TRANSACTION_FAILED and UNEXPECTED_ANSWER: then whether it was committed is unknown until
   * `Log.producer` was called again. A LandedElsewhere is a TRANSACTION_FAILED of which nothing was committed. This object is of
   * no further use after any of them.
   * Calls must not overlap.
   */
  commit(transaction: Transaction): Promise<readonly number[]>
  /** Whether no activation of this transactional id was before, as far as the brokers remember. */
  readonly isFirst: boolean
  /** How long the brokers took to answer the end of the last transaction, ms; 0 before there was one. */
  readonly endingMs: number
  /**
   * Lets go, and gives a commit that is under way up. A transaction that may be open is aborted, once nothing of it can arrive
   * any more, so that readers do not wait for its timeout; where that is not certain, it is left to the next activation or the
   * timeout. Resolves when the brokers have answered, after a second at most. Never rejects.
   */
  close(): Promise<void>
}

/** Why a transaction's records were not taken: the cause of RECORD_TOO_LARGE and RECORD_REFUSED. Nothing of it is committed. */
export class RecordsRefused extends Error {
  override readonly name = 'RecordsRefused'
  constructor(
    readonly topic: string,
    readonly partition: number,
    /** What the broker does not take of them. */
    readonly what: 'timestamp' | 'size' | 'content',
    message: string,
    options?: { readonly cause?: unknown },
  ) {
    super(message, options)
  }
}

/** One member's side of a Kafka consumer group (the classic protocol): requests only; when to send them is the runtime's. */
export interface GroupClient {
  /**
   * Joins, or joins again. Resolves when the group is complete. With memberId '' the coordinator gives one, which
   * `onMemberId` is told before the join completes, so that it can be written down.
   * Rejects with GroupError.
   */
  join(request: JoinRequest, onMemberId?: (memberId: string) => void): Promise<Joined>
  /** Of the leader with everybody's assignment, of others with an empty map; resolves with this member's own. */
  sync(member: Membership, assignments: ReadonlyMap<string, Uint8Array>): Promise<Uint8Array>
  heartbeat(member: Membership): Promise<void>
  /** Makes any member leave, also one of an earlier life. A member that is unknown already is no error. */
  leave(memberId: string): Promise<void>
  close(): Promise<void>
}
export interface JoinRequest {
  readonly memberId: string
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  /** The assignor's name. All members must have the same. */
  readonly protocol: string
  /** What the leader's assignor and `describeGroups` get of this member (consumer protocol subscription, encoded). */
  readonly metadata: Uint8Array
}
export interface Membership {
  readonly memberId: string
  readonly generation: number
}
export interface Joined extends Membership {
  readonly leaderId: string
  /** On the leader: every member with its metadata. Elsewhere empty. */
  readonly members: readonly { readonly memberId: string; readonly metadata: Uint8Array }[]
}
export type GroupErrorKind =
  /** Join again, with the same member id. */
  | 'rebalance-in-progress'
  /** This member is unknown to the coordinator: join again, with an empty member id. */
  | 'unknown-member'
  /** Join again: the generation is over. */
  | 'illegal-generation'
  /** The group is used by other software, with other protocols. Trying again does not help. */
  | 'inconsistent-protocol'
  /** No answer, no coordinator, it moved, it is loading: try again after a while. */
  | 'unavailable'
  /** An answer that nobody expects: try again after a while, a bounded number of times. */
  | 'unexpected'
  /** Not authorized, or refused for good. The cause is a PotorooError that says which. */
  | 'refused'
export class GroupError extends Error {
  override readonly name = 'GroupError'
  constructor(
    readonly kind: GroupErrorKind,
    message: string,
    options?: { readonly cause?: unknown },
  ) {
    super(message, options)
  }
}

export interface GroupMember {
  readonly memberId: string
  /** What it said of itself when it joined; empty while the group rebalances. */
  readonly metadata: Uint8Array
  /** What its leader gave it; empty while the group rebalances. */
  readonly assignment: Uint8Array
}

export interface Log {
  /** What a Kafka tool is told to reach the same brokers: host:port, with commas. For messages. */
  readonly bootstrapServers: string
  /** Resolves when a broker answered. Rejects with BROKER_UNREACHABLE (after `connectTimeoutMs` of trying) or AUTHENTICATION_FAILED. */
  connect(): Promise<void>
  /** Topics that don't exist are absent. */
  describeTopics(names: readonly string[]): Promise<ReadonlyMap<string, TopicInfo>>
  /** Topics that exist already are left as they are. Resolves when all have leaders. */
  createTopics(topics: readonly NewTopic[]): Promise<void>
  /**
   * `earliest`: log start. `end`: the high watermark, read-uncommitted. In the order asked. `refresh`: of who leads now by what
   * brokers say, not by what is remembered. A leader that was replaced and has not noticed may answer for a while, unless a
   * later election is known here.
   */
  listOffsets(
    partitions: readonly TopicPartition[],
    which: 'earliest' | 'end',
    options?: { readonly refresh?: boolean },
  ): Promise<readonly number[]>
  /** Committed positions of the group; undefined where there is none. In the order asked. Waits out unstable offsets. */
  committedPositions(group: string, partitions: readonly TopicPartition[]): Promise<readonly (number | undefined)[]>
  /** The same, with what the group keeps beside them. */
  committedOffsets(
    group: string,
    partitions: readonly TopicPartition[],
  ): Promise<readonly (CommittedOffset | undefined)[]>
  /**
   * Where records of that time (ms since the epoch) or a later one begin; behind the last one where there are none. In the
   * order asked.
   */
  offsetsAt(partitions: readonly TopicPartition[], timeMs: number): Promise<readonly number[]>
  /** Resolves when nobody is told of them any more. Topics that don't exist are gone already. */
  deleteTopics(names: readonly string[]): Promise<void>
  /** Who is in a group, in any state of it; nobody where there is no such group. */
  groupMembers(group: string): Promise<readonly GroupMember[]>
  /** Forgets all that the group has committed. Rejects with WORKERS_RUNNING while it has members. */
  deleteGroup(group: string): Promise<void>
  /** Moves the log start up to each position, where it is not there already: what is below can't be read any more. */
  deleteRecords(upTo: readonly PartitionPosition[]): Promise<void>
  fetcher(): Fetcher
  /**
   * InitProducerId: fences every earlier activation of this transactional id and ends its open transaction; resolves when
   * that is done. Retries whatever a retry may fix until `signal` is aborted.
   */
  producer(transactionalId: string, signal?: AbortSignal): Promise<TransactionalProducer>
  group(groupId: string): GroupClient
  close(): Promise<void>
}
