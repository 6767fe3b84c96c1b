/**
 * The log: what the runtime needs of Kafka. The unit is the batch, never the message.
 *
 * Positions are exclusive: the offset of the next record to read. Offsets are numbers (exact below 2^53). Every failure
 * is a PotorooError; its code says which kind it is, and whether a retry can help.
 */
import type { Fetched, TopicPartition } from '../core/records/fetched.js'
import type { RecordChunk } from '../core/records/records.js'

export type { Fetched, TopicPartition } from '../core/records/fetched.js'

export interface PartitionPosition extends TopicPartition {
  readonly position: number
  /** What the group stores with it (Kafka's metadata of an offset), some hundred bytes; default: PLAIN_NOTE. */
  readonly note?: string | undefined
}

/** What a group has committed for a partition. */
export interface CommittedOffset {
  readonly position: number
  /**
   * As it was committed, complete or not (core/commit/offset-note.ts); '' if an operator or another program has set the
   * position.
   */
  readonly note: string
}

export interface TopicInfo {
  readonly name: string
  /** Unique for each topic that ever had this name (KIP-516); undefined if the brokers have no ids. */
  readonly id?: string | undefined
  readonly partitions: number
  /** `max.message.bytes`: the largest batch that the topic accepts. */
  readonly maxMessageBytes: number
  /** `cleanup.policy`, sorted: `['compact']`, `['delete']`, … */
  readonly cleanupPolicy: readonly string[]
  /** `delete.retention.ms`: how long a compacted topic keeps a tombstone. */
  readonly deleteRetentionMs: number
  /**
   * `retention.ms`, if records go by their own timestamps; undefined if they don't expire by age, or get the broker's
   * time.
   */
  readonly retentionMs?: number | undefined
}

export interface NewTopic {
  readonly name: string
  readonly partitions: number
  /** Default: the broker's. */
  readonly replicationFactor?: number | undefined
  readonly config?: Readonly<Record<string, string>>
}

/** One partition that is read. The fetcher asks it before each request; the input decides what it takes. */
export interface FetchInput extends TopicPartition {
  /** The topic that is meant. If known, another topic of that name is not read, and fails with TOPIC_REPLACED. */
  readonly topicId?: string | undefined
  /** The position to read from now, or undefined while nothing is wanted (its buffer is full). */
  wanted(): number | undefined
  /** True while something waits for this answer, even an empty one: the request then doesn't linger at the broker. */
  hurried(): boolean
  /** Called for every answer, even an empty one. It may be for a position that is no longer wanted: drop it then. */
  deliver(fetched: Fetched): void
  /**
   * OFFSET_OUT_OF_RANGE, UNSUPPORTED_FORMAT, CORRUPT_BATCH, TOPIC_MISSING, TOPIC_REPLACED, NOT_AUTHORIZED,
   * REQUEST_REFUSED; never what the fetcher itself retries.
   */
  failed(error: Error): void
}

/** Reads read-committed, in long polls, one request ahead per broker. Connection errors are retried, and logged. */
export interface Fetcher {
  add(input: FetchInput): void
  /** After this, the input is no longer called. */
  remove(input: FetchInput): void
  /** An input that wanted nothing wants something again, or is in a hurry now. */
  wake(): void
  close(): Promise<void>
}

/** Everything that one Kafka transaction writes. */
export interface Transaction {
  /**
   * Chunks of one partition land in the given order. With `topicId`, no other topic of that name is written to, as far
   * as the brokers can tell (Kafka 4).
   */
  readonly records: readonly (TopicPartition & {
    readonly topicId?: string | undefined
    readonly chunks: readonly RecordChunk[]
    /**
     * Where the partition ends if no one else writes there: the first record must land at this offset, and each chunk
     * after the one before, otherwise nothing is committed (core/commit/landing.ts).
     */
    readonly end?: number | undefined
  })[]
  readonly group: string
  readonly positions: readonly PartitionPosition[]
}

/** One activation of one transactional id. */
export interface TransactionalProducer {
  /**
   * Writes all of it in one transaction. Resolves when it is committed, with the position after the last record of each
   * partition of `records`, in order. Rejects with FENCED (another activation of this transactional id exists),
   * RECORD_TOO_LARGE or RECORD_REFUSED (the message names topic and partition, the cause is RecordsRefused),
   * NOT_AUTHORIZED, REQUEST_REFUSED, or one of TRANSACTION_FAILED and UNEXPECTED_ANSWER: then it is unknown whether it
   * was committed until `Log.producer` was called again. A LandedElsewhere is a TRANSACTION_FAILED of which nothing was
   * committed. This object can't be used after any of them. Calls must not overlap.
   */
  commit(transaction: Transaction): Promise<readonly number[]>
  /** Whether this transactional id had no earlier activation, as far as the brokers remember. */
  readonly isFirst: boolean
  /** How long the brokers took to answer the end of the last transaction, ms; 0 before there was one. */
  readonly endingMs: number
  /**
   * Closes it, and gives up a commit in progress. A transaction that may be open is aborted once none of it can still
   * arrive, so that readers do not wait for its timeout; if that is not certain, it is left to the next activation or
   * the timeout. Resolves when the brokers have answered, after a second at most. Never rejects.
   */
  close(): Promise<void>
}

