/** Becoming active: steps A1 to A3 of task.ts. */
import { isPotorooError, messageOf, PotorooError } from '../errors.js'
import { changelogIdentity } from '../core/changelog-identity.js'
import type { CommitRecord } from '../core/commit-record.js'
import { LongerChangelog } from '../core/landing.js'
import { choosePosition, type PositionChoice } from '../core/restore-plan.js'
import type { Fetcher, TransactionalProducer } from '../ports/log.js'
import { abortable } from './abortable.js'
import { changelogEnd, otherEnd } from './changelog-end.js'
import type { Ports } from './options.js'
import type { TaskPlan } from './task-plan.js'
import { ForeignChangelog, restoreUpTo, type Replayed } from './changelog-reader.js'
import { isUnfitForChangelog, prepareStore, rebuildStore, type PreparedStore, type StoreHolder } from './task-store.js'

export interface Activation {
  readonly producer: TransactionalProducer
  /** The changelog's identity; undefined without state. */
  readonly identity: string | undefined
  /** Where the changelog ends; undefined without state. */
  readonly changelogEnd: number | undefined
  /** Where the inputs are read from, in the order of the sources. */
  readonly positions: readonly number[]
  /** Records of state objects that were replayed. */
  readonly replayed: number
  /** The last commit of whoever had the task before; undefined where there is none. */
  readonly before: CommitRecord | undefined
  /** Positions that are committed already, in the same order; NaN where there is none. */
  readonly committed: readonly number[]
}

type Environment = Ports & { readonly fetcher: Fetcher }

/**
 * `earlierWrites`: store writes of an earlier activation. `atLeast`: where the changelog ended, as far as is known. Rejects with
 * the signal's reason soon after it is aborted: nothing but work on the store is waited for.
 */
export async function activate(
  plan: TaskPlan,
  env: Environment,
  signal: AbortSignal,
  earlierWrites: Promise<void>,
  holder: StoreHolder,
  atLeast: number,
): Promise<Activation> {
  const { log, random } = env
  const startedMs = env.clock.monotonic()
  // A1
  const producer = await log.producer(plan.transactionalId, signal)
  try {
    signal.throwIfAborted()
    // A2
    await earlierWrites
    // A part of A3 that only A1 has to be before, asked for meanwhile: with many tasks at once each round counts.
    const asked = groupOffsets(plan, env)
    asked.catch(() => undefined)
    const restored = plan.changelog && (await restore(plan, plan.changelog, env, signal, holder, atLeast))
    signal.throwIfAborted()
    // A3
    const group = await settledOffsets(plan, env, restored, await abortable(signal, asked), signal)
    const { positions, known } = await inputPositions(plan, env, restored?.commit, group, signal)
    signal.throwIfAborted()
    env.logger.info(
      {
        task: plan.id,
        replayed: restored?.records ?? 0,
        replayedFrom: restored?.from,
        rebuilt: restored?.rebuilt ?? false,
        tookMs: Math.round(env.clock.monotonic() - startedMs),
        positions: Object.fromEntries(plan.sources.map(({ topic }, i) => [topic, positions[i]])),
      },
      'task is active',
    )
    return {
      producer,
      identity:
        plan.changelog &&
        (restored?.commit?.identity ?? changelogIdentity(random.id(), plan.processor.subTopology.name)),
      changelogEnd: restored?.end,
      positions,
      committed: known,
      replayed: restored?.records ?? 0,
      before: restored?.commit,
    }
  } catch (error) {
    await producer.close()
    throw error
  }
}

type Restored = Replayed & Omit<PreparedStore, 'store'>

async function restore(
  plan: TaskPlan,
  changelog: NonNullable<TaskPlan['changelog']>,
  env: Environment,
  signal: AbortSignal,
  holder: StoreHolder,
  atLeast: number,
): Promise<Restored> {
  // After A1: what lies behind this end is not the task's history any more.
  const listed = await changelogEnd({ topic: changelog.topic, partition: plan.partition }, atLeast, env, signal)
  const prepared = await prepareStore(plan, changelog, listed, env, holder, signal)
  const { end } = prepared
  const run = async ({ store, from, rebuilt }: PreparedStore): Promise<Restored> => {
    const { name: subTopology } = plan.processor.subTopology
    const range = {
      topic: changelog.topic,
      partition: plan.partition,
      subTopology,
      deleteRetentionMs: changelog.deleteRetentionMs,
      from,
      end,
    }
    return { ...(await restoreUpTo(range, store, env.fetcher, env, signal)), from, end, rebuilt }
  }
  try {
    return await run(prepared)
  } catch (error) {
    if (error instanceof ForeignChangelog) throw error
    if (isPotorooError(error, 'CHANGELOG_UNFIT')) await requireUnmoved(plan, changelog, end, env, error, signal)
    if (prepared.store.meta() === undefined || !isUnfitForChangelog(error)) throw error
    signal.throwIfAborted()
    return run(await rebuildStore(plan, changelog, end, messageOf(error), env, holder, signal))
  }
}

/**
 * What looks wrong may be a later owner's work: then it is this activation that is over. A changelog without a commit record
 * below its end is none, unless another owner went on with it and compaction has removed the earlier commit records. Offsets
 * of the group that no commit explains are an operator's, unless a later owner committed them.
 */
