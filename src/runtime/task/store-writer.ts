/**
 * C3, the writing of the store: for all commits of some time together, one write. Until then what they changed is in memory.
 *
 * Invariants
 * 1. Only what Kafka has acknowledged is written, and never while a commit is under way: then memory has what that one
 *    holds, and not what the one before it held.
 * 2. One write at a time. An activation waits for those of the one before (`written`).
 * 3. State objects and the position that they are of go in one write, so positions never go backwards, and never ahead.
 * 4. What waits is bounded, by its share of the memory and by what a worker that is killed would have to replay: then it is
 *    written at once, and where it is as much again behind a write, commits wait (`holdsCommits`).
 */
import type { Processor } from '../../core/processing/processor.js'
import type { AsOf } from '../../core/query/question.js'
import type { Clock, Timer } from '../../ports/clock.js'
import type { Observer } from '../../ports/observer.js'
import type { StoreMeta } from '../../ports/store.js'
import type { RuntimeOptions } from '../options.js'
import type { StoreHolder } from '../task-store.js'

export interface StoreWriterEnvironment {
  readonly clock: Clock
  readonly observer: Observer
  readonly options: Pick<RuntimeOptions, 'storeIntervalMs' | 'backlogStoreIntervalMs'>
  /** What the state objects of each task may take in memory, now. */
  stateBytes(): number
  /** Bytes of changes that each task may let wait for its store, now: more would take long to replay. */
  unstoredBytes(): number
}

/** An activation, as its store sees it. */
export interface StoreWork {
  readonly processor: Pick<Processor, 'isCommitting' | 'unstoredBytes' | 'takeUnstored' | 'stored'>
  /** When it was certain that nobody else had the task, by the wall clock: then the store, with what is unstored, was at the end. */
  readonly ownedAtMs: number
  /** Whether it has more to read than it can do at once. */
  hasBacklog(): boolean
  /** The store can't be written: nothing of this activation can be. */
  failed(error: unknown): void
  /** The commit that the store is as of, when it begins. */
  readonly asOf: AsOf
}

interface Current {
  readonly work: StoreWork
  /** Of the work, and later where that is known. */
  ownedAtMs: number
  /** What the store's meta is to be once it has what was committed; undefined until the first commit. */
  meta: Omit<StoreMeta, 'atEndMs'> | undefined
  lastMs: number
  isOver: boolean
  /** The last commit. */
  made: AsOf
  /** The commit that the store has. */
  stored: AsOf
  /**
   * When the first commit began that no write has begun with, on the monotonic clock; undefined: there is none. When it was decided
   * nobody knows: the acknowledgement may have been late.
   */
  behindSinceMs: number | undefined
  /** The same of the write under way. */
  writesSinceMs: number | undefined
}

/** The part of the state objects in memory that may be committed and not stored, one divided by this. */
const STORE_SHARE = 4

export class StoreWriter {
  /** The last one stays when it is over: what it has committed may still be written. */
  #current: Current | undefined
  /** C3 under way, or the last one. Never rejects. */
  #written: Promise<void> = Promise.resolve()
  #isWriting = false
  #timer: Timer | undefined

  constructor(
    private readonly task: string,
    private readonly holder: Pick<StoreHolder, 'store'>,
    private readonly env: StoreWriterEnvironment,
    /** A write has ended: commits that it held may go on. */
    private readonly ready: () => void,
  ) {}

  /** Resolves when no write is under way of those that have begun. Never rejects. */
  get written(): Promise<void> {
    return this.#written
  }

  /** Whether commits have to wait, for too much waits for the store already; when that is over, `ready` is called. */
  get holdsCommits(): boolean {
    return this.#isWriting && this.#isFarBehind
  }

  begin(work: StoreWork): void {
    const lastMs = this.env.clock.monotonic()
    const { ownedAtMs, asOf } = work
    const behind = { behindSinceMs: undefined, writesSinceMs: undefined }
    this.#current = { work, ownedAtMs, meta: undefined, lastMs, isOver: false, made: asOf, stored: asOf, ...behind }
  }

  end(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#current !== undefined) this.#current.isOver = true
  }

