/** Becoming active: steps A1 to A3 of task.ts. */
import { isPotorooError, messageOf, PotorooError } from '../errors.js'
import { changelogIdentity } from '../core/commit/changelog-identity.js'
import {
  BY_RESET,
  foreignTo,
  type CommitRecord,
  type CommittedTime,
  type Foreign,
} from '../core/commit/commit-record.js'
import { LongerChangelog } from '../core/commit/landing.js'
import { decodeOffsetNote, isOfChangelog } from '../core/commit/offset-note.js'
import { NEVER, type AsOf } from '../core/query/question.js'
import type { CommittedOffset, Fetcher, TransactionalProducer } from '../ports/log.js'
import { abortable } from './abortable.js'
import { changelogEnd, otherEnd } from './changelog-end.js'
import { recordsLost } from './cures.js'
import {
  choosePositions,
  inputPositions,
  isDoubtful,
  offsetNotes,
  sayBeginnings,
  timeInNotes,
} from './input-positions.js'
import { requireMissing } from './new-topics.js'
import type { ObservedPorts } from './options.js'
import type { TaskPlan } from './task-plan.js'
import { lastCommit } from './calls/last-commit.js'
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
  /** Where the changelog ends; undefined without state. */
  readonly changelogEnd: number | undefined
  /** Where the inputs are read from, in the order of the sources. */
  readonly positions: readonly number[]
  /** Records of state objects that were replayed. */
  readonly replayed: number
  /** The last commit of the task's previous owner; undefined if there is none. */
  readonly before: CommitRecord | undefined
  /** The last one of the changelog, whoever made it. */
  readonly commit: CommitRecord | undefined
  /** The metadata that the group is to store with its offsets, in the same order. */
  readonly notes: readonly string[]
  /**
   * The changelog's entries for topics which this version of the application does not read: another version does, or
   * will again.
   */
  readonly foreign: Foreign
  /** The task's time as of the last commit; undefined where it has none. */
  readonly time?: CommittedTime | undefined
  /** Positions that are committed already, in the same order; NaN where there is none. */
  readonly committed: readonly number[]
  /** Of the last commit, whoever made it. */
  readonly asOf: AsOf
}

type Environment = ObservedPorts & { readonly fetcher: Fetcher }
type Changelog = NonNullable<TaskPlan['changelog']>

/**
 * `earlierWrites`: store writes of an earlier activation. `atLeast`: where the changelog ended, as far as is known.
 * Rejects with the signal's reason soon after it is aborted: it only waits for work on the store.
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
    // A part of A3 that only has to come after A1, started early: with many tasks at once, every round trip counts.
    const asked = groupOffsets(plan, env)
    asked.catch(() => undefined)
    const restored = plan.changelog && (await restore(plan, plan.changelog, env, signal, holder, atLeast))
    signal.throwIfAborted()
    requireCurrentPlan(plan, restored?.commit)
    // A3
    const group = await settledOffsets(plan, env, restored, await abortable(signal, asked), signal)
    const { positions, known } = await inputPositions(plan, env, restored?.commit, group, signal).catch(
      async (error: unknown) => {
        // A later owner may have committed, and purged what it processed.
        if (plan.changelog !== undefined && restored !== undefined && isPotorooError(error, 'CHANGELOG_LOST'))
          await requireUnmoved(plan, plan.changelog, restored.end, env, error, signal)
        throw error
      },
    )
    signal.throwIfAborted()
    if (plan.changelog === undefined) await sayBeginnings(plan, env, producer.isFirst, group, positions, signal)
    signal.throwIfAborted()
    env.observer.observe({
      kind: 'task-active',
      task: plan.id,
      replayed: restored?.records ?? 0,
      replayedFrom: restored?.from,
      rebuilt: restored?.rebuilt ?? false,
      tookMs: Math.round(env.clock.monotonic() - startedMs),
      positions: Object.fromEntries(plan.sources.map(({ topic }, i) => [topic, positions[i] ?? 0])),
    })
    const identity =
      plan.changelog && (restored?.commit?.identity ?? changelogIdentity(random.id(), plan.processor.subTopology.name))
    return {
      producer,
      identity,
      changelogEnd: restored?.end,
      positions,
      notes: offsetNotes(plan, identity),
      committed: known,
      asOf: restored?.commit ? { commitMs: restored.commit.atMs, changelogPosition: restored.commit.position } : NEVER,
      time: plan.changelog === undefined ? timeInNotes(plan, group) : restored?.commit?.time,
      foreign: foreignTo(
        plan.sources.map(({ topic }) => topic),
        restored?.commit,
      ),
      replayed: restored?.records ?? 0,
      commit: restored?.commit,
      // After a reset there is no previous owner that handed the task over.
      before: restored?.commit?.by === BY_RESET ? undefined : restored?.commit,
    }
  } catch (error) {
    await producer.close()
    throw error
  }
}

/** State objects that this version does not know would miss what it processes. */
function requireCurrentPlan({ id, version, processor }: TaskPlan, commit: CommitRecord | undefined): void {
  const [plan, upgrades] = [commit?.plan ?? 0, commit?.upgrades ?? 0]
  const isUpgraded = plan === version.number && upgrades > version.upgrades
  if (plan <= version.number && !isUpgraded) return
  const what = (count: number): string =>
    isUpgraded ? `state objects with ${String(count)} upgrades` : `plan ${String(count)}`
  const [theirs, own] = isUpgraded ? [upgrades, version.upgrades] : [plan, version.number]
  throw new PotorooError(
    'TOPOLOGY_OUTDATED',
    `task ${id}: ${commit?.by ?? 'another worker'} has processed messages with a newer version of the application: ${what(theirs)} of ` +
      `sub-topology ${processor.subTopology.name}, where this worker has ${what(own)}`,
  )
}

