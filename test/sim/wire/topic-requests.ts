/** What a broker says of itself and of topics: ApiVersions, Metadata, FindCoordinator, ListOffsets, DeleteRecords, CreateTopics, DescribeConfigs. */
import { apis } from './api.js'
import { Writer } from './bytes.js'
import { errors } from './errors.js'
import { hostOf, PORT } from './network.js'
import { codeFrom, end, type Handlers, mapTopics, readTopics, reply, writeTopics } from './request.js'

const EARLIEST = -2
const NO_ID = 'A'.repeat(22)
/** They were not asked for. */
const NO_OPERATIONS = -(2 ** 31)
const TOPIC = 2
/** `STATIC_BROKER_CONFIG`; where a value comes from is of no interest here. */
const CONFIG_SOURCE = 4

export const topicRequests: Handlers = {
  /**
   *     Response => ErrorCode [ApiKey MinVersion MaxVersion Tags] ThrottleTimeMs Tags
   *       Tag 1 => FinalizedFeaturesEpoch    Tag 2 => [Name MaxVersionLevel MinVersionLevel Tags]
   */
  ApiVersions({ answer, version, body, cluster, refused, hangUp }) {
    if (refused) {
      hangUp()
      return
    }
    if (version >= 3) {
      body.string()
      body.string()
    }
    end(body)
    const features = new Writer(true)
    features.array([cluster.transactionVersion], (level) => {
      features.string('transaction.version').int16(level).int16(level).tags()
    })
    answer((writer) => {
      writer.int16(errors.NONE)
      writer.array(apis, (info) => {
        writer.int16(info.key).int16(info.minVersion).int16(cluster.maxVersionOf(info)).tags()
      })
      if (version >= 1) writer.int32(0)
      writer.tags([
        [1, new Writer().int64(7).bytes()],
        [2, features.bytes()],
      ])
    })
  },

  /**
   *     Request => [[Id] Name] AllowAutoTopicCreation [IncludeClusterOperations] [IncludeTopicOperations]
   *     Response => ThrottleTimeMs [NodeId Host Port Rack] ClusterId ControllerId [Topic] [ClusterOperations]
   *       Topic => ErrorCode Name [Id] IsInternal [Partition] [TopicOperations]
   *       Partition => ErrorCode Partition Leader [LeaderEpoch] [Replica] [InSync] [Offline]
   *       (leader epochs since version 7, of which this broker knows none; ids since 10; operations since 8, but those of
   *       the cluster not after 10)
   */
  Metadata(request) {
    const { body, cluster, broker, refused, version } = request
    const named = (): string => {
      if (version >= 10) body.uuid()
      const name = body.string()
      body.tags()
      return name
    }
    const asked = body.nullableArray(named) ?? cluster.topicNames
    body.boolean()
    if (version >= 8 && version <= 10) body.boolean()
    if (version >= 8) body.boolean()
    end(body)
    reply(request, (writer) => {
      writer.array(cluster.brokersSeenFrom(broker), (node) => {
        writer.int32(node).string(hostOf(node)).int32(PORT).string(undefined).tags()
      })
      writer.string('simulated').int32(0)
      writer.array(asked, (topic) => {
        const partitions = cluster.partitionsSeenFrom(broker, topic)
        const code = partitions === undefined ? errors.UNKNOWN_TOPIC_OR_PARTITION : errors.NONE
        writer.int16(code).string(topic)
        if (version >= 10) writer.uuid((code === errors.NONE ? cluster.describeTopic(topic)?.id : undefined) ?? NO_ID)
        writer.boolean(false)
        writer.array([...(partitions ?? []).entries()], ([partition, known]) => {
          const leader = refused ? -1 : known
          writer.int16(leader < 0 ? errors.LEADER_NOT_AVAILABLE : errors.NONE).int32(partition)
          writer.int32(leader)
          if (version >= 7) writer.int32(-1)
          for (let list = 0; list < 3; list++) writer.array(list < 2 ? [known] : [], (node) => writer.int32(node))
          writer.tags()
        })
        if (version >= 8) writer.int32(NO_OPERATIONS)
        writer.tags()
      })
      if (version >= 8 && version <= 10) writer.int32(NO_OPERATIONS)
    })
  },

  /**
   *     Request => Key KeyType
   *     Response => ThrottleTimeMs ErrorCode ErrorMessage NodeId Host Port
   */
  FindCoordinator(request) {
    const { body, cluster, broker, refused } = request
    const of = body.string()
    const kind = body.int8() === 0 ? 'group' : 'transaction'
    end(body)
    const node = refused ? -1 : cluster.coordinatorSeenFrom(broker, kind, of)
    reply(request, (writer) => {
      writer.int16(node < 0 ? errors.COORDINATOR_NOT_AVAILABLE : errors.NONE).string(undefined)
      writer
        .int32(node)
        .string(node < 0 ? '' : hostOf(node))
        .int32(node < 0 ? -1 : PORT)
    })
  },

  /**
   *     Request => ReplicaId IsolationLevel [Name [Partition Timestamp]]
   *     Response => ThrottleTimeMs [Name [Partition ErrorCode Timestamp Offset]]
   */
  ListOffsets(request) {
    const { body, cluster, broker, refused } = request
    body.int32()
    const committed = body.int8() === 1
    const topics = readTopics(body, () => ({ partition: body.int32(), timestamp: body.int64() }))
    end(body)
    const answers = mapTopics(topics, ({ partition, timestamp }, topic) => {
      let offset = -1
      const code = codeFrom(() => {
        const log = cluster.ledBy(broker, { topic, partition })
        offset = timestamp === EARLIEST ? log.logStart : committed ? log.lastStableOffset : log.highWatermark
      })
      return refused ? { partition, code: cluster.refusal('listOffsets'), offset: -1 } : { partition, code, offset }
    })
    reply(request, (writer) => {
      writeTopics(writer, answers, ({ partition, code, offset }) => {
        writer.int32(partition).int16(code).int64(-1).int64(offset)
      })
    })
  },

  /**
   *     Request => [Name [Partition Offset]] TimeoutMs
   *     Response => ThrottleTimeMs [Name [Partition LowWatermark ErrorCode]]
   */
  DeleteRecords(request) {
    const { body, cluster, broker, refused } = request
    const topics = readTopics(body, () => ({ partition: body.int32(), offset: body.int64() }))
    body.int32()
    end(body)
    const answers = mapTopics(topics, ({ partition, offset }, topic) => {
      let low = -1
      const code = codeFrom(() => {
        low = cluster.deleteLedBy(broker, { topic, partition }, offset)
      })
      return refused ? { partition, code: cluster.refusal('deleteRecords'), low: -1 } : { partition, code, low }
    })
    reply(request, (writer) => {
      writeTopics(writer, answers, ({ partition, low, code }) => {
        writer.int32(partition).int64(low).int16(code)
      })
    })
  },

  /**
   *     Request => [Name Partitions ReplicationFactor [Partition [Replica]] [Name Value]] TimeoutMs ValidateOnly
   *     Response => ThrottleTimeMs [Name ErrorCode ErrorMessage]
   */
  CreateTopics(request) {
    const { body, cluster, refused } = request
    const topics = body.array(() => {
      const name = body.string()
      const partitions = body.int32()
      body.int16()
      body.array(() => [body.int32(), body.array(() => body.int32())])
      const config = Object.fromEntries(body.array(() => [body.string(), body.nullableString() ?? ''] as const))
      return { name, partitions, config }
    })
    body.int32()
    body.boolean()
    end(body)
    const refusal = refused ? cluster.refusal('createTopics') : errors.NONE
    const answers = topics.map((topic) => {
      const isThere = cluster.describeTopic(topic.name) !== undefined
      // A controller that was asked, and whose brokers did not know in time, has made it.
      if (!isThere && (refusal === errors.NONE || refusal === errors.REQUEST_TIMED_OUT)) cluster.createSlowly(topic)
      return { name: topic.name, code: refusal || (isThere ? errors.TOPIC_ALREADY_EXISTS : errors.NONE) }
    })
    reply(request, (writer) => {
      writer.array(answers, ({ name, code }) => writer.string(name).int16(code).string(undefined))
    })
  },

  /**
   *     Request => [Type Name [Name]] IncludeSynonyms
   *     Response => ThrottleTimeMs [ErrorCode ErrorMessage Type Name [Name Value ReadOnly Source Sensitive [Synonym]]]
   */
  DescribeConfigs(request) {
    const { body, cluster, broker, refused } = request
    const resources = body.array(() => {
      const type = body.int8()
      const name = body.string()
      return { type, name, wanted: body.nullableArray(() => body.string()) }
    })
    body.boolean()
    end(body)
    reply(request, (writer) => {
      writer.array(resources, ({ type, name, wanted }) => {
        const topic = type === TOPIC && cluster.knows(broker, name) ? cluster.describeTopic(name) : undefined
        const code = refused
          ? errors.REQUEST_TIMED_OUT
          : topic === undefined
            ? errors.UNKNOWN_TOPIC_OR_PARTITION
            : errors.NONE
        const config: Readonly<Record<string, string>> =
          topic === undefined
            ? {}
            : {
                'max.message.bytes': String(topic.maxMessageBytes),
                'cleanup.policy': topic.cleanupPolicy.join(),
                'delete.retention.ms': String(topic.deleteRetentionMs),
              }
        const entries = Object.entries(config).filter(([key]) => wanted?.includes(key) ?? true)
        writer.int16(code).string(undefined).int8(type).string(name)
        writer.array(code === errors.NONE ? entries : [], ([key, value]) => {
          writer.string(key).string(value).boolean(false).int8(CONFIG_SOURCE).boolean(false)
          writer.array([], () => undefined)
        })
      })
    })
  },
}
