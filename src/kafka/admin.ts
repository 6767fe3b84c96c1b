/** Topics and offsets: what is asked now and then, not while messages flow. */
import { messageOf, PotorooError } from '../errors.js'
import type {
  CommittedOffset,
  GroupMember,
  NewTopic,
  PartitionPosition,
  TopicInfo,
  TopicPartition,
} from '../ports/log.js'
import type { Cluster } from './cluster.js'
import { BrokerError, codes, toPotorooError } from './errors.js'
import { offsetFetch } from './offset-fetch-request.js'
import { EARLIEST, LATEST, listOffsets as listOffsetsRequest } from './list-offsets-request.js'
import * as requests from './requests.js'
import { byTopic, grouped } from './requests.js'
import { type RetryOptions, retrying } from './retrying.js'

/** For how long a topic may be unknown before it counts as missing: metadata of a new one takes a moment to spread. */
const UNKNOWN_TOPIC_MS = 3_000
/** Latest time for anything here: longer than a broker takes to start again. */
const PATIENCE_MS = 30_000
/** What is tried for so long is spoken of. */
const SAY_WAITING_AFTER_MS = 3_000

/** Between two looks at topics that were just created: a worker waits for them when it starts. */
const NEW_TOPIC_PAUSE_MS = 25

export const nameOf = ({ topic, partition }: TopicPartition): string => `${topic}-${String(partition)}`

export async function describeTopics(
  cluster: Cluster,
  names: readonly string[],
): Promise<ReadonlyMap<string, TopicInfo>> {
  if (names.length === 0) return new Map()
  return guarded(cluster, `topics ${names.join(', ')}`, async () => {
    const { topicMetadata } = await cluster.metadataOf(names)
    const there = topicMetadata.filter(({ topic, topicErrorCode }) => {
      if (topicErrorCode === codes.UNKNOWN_TOPIC_OR_PARTITION) return false
      if (topicErrorCode !== 0 && topicErrorCode !== codes.LEADER_NOT_AVAILABLE)
        throw new BrokerError(topicErrorCode, `topic ${topic}`, 'Metadata')
      return true
    })
    if (there.length === 0) return new Map()
    const wanted = [
      'max.message.bytes',
      'cleanup.policy',
      'delete.retention.ms',
      'retention.ms',
      'message.timestamp.type',
    ]
    const { resources } = await cluster.callAny(
      requests.describeTopicConfigs(
        there.map(({ topic }) => topic),
        wanted,
      ),
    )
    const infos = new Map<string, TopicInfo>()
    for (const { topic, topicId, partitionMetadata } of there) {
      const resource = resources.find(({ resourceName }) => resourceName === topic)
      if (!resource || resource.errorCode !== 0)
        throw new BrokerError(resource?.errorCode ?? -1, `configuration of topic ${topic}`, 'DescribeConfigs')
      const config = new Map(resource.configEntries.map((entry) => [entry.configName, entry.configValue ?? '']))
      infos.set(topic, {
        name: topic,
        id: topicId,
        partitions: partitionMetadata.length,
        maxMessageBytes: Number(config.get('max.message.bytes')),
        cleanupPolicy: (config.get('cleanup.policy') ?? '').split(',').filter(Boolean).sort(),
        deleteRetentionMs: Number(config.get('delete.retention.ms')),
        retentionMs: retentionOf(config),
      })
    }
    return infos
  })
}

function retentionOf(config: ReadonlyMap<string, string>): number | undefined {
  const ms = Number(config.get('retention.ms'))
  const isByAge = (config.get('cleanup.policy') ?? '').includes('delete') && ms >= 0
  return isByAge && config.get('message.timestamp.type') !== 'LogAppendTime' ? ms : undefined
}

