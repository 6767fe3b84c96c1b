/** Byte strings as lmdb takes them: without a Buffer for each. */
import { byteString, writeByteString, type ByteString } from '../core/byte-string.js'
import type { StoreChange } from '../ports/store.js'

/** lmdb's `keyEncoder`. */
export const byteStringKeys = {
  writeKey: writeByteString,
  readKey: (target: Buffer, start: number, end: number): ByteString => byteString(target, start, end),
}

/**
 * The values of one write, in one piece of memory. lmdb takes a buffer with `start` and `end`, as an encoder gives it that
 * uses its buffer again, and notes down the address at once; it keeps the buffer until the write is done.
 */
export class Values {
  readonly #bytes: Buffer & { start: number; end: number }
  #end = 0

  constructor(changes: readonly StoreChange[]) {
    let length = 0
    for (const { value } of changes) if (value !== undefined) length += value.length
    this.#bytes = Object.assign(Buffer.allocUnsafeSlow(Math.max(1, length)), { start: 0, end: 0 })
  }

  /** What to put: good until the next call. */
  next(value: ByteString): Buffer {
    const bytes = this.#bytes
    bytes.start = this.#end
    bytes.end = this.#end = writeByteString(value, bytes, this.#end)
    return bytes
  }
}
