/**
 * A standby: a store that follows a task's changelog without owning the task, so that it can take over with little to
 * replay. A store that is far behind begins with a copy of the owner's; without one it reads the changelog from the start.
 *
 * Invariants
 * 1. A snapshot is swapped in only whole, and never under a task that has become active: `release` ends the work on the
 *    store first, wherever it is, and hands on what there is.
 * 2. Whatever fails on the way to a snapshot, the changelog is enough.
 * 3. While the group waits for a standby that it takes for cold, `warm` is called once it is warm; never otherwise, for
 *    each call costs the group a rebalance.
 */
import { isPotorooError, messageOf, type PotorooError } from '../errors.js'
import type { Question, TaskAnswer } from '../core/query/question.js'
import { bytesOf } from '../core/records/byte-string.js'
import { storeKeyOf } from '../core/state/store-key.js'
import type { Fetcher } from '../ports/log.js'
import type { Peer } from '../ports/peers.js'
import { changelogEnd } from './changelog-end.js'
import type { TaskPlan } from './task-plan.js'
import { ChangelogReader, ForeignChangelog } from './changelog-reader.js'
import {
  isUnfitForChangelog,
  lost,
  prepareStore,
  rebuildStore,
  storeOptions,
  type PreparedStore,
  type StoreHolder,
} from './task-store.js'
import { failedWith, NOT_HERE, pageOf, told } from './queries/stored.js'
import { requireMissing } from './new-topics.js'
import { sleep, type ObservedPorts } from './options.js'

export interface StandbyEnvironment extends ObservedPorts {
  readonly fetcher: Fetcher
  /** The lag in changelog records up to which a standby counts as warm. */
  readonly warmLag: number
  /** The standby has become warm, and the group waits for that: it must be told. */
  warm(task: string): void
  /** The worker can't continue. */
  fatal(error: PotorooError, task: string): void
}

/** A store that lags by this multiple of `warmLag` is worth a copy of the owner's: 20,000 records by default. */
const SNAPSHOT_WARM_LAGS = 2
const RETRY_MS = 1000

export class Standby {
  readonly id: string
  #lag = Infinity
  /** What was last reported to the group. */
  #toldWarm = false
  /** Whether `warm` was called, and the standby has been warm since. */
  #announced = false
  #awaited = false
  readonly #holder: StoreHolder
  #reader: ChangelogReader | undefined
  readonly #abort = new AbortController()
  #work: Promise<void> = Promise.resolve()

  constructor(
    readonly plan: TaskPlan,
    private readonly env: StandbyEnvironment,
    /** The worker that has the task active; undefined if there is none. */
    private readonly owner: Peer | undefined,
    holder: StoreHolder = { store: undefined },
  ) {
    this.id = plan.id
    this.#holder = holder
  }

  /** Changelog records that it is behind; Infinity while that is not known. */
  get lag(): number {
    return this.#lag
  }

  /** The lag, to be reported to the group now. */
  report(): number {
    this.#toldWarm = this.#isWarm
    this.#announced = false
    return this.#lag
  }

  /** Whether the group waits for this standby, and does not know yet that it is warm. */
  get untold(): boolean {
    return this.#awaited && this.#isWarm && !this.#toldWarm
  }

  /** Whether the group, by what was reported to it, waits for this standby to become warm. */
  set awaited(awaited: boolean) {
    this.#awaited = awaited
    this.#tell()
  }

  start(): void {
    this.#work = this.#follow()
  }

  /** What its store has, if that is at most so many ms old. */
  answer(question: Question, maxAgeMs: number): TaskAnswer {
    const [{ store }, stored, { clock }] = [this.#holder, this.#reader?.stored, this.env]
    const { states } = this.plan.processor.subTopology
    const definition = states.find(({ name }) => name === question.state)
    if (store === undefined || stored === undefined || definition === undefined || this.#isReleased()) return NOT_HERE
    if (clock.monotonic() - stored.atMs > maxAgeMs) return NOT_HERE
    const { atMs: commitMs, position: changelogPosition, time } = stored.commit
    const asOf = { commitMs, changelogPosition }
    const as = { asOf, timeMs: time?.timeMs ?? -Infinity, from: 'standby' } as const
    try {
      if (question.kind === 'scan') return pageOf(question, definition, store, as, clock)
      const found = store.get(storeKeyOf(definition.name, question.key))
      const packed = found && told(definition, bytesOf(found), question.key, as.timeMs)
      return { kind: 'state', packed, asOf, from: 'standby' }
    } catch (error) {
      return failedWith(error)
    }
  }

  /** Stops following, and hands over the store if it is open. Never rejects. */
  async release(): Promise<StoreHolder> {
    this.#abort.abort(new Error('the standby was released'))
    await this.#reader?.stop()
    await this.#work
    return this.#holder
  }

  /** Ends, and closes the store. It stays on disk. Never rejects. */
  async close(): Promise<void> {
    const { store } = await this.release()
    this.#holder.store = undefined
    await store?.close().catch((error: unknown) => {
      this.env.observer.observe({ kind: 'store-not-closed', task: this.id, error: messageOf(error) })
    })
  }

  async #follow(): Promise<void> {
    const { env, plan } = this
    const { signal } = this.#abort
    const { changelog } = plan
    if (changelog === undefined || plan.processor.subTopology.call !== undefined) {
      // Nothing to warm up: a task without state can move at any time, and so can one that only has a last commit
      // record.
      this.#progress(0)
      return
    }
    while (!signal.aborted)
      try {
        await this.#prepareAndFollow(changelog).catch(async (error: unknown) => {
          await requireMissing(error, changelog, env)
          throw error
        })
      } catch (error) {
        if (this.#isReleased()) return
        this.#lag = Infinity
        if (isPotorooError(error, 'TOPIC_REPLACED') || isPotorooError(error, 'TOPIC_MISSING')) {
          env.fatal(lost(plan, changelog, error.message, env), this.id)
          return
        }
        const isFatal = isPotorooError(error, 'STORE_FAILED') || isPotorooError(error, 'CHANGELOG_LOST')
        if (isFatal || error instanceof ForeignChangelog) {
          // As with a task: a standby that gave up on its own would make the group wait for it forever.
          env.fatal(error, this.id)
          return
        }
        env.observer.observe({ kind: 'standby-again', task: this.id, error: messageOf(error) })
        await sleep(env.clock, RETRY_MS)
      }
  }

