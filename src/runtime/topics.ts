/** The topics that an application needs, as they are in Kafka: checked, and the runtime's own ones created. */
import type { Destination } from '../core/processing/outbox.js'
import {
  manifestBefore,
  reconcile,
  versionsBeyond,
  withTopicIds,
  withVersions,
  type Change,
  type Manifest,
  type Reconciled,
} from '../core/plan/manifest.js'
import { partitionCounts } from '../core/plan/partition-counts.js'
import { namesOf, taskId, type SubTopology, type Topology } from '../core/plan/topology.js'
import { PotorooError } from '../errors.js'
import type { Log, NewTopic, TopicInfo } from '../ports/log.js'
import type { TaskPlan } from './task-plan.js'
import { changelogLost, inputReplaced } from './cures.js'
import { changeManifest, manifestConfig, readManifest } from './manifest-topic.js'
import { describeNew } from './new-topics.js'
import type { ObservedPorts, Ports, RuntimeOptions } from './options.js'
import { requireRepartitions } from './repartitions.js'
import { VersionsInUse } from './versions-in-use.js'

/** A changelog: compacted only, for a deleted segment would be lost state. */
export const changelogConfig = { 'cleanup.policy': 'compact' } as const

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
type PlanOptions = Pick<RuntimeOptions, 'topicPrefix' | 'replicationFactor' | 'onError'>

