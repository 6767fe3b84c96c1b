/**
 * Changes of state objects, as changelog and store take them: store keys, each with the bytes that it has from now on.
 * They lie one behind the other in one piece of memory: there are up to a hundred thousand in a commit, and as objects of
 * their own they would cost more than what they say.
 */
import { byteString, bytesOf, type ByteString } from './byte-string.js'
import { copyBytes } from './copy-bytes.js'

export interface Change {
  readonly key: ByteString
  /** Undefined: deleted. */
  readonly value: ByteString | undefined
}

/** Of each change: where its key begins; where its value begins, behind the key; where that ends, or one of the two below. */
const WORDS = 3
const DELETED = -1
/** A later change of the same key is there. */
const SUPERSEDED = -2
const LEAST_BYTES = 256
const LEAST_COUNT = 8

export class Changes implements Iterable<Change> {
  #bytes: Buffer
  #end = 0
  #places: Int32Array
  #count = 0

  /** `like`: about as many are expected, and as long. */
  constructor(like?: Changes) {
    this.#bytes = Buffer.allocUnsafeSlow(Math.max(LEAST_BYTES, like?.sizeInBytes ?? 0))
    this.#places = new Int32Array(WORDS * Math.max(LEAST_COUNT, like?.count ?? 0))
  }

  static of(changes: Iterable<Change>): Changes {
    const made = new Changes()
    for (const { key, value } of changes) {
      const [keyBytes, valueBytes] = [bytesOf(key), value === undefined ? undefined : bytesOf(value)]
      made.add(keyBytes, 0, keyBytes.length, valueBytes, 0, valueBytes?.length ?? 0)
    }
    return made
  }

  /** How many, those superseded included. */
  get count(): number {
    return this.#count
  }

  /** Of all keys and values. */
  get sizeInBytes(): number {
    return this.#end
  }

  /** Where keys and values lie. It is another one after `add`. */
  get bytes(): Buffer {
    return this.#bytes
  }

  isSuperseded(index: number): boolean {
    return this.#places[index * WORDS + 2] === SUPERSEDED
  }
  isDeletion(index: number): boolean {
    return this.#places[index * WORDS + 2] === DELETED
  }
  keyStart(index: number): number {
    return this.#places[index * WORDS] ?? 0
  }
  /** The value begins there. */
  keyEnd(index: number): number {
    return this.#places[index * WORDS + 1] ?? 0
  }
  /** Below zero where there is no value. */
  valueEnd(index: number): number {
    return this.#places[index * WORDS + 2] ?? 0
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
    const start = this.#end
    this.#makeRoom(keyEnd - keyStart + (value === undefined ? 0 : valueEnd - valueStart))
    const bytes = this.#bytes
    const at = copyBytes(key, keyStart, keyEnd, bytes, start)
    this.#end = value === undefined ? at : copyBytes(value, valueStart, valueEnd, bytes, at)
    const place = this.#count++ * WORDS
    const places = this.#places
    places[place] = start
    places[place + 1] = at
    places[place + 2] = value === undefined ? DELETED : this.#end
  }

  /** Whoever was given `bytes` must be done with it. */
  clear(): void {
    this.#count = this.#end = 0
  }

  supersede(index: number): void {
    this.#places[index * WORDS + 2] = SUPERSEDED
  }

  /** Those that are not superseded. */
  *[Symbol.iterator](): Iterator<Change> {
    for (let index = 0; index < this.#count; index++) {
      if (this.isSuperseded(index)) continue
      const keyEnd = this.keyEnd(index)
      yield {
        key: byteString(this.#bytes, this.keyStart(index), keyEnd),
        value: this.isDeletion(index) ? undefined : byteString(this.#bytes, keyEnd, this.valueEnd(index)),
      }
    }
  }

  #makeRoom(bytes: number): void {
    if (this.#end + bytes > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#end + bytes))
      this.#bytes.copy(grown, 0, 0, this.#end)
      this.#bytes = grown
    }
    if ((this.#count + 1) * WORDS > this.#places.length) {
      const grown = new Int32Array(this.#places.length * 2)
      grown.set(this.#places)
      this.#places = grown
    }
  }
}
