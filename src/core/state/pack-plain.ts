/**
 * Writes trees of plain values as MessagePack: objects, arrays, strings, numbers, booleans, null and undefined. Nearly all
 * state objects are such, and each commit writes every one that changed: so it is done in one pass, check included.
 *
 * Invariants
 * 1. What is written reads back as it was, -0 and NaN too. Where that isn't sure, nothing is written. To look whether a field
 *    is an accessor costs 40 ns, as much as to write it, and of objects with the same fields some may have accessors: so all
 *    objects are looked at but two kinds. Roots whose fields and class are those of one before them: they are made by reading what was
 *    written, or by `initial`, so only Object.defineProperty on a field that was there makes it one. And elements of arrays.
 * 2. The same values in the same order give the same bytes.
 */

import { WINDOW_FIELDS } from '../../api/open-windows.js'

/** Deeper than anything but a mistake; leaves the stack alone. */
export const MAX_DEPTH = 200
/** Up to here, strings are copied character by character: calls into Buffer cost more. */
const SHORT_STRING = 40
const INITIAL_BYTES = 8192
const MAX_KNOWN = 8
/** As deep as it lies in what `windowsToPlain` gives. */
const WINDOW_STATE_DEPTH = 2
/** A scratch buffer that a large object made larger than this is not kept. */
const MAX_KEPT_BYTES = 1 << 20

/** A window, as it is packed: see api/open-windows.ts. */
interface WindowToWrite {
  readonly startMs: number
  readonly endMs: number
  readonly messages: number
  readonly state: object
}

export class PlainWriter {
  #bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES)
  #view = new DataView(this.#bytes.buffer)
  #end = 0
  #hasNaN = false
  /** Roots that had no accessors. */
  #known: readonly { readonly prototype: unknown; readonly keys: readonly string[] }[] = []
  /** Objects inside the root: an object that is in two places would come back as two. */
  readonly #seen = new Set<object>()

  /** What was written last begins here. */
  get bytes(): Buffer {
    return this.#bytes
  }

  /** Whether what was written last has a NaN, as far as it was written. */
  get hasNaN(): boolean {
    return this.#hasNaN
  }

