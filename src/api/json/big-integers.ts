/**
 * Whole numbers beyond 2^53 in JSON, for topics that ask for them: read as texts of their digits, or as BigInts. Only texts
 * that have such a number come here, and only messages of topics that write BigInts.
 *
 * 1. What `alteredNumber` finds in a text is read so, each of them, and nothing else: numbers that JavaScript holds stay
 *    numbers (json-numbers.ts has the invariant).
 * 2. A BigInt is written with all of its digits, as a JSON number. Read again it is the same BigInt, or a number where
 *    JavaScript holds it.
 * 3. Strings are never taken for such numbers: the mark that these have on their way through JSON is longer than any run of
 *    its character that a string begins with.
 */
import { isUnaltered } from './json-numbers.js'

const MARK = '#'
const QUOTE = 0x22
const BACKSLASH = 0x5c
const MINUS = 0x2d

/** What makes BigInts of longer ones takes seconds, and nobody counts that far. */
const MAX_DIGITS = 1_000

/** A text that JSON.parse takes. Undefined where a number of it has more digits than MAX_DIGITS. */
export function parseBigIntegers(text: string, as: 'text' | 'bigint'): unknown {
  let longest = 0
  JSON.parse(text, (_, value: unknown) => {
    if (typeof value === 'string') longest = Math.max(longest, runOf(value))
    return value
  })
  const mark = MARK.repeat(longest + 1)
  const withMarks = marked(text, mark)
  if (withMarks === undefined) return undefined
  return JSON.parse(withMarks, (_, value: unknown) => {
    if (typeof value !== 'string' || !value.startsWith(mark)) return value
    const digits = value.slice(mark.length)
    return as === 'text' ? digits : BigInt(digits)
  })
}

/** As JSON.stringify, also in what it throws; undefined where it gives none. */
export function stringifyBigIntegers(message: unknown): string | undefined {
  let hasAny = false
  const plain = JSON.stringify(message, (_, value: unknown) => {
    if (typeof value !== 'bigint') return value
    hasAny = true
    return 0
  }) as string | undefined
  if (!(hasAny as boolean) || plain === undefined) return plain
  // Names of fields are among what is looked at: JSON escapes no mark.
  const longest = [...plain.matchAll(/"(#*)/g)].reduce((most, [, run = '']) => Math.max(most, run.length), 0)
  const mark = MARK.repeat(longest + 1)
  const text = JSON.stringify(message, (_, value: unknown) =>
    typeof value === 'bigint' ? `${mark}${String(value)}` : value,
  )
  return text.replaceAll(new RegExp(`"${mark}(-?\\d+)"`, 'g'), '$1')
}

/** How many marks it begins with. */
function runOf(text: string): number {
  let at = 0
  while (text[at] === MARK) at++
  return at
}

/** The text with each number that JavaScript alters as a string behind the mark; undefined where one is too long. */
function marked(text: string, mark: string): string | undefined {
  let done = ''
  let from = 0
  let at = 0
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) at = behindString(text, at)
    else if (code === MINUS || isDigit(code)) {
      const behind = behindNumber(text, at)
      const written = text.slice(at, behind)
      if (!isUnaltered(written)) {
        if (written.length > MAX_DIGITS) return undefined
        done += `${text.slice(from, at)}"${mark}${written}"`
        from = behind
      }
      at = behind
    } else at++
  }
  return done + text.slice(from)
}

const isDigit = (code: number): boolean => (code - 0x30) >>> 0 < 10

function behindString(text: string, at: number): number {
  for (at++; text.charCodeAt(at) !== QUOTE; at++) if (text.charCodeAt(at) === BACKSLASH) at++
  return at + 1
}

function behindNumber(text: string, at: number): number {
  while ('+-.eE0123456789'.includes(text[at] ?? ' ')) at++
  return at
}
