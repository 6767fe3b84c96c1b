/** A consumer group as any Kafka tool sees it: for who looks at workers from outside. */
import type { TopicPartition } from '../core/records/fetched.js'
import {
  decodeAssignment,
  decodeSubscription,
  type TaskAssignment,
  type WorkerInfo,
} from '../core/group/group-metadata.js'
import { nameOf } from './admin.js'
import { Cluster } from './cluster.js'
import { BrokerError, codes, toPotorooError } from './errors.js'
import { offsetFetch } from './offset-fetch-request.js'
import { type KafkaOptions, settingsOf } from './options.js'
import type { Request } from './prepared.js'
import { byTopic, deleteGroup, deleteTopics, describeGroup } from './requests.js'
import { retrying } from './retrying.js'

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
  /** Deletes the group, which must have no members, and these topics. What is not there is gone already. */
  deleteWith(topics: readonly string[]): Promise<void>
  close(): Promise<void>
}

/** A person waits: longer than a coordinator takes to move, shorter than one takes to be given up on. */
const PATIENCE_MS = 10_000

/** Everything rejects with NOT_AUTHORIZED or REQUEST_FAILED; this, too, with BROKER_UNREACHABLE or AUTHENTICATION_FAILED. */
export async function viewGroup(options: KafkaOptions, group: string): Promise<GroupView> {
  const cluster = new Cluster(settingsOf(options))
  try {
    await cluster.connect()
  } catch (error) {
    await cluster.close()
    throw error
  }
  return new View(cluster, group)
}

class View implements GroupView {
  constructor(
    private readonly cluster: Cluster,
    private readonly group: string,
  ) {}

  describe(): Promise<GroupDescription> {
    return this.#patiently(async () => {
      const { groups } = await this.#ask(describeGroup(this.group))
      const [found] = groups
      // Newer versions of the request have this code for what older ones call a dead group.
      if (found === undefined || found.errorCode === codes.GROUP_ID_NOT_FOUND) return { state: 'empty', members: [] }
      this.#check(found.errorCode)
      const state = stateOf(found.state)
      if (state !== 'stable') return { state, members: [] }
      return {
        state,
        members: found.members.map(({ memberId, memberMetadata, memberAssignment }) => ({
          memberId,
          info: decodeSubscription(memberMetadata),
          assignment: decodeAssignment(memberAssignment),
        })),
      }
    })
  }

  async committed(partitions: readonly TopicPartition[]): Promise<readonly (number | undefined)[]> {
    if (partitions.length === 0) return []
    const topics = byTopic(partitions, ({ partition }) => partition)
    return this.#patiently(async () => {
      const answer = await this.#ask(offsetFetch(this.group, topics, false))
      this.#check(answer.errorCode)
      const found = new Map<string, number>()
      for (const partition of answer.partitions) {
        this.#check(partition.errorCode)
        if (partition.offset >= 0) found.set(nameOf(partition), partition.offset)
      }
      return partitions.map((partition) => found.get(nameOf(partition)))
    })
  }

  async deleteWith(topics: readonly string[]): Promise<void> {
    await this.#patiently(async () => {
      const request = deleteTopics(topics, this.cluster.settings.requestTimeoutMs / 2)
      const { topicErrors } = await this.cluster.callController(request)
      for (const { errorCode, topic } of topicErrors)
        if (errorCode !== codes.UNKNOWN_TOPIC_OR_PARTITION) this.#check(errorCode, `topic ${topic}`)
      const { results } = await this.#ask(deleteGroup(this.group))
      for (const { errorCode } of results) if (errorCode !== codes.GROUP_ID_NOT_FOUND) this.#check(errorCode)
    })
  }

  close(): Promise<void> {
    return this.cluster.close()
  }

  /** Asks the group's coordinator. */
  async #ask<T>(request: Request<T>): Promise<T> {
    return this.cluster.call('admin', await this.cluster.coordinator('group', this.group), request)
  }

  #check(errorCode: number, what = `group ${this.group}`): void {
    if (errorCode !== 0) throw new BrokerError(errorCode, what)
  }

  async #patiently<T>(attempt: () => Promise<T>): Promise<T> {
    const until = this.cluster.now() + PATIENCE_MS
    const onFailure = (error: unknown): void => {
      this.cluster.noteCoordinatorFailure('group', this.group, error)
    }
    try {
      return await retrying(this.cluster, { deadline: () => until, onFailure }, attempt)
    } catch (error) {
      throw toPotorooError(error, `group ${this.group}`)
    }
  }
}

function stateOf(state: string): GroupDescription['state'] {
  if (state === 'Stable') return 'stable'
  return state === 'Empty' || state === 'Dead' ? 'empty' : 'rebalancing'
}
