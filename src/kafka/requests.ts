/** The requests that kafkajs encodes and decodes, typed. Answers come as they are, error codes included. */
import { type ApiName, exchangeOf } from './kafkajs.js'
import { preparedOf } from './link.js'
import type { Prepared, Request } from './prepared.js'

/** Offsets and producer ids are int64, which kafkajs gives as decimal strings. */
type Int64 = string
interface WithCode {
  readonly errorCode: number
}
interface PartitionCode extends WithCode {
  readonly partition: number
}

const viaKafkajs =
  <T>(name: ApiName, args: object): Request<T> =>
  (versions) =>
    preparedOf(exchangeOf(name, args, versions)) as Prepared<T>

export interface MetadataAnswer {
  readonly brokers: readonly { readonly nodeId: number; readonly host: string; readonly port: number }[]
  readonly controllerId: number
  readonly topicMetadata: readonly {
    readonly topicErrorCode: number
    readonly topic: string
    readonly partitionMetadata: readonly {
      readonly partitionErrorCode: number
      readonly partitionId: number
      readonly leader: number
    }[]
  }[]
}
/** Of these topics, or of no topic: kafkajs's encoder asks for all topics when it is given none. */
export const metadata =
  (topics: readonly string[]): Request<MetadataAnswer> =>
  (versions) => {
    const prepared = preparedOf(
      exchangeOf('Metadata', { topics, allowAutoTopicCreation: false }, versions),
    ) as Prepared<MetadataAnswer>
    // An empty array, then a false; versions 4 to 6.
    return topics.length > 0 ? prepared : { ...prepared, encode: () => [Buffer.alloc(5)] }
  }

export const findCoordinator = (kind: 'group' | 'transaction', key: string) =>
  viaKafkajs<WithCode & { readonly coordinator: { readonly nodeId: number } }>('GroupCoordinator', {
    groupId: key,
    coordinatorType: kind === 'group' ? 0 : 1,
  })

export interface TopicGroup<T> {
  readonly topic: string
  readonly partitions: readonly T[]
}
/** As requests want them: partitions under their topic. */
export function byTopic<P extends { readonly topic: string }, T>(
  items: readonly P[],
  partition: (item: P) => T,
): TopicGroup<T>[] {
  const topics = new Map<string, T[]>()
  for (const item of items) {
    const partitions = topics.get(item.topic)
    if (partitions) partitions.push(partition(item))
    else topics.set(item.topic, [partition(item)])
  }
  return [...topics].map(([topic, partitions]) => ({ topic, partitions }))
}

export const listOffsets = (topics: readonly TopicGroup<{ partition: number; timestamp: number }>[]) =>
  viaKafkajs<{ readonly responses: readonly TopicGroup<PartitionCode & { readonly offset: Int64 }>[] }>('ListOffsets', {
    replicaId: -1,
    // Read uncommitted: the end is the high watermark.
    isolationLevel: 0,
    topics,
  })

// transactions

export interface ProducerIdentity {
  readonly transactionalId: string
  readonly producerId: Int64
  readonly producerEpoch: number
}
export interface TxnOffsetCommitAnswer {
  readonly topics: readonly TopicGroup<PartitionCode>[]
}
export const initProducerId = (transactionalId: string, transactionTimeout: number) =>
  viaKafkajs<WithCode & { readonly producerId: Int64; readonly producerEpoch: number }>('InitProducerId', {
    transactionalId,
    transactionTimeout,
  })
export const addPartitionsToTxn = (producer: ProducerIdentity, topics: readonly TopicGroup<number>[]) =>
  viaKafkajs<{ readonly errors: readonly { topic: string; partitionErrors: readonly PartitionCode[] }[] }>(
    'AddPartitionsToTxn',
    { ...producer, topics },
  )
export const addOffsetsToTxn = (producer: ProducerIdentity, groupId: string) =>
  viaKafkajs<WithCode>('AddOffsetsToTxn', { ...producer, groupId })
export const txnOffsetCommit = (
  producer: ProducerIdentity,
  groupId: string,
  topics: readonly TopicGroup<{ partition: number; offset: number }>[],
) =>
  viaKafkajs<TxnOffsetCommitAnswer>('TxnOffsetCommit', {
    ...producer,
    groupId,
    topics,
  })
export const endTxn = (producer: ProducerIdentity, commit: boolean) =>
  viaKafkajs<WithCode>('EndTxn', { ...producer, transactionResult: commit })

// membership

export const joinGroup = (args: {
  groupId: string
  memberId: string
  sessionTimeout: number
  rebalanceTimeout: number
  protocolType: string
  groupProtocols: readonly { name: string; metadata: Buffer }[]
}) =>
  viaKafkajs<
    WithCode & {
      readonly generationId: number
      readonly groupProtocol: string | null
      readonly leaderId: string | null
      readonly memberId: string | null
      readonly members: readonly { readonly memberId: string; readonly memberMetadata: Buffer | null }[]
    }
  >('JoinGroup', args)
export const syncGroup = (args: {
  groupId: string
  generationId: number
  memberId: string
  groupAssignment: readonly { memberId: string; memberAssignment: Buffer }[]
}) => viaKafkajs<WithCode & { readonly memberAssignment: Buffer | null }>('SyncGroup', args)
export const heartbeat = (args: { groupId: string; groupGenerationId: number; memberId: string }) =>
  viaKafkajs<WithCode>('Heartbeat', args)
export const leaveGroup = (args: { groupId: string; memberId: string }) =>
  viaKafkajs<WithCode & { readonly members?: readonly WithCode[] }>('LeaveGroup', args)

// administration

export const describeTopicConfigs = (topics: readonly string[], configNames: readonly string[]) =>
  viaKafkajs<{
    readonly resources: readonly (WithCode & {
      readonly errorMessage: string | null
      readonly resourceName: string
      readonly configEntries: readonly { readonly configName: string; readonly configValue: string | null }[]
    })[]
  }>('DescribeConfigs', { resources: topics.map((name) => ({ type: 2, name, configNames })) })
export const deleteRecords = (
  topics: readonly TopicGroup<{ readonly partition: number; readonly offset: number }>[],
  timeout: number,
) => viaKafkajs<{ readonly topics: readonly TopicGroup<PartitionCode>[] }>('DeleteRecords', { topics, timeout })
export const createTopics = (
  topics: readonly {
    topic: string
    numPartitions: number
    replicationFactor: number
    configEntries: readonly { name: string; value: string }[]
  }[],
  timeout: number,
) =>
  viaKafkajs<{ readonly topicErrors: readonly (WithCode & { topic: string; errorMessage: string | null })[] }>(
    'CreateTopics',
    { topics, timeout },
  )
