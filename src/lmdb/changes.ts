/** Keys and values as lmdb takes them: without a Buffer for each. */
import { byteString, writeByteString, type ByteString } from '../core/byte-string.js'
import type { Changes } from '../core/changes.js'

/** Bytes [start, end) of it. lmdb knows such values: an encoder gives them that uses its buffer again. */
type Range = Buffer & { start: number; end: number }

const rangeIn = (bytes: Buffer): Range =>
  Object.assign(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), { start: 0, end: 0 })

export type StoreKey = ByteString | Range

/** lmdb's `keyEncoder`. */
export const storeKeys = {
  writeKey: (key: StoreKey, to: Buffer, at: number): number =>
    typeof key === 'string' ? writeByteString(key, to, at) : writeRange(key, to, at),
  readKey: (from: Buffer, start: number, end: number): ByteString => byteString(from, start, end),
}

/**
 * As core/copy-bytes.ts does it, which would be slower for everyone: to V8 these buffers, with fields of their own, are
 * objects of other kinds than those of the runtime.
 */
function writeRange(key: Range, to: Buffer, at: number): number {
  const { start, end } = key
  for (let i = start; i < end; i++) to[at++] = key[i] ?? 0
  return at
}

/**
 * What lmdb is told of changes, one after the other. It writes down a key, and the address of a value, at once; whoever
 * writes keeps the memory until the write is done.
 */
export class ChangeView {
  readonly #value: Range
  readonly key: Range

  constructor(private readonly changes: Changes) {
    this.key = rangeIn(changes.bytes)
    this.#value = rangeIn(changes.bytes)
  }

  /** Looks at that change. Returns its value, undefined: deleted; and has its key in `key`. */
  value(index: number): Uint8Array | undefined {
    const { changes, key } = this
    const value = this.#value
    key.start = changes.keyStart(index)
    key.end = value.start = changes.keyEnd(index)
    value.end = changes.valueEnd(index)
    return changes.isDeletion(index) ? undefined : value
  }
}
