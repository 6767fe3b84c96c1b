/** Becoming active: steps A1 to A3 of task.ts. */
import { messageOf, PotorooError, isPotorooError } from '../errors.js'
import type { ProcessorPlan } from '../core/processor.js'
import { choosePosition, restorePlan } from '../core/restore-plan.js'
import type { Fetcher, TransactionalProducer } from '../ports/log.js'
import type { StateStore } from '../ports/store.js'
import type { Ports } from './options.js'
import { IdentityMismatch, replay, type Replayed } from './replay.js'

export interface TaskPlan {
  readonly id: string
  readonly partition: number
  readonly transactionalId: string
  readonly group: string
  /** In the order of declaration; topics by their names in Kafka. */
  readonly sources: readonly { readonly topic: string; readonly start: 'earliest' | 'latest' }[]
  /** Undefined for a sub-topology without state. */
  readonly changelog: { readonly topic: string; readonly deleteRetentionMs: number } | undefined
  readonly processor: Omit<ProcessorPlan, 'load'>
}

export interface Activation {
  readonly producer: TransactionalProducer
  /** The changelog's identity; undefined without state. */
  readonly identity: string | undefined
  /** Where the inputs are read from, in the order of the sources. */
  readonly positions: readonly number[]
  /** Positions that are committed already, in the same order; NaN where there is none. */
  readonly committed: readonly number[]
}

type Environment = Ports & { readonly fetcher: Fetcher }

/**
 * `earlierWrites`: store writes of an earlier activation. `opened` is told of a store as soon as it is open, for that
 * must be closed also when this fails.
 */
export async function activate(
  plan: TaskPlan,
  env: Environment,
  signal: AbortSignal,
  earlierWrites: Promise<void>,
  opened: (store: StateStore | undefined) => void,
  open: StateStore | undefined,
): Promise<Activation> {
  const { log, random } = env
  const startedMs = env.clock.monotonic()
  // A1
  const producer = await log.producer(plan.transactionalId, signal)
  try {
    signal.throwIfAborted()
    // A2
    await earlierWrites
    const restored = plan.changelog && (await restore(plan, plan.changelog, env, signal, opened, open))
    signal.throwIfAborted()
    // A3
    const committed = restored?.commit?.positions
    const { positions, known } = await inputPositions(plan, env, committed)
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
      identity: plan.changelog && (restored?.commit?.identity ?? random.id()),
      positions,
      committed: known,
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
  opened: (store: StateStore | undefined) => void,
  open: StateStore | undefined,
): Promise<Restored> {
  const { log, stores, clock, logger } = env
  const { topic, deleteRetentionMs } = changelog
  const { partition } = plan
  const where = { topic, partition }

  let aside = false
  const setAside = async (store: StateStore | undefined, why: string): Promise<StateStore> => {
    logger.warn({ task: plan.id, why }, 'the store is set aside, and rebuilt from the changelog')
    await store?.close()
    opened(undefined)
    await stores.discard(plan.id)
    aside = true
    const fresh = await stores.open(plan.id)
    opened(fresh)
    return fresh
  }

  let store: StateStore
  try {
    store = open ?? (await stores.open(plan.id))
    opened(store)
  } catch (error) {
    if (!isPotorooError(error, 'STORE_DAMAGED')) throw error
    store = await setAside(undefined, messageOf(error))
  }
  // After A1: what lies behind this end is not the task's history any more.
  const [end = 0] = await log.listOffsets([where], 'end')
  const [earliest = 0] = await log.listOffsets([where], 'earliest')
  if (store.meta() === undefined && store.size() > 0) store = await setAside(store, 'it was left half rebuilt')
  const meta = store.meta()
  const decided = restorePlan(meta, { earliest, end, deleteRetentionMs }, clock.now())
  if (decided.kind === 'lost')
    throw new PotorooError(
      'CHANGELOG_LOST',
      `task ${plan.id}: ${topic}, partition ${String(partition)}: ${decided.why}`,
    )
  const run = async (from: number): Promise<Restored> => {
    const replayed = await replay({ ...where, from, end, store: store.meta() }, store, env.fetcher, env, signal)
    return { ...replayed, from, rebuilt: aside }
  }
  if (decided.kind === 'rebuild') {
    store = await setAside(store, decided.why)
    return run(decided.from)
  }
  try {
    return await run(decided.from)
  } catch (error) {
    if (meta === undefined || !(error instanceof IdentityMismatch || isPotorooError(error, 'OFFSET_OUT_OF_RANGE')))
      throw error
    signal.throwIfAborted()
    store = await setAside(store, messageOf(error))
    return run(earliest)
  }
}

async function inputPositions(
  plan: TaskPlan,
  { log, logger }: Environment,
  committed: Readonly<Record<string, number>> | undefined,
): Promise<{ positions: number[]; known: number[] }> {
  const partitions = plan.sources.map(({ topic }) => ({ topic, partition: plan.partition }))
  const group = await log.committedPositions(plan.group, partitions)
  const positions = await Promise.all(
    plan.sources.map(async ({ topic, start }, i) => {
      const choice = choosePosition(committed?.[topic], group[i], start, plan.changelog !== undefined)
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
    const inLog = plan.changelog === undefined ? group[i] : committed?.[topic]
    return inLog !== undefined && inLog === group[i] ? inLog : NaN
  })
  return { positions, known }
}
