/**
 * The log: what the runtime needs of Kafka. The unit is the batch, never the message.
 *
 * Positions are exclusive: the offset of the next record to read. Offsets are numbers (exact below 2^53).
 * Every failure is a PotorooError; its code says what kind it is and whether trying again can help.
 */
import type { Fetched, TopicPartition } from '../core/fetched.js'
import type { RecordChunk } from '../core/records.js'

export type { Fetched, TopicPartition } from '../core/fetched.js'

export interface PartitionPosition extends TopicPartition {
  readonly position: number
}

export interface TopicInfo {
  readonly name: string
  readonly partitions: number
  /** `max.message.bytes`: the largest batch that the topic takes. */
  readonly maxMessageBytes: number
  /** `cleanup.policy`, sorted: `['compact']`, `['delete']`, … */
  readonly cleanupPolicy: readonly string[]
  /** `delete.retention.ms`: for how long a compacted topic keeps a tombstone. */
  readonly deleteRetentionMs: number
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
  /** The position to read from now, or undefined while nothing is wanted (its buffer is full). */
  wanted(): number | undefined
  /** True while somebody waits for this answer, even an empty one: the request then doesn't linger at the broker. */
  hurried(): boolean
  /** Called for every answer, also an empty one. It may be for a position that is no longer the wanted one: drop it then. */
  deliver(fetched: Fetched): void
  /** OFFSET_OUT_OF_RANGE, UNSUPPORTED_FORMAT, CORRUPT_BATCH, TOPIC_MISSING, NOT_AUTHORIZED; never what the fetcher retries by itself. */
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
  /** Chunks of one partition land in the order given. */
  readonly records: readonly (TopicPartition & { readonly chunks: readonly RecordChunk[] })[]
  readonly group: string
  readonly positions: readonly PartitionPosition[]
}

/** One activation of one transactional id. */
export interface TransactionalProducer {
  /**
   * Writes all of it in one transaction. Resolves when it is committed, with the position behind the last record of each
   * partition of `records`, in their order. Rejects with FENCED (another activation of this transactional id exists),
   * RECORD_TOO_LARGE (message names topic and partition), NOT_AUTHORIZED, or TRANSACTION_FAILED: then whether it was
   * committed is unknown until `Log.producer` was called anew, and this object is of no further use.
   * Calls must not overlap.
   */
  commit(transaction: Transaction): Promise<readonly number[]>
  /** How long the brokers took to answer the end of the last transaction, ms; 0 before there was one. */
  readonly endingMs: number
  /** Lets go. An open transaction is left to be aborted by the next activation or the transaction timeout. */
  close(): void
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
  /** Not authorized, or refused for good. */
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

export interface Log {
  /** Resolves when a broker answered. Rejects with BROKER_UNREACHABLE (after `connectTimeoutMs` of trying) or AUTHENTICATION_FAILED. */
  connect(): Promise<void>
  /** Topics that don't exist are absent. */
  describeTopics(names: readonly string[]): Promise<ReadonlyMap<string, TopicInfo>>
  /** Topics that exist already are left as they are. Resolves when all have leaders. */
  createTopics(topics: readonly NewTopic[]): Promise<void>
  /** `earliest`: log start. `end`: the high watermark, read-uncommitted. In the order asked. */
  listOffsets(partitions: readonly TopicPartition[], which: 'earliest' | 'end'): Promise<readonly number[]>
  /** Committed positions of the group; undefined where there is none. In the order asked. Waits out unstable offsets. */
  committedPositions(group: string, partitions: readonly TopicPartition[]): Promise<readonly (number | undefined)[]>
  /** Moves the log start up to each position, where it is not there already: what is below can't be read any more. */
  deleteRecords(upTo: readonly PartitionPosition[]): Promise<void>
  fetcher(): Fetcher
  /**
   * InitProducerId: fences every earlier activation of this transactional id and ends its open transaction; resolves when
   * that is done. Retries what is worth retrying until `signal` is aborted.
   */
  producer(transactionalId: string, signal?: AbortSignal): Promise<TransactionalProducer>
  group(groupId: string): GroupClient
  close(): Promise<void>
}
