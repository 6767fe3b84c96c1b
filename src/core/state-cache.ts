/**
 * A bounded cache of state objects: the hot ones, and every one that the store does not have yet.
 *
 * Bounded by two generations: what was not asked for during a whole generation is forgotten, unless a message of the
 * current interval touched it or it is not stored yet. A state object that does not exist has an entry, too.
 */
import type { StateDefinition } from '../api/definition.js'

export class StateEntry {
  /** The live object; undefined while it does not exist, or while only its bytes are in memory. */
  state: object | undefined = undefined
  /** What `state` is made from while it is undefined; undefined: it does not exist. */
  bytes: Uint8Array | undefined
  /** Bytes as of the last collected commit, or as loaded; undefined: it did not exist. */
  packed: Uint8Array | undefined
  /** Number of the commit interval in which a message touched it last. */
  touchedIn = 0
  /** What the store doesn't have yet holds it: commits under way, and what was committed but is not stored. */
  pins = 0
  /** Whether it is among what was committed and is not stored. */
  unstored = false
  /** Then: its bytes as committed last; undefined: deleted. */
  committed: Uint8Array | undefined

  constructor(
    readonly definition: StateDefinition,
    readonly key: string,
    readonly storeKey: Buffer,
    /** The key alone, in UTF-8. */
    readonly keyBytes: Buffer,
    stored: Uint8Array | undefined,
  ) {
    this.bytes = this.packed = stored
  }
}

export class StateCache {
  #young = new Map<string, StateEntry>()
  #old = new Map<string, StateEntry>()
  readonly #generationSize: number

  constructor(maxEntries: number) {
    this.#generationSize = Math.max(1, Math.floor(maxEntries / 2))
  }

  get size(): number {
    return this.#young.size + this.#old.size
  }

  get(key: string): StateEntry | undefined {
    const young = this.#young.get(key)
    if (young !== undefined) return young
    const old = this.#old.get(key)
    if (old !== undefined) this.#young.set(key, old)
    return old
  }

  /** Adds an entry; `interval` is the current commit interval: entries touched in it are dirty. */
  add(entry: StateEntry, interval: number): void {
    if (this.#young.size >= this.#generationSize) this.#turn(interval)
    this.#young.set(entry.key, entry)
  }

  #turn(interval: number): void {
    for (const [key, entry] of this.#old)
      if ((entry.pins > 0 || entry.touchedIn === interval) && !this.#young.has(key)) this.#young.set(key, entry)
    this.#old = this.#young
    this.#young = new Map()
  }
}
