/** The topics that an application needs, as they are in Kafka: checked, and the runtime's own ones created. */
import type { BroadcastDefinition } from '../api/definition.js'
import type { Destination } from '../core/processing/outbox.js'
import { lateTables } from '../core/plan/late-tables.js'
import { versionsBeyond, withTopicIds, withVersions, type Change, type Manifest } from '../core/plan/manifest.js'
import { countsIn, planTopics, refusal, unfinishedReset, unfitChangelog } from '../core/plan/topic-plan.js'
import { timeFlow, writersIn } from '../core/plan/time-flow.js'
import { hasChangelog, namesOf, taskId, type SubTopology, type Topology } from '../core/plan/topology.js'
import { PotorooError } from '../errors.js'
import type { TopicInfo } from '../ports/log.js'
import type { BroadcastPlan } from './broadcasts.js'
import type { TaskPlan, TaskTime } from './task-plan.js'
import { changelogLost, inputReplaced } from './cures.js'
import { changeManifest } from './manifest-topic.js'
import { describeNew } from './new-topics.js'
import type { ObservedPorts, RuntimeOptions, Ports } from './options.js'
import { refusals } from './refusals.js'
import { topologyInKafka } from './topology-in-kafka.js'
import { VersionsInUse } from './versions-in-use.js'

/**
 * All tasks of the application, by id. Creates changelogs, repartitions, dead letters and the manifest. Throws TOPIC_MISSING,
 * PARTITION_COUNTS_DIFFER, CHANGELOG_UNFIT, CHANGELOG_LOST, REPARTITION_LOST, TOPOLOGY_INCOMPATIBLE, STATE_NEWER,
 * MANIFEST_UNREADABLE or RESET_UNFINISHED; the signal's reason when it is aborted.
 */
export async function planTasks(
  declared: Topology,
  env: PlanEnvironment,
  options: PlanOptions,
  signal: AbortSignal = new AbortController().signal,
): Promise<ReadonlyMap<string, TaskPlan>> {
  for (;;) {
    const plans = await planOnce(declared, env, options, signal)
    if (plans !== undefined) return plans
    env.observer.observe({ kind: 'manifest-overtaken' })
  }
}

type PlanEnvironment = Pick<ObservedPorts, 'log' | 'observer' | 'clock'> & {
  readonly stores: Pick<Ports['stores'], 'directory'>
}
type PlanOptions = Pick<RuntimeOptions, 'topicPrefix' | 'replicationFactor' | 'onError' | 'deadLetterState'>