async function requireUnmoved(
  plan: TaskPlan,
  { topic }: NonNullable<TaskPlan['changelog']>,
  end: number,
  env: Environment,
  cause: Error | undefined,
  signal: AbortSignal,
): Promise<void> {
  const other = await otherEnd({ topic, partition: plan.partition }, end, env, signal)
  if (other !== undefined) throw grown(plan, other, cause)
}

const grown = ({ id }: TaskPlan, end: number, cause?: Error): LongerChangelog =>
  new LongerChangelog('FENCED', `task ${id}: its changelog grew during the restore`, end, { cause })

/**
 * What a transaction gave the group as its offsets, the changelog has in a commit record, for they are committed together.
 * Where it has not, its end was listed short, another owner went on meanwhile, or its last records are lost. That is not a
 * reset: an operator's offsets are in no transaction.
 */
async function requireAllOf(
  plan: TaskPlan,
  { topic }: NonNullable<TaskPlan['changelog']>,
  restored: Restored | undefined,
  group: readonly (number | undefined)[],
  env: Environment,
  signal: AbortSignal,
): Promise<void> {
  const { partition } = plan
  const { commit, end = 0 } = restored ?? {}
  const astray = plan.sources.filter(({ topic: source }, i) => {
    const committed = commit?.positions[source]
    return group[i] !== undefined && group[i] !== committed && group[i] !== (commit?.group?.[source] ?? committed)
  })
  if (astray.length === 0) return
  const of = astray.map((source) => ({ topic: source.topic, partition }))
  const inTransaction = await abortable(signal, env.log.committedInTransaction(plan.group, of))
  const [first] = of.filter((_, i) => inTransaction[i])
  if (first === undefined) return
  const other = await otherEnd({ topic, partition }, end, env, signal)
  if (other !== undefined) throw grown(plan, other)
  const offset = group[plan.sources.findIndex((source) => source.topic === first.topic)]
  const last = commit === undefined ? 'it has none' : `its last one says ${String(commit.positions[first.topic])}`
  throw new PotorooError(
    'CHANGELOG_LOST',
    `task ${plan.id}: a transaction gave the group ${plan.group} the offset ${String(offset)} of ${first.topic}, partition ` +
      `${String(partition)}, but ${topic}, partition ${String(partition)}, which ends at ${String(end)}, has no commit record ` +
      `that says so (${last}): its last records are lost. Perhaps a leader was elected that lacked them ` +
      '(unclean.leader.election.enable). To go on from what the changelog has, which does once more what came later, set ' +
      `the group's offsets yourself: kafka-consumer-groups --reset-offsets --group ${plan.group} ` +
      `--topic ${first.topic}:${String(partition)} --to-offset ${String(commit?.positions[first.topic] ?? 0)} --execute`,
  )
}

const partitionsOf = ({ sources, partition }: TaskPlan) => sources.map(({ topic }) => ({ topic, partition }))

type GroupOffsets = readonly (number | undefined)[]

const groupOffsets = (plan: TaskPlan, { log }: Environment): Promise<GroupOffsets> =>
  log.committedPositions(plan.group, partitionsOf(plan))

const choosePositions = (plan: TaskPlan, commit: CommitRecord | undefined, group: GroupOffsets) =>
  plan.sources.map(({ topic, start }, i) => {
    const committed = commit?.positions[topic]
    const groupThen = commit?.group?.[topic] ?? committed
    const known = { committed, groupThen, group: group[i] }
    return { topic, ...choosePosition(known, start, plan.changelog !== undefined) }
  })

const isWarned = ({ warning }: PositionChoice): boolean => warning !== undefined

/** The group's offsets, where what they are says that a reset may have been, asked for again and held against the changelog. */
async function settledOffsets(
  plan: TaskPlan,
  env: Environment,
  restored: Restored | undefined,
  asked: GroupOffsets,
  signal: AbortSignal,
): Promise<GroupOffsets> {
  const { changelog } = plan
  if (
    changelog === undefined ||
    restored === undefined ||
    !choosePositions(plan, restored.commit, asked).some(isWarned)
  )
    return asked
  // A later owner's commit may lie between the two answers, whichever came first: in what was restored, or behind it.
  const group = await abortable(signal, groupOffsets(plan, env))
  if (!choosePositions(plan, restored.commit, group).some(isWarned)) return group
  await requireUnmoved(plan, changelog, restored.end, env, undefined, signal)
  await requireAllOf(plan, changelog, restored, group, env, signal)
  return group
}

async function inputPositions(
  plan: TaskPlan,
  { log, logger }: Environment,
  commit: CommitRecord | undefined,
  group: GroupOffsets,
  signal: AbortSignal,
): Promise<{ positions: number[]; known: number[] }> {
  const choices = choosePositions(plan, commit, group)
  for (const { topic, warning } of choices)
    if (warning !== undefined) logger.warn({ task: plan.id, topic, partition: plan.partition }, warning)
  const positions = await Promise.all(
    choices.map(async ({ topic, position }) => {
      if (typeof position === 'number') return position
      const which = position === 'earliest' ? 'earliest' : 'end'
      const [found = 0] = await abortable(signal, log.listOffsets([{ topic, partition: plan.partition }], which))
      return found
    }),
  )
  // A position that only the group or only the changelog knows is committed anew, to both.
  const known = plan.sources.map(({ topic }, i) => {
    const inLog = plan.changelog === undefined ? group[i] : commit?.positions[topic]
    return inLog !== undefined && inLog === group[i] ? inLog : NaN
  })
  return { positions, known }
}
