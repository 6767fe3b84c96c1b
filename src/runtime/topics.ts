/** The topics that an application needs, as they are in Kafka: checked, and the runtime's own ones created. */
import { namesOf, taskId, type SubTopology, type Topology } from '../core/topology.js'
import type { Destination } from '../core/outbox.js'
import { PotorooError } from '../errors.js'
import type { Log, NewTopic, TopicInfo } from '../ports/log.js'
import type { Logger } from '../ports/logger.js'
import type { StateStores } from '../ports/store.js'
import type { TaskPlan } from './task-plan.js'
import { changelogLost, topicReplaced } from './cures.js'
import type { Ports, RuntimeOptions } from './options.js'

/** A changelog: compacted only, for a deleted segment would be lost state. */
export const changelogConfig = { 'cleanup.policy': 'compact' } as const

/** All tasks of the application, by id. Creates changelogs and dead letters. Throws TOPIC_MISSING, PARTITION_COUNTS_DIFFER, CHANGELOG_UNFIT or CHANGELOG_LOST. */
export async function planTasks(
  topology: Topology,
  log: Log,
  options: Pick<RuntimeOptions, 'topicPrefix' | 'replicationFactor' | 'onError'>,
  logger: Logger,
  stores: Pick<StateStores, 'directory'>,
): Promise<ReadonlyMap<string, TaskPlan>> {
  const names = namesOf(options.topicPrefix, topology.application)
  const found = new Map(await log.describeTopics(allTopics(topology, names)))
  requireDeclared(topology, names, found)

  const counts = new Map(topology.subTopologies.map((sub) => [sub, partitionCount(sub, names, found)]))
  const missing: NewTopic[] = []
  const { replicationFactor } = options
  if (!found.has(names.deadLetters))
    missing.push({ name: names.deadLetters, partitions: Math.max(...counts.values()), replicationFactor })
  for (const [sub, partitions] of counts) {
    const name = names.changelog(sub.name)
    if (sub.states.length === 0 || found.has(name)) continue
    await requireUnread(sub, name, names, partitions, { log, stores })
    missing.push({ name, partitions, replicationFactor, config: changelogConfig })
  }
  if (missing.length > 0) {
    logger.info({ topics: missing.map(({ name, partitions }) => ({ name, partitions })) }, 'creating topics')
    await log.createTopics(missing)
    for (const [name, info] of await log.describeTopics(missing.map(({ name }) => name))) found.set(name, info)
  }

  const destination = (name: string): Destination => {
    const info = requireTopic(name, found)
    const { id: topicId, partitions, maxMessageBytes, retentionMs } = info
    return { topic: name, topicId, partitions, maxMessageBytes, retentionMs }
  }
  const deadLetters = destination(names.deadLetters)
  const plans = new Map<string, TaskPlan>()
  for (const [sub, partitions] of counts) {
    const changelog =
      sub.states.length === 0 ? undefined : requireChangelog(names.changelog(sub.name), partitions, found)
    const sinks = new Map(sub.sinks.map(({ name }) => [name, destination(names.topic(name))]))
    for (let partition = 0; partition < partitions; partition++) {
      const id = taskId(sub.name, partition)
      plans.set(id, {
        id,
        partition,
        transactionalId: names.transactionalId(sub.name, partition),
        group: names.group,
        sources: sub.sources.map(({ topic }) => {
          const name = names.topic(topic.name)
          return { topic: name, id: found.get(name)?.id, start: topic.start }
        }),
        changelog: changelog && {
          topic: changelog.name,
          id: changelog.id,
          deleteRetentionMs: changelog.deleteRetentionMs,
        },
        processor: {
          subTopology: sub,
          partition,
          partitions,
          sinks,
          deadLetters,
          changelog: changelog && destination(changelog.name),
          onError: options.onError,
        },
      })
    }
  }
  return plans
}

/** A topic that tasks were planned for. */
interface PlannedTopic {
  readonly id: string | undefined
  /** Undefined for what is no source. */
  readonly partitions?: number
  /** What it is that the topic is another one now. */
  readonly replaced: (message: string) => PotorooError
}

/**
 * Throws PARTITION_COUNT_CHANGED when a source has another number of partitions than when the tasks were planned: nobody
 * reads the new ones, and the keys of what producers write now belong on other partitions than their state objects.
 * Where a topic was deleted and made anew, throws TOPIC_REPLACED (a source), CHANGELOG_LOST or TOPIC_CHANGED (any other).
 */
export async function checkTopics(plans: Iterable<TaskPlan>, env: Pick<Ports, 'log' | 'stores'>): Promise<void> {
  const planned = plannedTopics(plans, env)
  const found = await env.log.describeTopics([...planned.keys()])
  for (const [topic, before] of planned) {
    const now = found.get(topic)
    if (now === undefined) continue
    if (before.id !== undefined && now.id !== undefined && now.id !== before.id)
      throw before.replaced(`${topic} was deleted and made anew while this worker runs`)
    if (before.partitions !== undefined && now.partitions !== before.partitions)
      throw new PotorooError(
        'PARTITION_COUNT_CHANGED',
        `${topic} has ${String(now.partitions)} partitions now, and had ${String(before.partitions)} when this worker started: nobody ` +
          'reads the others, and keys belong on other partitions than before',
      )
  }
}

