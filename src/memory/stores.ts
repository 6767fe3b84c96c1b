/**
 * `StateStores` in memory. A `MemoryDisk` is one worker's state directory: it survives the death of the process that has
 * it open.
 *
 * Invariants
 * 1. A write is on the disk in the order of the calls, and in two parts, the meta with the second: a process that is
 *    killed may have written nothing, half of the objects, or all; the disk may hold it before the writer knows.
 * 2. After a write that failed none succeeds, until the store is opened anew.
 * 3. One living process has the directory; a dead one's lock counts for nothing.
 * 4. Writes don't wait for the disk, as LMDB's don't: when power fails, what a store holds that was open then is anything
 *    between what it was when it was last closed and what was written since. A mark tells such a store from a whole one
 *    (src/lmdb/power-mark.ts): it can't be opened any more.
 */
import { PotorooError } from '../errors.js'
import { bytesOf, type ByteString } from '../core/records/byte-string.js'
import type { Change, Changes } from '../core/state/changes.js'
import {
  compareEntries,
  ReplayedDues,
  type ClockedEntry,
  type DueChanges,
  type DueClock,
  type DueEntry,
} from '../core/state/due-index.js'
import { noFaults } from './faults.js'
import { sleep } from './waiting.js'
import type { Faults } from './faults.js'
import type { SimulatedProcess } from './scheduler.js'
import type { Snapshot } from '../ports/peers.js'
import type { StateStore, StateStores, StoreMeta } from '../ports/store.js'

interface Contents {
  readonly values: Map<ByteString, ByteString>
  /** The index of what falls due, by what tells entries apart; undefined where there is none. */
  dues?: Map<string, ClockedEntry> | undefined
  meta: StoreMeta | undefined
  damaged: boolean
  /** Some objects may be newer than the meta, as of up to this position in the changelog. */
  aheadTo: number
  /** While it is open, or was when its process died: since which start of the machine, and what is surely on the disk. */
  open?: { readonly boot: number; readonly synced: Synced } | undefined
}

interface Synced {
  readonly values: ReadonlyMap<ByteString, ByteString>
  readonly meta: StoreMeta | undefined
}

export interface OpenDiskOptions {
  readonly process: SimulatedProcess
  /** Default: nothing fails. */
  readonly faults?: Faults
}

export class MemoryDisk {
  readonly #stores = new Map<string, Contents>()
  readonly #discarded = new Map<string, Contents>()
  readonly #notes = new Map<string, string>()
  /** Told of every write at the moment at which it is on the disk. */
  onWritten: ((task: string, meta: StoreMeta | undefined) => void) | undefined
  /** Told of every store that is opened. */
  onOpened: ((task: string, meta: StoreMeta | undefined, size: number) => void) | undefined
  #holder: SimulatedProcess | undefined
  /** How often the machine was started. */
  #boot = 0

