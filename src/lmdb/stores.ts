/**
 * A worker's state directory:
 *
 *     lock.<n>, lock.json             who uses it
 *     note-<name>                     notes
 *     <task>/data.mdb, lock.mdb       the store of a task
 *     <task>/open-since-boot          while it is open, or was when the process died
 *     <task>.copy-<…>                 a copy on its way to or from another worker
 *     <task>.discarded-<time>-<…>     a store that was set aside, at most one for each task
 */
import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { PotorooError } from '../errors.js'
import type { Logger } from '../ports/logger.js'
import type { Snapshot } from '../ports/peers.js'
import type { StateStore, StateStores } from '../ports/store.js'
import { failed, isNotFound } from './failures.js'
import { DIRECTORY_MODE, readFileIfThere, writeFileDurablySync } from './files.js'
import { lockDirectory, type Lock } from './lock.js'
import { currentBootId } from './power-mark.js'
import { copyStore, receiveStore } from './snapshot.js'
import { openStore, type LmdbStore } from './store.js'

/** In the names of copies under way. What a killed process left of them is removed. */
const TEMPORARY = '.copy-'

export interface StateStoresOptions {
  /** Created if absent. On a local disk: neither LMDB nor the lock works over a network. */
  readonly directory: string
  /** Name of the worker, for the error that another worker gets on the same directory. */
  readonly worker: string
  readonly logger: Logger
  /** Wall clock, ms since the epoch. Default: the system's. */
  readonly now?: () => number
  /** Of the running system. Default: Linux's. Undefined where there is none; writes then wait for the disk. */
  readonly bootId?: string | undefined
  /** Free bytes on the disk of a directory. Default: what the file system says. */
  readonly freeBytes?: (directory: string) => number
}

/** Locks the directory. Rejects with STATE_DIRECTORY_LOCKED or STORE_FAILED. */
export async function openStateStores(options: StateStoresOptions): Promise<StateStores> {
  const { directory, worker, now = Date.now } = options
  try {
    mkdirSync(directory, { recursive: true, mode: DIRECTORY_MODE })
  } catch (error) {
    throw failed(`Creating the state directory ${directory}`, error)
  }
  const lock = await lockDirectory({ directory, worker, now })
  try {
    for (const name of readdirSync(directory))
      if (name.includes(TEMPORARY)) await rm(join(directory, name), { recursive: true, force: true })
  } catch (error) {
    await lock.release()
    throw failed(`Cleaning the state directory ${directory}`, error)
  }
  return new LmdbStores({ bootId: currentBootId(), ...options, now }, lock)
}

class LmdbStores implements StateStores {
  readonly #options: StateStoresOptions & { readonly now: () => number }
  readonly #lock: Lock
  readonly #open = new Map<string, Promise<LmdbStore>>()
  #closed = false

  constructor(options: StateStoresOptions & { readonly now: () => number }, lock: Lock) {
    this.#options = options
    this.#lock = lock
  }

  get directory(): string {
    return this.#options.directory
  }

  async open(task: string, options: { readonly dues: boolean } = { dues: false }): Promise<StateStore> {
    this.#refuseClosed()
    const directory = this.#path(task)
    if (this.#open.has(task)) throw new PotorooError('INTERNAL', `The store ${directory} is open already.`)
    const opening = this.#openAt(task, directory, options.dues)
    this.#open.set(task, opening)
    try {
      return await opening
    } catch (error) {
      this.#open.delete(task)
      throw error
    }
  }

  async discard(task: string): Promise<void> {
    this.#refuseClosed()
    await (await this.#open.get(task))?.close()
    this.#setAside(task)
  }

  async snapshot(task: string): Promise<Snapshot> {
    this.#refuseClosed()
    const store = await this.#open.get(task)
    if (store === undefined) throw failed(`Copying the store ${this.#path(task)}`, 'it is not open')
    return copyStore(store, this.#path(task), this.#temporary(task), this.#options.freeBytes)
  }

  async adopt(task: string, snapshot: Snapshot, signal: AbortSignal): Promise<void> {
    this.#refuseClosed()
    const path = this.#path(task)
    const received = this.#temporary(task)
    try {
      await receiveStore(snapshot, received, this.#options, signal)
      // from here to the end in one turn: nobody opens the store meanwhile
      signal.throwIfAborted()
      this.#refuseClosed()
      if (this.#open.has(task)) throw new PotorooError('INTERNAL', `The store ${path} is open.`)
      this.#setAside(task)
      renameSync(received, path)
    } finally {
      await rm(received, { recursive: true, force: true })
    }
  }

  readNote(name: string): string | undefined {
    try {
      return readFileIfThere(this.#path(`note-${name}`))
    } catch (error) {
      throw failed(`Reading the note ${name} in ${this.#options.directory}`, error)
    }
  }

  writeNote(name: string, text: string): void {
    this.#refuseClosed()
    try {
      writeFileDurablySync(this.#path(`note-${name}`), text)
    } catch (error) {
      throw failed(`Writing the note ${name} in ${this.#options.directory}`, error)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    const opening = await Promise.allSettled(this.#open.values())
    for (const outcome of opening) if (outcome.status === 'fulfilled') await outcome.value.close()
    await this.#lock.release()
  }

  /** In one turn. The last one set aside is kept: it is not removed before this one has taken its place. */
  #setAside(task: string): void {
    const { directory, now } = this.#options
    const path = this.#path(task)
    const prefix = `${task}.discarded-`
    const aside = `${prefix}${new Date(now()).toISOString().replaceAll(':', '')}-${randomBytes(4).toString('hex')}`
    try {
      renameSync(path, join(directory, aside))
      for (const name of readdirSync(directory))
        if (name.startsWith(prefix) && name !== aside) rmSync(join(directory, name), { recursive: true })
    } catch (error) {
      if (!isNotFound(error)) throw failed(`Setting the store ${path} aside`, error)
    }
  }

  #temporary(task: string): string {
    return `${this.#path(task)}${TEMPORARY}${randomBytes(8).toString('hex')}`
  }

  async #openAt(task: string, directory: string, dues: boolean): Promise<LmdbStore> {
    const { logger, bootId, freeBytes } = this.#options
    try {
      mkdirSync(directory, { recursive: true, mode: DIRECTORY_MODE })
    } catch (error) {
      throw failed(`Creating the store ${directory}`, error)
    }
    return openStore({
      directory,
      logger,
      bootId,
      onClosed: () => this.#open.delete(task),
      dues,
      ...(freeBytes === undefined ? {} : { freeBytes }),
    })
  }

  /** Names are part of paths: they must stay in the directory, and apart from what else is in it. */
  #path(name: string): string {
    if (!/^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(name) || /^lock\.|\.discarded-|\.copy-/.test(name))
      throw new PotorooError('INTERNAL', `${JSON.stringify(name)} can't be the name of a store or a note.`)
    return join(this.#options.directory, name)
  }

  #refuseClosed(): void {
    if (this.#closed) throw new PotorooError('INTERNAL', `The stores in ${this.#options.directory} are closed already.`)
  }
}
