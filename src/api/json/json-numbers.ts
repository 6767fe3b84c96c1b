/**
 * Finds whole numbers that JavaScript alters when it reads them. Its numbers are doubles: beyond 2^53 they lie 2, 4, 8, … apart,
 * and JSON.parse takes the nearest one without a word. Identifiers of 64 bits become those of somebody else that way.
 *
 * Invariant: a whole number is unaltered if JavaScript writes it with the same digits. So digits that come in go out again,
 * numbers that differ stay different, and whatever JSON.stringify wrote is read.
 *
 * Fractions and exponents are another matter: who writes those means a number of limited precision.
 */
import { latin1Text } from './literal.js'
import { shortened } from '../names.js'

export interface AlteredNumber {
  /** Where in the message it stands, `order.lines[3].id`; empty: it is all of it. */
  readonly path: string
  readonly written: string
  readonly read: number
}

/** Numbers with fewer digits are smaller than 2^53. */
const LONG_DIGITS = 16
const MAX_SHOWN_DIGITS = 40
const MAX_SHOWN_NAME = 40
/** Levels of a path that are shown, from the innermost. */
const MAX_SHOWN_LEVELS = 8

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const BACKSLASH = 0x5c
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const MINUS = 0x2d

const isDigit = (code: number): boolean => (code - 0x30) >>> 0 < 10
/** Space, tab, line feed, carriage return. */
const isSpace = (code: number | undefined): boolean => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09
const standsBefore = (code: number | undefined): boolean =>
  isSpace(code) || code === COLON || code === COMMA || code === OPEN_ARRAY
const standsBehind = (code: number | undefined): boolean =>
  isSpace(code) || code === COMMA || code === CLOSE_ARRAY || code === CLOSE_OBJECT

/**
 * The first number of the JSON text in bytes[start, end) that JavaScript alters. In nearly all texts there is nothing that
 * looks like one: that is found by looking at every 16th byte, for one of any 16 digits in a row has to lie there.
 */
export function alteredNumber(bytes: Buffer, start: number, end: number): AlteredNumber | undefined {
  for (let at = start + LONG_DIGITS - 1; at < end; at += LONG_DIGITS) {
    if (!isDigit(bytes[at] ?? 0)) continue
    let first = at
    while (first > start && isDigit(bytes[first - 1] ?? 0)) first--
    while (at + 1 < end && isDigit(bytes[at + 1] ?? 0)) at++
    if (at + 1 - first < LONG_DIGITS) continue
    if (first > start && bytes[first - 1] === MINUS) first--
    if (first > start && !standsBefore(bytes[first - 1])) continue
    if (at + 1 < end && !standsBehind(bytes[at + 1])) continue
    // within a string it is no number: only a look at all of the text tells
    if (!isUnaltered(latin1Text(bytes, first, at + 1))) return search(bytes, start, end)
  }
  return undefined
}

/** Of a number in JSON that has neither fraction nor exponent, or has one: then it is. */
export function isUnaltered(written: string): boolean {
  const read = Number(written)
  if (Number.isSafeInteger(read)) return true
  for (let i = 1; i < written.length; i++) if (!isDigit(written.charCodeAt(i))) return true
  return digitsOf(read) === written
}

/** As JavaScript writes it, but never with an exponent. */
function digitsOf(whole: number): string {
  const [, sign = '', first = '', decimals = '', exponent = ''] =
    /^(-?)(\d)(?:\.(\d+))?e\+(\d+)$/.exec(String(whole)) ?? []
  return exponent === '' ? String(whole) : sign + first + decimals.padEnd(Number(exponent), '0')
}

/** The first in the text, which JSON.parse has taken. Levels are kept as numbers: a text may have millions. */
function search(bytes: Buffer, start: number, end: number): AlteredNumber | undefined {
  /** Of an array the index, of an object where the name begins that was read last, less than zero. */
  const levels: number[] = []
  let at = start
  while (at < end) {
    const code = bytes[at] ?? 0
    const top = levels.length - 1
    const level = levels[top] ?? 0
    if (code === QUOTE) {
      const behind = behindString(bytes, at, end)
      if (level < 0 && isName(bytes, behind, end)) levels[top] = -1 - at
      at = behind
    } else if (code === MINUS || isDigit(code)) {
      const behind = behindNumber(bytes, at, end)
      const written = latin1Text(bytes, at, behind)
      if (behind - at >= LONG_DIGITS && !isUnaltered(written))
        return { path: pathOf(bytes, levels), written: shortened(written, MAX_SHOWN_DIGITS), read: Number(written) }
      at = behind
    } else {
      if (code === OPEN_ARRAY) levels.push(0)
      else if (code === OPEN_OBJECT) levels.push(-1)
      else if (code === CLOSE_ARRAY || code === CLOSE_OBJECT) levels.pop()
      else if (code === COMMA && level >= 0) levels[top] = level + 1
      at++
    }
  }
  return undefined
}

/** Behind the string that begins at `at`. */
function behindString(bytes: Buffer, at: number, end: number): number {
  for (at++; at < end && bytes[at] !== QUOTE; at++) if (bytes[at] === BACKSLASH) at++
  return at + 1
}

function behindNumber(bytes: Buffer, at: number, end: number): number {
  while (at < end && !standsBehind(bytes[at])) at++
  return at
}

function isName(bytes: Buffer, at: number, end: number): boolean {
  while (at < end && isSpace(bytes[at])) at++
  return bytes[at] === COLON
}

function pathOf(bytes: Buffer, levels: readonly number[]): string {
  const shown = levels.slice(-MAX_SHOWN_LEVELS).map((level, i) => {
    if (level >= 0) return `[${String(level)}]`
    const at = -1 - level
    const name = JSON.parse(bytes.toString('utf8', at, behindString(bytes, at, bytes.length))) as string
    return `${i === 0 ? '' : '.'}${shortened(name, MAX_SHOWN_NAME)}`
  })
  return (levels.length > MAX_SHOWN_LEVELS ? '…' : '') + shown.join('')
}
