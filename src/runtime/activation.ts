/** Becoming active: steps A1 to A3 of task.ts. */
import { isPotorooError, messageOf, PotorooError } from '../errors.js'
import { changelogIdentity } from '../core/changelog-identity.js'
import type { CommitRecord, Positions } from '../core/commit-record.js'
import { choosePosition } from '../core/restore-plan.js'
import type { Fetcher, TransactionalProducer } from '../ports/log.js'
import type { Ports } from './options.js'
import type { TaskPlan } from './task-plan.js'
import { ForeignChangelog, restoreUpTo, type Replayed } from './changelog-reader.js'
import { isUnfitForChangelog, prepareStore, rebuildStore, type PreparedStore, type StoreHolder } from './task-store.js'

export interface Activation {
  readonly producer: TransactionalProducer
  /** The changelog's identity; undefined without state. */
  readonly identity: string | undefined
  /** Where the inputs are read from, in the order of the sources. */
  readonly positions: readonly number[]
  /** Records of state objects that were replayed. */
  readonly replayed: number
  /** The last commit of whoever had the task before; undefined where there is none. */
  readonly before: CommitRecord | undefined
  /** Positions that the changelog has of topics which this version of the application does not read. */
  readonly foreignPositions: Positions
  /** Positions that are committed already, in the same order; NaN where there is none. */
  readonly committed: readonly number[]
}

type Environment = Ports & { readonly fetcher: Fetcher }

/** `earlierWrites`: store writes of an earlier activation. */
export async function activate(
  plan: TaskPlan,
  env: Environment,
  signal: AbortSignal,
  earlierWrites: Promise<void>,
  holder: StoreHolder,
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
    const group = log.committedPositions(plan.group, partitionsOf(plan))
    group.catch(() => undefined)
    const restored = plan.changelog && (await restore(plan, plan.changelog, env, signal, holder))
    signal.throwIfAborted()
    // A3
    const { positions, known } = await inputPositions(plan, env, restored?.commit, await group)
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
      positions,
      committed: known,
      foreignPositions: Object.fromEntries(
        Object.entries(restored?.commit?.positions ?? {}).filter(
          ([topic]) => !plan.sources.some((one) => one.topic === topic),
        ),
      ),
      replayed: restored?.records ?? 0,
      before: restored?.commit,
    }
  } catch (error) {
    producer.close()
    throw error
  }
}

type Restored = Replayed & { readonly from: number; readonly rebuilt: boolean }

async function restore(
  plan: TaskPlan,
  changelog: NonNullable<TaskPlan['changelog']>,
  env: Environment,
  signal: AbortSignal,
  holder: StoreHolder,
): Promise<Restored> {
  // After A1: what lies behind this end is not the task's history any more.
  const [end = 0] = await env.log.listOffsets([{ topic: changelog.topic, partition: plan.partition }], 'end')
  const prepared = await prepareStore(plan, changelog, end, env, holder)
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
    return { ...(await restoreUpTo(range, store, env.fetcher, env, signal)), from, rebuilt }
  }
  try {
    return await run(prepared)
  } catch (error) {
    if (error instanceof ForeignChangelog) throw error
    if (isPotorooError(error, 'CHANGELOG_UNFIT')) await requireUnmoved(plan, changelog, end, env, error)
    if (prepared.store.meta() === undefined || !isUnfitForChangelog(error)) throw error
    signal.throwIfAborted()
    return run(await rebuildStore(plan, changelog, messageOf(error), env, holder))
  }
}

/**
 * A repartition's position is the changelog's alone: what the group says of it is for people. Where the changelog knows
 * none, nothing of it was processed, and so nothing purged.
 */
async function beginningOf(topic: string, { partition, changelog }: TaskPlan, log: Ports['log']): Promise<number> {
  const [start = 0] = await log.listOffsets([{ topic, partition }], 'earliest')
  if (start === 0) return start
  throw new PotorooError(
    'CHANGELOG_LOST',
    `${topic}, partition ${String(partition)} was processed up to ${String(start)} at least, but ${changelog?.topic ?? 'no changelog'} ` +
      'has no commit that says so: its state objects are gone',
  )
}

/**
 * A changelog without a commit record below its end is none, unless another owner went on with it meanwhile, and
 * compaction has removed the earlier commit records: then it is this activation that is over.
 */
async function requireUnmoved(
  plan: TaskPlan,
  { topic }: NonNullable<TaskPlan['changelog']>,
  end: number,
  { log }: Environment,
  cause: Error,
): Promise<void> {
  const [now] = await log.listOffsets([{ topic, partition: plan.partition }], 'end')
  if (now !== end) throw new PotorooError('FENCED', `task ${plan.id}: its changelog grew during the restore`, { cause })
}

const partitionsOf = ({ sources, partition }: TaskPlan) => sources.map(({ topic }) => ({ topic, partition }))

async function inputPositions(
  plan: TaskPlan,
  { log, logger }: Environment,
  commit: CommitRecord | undefined,
  group: readonly (number | undefined)[],
): Promise<{ positions: number[]; known: number[] }> {
  const positions = await Promise.all(
    plan.sources.map(async ({ topic, start, isRepartition }, i) => {
      const committed = commit?.positions[topic]
      if (isRepartition) return committed ?? (await beginningOf(topic, plan, log))
      const groupThen = commit?.group?.[topic] ?? committed
      const choice = choosePosition({ committed, groupThen, group: group[i] }, start, plan.changelog !== undefined)
      if (choice.warning !== undefined) logger.warn({ task: plan.id, topic, partition: plan.partition }, choice.warning)
      if (typeof choice.position === 'number') return choice.position
      const [found = 0] = await log.listOffsets(
        [{ topic, partition: plan.partition }],
        choice.position === 'earliest' ? 'earliest' : 'end',
      )
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
