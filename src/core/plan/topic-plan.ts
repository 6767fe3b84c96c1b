/**
 * The topics of an application, held against those that are there: which there are, which are created and how, and what is
 * refused. Pure, and in one place: workers and the command line look at the cluster, ask here, and do what they are told.
 *
 * Invariants
 * 1. What is there is taken as it is. What is missing is made to fit it.
 * 2. A worker makes only what is the application's alone: changelogs, repartitions, dead letters, the manifest.
 * 3. What is refused is refused before anything is made or written: it is to harm nobody who runs.
 * 4. A changelog or a repartition that the application had is never recreated in silence: what was in it would be lost.
 */
import type { TopicDefinition } from '../../api/definition.js'
import { PotorooError } from '../../errors.js'
import { manifestBefore, reconcile, type Manifest, type ManifestSource, type Reconciled } from './manifest.js'
import { partitionCounts } from './partition-counts.js'
import { deleteTopic, setConfig } from './topic-cures.js'
import { hasChangelog, type Names, type SubTopology, type Topology } from './topology.js'

/** A topic that is in the cluster. */
export interface ExistingTopic {
  readonly name: string
  /** Undefined where brokers have none. */
  readonly id?: string | undefined
  readonly partitions: number
  readonly cleanupPolicy: readonly string[]
}
export type Found = ReadonlyMap<string, ExistingTopic>

export interface CreatedTopic {
  readonly name: string
  readonly partitions: number
  readonly config: Readonly<Record<string, string>>
}

export type TopicRole = 'source' | 'broadcast' | 'sink' | OwnRole
/** Of those that are the application's alone. */
type OwnRole = 'repartition' | 'changelog' | 'dead letters' | 'manifest'

export interface PlannedTopic<T extends ExistingTopic = ExistingTopic> {
  readonly name: string
  readonly role: TopicRole
  readonly declaredPartitions: number
  readonly declaredCleanup: string
  readonly there: T | undefined
  /** Undefined where it is there. */
  readonly create: CreatedTopic | undefined
}

/** Compacted only: a deleted segment would be lost state. */
const changelogConfig = { 'cleanup.policy': 'compact' } as const
const manifestConfig = { 'cleanup.policy': 'compact' } as const
const DEFAULT_CLEANUP = 'delete'

/** What others write to or read from is theirs. */
const theirs: ReadonlySet<TopicRole> = new Set(['source', 'broadcast', 'sink'])

export const isOwn = ({ role }: Pick<PlannedTopic, 'role'>): boolean => !theirs.has(role)

/** Everything that it would have in Kafka; of each state object also the changelog that would be named after it. */
export const topicNames = ({ subTopologies }: Topology, names: Names): readonly string[] => [
  ...new Set([
    names.deadLetters,
    names.manifest,
    ...subTopologies.flatMap((sub) => [
      ...[...sub.sources, ...sub.broadcasts].map(({ topic }) => names.topic(topic.name)),
      ...sub.sinks.map(({ name }) => names.topic(name)),
      ...(hasChangelog(sub) ? [sub, ...sub.states] : []).map(({ name }) => names.changelog(name)),
    ]),
  ]),
]

export type Counts = ReadonlyMap<SubTopology, number>

export const countsIn = ({ subTopologies }: Topology, names: Names, found: Found): Counts =>
  partitionCounts(subTopologies, ({ name }) => found.get(names.topic(name))?.partitions)

/** What an application is beside what is there. `stored`: the manifest. `before`: that, or what it is taken to be where there is none. */
export function comparedWithKafka(
  declared: Topology,
  names: Names,
  found: Found,
  stored: Manifest | undefined,
): { readonly reconciled: Reconciled; readonly before: Manifest | undefined } {
  const counts = countsIn(declared, names, found)
  const changelogs = declared.subTopologies.flatMap(({ states }) =>
    states.flatMap(({ name }) => (found.has(names.changelog(name)) ? [name] : [])),
  )
  const before = stored ?? manifestBefore(declared, new Set(changelogs), counts)
  return { before, reconciled: reconcile(before, declared, counts) }
}

