/**
 * One task's store: an LMDB environment with the databases `objects` (key to bytes) and `meta` (one entry), and `dues`, the index of what
 * falls due, where something does.
 *
 * 1. A write is one LMDB transaction, or several where it is large; the meta goes with the last one. So a store may have
 *    objects that are newer than its position, which the replay from there gives it again, but never older ones.
 * 2. One transaction at a time. Writes that wait meanwhile go into the next one, together, in their order.
 * 3. After a write has failed, every later one fails, until the store is opened anew: it would put the position past
 *    changes that are missing.
 * 4. Entries of the index are put with the first of a write's transactions, and removed with the last: a record that has something
 *    due has an entry at or before it, wherever a write ends.
 */
import { statfsSync, statSync, truncateSync } from 'node:fs'
import { open as openFile } from 'node:fs/promises'
import { join } from 'node:path'
import { open as openLmdb, type Database, type RootDatabase } from 'lmdb'
import { PotorooError } from '../errors.js'
import { byteString, type ByteString } from '../core/records/byte-string.js'
import type { Changes } from '../core/state/changes.js'
import type { DueChanges, DueClock, DueEntry } from '../core/state/due-index.js'
import type { Logger } from '../ports/logger.js'
import type { StateStore, StoreMeta } from '../ports/store.js'
import { checkDataFile } from './data-file.js'
import { ChangesToWrite, storeKeys, type StoreKey } from './changes.js'
import { Dues, DUES } from './dues.js'
import { damaged, failed, lmdbFailure } from './failures.js'
import { FILE_MODE } from './files.js'
import { decodeMeta, encodeMeta } from './meta.js'
import { markClosed, markOpen, whyUntrusted } from './power-mark.js'

/** LMDB takes 1,978 bytes with pages of 4 KiB. */
export const MAX_KEY_BYTES = 1970
/** Address space, not memory: LMDB maps the file anew, twice as large, whenever it outgrows this. */
const INITIAL_MAP_BYTES = 256 * 1024 * 1024
/** The most that a write insists on finding free on the disk before it starts. */
const MAX_FREE_BYTES_ASKED = 8 * 1024 * 1024
const PAGE_BYTES = 4096
/**
 * Of one transaction. To tell lmdb of so many takes 20 ms, in which nothing else is done; and when 300,000 wait, lmdb stops
 * the whole process for a millisecond with each more.
 */
const MAX_CHANGES = 32_768
/** lmdb takes these, but its types don't have them. */
const untypedOptions = {
  permissionsMode: FILE_MODE,
  // Pages of the free list in memory. Each commit goes over all of them: with lmdb's own 50,000 and 75,000 a commit of
  // one object takes 3 ms after a restore of a million, with these 0.1 ms, and the file grows no larger.
  maxFreeSpaceToLoad: 1000,
  maxFreeSpaceToRetain: 2000,
}

const OBJECTS = 'objects'
const META = 'meta'
const META_KEY: ByteString = 'store'

export interface StoreOptions {
  /** Exists already. Nothing else is in it. */
  readonly directory: string
  readonly logger: Logger
  /** Of the running system; undefined where there is none. */
  readonly bootId: string | undefined
  /** Free bytes on the disk of a directory. */
  readonly freeBytes?: (directory: string) => number
  readonly onClosed?: () => void
  /** Whether it is to have an index of what falls due. */
  readonly dues?: boolean
}

interface Write {
  readonly changes: readonly Changes[]
  readonly dues: DueChanges | undefined
  readonly meta: StoreMeta | undefined
  readonly resolve: () => void
  readonly reject: (error: PotorooError) => void
}

