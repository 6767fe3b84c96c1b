/** Becoming active: steps A1 to A3 of task.ts. */
import { isPotorooError, messageOf, PotorooError } from '../errors.js'
import { changelogIdentity } from '../core/changelog-identity.js'
import type { CommitRecord } from '../core/commit-record.js'
import { decodeOffsetNote, isOfChangelog } from '../core/offset-note.js'
import type { CommittedOffset, Fetcher, TransactionalProducer } from '../ports/log.js'
import { inputPositions, offsetNotes, sayBeginnings } from './input-positions.js'
import type { Ports } from './options.js'
import type { TaskPlan } from './task-plan.js'
import { ForeignChangelog, IdentityMismatch, restoreUpTo, type Replayed } from './changelog-reader.js'
import {
  isUnfitForChangelog,
  lost,
  prepareStore,
  rebuildStore,
  type PreparedStore,
  type StoreHolder,
} from './task-store.js'

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
  /** What the group is to keep beside its offsets, in the same order. */
  readonly notes: readonly string[]
  /** Positions that are committed already, in the same order; NaN where there is none. */
  readonly committed: readonly number[]
}

type Environment = Ports & { readonly fetcher: Fetcher }
type Changelog = NonNullable<TaskPlan['changelog']>

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
    const group = log.committedOffsets(plan.group, partitionsOf(plan))
    group.catch(() => undefined)
    const restored = plan.changelog && (await restore(plan, plan.changelog, env, signal, holder))
    signal.throwIfAborted()
    // A3
    if (plan.changelog !== undefined && restored !== undefined && restored.commit === undefined)
      await requireNew(plan, plan.changelog, restored.end, env, await group)
    const { positions, known } = await inputPositions(plan, env, restored?.commit, await group)
    signal.throwIfAborted()
    if (plan.changelog === undefined) await sayBeginnings(plan, env, producer.isFirst, await group, positions)
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
    const identity =
      plan.changelog && (restored?.commit?.identity ?? changelogIdentity(random.id(), plan.processor.subTopology.name))
    return {
      producer,
      identity,
      positions,
      notes: offsetNotes(plan, identity),
      committed: known,
      replayed: restored?.records ?? 0,
      before: restored?.commit,
    }
  } catch (error) {
    producer.close()
    throw error
  }
}

type Restored = Replayed & { readonly from: number; readonly rebuilt: boolean; readonly end: number }

async function restore(
  plan: TaskPlan,
  changelog: Changelog,
  env: Environment,
  signal: AbortSignal,
  holder: StoreHolder,
): Promise<Restored> {
  try {
    return await restoreFrom(plan, changelog, env, signal, holder)
  } catch (error) {
    // Deleted while this worker runs, and perhaps made anew.
    if (!isPotorooError(error, 'TOPIC_MISSING') && !isPotorooError(error, 'TOPIC_REPLACED')) throw error
    throw lost(plan, changelog, error.message, env)
  }
}

async function restoreFrom(
  plan: TaskPlan,
  changelog: Changelog,
  env: Environment,
  signal: AbortSignal,
  holder: StoreHolder,
): Promise<Restored> {
  // After A1: what lies behind this end is not the task's history any more.
  const [end = 0] = await env.log.listOffsets([{ topic: changelog.topic, partition: plan.partition }], 'end')
  const prepared = await prepareStore(plan, changelog, end, env, holder, signal)
  const run = async ({ store, from, rebuilt }: PreparedStore): Promise<Restored> => {
    const { name: subTopology } = plan.processor.subTopology
    const range = {
      topic: changelog.topic,
      topicId: changelog.id,
      partition: plan.partition,
      subTopology,
      deleteRetentionMs: changelog.deleteRetentionMs,
      from,
      end,
    }
    try {
      return { ...(await restoreUpTo(range, store, env.fetcher, env, signal)), from, rebuilt, end }
    } catch (error) {
      if (!(error instanceof ForeignChangelog) && lacksCommit(error))
        await requireUnmoved(plan, changelog, end, env, error)
      throw error
    }
  }
  try {
    return await run(prepared)
  } catch (error) {
    if (error instanceof ForeignChangelog) throw error
    if (prepared.store.meta() === undefined || !isUnfitForChangelog(error)) throw error
    signal.throwIfAborted()
    return run(await rebuildStore(plan, changelog, messageOf(error), end, env, holder, signal))
  }
}

/** Whether a reader came to the end without a commit record of the changelog that it was to read. */
const lacksCommit = (error: unknown): error is Error =>
  isPotorooError(error, 'CHANGELOG_UNFIT') || error instanceof IdentityMismatch

/**
 * A changelog without a commit record is one that has yet to begin, unless the group has offsets that were committed with it.
 * Others may have been set before the application's first start.
 */
async function requireNew(
  plan: TaskPlan,
  changelog: Changelog,
  end: number,
  env: Environment,
  group: readonly (CommittedOffset | undefined)[],
): Promise<void> {
  const { name } = plan.processor.subTopology
  if (!group.some((offset) => isOfChangelog(decodeOffsetNote(offset?.note ?? ''), name))) return
  const error = lost(plan, changelog, `it has no commit record, but the group ${plan.group} has offsets of one`, env)
  await requireUnmoved(plan, changelog, end, env, error)
  throw error
}

/**
 * What a changelog lacks below its end, another owner may have made superfluous: it went on, and compaction has removed the
 * commit records before its own. Then this activation is over, and neither store nor changelog is to blame.
 */
async function requireUnmoved(
  plan: TaskPlan,
  { topic }: Changelog,
  end: number,
  { log }: Environment,
  cause: Error,
): Promise<void> {
  const [now] = await log.listOffsets([{ topic, partition: plan.partition }], 'end')
  if (now !== end) throw new PotorooError('FENCED', `task ${plan.id}: its changelog grew during the restore`, { cause })
}

const partitionsOf = ({ sources, partition }: TaskPlan) => sources.map(({ topic }) => ({ topic, partition }))