  /**
   * Kafka has this now, of the activation that began last. `atMs`: when it was committed, by the wall clock. `begunMs`: before its
   * transaction began, on the monotonic clock.
   */
  committed(meta: Omit<StoreMeta, 'atEndMs'>, atMs: number, begunMs: number): void {
    const current = this.#current
    if (current === undefined) return
    current.meta = meta
    current.ownedAtMs = atMs
    current.made = { commitMs: atMs, changelogPosition: meta.changelogPosition }
    current.behindSinceMs ??= begunMs
    this.#writeWhenDue(current)
  }

  /** The commit that the store has all of, while there is an activation; of later ones it may have something. */
  get stored(): AsOf | undefined {
    return this.#current?.isOver === false ? this.#current.stored : undefined
  }

  /**
   * Resolves when the store has all that was decided so many ms ago and is acknowledged, and with whether it has: not where the activation ends.
   * `underWay`: of the commit that is; then it can't be written. Never rejects.
   */
  async hasAllOf(ageMs: number, underWay: () => Promise<unknown>): Promise<boolean> {
    const current = this.#current
    const untilMs = this.env.clock.monotonic() - ageMs
    for (;;) {
      if (current === undefined || current.isOver || this.#current !== current) return false
      const { writesSinceMs = Infinity, behindSinceMs = Infinity } = current
      if (Math.min(writesSinceMs, behindSinceMs) > untilMs) return true
      if (this.#isWriting) await this.#written
      else if (current.work.processor.isCommitting) await underWay()
      else {
        this.#write(current)
        await this.#written
      }
    }
  }

  /** Writes down that the store, with what is unstored, was at the changelog's end then. */
  refresh(atMs: number): void {
    const current = this.#current
    if (current === undefined || current.isOver) return
    current.ownedAtMs = atMs
    if (!this.#isWriting && !current.work.processor.isCommitting) this.#write(current)
  }

  /** What is left, when the task closes; undefined where that can't be told, because a commit is under way. Rejects when it can't be written. */
  writeRest(): Promise<void> | undefined {
    const current = this.#current
    return current === undefined || current.work.processor.isCommitting ? undefined : this.#writeNow(current)
  }

  /** Committed state objects are in memory until the store has them: a share of what may be there. What is over takes no more. */
  get #isFarBehind(): boolean {
    const current = this.#current
    if (current === undefined || current.isOver) return false
    return current.work.processor.unstoredBytes * STORE_SHARE >= this.env.stateBytes()
  }

  #writeWhenDue(current: Current): void {
    // A commit that is under way comes here when it is through.
    if (this.#isWriting || current.meta === undefined || current.work.processor.isCommitting) return
    const { clock, options } = this.env
    // What was fetched last and waits to be processed is the backlog's end: a store that is written meanwhile holds it up.
    const interval = current.work.hasBacklog()
      ? Math.max(options.storeIntervalMs, options.backlogStoreIntervalMs)
      : options.storeIntervalMs
    const isFull = this.#isFarBehind || current.work.processor.unstoredBytes >= this.env.unstoredBytes()
    const dueInMs = isFull ? 0 : current.lastMs + interval - clock.monotonic()
    if (dueInMs <= 0) {
      this.#write(current)
      return
    }
    // It was to be later while there was a backlog.
    this.#timer?.cancel()
    this.#timer = clock.after(dueInMs, () => {
      this.#timer = undefined
      if (!current.isOver) this.#writeWhenDue(current)
    })
  }

  #write(current: Current): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#isWriting = true
    this.#written = this.#writeNow(current)
      .catch((error: unknown) => {
        current.work.failed(error)
      })
      .finally(() => {
        this.#isWriting = false
        if (!current.isOver) this.#writeWhenDue(current)
        this.ready()
      })
  }

  async #writeNow(current: Current): Promise<void> {
    const { store } = this.holder
    const meta = current.meta ?? store?.meta()
    if (store === undefined || meta === undefined) return
    current.meta = undefined
    current.writesSinceMs = current.behindSinceMs
    current.behindSinceMs = undefined
    const asOf = current.made
    const begunMs = (current.lastMs = this.env.clock.monotonic())
    const unstored = current.work.processor.takeUnstored()
    await store.write(unstored.changes, { ...meta, atEndMs: current.ownedAtMs }, unstored.dues)
    current.work.processor.stored(unstored)
    current.stored = asOf
    current.writesSinceMs = undefined
    const changes = unstored.changes.reduce((n, { count }) => n + count, 0)
    const tookMs = this.env.clock.monotonic() - begunMs
    this.env.observer.observe({ kind: 'store-written', task: this.task, changes, tookMs })
  }
}
