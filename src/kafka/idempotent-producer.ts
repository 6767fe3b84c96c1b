/**
 * The producer outside of transactions: what the command line writes with, and whoever else fills a topic. What it
 * reports as acknowledged is in the log, and there once, also when leaders move, connections break and answers are lost
 * (KIP-98).
 *
 * Invariants:
 * 1. A partition has one batch on the way at a time; the next follows when that one is settled. So a partition's records
 *    land in the order of the calls, whatever is sent again.
 * 2. A batch that is sent again is the same bytes: producer id, epoch and sequence included. A broker that has it answers
 *    with where it is, or with DUPLICATE_SEQUENCE_NUMBER; both acknowledge it.
 * 3. A batch that brokers refused without having written it leaves its sequence to the next one.
 * 4. Where it is unknown whether the last batch was written, its partition takes no more: the next sequence is unknown,
 *    too. Every later call says so.
 * 5. Nothing counts as acknowledged but what a leader acknowledged for all replicas in sync (acks=all).
 */
import { RecordWriter, type RecordChunk, type RecordHeader } from '../core/records/records.js'
import { type ErrorCode, messageOf, PotorooError } from '../errors.js'
import type { TopicPartition } from '../ports/log.js'
import { nameOf } from './admin.js'
import { BatchSender } from './batch-sender.js'
import { Cluster } from './cluster.js'
import { BrokerError, codes, isPassing, toPotorooError } from './errors.js'
import { type KafkaOptions, settingsOf } from './options.js'
import { sealBatch } from './record-batch.js'
import type { ProducerIdentity } from './requests.js'
import * as requests from './requests.js'
import { retrying } from './retrying.js'

export interface OutgoingRecord {
  readonly partition: number
  readonly key: Uint8Array | string | null
  readonly value: Uint8Array | string | null
  /** Default: the time at which it was given to `send`. */
  readonly timestampMs?: number
  readonly headers?: readonly RecordHeader[]
}

/** What became of the records for one partition in one call of `send`. */
export interface Delivery<R extends OutgoingRecord = OutgoingRecord> {
  readonly partition: number
  /** How many records the brokers acknowledged: the first of the partition's, in the order given. */
  readonly acknowledged: number
  /** The others, in the order given. */
  readonly missing: readonly R[]
  /** Why some are missing. */
  readonly error: PotorooError | undefined
}

export interface IdempotentProducerOptions extends KafkaOptions {
  /** For how long one batch is tried before it is given up. Default 60,000: longer than a broker takes to restart. */
  readonly deliveryTimeoutMs?: number
}

const DELIVERY_TIMEOUT_MS = 60_000
/** A producer id comes from the controller, which may just be moving. */
const OPENING_PATIENCE_MS = 30_000
/** Larger batches gain nothing more, and each is one piece of memory. */
const MAX_BATCH_BYTES = 1024 * 1024
/** A batch that is tried for so long is spoken of. */
const SAY_WAITING_AFTER_MS = 2_000
const SEQUENCES = 2 ** 31
/** No timeout of transactions concerns a producer without a transactional id. */
const NO_TIMEOUT_MS = 2 ** 31 - 1

/** Beside what `isPassing` says: the same batch may be taken a moment later. */
const passing: ReadonlySet<number> = new Set([
  codes.REQUEST_TIMED_OUT,
  codes.NOT_ENOUGH_REPLICAS,
  codes.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
  codes.CORRUPT_MESSAGE,
])
const isWorthAnotherTry = (error: unknown): boolean =>
  isPassing(error) || (error instanceof BrokerError && passing.has(error.errorCode))

/** After these answers the batch is certainly not in the log; after others, and lost connections, it may be. */
const notWritten: ReadonlySet<number> = new Set([
  codes.CORRUPT_MESSAGE,
  codes.UNKNOWN_TOPIC_OR_PARTITION,
  codes.LEADER_NOT_AVAILABLE,
  codes.NOT_LEADER_OR_FOLLOWER,
  codes.MESSAGE_TOO_LARGE,
  codes.INVALID_TOPIC_EXCEPTION,
  codes.RECORD_LIST_TOO_LARGE,
  codes.NOT_ENOUGH_REPLICAS,
  codes.TOPIC_AUTHORIZATION_FAILED,
  codes.CLUSTER_AUTHORIZATION_FAILED,
  codes.INVALID_TIMESTAMP,
  codes.POLICY_VIOLATION,
  codes.INVALID_RECORD,
])

