/** Carries out a reset (core/plan/reset.ts) over the port `Log`. The caller does nothing else with the application. */
import { deleteTopic } from '../core/plan/topic-cures.js'
import { changelogIdentity } from '../core/commit/changelog-identity.js'
import { BY_RESET, COMMIT_KEY, encodeCommitRecord } from '../core/commit/commit-record.js'
import { encodeOffsetNote } from '../core/commit/offset-note.js'
import { decodeSubscription } from '../core/group/group-metadata.js'
import { reconcile, withTopicIds } from '../core/plan/manifest.js'
import { partitionCounts } from '../core/plan/partition-counts.js'
import { markedForReset, resetSteps, topicsOf, type ResetStep, type ResetTask } from '../core/plan/reset.js'
import { differingSources, missingTopics, ownTopics } from '../core/plan/topic-plan.js'
import type { Names, SubTopology, Topology } from '../core/plan/topology.js'
import { RecordWriter } from '../core/records/records.js'
import { PotorooError } from '../errors.js'
import type { Log, TopicInfo, TopicPartition } from '../ports/log.js'
import { abortable } from './abortable.js'
import { isInDoubt } from './in-doubt.js'
import { changeManifest } from './manifest-topic.js'
import { sleep, type Ports } from './options.js'
import { NO_TIME } from './record-time.js'
import { topologyInKafka } from './topology-in-kafka.js'

type Environment = Pick<Ports, 'log' | 'clock' | 'random'>

/** Where to read the sources from: ms since the epoch for a time. */
export type ResetTarget = 'earliest' | 'latest' | number

export interface ResetPlan {
  /** Whether an earlier reset was started and has not finished. */
  readonly isResumed: boolean
  /** Existing changelogs and repartitions that will be deleted. */
  readonly deletes: readonly string[]
  readonly creates: readonly string[]
  readonly transactionalIds: readonly string[]
  /** By their names in Kafka. */
  readonly sources: readonly string[]
  readonly sinks: readonly string[]
  readonly deadLetters: string
  readonly states: readonly string[]
  readonly calls: readonly string[]
  readonly group: string
  /**
   * Starts it and carries it out. Rejects with WORKERS_RUNNING, or with what the log throws. Can be called again after
   * that.
   */
  run(target: ResetTarget, options: ResetOptions): Promise<void>
}
export interface ResetOptions {
  /** For topics that it creates; default: the broker's. */
  readonly replicationFactor?: number | undefined
  readonly signal?: AbortSignal
  /** Called when a step starts. */
  readonly said?: (step: ResetStep['kind'] | 'mark') => void
}

const AGAIN_MS = 50
/** How long a failing transaction is retried. */
const PATIENCE_MS = 30_000
/** Transactions in flight at once. */
const AT_ONCE = 16

/**
 * Looks, and changes nothing. Rejects with WORKERS_RUNNING, TOPIC_MISSING, PARTITION_COUNTS_DIFFER,
 * MANIFEST_UNREADABLE, or CHANGELOG_UNFIT if a topic with one of the application's names has records, and is not in the
 * manifest.
 */