type Restored = Replayed & Omit<PreparedStore, 'store'>

async function restore(
  plan: TaskPlan,
  changelog: Changelog,
  env: Environment,
  signal: AbortSignal,
  holder: StoreHolder,
  atLeast: number,
): Promise<Restored> {
  try {
    return await restoreFrom(plan, changelog, env, signal, holder, atLeast)
  } catch (error) {
    // Deleted while this worker runs, and perhaps recreated.
    if (!isPotorooError(error, 'TOPIC_MISSING') && !isPotorooError(error, 'TOPIC_REPLACED')) throw error
    await abortable(signal, requireMissing(error, changelog, env))
    throw lost(plan, changelog, error.message, env)
  }
}

async function restoreFrom(
  plan: TaskPlan,
  changelog: Changelog,
  env: Environment,
  signal: AbortSignal,
  holder: StoreHolder,
  atLeast: number,
): Promise<Restored> {
  // After A1: what is after this end is no longer part of the task's history.
  const listed = await changelogEnd({ topic: changelog.topic, partition: plan.partition }, atLeast, env, signal)
  if (plan.processor.subTopology.call !== undefined) return lastCommit(plan, changelog, listed, env, signal)
  const prepared = await prepareStore(plan, changelog, listed, env, holder, signal)
  const { end } = prepared
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
      const progress = (left: number): void => {
        env.observer.observe({ kind: 'restore-progress', task: plan.id, left })
      }
      return { ...(await restoreUpTo(range, store, env.fetcher, env, signal, progress)), from, end, rebuilt }
    } catch (error) {
      if (!(error instanceof ForeignChangelog) && lacksCommit(error))
        await requireUnmoved(plan, changelog, end, env, error, signal)
      throw error
    }
  }
  try {
    return await run(prepared)
  } catch (error) {
    if (error instanceof ForeignChangelog) throw error
    if (prepared.store.meta() === undefined || !isUnfitForChangelog(error)) throw error
    signal.throwIfAborted()
    return run(await rebuildStore(plan, changelog, end, messageOf(error), env, holder, signal))
  }
}

/** Whether a reader reached the end without a commit record of the changelog that it was to read. */
const lacksCommit = (error: unknown): error is Error =>
  isPotorooError(error, 'CHANGELOG_UNFIT') || error instanceof IdentityMismatch

/**
 * What looks wrong may be a later owner's work: then this activation is over, and neither store nor changelog is to
 * blame. Records missing below the changelog's end may be superseded by a later owner: it continued, and compaction has
 * removed the commit records before its own. It may also have committed offsets of the group that no commit record here
 * explains.
 */
async function requireUnmoved(
  plan: TaskPlan,
  { topic }: Changelog,
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
 * A changelog without a commit record has not been started yet, unless the group has offsets that were committed with
 * it. Other offsets may have been set before the application's first start.
 */
function requireNew(plan: TaskPlan, changelog: Changelog, env: Environment, group: GroupOffsets): void {
  const { name } = plan.processor.subTopology
  if (group.some((offset) => isOfChangelog(decodeOffsetNote(offset?.note ?? ''), name)))
    throw lost(plan, changelog, `it has no commit record, but the group ${plan.group} has offsets of one`, env)
}

/**
 * Offsets that a transaction gave the group have a commit record in the changelog, because they are committed together.
 * If it is missing, the changelog's last records are lost. That is not a reset: an operator's offsets are in no
 * transaction.
 */
function requireAllOf(
  plan: TaskPlan,
  { topic: changelog }: Changelog,
  commit: CommitRecord,
  end: number,
  env: Environment,
  group: GroupOffsets,
): void {
  const { name } = plan.processor.subTopology
  const astray = plan.sources.flatMap(({ topic }, i) => {
    const [offset, committed] = [group[i], commit.positions[topic]]
    const isKnown = offset?.position === committed || offset?.position === (commit.group?.[topic] ?? committed)
    if (offset === undefined || isKnown || !isOfChangelog(decodeOffsetNote(offset.note), name)) return []
    return [{ topic, offset: offset.position, committed }]
  })
  const [first] = astray
  if (first === undefined) return
  throw recordsLost({ ...plan, changelog, end, ...first }, env)
}

const partitionsOf = ({ sources, partition }: TaskPlan) => sources.map(({ topic }) => ({ topic, partition }))

type GroupOffsets = readonly (CommittedOffset | undefined)[]

const groupOffsets = (plan: TaskPlan, { log }: Environment): Promise<GroupOffsets> =>
  log.committedOffsets(plan.group, partitionsOf(plan))

/** The group's offsets, requested again if they could mean a reset, and compared with the changelog. */
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
    !choosePositions(plan, restored.commit, asked).some(isDoubtful)
  )
    return asked
  // A later owner's commit may lie between the two answers, whichever came first: in what was restored, or after it.
  const group = await abortable(signal, groupOffsets(plan, env))
  if (!choosePositions(plan, restored.commit, group).some(isDoubtful)) return group
  await requireUnmoved(plan, changelog, restored.end, env, undefined, signal)
  if (restored.commit === undefined) requireNew(plan, changelog, env, group)
  else requireAllOf(plan, changelog, restored.commit, restored.end, env, group)
  return group
}
