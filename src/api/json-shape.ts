/**
 * Reads JSON texts that look like one before them: messages of a topic mostly differ in their values alone. Reading a text
 * against a known shape, straight from its bytes, takes half the time of JSON.parse, which was half of a message's cost.
 *
 * Invariants
 * 1. What is read is what JSON.parse gives. Where that isn't plain, it is JSON.parse that reads: for objects in objects,
 *    arrays, text beyond printable ASCII, escapes.
 * 2. All bytes between the values are those of a text that JSON.parse has read. So no field is missing, unknown, or there
 *    twice, and nothing follows the end.
 */
import { type Literal, literalOf, number } from './literal.js'

/** Between the values, the literal bytes; in front of the first and behind the last, too. */
interface Shape {
  readonly gaps: readonly Uint8Array[]
  readonly build: Literal
  readonly words: readonly Words[]
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const PLUS = 0x2b
const MINUS = 0x2d
const DOT = 0x2e
const ZERO = 0x30
const NINE = 0x39
const FIRST_PRINTABLE = 0x20
const LAST_ASCII = 0x7e

/**
 * Whole numbers of so many digits are exact, and so are powers of ten up to this: their quotient is the number nearest to
 * the decimal. (Clinger 1990, How to read floating point numbers accurately.)
 */
const MAX_DIGITS = 15
const POWERS = Array.from({ length: MAX_DIGITS + 1 }, (_, exponent) => 10 ** exponent)

/** Whole numbers of so many digits are small integers to V8. */
const SMALL_DIGITS = 9

/** A topic's messages have few shapes, or no use for this. */
const MAX_SHAPES = 4
const MAX_FIELDS = 64
/** After so many texts it is judged whether looking for a shape pays. */
const TRIAL = 1000

const unread = Symbol('unread')

export class JsonShapes {
  #shapes: Shape[] = []
  #tried = 0
  #read = 0
  #pays = true
  readonly #values: unknown[] = []
  readonly #numbers = new Float64Array(MAX_FIELDS)
  /** Behind the last value that was read. */
  #at = 0

  /** The object in bytes[start, end), or undefined where JSON.parse has to say what it is. */
  read(bytes: Buffer, start: number, end: number): object | undefined {
    if (!this.#pays) return undefined
    if (++this.#tried === TRIAL) {
      this.#pays = this.#read * 2 > TRIAL
      this.#tried = this.#read = 0
    }
    const shapes = this.#shapes
    for (let i = 0; i < shapes.length; i++) {
      const shape = shapes[i]
      if (shape === undefined || !this.#matches(shape, bytes, start, end)) continue
      this.#read++
      // the next text is likely to have the same
      if (i > 0) [shapes[0], shapes[i]] = [shape, shapes[0] ?? shape]
      return shape.build(this.#values, this.#numbers)
    }
    return undefined
  }

  /** To be told of a text that `read` left to JSON.parse, and of what that gave. */
  learn(text: string, json: unknown): void {
    if (!this.#pays || this.#shapes.length >= MAX_SHAPES) return
    const shape = shapeOf(text, json)
    if (shape !== undefined) this.#shapes.push(shape)
  }

  #matches({ gaps, words }: Shape, bytes: Buffer, start: number, end: number): boolean {
    let at = start
    const last = gaps.length - 1
    for (let field = 0; ; field++) {
      const gap = gaps[field]
      if (gap === undefined) return false
      const { length } = gap
      if (at + length > end) return false
      for (let i = 0; i < length; i++) if (bytes[at + i] !== gap[i]) return false
      at += length
      if (field === last) return at === end
      const value = this.#value(bytes, at, end, field, words)
      if (value === unread) return false
      this.#values[field] = value
      at = this.#at
    }
  }

  #value(bytes: Buffer, at: number, end: number, field: number, words: readonly Words[]): unknown {
    switch (bytes[at]) {
      case QUOTE:
        return this.#text(bytes, at + 1, end, words[field])
      case 0x74: // t
        return this.#literal(bytes, at, end, TRUE, true)
      case 0x66: // f
        return this.#literal(bytes, at, end, FALSE, false)
      case 0x6e: // n
        return this.#literal(bytes, at, end, NULL, null)
      default:
        return this.#number(bytes, at, end, field)
    }
  }

  #literal(bytes: Buffer, at: number, end: number, literal: Uint8Array, value: unknown): unknown {
    this.#at = at + literal.length
    if (this.#at > end) return unread
    for (let i = 0; i < literal.length; i++) if (bytes[at + i] !== literal[i]) return unread
    return value
  }

  #text(bytes: Buffer, start: number, end: number, words: Words | undefined): unknown {
    let hash = 0
    for (let at = start; at < end; at++) {
      const byte = bytes[at] ?? 0
      if (byte === QUOTE) {
        this.#at = at + 1
        return words === undefined ? unread : words.of(bytes, start, at, hash)
      }
      if (byte === BACKSLASH || byte < FIRST_PRINTABLE || byte > LAST_ASCII) return unread
      hash = (Math.imul(hash, 31) + byte) | 0
    }
    return unread
  }

  /** A whole number of few digits as it is; others lie in `#numbers` afterwards. */
  #number(bytes: Buffer, start: number, end: number, field: number): unknown {
    const negative = bytes[start] === MINUS
    const first = negative ? start + 1 : start
    let at = first
    // the first digits without floating point, which takes three times as long
    let small = 0
    let room = SMALL_DIGITS
    // as in JSON, no digit follows a leading zero: one that does is no gap
    if (bytes[at] === ZERO) {
      at++
      room--
    } else
      for (; room > 0 && at < end; at++, room--) {
        const digit = (bytes[at] ?? 0) - ZERO
        if (digit < 0 || digit > 9) break
        small = (small * 10 + digit) | 0
      }
    let whole = small
    if (room === 0)
      for (; at < end; at++) {
        const digit = (bytes[at] ?? 0) - ZERO
        if (digit < 0 || digit > 9) break
        whole = whole * 10 + digit
      }
    if (at === first) return unread
    let digits = at - first
    let decimals = 0
    if (at < end && bytes[at] === DOT) {
      const point = at++
      for (; room > 0 && at < end; at++, room--) {
        const digit = (bytes[at] ?? 0) - ZERO
        if (digit < 0 || digit > 9) break
        small = (small * 10 + digit) | 0
      }
      // of more digits in front of the point, the last ones are in `whole` alone
      if (digits <= SMALL_DIGITS) whole = small
      if (room === 0)
        for (; at < end; at++) {
          const digit = (bytes[at] ?? 0) - ZERO
          if (digit < 0 || digit > 9) break
          whole = whole * 10 + digit
        }
      decimals = at - point - 1
      if (decimals === 0) return unread
      digits += decimals
    }
    const hasExponent = at < end && ((bytes[at] ?? 0) | 0x20) === 0x65 // e
    if (hasExponent) {
      at++
      if (bytes[at] === PLUS || bytes[at] === MINUS) at++
      const from = at
      while (at < end && (bytes[at] ?? 0) >= ZERO && (bytes[at] ?? 0) <= NINE) at++
      if (at === from) return unread
    }
    this.#at = at
    if (!hasExponent && digits <= SMALL_DIGITS && decimals === 0 && !negative) return small
    // JSON's numbers are JavaScript's
    if (hasExponent || digits > MAX_DIGITS) this.#numbers[field] = Number(ascii(bytes, start, at))
    else {
      const value = decimals === 0 ? whole : whole / (POWERS[decimals] ?? NaN)
      this.#numbers[field] = negative ? -value : value
    }
    return number
  }
}

const TRUE = Buffer.from('true')
const FALSE = Buffer.from('false')
const NULL = Buffer.from('null')

/**
 * The texts of one field. Where a few come again and again, as symbols do, the same string is given for them, which a Map
 * has hashed before.
 */
class Words {
  readonly #slots: string[] = Array<string>(SLOTS).fill('')
  #tried = 0
  #found = 0
  #pays = true