  async #prepareAndFollow(changelog: NonNullable<TaskPlan['changelog']>): Promise<void> {
    const { env, plan } = this
    const { signal } = this.#abort
    const where = { topic: changelog.topic, partition: plan.partition }
    let latest = await changelogEnd(where, 0, env, signal)
    let prepared = await prepareStore(plan, changelog, latest, env, this.#holder, signal)
    if (latest - prepared.from > SNAPSHOT_WARM_LAGS * env.warmLag && (await this.#adoptSnapshot())) {
      // The owner continued while the copy was made: by the end that was listed before, the copy would not match its
      // changelog.
      latest = await changelogEnd(where, latest, env, signal)
      prepared = await prepareStore(plan, changelog, latest, env, this.#holder, signal)
    }
    signal.throwIfAborted()
    env.observer.observe({
      kind: 'standby-follows',
      task: this.id,
      owner: this.owner?.address,
      behind: latest - prepared.from,
      rebuilt: prepared.rebuilt,
      snapshotBytes: this.#holder.snapshotBytes,
    })
    try {
      await this.#read(changelog, prepared)
    } catch (error) {
      if (!isUnfitForChangelog(error)) throw error
      signal.throwIfAborted()
      this.#lag = Infinity
      await this.#read(
        changelog,
        await rebuildStore(plan, changelog, latest, messageOf(error), env, this.#holder, signal),
      )
    }
  }

  /** Never resolves before the standby ends; rejects when reading fails. */
  #read(
    { topic, id: topicId, deleteRetentionMs }: NonNullable<TaskPlan['changelog']>,
    { store, from }: PreparedStore,
  ): Promise<void> {
    const { signal } = this.#abort
    let stop = (): void => undefined
    const read = new Promise<void>((resolve, reject) => {
      const { partition, processor } = this.plan
      const subTopology = processor.subTopology.name
      const reader = new ChangelogReader(
        { topic, topicId, partition, subTopology, deleteRetentionMs, from, end: undefined },
        store,
        this.env.fetcher,
        this.env,
        {
          failed: reject,
          lag: (records) => {
            this.#progress(records)
          },
        },
      )
      this.#reader = reader
      stop = () => {
        void reader.stop().then(resolve)
      }
      signal.addEventListener('abort', stop)
      if (signal.aborted) resolve()
      else reader.start()
    })
    // A standby lives long and may restart often: a failed reader must not be kept.
    return read.finally(() => {
      signal.removeEventListener('abort', stop)
    })
  }

  // A method, so that the compiler forgets what it knew before an await.
  #isReleased(): boolean {
    return this.#abort.signal.aborted
  }

  #progress(lag: number): void {
    if (lag !== this.#lag) this.env.observer.observe({ kind: 'standby-progress', task: this.id, lag })
    this.#lag = lag
    if (!this.#isWarm) this.#announced = false
    this.#tell()
  }

  get #isWarm(): boolean {
    return this.#lag <= this.env.warmLag
  }

  #tell(): void {
    if (!this.untold || this.#announced) return
    this.#announced = true
    this.env.warm(this.id)
  }

  /** Returns whether the store is now a copy of the owner's. */
  async #adoptSnapshot(): Promise<boolean> {
    const { env, owner, plan } = this
    const { signal } = this.#abort
    if (owner === undefined) return false
    const startedMs = env.clock.monotonic()
    try {
      const snapshot = await env.peers.snapshot(owner, plan.id, signal)
      if (snapshot === undefined) {
        env.observer.observe({ kind: 'snapshot-absent', task: this.id, from: owner.address })
        return false
      }
      await this.#holder.store?.close()
      this.#holder.store = undefined
      await env.stores.adopt(plan.id, snapshot, signal)
      this.#holder.snapshotBytes = snapshot.bytes
      const tookMs = Math.round(env.clock.monotonic() - startedMs)
      const { bytes } = snapshot
      env.observer.observe({ kind: 'snapshot-taken', task: this.id, from: owner.address, bytes, tookMs })
      return true
    } catch (error) {
      if (signal.aborted) throw error
      env.observer.observe({ kind: 'snapshot-failed', task: this.id, from: owner.address, error: messageOf(error) })
      // If it failed after the store was closed, the store is opened again.
      this.#holder.store ??= await env.stores.open(plan.id, storeOptions(plan))
      return true
    }
  }
}
