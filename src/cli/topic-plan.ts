/** Pure: which topics an application needs, which of them are there, which to create, and what does not fit. */
import type { TopicDefinition } from '../api/definition.js'
import { partitionCounts } from '../core/plan/partition-counts.js'
import { namesOf, type SubTopology, type Topology } from '../core/plan/topology.js'
import { PotorooError } from '../errors.js'
import type { NewTopic, TopicInfo } from '../ports/log.js'

export interface TopicRow {
  readonly name: string
  readonly role: 'source' | 'sink' | 'repartition' | 'changelog' | 'dead letters'
  readonly declaredPartitions: number
  readonly declaredCleanup: string
  readonly there: TopicInfo | undefined
  /** Undefined when it is there. */
  readonly create: NewTopic | undefined
}
export interface TopicPlan {
  readonly rows: readonly TopicRow[]
  /** Why a worker would not start on these topics. Nothing should be created then. */
  readonly problems: readonly PotorooError[]
}

/** As in the runtime: a deleted segment of a changelog would be lost state. */
const CHANGELOG_CLEANUP = 'compact'
const DEFAULT_CLEANUP = 'delete'

/** The names in Kafka that `planTopics` wants to know about. */
export function topicNames(topology: Topology, prefix: string): readonly string[] {
  return planTopics(topology, prefix, new Map()).rows.map(({ name }) => name)
}

export function planTopics(
  { application, subTopologies }: Topology,
  prefix: string,
  there: ReadonlyMap<string, TopicInfo>,
  replicationFactor?: number,
): TopicPlan {
  const names = namesOf(prefix, application)
  const rows: TopicRow[] = []
  const problems: PotorooError[] = []
  const add = (
    row: Pick<TopicRow, 'name' | 'role' | 'declaredPartitions'>,
    partitions: number,
    config: Config,
  ): void => {
    if (rows.some(({ name }) => name === row.name)) return
    const found = there.get(row.name)
    const create = found === undefined ? { name: row.name, partitions, replicationFactor, config } : undefined
    rows.push({ ...row, declaredCleanup: config['cleanup.policy'] ?? DEFAULT_CLEANUP, there: found, create })
  }

  const counts = partitionCounts(subTopologies, ({ name }) => there.get(names.topic(name))?.partitions)
  const sources = subTopologies.flatMap((sub) =>
    sub.sources.map((source) => ({ ...source, count: counts.get(sub) ?? 0 })),
  )
  const repartitions = sources.filter(({ isRepartition }) => isRepartition)
  for (const { topic, count } of sources.filter(({ isRepartition }) => !isRepartition))
    add(declared(topic, 'source', names.topic), count, topic.config)
  for (const topic of subTopologies.flatMap(({ sinks }) => sinks))
    if (!repartitions.some((one) => one.topic === topic))
      add(declared(topic, 'sink', names.topic), topic.partitions, topic.config)
  for (const { topic, count } of repartitions)
    add({ ...declared(topic, 'repartition', names.topic), declaredPartitions: count }, count, topic.config)
  for (const [sub, partitions] of counts) {
    problems.push(...copartitionProblems(sub, names.topic, there))
    if (sub.states.length === 0) continue
    const name = names.changelog(sub.name)
    add({ name, role: 'changelog', declaredPartitions: partitions }, partitions, {
      'cleanup.policy': CHANGELOG_CLEANUP,
    })
    problems.push(...changelogProblems(there.get(name), partitions))
  }
  const most = Math.max(...counts.values())
  add({ name: names.deadLetters, role: 'dead letters', declaredPartitions: most }, most, {})
  return { rows, problems }
}

type Config = Readonly<Record<string, string>>

const declared = (
  topic: TopicDefinition,
  role: 'source' | 'sink' | 'repartition',
  nameOf: (name: string) => string,
) => ({
  name: nameOf(topic.name),
  role,
  declaredPartitions: topic.partitions,
})

/** Those that are there are taken as they are, and missing ones made to fit them; where none is there, the declared count. */
function copartitionProblems(
  sub: SubTopology,
  nameOf: (name: string) => string,
  there: ReadonlyMap<string, TopicInfo>,
): PotorooError[] {
  const known = sub.sources.flatMap(({ topic }) => {
    const found = there.get(nameOf(topic.name))
    return found === undefined ? [] : [{ name: found.name, partitions: found.partitions, verb: 'has' }]
  })
  const declaring = sub.sources.filter(({ isRepartition }) => !isRepartition)
  const counted =
    known.length > 0
      ? known
      : declaring.map(({ topic }) => ({ name: nameOf(topic.name), partitions: topic.partitions, verb: 'declares' }))
  if (new Set(counted.map(({ partitions }) => partitions)).size <= 1) return []
  const list = counted.map(({ name, partitions, verb }) => `${name} ${verb} ${String(partitions)}`).join(', ')
  return [new PotorooError('PARTITION_COUNTS_DIFFER', `the sources of ${sub.name} are co-partitioned, but ${list}`)]
}

function changelogProblems(found: TopicInfo | undefined, partitions: number): PotorooError[] {
  if (found === undefined) return []
  const problems: string[] = []
  if (found.cleanupPolicy.join() !== CHANGELOG_CLEANUP)
    problems.push(`${found.name} has cleanup.policy ${found.cleanupPolicy.join(',')}`)
  if (found.partitions !== partitions)
    problems.push(
      `${found.name} has ${String(found.partitions)} partitions, but its sources have ${String(partitions)}`,
    )
  return problems.map((problem) => new PotorooError('CHANGELOG_UNFIT', problem))
}
