/**
 * Brings a store up to its changelog: reads read-committed from a position, and writes to the store in slices. With an
 * end it is a restore, and done there; without one it follows, for a standby.
 *
 * Invariants
 * 1. The store's position is always that of a commit record, so that the next reader can verify that the changelog is the
 *    same; records after it that the store has already are applied again, to the same effect.
 * 2. Nothing is written before a commit record has named the identity that the store knows. It is the first record at the
 *    store's position, unless compaction has removed it: then it is a later one.
 * 3. The store's index of what falls due is kept with its records: what a record has due has an entry.
 * 4. No record is taken when the store was last known to have all of the changelog (or, rebuilt, nothing of it) so long
 *    ago that compaction may have removed a tombstone in between: an object that was deleted would stay in it. Half of
 *    `delete.retention.ms` is too long, because the time may have been another process's; when it is this one's, all of it.
 */
import { deleteTopic } from '../core/plan/topic-cures.js'
import { changelogOwner, subTopologyIn } from '../core/commit/changelog-identity.js'
import { bytesOf, byteString } from '../core/records/byte-string.js'
import { GatheredChanges } from '../core/state/changes.js'
import { ReplayedDues } from '../core/state/due-index.js'
import { hasTimes } from '../core/state/header.js'
import { COMMIT_KEY, decodeCommitRecord, isCommitKey, type CommitRecord } from '../core/commit/commit-record.js'
import { RecordCursor } from '../core/records/records.js'
import { PotorooError } from '../errors.js'
import type { Timer } from '../ports/clock.js'
import type { Fetched, Fetcher, FetchInput } from '../ports/log.js'
import type { StateStore } from '../ports/store.js'
import type { ObservedPorts } from './options.js'

export interface ChangelogPlan {
  readonly topic: string
  /** Undefined where brokers have no ids. */
  readonly topicId?: string | undefined
  readonly partition: number
  /** The application and sub-topology that it must belong to. */
  readonly subTopology: string
  readonly from: number
  /** Where a restore ends, exclusive; undefined: follow forever. */
  readonly end: number | undefined
  /** How long the changelog keeps its tombstones at least. */
  readonly deleteRetentionMs: number
}

/** The state of a store while it follows its changelog. */
export interface StoredUpTo {
  /** Everything that was committed by then, on the monotonic clock. */
  readonly atMs: number
  readonly commit: CommitRecord & { readonly position: number }
}

export interface Replayed {
  /** Records of state objects, without commit records. */
  readonly records: number
  /** The last commit record and its position; undefined when there was none. */
  readonly commit: (CommitRecord & { readonly position: number }) | undefined
}

/** The store belongs to another changelog. */
export class IdentityMismatch extends Error {
  override readonly name = 'IdentityMismatch'
}

/** The reader was away from the changelog's end for too long (invariant 4). */
export class StoreLeftBehind extends PotorooError {
  constructor(where: string, forMs: number, deleteRetentionMs: number) {
    super(
      'STORE_DAMAGED',
      `${where}: the store has been incomplete for ${String(Math.round(forMs / 1000))} s, too long for delete.retention.ms ` +
        `(${String(deleteRetentionMs)}): deletions may be compacted away`,
    )
  }
}

/**
 * The changelog itself belongs to another application, whose names combine to the same topic name: rebuilding the store
 * from it would not help.
 */
export class ForeignChangelog extends PotorooError {
  constructor(topic: string, found: string, expected: string) {
    super(
      'CHANGELOG_UNFIT',
      `${topic} is the changelog of ${changelogOwner(topic, found)}, and would also be that of ${changelogOwner(topic, expected)}: joined, ` +
        'their names are the same',
      { cure: 'Give the application or its state object another name.' },
    )
  }
}

export interface ChangelogEvents {
  /** The end was reached, and the store has all of it. */
  done?(replayed: Replayed): void
  /** IdentityMismatch, StoreLeftBehind, ForeignChangelog, OFFSET_OUT_OF_RANGE, or what the log or the store throw. The reader has stopped. */
  failed(error: Error): void
  /** After each answer: how many records are still to be read. */
  lag?(records: number): void
  /** The same for a restore: records up to its end. */
  left?: ((records: number) => void) | undefined
}

