/**
 * ListOffsets, version 5, read-uncommitted: with the leader's epoch, so that a broker which leads no more, or again, says so
 * (KIP-320), and with OFFSET_NOT_AVAILABLE, by which a new leader says that it doesn't know the end yet (KIP-207). kafkajs
 * knows versions up to 3, which are sent to brokers that don't take 5 (before Kafka 2.2).
 *
 *     Request => ReplicaId IsolationLevel [Topic]
 *       Topic => Name [Partition LeaderEpoch Timestamp]
 *     Response => ThrottleTimeMs [Topic]
 *       Topic => Name [Partition ErrorCode Timestamp Offset LeaderEpoch]
 */
import type { TopicPartition } from '../ports/log.js'
import { apiKeys } from './kafkajs.js'
import { prepare, type Prepared, type Request } from './prepared.js'
import { listOffsetsOfKafkajs, type TopicGroup } from './requests.js'
import { throttleTimeOf } from './throttling.js'
import { WireReader, WireWriter } from './wire.js'

export interface AskedOffset {
  readonly partition: number
  /** What the client takes for the leader's epoch; undefined: it doesn't know. */
  readonly leaderEpoch: number | undefined
}
export interface ListedOffset extends TopicPartition {
  readonly errorCode: number
  readonly offset: number
}
export interface ListOffsetsAnswer {
  readonly throttleTimeMs: number
  readonly partitions: readonly ListedOffset[]
}

/** Instead of a time. Of a time that nothing is as late as, the answer is the offset -1. */
export const EARLIEST = -2
export const LATEST = -1
const NO_REPLICA = -1
const READ_UNCOMMITTED = 0
const NO_EPOCH = -1
const version5 = { apiKey: 2, apiVersion: 5, apiName: 'ListOffsets' } as const

export const listOffsets =
  (
    topics: readonly TopicGroup<AskedOffset>[],
    /** ms since the epoch, or one of those two. */
    timestamp: number,
  ): Request<ListOffsetsAnswer> =>
  (versions) => {
    const range = versions[apiKeys['ListOffsets'] ?? -1]
    if (range && range.minVersion <= 5 && range.maxVersion >= 5)
      return prepare(version5, () => encode(topics, timestamp), decode)
    const asked = topics.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map(({ partition }) => ({ partition, timestamp })),
    }))
    const older = listOffsetsOfKafkajs(asked)(versions)
    const flat = async (payload: Buffer): Promise<ListOffsetsAnswer> => {
      const answer = await older.decode(payload)
      const partitions = answer.responses.flatMap((one) =>
        one.partitions.map((each) => ({ topic: one.topic, ...each, offset: Number(each.offset) })),
      )
      return { throttleTimeMs: throttleTimeOf(answer), partitions }
    }
    return { ...older, decode: flat } satisfies Prepared<ListOffsetsAnswer>
  }

function encode(topics: readonly TopicGroup<AskedOffset>[], timestamp: number): readonly Uint8Array[] {
  const writer = new WireWriter().int32(NO_REPLICA).int8(READ_UNCOMMITTED)
  writer.array(topics, ({ topic, partitions }) => {
    writer.string(topic).array(partitions, ({ partition, leaderEpoch = NO_EPOCH }) => {
      writer.int32(partition).int32(leaderEpoch).int64(timestamp)
    })
  })
  return writer.parts()
}

function decode(payload: Buffer): ListOffsetsAnswer {
  const reader = new WireReader(payload)
  const throttleTimeMs = reader.int32()
  const topics = reader.array(() => {
    const topic = reader.string() ?? ''
    return reader.array(() => {
      const partition = reader.int32()
      const errorCode = reader.int16()
      reader.bigint64()
      const offset = reader.int64()
      reader.int32()
      return { topic, partition, errorCode, offset }
    })
  })
  return { throttleTimeMs, partitions: topics.flat() }
}
