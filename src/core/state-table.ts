/**
 * The state objects of a task in memory, and what messages of the current commit interval did to them.
 *
 * Invariants
 * 1. `packed` of an entry is what the last collected commit holds (or the store, when it was loaded since).
 * 2. An entry that a message of this interval touched, or that a commit under way holds, or that was committed and is not
 *    stored yet, is not forgotten: the store does not have it.
 * 3. What a message touched can be taken back: the whole interval always (`retake`); one message when every message
 *    before it was settled (`settle`, careful mode).
 */
import type { StateDefinition } from '../api/definition.js'
import { PotorooError } from '../errors.js'
import type { ByteString } from './byte-string.js'
import { pack, unpack } from './packing.js'
import { bytesInMemory, StateCache, StateEntry, storeKeyOf } from './state-cache.js'

/** What the store is to have. */
export class StateChange {
  constructor(
    readonly entry: StateEntry,
    /** Undefined: deleted. */
    readonly value: ByteString | undefined,
  ) {}

  get key(): ByteString {
    return this.entry.storeKey
  }
}

export class StateTable {
  readonly #caches: ReadonlyMap<StateDefinition, StateCache>
  #interval = 1
  #touched: StateEntry[] = []
  /** Careful mode: entries that the message under way touched. */
  #current: StateEntry[] = []
  /** Committed, not stored. */
  #unstored: StateEntry[] = []
  #unstoredBytes = 0
  /** Careful mode: bytes after the last settled message, of entries touched in this interval. */
  readonly #settled = new Map<StateEntry, ByteString | undefined>()

  constructor(
    definitions: readonly StateDefinition[],
    /** What state objects may take in memory, about, now. More are there while the store does not have them yet. */
    maxBytes: () => number,
    private readonly load: (storeKey: ByteString) => ByteString | undefined,
  ) {
    const each = (): number => maxBytes() / definitions.length
    this.#caches = new Map(definitions.map((definition) => [definition, new StateCache(each)]))
  }

  /** The entry, if it is in memory. */
  cached(definition: StateDefinition, key: string): StateEntry | undefined {
    return this.#caches.get(definition)?.get(key)
  }

  /** Brings the entry into memory, from the store where that has it. */
  bring(definition: StateDefinition, key: string): StateEntry {
    const entry = new StateEntry(definition, key, this.load(storeKeyOf(definition.name, key)))
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
  settle(fits: (entry: StateEntry, value: ByteString) => boolean): void {
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
   * What this interval changed, packed (in `packed`, until the next `collect`); the next interval begins. A state object
   * whose bytes are as before, or that is as it would begin, is not among it. Throws STATE_NOT_PACKABLE or
   * RECORD_TOO_LARGE and changes nothing.
   */
  collect(fits: (entry: StateEntry, value: ByteString) => boolean): StateEntry[] {
    const changed: StateEntry[] = []
    const values: (ByteString | undefined)[] = []
    for (const entry of this.#touched) {
      const value = this.#pack(entry)
      if (isUnchanged(entry, value)) continue
      if (value !== undefined && !fits(entry, value)) throw tooLarge(entry, value)
      changed.push(entry)
      values.push(value)
    }
    for (const [i, entry] of changed.entries()) {
      const value = values[i]
      const grown = (value?.length ?? 0) - (entry.packed?.length ?? 0)
      if (grown !== 0) this.#caches.get(entry.definition)?.grown(grown)
      entry.packed = entry.bytes = value
      entry.pins++
    }
    this.#nextInterval()
    return changed
  }

  /** What state objects that are committed and not stored take in memory, about, in bytes. */
  get unstoredBytes(): number {
    return this.#unstoredBytes
  }

  /** The log has what was collected last; the store is to have it some time. */
  committed(changed: readonly StateEntry[]): void {
    for (const entry of changed) {
      const value = entry.packed
      entry.committed = value
      if (entry.unstored) entry.pins--
      else {
        entry.unstored = true
        this.#unstored.push(entry)
        this.#unstoredBytes += bytesInMemory(entry.key.length, value?.length ?? 0)
      }
    }
  }

  /** What the store is to have, as of the last commit: each state object once. `stored` them afterwards. */
  takeUnstored(): StateChange[] {
    const taken = this.#unstored
    this.#unstored = []
    this.#unstoredBytes = 0
    return taken.map((entry) => {
      const value = entry.committed
      entry.unstored = false
      entry.committed = undefined
      return new StateChange(entry, value)
    })
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

  #pack(entry: StateEntry): ByteString | undefined {
    return entry.state === undefined ? entry.bytes : pack(entry.definition, entry.state)
  }
}

function isUnchanged(entry: StateEntry, value: ByteString | undefined): boolean {
  if (value === entry.packed) return true
  if (value === undefined) return false
  // A new one that no message has changed yet is what the next message would begin with anyway.
  return entry.packed === undefined && value === pack(entry.definition, entry.definition.initial(entry.key))
}

function revert(entry: StateEntry, bytes: ByteString | undefined): void {
  entry.state = undefined
  entry.bytes = bytes
}

const tooLarge = (entry: StateEntry, value: ByteString): PotorooError =>
  new PotorooError(
    'RECORD_TOO_LARGE',
    `state object ${entry.definition.name} of key '${entry.key.slice(0, 100)}' has ${String(value.length)} bytes packed, more than the changelog takes`,
  )