export async function planReset(declared: Topology, names: Names, env: Environment): Promise<ResetPlan> {
  const { log } = env
  await requireNoMembers(names.group, log)
  const repartitions = new Set(
    declared.subTopologies.flatMap((sub) =>
      sub.sources.flatMap(({ topic, isRepartition }) => (isRepartition ? [topic] : [])),
    ),
  )
  const known = await topologyInKafka(declared, log, names)
  const missing = missingTopics(declared, names, known.found)
  if (missing !== undefined) throw missing
  // As if the existing repartitions were missing: they are recreated.
  const counts = (topology: Topology): ReadonlyMap<SubTopology, number> =>
    partitionCounts(topology.subTopologies, (topic) =>
      repartitions.has(topic) ? undefined : known.found.get(names.topic(topic.name))?.partitions,
    )
  const { topology, manifest: fresh } = reconcile(undefined, declared, counts(declared))
  const topicCounts = counts(topology)
  const [differing] = declared.subTopologies.flatMap((sub) =>
    differingSources({ ...sub, sources: sub.sources.filter((one) => !one.isRepartition) }, names, known.found),
  )
  if (differing !== undefined) throw differing
  const before = known.stored ?? known.reconciled.manifest
  const input = { topology, counts: topicCounts, fresh, names }
  if (known.stored?.resetting !== true) await requireOurs(topicsOf(fresh, names), topicsOf(before, names), log)

  const steps = resetSteps({ ...input, manifest: markedForReset(before, fresh) })
  const topicsIn = (kind: 'delete topics' | 'create topics'): readonly string[] =>
    steps.flatMap((step) =>
      step.kind === kind ? step.topics.map((topic) => (typeof topic === 'string' ? topic : topic.name)) : [],
    )
  const there = await log.describeTopics([...topicsIn('delete topics'), names.manifest])
  const inKafka = (topics: readonly { readonly name: string }[]): string[] => [
    ...new Set(topics.map(({ name }) => names.topic(name))),
  ]
  return {
    isResumed: known.stored?.resetting === true,
    deletes: topicsIn('delete topics').filter((name) => there.has(name)),
    creates: topicsIn('create topics').filter((name) => name !== names.deadLetters || !known.found.has(name)),
    transactionalIds: steps.flatMap((step) => (step.kind === 'fence' ? step.transactionalIds : [])),
    sources: inKafka(
      declared.subTopologies
        .flatMap((sub) => sub.sources.map(({ topic }) => topic))
        .filter((one) => !repartitions.has(one)),
    ),
    sinks: inKafka(declared.subTopologies.flatMap(({ sinks }) => sinks).filter((one) => !repartitions.has(one))),
    deadLetters: names.deadLetters,
    states: before.subTopologies.flatMap(({ states }) => states.flatMap(({ name, call }) => (call ? [] : [name]))),
    calls: before.subTopologies.flatMap(({ states }) => states.flatMap(({ name, call }) => (call ? [name] : []))),
    group: names.group,
    run: async (target, { replicationFactor, signal = new AbortController().signal, said = () => undefined }) => {
      said('mark')
      if (!there.has(names.manifest))
        await log.createTopics(
          ownTopics(topicCounts, names).flatMap(({ role, ...topic }) =>
            role === 'manifest' ? [{ ...topic, replicationFactor }] : [],
          ),
        )
      const marked = await changeManifest({ ...env, signal }, names.manifest, names.group, (now) =>
        markedForReset(now ?? before, fresh),
      )
      // A worker may have started before the mark.
      await requireNoMembers(names.group, log)
      const carried: Carried = { env, names, target, replicationFactor, signal, former: there }
      for (const step of resetSteps({ ...input, manifest: marked })) {
        said(step.kind)
        await carryOut(step, carried)
      }
    },
  }
}

interface Carried {
  readonly env: Environment
  readonly names: Names
  readonly target: ResetTarget
  readonly replicationFactor: number | undefined
  readonly signal: AbortSignal
  /** Topics that existed at the start. */
  readonly former: ReadonlyMap<string, TopicInfo>
}

async function carryOut(step: ResetStep, carried: Carried): Promise<void> {
  const { env, names, replicationFactor, signal, former } = carried
  const { log } = env
  signal.throwIfAborted()
  switch (step.kind) {
    case 'fence':
      return each(step.transactionalIds, async (id) => (await log.producer(id, signal)).close())
    case 'delete group':
      return log.deleteGroup(step.group)
    case 'delete topics':
      return log.deleteTopics(step.topics)
    case 'create topics':
      await log.createTopics(step.topics.map((topic) => ({ ...topic, replicationFactor })))
      return
    case 'begin': {
      const topics = [
        ...new Set(
          step.tasks.flatMap(({ changelog, sources }) => [
            ...(changelog === undefined ? [] : [changelog]),
            ...sources.map(({ topic }) => topic),
          ]),
        ),
      ]
      const found = await describeRecreated(topics, former, carried)
      return each(step.tasks, (task) => begin(task, found, carried))
    }
    case 'finish': {
      const found = await describeRecreated(topicsOf(step.manifest, names), former, carried)
      const manifest = withTopicIds(step.manifest, (topic) => found.get(names.topic(topic))?.id)
      await changeManifest({ ...env, signal }, names.manifest, names.group, () => manifest)
    }
  }
}