export async function createTopics(cluster: Cluster, topics: readonly NewTopic[]): Promise<void> {
  if (topics.length === 0) return
  const names = topics.map(({ name }) => name)
  await guarded(cluster, `creating topics ${names.join(', ')}`, async () => {
    const request = requests.createTopics(
      topics.map(({ name, partitions, replicationFactor, config }) => ({
        topic: name,
        numPartitions: partitions,
        replicationFactor: replicationFactor ?? -1,
        configEntries: Object.entries(config ?? {}).map(([key, value]) => ({ name: key, value })),
      })),
      cluster.settings.requestTimeoutMs / 2,
    )
    const { topicErrors } = await cluster.callController(request)
    for (const { topic, errorCode, errorMessage } of topicErrors) {
      if (errorCode === 0 || errorCode === codes.TOPIC_ALREADY_EXISTS) continue
      const what = `creating topic ${topic}${errorMessage ? `: ${errorMessage}` : ''}`
      const error = new BrokerError(errorCode, what, 'CreateTopics')
      throw error.kind === 'refused'
        ? new PotorooError('INVALID_CONFIGURATION', error.message, { cause: error })
        : error
    }
  })
  // Until every partition has a leader that answers for it: metadata alone is ahead of the leaders.
  const all = topics.flatMap(({ name, partitions }) => partitionsOf(name, partitions))
  const wait = async (): Promise<void> => {
    await cluster.refresh(names)
    const existing = names.flatMap((name) => partitionsOf(name, cluster.partitionsOf(name)))
    await offsetsOnce(cluster, existing.length > 0 ? existing : all, LATEST)
  }
  await guarded(cluster, `waiting for topics ${names.join(', ')}`, wait, { maxPauseMs: NEW_TOPIC_PAUSE_MS })
}

const partitionsOf = (topic: string, count: number): TopicPartition[] =>
  Array.from({ length: count }, (_, partition) => ({ topic, partition }))

export async function listOffsets(
  cluster: Cluster,
  partitions: readonly TopicPartition[],
  which: 'earliest' | 'end',
  { refresh = false } = {},
): Promise<readonly number[]> {
  if (partitions.length === 0) return []
  if (refresh) for (const { topic } of partitions) cluster.forgetTopic(topic)
  let unknownSince: number | undefined
  return guarded(cluster, `offsets of ${summary(partitions)}`, async () => {
    const askedMs = cluster.now()
    try {
      return await offsetsOnce(cluster, partitions, which === 'earliest' ? EARLIEST : LATEST)
    } catch (error) {
      // While nobody answers, nobody says that it is missing; an answer says how it was when it was asked for.
      if (!isUnknownTopic(error)) unknownSince = undefined
      else if (askedMs - (unknownSince ??= cluster.now()) > UNKNOWN_TOPIC_MS)
        throw new PotorooError('TOPIC_MISSING', error.message, { cause: error })
      throw error
    }
  })
}

export async function offsetsAt(
  cluster: Cluster,
  partitions: readonly TopicPartition[],
  timeMs: number,
): Promise<readonly number[]> {
  if (partitions.length === 0) return []
  const found = await guarded(cluster, `offsets of ${summary(partitions)}`, () =>
    offsetsOnce(cluster, partitions, Math.max(0, timeMs)),
  )
  const none = partitions.filter((_, i) => found[i] === -1)
  const ends = await listOffsets(cluster, none, 'end')
  let at = 0
  return found.map((offset) => (offset === -1 ? (ends[at++] ?? 0) : offset))
}

export async function deleteTopics(cluster: Cluster, names: readonly string[]): Promise<void> {
  if (names.length === 0) return
  await guarded(cluster, `deleting topics ${names.join(', ')}`, async () => {
    const { topicErrors } = await cluster.callController(
      requests.deleteTopics(names, cluster.settings.requestTimeoutMs / 2),
    )
    for (const { topic, errorCode } of topicErrors)
      if (errorCode !== 0 && errorCode !== codes.UNKNOWN_TOPIC_OR_PARTITION)
        throw new BrokerError(errorCode, `deleting topic ${topic}`)
  })
  // Brokers hear of it one after another.
  await guarded(cluster, `waiting until topics ${names.join(', ')} are gone`, async () => {
    for (const name of names) cluster.forgetTopic(name)
    const { topicMetadata } = await cluster.metadataOf(names)
    const left = topicMetadata.find(({ topicErrorCode }) => topicErrorCode === 0)
    if (left !== undefined) throw new BrokerError(codes.REQUEST_TIMED_OUT, `topic ${left.topic} is there still`)
  })
}

