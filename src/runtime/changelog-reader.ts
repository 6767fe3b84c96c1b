/**
 * Brings a store up to its changelog: reads read-committed from a position, and writes to the store in slices. With an
 * end it is a restore, and done there; without one it follows, for a standby.
 *
 * Invariants
 * 1. The store's position is always that of a commit record, so that the next reader can verify that the changelog is the
 *    same; records behind it that the store has already are applied again, to the same effect.
 * 2. Nothing is written before a commit record has named the identity that the store knows. It is the first record at the
 *    store's position, unless compaction has removed it: then it is a later one.
 */
import { byteString } from '../core/byte-string.js'
import { changelogOwner, subTopologyIn } from '../core/changelog-identity.js'
import { COMMIT_KEY, decodeCommitRecord, isCommitKey, type CommitRecord } from '../core/commit-record.js'
import { RecordCursor } from '../core/records.js'
import { PotorooError } from '../errors.js'
import type { Timer } from '../ports/clock.js'
import type { Fetched, Fetcher, FetchInput } from '../ports/log.js'
import type { StateStore, StoreChange } from '../ports/store.js'
import type { Ports } from './options.js'

export interface ChangelogPlan {
  readonly topic: string
  readonly partition: number
  /** Whose changelog it has to be. */
  readonly subTopology: string
  /** `delete.retention.ms` */
  readonly deleteRetentionMs: number
  readonly from: number
  /** Where a restore is done, exclusive; undefined: follow for ever. */
  readonly end: number | undefined
}

export interface Replayed {
  /** State objects' records, commit records not counted. */
  readonly records: number
  /** The last commit record and its position; undefined when there was none. */
  readonly commit: (CommitRecord & { readonly position: number }) | undefined
}

/** The store is of another changelog. */
export class IdentityMismatch extends Error {
  override readonly name = 'IdentityMismatch'
}

/** The changelog itself is another's, whose names join to the same: rebuilding the store from it would not help. */
export class ForeignChangelog extends PotorooError {
  constructor(topic: string, found: string, expected: string) {
    super(
      'CHANGELOG_UNFIT',
      `${topic} is the changelog of ${changelogOwner(topic, found)}, and would be that of ${changelogOwner(topic, expected)}, too: ` +
        'the names join to the same. Give the application or its state object another name',
    )
  }
}

export interface ChangelogEvents {
  /** The end was reached, and the store has all of it. */
  done?(replayed: Replayed): void
  /** IdentityMismatch, ForeignChangelog, OFFSET_OUT_OF_RANGE, or what the log or the store throw. The reader has stopped. */
  failed(error: Error): void
  /** After each answer: records that are still behind. */
  lag?(records: number): void
}

const SLICE_BYTES = 4 * 1024 * 1024
/** What is kept in memory while it is not certain that the changelog is the store's. */
const MAX_UNVERIFIED_BYTES = 64 * 1024 * 1024
/** After which wait for the end it is said for whom. */
const COMPLAIN_MS = 1000

export class ChangelogReader implements FetchInput {
  readonly topic: string
  readonly partition: number
  readonly #subTopology: string
  readonly #deleteRetentionMs: number
  readonly #cursor = new RecordCursor()
  readonly #end: number | undefined
  readonly #store: StateStore
  readonly #known: { readonly identity: string; readonly atEndMs: number } | undefined
  #position: number
  #commit: (CommitRecord & { readonly position: number }) | undefined
  #records = 0
  #slice: StoreChange[] = []
  #sliceBytes = 0
  #writing: Promise<void> | undefined
  #written: CommitRecord | undefined
  #verified: boolean
  #caughtUp = false
  /** When the store was at the end last; of one that never was, when reading began. */
  #atEndMs: number
  #stopped = false
  #complaint: Timer | undefined

  constructor(
    plan: ChangelogPlan,
    store: StateStore,
    private readonly fetcher: Fetcher,
    private readonly ports: Pick<Ports, 'clock' | 'logger'>,
    private readonly events: ChangelogEvents,
  ) {
    this.topic = plan.topic
    this.partition = plan.partition
    this.#subTopology = plan.subTopology
    this.#deleteRetentionMs = plan.deleteRetentionMs
    this.#position = plan.from
    this.#end = plan.end
    this.#store = store
    this.#known = store.meta()
    this.#atEndMs = this.#known?.atEndMs ?? ports.clock.now()
    this.#verified = this.#known === undefined
  }

