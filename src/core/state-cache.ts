/**
 * A bounded cache of state objects: the hot ones, and every one that the store does not have yet.
 *
 * Bounded by two generations: what was not asked for during a whole generation is forgotten, unless a message of the
 * current interval touched it or it is not stored yet. A state object that does not exist has an entry, too.
 */
import type { StateDefinition } from '../api/definition.js'
import { utf8ByteString, type ByteString } from './byte-string.js'

/** What an entry takes in memory beside its key and its state: measured, with a small state object's fields. */
const ENTRY_BYTES = 350
/** The live object takes more than its packed bytes, which are there as well. */
const LIVE_FACTOR = 4

export class StateEntry {
  /** The live object; undefined while it does not exist, or while only its bytes are in memory. */
  state: object | undefined = undefined
  /** What `state` is made from while it is undefined; undefined: it does not exist. */
  bytes: ByteString | undefined
  /** Bytes as of the last collected commit, or as loaded; undefined: it did not exist. */
  packed: ByteString | undefined
  /** Number of the commit interval in which a message touched it last. */
  touchedIn = 0
  /** What the store doesn't have yet holds it: commits under way, and what was committed but is not stored. */
  pins = 0
  /** Whether it is among what was committed and is not stored. */
  unstored = false
  /** Then: its bytes as committed last; undefined: deleted. */
  committed: ByteString | undefined = undefined

  constructor(
    readonly definition: StateDefinition,
    readonly key: string,
    stored: ByteString | undefined,
  ) {
    this.bytes = this.packed = stored
  }

  get storeKey(): ByteString {
    return storeKeyOf(this.definition.name, this.key)
  }
}

/** `<state object's name> \0 <key in UTF-8>`: the key of a state object in store and changelog. */
export const storeKeyOf = (name: string, key: string): ByteString => `${name}\0${utf8ByteString(key)}`

/** About what an entry takes in memory. */
export const bytesInMemory = (keyLength: number, packedLength: number): number =>
  ENTRY_BYTES + keyLength + LIVE_FACTOR * packedLength

export class StateCache {
  #young = new Map<string, StateEntry>()
  #old = new Map<string, StateEntry>()
  #youngBytes = 0

  constructor(private readonly maxBytes: () => number) {}

  get size(): number {
    return this.#young.size + this.#old.size
  }

  get(key: string): StateEntry | undefined {
    const young = this.#young.get(key)
    if (young !== undefined) return young
    const old = this.#old.get(key)
    if (old !== undefined) this.#add(old)
    return old
  }

  /** Adds an entry; `interval` is the current commit interval: entries touched in it are dirty. */
  add(entry: StateEntry, interval: number): void {
    if (this.#youngBytes * 2 >= this.maxBytes()) this.#turn(interval)
    this.#add(entry)
  }

  /** An entry's packed bytes have become so much longer. */
  grown(bytes: number): void {
    this.#youngBytes += LIVE_FACTOR * bytes
  }

  #add(entry: StateEntry): void {
    this.#young.set(entry.key, entry)
    this.#youngBytes += bytesInMemory(entry.key.length, entry.packed?.length ?? 0)
  }

  #turn(interval: number): void {
    const former = this.#old
    this.#old = this.#young
    this.#young = new Map()
    this.#youngBytes = 0
    for (const entry of former.values())
      if ((entry.pins > 0 || entry.touchedIn === interval) && !this.#old.has(entry.key)) this.#add(entry)
  }
}
