/** A consumer group as any Kafka tool sees it: for who looks at workers from outside. */
import type { TopicPartition } from '../core/fetched.js'
import { decodeAssignment, decodeSubscription, type TaskAssignment, type WorkerInfo } from '../core/group-metadata.js'
import { messageOf, PotorooError } from '../errors.js'
import { plainKafka, type PlainKafkaOptions } from './plain.js'

export interface GroupMember {
  readonly memberId: string
  /** What it said of itself when it joined last; undefined where it is no worker of Potoroo's. */
  readonly info: WorkerInfo | undefined
  /** What the leader gave it. */
  readonly assignment: TaskAssignment | undefined
}
export interface GroupDescription {
  /** Who is in it is told of a stable group only. A group that does not exist is an empty one. */
  readonly state: 'stable' | 'rebalancing' | 'empty'
  readonly members: readonly GroupMember[]
}

export interface GroupView {
  describe(): Promise<GroupDescription>
  /**
   * Committed positions; undefined where there is none. In the order asked, of topics that exist. Unlike `Log`'s, these
   * wait for no transaction: good for a look, not for going on from there.
   */
  committed(partitions: readonly TopicPartition[]): Promise<readonly (number | undefined)[]>
  close(): Promise<void>
}

/** Everything rejects with NOT_AUTHORIZED or REQUEST_FAILED. */
export async function viewGroup(options: PlainKafkaOptions, group: string): Promise<GroupView> {
  // What kafkajs logs are retries; one that does not help ends in an error.
  const toDebug = options.logger.debug.bind(options.logger)
  const admin = plainKafka({
    ...options,
    logger: { debug: toDebug, info: toDebug, warn: toDebug, error: toDebug },
  }).admin()
  await asked(group, admin.connect())
  return {
    describe: async () => {
      const { groups } = await asked(group, admin.describeGroups([group]))
      const [found] = groups
      const state = stateOf(found?.state)
      if (found === undefined || state !== 'stable') return { state, members: [] }
      return {
        state,
        members: found.members.map(({ memberId, memberMetadata, memberAssignment }) => ({
          memberId,
          info: decodeSubscription(memberMetadata),
          assignment: decodeAssignment(memberAssignment),
        })),
      }
    },
    committed: async (partitions) => {
      const topics = [...new Set(partitions.map(({ topic }) => topic))]
      if (topics.length === 0) return []
      const found = await asked(group, admin.fetchOffsets({ groupId: group, topics }))
      const offsets = new Map(
        found.flatMap((answer) =>
          answer.partitions.map(({ partition, offset }) => [`${answer.topic} ${partition}`, Number(offset)] as const),
        ),
      )
      return partitions.map(({ topic, partition }) => {
        const offset = offsets.get(`${topic} ${partition}`) ?? -1
        return offset < 0 ? undefined : offset
      })
    },
    close: () => admin.disconnect(),
  }
}

function stateOf(state: string | undefined): GroupDescription['state'] {
  if (state === 'Stable') return 'stable'
  return state === undefined || state === 'Empty' || state === 'Dead' ? 'empty' : 'rebalancing'
}

async function asked<T>(group: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    const code =
      isUnauthorized(error) || (error instanceof Error && isUnauthorized(error.cause))
        ? 'NOT_AUTHORIZED'
        : 'REQUEST_FAILED'
    throw new PotorooError(code, `group ${group}: ${messageOf(error)}`, { cause: error })
  }
}

/** By what it looks like: kafkajs's errors stand in `cause` where it has retried. */
const isUnauthorized = (error: unknown): boolean =>
  error instanceof Error &&
  'type' in error &&
  typeof error.type === 'string' &&
  error.type.endsWith('_AUTHORIZATION_FAILED')
