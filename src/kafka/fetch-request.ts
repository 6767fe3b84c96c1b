/**
 * Fetch, version 11, without sessions: every partition that was asked for is in the answer, also when it gave nothing.
 * kafkajs's own decoder makes an object of every record, and its `parse` drops the whole answer when one partition of it
 * has an error; this one hands on each partition's raw batches.
 *
 *     Request => ReplicaId MaxWaitMs MinBytes MaxBytes IsolationLevel SessionId SessionEpoch [Topic] [Forgotten] RackId
 *       Topic => Name [Partition LeaderEpoch FetchOffset LogStartOffset PartitionMaxBytes]
 *     Response => ThrottleTimeMs ErrorCode SessionId [Topic]
 *       Topic => Name [Partition ErrorCode HighWatermark LastStableOffset LogStartOffset [ProducerId FirstOffset]
 *                      PreferredReadReplica Records]
 */
import type { TopicIds } from './compact-topics.js'
import { prepare, type Request } from './prepared.js'
import type { TopicGroup } from './requests.js'
import { WireReader, WireWriter } from './wire.js'

export interface FetchArgs {
  readonly maxWaitMs: number
  readonly maxBytes: number
  readonly maxBytesPerPartition: number
  /** The broker fills the answer in this order until `maxBytes`. */
  readonly topics: readonly TopicGroup<AskedPartition>[]
  readonly topicIds?: TopicIds
}
export interface AskedPartition {
  readonly partition: number
  readonly position: number
  /** What the client takes for the leader's epoch: a broker that leads by another election says so. Undefined: not known. */
  readonly leaderEpoch: number | undefined
}
export interface AbortedTransaction {
  readonly producerId: bigint
  readonly firstOffset: number
}
export interface PartitionAnswer {
  readonly topic: string
  readonly partition: number
  readonly errorCode: number
  readonly highWatermark: number
  readonly lastStableOffset: number
  readonly abortedTransactions: readonly AbortedTransaction[]
  /** A view of the whole answer. */
  readonly records: Buffer
}
export interface FetchAnswer {
  readonly throttleTimeMs?: number
  /** All of it behind the correlation id; the records are views of it. */
  readonly bytes: Buffer
  readonly errorCode: number
  readonly partitions: readonly PartitionAnswer[]
}

export const READ_COMMITTED = 1
export const NO_EPOCH = -1
const version11 = { apiKey: 1, apiVersion: 11, apiName: 'Fetch' } as const

export const fetchRequest =
  (args: FetchArgs): Request<FetchAnswer> =>
  () =>
    prepare(version11, () => encode(args), decode)

function encode({ maxWaitMs, maxBytes, maxBytesPerPartition, topics }: FetchArgs): readonly Uint8Array[] {
  const writer = new WireWriter().int32(-1).int32(maxWaitMs).int32(1).int32(maxBytes).int8(READ_COMMITTED)
  writer.int32(0).int32(-1)
  writer.array(topics, ({ topic, partitions }) => {
    writer.string(topic).array(partitions, ({ partition, position, leaderEpoch = NO_EPOCH }) => {
      writer.int32(partition).int32(leaderEpoch).int64(position).int64(-1).int32(maxBytesPerPartition)
    })
  })
  return writer.int32(0).string('').parts()
}

function decode(payload: Buffer): FetchAnswer {
  const reader = new WireReader(payload)
  const throttleTimeMs = reader.int32()
  const errorCode = reader.int16()
  reader.int32()
  const topics = reader.array(() => {
    const topic = reader.string() ?? ''
    return reader.array(() => decodePartition(reader, topic))
  })
  return { bytes: payload, throttleTimeMs, errorCode, partitions: topics.flat() }
}

function decodePartition(reader: WireReader, topic: string): PartitionAnswer {
  const partition = reader.int32()
  const errorCode = reader.int16()
  const highWatermark = reader.int64()
  const lastStableOffset = reader.int64()
  reader.int64()
  const abortedTransactions = reader.array(() => ({ producerId: reader.bigint64(), firstOffset: reader.int64() }))
  reader.int32()
  const records = reader.bytes()
  return { topic, partition, errorCode, highWatermark, lastStableOffset, abortedTransactions, records }
}
