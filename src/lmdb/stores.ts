/**
 * A worker's state directory:
 *
 *     lock.<n>, lock.json             who uses it
 *     note-<name>                     notes
 *     <task>/data.mdb, lock.mdb       the store of a task
 *     <task>/open-since-boot          while it is open, or was when the process died
 *     <task>.discarded-<time>-<…>     a store that was set aside, at most one for each task
 */
import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { PotorooError } from '../errors.js'
import type { Logger } from '../ports/logger.js'
import type { StateStore, StateStores } from '../ports/store.js'
import { failed, isNotFound } from './failures.js'
import { DIRECTORY_MODE, readFileIfThere, writeFileDurablySync } from './files.js'
import { lockDirectory, type Lock } from './lock.js'
import { currentBootId } from './power-mark.js'
import { openStore, type LmdbStore } from './store.js'

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

  async open(task: string): Promise<StateStore> {
    this.#refuseClosed()
    const directory = this.#path(task)
    if (this.#open.has(task)) throw new PotorooError('INTERNAL', `The store ${directory} is open already.`)
    const opening = this.#openAt(task, directory)
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
    const { directory, now } = this.#options
    const path = this.#path(task)
    await (await this.#open.get(task))?.close()
    const prefix = `${task}.discarded-`
    const aside = `${prefix}${new Date(now()).toISOString().replaceAll(':', '')}-${randomBytes(4).toString('hex')}`
    try {
      await rename(path, join(directory, aside))
      for (const name of readdirSync(directory))
        if (name.startsWith(prefix) && name !== aside) await rm(join(directory, name), { recursive: true })
    } catch (error) {
      if (!isNotFound(error)) throw failed(`Setting the store ${path} aside`, error)
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

  async #openAt(task: string, directory: string): Promise<LmdbStore> {
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
      ...(freeBytes === undefined ? {} : { freeBytes }),
    })
  }

  /** Names are part of paths: they must stay in the directory, and apart from what else is in it. */
  #path(name: string): string {
    if (!/^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(name) || /^lock\.|\.discarded-/.test(name))
      throw new PotorooError('INTERNAL', `${JSON.stringify(name)} can't be the name of a store or a note.`)
    return join(this.#options.directory, name)
  }

  #refuseClosed(): void {
    if (this.#closed) throw new PotorooError('INTERNAL', `The stores in ${this.#options.directory} are closed already.`)
  }
}
