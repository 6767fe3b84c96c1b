/**
 * Ranges of keys in the order of their UTF-8 bytes, over all tasks of a state object, page by page.
 *
 * Invariants
 * 1. A page has all keys of its part of the range that were there while it was read: what a task has not told yet, because its own
 *    page ended, is not passed over.
 * 2. Each page gets on: while something is left, it has an entry, or its cursor is further than the one before.
 * 3. A cursor is a key and the range's end: nobody keeps anything for it.
 */
import { PotorooError } from '../../errors.js'
import { parseOr } from '../json-shape.js'
import { bytesOf, utf8ByteString, type ByteString } from '../records/byte-string.js'
import { givenOf, MAX_PAGE_ENTRIES, type Given, type PageAnswer, type PageEntry } from './question.js'

export interface ByteRange {
  readonly from: ByteString
  /** Undefined: to the end. */
  readonly before: ByteString | undefined
}

/** The range of what begins so. */
export function prefixRange(prefix: string): ByteRange {
  const from = utf8ByteString(prefix)
  // UTF-8 has no 0xff, so the last byte has a successor.
  const last = from.charCodeAt(from.length - 1)
  return { from, before: from === '' ? undefined : from.slice(0, -1) + String.fromCharCode(last + 1) }
}

/** What is asked for: keys with a prefix, or from one on, before another. */
export interface AskedRange {
  readonly prefix?: string | undefined
  readonly from?: string | undefined
  readonly before?: string | undefined
}

/** Throws QUERY_INVALID. */
export function askedRange({ prefix, from, before }: AskedRange): ByteRange {
  if (prefix === undefined)
    return { from: utf8ByteString(from ?? ''), before: before === undefined ? undefined : utf8ByteString(before) }
  if (from !== undefined || before !== undefined)
    throw new PotorooError('QUERY_INVALID', 'prefix and from or before are both given: give one of them')
  return prefixRange(prefix)
}

/** What comes next in the order of bytes. */
export const successorOf = (key: ByteString): ByteString => `${key}\0`

const FORMAT = '1'

/** Where the next page begins. */
export const encodeCursor = ({ from, before }: ByteRange): string =>
  Buffer.from(JSON.stringify([FORMAT, from, ...(before === undefined ? [] : [before])])).toString('base64url')

/** Undefined for what is none. */
export function decodeCursor(text: string): ByteRange | undefined {
  if (!/^[\w-]+$/.test(text)) return undefined
  return parseOr(() => {
    const value: unknown = JSON.parse(Buffer.from(text, 'base64url').toString())
    if (!Array.isArray(value)) return undefined
    const [format, from, before, ...more] = value as readonly unknown[]
    if (format !== FORMAT || !isBytes(from) || more.length > 0) return undefined
    if (before !== undefined && !isBytes(before)) return undefined
    return { from, before }
  })
}

const isBytes = (value: unknown): value is ByteString => typeof value === 'string' && !/[^\0-\u00ff]/.test(value)

export interface MergedPage {
  readonly entries: readonly (PageEntry & Given)[]
  /** What is left; undefined: nothing. */
  readonly rest: ByteRange | undefined
}

/** How many entries each of so many tasks is asked for: about twice its share, for they have not the same. */
export const partLimit = (limit: number, tasks: number): number =>
  Math.min(MAX_PAGE_ENTRIES, limit, Math.max(16, Math.ceil((2 * limit) / tasks)))

/** One page of what all tasks have told of the range. */
export function mergePages(range: ByteRange, pages: readonly PageAnswer[], limit: number): MergedPage {
  // Invariant 1: up to here all tasks have told.
  let told = range.before
  for (const { next } of pages) if (next !== undefined && (told === undefined || next < told)) told = next
  const entries = pages
    .flatMap((page) => page.entries.map((entry) => ({ ...entry, ...givenOf(page) })))
    .filter(({ key }) => told === undefined || key < told)
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
  const last = entries[limit - 1]
  if (last !== undefined && entries.length > limit)
    return { entries: entries.slice(0, limit), rest: { from: successorOf(last.key), before: range.before } }
  if (told === undefined || told === range.before) return { entries, rest: undefined }
  return { entries, rest: { from: told, before: range.before } }
}

/** The text that was UTF-8. */
export const textOf = (key: ByteString): string => bytesOf(key).toString()