type Identity = Pick<ProducerIdentity, 'producerId' | 'producerEpoch'>

/** What one partition has of this producer. */
class Partition {
  sequence = 0
  /** Calls that are not finished; the next one waits for them. */
  last: Promise<unknown> = Promise.resolve()
  /** Why it takes no more: invariant 4. */
  broken: PotorooError | undefined

  constructor(
    readonly topic: string,
    readonly partition: number,
  ) {}
}

export class IdempotentProducer {
  readonly #partitions = new Map<string, Partition>()
  readonly #batches: BatchSender
  #waitingSaid = false

  /** Rejects with BROKER_UNREACHABLE, AUTHENTICATION_FAILED, NOT_AUTHORIZED or REQUEST_FAILED. */
  static async open(options: IdempotentProducerOptions): Promise<IdempotentProducer> {
    const cluster = new Cluster(settingsOf(options))
    try {
      await cluster.connect()
      return new IdempotentProducer(cluster, await newIdentity(cluster), options)
    } catch (error) {
      await cluster.close()
      throw toPotorooError(error, 'opening a producer')
    }
  }

  private constructor(
    private readonly cluster: Cluster,
    private readonly identity: Identity,
    private readonly options: IdempotentProducerOptions,
  ) {
    this.#batches = new BatchSender(cluster)
  }

  /**
   * Writes them, those of one partition in the order given. Resolves when each partition's records are acknowledged or
   * given up; never rejects. Calls may overlap. `maxMessageBytes` is the topic's `max.message.bytes`.
   */
  async send<R extends OutgoingRecord>(
    topic: { readonly name: string; readonly maxMessageBytes: number },
    records: readonly R[],
  ): Promise<readonly Delivery<R>[]> {
    const byPartition = requests.grouped(records, ({ partition }) => partition)
    const nowMs = this.options.clock.now()
    return Promise.all(
      [...byPartition].map(([number, mine]) => {
        const partition = this.#partition(topic.name, number)
        const { chunks, tooLarge } = chunksOf(mine, Math.min(topic.maxMessageBytes, MAX_BATCH_BYTES), nowMs, partition)
        const delivering = partition.last.then(() => this.#deliverAll(partition, chunks, mine, tooLarge))
        partition.last = delivering
        return delivering
      }),
    )
  }

  /** Like `send`, for callers that can't handle a partial failure: rejects with the first failure. */
  async sendAll(
    topic: { readonly name: string; readonly maxMessageBytes: number },
    records: readonly OutgoingRecord[],
  ): Promise<void> {
    for (const { error } of await this.send(topic, records)) if (error !== undefined) throw error
  }

  /** What is on the way is given up. */
  close(): Promise<void> {
    return this.cluster.close()
  }

  #partition(topic: string, number: number): Partition {
    const name = nameOf({ topic, partition: number })
    let partition = this.#partitions.get(name)
    if (partition === undefined) {
      partition = new Partition(topic, number)
      this.#partitions.set(name, partition)
    }
    return partition
  }

