/**
 * Metadata: who leads which partition, since which epoch (KIP-320), and the topic's id (KIP-516). kafkajs knows versions up
 * to 6, which have neither. Version 12 is sent where the broker takes it (Kafka 3.1), else 10 (2.8), else 7 (2.1), which has
 * epochs and no ids, else what kafkajs knows.
 *
 * Version 12, and 10 with the two extras marked:
 *
 *     Request => Tags [Topic] AllowAutoTopicCreation (10: IncludeClusterAuthorizedOperations)
 *                IncludeTopicAuthorizedOperations Tags
 *       Topic => TopicId Name Tags
 *     Response => Tags ThrottleTimeMs [Broker] ClusterId ControllerId [Topic] (10: ClusterAuthorizedOperations) Tags
 *       Broker => NodeId Host Port Rack Tags
 *       Topic => ErrorCode Name TopicId IsInternal [Partition] AuthorizedOperations Tags
 *       Partition => ErrorCode Partition Leader LeaderEpoch [Replica] [InSync] [Offline] Tags
 *
 * Version 7:
 *
 *     Request => [Name] AllowAutoTopicCreation
 *     Response => ThrottleTimeMs [Broker] ClusterId ControllerId [Topic]
 *       Broker => NodeId Host Port Rack
 *       Topic => ErrorCode Name IsInternal [Partition]
 *       Partition => ErrorCode Partition Leader LeaderEpoch [Replica] [InSync] [Offline]
 */
import { apiKeys, exchangeOf, type ApiVersions } from './kafkajs.js'
import { preparedOf } from './link.js'
import { prepare, type Prepared, type Request } from './prepared.js'
import { NO_UUID, WireReader, WireWriter } from './wire.js'

export interface MetadataAnswer {
  readonly throttleTimeMs?: number
  readonly brokers: readonly { readonly nodeId: number; readonly host: string; readonly port: number }[]
  readonly controllerId: number
  readonly topicMetadata: readonly {
    readonly topicErrorCode: number
    readonly topic: string
    /** As Kafka's tools print it; undefined where the broker knows none. A topic that is recreated has another. */
    readonly topicId?: string | undefined
    readonly partitionMetadata: readonly {
      readonly partitionErrorCode: number
      readonly partitionId: number
      /** -1: there is none now. */
      readonly leader: number
      /** Counts the elections of the partition's leader; undefined where the broker doesn't say. */
      readonly leaderEpoch?: number | undefined
    }[]
  }[]
}

const METADATA = 'Metadata'
/** The newest first. */
const known = [12, 10, 7] as const
type Version = (typeof known)[number]

/** Of these topics, or of no topic. */
export const metadata =
  (topics: readonly string[]): Request<MetadataAnswer> =>
  (versions) => {
    const version = newestTaken(versions)
    if (version === undefined) return viaKafkajs(topics, versions)
    const api = { apiKey: 3, apiVersion: version, apiName: METADATA }
    return version === 7
      ? prepare(api, () => encode7(topics), decode7)
      : prepare(
          api,
          () => encode(topics, version),
          (payload) => decode(payload, version),
        )
  }

function newestTaken(versions: ApiVersions): Version | undefined {
  const range = versions[apiKeys[METADATA] ?? -1]
  return range && known.find((version) => range.minVersion <= version && version <= range.maxVersion)
}

function viaKafkajs(topics: readonly string[], versions: ApiVersions): Prepared<MetadataAnswer> {
  const exchange = exchangeOf(METADATA, { topics, allowAutoTopicCreation: false }, versions)
  const prepared = preparedOf(exchange) as Prepared<MetadataAnswer>
  // kafkajs's encoder asks for all topics when it is given none. An empty array, then a false; versions 4 to 6.
  return topics.length > 0 ? prepared : { ...prepared, encode: () => [Buffer.alloc(5)] }
}

function encode(topics: readonly string[], version: 10 | 12): readonly Uint8Array[] {
  // The first byte ends the header, which has tagged fields in these versions.
  const writer = new WireWriter().unsignedVarint(0)
  writer.compactArray(topics, (name) => {
    writer.uuid(NO_UUID).compactString(name).unsignedVarint(0)
  })
  writer.int8(0)
  if (version === 10) writer.int8(0)
  return writer.int8(0).unsignedVarint(0).parts()
}

function decode(payload: Buffer, version: 10 | 12): MetadataAnswer {
  const reader = new WireReader(payload)
  reader.tags()
  const throttleTimeMs = reader.int32()
  const brokers = reader.compactArray(() => {
    const nodeId = reader.int32()
    const host = reader.compactString() ?? ''
    const port = reader.int32()
    reader.compactString()
    reader.tags()
    return { nodeId, host, port }
  })
  reader.compactString()
  const controllerId = reader.int32()
  const topicMetadata = reader.compactArray(() => {
    const topicErrorCode = reader.int16()
    const topic = reader.compactString() ?? ''
    const topicId = reader.uuid()
    reader.int8()
    const partitionMetadata = reader.compactArray(() => {
      const partition = decodePartition(reader)
      for (let lists = 0; lists < 3; lists++) reader.compactArray(() => reader.int32())
      reader.tags()
      return partition
    })
    reader.int32()
    reader.tags()
    return { topicErrorCode, topic, topicId, partitionMetadata }
  })
  if (version === 10) reader.int32()
  reader.tags()
  return { throttleTimeMs, brokers, controllerId, topicMetadata }
}

function encode7(topics: readonly string[]): readonly Uint8Array[] {
  const writer = new WireWriter()
  writer.array(topics, (name) => writer.string(name))
  return writer.int8(0).parts()
}

function decode7(payload: Buffer): MetadataAnswer {
  const reader = new WireReader(payload)
  const throttleTimeMs = reader.int32()
  const brokers = reader.array(() => {
    const nodeId = reader.int32()
    const host = reader.string() ?? ''
    const port = reader.int32()
    reader.string()
    return { nodeId, host, port }
  })
  reader.string()
  const controllerId = reader.int32()
  const topicMetadata = reader.array(() => {
    const topicErrorCode = reader.int16()
    const topic = reader.string() ?? ''
    reader.int8()
    const partitionMetadata = reader.array(() => {
      const partition = decodePartition(reader)
      for (let lists = 0; lists < 3; lists++) reader.array(() => reader.int32())
      return partition
    })
    return { topicErrorCode, topic, partitionMetadata }
  })
  return { throttleTimeMs, brokers, controllerId, topicMetadata }
}

function decodePartition(reader: WireReader) {
  const partitionErrorCode = reader.int16()
  const partitionId = reader.int32()
  const leader = reader.int32()
  const leaderEpoch = reader.int32()
  return { partitionErrorCode, partitionId, leader, leaderEpoch: leaderEpoch < 0 ? undefined : leaderEpoch }
}