  /**
   * How many bytes it takes, with `from` that are left free in front of it, at most 1,000; undefined where `root` is more than a
   * tree of plain values. Of the root, only its own fields count.
   */
  write(root: object, from = 0): number | undefined {
    this.#end = from
    this.#hasNaN = false
    if (this.#bytes.length > MAX_KEPT_BYTES) this.#resize(INITIAL_BYTES)
    try {
      return this.#fields(root, 0, true) ? this.#end : undefined
    } finally {
      if (this.#seen.size > 0) this.#seen.clear()
    }
  }

  /** What `write` writes of `windowsToPlain`, without making that; undefined as there, also where `toPlain` gives no plain object. */
  writeWindows(
    windows: readonly WindowToWrite[],
    toPlain: (state: object) => unknown,
    from: number,
  ): number | undefined {
    this.#end = from
    this.#hasNaN = false
    if (this.#bytes.length > MAX_KEPT_BYTES) this.#resize(INITIAL_BYTES)
    try {
      this.#header(1, 0x80, 0xde)
      this.#string('w')
      this.#header(windows.length * WINDOW_FIELDS, 0x90, 0xdc)
      for (const { startMs, endMs, messages, state } of windows) {
        this.#number(startMs)
        this.#number(endMs - startMs)
        this.#number(messages)
        if (!this.#windowState(toPlain(state), windows.length > 1)) return undefined
      }
      return this.#end
    } finally {
      if (this.#seen.size > 0) this.#seen.clear()
    }
  }

  /** As a root, because it is made as one is (invariant 1). */
  #windowState(plain: unknown, hasOthers: boolean): boolean {
    if (typeof plain !== 'object' || plain === null || Object.getPrototypeOf(plain) !== Object.prototype) return false
    const before = this.#seen.size
    if (hasOthers && this.#seen.add(plain).size === before) return false
    return this.#fields(plain, WINDOW_STATE_DEPTH, true)
  }

  #value(value: unknown, depth: number): boolean {
    switch (typeof value) {
      case 'number':
        this.#number(value)
        return true
      case 'boolean':
        this.#room(1)
        this.#bytes[this.#end++] = value ? 0xc3 : 0xc2
        return true
      case 'string':
        return this.#string(value)
      case 'undefined':
        this.#room(3)
        this.#bytes[this.#end++] = 0xd4
        this.#bytes[this.#end++] = 0
        this.#bytes[this.#end++] = 0
        return true
      case 'object':
        if (value !== null) return this.#nested(value, depth + 1)
        this.#room(1)
        this.#bytes[this.#end++] = 0xc0
        return true
      default:
        return false
    }
  }

  #nested(value: object, depth: number): boolean {
    const before = this.#seen.size
    if (depth > MAX_DEPTH || this.#seen.add(value).size === before) return false
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype === Object.prototype) return this.#fields(value, depth, false)
    return prototype === Array.prototype && Array.isArray(value) && this.#array(value, depth)
  }

  #fields(object: object, depth: number, isRoot: boolean): boolean {
    const keys = Object.keys(object)
    if (hasHidden(object, keys.length)) return false
    this.#header(keys.length, 0x80, 0xde)
    if (isRoot && this.#isKnown(object, keys)) return this.#values(object, keys, depth)
    return this.#lookedAt(object, keys, depth, isRoot)
  }

  /** Of the root, whose fields are those of one that was looked at. */
  #values(root: object, keys: readonly string[], depth: number): boolean {
    for (const key of keys) {
      if (key === '__proto__' || !this.#string(key)) return false
      if (!this.#value((root as Record<string, unknown>)[key], depth)) return false
    }
    return true
  }

  #lookedAt(object: object, keys: readonly string[], depth: number, isRoot: boolean): boolean {
    for (const key of keys) {
      if (key === '__proto__' || !this.#string(key)) return false
      const field = Object.getOwnPropertyDescriptor(object, key)
      if (field === undefined || isAccessor(field) || !this.#value(field.value, depth)) return false
    }
    if (isRoot)
      this.#known = [{ prototype: Object.getPrototypeOf(object), keys }, ...this.#known.slice(0, MAX_KNOWN - 1)]
    return true
  }

  #isKnown(root: object, keys: readonly string[]): boolean {
    const { length } = keys
    for (const known of this.#known) {
      if (known.keys.length !== length || known.prototype !== Object.getPrototypeOf(root)) continue
      let i = 0
      while (i < length && known.keys[i] === keys[i]) i++
      if (i === length) return true
    }
    return false
  }

  #array(array: readonly unknown[], depth: number): boolean {
    const { length } = array
    this.#header(length, 0x90, 0xdc)
    if (!isDense(array)) return false
    for (let index = 0; index < length; index++) if (!this.#value(array[index], depth)) return false
    return true
  }

  #header(length: number, small: number, code16: number): void {
    this.#room(5)
    if (length < 16) this.#bytes[this.#end++] = small | length
    else if (length < 0x10000) {
      this.#bytes[this.#end++] = code16
      this.#end = this.#bytes.writeUInt16BE(length, this.#end)
    } else {
      this.#bytes[this.#end++] = code16 + 1
      this.#end = this.#bytes.writeUInt32BE(length, this.#end)
    }
  }

  #number(value: number): void {
    this.#room(9)
    const bytes = this.#bytes
    if (value >>> 0 === value && !Object.is(value, -0)) {
      if (value < 0x80) bytes[this.#end++] = value
      else if (value < 0x100) {
        bytes[this.#end++] = 0xcc
        bytes[this.#end++] = value
      } else if (value < 0x10000) {
        bytes[this.#end++] = 0xcd
        this.#view.setUint16(this.#end, value)
        this.#end += 2
      } else {
        bytes[this.#end++] = 0xce
        this.#view.setUint32(this.#end, value)
        this.#end += 4
      }
    } else if (value >= -0x20 && value < 0 && value >> 0 === value) bytes[this.#end++] = 0x100 + value
    else if (value >> 0 === value && value < 0) {
      bytes[this.#end++] = 0xd2
      this.#view.setInt32(this.#end, value)
      this.#end += 4
    } else {
      bytes[this.#end++] = 0xcb
      if (Number.isNaN(value)) {
        this.#hasNaN = true
        // one of the many NaNs
        this.#view.setFloat64(this.#end, NaN)
      } else this.#view.setFloat64(this.#end, value)
      this.#end += 8
    }
  }

  #string(text: string): boolean {
    const { length } = text
    if (length <= SHORT_STRING) {
      this.#room(SHORT_STRING + 2)
      const bytes = this.#bytes
      let at = this.#end + (length < 0x20 ? 1 : 2)
      let index = 0
      for (; index < length; index++) {
        const code = text.charCodeAt(index)
        if (code > 0x7f) break
        bytes[at++] = code
      }
      if (index === length) {
        if (length < 0x20) bytes[this.#end] = 0xa0 | length
        else {
          bytes[this.#end] = 0xd9
          bytes[this.#end + 1] = length
        }
        this.#end = at
        return true
      }
    }
    return this.#longString(text)
  }

  #longString(text: string): boolean {
    if (!isStorable(text)) return false
    const length = Buffer.byteLength(text)
    this.#room(length + 5)
    const bytes = this.#bytes
    if (length < 0x20) bytes[this.#end++] = 0xa0 | length
    else if (length < 0x100) {
      bytes[this.#end++] = 0xd9
      bytes[this.#end++] = length
    } else if (length < 0x10000) {
      bytes[this.#end++] = 0xda
      this.#end = bytes.writeUInt16BE(length, this.#end)
    } else {
      bytes[this.#end++] = 0xdb
      this.#end = bytes.writeUInt32BE(length, this.#end)
    }
    this.#end += bytes.write(text, this.#end, 'utf8')
    return true
  }

  #room(bytes: number): void {
    if (this.#end + bytes > this.#bytes.length) this.#resize(Math.max(this.#bytes.length * 2, this.#end + bytes))
  }

  #resize(length: number): void {
    const old = this.#bytes
    this.#bytes = Buffer.allocUnsafeSlow(length)
    this.#view = new DataView(this.#bytes.buffer)
    old.copy(this.#bytes, 0, 0, Math.min(this.#end, length))
  }
}

/** Fields that have no name, or that Object.keys does not give: `fields` are those that it gives. */
export const hasHidden = (object: object, fields: number): boolean =>
  Object.getOwnPropertyNames(object).length !== fields || Object.getOwnPropertySymbols(object).length > 0

export const isAccessor = (field: PropertyDescriptor): boolean => field.get !== undefined || field.set !== undefined

/** No holes, which would be read as undefined, and no fields beside the elements. Indices come first among the keys. */
export function isDense(array: readonly unknown[]): boolean {
  const keys = Object.keys(array)
  if (keys.length !== array.length || Object.getOwnPropertySymbols(array).length > 0) return false
  return keys.length === 0 || keys.at(-1) === String(keys.length - 1)
}

/** UTF-8 has no lone surrogates, and text decoders drop a byte order mark at the start. */
export const isStorable = (text: string): boolean => text.isWellFormed() && !text.startsWith('\ufeff')
