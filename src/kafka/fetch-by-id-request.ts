/**
 * Fetch, version 13, which names topics by their ids: where a topic was deleted and recreated, the broker answers
 * UNKNOWN_TOPIC_ID, and not with what another topic of the same name has. Otherwise as version 11 in fetch-request.ts.
 *
 *     Request => Tags ReplicaId MaxWaitMs MinBytes MaxBytes IsolationLevel SessionId SessionEpoch [Topic] [Forgotten] RackId Tags
 *       Topic => Id [Partition LeaderEpoch FetchOffset LastFetchedEpoch LogStartOffset PartitionMaxBytes Tags] Tags
 *     Response => Tags ThrottleTimeMs ErrorCode SessionId [Topic] Tags
 *       Topic => Id [Partition ErrorCode HighWatermark LastStableOffset LogStartOffset [Aborted] PreferredReadReplica Records
 *                    Tags] Tags
 *       Aborted => ProducerId FirstOffset Tags
 */
import { idsOf, readIdOf, readTopics, writeIdOf, writeTopics } from './compact-topics.js'
import {
  type FetchAnswer,
  type FetchArgs,
  fetchRequest,
  NO_EPOCH,
  type PartitionAnswer,
  READ_COMMITTED,
} from './fetch-request.js'
import { prepare, type Request } from './prepared.js'
import { WireReader, WireWriter } from './wire.js'

const version13 = { apiKey: 1, apiVersion: 13, apiName: 'Fetch' } as const

/** By ids; by names where the broker does not take ids, or where the id of a topic is not known. */
export const fetchByIdOrName =
  (args: FetchArgs): Request<FetchAnswer> =>
  (versions) => {
    const ids = idsOf(args.topics, args.topicIds, version13, versions)
    if (ids === undefined) return fetchRequest(args)(versions)
    return prepare(
      version13,
      () => encode(args, ids),
      (payload) => decode(payload, ids),
    )
  }

function encode(
  { maxWaitMs, maxBytes, maxBytesPerPartition, topics }: FetchArgs,
  ids: ReadonlyMap<string, string>,
): readonly Uint8Array[] {
  // The first byte ends the header, which has tagged fields in this version.
  const writer = new WireWriter().unsignedVarint(0)
  writer.int32(-1).int32(maxWaitMs).int32(1).int32(maxBytes).int8(READ_COMMITTED).int32(0).int32(-1)
  writeTopics(
    writer,
    topics,
    ({ partition, position, leaderEpoch = NO_EPOCH }) => {
      writer.int32(partition).int32(leaderEpoch).int64(position).int32(NO_EPOCH).int64(-1).int32(maxBytesPerPartition)
      writer.unsignedVarint(0)
    },
    writeIdOf(ids),
  )
  return writer
    .compactArray([], () => undefined)
    .compactString('')
    .unsignedVarint(0)
    .parts()
}

function decode(payload: Buffer, ids: ReadonlyMap<string, string>): FetchAnswer {
  const reader = new WireReader(payload)
  reader.tags()
  const throttleTimeMs = reader.int32()
  const errorCode = reader.int16()
  reader.int32()
  const topics = readTopics(reader, (topic) => decodePartition(reader, topic), readIdOf(ids))
  return { bytes: payload, throttleTimeMs, errorCode, partitions: topics.flatMap(({ partitions }) => partitions) }
}

function decodePartition(reader: WireReader, topic: string): PartitionAnswer {
  const partition = reader.int32()
  const errorCode = reader.int16()
  const highWatermark = reader.int64()
  const lastStableOffset = reader.int64()
  reader.int64()
  const abortedTransactions = reader.compactArray(() => {
    const aborted = { producerId: reader.bigint64(), firstOffset: reader.int64() }
    reader.tags()
    return aborted
  })
  reader.int32()
  return {
    topic,
    partition,
    errorCode,
    highWatermark,
    lastStableOffset,
    abortedTransactions,
    records: reader.compactBytes(),
  }
}
