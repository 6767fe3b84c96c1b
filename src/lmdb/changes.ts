/** Keys and values as lmdb takes them: without a Buffer for each. */
import type { Database } from 'lmdb'
import { byteString, writeByteString, type ByteString } from '../core/records/byte-string.js'
import type { Changes } from '../core/state/changes.js'

/** Bytes [start, end) of it. lmdb knows such values: an encoder gives them that uses its buffer again. */
type Range = Buffer & { start: number; end: number }

const rangeIn = (bytes: Buffer): Range =>
  Object.assign(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), { start: 0, end: 0 })

export type StoreKey = ByteString | Range

const NO_RANGE = rangeIn(Buffer.alloc(0))

/** lmdb's `keyEncoder`. */
export const storeKeys = {
  writeKey: (key: StoreKey, to: Buffer, at: number): number =>
    typeof key === 'string' ? writeByteString(key, to, at) : writeRange(key, to, at),
  readKey: (from: Buffer, start: number, end: number): ByteString => byteString(from, start, end),
}

/**
 * As core/records/copy-bytes.ts does it, which would be slower for everyone: to V8 these buffers, with fields of their own, are
 * objects of other kinds than those of the runtime.
 */
function writeRange(key: Range, to: Buffer, at: number): number {
  const { start, end } = key
  for (let i = start; i < end; i++) to[at++] = key[i] ?? 0
  return at
}

/** What is left to tell lmdb of changes. Whoever writes keeps their memory until the write is done: lmdb has addresses in it. */
export class ChangesToWrite {
  #part = 0
  #index = 0
  #key: Range = NO_RANGE
  #value: Range = NO_RANGE

  constructor(private readonly parts: readonly Changes[]) {
    this.#look()
  }

  get areWritten(): boolean {
    return this.#part === this.parts.length
  }

  /** The next ones, at most this many. */
  write(database: Database<Uint8Array, StoreKey>, most: number): void {
    for (let n = 0; n < most;) {
      const part = this.parts[this.#part]
      if (part === undefined) return
      const index = this.#index++
      if (index === part.count) {
        this.#part++
        this.#index = 0
        this.#look()
      } else if (!part.isSuperseded(index)) {
        this.#tell(database, part, index)
        n++
      }
    }
  }

  #look(): void {
    const part = this.parts[this.#part]
    if (part === undefined) return
    this.#key = rangeIn(part.bytes)
    this.#value = rangeIn(part.bytes)
  }

  #tell(database: Database<Uint8Array, StoreKey>, part: Changes, index: number): void {
    const key = this.#key
    const value = this.#value
    key.start = part.keyStart(index)
    key.end = part.keyEnd(index)
    value.start = part.valueStart(index)
    value.end = part.valueEnd(index)
    if (part.isDeletion(index)) void database.remove(key)
    else void database.put(key, value)
  }
}