/** Throws STORE_DAMAGED or STORE_FAILED. */
export async function openStore(options: StoreOptions): Promise<LmdbStore> {
  const { directory, bootId } = options
  const file = dataFileOf(directory)
  checkDataFile(file)
  let root: RootDatabase<Uint8Array, Uint8Array> | undefined
  try {
    const untrusted = whyUntrusted(directory, file, bootId)
    if (untrusted !== undefined) throw damaged(directory, untrusted)
    if (bootId !== undefined) await markOpen(directory, file, bootId)
    const byteStrings = { encoding: 'binary', keyEncoder: storeKeys } as const
    root = openLmdb<Uint8Array, Uint8Array>({
      encoding: 'binary',
      keyEncoding: 'binary',
      path: directory,
      noSubdir: false,
      maxDbs: 3,
      mapSize: INITIAL_MAP_BYTES,
      remapChunks: false,
      ...untypedOptions,
      // else lmdb makes a second promise of each batch, which nobody can catch when the batch fails
      eventTurnBatching: false,
      // the power mark makes this safe; without a boot id, lmdb's own way has to
      ...(bootId === undefined ? {} : { noSync: true }),
    })
    const names = databasesOf(root, directory)
    const objects = root.openDB<Uint8Array, StoreKey>(OBJECTS, byteStrings)
    const meta = root.openDB<Uint8Array, StoreKey>(META, byteStrings)
    const store = new LmdbStore(options, root, objects, meta, readMeta(objects, meta, directory))
    if (options.dues === true || names.has(DUES)) await store.indexDues()
    return store
  } catch (error) {
    await root?.close()
    throw lmdbFailure(`Opening the store ${directory}`, directory, error)
  }
}

export const dataFileOf = (directory: string): string => join(directory, 'data.mdb')

/** The databases of an environment are the keys of its unnamed one. */
function databasesOf(root: RootDatabase<Uint8Array, Uint8Array>, directory: string): ReadonlySet<string> {
  const names = new Set<string>()
  for (const key of root.getKeys({ limit: 4 })) {
    // lmdb stores the final zero of the name, too
    const name = Buffer.from(key).toString().replace(/\0$/, '')
    if (name !== OBJECTS && name !== META && name !== DUES)
      throw damaged(directory, `it belongs to another application (it has a database or key ${JSON.stringify(name)})`)
    names.add(name)
  }
  return names
}

function readMeta(
  objects: Database<Uint8Array, StoreKey>,
  meta: Database<Uint8Array, StoreKey>,
  directory: string,
): StoreMeta | undefined {
  const bytes = meta.getBinary(META_KEY)
  if (bytes === undefined) {
    if (entriesOf(objects) > 0)
      throw damaged(directory, 'it has objects, but no positions: another application wrote it')
    return undefined
  }
  const decoded = decodeMeta(bytes)
  if (typeof decoded === 'string') throw damaged(directory, decoded)
  return decoded.meta
}

export class LmdbStore implements StateStore {
  readonly #file: string
  readonly #options: StoreOptions
  readonly #root: RootDatabase<Uint8Array, Uint8Array>
  readonly #objects: Database<Uint8Array, StoreKey>
  readonly #metaDatabase: Database<Uint8Array, StoreKey>
  #meta: StoreMeta | undefined
  #dues: Dues | undefined
  #waiting: Write[] = []
  #writing: Promise<void> | undefined
  #failure: PotorooError | undefined
  readonly #copies = new Set<Promise<void>>()
  #closing: Promise<void> | undefined

  /** Use `openStore`. */
  constructor(
    options: StoreOptions,
    root: RootDatabase<Uint8Array, Uint8Array>,
    objects: Database<Uint8Array, StoreKey>,
    metaDatabase: Database<Uint8Array, StoreKey>,
    meta: StoreMeta | undefined,
  ) {
    this.#options = options
    this.#file = dataFileOf(options.directory)
    this.#root = root
    this.#objects = objects
    this.#metaDatabase = metaDatabase
    this.#meta = meta
  }

  meta(): StoreMeta | undefined {
    return this.#meta
  }

