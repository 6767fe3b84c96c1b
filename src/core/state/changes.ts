/**
 * Changes of state objects, as changelog and store take them: store keys, each with the bytes that it has from now on.
 * They lie in one piece of memory, and where is noted down in another: there are up to a hundred thousand in a commit, and
 * as objects of their own they would cost more than what they say.
 */
import { byteString, bytesOf, type ByteString } from '../records/byte-string.js'
import { copyBytes } from '../records/copy-bytes.js'

export interface Change {
  readonly key: ByteString
  /** Undefined: deleted. */
  readonly value: ByteString | undefined
}

/** Of each change: where its key begins and ends, where its value begins, and where that ends, or one of the two below. */
const WORDS = 4
const DELETED = -1
/** A later change of the same key is there. */
const SUPERSEDED = -2
const LEAST_BYTES = 256
const LEAST_COUNT = 8

/** What lies in memory that somebody else writes: the records of the changelog, for one. */
export class Changes implements Iterable<Change> {
  #places: Int32Array
  #count = 0
  #sizeInBytes = 0

  /** `memory.bytes` may become another Buffer, with the same at the same places. About `expected` are coming. */
  constructor(
    private readonly memory: { readonly bytes: Buffer },
    expected = 0,
  ) {
    this.#places = new Int32Array(WORDS * Math.max(LEAST_COUNT, expected))
  }

  /** How many, those superseded included. */
  get count(): number {
    return this.#count
  }

  /** Of all keys and values. */
  get sizeInBytes(): number {
    return this.#sizeInBytes
  }

  /** Where keys and values lie. */
  get bytes(): Buffer {
    return this.memory.bytes
  }

  isSuperseded(index: number): boolean {
    return this.#places[index * WORDS + 3] === SUPERSEDED
  }
  isDeletion(index: number): boolean {
    return this.#places[index * WORDS + 3] === DELETED
  }
  keyStart(index: number): number {
    return this.#places[index * WORDS] ?? 0
  }
  keyEnd(index: number): number {
    return this.#places[index * WORDS + 1] ?? 0
  }
  valueStart(index: number): number {
    return this.#places[index * WORDS + 2] ?? 0
  }
  /** Below zero where there is no value. */
  valueEnd(index: number): number {
    return this.#places[index * WORDS + 3] ?? 0
  }

  /** The key that lies in [keyStart, keyEnd) has the value in [valueStart, valueEnd); `valueEnd` below zero deletes it. */
  note(keyStart: number, keyEnd: number, valueStart: number, valueEnd: number): void {
    const at = this.#count++ * WORDS
    if (at === this.#places.length) this.#grow()
    const places = this.#places
    places[at] = keyStart
    places[at + 1] = keyEnd
    places[at + 2] = valueStart
    places[at + 3] = valueEnd < 0 ? DELETED : valueEnd
    this.#sizeInBytes += keyEnd - keyStart + (valueEnd < 0 ? 0 : valueEnd - valueStart)
  }

  supersede(index: number): void {
    this.#places[index * WORDS + 3] = SUPERSEDED
  }

  /** Those that are not superseded. */
  *[Symbol.iterator](): Iterator<Change> {
    for (let index = 0; index < this.#count; index++) {
      if (this.isSuperseded(index)) continue
      yield {
        key: byteString(this.bytes, this.keyStart(index), this.keyEnd(index)),
        value: this.isDeletion(index)
          ? undefined
          : byteString(this.bytes, this.valueStart(index), this.valueEnd(index)),
      }
    }
  }

  /** Whoever was given `bytes` must be done with it. */
  clear(): void {
    this.#count = this.#sizeInBytes = 0
  }

  #grow(): void {
    const grown = new Int32Array(this.#places.length * 2)
    grown.set(this.#places)
    this.#places = grown
  }
}

/** What is copied to memory of its own, one behind the other. */
export class GatheredChanges extends Changes {
  readonly #own: { bytes: Buffer }

  /** `like`: about as many are expected, and as long. */
  constructor(like?: Changes) {
    const own = { bytes: Buffer.allocUnsafeSlow(Math.max(LEAST_BYTES, like?.sizeInBytes ?? 0)) }
    super(own, like?.count)
    this.#own = own
  }

  static of(changes: Iterable<Change>): GatheredChanges {
    const made = new GatheredChanges()
    for (const { key, value } of changes) {
      const [keyBytes, valueBytes] = [bytesOf(key), value === undefined ? undefined : bytesOf(value)]
      made.add(keyBytes, 0, keyBytes.length, valueBytes, 0, valueBytes?.length ?? 0)
    }
    return made
  }

  /** The key in key[keyStart, keyEnd) has the value in value[valueStart, valueEnd); undefined deletes it. */
  add(
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    value: Uint8Array | undefined,
    valueStart: number,
    valueEnd: number,
  ): void {
    const start = this.sizeInBytes
    const needed = start + keyEnd - keyStart + (value === undefined ? 0 : valueEnd - valueStart)
    if (needed > this.#own.bytes.length) this.#grow(needed)
    const { bytes } = this.#own
    const middle = copyBytes(key, keyStart, keyEnd, bytes, start)
    this.note(
      start,
      middle,
      middle,
      value === undefined ? DELETED : copyBytes(value, valueStart, valueEnd, bytes, middle),
    )
  }

  #grow(needed: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#own.bytes.length * 2, needed))
    this.#own.bytes.copy(grown, 0, 0, this.sizeInBytes)
    this.#own.bytes = grown
  }
}