  start(): void {
    if (this.#end !== undefined && this.#position >= this.#end) {
      this.#finish()
      return
    }
    if (this.#end !== undefined)
      this.#complaint = this.ports.clock.after(COMPLAIN_MS, () => {
        this.ports.logger.info(
          { topic: this.topic, partition: this.partition, position: this.#position, end: this.#end },
          'restoring: still reading the changelog, or waiting for a transaction on it to end',
        )
      })
    this.fetcher.add(this)
  }

  /** Resolves when nothing is being written any more. */
  async stop(): Promise<void> {
    this.#halt()
    await this.#writing?.catch(() => undefined)
  }

  wanted(): number | undefined {
    return this.#sliceBytes > SLICE_BYTES && this.#verified ? undefined : this.#position
  }

  hurried(): boolean {
    return false
  }

  failed(error: Error): void {
    this.#fail(error)
  }

  deliver(fetched: Fetched): void {
    if (this.#stopped || fetched.position !== this.#position) return
    try {
      this.#take(fetched)
      this.#caughtUp = this.#position >= fetched.lastStableOffset
      if (this.#caughtUp) this.#atEnd()
    } catch (error) {
      this.#fail(error)
      return
    }
    this.events.lag?.(Math.max(0, fetched.highWatermark - this.#position))
    if (this.#end !== undefined && this.#position >= this.#end) this.#finish()
    else if (this.#sliceBytes > SLICE_BYTES || this.#end === undefined) void this.#writeSlice()
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
    if (!this.#verified && this.#sliceBytes > MAX_UNVERIFIED_BYTES)
      throw new IdentityMismatch('there is no commit record of this changelog near its position')
    this.#records++
    this.#slice.push({
      key: byteString(buffer, keyStart, keyEnd),
      value: valueStart < 0 ? undefined : byteString(buffer, valueStart, valueEnd),
    })
    this.#sliceBytes += keyEnd - keyStart + (valueStart < 0 ? 0 : valueEnd - valueStart)
  }

  async #writeSlice(): Promise<void> {
    if (!this.#verified || this.#writing !== undefined || (this.#slice.length === 0 && this.#commit === this.#written))
      return
    const changes = this.#slice
    this.#slice = []
    this.#sliceBytes = 0
    this.#written = this.#commit
    this.#writing = this.#store.write(changes, this.#meta())
    try {
      await this.#writing
    } catch (error) {
      this.#writing = undefined
      this.#fail(error)
      return
    }
    this.#writing = undefined
    if (this.#stopped) return
    if (this.#sliceBytes > SLICE_BYTES) await this.#writeSlice()
    this.fetcher.wake()
  }

  /**
   * Who reads a key's last value, and for so long does not get to the deletion behind it that it is compacted away,
   * keeps the value for ever.
   */
  #atEnd(): void {
    const now = this.ports.clock.now()
    const sinceMs = now - this.#atEndMs
    if (sinceMs > this.#deleteRetentionMs)
      throw new PotorooError(
        'STORE_DAMAGED',
        `${this.topic}, partition ${String(this.partition)}: it took ${String(Math.round(sinceMs / 1000))} s to get to its end, ` +
          `longer than delete.retention.ms (${String(this.#deleteRetentionMs)}): deletions may be compacted away`,
      )
    this.#atEndMs = now
  }

  /** Without a commit record there is no position to name: the next reader begins where this one did. */
  #meta() {
    const commit = this.#commit
    return (
      commit && {
        changelogPosition: commit.position,
        identity: commit.identity,
        inputPositions: commit.positions,
        atEndMs: this.#atEndMs,
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
    if (!this.#verified) throw new IdentityMismatch('there is no commit record of this changelog behind its position')
    this.#atEnd()
    if (this.#commit !== undefined) await this.#store.write(this.#slice, this.#meta())
    else if (this.#slice.length > 0)
      throw new PotorooError(
        'CHANGELOG_UNFIT',
        `${this.topic}, partition ${String(this.partition)} has records, but no commit record under the reserved key ` +
          `${COMMIT_KEY.toString('hex')}: it is no changelog of Potoroo`,
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

/** A restore: resolves when the store has everything up to `end`. Rejects with the signal's reason when it is aborted. */
export function restoreUpTo(
  plan: ChangelogPlan & { readonly end: number },
  store: StateStore,
  fetcher: Fetcher,
  ports: Pick<Ports, 'clock' | 'logger'>,
  signal: AbortSignal,
): Promise<Replayed> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const reader = new ChangelogReader(plan, store, fetcher, ports, { done: resolve, failed: reject })
    signal.addEventListener('abort', () => {
      void reader.stop().then(() => {
        reject(toError(signal.reason))
      })
    })
    reader.start()
  })
}