/** All topics of the application. `topology`: with the names that it has in Kafka. */
export function planTopics<T extends ExistingTopic>(
  topology: Topology,
  names: Names,
  found: ReadonlyMap<string, T>,
): readonly PlannedTopic<T>[] {
  const { subTopologies } = topology
  const counts = countsIn(topology, names, found)
  const repartitions = repartitionsOf(subTopologies)
  const rows = new Map<string, PlannedTopic<T>>()
  const add = (role: TopicRole, topic: CreatedTopic, declaredPartitions = topic.partitions): void => {
    const { name, config } = topic
    if (rows.has(name)) return
    const there = found.get(name)
    const declaredCleanup = config['cleanup.policy'] ?? DEFAULT_CLEANUP
    rows.set(name, {
      name,
      role,
      declaredPartitions,
      declaredCleanup,
      there,
      create: there === undefined ? topic : undefined,
    })
  }
  for (const [{ sources }, partitions] of counts)
    for (const { topic, isRepartition } of sources)
      if (!isRepartition)
        add('source', { name: names.topic(topic.name), partitions, config: topic.config }, topic.partitions)
  for (const { topic } of subTopologies.flatMap(({ broadcasts }) => broadcasts))
    add('broadcast', { name: names.topic(topic.name), partitions: topic.partitions, config: topic.config })
  for (const { name, partitions, config } of subTopologies
    .flatMap(({ sinks }) => sinks)
    .filter((one) => !repartitions.has(one)))
    add('sink', { name: names.topic(name), partitions, config })
  for (const { role, ...topic } of ownTopics(counts, names)) add(role, topic)
  return [...rows.values()]
}

/** Those that are the application's alone, as they are to be, in the order in which they are made. */
export function ownTopics(counts: Counts, names: Names): readonly (CreatedTopic & { readonly role: OwnRole })[] {
  const partitions = Math.max(1, ...counts.values())
  return [
    { role: 'manifest', name: names.manifest, partitions: 1, config: manifestConfig },
    { role: 'dead letters', name: names.deadLetters, partitions, config: {} },
    ...[...counts].flatMap(([{ name, sources, states, call }, count]) => [
      ...(hasChangelog({ states, call })
        ? [{ role: 'changelog' as const, name: names.changelog(name), partitions: count, config: changelogConfig }]
        : []),
      ...sources.flatMap(({ topic, isRepartition }) =>
        isRepartition
          ? [{ role: 'repartition' as const, name: names.topic(topic.name), partitions: count, config: topic.config }]
          : [],
      ),
    ]),
  ]
}

const repartitionsOf = (subTopologies: readonly SubTopology[]): ReadonlySet<TopicDefinition> =>
  new Set(subTopologies.flatMap(({ sources }) => sources.flatMap((one) => (one.isRepartition ? [one.topic] : []))))

// ---- what is refused ----

/** TOPIC_MISSING: what others write to or read from is theirs to make (invariant 2). */
export function missingTopics(topology: Topology, names: Names, found: Found): PotorooError | undefined {
  const missing = planTopics(topology, names, found).filter((topic) => topic.create !== undefined && !isOwn(topic))
  if (missing.length === 0) return undefined
  return new PotorooError('TOPIC_MISSING', `no such topic: ${missing.map(({ name }) => name).join(', ')}`)
}

export const unfinishedReset = (
  manifest: Manifest | undefined,
  { application }: Pick<Topology, 'application'>,
): PotorooError | undefined =>
  manifest?.resetting === true
    ? new PotorooError('RESET_UNFINISHED', `a reset of ${application} was started and has not finished`)
    : undefined

/** What does not fit of what is there: PARTITION_COUNTS_DIFFER, CHANGELOG_UNFIT. */
export function unfitTopics(topology: Topology, names: Names, found: Found): readonly PotorooError[] {
  return [...countsIn(topology, names, found)].flatMap(([sub, partitions]) => [
    ...differingSources(sub, names, found),
    ...(hasChangelog(sub) ? unfitChangelog(found.get(names.changelog(sub.name)), partitions) : []),
  ])
}

/** Of those that are there; where none is, of those that are declared: they would be made so. */
export function differingSources(
  { name, sources }: Pick<SubTopology, 'name' | 'sources'>,
  names: Names,
  found: Found,
): readonly PotorooError[] {
  const known = sources.flatMap(({ topic }) => {
    const there = found.get(names.topic(topic.name))
    return there === undefined ? [] : [{ name: there.name, partitions: there.partitions, verb: 'has' }]
  })
  const declaring = sources.filter(({ isRepartition }) => !isRepartition)
  const counted =
    known.length > 0
      ? known
      : declaring.map(({ topic }) => ({
          name: names.topic(topic.name),
          partitions: topic.partitions,
          verb: 'declares',
        }))
  if (new Set(counted.map(({ partitions }) => partitions)).size <= 1) return []
  const list = counted.map((one) => `${one.name} ${one.verb} ${String(one.partitions)}`).join(', ')
  return [
    new PotorooError('PARTITION_COUNTS_DIFFER', `the sources of sub-topology ${name} are co-partitioned, but ${list}`),
  ]
}