/** Undefined where the manifest is not the one any more that this began with: names and plans may be others now. */
async function planOnce(
  declared: Topology,
  env: PlanEnvironment,
  options: PlanOptions,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, TaskPlan> | undefined> {
  const { log, observer, clock } = env
  const names = namesOf(options.topicPrefix, declared.application)
  const known = await topologyInKafka(declared, log, names, signal)
  const { found, stored, before, countsOf } = known
  requireDeclared(declared, names, found)
  requireNoReset(stored, declared)
  // Before the manifest is compared: one that is missing may have been made with another number of partitions.
  await requireRepartitions(before, countsOf(known.reconciled.topology), names, found, env, signal)
  const reconciled = accepted(known.reconciled)
  const { topology } = reconciled
  const counts = countsOf(topology)
  for (const [sub, partitions] of counts) requireCopartitioned(sub, partitions, names, found)
  const missing: NewTopic[] = []
  const { replicationFactor } = options
  if (!found.has(names.manifest))
    missing.push({ name: names.manifest, partitions: 1, replicationFactor, config: manifestConfig })
  if (!found.has(names.deadLetters))
    missing.push({ name: names.deadLetters, partitions: Math.max(...counts.values()), replicationFactor })
  for (const [sub, partitions] of counts) {
    const name = names.changelog(sub.name)
    // Before anything is made or written down: what is refused is to harm nobody who runs.
    if (sub.states.length > 0 && found.has(name)) requireChangelog(name, partitions, found)
    if (sub.states.length > 0 && !found.has(name)) {
      const entry = before?.subTopologies.find((one) => one.name === sub.name)
      if (entry === undefined) await requireUnread(sub, name, names, partitions, env, signal)
      else if (entry.states.length > 0 && !(await appears(name, env, signal)))
        throw missingChangelog(sub, name, names, `the manifest ${names.manifest} has it`, env)
      missing.push({ name, partitions, replicationFactor, config: changelogConfig })
    }
    for (const { topic } of sub.sources.filter((source) => source.isRepartition)) {
      const repartition = names.topic(topic.name)
      if (found.has(repartition)) continue
      missing.push({ name: repartition, partitions, replicationFactor, config: topic.config })
    }
  }
  if (missing.length > 0) {
    const topics = missing.map(({ name, partitions }) => ({ name, partitions }))
    observer.observe({ kind: 'creating-topics', topics })
    await log.createTopics(missing)
    const made = missing.map(({ name }) => name)
    for (const [name, info] of await describeNew(made, env, signal)) found.set(name, info)
  }
  // Behind the topics: a manifest that names a changelog which was never made would call it lost.
  const withIds = (manifest: Manifest): Manifest => withTopicIds(manifest, (name) => found.get(names.topic(name))?.id)
  const manifest = withIds(reconciled.manifest)
  if (manifest !== stored) {
    const news = reconciled.changes.filter(({ kind }) => kind !== 'kept')
    if (news.length > 0)
      observer.observe({ kind: 'topology-changed', generation: manifest.generation, changes: news.map(textOf) })
    const isAsRead = (there: Manifest | undefined): boolean => there?.generation === stored?.generation
    const written = await changeManifest({ log, clock, signal }, names.manifest, names.group, (there) => {
      requireNoReset(there, declared)
      return there === undefined || isAsRead(there) ? manifest : there
    })
    if (written !== manifest) return undefined
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
    const versions =
      versionsBeyond(manifest, sub).length === 0
        ? undefined
        : new VersionsInUse((aborted) =>
            changeManifest({ log, clock, signal: aborted }, names.manifest, names.group, (there = manifest) =>
              withVersions(there, sub),
            ),
          )
    for (let partition = 0; partition < partitions; partition++) {
      const id = taskId(sub.name, partition)
      plans.set(id, {
        id,
        partition,
        transactionalId: names.transactionalId(sub.name, partition),
        group: names.group,
        version: reconciled.plans.get(sub.name) ?? { number: 0, hash: '' },
        sources: sub.sources.map(({ topic, isRepartition }) => {
          const name = names.topic(topic.name)
          return { topic: name, id: found.get(name)?.id, start: topic.start, isRepartition }
        }),
        changelog: changelog && {
          topic: changelog.name,
          id: changelog.id,
          deleteRetentionMs: changelog.deleteRetentionMs,
        },
        versions,
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

export type ReadingLog = Pick<Log, 'describeTopics' | 'listOffsets' | 'fetcher'>

/** An application's topology beside what Kafka has of it. */
export interface TopologyInKafka {
  readonly reconciled: Reconciled
  /** The manifest that is there, and what it is taken to be where there is none. */
  readonly stored: Manifest | undefined
  readonly before: Manifest | undefined
  /** The topics that exist, by their names in Kafka. */
  readonly found: Map<string, TopicInfo>
  readonly countsOf: (topology: Topology) => ReadonlyMap<SubTopology, number>
}

/** Reads, and changes nothing. Throws MANIFEST_UNREADABLE. */
export async function topologyInKafka(
  declared: Topology,
  log: ReadingLog,
  names: Names,
  signal: AbortSignal = new AbortController().signal,
): Promise<TopologyInKafka> {
  const found = new Map(await log.describeTopics(allTopics(declared, names)))
  const countsOf = ({ subTopologies }: Topology): ReadonlyMap<SubTopology, number> =>
    partitionCounts(subTopologies, ({ name }) => found.get(names.topic(name))?.partitions)
  const stored = found.has(names.manifest) ? await readManifest(log, names.manifest, signal) : undefined
  const before = stored ?? manifestBefore(declared, changelogsOf(declared, names, found), countsOf(declared))
  const reconciled = reconcile(before, declared, countsOf(declared))
  // What has another name than it would have today may have its topics under it.
  const renamed = allTopics(reconciled.topology, names).filter((name) => !found.has(name))
  for (const [name, info] of await log.describeTopics(renamed)) found.set(name, info)
  return { reconciled, stored, before, found, countsOf }
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
 * Where a topic was deleted and made anew, throws TOPIC_REPLACED (a source), REPARTITION_LOST, CHANGELOG_LOST or TOPIC_CHANGED
 * (any other).
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
      planned.set(topic, { id, partitions, replaced: (message) => inputReplaced(plan, topic, message, env) })
    }
  return planned
}

export type Names = ReturnType<typeof namesOf>

const allTopics = (topology: Topology, names: Names): string[] => [
  ...new Set([
    names.deadLetters,
    names.manifest,
    ...topology.subTopologies.flatMap((sub) => [
      ...[...sub.sources.map(({ topic }) => topic.name), ...sub.sinks.map(({ name }) => name)].map(names.topic),
      ...(sub.states.length === 0 ? [] : [sub, ...sub.states].map(({ name }) => names.changelog(name))),
    ]),
  ]),
]

export function requireDeclared(topology: Topology, names: Names, found: ReadonlyMap<string, TopicInfo>): void {
  const sources = topology.subTopologies.flatMap((sub) => sub.sources)
  const own = new Set(sources.filter(({ isRepartition }) => isRepartition).map(({ topic }) => topic))
  const declared = [...sources.map(({ topic }) => topic), ...topology.subTopologies.flatMap(({ sinks }) => sinks)]
  const missing = [...new Set(declared.filter((topic) => !own.has(topic)).map(({ name }) => names.topic(name)))].filter(
    (name) => !found.has(name),
  )
  if (missing.length > 0) throw new PotorooError('TOPIC_MISSING', `no such topic: ${missing.join(', ')}`)
}

function requireNoReset(manifest: Manifest | undefined, { application }: Topology): void {
  if (manifest?.resetting === true)
    throw new PotorooError('RESET_UNFINISHED', `a reset of ${application} was begun and has not ended`)
}

/** Throws what makes it none to run. */
function accepted(reconciled: Reconciled): Reconciled {
  const [first, ...others] = reconciled.problems
  if (first === undefined) return reconciled
  throw others.length === 0
    ? first
    : new PotorooError('TOPOLOGY_INCOMPATIBLE', reconciled.problems.map(({ message }) => message).join(' '))
}

const textOf = ({ kind, what, name, version }: Change): string =>
  `${what} ${name}${version === undefined ? '' : ` v${String(version)}`} ${kind}`

/** State objects that a changelog is named after. */
const changelogsOf = (topology: Topology, names: Names, found: ReadonlyMap<string, TopicInfo>): ReadonlySet<string> =>
  new Set(
    topology.subTopologies.flatMap(({ states }) =>
      states.flatMap(({ name }) => (found.has(names.changelog(name)) ? [name] : [])),
    ),
  )

function requireTopic(name: string, found: ReadonlyMap<string, TopicInfo>): TopicInfo {
  const info = found.get(name)
  if (info === undefined) throw new PotorooError('TOPIC_MISSING', `no such topic: ${name}`)
  return info
}

export function requireCopartitioned(
  sub: SubTopology,
  partitions: number,
  names: Names,
  found: ReadonlyMap<string, TopicInfo>,
): void {
  const topics = sub.sources.flatMap(({ topic }) => found.get(names.topic(topic.name)) ?? [])
  if (topics.every((topic) => topic.partitions === partitions)) return
  const list = topics.map((topic) => `${topic.name} has ${String(topic.partitions)}`).join(', ')
  throw new PotorooError(
    'PARTITION_COUNTS_DIFFER',
    `the sources of sub-topology ${sub.name} are co-partitioned, but ${list}`,
  )
}

/** Whether what was missing is there after all: of workers that start at the same time, another one has made it since. */
const appears = async (name: string, env: Pick<Ports, 'log' | 'clock'>, signal: AbortSignal): Promise<boolean> =>
  (await describeNew([name], env, signal)).has(name)

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
  env: CureEnvironment & Pick<Ports, 'clock'>,
  signal: AbortSignal,
): Promise<void> {
  const sources = sub.sources.flatMap(({ topic }) =>
    Array.from({ length: partitions }, (_, partition) => ({ topic: names.topic(topic.name), partition })),
  )
  const positions = await env.log.committedPositions(names.group, sources)
  if (positions.some((position) => position !== undefined) && !(await appears(changelog, env, signal)))
    throw missingChangelog(sub, changelog, names, `the group ${names.group} has read its sources`, env)
}

type CureEnvironment = Pick<Ports, 'log'> & { readonly stores: Pick<Ports['stores'], 'directory'> }

function missingChangelog(
  { sources }: SubTopology,
  changelog: string,
  names: Names,
  proof: string,
  env: CureEnvironment,
): PotorooError {
  const topics = sources.flatMap(({ topic, isRepartition }) =>
    isRepartition ? [] : [{ topic: names.topic(topic.name) }],
  )
  return changelogLost(
    { group: names.group, changelog, isMissing: true, sources: topics },
    `${changelog} does not exist, but ${proof}: the state objects are gone`,
    env,
  )
}
