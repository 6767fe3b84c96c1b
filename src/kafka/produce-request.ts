/**
 * Produce of sealed batches, which are sent from where they lie. kafkajs's own encoder makes the batches itself, and its
 * `parse` doesn't say which partition failed.
 *
 * In a transaction of version 1 it is version 8, the first whose answer says which records were refused (KIP-467):
 *
 *     Request => TransactionalId Acks TimeoutMs [Topic]
 *       Topic => Name [Partition Records]
 *     Response => [Topic] ThrottleTimeMs
 *       Topic => Name [Partition ErrorCode BaseOffset LogAppendTimeMs LogStartOffset [RecordError] Message]
 *       RecordError => BatchIndex Message
 *
 * In one of version 2 it is version 12, with which the broker adds the partitions to the transaction; strings, arrays and
 * records are compact. Version 13 names topics by their ids, so that nothing is written to another topic of the same name;
 * it is used where the broker takes it and all ids are known.
 *
 *     Request => Tags TransactionalId Acks TimeoutMs [Topic] Tags
 *       Topic => Name [Partition Records Tags] Tags
 *     Response => Tags [Topic] ThrottleTimeMs Tags
 *       Topic => Name [Partition ErrorCode BaseOffset LogAppendTimeMs LogStartOffset [RecordError] Message Tags] Tags
 *       RecordError => BatchIndex Message Tags
 */
import type { TopicPartition } from '../ports/log.js'
import {
  idsOf,
  readIdOf,
  readTopics,
  type ReadTopic,
  type TopicIds,
  writeIdOf,
  writeTopics,
  type WriteTopic,
} from './compact-topics.js'
import { prepare, type Request } from './prepared.js'
import type { TopicGroup } from './requests.js'
import { type TransactionVersion, version2 } from './transaction-version.js'
import { WireReader, WireWriter } from './wire.js'

export interface ProduceArgs {
  readonly transactionalId: string | null
  /** How long the broker waits for its replicas. */
  readonly timeoutMs: number
  readonly topics: readonly TopicGroup<{ readonly partition: number; readonly batch: Uint8Array }>[]
  readonly topicIds?: TopicIds
}
export interface Produced extends TopicPartition {
  readonly errorCode: number
  readonly baseOffset: number
  /** The records that made the broker refuse the batch, where it says so. */
  readonly recordErrors: readonly RecordError[]
  /** What the broker says of the whole batch. */
  readonly message: string | null
}
export interface RecordError {
  /** The record's place in its batch, from 0. */
  readonly index: number
  readonly message: string | null
}
/** What the broker answered, and for how long it takes nothing on this connection. */
export interface ProduceAnswer {
  readonly partitions: readonly Produced[]
  readonly throttleTimeMs: number
}

const ALL_REPLICAS = -1
const version1 = { apiKey: 0, apiVersion: 8, apiName: 'Produce' } as const
const byId = { ...version2.produce, apiVersion: 13 } as const

export const produceRequest =
  (args: ProduceArgs, version: TransactionVersion): Request<ProduceAnswer> =>
  (versions) => {
    if (version === 1) return prepare(version1, () => encode(args), decode)
    const ids = idsOf(args.topics, args.topicIds, byId, versions)
    return prepare(
      ids === undefined ? version2.produce : byId,
      () => encodeCompact(args, ids && writeIdOf(ids)),
      (payload) => decodeCompact(payload, ids && readIdOf(ids)),
    )
  }

function encode({ transactionalId, timeoutMs, topics }: ProduceArgs): readonly Uint8Array[] {
  const writer = new WireWriter().string(transactionalId).int16(ALL_REPLICAS).int32(timeoutMs)
  writer.array(topics, ({ topic, partitions }) => {
    writer.string(topic).array(partitions, ({ partition, batch }) => {
      writer.int32(partition).bytes(batch)
    })
  })
  return writer.parts()
}

function encodeCompact(
  { transactionalId, timeoutMs, topics }: ProduceArgs,
  writeTopic: WriteTopic | undefined,
): readonly Uint8Array[] {
  // The first byte ends the header, which has tagged fields in this version.
  const writer = new WireWriter().unsignedVarint(0).compactString(transactionalId)
  writer.int16(ALL_REPLICAS).int32(timeoutMs)
  writeTopics(
    writer,
    topics,
    ({ partition, batch }) => {
      writer.int32(partition).compactBytes(batch).unsignedVarint(0)
    },
    writeTopic,
  )
  return writer.unsignedVarint(0).parts()
}

function decode(payload: Buffer): ProduceAnswer {
  const reader = new WireReader(payload)
  const topics = reader.array(() => {
    const topic = reader.string() ?? ''
    return reader.array(() => {
      const produced = decodePartition(reader, topic)
      const recordErrors = reader.array(() => ({ index: reader.int32(), message: reader.string() }))
      return { ...produced, recordErrors, message: reader.string() }
    })
  })
  return { partitions: topics.flat(), throttleTimeMs: reader.int32() }
}

function decodeCompact(payload: Buffer, readTopic: ReadTopic | undefined): ProduceAnswer {
  const reader = new WireReader(payload)
  reader.tags()
  const topics = readTopics(
    reader,
    (topic) => {
      const produced = decodePartition(reader, topic)
      const recordErrors = reader.compactArray(() => {
        const error = { index: reader.int32(), message: reader.compactString() }
        reader.tags()
        return error
      })
      return { ...produced, recordErrors, message: reader.compactString() }
    },
    readTopic,
  )
  return { partitions: topics.flatMap(({ partitions }) => partitions), throttleTimeMs: reader.int32() }
}

function decodePartition(
  reader: WireReader,
  topic: string,
): Pick<Produced, keyof TopicPartition | 'errorCode' | 'baseOffset'> {
  const partition = reader.int32()
  const errorCode = reader.int16()
  const baseOffset = reader.int64()
  reader.bigint64()
  reader.bigint64()
  return { topic, partition, errorCode, baseOffset }
}