  /** Takes the directory's lock. Throws STATE_DIRECTORY_LOCKED. */
  open({ process, faults = noFaults }: OpenDiskOptions): StateStores {
    if (this.#holder?.alive === true) {
      throw new PotorooError('STATE_DIRECTORY_LOCKED', `The state directory is in use by ${this.#holder.name}`)
    }
    this.#holder = process
    return new MemoryStateStores(this, process, faults, () => {
      if (this.#holder === process) this.#holder = undefined
    })
  }

  /** What is on the disk for a task, for tests to look at. */
  look(task: string): Pick<Contents, 'meta' | 'aheadTo' | 'dues'> & {
    readonly values: ReadonlyMap<ByteString, ByteString>
    /** Whether nobody could open it any more. */
    readonly isRefused: boolean
  } {
    const contents = this.contents(task)
    return { ...contents, isRefused: contents.damaged || this.wentDownOpen(contents) }
  }

  tasks(): readonly string[] {
    return [...this.#stores.keys()]
  }

  /** The next `open` of this task finds it damaged. */
  damage(task: string): void {
    this.contents(task).damaged = true
  }

  /**
   * The machine loses power, and is on again at once: its process is dead by then. `keeps` is asked of each object, and of each
   * store's meta, whether what was written since the store was opened is on the disk.
   */
  losePower(keeps: () => boolean): void {
    if (this.#holder?.alive === true) throw new RangeError(`${this.#holder.name} is to be killed first`)
    this.#boot++
    for (const contents of this.#stores.values()) {
      if (contents.open === undefined) continue
      const { values, meta } = contents.open.synced
      for (const key of new Set([...contents.values.keys(), ...values.keys()])) {
        if (keeps()) continue
        const before = values.get(key)
        if (before === undefined) contents.values.delete(key)
        else contents.values.set(key, before)
      }
      if (!keeps()) contents.meta = meta
    }
  }

  /** Whether power failed while the store was open. */
  wentDownOpen({ open }: Contents): boolean {
    return open !== undefined && open.boot !== this.#boot
  }

  markOpen(contents: Contents): void {
    const { meta, values } = contents
    contents.open ??= { boot: this.#boot, synced: { values: new Map(values), meta } }
  }

  /** The state directory is lost. */
  wipe(): void {
    this.#stores.clear()
    this.#discarded.clear()
    this.#notes.clear()
  }

  contents(task: string): Contents {
    const there = this.#stores.get(task)
    if (there !== undefined) return there
    const made: Contents = { values: new Map(), meta: undefined, damaged: false, aheadTo: -1 }
    this.#stores.set(task, made)
    return made
  }

  discard(task: string): void {
    const contents = this.#stores.get(task)
    if (contents !== undefined) this.#discarded.set(task, contents)
    this.#stores.delete(task)
  }

  replace(task: string, contents: Contents): void {
    this.discard(task)
    this.#stores.set(task, contents)
  }

  note(name: string): string | undefined {
    return this.#notes.get(name)
  }

  setNote(name: string, text: string): void {
    this.#notes.set(name, text)
  }
}

class MemoryStateStores implements StateStores {
  readonly directory = '/memory'
  readonly #open = new Map<string, MemoryStateStore>()

  constructor(
    private readonly disk: MemoryDisk,
    private readonly process: SimulatedProcess,
    private readonly faults: Faults,
    private readonly release: () => void,
  ) {}

  async open(task: string, { dues = false } = {}): Promise<StateStore> {
    const { process, faults, disk } = this
    await sleep(process.clock, faults.openMs({ process: process.name, task }))
    if (this.#open.has(task)) throw new PotorooError('INTERNAL', `The store of ${task} is open already`)
    const contents = disk.contents(task)
    if (contents.damaged) throw new PotorooError('STORE_DAMAGED', `The store of ${task} is damaged`)
    if (disk.wentDownOpen(contents))
      throw new PotorooError('STORE_DAMAGED', `The store of ${task}: the machine went down while it was open`)
    disk.markOpen(contents)
    if (dues) indexDues(contents)
    disk.onOpened?.(task, contents.meta, contents.values.size)
    const store = new MemoryStateStore(task, contents, process, faults, {
      written: (meta) => disk.onWritten?.(task, meta),
      closed: () => {
        contents.open = undefined
        this.#open.delete(task)
      },
    })
    this.#open.set(task, store)
    return store
  }

  async discard(task: string): Promise<void> {
    await sleep(this.process.clock, this.faults.openMs({ process: this.process.name, task }))
    if (this.#open.has(task)) throw new PotorooError('INTERNAL', `The store of ${task} is open: close it first`)
    this.disk.discard(task)
  }

  async snapshot(task: string): Promise<Snapshot> {
    const { process, faults, disk } = this
    if (!this.#open.has(task)) throw new PotorooError('STORE_FAILED', `The store of ${task} is not open here`)
    const copy = encode(disk.contents(task))
    await sleep(process.clock, faults.openMs({ process: process.name, task }))
    return snapshotOf(copy)
  }

  async adopt(task: string, snapshot: Snapshot, signal: AbortSignal): Promise<void> {
    const { process, faults, disk } = this
    const chunks: Uint8Array[] = []
    for await (const chunk of snapshot.chunks()) {
      signal.throwIfAborted()
      chunks.push(chunk)
    }
    await sleep(process.clock, faults.openMs({ process: process.name, task }))
    signal.throwIfAborted()
    const contents = decode(Buffer.concat(chunks))
    if (contents === undefined) throw new PotorooError('STORE_DAMAGED', `The snapshot of ${task} is no store`)
    if (this.#open.has(task)) throw new PotorooError('INTERNAL', `The store of ${task} is open: close it first`)
    disk.replace(task, contents)
  }

  readNote(name: string): string | undefined {
    return this.disk.note(name)
  }

  writeNote(name: string, text: string): void {
    if (this.process.alive) this.disk.setNote(name, text)
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open.values()].map((store) => store.close()))
    this.release()
  }
}

class MemoryStateStore implements StateStore {
  #last: Promise<unknown> = Promise.resolve()
  #closed = false
  /** A write that comes after one that failed would leave a gap. */
  #failure: PotorooError | undefined

  constructor(
    private readonly task: string,
    private readonly contents: Contents,
    private readonly process: SimulatedProcess,
    private readonly faults: Faults,
    private readonly events: { written(meta: StoreMeta | undefined): void; closed(): void },
  ) {}

  meta(): StoreMeta | undefined {
    return this.contents.meta
  }

  get(key: ByteString): ByteString | undefined {
    return this.contents.values.get(key)
  }

  scan(from: ByteString, before: ByteString, take: (key: ByteString, value: Uint8Array) => boolean): void {
    const keys = [...this.contents.values.keys()].filter((key) => key >= from && key < before)
    for (const key of keys.sort()) if (!take(key, bytesOf(this.contents.values.get(key) ?? ''))) return
  }

  get hasDues(): boolean {
    return this.contents.dues !== undefined
  }

  dues(clock: DueClock, after: DueEntry | undefined, most: number): readonly DueEntry[] {
    const entries = [...(this.contents.dues?.values() ?? [])].filter(
      (entry) => entry.clock === clock && (after === undefined || compareEntries(entry, after) > 0),
    )
    return entries
      .sort(compareEntries)
      .slice(0, most)
      .map(({ dueMs, key }) => ({ dueMs, key }))
  }

  duesSize(): number {
    return this.contents.dues?.size ?? 0
  }

  write(changes: readonly Changes[], meta: StoreMeta | undefined, dues?: DueChanges): Promise<void> {
    if (this.#closed) return Promise.reject(new PotorooError('STORE_FAILED', `The store of ${this.task} is closed`))
    const written = this.#last.then(() => this.#write(changes, meta, dues))
    this.#last = written.catch(() => undefined)
    return written
  }

  size(): number {
    return this.contents.values.size
  }

  bytes(): number {
    let bytes = 0
    for (const [key, value] of this.contents.values) bytes += key.length + value.length
    return bytes
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#last
    this.events.closed()
  }

  async #write(changes: readonly Changes[], meta: StoreMeta | undefined, dues?: DueChanges): Promise<void> {
    const { clock, name } = this.process
    const { durableAfterMs, knownAfterMs, fails } = this.faults.write({ process: name, task: this.task })
    const all = changes.flatMap((part) => [...part])
    const half = all.length >> 1
    await sleep(clock, durableAfterMs / 2)
    if (half > 0 && this.#failure === undefined) {
      this.#put(dues)
      this.#apply(all.slice(0, half))
      this.contents.aheadTo = Math.max(this.contents.aheadTo, meta?.changelogPosition ?? -1)
    }
    await sleep(clock, durableAfterMs / 2)
    if (fails === true) {
      this.#failure = new PotorooError('STORE_FAILED', `The store of ${this.task} can't be written: disk full`)
    }
    if (this.#failure !== undefined) throw this.#failure
    this.#put(dues)
    this.#apply(all.slice(half))
    for (const entry of dues?.remove ?? []) this.contents.dues?.delete(nameOf(entry))
    if (meta !== undefined) this.contents.meta = meta
    this.events.written(meta)
    await sleep(clock, knownAfterMs)
  }

  #put(dues: DueChanges | undefined): void {
    if (dues === undefined || dues.put.length === 0) return
    const index = indexDues(this.contents)
    for (const entry of dues.put) index.set(nameOf(entry), entry)
  }

  #apply(changes: readonly Change[]): void {
    for (const { key, value } of changes)
      if (value === undefined) this.contents.values.delete(key)
      else this.contents.values.set(key, value)
  }
}

/** Made from what is there, where there is none. */
function indexDues(contents: Contents): Map<string, ClockedEntry> {
  if (contents.dues !== undefined) return contents.dues
  const found = new ReplayedDues()
  for (const [key, value] of contents.values) found.add(key, undefined, bytesOf(value))
  return (contents.dues = new Map((found.take()?.put ?? []).map((entry) => [nameOf(entry), entry])))
}

const nameOf = ({ clock, dueMs, key }: ClockedEntry): string => `${clock}${String(dueMs)}\0${key}`

const CHUNK_BYTES = 1_000

function snapshotOf(bytes: Buffer): Snapshot {
  return {
    bytes: bytes.length,
    // eslint-disable-next-line @typescript-eslint/require-await -- what is in memory is there at once; LMDB's is not
    async *chunks() {
      for (let at = 0; at < bytes.length; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES)
    },
    discard: () => Promise.resolve(),
  }
}

const FORMAT = 'store in memory 1'

const encode = ({ values, dues, meta, aheadTo }: Contents): Buffer =>
  Buffer.from(
    JSON.stringify({
      format: FORMAT,
      meta,
      aheadTo,
      values: [...values],
      dues: dues && [...dues.values()],
    }),
  )

/** Undefined for anything else. */
function decode(bytes: Buffer): Contents | undefined {
  try {
    const parsed = JSON.parse(bytes.toString()) as Pick<Contents, 'aheadTo'> & {
      format: string
      meta?: StoreMeta
      values: [string, string][]
      dues?: ClockedEntry[]
    }
    if (parsed.format !== FORMAT) return undefined
    const { meta, aheadTo } = parsed
    const dues = parsed.dues && new Map(parsed.dues.map((entry) => [nameOf(entry), entry]))
    return { values: new Map(parsed.values), dues, meta, damaged: false, aheadTo }
  } catch {
    return undefined
  }
}