export async function groupMembers(cluster: Cluster, group: string): Promise<readonly GroupMember[]> {
  return ofGroup(cluster, group, async (node) => {
    const { groups } = await cluster.call('admin', node, requests.describeGroup(group))
    const [found] = groups
    // Newer versions of the request have this code for what older ones call a dead group.
    if (found === undefined || found.errorCode === codes.GROUP_ID_NOT_FOUND) return []
    if (found.errorCode !== 0) throw new BrokerError(found.errorCode, `group ${group}`)
    return found.members.map(({ memberId, memberMetadata, memberAssignment }) => ({
      memberId,
      metadata: memberMetadata,
      assignment: memberAssignment,
    }))
  })
}

export async function deleteGroup(cluster: Cluster, group: string): Promise<void> {
  await ofGroup(cluster, group, async (node) => {
    const { results } = await cluster.call('admin', node, requests.deleteGroup(group))
    for (const { errorCode } of results) {
      if (errorCode === 0 || errorCode === codes.GROUP_ID_NOT_FOUND) continue
      if (errorCode === codes.NON_EMPTY_GROUP)
        throw new PotorooError('WORKERS_RUNNING', `the group ${group} has members`)
      throw new BrokerError(errorCode, `deleting group ${group}`)
    }
  })
}

/** Asks the group's coordinator. */
function ofGroup<T>(cluster: Cluster, group: string, ask: (node: number) => Promise<T>): Promise<T> {
  const onFailure = (error: unknown): void => {
    cluster.noteCoordinatorFailure('group', group, error)
  }
  return guarded(cluster, `group ${group}`, async () => ask(await cluster.coordinator('group', group)), { onFailure })
}

const isUnknownTopic = (error: unknown): error is BrokerError =>
  error instanceof BrokerError && error.errorCode === codes.UNKNOWN_TOPIC_OR_PARTITION

async function offsetsOnce(
  cluster: Cluster,
  partitions: readonly TopicPartition[],
  timestamp: number,
): Promise<readonly number[]> {
  const leaders = await leadersOf(cluster, partitions)
  const byLeader = grouped(partitions, (_, i) => leaders[i] ?? -1)
  const offsets = new Map<string, number>()
  const ask = async ([nodeId, mine]: readonly [number, readonly TopicPartition[]]): Promise<void> => {
    const topics = byTopic(mine, (one) => ({ partition: one.partition, leaderEpoch: cluster.epochOf(one) }))
    const answer = await cluster.call('admin', nodeId, listOffsetsRequest(topics, timestamp))
    for (const { errorCode, offset, ...partition } of answer.partitions) {
      if (errorCode !== 0) {
        cluster.forgetTopic(partition.topic)
        throw new BrokerError(errorCode, `offsets of ${nameOf(partition)}`, 'ListOffsets')
      }
      offsets.set(nameOf(partition), offset)
    }
  }
  await Promise.all([...byLeader].map(ask))
  return partitions.map((partition) => {
    const offset = offsets.get(nameOf(partition))
    if (offset === undefined) throw new BrokerError(-1, `offsets of ${nameOf(partition)}`, 'ListOffsets')
    return offset
  })
}

export async function deleteRecords(cluster: Cluster, upTo: readonly PartitionPosition[]): Promise<void> {
  if (upTo.length === 0) return
  await guarded(cluster, `deleting records of ${summary(upTo)}`, async () => {
    const leaders = await leadersOf(cluster, upTo)
    const ask = async (nodeId: number): Promise<void> => {
      const mine = upTo.filter((_, i) => leaders[i] === nodeId)
      const topics = byTopic(mine, ({ partition, position }) => ({ partition, offset: position }))
      const { topics: answers } = await cluster.call(
        'admin',
        nodeId,
        requests.deleteRecords(topics, cluster.settings.requestTimeoutMs / 2),
      )
      for (const { topic, partitions } of answers)
        for (const { partition, errorCode } of partitions) {
          // What lies below the log's start already is no error. OFFSET_OUT_OF_RANGE says that nothing was deleted: the
          // position is above the high watermark, which lags for a while where another leader was elected.
          if (errorCode === 0) continue
          cluster.forgetTopic(topic)
          throw new BrokerError(errorCode, `deleting records of ${nameOf({ topic, partition })}`)
        }
    }
    await Promise.all([...new Set(leaders)].map(ask))
  })
}