export function unfitChangelog(there: ExistingTopic | undefined, partitions: number): readonly PotorooError[] {
  if (there === undefined) return []
  const { name } = there
  const problems: PotorooError[] = []
  if (there.cleanupPolicy.join() !== changelogConfig['cleanup.policy'])
    problems.push(
      new PotorooError(
        'CHANGELOG_UNFIT',
        `${name} has cleanup.policy ${there.cleanupPolicy.join(',')}: a deleted segment would be lost state; set it to compact`,
        {
          cure:
            `If nothing was deleted from it yet: ${setConfig(name, 'cleanup.policy', changelogConfig['cleanup.policy'])}. Else start again ` +
            'from the sources after that: npx potoroo reset <application>',
        },
      ),
    )
  if (there.partitions !== partitions)
    problems.push(
      new PotorooError(
        'CHANGELOG_UNFIT',
        `${name} has ${String(there.partitions)} partitions, but its sources have ${String(partitions)}: the partition count can't change once ` +
          'there are state objects; go back to the old count, or start again under a new application name',
        {
          cure:
            `To start again from the sources, with empty state objects, stop all workers, and: ${deleteTopic(name)}; ` +
            `npx potoroo reset <application>. To keep the state objects, read sources of ${String(there.partitions)} partitions.`,
        },
      ),
    )
  return problems
}

/** One error, where there are several. */
export function refusal(problems: readonly PotorooError[]): PotorooError | undefined {
  const [first, ...others] = problems
  if (first === undefined || others.length === 0) return first
  const code = others.every((other) => other.code === first.code) ? first.code : 'TOPOLOGY_INCOMPATIBLE'
  const cures = [...new Set(problems.map(({ cure }) => cure))]
  return new PotorooError(code, problems.map(({ message }) => message).join(' '), { cure: cures.join(' ') })
}

// ---- what was there, and is lost (invariant 4) ----

/** A changelog that is missing. */
export interface MissingChangelog {
  readonly subTopology: SubTopology
  readonly name: string
  readonly partitions: number
  /** Whether the manifest has it. If not, the group's offsets prove it, where they are of its sources. */
  readonly isInManifest: boolean
}

/** Those that are to be made, unless they were there. */
export const missingChangelogs = (
  topology: Topology,
  names: Names,
  found: Found,
  before: Manifest | undefined,
): readonly MissingChangelog[] =>
  [...countsIn(topology, names, found)].flatMap(([sub, partitions]) => {
    const name = names.changelog(sub.name)
    if (!hasChangelog(sub) || found.has(name)) return []
    const entry = before?.subTopologies.find((one) => one.name === sub.name)
    // One that had no state has no changelog: where it was, the group knows.
    if (entry?.states.length === 0) return []
    return [{ subTopology: sub, name, partitions, isInManifest: entry !== undefined }]
  })

/** A repartition that may be lost. */
export interface DoubtfulRepartition {
  readonly name: string
  /** As many as it must have. */
  readonly partitions: number
  /**
   * `missing`: the manifest has it. `unknown`: it is missing, and the group's offsets prove that it was there, where it has any of it.
   * `replaced`: it is another topic than the manifest has, and fine where somebody has set offsets in it since.
   */
  readonly doubt: 'missing' | 'unknown' | 'replaced'
  /** The id that the manifest has. */
  readonly knownId: string | undefined
}

/** What is on its way through a repartition is nowhere else, so one that is missing or was recreated is no new one. */
export const doubtfulRepartitions = (
  topology: Topology,
  names: Names,
  found: Found,
  before: Manifest | undefined,
): readonly DoubtfulRepartition[] =>
  [...countsIn(topology, names, found)].flatMap(([sub, count]) => {
    const repartitions = sub.sources.filter(({ isRepartition }) => isRepartition)
    const isHere = ({ topic }: ManifestSource): boolean => repartitions.some((source) => source.topic.name === topic)
    const entry = before?.subTopologies.find(({ sources }) => sources.some(isHere))
    return repartitions.flatMap(({ topic }): DoubtfulRepartition[] => {
      const name = names.topic(topic.name)
      const known = entry?.sources.find((source) => source.isRepartition && source.topic === topic.name)
      const partitions = known === undefined ? count : (entry?.partitions ?? count)
      const there = found.get(name)
      const of = { name, partitions, knownId: known?.topicId }
      if (there === undefined) return [{ ...of, doubt: known === undefined ? 'unknown' : 'missing' }]
      const isAnother = there.id !== undefined && known?.topicId !== undefined && known.topicId !== there.id
      return isAnother ? [{ ...of, doubt: 'replaced' }] : []
    })
  })