/** Undefined if the manifest is no longer the one that this started with: names and plans may have changed. */
async function planOnce(
  declared: Topology,
  env: PlanEnvironment,
  options: PlanOptions,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, TaskPlan> | undefined> {
  const { log, observer, clock } = env
  const names = namesOf(options.topicPrefix, declared.application)
  const known = await topologyInKafka(declared, log, names, signal)
  const { found, stored, reconciled } = known
  const refused = refusal(await refusals(declared, known, names, env, signal))
  if (refused !== undefined) throw refused
  const { topology } = reconciled
  const counts = countsIn(topology, names, found)
  const { replicationFactor } = options
  const missing = planTopics(topology, names, found).flatMap(({ create }) =>
    create === undefined ? [] : [{ ...create, replicationFactor }],
  )
  if (missing.length > 0) {
    const topics = missing.map(({ name, partitions }) => ({ name, partitions }))
    observer.observe({ kind: 'creating-topics', topics })
    await log.createTopics(missing)
    const made = missing.map(({ name }) => name)
    for (const [name, info] of await describeNew(made, env, signal)) found.set(name, info)
  }
  // After the topics: a manifest that names a changelog which was never created would make it look lost.
  const withIds = (manifest: Manifest): Manifest => withTopicIds(manifest, (name) => found.get(names.topic(name))?.id)
  const manifest = withIds(reconciled.manifest)
  if (manifest !== stored) {
    const news = reconciled.changes.filter(({ kind }) => kind !== 'kept')
    if (news.length > 0)
      observer.observe({ kind: 'topology-changed', generation: manifest.generation, changes: news.map(textOf) })
    const isAsRead = (there: Manifest | undefined): boolean => there?.generation === stored?.generation
    const written = await changeManifest({ log, clock, signal }, names.manifest, names.group, (there) => {
      const begun = unfinishedReset(there, declared)
      if (begun !== undefined) throw begun
      return there === undefined || isAsRead(there) ? manifest : there
    })
    if (written !== manifest) return undefined
    for (const { table, topic } of lateTables(topology, stored))
      observer.observe({ kind: 'table-late', table, topic: names.topic(topic) })
  }

  const destination = (name: string): Destination => {
    const info = requireTopic(name, found)
    const { id: topicId, partitions, maxMessageBytes, retentionMs } = info
    return { topic: name, topicId, partitions, maxMessageBytes, retentionMs }
  }
  const deadLetters = destination(names.deadLetters)
  const broadcasts = new Map(
    topology.subTopologies.flatMap((sub) =>
      sub.broadcasts.map((definition): [BroadcastDefinition, BroadcastPlan] => {
        const { name: topic, id, partitions } = requireTopic(names.topic(definition.topic.name), found)
        return [definition, { definition, topic, id, partitions }]
      }),
    ),
  )
  const plans = new Map<string, TaskPlan>()
  const flow = timeFlow(topology.subTopologies)
  const tasksOf = (sub: SubTopology): readonly string[] =>
    Array.from({ length: counts.get(sub) ?? 0 }, (_, partition) => taskId(sub.name, partition))
  for (const [sub, partitions] of counts) {
    const changelog = hasChangelog(sub) ? fittingChangelog(names.changelog(sub.name), partitions, found) : undefined
    const sinks = new Map(sub.sinks.map(({ name }) => [name, destination(names.topic(name))]))
    const versions =
      versionsBeyond(manifest, sub).length === 0
        ? undefined
        : new VersionsInUse((aborted) =>
            changeManifest({ log, clock, signal: aborted }, names.manifest, names.group, (there = manifest) =>
              withVersions(there, sub),
            ),
          )
    const into = flow.get(sub)
    const time: TaskTime | undefined = into && {
      writers: into.inputs.map((input) =>
        input === 'records' ? undefined : input === 'none' ? [] : input.flatMap(tasksOf),
      ),
      marks: into.marks.flatMap((topic) => {
        const to = sinks.get(topic.name)
        return to === undefined ? [] : [{ to, writers: writersIn(flow, topic).flatMap(tasksOf).length }]
      }),
    }
    for (let partition = 0; partition < partitions; partition++) {
      const id = taskId(sub.name, partition)
      plans.set(id, {
        id,
        partition,
        transactionalId: names.transactionalId(sub.name, partition),
        group: names.group,
        version: reconciled.plans.get(sub.name) ?? { number: 0, hash: '', upgrades: 0 },
        sources: sub.sources.map(({ topic, isRepartition }) => {
          const name = names.topic(topic.name)
          return { topic: name, id: found.get(name)?.id, start: topic.start, isRepartition }
        }),
        changelog: changelog && {
          topic: changelog.name,
          id: changelog.id,
          deleteRetentionMs: changelog.deleteRetentionMs,
        },
        time,
        versions,
        broadcasts: sub.broadcasts.flatMap((definition) => broadcasts.get(definition) ?? []),
        processor: {
          subTopology: sub,
          partition,
          partitions,
          sinks,
          deadLetters,
          changelog: changelog && destination(changelog.name),
          onError: options.onError,
          deadLetterState: options.deadLetterState,
        },
      })
    }
  }
  return plans
}

/** A topic that tasks were planned for. */
interface PlannedTopic {
  readonly id: string | undefined
  /** Undefined for anything that is not a source. */
  readonly partitions?: number
  /** The error for a topic that is a different one now. */
  readonly replaced: (message: string) => PotorooError
}

/**
 * Throws PARTITION_COUNT_CHANGED if a source has another number of partitions than when the tasks were planned: no task
 * reads the new ones, and the keys of what producers write now belong on other partitions than their state objects. If
 * a topic was deleted and recreated, throws TOPIC_REPLACED (a source), REPARTITION_LOST, CHANGELOG_LOST or
 * TOPIC_CHANGED (any other).
 */
export async function checkTopics(plans: Iterable<TaskPlan>, env: Pick<Ports, 'log' | 'stores'>): Promise<void> {
  const planned = plannedTopics(plans, env)
  const found = await env.log.describeTopics([...planned.keys()])
  for (const [topic, before] of planned) {
    const now = found.get(topic)
    if (now === undefined) continue
    if (before.id !== undefined && now.id !== undefined && now.id !== before.id)
      throw before.replaced(`${topic} was deleted and recreated while this worker runs`)
    if (before.partitions !== undefined && now.partitions !== before.partitions)
      throw new PotorooError(
        'PARTITION_COUNT_CHANGED',
        `${topic} has ${String(now.partitions)} partitions now, and had ${String(before.partitions)} when this worker started: no task ` +
          'reads the new ones, and keys now belong on other partitions',
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
  for (const { topic, id, partitions } of all.flatMap((plan) => plan.broadcasts))
    planned.set(topic, { id, partitions, replaced: (message) => new PotorooError('TOPIC_CHANGED', message) })
  for (const { group, changelog, sources } of all)
    if (changelog !== undefined) {
      const { topic, id } = changelog
      planned.set(topic, {
        id,
        replaced: (message) => changelogLost({ group, changelog: topic, sources }, message, env),
      })
    }
  // A topic that is also a sink, of the same application or of its tasks, counts as a source.
  for (const plan of all)
    for (const { topic, id } of plan.sources) {
      const { partitions } = plan.processor
      planned.set(topic, { id, partitions, replaced: (message) => inputReplaced(plan, topic, message, env) })
    }
  return planned
}

const textOf = ({ kind, what, name, version }: Change): string =>
  `${what} ${name}${version === undefined ? '' : ` v${String(version)}`} ${kind}`

function requireTopic(name: string, found: ReadonlyMap<string, TopicInfo>): TopicInfo {
  const info = found.get(name)
  if (info === undefined) throw new PotorooError('TOPIC_MISSING', `no such topic: ${name}`)
  return info
}

/** Also one that another worker has created meanwhile. */
function fittingChangelog(name: string, partitions: number, found: ReadonlyMap<string, TopicInfo>): TopicInfo {
  const info = requireTopic(name, found)
  const [unfit] = unfitChangelog(info, partitions)
  if (unfit !== undefined) throw unfit
  return info
}