const SLICE_BYTES = 4 * 1024 * 1024
/** What is kept in memory until it is certain that the changelog belongs to the store. */
const MAX_UNVERIFIED_BYTES = 64 * 1024 * 1024
/** After this long a wait for the end is reported, and to what. */
const COMPLAIN_MS = 1000
/** How often a store with an idle changelog records that it is at the end. */
const AT_END_AGAIN_MS = 600_000

/** By both clocks: one may be set, the other stops while the machine sleeps. */
interface Moment {
  readonly wallMs: number
  readonly monotonicMs: number
}

export class ChangelogReader implements FetchInput {
  readonly topic: string
  readonly topicId: string | undefined
  readonly partition: number
  readonly #subTopology: string
  readonly #deleteRetentionMs: number
  readonly #cursor = new RecordCursor()
  readonly #end: number | undefined
  readonly #store: StateStore
  readonly #known: { readonly identity: string; readonly atEndMs: number } | undefined
  #position: number
  #commit: (CommitRecord & { readonly position: number }) | undefined
  /** When the store last had all of the changelog, or nothing of it. */
  #whole: Moment
  /** Whether the store was ever known to be complete. */
  #wasWhole: boolean
  #asked: Moment
  readonly #begunMs: number
  #toldAtEndMs: number
  #records = 0
  #slice = new GatheredChanges()
  /** Of the current slice. */
  readonly #dues = new ReplayedDues()
  #writing: Promise<void> | undefined
  #written: (CommitRecord & { readonly position: number }) | undefined
  #verified: boolean
  /** When the store had all of the changelog that there was, on the monotonic clock, and the last commit of it. */
  #stored: StoredUpTo | undefined
  /** When the slice and the store had all that was committed, on the monotonic clock. */
  #completeMs = -Infinity
  #stopped = false
  #complaint: Timer | undefined