/** The leader of each partition, from the cache where it knows. Rejects with BrokerError where there is none. */
export async function leadersOf(cluster: Cluster, partitions: readonly TopicPartition[]): Promise<readonly number[]> {
  const unknown = partitions.filter((partition) => cluster.leaderOf(partition) === undefined)
  if (unknown.length > 0) await cluster.refresh(unknown.map(({ topic }) => topic))
  return partitions.map((partition) => {
    const leader = cluster.leaderOf(partition)
    if (leader !== undefined) return leader
    const code = cluster.whyLeaderless(partition)
    cluster.forgetTopic(partition.topic)
    throw new BrokerError(code, `partition ${nameOf(partition)}`, 'Metadata')
  })
}

/** Offsets that an open transaction is about to change are waited for; the brokers end it by its timeout at the latest. */
export async function committedOffsets(
  cluster: Cluster,
  group: string,
  partitions: readonly TopicPartition[],
): Promise<readonly (CommittedOffset | undefined)[]> {
  if (partitions.length === 0) return []
  const request = offsetFetch(
    group,
    byTopic(partitions, ({ partition }) => partition),
  )
  const what = `committed positions of group ${group}`
  let deadline = cluster.now() + PATIENCE_MS
  let said = false
  const attempt = async (): Promise<readonly (CommittedOffset | undefined)[]> => {
    const node = await cluster.coordinator('group', group)
    const answer = await cluster.call('admin', node, request)
    if (answer.errorCode !== 0) throw new BrokerError(answer.errorCode, what, 'OffsetFetch')
    const found = new Map<string, CommittedOffset>()
    for (const partition of answer.partitions) {
      const { errorCode } = partition
      if (errorCode !== 0) throw new BrokerError(errorCode, `${what} on ${nameOf(partition)}`, 'OffsetFetch')
      if (partition.offset >= 0) found.set(nameOf(partition), { position: partition.offset, note: partition.metadata })
    }
    return partitions.map((partition) => found.get(nameOf(partition)))
  }
  const onFailure = (error: unknown): void => {
    cluster.noteCoordinatorFailure('group', group, error)
    if (!(error instanceof BrokerError && error.errorCode === codes.UNSTABLE_OFFSET_COMMIT)) return
    deadline = cluster.now() + PATIENCE_MS
    if (!said) cluster.settings.logger.info({ group }, 'waiting for an open transaction on the committed positions')
    said = true
  }
  return guarded(cluster, what, attempt, { onFailure, deadline: () => deadline })
}

async function guarded<T>(
  cluster: Cluster,
  what: string,
  attempt: () => Promise<T>,
  options: Partial<Pick<RetryOptions, 'onFailure' | 'deadline' | 'maxPauseMs'>> = {},
): Promise<T> {
  const beganMs = cluster.now()
  let said = false
  const onFailure = (error: unknown): void => {
    options.onFailure?.(error)
    if (said || cluster.closed || cluster.now() - beganMs < SAY_WAITING_AFTER_MS) return
    said = true
    cluster.settings.logger.warn({ reason: messageOf(error) }, `${what}: no answer yet, still trying`)
  }
  try {
    return await retrying(cluster, { deadline: () => beganMs + PATIENCE_MS, ...options, onFailure }, attempt)
  } catch (error) {
    throw toPotorooError(error, what)
  }
}

const summary = (partitions: readonly TopicPartition[]): string =>
  partitions.length <= 4
    ? partitions.map(nameOf).join(', ')
    : `${partitions.slice(0, 3).map(nameOf).join(', ')} and ${String(partitions.length - 3)} more`