/** Invariant 4 of core/plan/reset.ts */
async function begin(
  { transactionalId, subTopology, partition, changelog, sources }: ResetTask,
  found: ReadonlyMap<string, TopicInfo>,
  { env: { log, clock, random }, names, target, signal }: Carried,
): Promise<void> {
  const positions = await Promise.all(
    sources.map(({ topic, isRepartition }) =>
      positionOf({ topic, partition }, isRepartition ? 'earliest' : target, log),
    ),
  )
  const idOf = (topic: string): string | undefined => found.get(topic)?.id
  const identity = changelog === undefined ? undefined : changelogIdentity(random.id(), subTopology)
  const byTopic = <T>(valueOf: (topic: string, i: number) => T | undefined): Record<string, T> =>
    Object.fromEntries(
      sources.flatMap(({ topic }, i) => {
        const value = valueOf(topic, i)
        return value === undefined ? [] : [[topic, value]]
      }),
    )
  const commit = {
    positions: byTopic((_, i) => positions[i]),
    topicIds: byTopic(idOf),
    by: BY_RESET,
    atMs: clock.now(),
  }
  const untilMs = clock.monotonic() + PATIENCE_MS
  for (;;) {
    const producer = await log.producer(transactionalId, signal)
    try {
      const writer = new RecordWriter(Infinity)
      if (identity !== undefined) writer.append(NO_TIME, COMMIT_KEY, encodeCommitRecord({ identity, ...commit }))
      await producer.commit({
        records:
          changelog === undefined
            ? []
            : [{ topic: changelog, topicId: idOf(changelog), partition, chunks: writer.take() }],
        group: names.group,
        positions: sources.map(({ topic }, i) => ({
          topic,
          partition,
          position: positions[i] ?? 0,
          note: encodeOffsetNote({ topicId: idOf(topic), changelog: identity }),
        })),
      })
      return
    } catch (error) {
      // Leaders of new topics may change for a moment. Writing one of these records twice changes nothing.
      if (!isInDoubt(error) || clock.monotonic() > untilMs) throw error
    } finally {
      await producer.close()
    }
    await abortable(signal, sleep(clock, AGAIN_MS))
  }
}

async function positionOf(of: TopicPartition, target: ResetTarget, log: Log): Promise<number> {
  const [position = 0] =
    typeof target === 'number'
      ? await log.offsetsAt([of], target)
      : await log.listOffsets([of], target === 'latest' ? 'end' : 'earliest')
  return position
}

/** Brokers hear of new topics one after another: one may still report the old ones. */
async function describeRecreated(
  topics: readonly string[],
  former: ReadonlyMap<string, TopicInfo>,
  { env: { log, clock }, signal }: Carried,
): Promise<ReadonlyMap<string, TopicInfo>> {
  for (;;) {
    const found = await log.describeTopics(topics)
    const isNew = (name: string): boolean => {
      const [then, now] = [former.get(name)?.id, found.get(name)]
      return now !== undefined && (then === undefined || now.id !== then)
    }
    if (topics.every(isNew)) return found
    await abortable(signal, sleep(clock, AGAIN_MS))
  }
}

async function requireNoMembers(group: string, log: Log): Promise<void> {
  const members = await log.groupMembers(group)
  if (members.length === 0) return
  const names = members.map(({ memberId, metadata }) => decodeSubscription(metadata)?.worker ?? memberId)
  throw new PotorooError('WORKERS_RUNNING', `the group ${group} has members: ${names.sort().join(', ')}`)
}

/**
 * Invariant 3 of core/plan/reset.ts: a topic with one of the application's names that is not in its manifest may belong
 * to another application.
 */
async function requireOurs(fresh: readonly string[], ours: readonly string[], log: Log): Promise<void> {
  const found = await log.describeTopics(fresh.filter((name) => !ours.includes(name)))
  for (const { name, partitions } of found.values()) {
    const all = Array.from({ length: partitions }, (_, partition) => ({ topic: name, partition }))
    if ((await log.listOffsets(all, 'end')).some((end) => end > 0))
      throw new PotorooError(
        'CHANGELOG_UNFIT',
        `${name} is not in the manifest of the application, and has records: delete it if they are not needed, or give the ` +
          'state object or the application another name',
        { cure: `To delete it: ${deleteTopic(name)}. Then: npx potoroo reset <application>` },
      )
  }
}

/** This many at once. */
async function each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  for (let from = 0; from < items.length; from += AT_ONCE)
    await Promise.all(items.slice(from, from + AT_ONCE).map(work))
}