  constructor(
    plan: ChangelogPlan,
    store: StateStore,
    private readonly fetcher: Fetcher,
    private readonly ports: Pick<ObservedPorts, 'clock' | 'observer'>,
    private readonly events: ChangelogEvents,
  ) {
    this.topic = plan.topic
    this.topicId = plan.topicId
    this.partition = plan.partition
    this.#subTopology = plan.subTopology
    this.#position = plan.from
    this.#end = plan.end
    this.#store = store
    this.#known = store.meta()
    this.#verified = this.#known === undefined
    const now = this.#moment()
    const atEndMs = (this.#toldAtEndMs = this.#known?.atEndMs ?? now.wallMs)
    this.#asked = now
    this.#begunMs = now.wallMs
    this.#whole = { wallMs: atEndMs, monotonicMs: now.monotonicMs - Math.max(0, now.wallMs - atEndMs) }
    this.#wasWhole = this.#known !== undefined
    this.#deleteRetentionMs = plan.deleteRetentionMs
  }

  start(): void {
    const end = this.#end
    if (end !== undefined && this.#position >= end) {
      this.#finish()
      return
    }
    if (end !== undefined)
      this.#complaint = this.ports.clock.after(COMPLAIN_MS, () => {
        const { topic, partition } = this
        this.ports.observer.observe({ kind: 'restoring-slowly', topic, partition, position: this.#position, end })
      })
    this.fetcher.add(this)
  }

  /** Resolves when nothing is being written any more. */
  async stop(): Promise<void> {
    this.#halt()
    await this.#writing?.catch(() => undefined)
  }

  wanted(): number | undefined {
    if (this.#slice.sizeInBytes > SLICE_BYTES && this.#verified) return undefined
    // One request at a time: the next answer belongs to the current request.
    this.#asked = this.#moment()
    return this.#position
  }

  hurried(): boolean {
    return false
  }

  failed(error: Error): void {
    this.#fail(error)
  }

  deliver(fetched: Fetched): void {
    if (!this.#stopped && fetched.position === this.#position) this.#process(fetched)
    // What must be kept of it has been copied.
    fetched.release()
  }

  #process(fetched: Fetched): void {
    try {
      this.#refuseLeftBehind()
      this.#take(fetched)
    } catch (error) {
      this.#fail(error)
      return
    }
    if (this.#position >= fetched.lastStableOffset) {
      this.#whole = this.#asked
      this.#wasWhole = true
    }
    this.events.lag?.(Math.max(0, fetched.highWatermark - this.#position))
    // A transaction that still looks open may already be decided, and some client told of it.
    if (this.#position >= fetched.highWatermark) this.#completeMs = this.#asked.monotonicMs
    this.#noteStored()
    if (this.#end !== undefined) this.events.left?.(this.#end - this.#position)
    if (this.#end !== undefined && this.#position >= this.#end) this.#finish()
    else if (this.#slice.sizeInBytes > SLICE_BYTES || this.#end === undefined) void this.#writeSlice()
  }

  /** Undefined while it is not known; for a reader that follows. */
  get stored(): StoredUpTo | undefined {
    return this.#stopped ? undefined : this.#stored
  }

  /** Nothing is waiting to be written. */
  #noteStored(): void {
    const isWritten = this.#slice.count === 0 && this.#writing === undefined && this.#commit === this.#written
    if (isWritten && this.#commit !== undefined) this.#stored = { atMs: this.#completeMs, commit: this.#commit }
  }

  #moment(): Moment {
    const { clock } = this.ports
    return { wallMs: clock.now(), monotonicMs: clock.monotonic() }
  }

  /** Invariant 4 */
  #refuseLeftBehind(): void {
    const [then, now] = [this.#whole, this.#moment()]
    const forMs = Math.max(now.wallMs - then.wallMs, now.monotonicMs - then.monotonicMs)
    if (forMs > (this.#wasWhole ? this.#deleteRetentionMs / 2 : this.#deleteRetentionMs))
      throw new StoreLeftBehind(`${this.topic}, partition ${String(this.partition)}`, forMs, this.#deleteRetentionMs)
  }

  #take(fetched: Fetched): void {
    const end = this.#end ?? Infinity
    for (const batch of fetched.batches) {
      this.#cursor.open(batch)
      while (this.#cursor.next()) {
        if (this.#cursor.offset < this.#position) continue
        if (this.#cursor.offset >= end) break
        this.#takeRecord()
      }
    }
    this.#position = Math.min(fetched.nextPosition, end)
  }

  #takeRecord(): void {
    const { buffer, keyStart, keyEnd, valueStart, valueEnd, offset } = this.#cursor
    if (isCommitKey(buffer, keyStart, keyEnd)) {
      if (valueStart < 0) return
      const where = `${this.topic}, partition ${String(this.partition)}, offset ${String(offset)}`
      const found = decodeCommitRecord(buffer.subarray(valueStart, valueEnd), where)
      const owner = subTopologyIn(found.identity) ?? this.#subTopology
      if (owner !== this.#subTopology) throw new ForeignChangelog(this.topic, owner, this.#subTopology)
      if (this.#known !== undefined && found.identity !== this.#known.identity)
        throw new IdentityMismatch(`its changelog has the identity ${this.#known.identity}, this one ${found.identity}`)
      this.#verified = true
      this.#commit = { ...found, position: offset }
      return
    }
    if (!this.#verified && this.#slice.sizeInBytes > MAX_UNVERIFIED_BYTES)
      throw new IdentityMismatch('there is no commit record of this changelog near its position')
    this.#records++
    this.#slice.add(buffer, keyStart, keyEnd, valueStart < 0 ? undefined : buffer, valueStart, valueEnd)
    this.#noteDues(buffer, keyStart, keyEnd, valueStart, valueEnd)
  }

  /** Invariant 3 */
  #noteDues(buffer: Buffer, keyStart: number, keyEnd: number, valueStart: number, valueEnd: number): void {
    const isTimed = valueStart >= 0 && hasTimes(buffer, valueStart, valueEnd)
    // If nothing is ever due, the store is not asked for what it has.
    if (!isTimed && !this.#store.hasDues && this.#dues.isEmpty) return
    const key = byteString(buffer, keyStart, keyEnd)
    const before = this.#store.get(key)
    const now = valueStart < 0 ? undefined : buffer.subarray(valueStart, valueEnd)
    this.#dues.add(key, before === undefined ? undefined : bytesOf(before), now)
  }

  async #writeSlice(): Promise<void> {
    if (!this.#verified || this.#writing !== undefined) return
    const isOld = this.#whole.wallMs - this.#toldAtEndMs >= AT_END_AGAIN_MS
    if (this.#slice.count === 0 && this.#commit === this.#written && !isOld) return
    const changes = this.#slice
    const dues = this.#dues.take()
    this.#slice = new GatheredChanges(changes)
    this.#written = this.#commit
    this.#toldAtEndMs = this.#whole.wallMs
    const [commit, atMs] = [this.#commit, this.#completeMs]
    this.#writing = this.#store.write([changes], this.#meta(this.#whole.wallMs), dues)
    try {
      await this.#writing
    } catch (error) {
      this.#writing = undefined
      this.#fail(error)
      return
    }
    this.#writing = undefined
    if (commit !== undefined) this.#stored = { atMs, commit }
    if (this.#stopped) return
    if (this.#slice.sizeInBytes > SLICE_BYTES) await this.#writeSlice()
    this.fetcher.wake()
  }

  /** Without a commit record there is no position to record: the next reader starts where this one did. */
  #meta(atEndMs: number) {
    const commit = this.#commit
    return (
      commit && {
        changelogPosition: commit.position,
        identity: commit.identity,
        inputPositions: commit.positions,
        atEndMs,
      }
    )
  }

  #finish(): void {
    if (this.#stopped) return
    this.#halt()
    this.#lastSlice().then(
      (replayed) => this.events.done?.(replayed),
      (error: unknown) => {
        this.events.failed(toError(error))
      },
    )
  }

  async #lastSlice(): Promise<Replayed> {
    await this.#writing
    if (!this.#verified) throw new IdentityMismatch('there is no commit record of this changelog after its position')
    // Its end was listed before the reader started; the reader can't know what has happened to the task since.
    const atEndMs = Math.max(this.#begunMs, this.#whole.wallMs)
    if (this.#commit !== undefined) await this.#store.write([this.#slice], this.#meta(atEndMs), this.#dues.take())
    else if (this.#slice.count > 0)
      throw new PotorooError(
        'CHANGELOG_UNFIT',
        `${this.topic}, partition ${String(this.partition)} has records, but no commit record under the reserved key ` +
          `${COMMIT_KEY.toString('hex')}: it is not a Potoroo changelog`,
        { cure: `If its records are not needed: ${deleteTopic(this.topic)}; npx potoroo reset <application>` },
      )
    return { records: this.#records, commit: this.#commit }
  }

  #fail(error: unknown): void {
    if (this.#stopped) return
    this.#halt()
    this.events.failed(toError(error))
  }

  #halt(): void {
    this.#stopped = true
    this.#complaint?.cancel()
    this.fetcher.remove(this)
  }
}

const toError = (error: unknown): Error =>
  error instanceof Error ? error : new PotorooError('INTERNAL', 'reading a changelog failed', { cause: error })

/**
 * A restore: resolves when the store has everything up to `end`. Rejects with the signal's reason when it is aborted.
 * `progress` is told after each answer how many records are left.
 */
export function restoreUpTo(
  plan: ChangelogPlan & { readonly end: number },
  store: StateStore,
  fetcher: Fetcher,
  ports: Pick<ObservedPorts, 'clock' | 'observer'>,
  signal: AbortSignal,
  progress?: (left: number) => void,
): Promise<Replayed> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const reader = new ChangelogReader(plan, store, fetcher, ports, {
      done: resolve,
      failed: reject,
      left: progress,
    })
    signal.addEventListener('abort', () => {
      void reader.stop().then(() => {
        reject(toError(signal.reason))
      })
    })
    reader.start()
  })
}
