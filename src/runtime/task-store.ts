/**
 * Prepares a task's store to be brought up to its changelog: opens it, checks it, and sets it aside if it does not fit.
 */
import { isPotorooError, messageOf, type PotorooError } from '../errors.js'
import { restorePlan } from '../core/commit/restore-plan.js'
import { hasDues } from '../core/plan/topology.js'
import type { Fetcher } from '../ports/log.js'
import type { StateStore } from '../ports/store.js'
import { abortable } from './abortable.js'
import { changelogEnd } from './changelog-end.js'
import { hasCommitRecord, identityNearEnd } from './commit-probe.js'
import { changelogLost } from './cures.js'
import type { TaskPlan } from './task-plan.js'
import { IdentityMismatch, StoreLeftBehind } from './changelog-reader.js'
import type { ObservedPorts } from './options.js'

/** Who has the task's store: whatever happens to the work on it, the holder closes it. */
export interface StoreHolder {
  store: StateStore | undefined
  /**
   * Why it can't be trusted although it is open: some bytes in it could not be read. It is set aside when it is next
   * prepared.
   */
  damage?: string | undefined
  /**
   * Bytes of the owner's copy that the store started with; absent if it started without one, or that one was set aside.
   */
  snapshotBytes?: number | undefined
  /** Copies that arrived complete but were set aside: wasted effort. */
  snapshotsDiscarded?: number | undefined
}

export interface PreparedStore {
  readonly store: StateStore
  /** Where to read the changelog from, */
  readonly from: number
  /** and to: its end as last listed. */
  readonly end: number
  /** The old store was set aside. */
  readonly rebuilt: boolean
}

type Changelog = NonNullable<TaskPlan['changelog']>
type Environment = Pick<ObservedPorts, 'log' | 'stores' | 'clock' | 'observer'> & {
  readonly fetcher: Fetcher
}

/**
 * `end`: of the changelog, now. Rejects with CHANGELOG_LOST, STORE_FAILED, what the log throws, or the signal's reason when it
 * is aborted; then the holder has what is open.
 */
export async function prepareStore(
  plan: TaskPlan,
  changelog: Changelog,
  end: number,
  env: Environment,
  holder: StoreHolder,
  signal: AbortSignal,
): Promise<PreparedStore> {
  const { partition } = plan
  const { topic, deleteRetentionMs } = changelog
  let why = holder.damage
  // No one closes what is opened from here on.
  signal.throwIfAborted()
  try {
    holder.store ??= await env.stores.open(plan.id, storeOptions(plan))
    if (holder.store.meta() === undefined && holder.store.size() > 0) why ??= 'it was left partly rebuilt'
  } catch (error) {
    if (!isPotorooError(error, 'STORE_DAMAGED')) throw error
    why = messageOf(error)
  }
  const of = { topic, partition }
  const [earliest = 0] = await abortable(signal, env.log.listOffsets([of], 'earliest'))
  if (why !== undefined || holder.store === undefined)
    return setAside(plan, changelog, why ?? 'it is not open', { earliest, end }, env, holder, signal)
  const meta = holder.store.meta()
  if (meta !== undefined && meta.changelogPosition >= end) {
    // A reset has recreated it: that its end is lower than before is as expected.
    const identity = await identityNearEnd({ ...of, topicId: changelog.id, earliest, end }, env, signal)
    if (identity !== undefined && identity !== meta.identity) {
      const recreated = `its changelog was recreated: it had the identity ${meta.identity}, and has ${identity} now`
      return setAside(plan, changelog, recreated, { earliest, end }, env, holder, signal)
    }
    // The commit record at the store's position was there. A good store is not set aside because of one answer that is
    // too short.
    end = await changelogEnd(of, meta.changelogPosition + 1, env, signal)
  }
  const decided = restorePlan(meta, { earliest, end, deleteRetentionMs }, env.clock.now())
  switch (decided.kind) {
    case 'lost':
      throw lost(plan, changelog, decided.why, env)
    case 'rebuild':
      return setAside(plan, changelog, decided.why, { earliest, end }, env, holder, signal)
    case 'replay':
      return { store: holder.store, from: decided.from, end, rebuilt: false }
  }
}

/** Sets the store aside after all, for a reason found only when its changelog was read. */
export async function rebuildStore(
  plan: TaskPlan,
  changelog: Changelog,
  end: number,
  why: string,
  env: Environment,
  holder: StoreHolder,
  signal: AbortSignal,
): Promise<PreparedStore> {
  const of = { topic: changelog.topic, partition: plan.partition }
  const [earliest = 0] = await abortable(signal, env.log.listOffsets([of], 'earliest'))
  return setAside(plan, changelog, why, { earliest, end }, env, holder, signal)
}

/**
 * Whether reading the changelog showed that the store does not belong to it, or was left behind: then it is rebuilt.
 */
export const isUnfitForChangelog = (error: unknown): boolean =>
  error instanceof IdentityMismatch || error instanceof StoreLeftBehind || isPotorooError(error, 'OFFSET_OUT_OF_RANGE')

/** The changelog has lost records: the state objects are gone, except for what stores still have. */
export const lost = (
  { id, group, partition, sources }: TaskPlan,
  { topic }: Changelog,
  why: string,
  env: Pick<Environment, 'log' | 'stores'>,
): PotorooError =>
  changelogLost(
    { group, changelog: topic, sources },
    `task ${id}: the changelog ${topic}, partition ${String(partition)}, was lost: ${why}`,
    env,
  )

/** Not if the changelog was lost: the store may be all that is left. */
async function setAside(
  plan: TaskPlan,
  changelog: Changelog,
  why: string,
  { earliest, end }: { readonly earliest: number; readonly end: number },
  env: Environment,
  holder: StoreHolder,
  signal: AbortSignal,
): Promise<PreparedStore> {
  if (earliest > 0)
    throw lost(
      plan,
      changelog,
      `its records below ${String(earliest)} were deleted, and the store does not fit: ${why}`,
      env,
    )
  if (isFilled(holder.store)) {
    const { topic, id: topicId } = changelog
    const probed = { topic, topicId, partition: plan.partition, earliest, end }
    if (!(await hasCommitRecord(probed, env, signal)))
      throw lost(plan, changelog, `it has no commit record, but the store was filled from one (${why})`, env)
  }
  signal.throwIfAborted()
  const { snapshotBytes } = holder
  env.observer.observe({ kind: 'store-set-aside', task: plan.id, why, snapshotBytes })
  if (snapshotBytes !== undefined) holder.snapshotsDiscarded = (holder.snapshotsDiscarded ?? 0) + 1
  holder.snapshotBytes = undefined
  const former = holder.store
  holder.store = undefined
  await former?.close()
  await env.stores.discard(plan.id)
  holder.damage = undefined
  const store = (holder.store = await env.stores.open(plan.id, storeOptions(plan)))
  return { store, from: earliest, end, rebuilt: true }
}

/** What the task needs from its store. */
export const storeOptions = ({ processor: { subTopology } }: TaskPlan): { readonly dues: boolean } => ({
  dues: hasDues(subTopology),
})

const isFilled = (store: StateStore | undefined): boolean =>
  store !== undefined && (store.meta() !== undefined || store.size() > 0)