function plannedTopics(
  plans: Iterable<TaskPlan>,
  env: Pick<Ports, 'log' | 'stores'>,
): ReadonlyMap<string, PlannedTopic> {
  const all = [...plans]
  const planned = new Map<string, PlannedTopic>()
  for (const { processor } of all)
    for (const { topic, topicId } of [...processor.sinks.values(), processor.deadLetters])
      planned.set(topic, { id: topicId, replaced: (message) => new PotorooError('TOPIC_CHANGED', message) })
  for (const { group, changelog, sources } of all)
    if (changelog !== undefined) {
      const { topic, id } = changelog
      planned.set(topic, {
        id,
        replaced: (message) => changelogLost({ group, changelog: topic, sources }, message, env),
      })
    }
  // What is a sink as well, of the same application or of its tasks, counts as the source that it is.
  for (const plan of all)
    for (const { topic, id } of plan.sources) {
      const { partitions } = plan.processor
      planned.set(topic, { id, partitions, replaced: (message) => topicReplaced(plan, topic, message, env) })
    }
  return planned
}

type Names = ReturnType<typeof namesOf>

const allTopics = (topology: Topology, names: Names): string[] => [
  ...new Set([
    names.deadLetters,
    ...topology.subTopologies.flatMap((sub) => [
      ...[...sub.sources.map(({ topic }) => topic.name), ...sub.sinks.map(({ name }) => name)].map(names.topic),
      ...(sub.states.length === 0 ? [] : [names.changelog(sub.name)]),
    ]),
  ]),
]

function requireDeclared(topology: Topology, names: Names, found: ReadonlyMap<string, TopicInfo>): void {
  const declared = topology.subTopologies.flatMap((sub) => [...sub.sources.map(({ topic }) => topic), ...sub.sinks])
  const missing = [...new Set(declared.map(({ name }) => names.topic(name)))].filter((name) => !found.has(name))
  if (missing.length > 0) throw new PotorooError('TOPIC_MISSING', `no such topic: ${missing.join(', ')}`)
}

function requireTopic(name: string, found: ReadonlyMap<string, TopicInfo>): TopicInfo {
  const info = found.get(name)
  if (info === undefined) throw new PotorooError('TOPIC_MISSING', `no such topic: ${name}`)
  return info
}

function partitionCount(sub: SubTopology, names: Names, found: ReadonlyMap<string, TopicInfo>): number {
  const topics = sub.sources.map(({ topic }) => requireTopic(names.topic(topic.name), found))
  const counts = new Set(topics.map(({ partitions }) => partitions))
  if (counts.size > 1) {
    const list = topics.map(({ name, partitions }) => `${name} has ${String(partitions)}`).join(', ')
    throw new PotorooError(
      'PARTITION_COUNTS_DIFFER',
      `the sources of sub-topology ${sub.name} are co-partitioned, but ${list}: make them anew with the same number of partitions`,
    )
  }
  return Math.max(...counts)
}

function requireChangelog(name: string, partitions: number, found: ReadonlyMap<string, TopicInfo>): TopicInfo {
  const info = requireTopic(name, found)
  if (info.cleanupPolicy.join() !== 'compact')
    throw new PotorooError(
      'CHANGELOG_UNFIT',
      `${name} has cleanup.policy ${info.cleanupPolicy.join(',')}: deleted segments would be lost state; set it to compact`,
    )
  if (info.partitions !== partitions)
    throw new PotorooError(
      'CHANGELOG_UNFIT',
      `${name} has ${String(info.partitions)} partitions, but its sources have ${String(partitions)}: a partition count can't be changed ` +
        'under state objects; go back to the former count, or start again with a new application name',
    )
  return info
}

/** A changelog that is missing while the group has positions was lost: to go on would be to go on without the state. */
async function requireUnread(
  sub: SubTopology,
  changelog: string,
  names: Names,
  partitions: number,
  env: { readonly log: Log; readonly stores: Pick<StateStores, 'directory'> },
): Promise<void> {
  const sources = sub.sources.flatMap(({ topic }) =>
    Array.from({ length: partitions }, (_, partition) => ({ topic: names.topic(topic.name), partition })),
  )
  const positions = await env.log.committedPositions(names.group, sources)
  if (positions.some((position) => position !== undefined))
    throw changelogLost(
      {
        group: names.group,
        changelog,
        isMissing: true,
        sources: sub.sources.map(({ topic }) => ({ topic: names.topic(topic.name) })),
      },
      `${changelog} does not exist, but the group ${names.group} has read its sources: the state objects are gone`,
      env,
    )
}
