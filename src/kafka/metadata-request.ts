/**
 * Metadata, versions 10 to 12, whose answers have the ids of topics (KIP-516). kafkajs knows versions up to 6.
 *
 *     Request => Tags [Topic] AllowAutoTopicCreation [IncludeClusterAuthorizedOperations] IncludeTopicAuthorizedOperations Tags
 *       Topic => Id Name Tags
 *     Response => Tags ThrottleTimeMs [Broker] ClusterId ControllerId [Topic] [ClusterAuthorizedOperations] Tags
 *       Broker => NodeId Host Port Rack Tags
 *       Topic => ErrorCode Name Id IsInternal [Partition] AuthorizedOperations Tags
 *       Partition => ErrorCode Index Leader LeaderEpoch [Replica] [InSync] [Offline] Tags
 *
 * Both fields of the cluster's authorized operations are there in version 10 alone.
 */
import type { ApiVersions } from './kafkajs.js'
import type { Prepared } from './prepared.js'
import { WireReader, WireWriter } from './wire.js'

export interface MetadataAnswer {
  readonly brokers: readonly { readonly nodeId: number; readonly host: string; readonly port: number }[]
  readonly controllerId: number
  readonly topicMetadata: readonly {
    readonly topicErrorCode: number
    readonly topic: string
    /** Undefined where the broker gives none. */
    readonly topicId?: string | undefined
    readonly partitionMetadata: readonly {
      readonly partitionErrorCode: number
      readonly partitionId: number
      readonly leader: number
    }[]
  }[]
}

const API_KEY = 3
const LEAST = 10
const MOST = 12
const NO_ID = 'AAAAAAAAAAAAAAAAAAAAAA'

/** Of these topics, or of none. Undefined where the broker takes none of these versions. */
export function metadataWithIds(
  topics: readonly string[],
  versions: ApiVersions,
): Prepared<MetadataAnswer> | undefined {
  const offered = versions[API_KEY]
  if (offered === undefined || offered.maxVersion < LEAST || offered.minVersion > MOST) return undefined
  const apiVersion = Math.min(MOST, offered.maxVersion)
  return {
    apiKey: API_KEY,
    apiVersion,
    apiName: 'Metadata',
    encode: () => encode(topics, apiVersion),
    decode: (payload) => decode(payload, apiVersion),
  }
}

function encode(topics: readonly string[], apiVersion: number): readonly Uint8Array[] {
  // The first byte ends the header, which has tagged fields in these versions.
  const writer = new WireWriter().unsignedVarint(0)
  writer.compactArray(topics, (topic) => {
    writer.uuid(NO_ID).compactString(topic).unsignedVarint(0)
  })
  writer.int8(0)
  if (apiVersion === LEAST) writer.int8(0)
  return writer.int8(0).unsignedVarint(0).parts()
}

function decode(payload: Buffer, apiVersion: number): MetadataAnswer {
  const reader = new WireReader(payload)
  reader.tags()
  reader.int32()
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
    const partitionMetadata = reader.compactArray(() => decodePartition(reader))
    reader.int32()
    reader.tags()
    return { topicErrorCode, topic, topicId, partitionMetadata }
  })
  if (apiVersion === LEAST) reader.int32()
  reader.tags()
  return { brokers, controllerId, topicMetadata }
}

function decodePartition(reader: WireReader): MetadataAnswer['topicMetadata'][number]['partitionMetadata'][number] {
  const partitionErrorCode = reader.int16()
  const partitionId = reader.int32()
  const leader = reader.int32()
  reader.int32()
  for (let list = 0; list < 3; list++) reader.compactArray(() => reader.int32())
  reader.tags()
  return { partitionErrorCode, partitionId, leader }
}