  get(key: ByteString): ByteString | undefined {
    this.#refuseClosed()
    // LMDB has no such keys, and would throw
    if (key.length === 0 || key.length > MAX_KEY_BYTES) return undefined
    try {
      const bytes = this.#objects.getBinaryFast(key)
      // the next read overwrites them
      return bytes && byteString(bytes, 0, bytes.length)
    } catch (error) {
      throw lmdbFailure(`Reading from the store ${this.#options.directory}`, this.#options.directory, error)
    }
  }

  scan(from: ByteString, before: ByteString, take: (key: ByteString, value: Uint8Array) => boolean): void {
    this.#refuseClosed()
    try {
      // LMDB has no longer keys, and would throw; nothing lies between this one and the longer.
      const start = from.slice(0, MAX_KEY_BYTES)
      const end = before.slice(0, MAX_KEY_BYTES)
      // Its cursor is given back with the end of the loop, and its transaction with that of this turn.
      for (const { key, value } of this.#objects.getRange({ start, end, snapshot: true }))
        if (typeof key === 'string' && key >= from && !take(key, value)) break
    } catch (error) {
      throw lmdbFailure(`Reading from the store ${this.#options.directory}`, this.#options.directory, error)
    }
  }

  get hasDues(): boolean {
    return this.#dues !== undefined
  }

  dues(clock: DueClock, after: DueEntry | undefined, most: number): readonly DueEntry[] {
    this.#refuseClosed()
    try {
      return this.#dues?.read(clock, after, most) ?? []
    } catch (error) {
      throw lmdbFailure(`Reading from the store ${this.#options.directory}`, this.#options.directory, error)
    }
  }

  duesSize(): number {
    return this.#closing === undefined ? (this.#dues?.size() ?? 0) : 0
  }

  /** Makes the index of what is there, where there is none. */
  async indexDues(): Promise<void> {
    this.#dues = await Dues.open(this.#root, this.#objects)
  }

  size(): number {
    this.#refuseClosed()
    return entriesOf(this.#objects)
  }

  bytes(): number {
    return statSync(this.#file, { throwIfNoEntry: false })?.size ?? 0
  }

  async write(changes: readonly Changes[], meta: StoreMeta | undefined, dues?: DueChanges): Promise<void> {
    this.#refuseClosed()
    // an error half way through a batch would commit the first half
    for (const part of changes)
      for (let i = 0; i < part.count; i++) {
        const keyBytes = part.keyEnd(i) - part.keyStart(i)
        if (keyBytes === 0 || keyBytes > MAX_KEY_BYTES)
          throw new PotorooError('KEY_TOO_LONG', `A key of ${String(keyBytes)} bytes can't be stored.`)
      }
    const written = new Promise<void>((resolve, reject) => {
      this.#waiting.push({ changes, meta, dues, resolve, reject })
    })
    this.#writing ??= this.#writeWaiting()
    return written
  }

  /** A consistent copy of what is written by now, compacted. Writes go on meanwhile; closing waits for it. */
  async copyTo(directory: string): Promise<void> {
    // no defect: who asks for a copy can't know that the task is being handed off
    if (this.#closing !== undefined)
      throw failed(`Copying the store ${this.#options.directory}`, 'it is closed already')
    const copying = this.#root.backup(directory, true)
    this.#copies.add(copying)
    try {
      await copying
    } catch (error) {
      throw lmdbFailure(`Copying the store ${this.#options.directory}`, this.#options.directory, error)
    } finally {
      this.#copies.delete(copying)
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** Never rejects. */
  async #writeWaiting(): Promise<void> {
    while (this.#waiting.length > 0) {
      const writes = this.#waiting
      this.#waiting = []
      try {
        if (this.#failure !== undefined) throw this.#failure
        await this.#commit(writes)
        for (const { resolve } of writes) resolve()
      } catch (error) {
        const { directory } = this.#options
        this.#failure ??= lmdbFailure(`Writing to the store ${directory}`, directory, await reasonOf(error))
        for (const { reject } of writes) reject(this.#failure)
      }
    }
    this.#writing = undefined
  }

  async #commit(writes: readonly Write[]): Promise<void> {
    this.#refuseFullDisk(writes)
    const meta = writes.findLast((write) => write.meta !== undefined)?.meta ?? this.#meta
    const changes = new ChangesToWrite(writes.flatMap((write) => write.changes))
    const dues = writes.flatMap((write) => write.dues ?? [])
    if (this.#dues === undefined && dues.some(({ put }) => put.length > 0)) await this.indexDues()
    let isFirst = true
    do {
      // lmdb answers for the batch alone, not for what is in it
      await this.#objects.batch(() => {
        if (isFirst) this.#dues?.putAll(dues)
        isFirst = false
        changes.write(this.#objects, MAX_CHANGES)
        if (changes.areWritten) this.#dues?.removeAll(dues)
        void this.#metaDatabase.put(META_KEY, encodeMeta(changes.areWritten ? meta : this.#meta))
      })
      this.#fillUp()
    } while (!changes.areWritten)
    this.#meta = meta
  }

  /**
   * LMDB survives a full disk, too, but says so by itself, at length, on stderr. What is asked for is what the write
   * needs if nothing in the file is free: a page for each object.
   */
  #refuseFullDisk(writes: readonly Write[]): void {
    const { directory, freeBytes = freeBytesOn } = this.#options
    let needed = 16 * PAGE_BYTES
    for (const { changes, dues } of writes) {
      for (const part of changes) needed += PAGE_BYTES * part.count + part.sizeInBytes
      needed += PAGE_BYTES * (dues?.put.length ?? 0)
    }
    needed = Math.min(needed, MAX_FREE_BYTES_ASKED)
    const free = freeBytes(directory)
    if (free < needed)
      throw failed(
        `Writing to the store ${directory}`,
        `the disk is full (${String(free)} bytes free, ${String(needed)} needed)`,
      )
  }

  /** LMDB doesn't write a last page that was freed in the same transaction. `checkDataFile` must not miss it. */
  #fillUp(): void {
    const { lastPageNumber, pageSize } = statsOf(this.#objects)
    const length = (lastPageNumber + 1) * pageSize
    if (statSync(this.#file).size < length) truncateSync(this.#file, length)
  }

  async #close(): Promise<void> {
    const { directory, bootId, logger, onClosed } = this.#options
    await this.#writing
    // LMDB would read from a file that is no longer mapped
    await Promise.allSettled(this.#copies)
    await this.#root.close()
    try {
      if (bootId === undefined) return
      const file = await openFile(this.#file, 'r+')
      try {
        await file.sync()
      } finally {
        await file.close()
      }
      await markClosed(directory)
    } catch (error) {
      // nothing is lost: the mark stays, and costs a rebuild if the machine goes down before the next clean close
      logger.warn({ store: directory, err: error }, 'store closed, but not known to be on the disk')
    } finally {
      onClosed?.()
    }
  }

  #refuseClosed(): void {
    if (this.#closing !== undefined)
      throw new PotorooError('INTERNAL', `The store ${this.#options.directory} is closed already.`)
  }
}

/** lmdb rejects with 'Commit failed' and a promise of the reason, which is unhandled if nobody takes it. */
async function reasonOf(error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !('commitError' in error) || !(error.commitError instanceof Promise)) return error
  const reason = error.commitError.then(
    () => error,
    (cause: unknown) => cause,
  )
  // it is rejected by now, if it ever will be
  return Promise.race([reason, new Promise((resolve) => setImmediate(resolve, error))])
}

function statsOf(
  database: Database<Uint8Array, StoreKey>,
): Record<'entryCount' | 'lastPageNumber' | 'pageSize', number> {
  return database.getStats() as Record<'entryCount' | 'lastPageNumber' | 'pageSize', number>
}
const entriesOf = (database: Database<Uint8Array, StoreKey>): number => statsOf(database).entryCount

export function freeBytesOn(directory: string): number {
  const { bavail, bsize } = statfsSync(directory)
  return bavail * bsize
}