  /** bytes[start, end), which are ASCII, and their hash. */
  of(bytes: Buffer, start: number, end: number, hash: number): string {
    const length = end - start
    if (!this.#pays || length > MAX_WORD) return ascii(bytes, start, end)
    if (++this.#tried === TRIAL) {
      this.#pays = this.#found * 2 > TRIAL
      this.#tried = this.#found = 0
    }
    const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1)
    const there = this.#slots[slot] ?? ''
    if (there.length === length) {
      let i = 0
      while (i < length && there.charCodeAt(i) === bytes[start + i]) i++
      if (i === length) {
        this.#found++
        return there
      }
    }
    return (this.#slots[slot] = ascii(bytes, start, end))
  }
}

const SLOTS = 8192
const MAX_WORD = 32

/** What Buffer.toString calls, without its checks. */
interface Latin1Slice {
  latin1Slice(start: number, end: number): string
}

/** A call that leaves JavaScript takes three times as long as the few characters of a short text. */
function ascii(bytes: Buffer, start: number, end: number): string {
  const [a, b, c, d] = [bytes[start] ?? 0, bytes[start + 1] ?? 0, bytes[start + 2] ?? 0, bytes[start + 3] ?? 0]
  switch (end - start) {
    case 3:
      return String.fromCharCode(a, b, c)
    case 4:
      return String.fromCharCode(a, b, c, d)
    case 5:
      return String.fromCharCode(a, b, c, d, bytes[start + 4] ?? 0)
    case 6:
      return String.fromCharCode(a, b, c, d, bytes[start + 4] ?? 0, bytes[start + 5] ?? 0)
    case 7:
      return String.fromCharCode(a, b, c, d, bytes[start + 4] ?? 0, bytes[start + 5] ?? 0, bytes[start + 6] ?? 0)
    default:
      return (bytes as Buffer & Latin1Slice).latin1Slice(start, end)
  }
}

/** Undefined for a text whose like is to be read by JSON.parse. `json`: what that gave for it. */
function shapeOf(text: string, json: unknown): Shape | undefined {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return undefined
  const names = Object.keys(json)
  if (names.length === 0 || names.length > MAX_FIELDS || names.includes('__proto__')) return undefined
  if (Object.values(json).some((value) => typeof value === 'object' && value !== null)) return undefined
  // Where no value is an object or array, everything outside of texts is structure, and a name ends with its colon.
  const spans = [...text.matchAll(/("(?:[^"\\]|\\.)*"\s*:\s*)("(?:[^"\\]|\\.)*"|[^\s,}"]+)/gs)]
  if (spans.length !== names.length) return undefined
  const inOrder = spans.map(([, name = '']) => JSON.parse(name.slice(0, name.lastIndexOf('"') + 1)) as string)
  if (new Set(inOrder).size !== names.length || inOrder.some((name) => !names.includes(name))) return undefined
  let end = 0
  const gaps: Uint8Array[] = []
  for (const { index, 0: all, 1: name = '' } of spans) {
    gaps.push(Buffer.from(text.slice(end, index + name.length)))
    end = index + all.length
  }
  gaps.push(Buffer.from(text.slice(end)))
  const build = literalOf(inOrder)
  return build && { gaps, build, words: inOrder.map(() => new Words()) }
}
