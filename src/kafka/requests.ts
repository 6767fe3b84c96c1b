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
export const byTopic = <P extends { readonly topic: string }, T>(
  items: readonly P[],
  partition: (item: P) => T,
): TopicGroup<T>[] =>
  [...grouped(items, ({ topic }) => topic)].map(([topic, mine]) => ({ topic, partitions: mine.map(partition) }))

/** Under what they have in common, in their order. */
export function grouped<T, K>(items: readonly T[], keyOf: (item: T, index: number) => K): ReadonlyMap<K, readonly T[]> {
  const groups = new Map<K, T[]>()
  let index = 0
  for (const item of items) {
    const key = keyOf(item, index++)
    const mine = groups.get(key)
    if (mine === undefined) groups.set(key, [item])
    else mine.push(item)
  }
  return groups
}

/** For older brokers: see list-offsets-request.ts. */
export const listOffsetsOfKafkajs = (topics: readonly TopicGroup<{ partition: number; timestamp: number }>[]) =>
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
  readonly throttleTimeMs?: number
  readonly topics: readonly TopicGroup<PartitionCode>[]
}
/** With null, a producer outside of transactions: any broker answers. */
export const initProducerId = (transactionalId: string | null, transactionTimeout: number) =>
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
  topics: readonly TopicGroup<{ partition: number; offset: number; metadata: string }>[],
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
export const deleteTopics = (topics: readonly string[], timeout: number) =>
  viaKafkajs<{ readonly topicErrors: readonly (WithCode & { readonly topic: string })[] }>('DeleteTopics', {
    topics,
    timeout,
  })

// groups as they are seen from outside

export const describeGroup = (group: string) =>
  viaKafkajs<{
    readonly groups: readonly (WithCode & {
      readonly state: string
      readonly members: readonly {
        readonly memberId: string
        readonly memberMetadata: Buffer
        readonly memberAssignment: Buffer
      }[]
    })[]
  }>('DescribeGroups', { groupIds: [group] })
export const deleteGroup =
  (group: string): Request<{ readonly results: readonly WithCode[] }> =>
  (versions) =>
    // kafkajs takes this one's argument as it is, and no object.
    preparedOf(exchangeOf('DeleteGroups', [group], versions)) as Prepared<{ readonly results: readonly WithCode[] }>
