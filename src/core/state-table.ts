/**
 * The state objects of a task in memory, and what messages of the current commit interval did to them.
 *
 * Invariants
 * 1. `packed` of an entry is what the last collected commit holds (or the store, when it was loaded since).
 * 2. An entry that a message of this interval touched, or that a commit under way holds, is not forgotten: the store
 *    does not have it yet.
 * 3. What a message touched can be taken back: the whole interval always (`retake`); one message when every message
 *    before it was settled (`settle`, careful mode).
 */
import type { StateDefinition } from '../api/definition.js'
import { PotorooError } from '../errors.js'
import { pack, unpack } from './packing.js'
import { StateCache, StateEntry } from './state-cache.js'

export interface StateChange {
  readonly entry: StateEntry
  /** Undefined: deleted. */
  readonly value: Uint8Array | undefined
}

export class StateTable {
  readonly #caches: ReadonlyMap<StateDefinition, StateCache>
  #interval = 1
  #touched: StateEntry[] = []
  /** Careful mode: entries that the message under way touched. */
  #current: StateEntry[] = []
  /** Careful mode: bytes after the last settled message, of entries touched in this interval. */
  readonly #settled = new Map<StateEntry, Uint8Array | undefined>()

  constructor(
    definitions: readonly StateDefinition[],
    maxEntries: number,
    private readonly load: (storeKey: Buffer) => Uint8Array | undefined,
  ) {
    const each = Math.max(1, Math.floor(maxEntries / Math.max(1, definitions.length)))
    this.#caches = new Map(definitions.map((definition) => [definition, new StateCache(each)]))
  }

  /** The entry, if it is in memory. */
  cached(definition: StateDefinition, key: string): StateEntry | undefined {
    return this.#caches.get(definition)?.get(key)
  }

  /** Brings the entry into memory, from the store where that has it. `keyBytes`: the key in UTF-8. */
  bring(definition: StateDefinition, key: string, keyBytes: Uint8Array): StateEntry {
    const storeKey = storeKeyOf(definition.name, keyBytes)
    const own = storeKey.subarray(storeKey.length - keyBytes.length)
    const entry = new StateEntry(definition, key, storeKey, own, this.load(storeKey))
    this.#caches.get(definition)?.add(entry, this.#interval)
    return entry
  }

  /** The state object for a message that is about to change it. */
  touch(entry: StateEntry, careful: boolean): object {
    if (entry.touchedIn !== this.#interval) {
      entry.touchedIn = this.#interval
      this.#touched.push(entry)
    }
    if (careful) this.#current.push(entry)
    if (entry.state !== undefined) return entry.state
    const { definition, key } = entry
    const state = entry.bytes === undefined ? definition.initial(key) : unpack(definition, entry.bytes, key)
    entry.state = state
    return state
  }

  /** The message under way is done with the state object: it does not exist any more. */
  forget(entry: StateEntry): void {
    entry.state = undefined
    entry.bytes = undefined
  }

  /** Careful mode, after a message: its effect is kept. Throws what makes it impossible to keep; then `undo` it. */
  settle(fits: (entry: StateEntry, value: Uint8Array) => boolean): void {
    const settled = this.#current.map((entry) => {
      const value = this.#pack(entry)
      if (value !== undefined && !fits(entry, value)) throw tooLarge(entry, value)
      return [entry, value] as const
    })
    for (const [entry, value] of settled) this.#settled.set(entry, value)
    this.#current = []
  }

  /** Careful mode: the message under way has not touched anything. */
  undo(): void {
    for (const entry of this.#current) revert(entry, this.#settled.has(entry) ? this.#settled.get(entry) : entry.packed)
    this.#current = []
  }

  /**
   * What this interval changed, packed; the next interval begins. A state object whose bytes are as before, or that is
   * as it would begin, is not among it. Throws STATE_NOT_PACKABLE or RECORD_TOO_LARGE and changes nothing.
   */
  collect(fits: (entry: StateEntry, value: Uint8Array) => boolean): StateChange[] {
    const changes: StateChange[] = []
    for (const entry of this.#touched) {
      const value = this.#pack(entry)
      if (isUnchanged(entry, value)) continue
      if (value !== undefined && !fits(entry, value)) throw tooLarge(entry, value)
      changes.push({ entry, value })
    }
    for (const { entry, value } of changes) {
      entry.packed = entry.bytes = value
      entry.pins++
    }
    this.#nextInterval()
    return changes
  }

  /** The store has them now. */
  stored(changes: readonly StateChange[]): void {
    for (const { entry } of changes) entry.pins--
  }

  /** This interval has not touched anything. */
  retake(): void {
    for (const entry of this.#touched) revert(entry, entry.packed)
    this.#nextInterval()
  }

  #nextInterval(): void {
    this.#interval++
    this.#touched = []
    this.#current = []
    this.#settled.clear()
  }

  #pack(entry: StateEntry): Uint8Array | undefined {
    return entry.state === undefined ? entry.bytes : pack(entry.definition, entry.state)
  }
}

/** `<state object's name> \0 <key>`: the key of a state object in store and changelog. */
export function storeKeyOf(name: string, keyBytes: Uint8Array): Buffer {
  const prefix = Buffer.from(`${name}\0`)
  return Buffer.concat([prefix, keyBytes])
}

function isUnchanged(entry: StateEntry, value: Uint8Array | undefined): boolean {
  if (value === entry.packed) return true
  if (value === undefined) return false
  // A new one that no message has changed yet is what the next message would begin with anyway.
  const before = entry.packed ?? pack(entry.definition, entry.definition.initial(entry.key))
  return value.length === before.length && Buffer.compare(value, before) === 0
}

function revert(entry: StateEntry, bytes: Uint8Array | undefined): void {
  entry.state = undefined
  entry.bytes = bytes
}

const tooLarge = (entry: StateEntry, value: Uint8Array): PotorooError =>
  new PotorooError(
    'RECORD_TOO_LARGE',
    `state object ${entry.definition.name} of key '${entry.key.slice(0, 100)}' has ${String(value.length)} bytes packed, more than the changelog takes`,
  )