  /** Never rejects. */
  async #deliverAll<R extends OutgoingRecord>(
    partition: Partition,
    chunks: readonly RecordChunk[],
    records: readonly R[],
    tooLarge: PotorooError | undefined,
  ): Promise<Delivery<R>> {
    let acknowledged = 0
    let error = partition.broken
    for (const chunk of chunks) {
      if (error !== undefined) break
      error = await this.#deliver(partition, chunk)
      if (error === undefined) acknowledged += chunk.count
    }
    return {
      partition: partition.partition,
      acknowledged,
      missing: records.slice(acknowledged),
      error: error ?? tooLarge,
    }
  }

  /** Resolves with why it is not acknowledged, or with nothing. */
  async #deliver(partition: Partition, chunk: RecordChunk): Promise<PotorooError | undefined> {
    const { producerId, producerEpoch } = this.identity
    const batch = sealBatch(chunk, {
      producerId: BigInt(producerId),
      producerEpoch,
      firstSequence: partition.sequence,
      transactional: false,
    })
    const beganMs = this.cluster.now()
    const { deliveryTimeoutMs = DELIVERY_TIMEOUT_MS } = this.options
    const outcome = { mayBeWritten: false }
    try {
      await retrying(
        this.cluster,
        {
          deadline: () => beganMs + deliveryTimeoutMs,
          again: isWorthAnotherTry,
          // What is said of a batch's sequence will not change.
          unexpected: 1,
          onFailure: (error) => {
            this.cluster.forgetTopic(partition.topic)
            this.#sayWaiting(partition, error, this.cluster.now() - beganMs)
          },
        },
        async () => {
          const leader = this.cluster.leaderOf(partition) ?? (await this.#findLeader(partition))
          try {
            const { errorCode } = await this.#batches.send(leader, partition, batch)
            if (errorCode !== 0 && errorCode !== codes.DUPLICATE_SEQUENCE_NUMBER)
              throw new BrokerError(errorCode, 'its leader answers', 'Produce')
          } catch (error) {
            if (!(error instanceof BrokerError && notWritten.has(error.errorCode))) outcome.mayBeWritten = true
            throw error
          }
        },
      )
      partition.sequence = (partition.sequence + chunk.count) % SEQUENCES
      this.#waitingSaid = false
      return undefined
    } catch (error) {
      const failure = failureOf(error, partition, outcome.mayBeWritten)
      if (outcome.mayBeWritten) partition.broken = failure
      return failure
    }
  }

  async #findLeader(partition: Partition): Promise<number> {
    await this.cluster.refresh([partition.topic])
    const leader = this.cluster.leaderOf(partition)
    if (leader === undefined)
      throw new BrokerError(this.cluster.whyLeaderless(partition), 'it has no leader', 'Metadata')
    return leader
  }

  #sayWaiting(partition: Partition, error: unknown, forMs: number): void {
    if (this.#waitingSaid || forMs < SAY_WAITING_AFTER_MS || this.cluster.closed) return
    this.#waitingSaid = true
    const { topic, partition: number } = partition
    this.options.logger.warn(
      { topic, partition: number, reason: messageOf(error) },
      'the brokers have not acknowledged records yet, still trying',
    )
  }
}

async function newIdentity(cluster: Cluster): Promise<Identity> {
  const until = cluster.now() + OPENING_PATIENCE_MS
  return retrying(cluster, { deadline: () => until }, async () => {
    const { errorCode, producerId, producerEpoch } = await cluster.callAny(requests.initProducerId(null, NO_TIMEOUT_MS))
    if (errorCode !== 0) throw new BrokerError(errorCode, 'asking for a producer id', 'InitProducerId')
    return { producerId, producerEpoch }
  })
}

interface Chunks {
  readonly chunks: readonly RecordChunk[]
  /** Why the records after the last chunk are in none. */
  readonly tooLarge: PotorooError | undefined
}

function chunksOf(
  records: readonly OutgoingRecord[],
  maxBatchBytes: number,
  nowMs: number,
  partition: TopicPartition,
): Chunks {
  const writer = new RecordWriter(maxBatchBytes)
  for (const { timestampMs = nowMs, key, value, headers } of records)
    if (!writer.append(timestampMs, key, value, headers)) {
      const bytes = `a batch of ${String(RecordWriter.bytesAlone(key, value, headers))} bytes`
      const message = `${nameOf(partition)} takes up to ${String(maxBatchBytes)} bytes, but one record makes ${bytes}`
      return { chunks: writer.take(), tooLarge: new PotorooError('RECORD_TOO_LARGE', message) }
    }
  return { chunks: writer.take(), tooLarge: undefined }
}

function failureOf(error: unknown, partition: TopicPartition, mayBeWritten: boolean): PotorooError {
  const name = nameOf(partition)
  const unknown = mayBeWritten ? '; whether the last batch was written is unknown' : ''
  const failed = (code: ErrorCode, message: string): PotorooError =>
    new PotorooError(code, `writing to ${name}: ${message}${unknown}`, { cause: error })
  switch (error instanceof BrokerError ? error.errorCode : 0) {
    case codes.MESSAGE_TOO_LARGE:
    case codes.RECORD_LIST_TOO_LARGE:
      return failed('RECORD_TOO_LARGE', messageOf(error))
    case codes.INVALID_TIMESTAMP:
    case codes.INVALID_RECORD:
    case codes.POLICY_VIOLATION:
      return failed('RECORD_REFUSED', messageOf(error))
    case codes.UNKNOWN_TOPIC_OR_PARTITION:
      return failed('TOPIC_MISSING', messageOf(error))
    case codes.OUT_OF_ORDER_SEQUENCE_NUMBER:
    case codes.UNKNOWN_PRODUCER_ID: {
      const lost = 'it no longer has what was acknowledged before: records are lost there'
      return failed('REQUEST_FAILED', `${messageOf(error)}: ${lost}, as after an unclean leader election`)
    }
    default:
      return failed(toPotorooError(error, '').code, messageOf(error))
  }
}
