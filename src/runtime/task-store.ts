/** A task's store, made fit to be brought up to its changelog: opened, judged, set aside where it does not fit. */
import { isPotorooError, messageOf, PotorooError } from '../errors.js'
import { restorePlan } from '../core/restore-plan.js'
import type { StateStore } from '../ports/store.js'
import type { TaskPlan } from './task-plan.js'
import { IdentityMismatch, StoreLeftBehind } from './changelog-reader.js'
import type { Ports } from './options.js'

/** Who has the task's store: whatever becomes of the work on it, the holder closes it. */
export interface StoreHolder {
  store: StateStore | undefined
  /** Why it can't be believed, though it is open: bytes in it could not be read. It is set aside when it is prepared next. */
  damage?: string | undefined
  /** Bytes of the owner's copy that the store began with; absent where it began with none, or that one was set aside. */
  snapshotBytes?: number | undefined
  /** Copies that came whole and were set aside all the same: a help that was none. */
  snapshotsDiscarded?: number | undefined
}

export interface PreparedStore {
  readonly store: StateStore
  /** The changelog is to be read from here. */
  readonly from: number
  /** What was there before was set aside. */
  readonly rebuilt: boolean
}

type Changelog = NonNullable<TaskPlan['changelog']>
type Environment = Pick<Ports, 'log' | 'stores' | 'clock' | 'logger'>

/** `end`: of the changelog, now. Rejects with CHANGELOG_LOST, STORE_FAILED, or what the log throws. */
export async function prepareStore(
  plan: TaskPlan,
  { topic, deleteRetentionMs }: Changelog,
  end: number,
  env: Environment,
  holder: StoreHolder,
): Promise<PreparedStore> {
  const { partition } = plan
  let why = holder.damage
  try {
    holder.store ??= await env.stores.open(plan.id)
    if (holder.store.meta() === undefined && holder.store.size() > 0) why ??= 'it was left half rebuilt'
  } catch (error) {
    if (!isPotorooError(error, 'STORE_DAMAGED')) throw error
    why = messageOf(error)
  }
  const [earliest = 0] = await env.log.listOffsets([{ topic, partition }], 'earliest')
  if (why !== undefined || holder.store === undefined)
    return setAside(plan, why ?? 'it is not open', earliest, env, holder)
  const decided = restorePlan(holder.store.meta(), { earliest, end, deleteRetentionMs }, env.clock.now())
  switch (decided.kind) {
    case 'lost':
      throw new PotorooError(
        'CHANGELOG_LOST',
        `task ${plan.id}: ${topic}, partition ${String(partition)}: ${decided.why}`,
      )
    case 'rebuild':
      return setAside(plan, decided.why, decided.from, env, holder)
    case 'replay':
      return { store: holder.store, from: decided.from, rebuilt: false }
  }
}

/** Sets the store aside after all, for what came out only when its changelog was read. */
export async function rebuildStore(
  plan: TaskPlan,
  { topic }: Changelog,
  why: string,
  env: Environment,
  holder: StoreHolder,
): Promise<PreparedStore> {
  const [earliest = 0] = await env.log.listOffsets([{ topic, partition: plan.partition }], 'earliest')
  return setAside(plan, why, earliest, env, holder)
}

/** Whether reading the changelog showed that the store is not of it, or was left behind: then it is rebuilt. */
export const isUnfitForChangelog = (error: unknown): boolean =>
  error instanceof IdentityMismatch || error instanceof StoreLeftBehind || isPotorooError(error, 'OFFSET_OUT_OF_RANGE')

async function setAside(
  plan: TaskPlan,
  why: string,
  from: number,
  env: Environment,
  holder: StoreHolder,
): Promise<PreparedStore> {
  const { snapshotBytes } = holder
  env.logger.warn({ task: plan.id, why, snapshotBytes }, 'the store is set aside, and rebuilt from the changelog')
  if (snapshotBytes !== undefined) holder.snapshotsDiscarded = (holder.snapshotsDiscarded ?? 0) + 1
  holder.snapshotBytes = undefined
  const former = holder.store
  holder.store = undefined
  await former?.close()
  await env.stores.discard(plan.id)
  holder.damage = undefined
  const store = (holder.store = await env.stores.open(plan.id))
  return { store, from, rebuilt: true }
}
