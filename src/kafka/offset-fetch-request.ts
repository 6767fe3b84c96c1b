/**
 * OffsetFetch, version 7: the first with `RequireStable` (KIP-447), by which offsets that an open transaction is about
 * to change are refused instead of answered as they were before. kafkajs knows versions up to 4.
 *
 *     Request => GroupId [Topic] RequireStable Tags
 *       Topic => Name [Partition] Tags
 *     Response => Tags ThrottleTimeMs [Topic] ErrorCode Tags
 *       Topic => Name [Partition CommittedOffset LeaderEpoch Metadata ErrorCode Tags] Tags
 */
import type { TopicPartition } from '../ports/log.js'
import { readTopics, writeTopics } from './compact-topics.js'
import type { Request } from './prepared.js'
import type { TopicGroup } from './requests.js'
import { WireReader, WireWriter } from './wire.js'

export interface CommittedOffset extends TopicPartition {
  readonly errorCode: number
  /** -1: none. */
  readonly offset: number
  readonly metadata: string
}
export interface OffsetFetchAnswer {
  readonly errorCode: number
  readonly partitions: readonly CommittedOffset[]
}

export const offsetFetch =
  (group: string, topics: readonly TopicGroup<number>[]): Request<OffsetFetchAnswer> =>
  () => ({ apiKey: 9, apiVersion: 7, apiName: 'OffsetFetch', encode: () => encode(group, topics), decode })

function encode(group: string, topics: readonly TopicGroup<number>[]): readonly Uint8Array[] {
  // The first byte ends the header, which has tagged fields in this version.
  const writer = new WireWriter().unsignedVarint(0).compactString(group)
  writeTopics(writer, topics, (partition) => writer.int32(partition))
  return writer.int8(1).unsignedVarint(0).parts()
}

function decode(payload: Buffer): OffsetFetchAnswer {
  const reader = new WireReader(payload)
  reader.tags()
  reader.int32()
  const topics = readTopics(reader, (topic) => {
    const partition = reader.int32()
    const offset = reader.int64()
    reader.int32()
    const metadata = reader.compactString() ?? ''
    return { topic, partition, offset, metadata, errorCode: reader.int16() }
  })
  return { partitions: topics.flatMap(({ partitions }) => partitions), errorCode: reader.int16() }
}