/**
 * Why a transaction's records were not accepted: the cause of RECORD_TOO_LARGE and RECORD_REFUSED. Nothing of it is
 * committed.
 */
export class RecordsRefused extends Error {
  override readonly name = 'RecordsRefused'
  constructor(
    readonly topic: string,
    readonly partition: number,
    /** The records that the broker rejects. */
    readonly what: 'timestamp' | 'size' | 'content',
    message: string,
    options?: { readonly cause?: unknown },
  ) {
    super(message, options)
  }
}

/**
 * One member's side of a Kafka consumer group (the classic protocol): requests only; the runtime decides when to send
 * them.
 */
export interface GroupClient {
  /**
   * Joins, or rejoins. Resolves when the group is complete. With memberId '' the coordinator assigns one, which is
   * passed to `onMemberId` before the join completes, so that it can be stored. Rejects with GroupError.
   */
  join(request: JoinRequest, onMemberId?: (memberId: string) => void): Promise<Joined>
  /**
   * Called by the leader with every member's assignment, by others with an empty map; resolves with this member's own.
   */
  sync(member: Membership, assignments: ReadonlyMap<string, Uint8Array>): Promise<Uint8Array>
  heartbeat(member: Membership): Promise<void>
  /** Removes any member, including one of an earlier life. An unknown member is not an error. */
  leave(memberId: string): Promise<void>
  close(): Promise<void>
}
export interface JoinRequest {
  readonly memberId: string
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  /** The assignor's name. All members must have the same one. */
  readonly protocol: string
  /**
   * This member's metadata for the leader's assignor and `describeGroups` (consumer protocol subscription, encoded).
   */
  readonly metadata: Uint8Array
}
export interface Membership {
  readonly memberId: string
  readonly generation: number
}
export interface Joined extends Membership {
  readonly leaderId: string
  /** On the leader: every member with its metadata. Otherwise empty. */
  readonly members: readonly { readonly memberId: string; readonly metadata: Uint8Array }[]
}
export type GroupErrorKind =
  /** Join again, with the same member id. */
  | 'rebalance-in-progress'
  /** This member is unknown to the coordinator: join again, with an empty member id. */
  | 'unknown-member'
  /** Join again: the generation has ended. */
  | 'illegal-generation'
  /** The group is used by other software, with other protocols. A retry does not help. */
  | 'inconsistent-protocol'
  /** No answer, no coordinator, it moved, it is loading: try again after a while. */
  | 'unavailable'
  /** An unexpected answer: try again after a while, a limited number of times. */
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
  /** What it reported when it joined; empty while the group rebalances. */
  readonly metadata: Uint8Array
  /** What its leader assigned to it; empty while the group rebalances. */
  readonly assignment: Uint8Array
}

export interface Log {
  /** The address for Kafka's tools to reach the same brokers: host:port, separated by commas. For messages. */
  readonly bootstrapServers: string
  /** Resolves when a broker answered. Rejects with BROKER_UNREACHABLE (after `connectTimeoutMs` of trying) or AUTHENTICATION_FAILED. */
  connect(): Promise<void>
  /** Topics that don't exist are absent. */
  describeTopics(names: readonly string[]): Promise<ReadonlyMap<string, TopicInfo>>
  /** Topics that exist already are left as they are. Resolves when all have leaders. */
  createTopics(topics: readonly NewTopic[]): Promise<void>
  /**
   * `earliest`: log start. `end`: the high watermark, read-uncommitted. In the order asked. `refresh`: ask the brokers
   * which leader to use, instead of trusting cached metadata. A former leader that has not noticed may answer for a
   * while, unless a later election is known here.
   */
  listOffsets(
    partitions: readonly TopicPartition[],
    which: 'earliest' | 'end',
    options?: { readonly refresh?: boolean },
  ): Promise<readonly number[]>
  /** Committed positions of the group; undefined where there is none. In the order asked. Waits out unstable offsets. */
  committedPositions(group: string, partitions: readonly TopicPartition[]): Promise<readonly (number | undefined)[]>
  /** The same, with what the group stores with them. */
  committedOffsets(
    group: string,
    partitions: readonly TopicPartition[],
  ): Promise<readonly (CommittedOffset | undefined)[]>
  /**
   * The offset of the first record with that time (ms since the epoch) or a later one; after the last record if there
   * is none. In the order asked.
   */
  offsetsAt(partitions: readonly TopicPartition[], timeMs: number): Promise<readonly number[]>
  /** Resolves when no one is told of them any more. Topics that don't exist count as deleted. */
  deleteTopics(names: readonly string[]): Promise<void>
  /** The members of a group, in any state of it; empty if there is no such group. */
  groupMembers(group: string): Promise<readonly GroupMember[]>
  /** Deletes everything that the group has committed. Rejects with WORKERS_RUNNING while it has members. */
  deleteGroup(group: string): Promise<void>
  /** Moves the log start up to each position, if it is lower: what is below can't be read any more. */
  deleteRecords(upTo: readonly PartitionPosition[]): Promise<void>
  fetcher(): Fetcher
  /**
   * InitProducerId: fences every earlier activation of this transactional id and ends its open transaction; resolves
   * when that is done. Retries, where a retry can help, until `signal` is aborted.
   */
  producer(transactionalId: string, signal?: AbortSignal): Promise<TransactionalProducer>
  group(groupId: string): GroupClient
  close(): Promise<void>
}
