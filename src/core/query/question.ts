/**
 * What is asked of one task, and what it answers: as workers say it to each other.
 *
 * State objects travel packed, as the newest version that the answering worker knows has them, so that whoever asked needs no
 * more than the fields to show them, and unpacks them with its own class where it is to be an object.
 */
import { isErrorCode, type ErrorCode } from '../../errors.js'
import { isList, isNumber, isRecord, isText, parseOr } from '../json-shape.js'
import { bytesOf, byteString, type ByteString } from '../records/byte-string.js'

/** See QueryOptions in src/api/queries.ts. */
export type Consistency = 'committed' | 'fenced' | number

export interface AsOf {
  readonly commitMs: number
  readonly changelogPosition: number
}
/** Before the first commit. */
export const NEVER: AsOf = { commitMs: 0, changelogPosition: -1 }

interface OfTask {
  /** The state object's or the table's name. */
  readonly state: string
  readonly partition: number
  readonly consistency: Consistency
}
export interface PointQuestion extends OfTask {
  readonly kind: 'get'
  readonly key: string
}
export interface PageQuestion extends OfTask {
  readonly kind: 'scan'
  /** In UTF-8. */
  readonly from: ByteString
  /** Undefined: to the end. */
  readonly before: ByteString | undefined
  readonly limit: number
}
export type Question = PointQuestion | PageQuestion

export interface Given {
  readonly asOf: AsOf
  readonly from: 'owner' | 'standby'
  /** The name of the worker that answers; earlier versions do not say it. */
  readonly worker?: string
}
export interface StateAnswer extends Given {
  readonly kind: 'state'
  readonly packed: ByteString | undefined
}
export interface PageEntry {
  /** In UTF-8. */
  readonly key: ByteString
  readonly packed: ByteString
}
export interface PageAnswer extends Given {
  readonly kind: 'page'
  readonly entries: readonly PageEntry[]
  /** Where the next page begins; undefined: nothing is left of the range. */
  readonly next: ByteString | undefined
}
/** Asking again does not help. */
export interface FailedAnswer {
  readonly kind: 'failed'
  readonly code: ErrorCode
  readonly message: string
}
/** `not here`: somebody else has the task, or it can't tell yet. */
export type TaskAnswer = StateAnswer | PageAnswer | FailedAnswer | { readonly kind: 'not here' }

export const MAX_PAGE_ENTRIES = 1000
/** A page ends with the entry that comes to so many bytes, and with the one that takes so long. */
export const MAX_PAGE_BYTES = 1024 * 1024
export const MAX_SLICE_MS = 5

export const encodeQuestion = (question: Question): string => JSON.stringify(question)

/** Undefined for what is no question. */
export function decodeQuestion(text: string): Question | undefined {
  return parseOr(() => {
    const value: unknown = JSON.parse(text)
    if (!isRecord(value)) return undefined
    const { kind, state, partition, consistency, key, from, before, limit } = value
    if (!isText(state) || !isCount(partition) || !isConsistency(consistency)) return undefined
    const of = { state, partition, consistency }
    if (kind === 'get') return isText(key) && key.isWellFormed() ? { kind, ...of, key } : undefined
    if (kind !== 'scan' || !isByteString(from) || !isCount(limit) || limit < 1 || limit > MAX_PAGE_ENTRIES)
      return undefined
    if (before !== undefined && !isByteString(before)) return undefined
    return { kind, ...of, from, before, limit }
  })
}

/** Of an answer, what it rests on. */
export const givenOf = ({ asOf, from, worker }: Given): Given => ({
  asOf,
  from,
  ...(worker === undefined ? {} : { worker }),
})

export const answeredBy = (worker: string, answer: TaskAnswer): TaskAnswer =>
  answer.kind === 'state' || answer.kind === 'page' ? { ...answer, worker } : answer

export const encodeAnswer = (answer: TaskAnswer): string =>
  JSON.stringify(answer, (name, value: unknown) =>
    (name === 'packed' || name === 'key' || name === 'next') && isText(value) ? base64(value) : value,
  )

/** Undefined for what is no answer. */
export function decodeAnswer(text: string): TaskAnswer | undefined {
  return parseOr(() => {
    const value: unknown = JSON.parse(text)
    if (!isRecord(value)) return undefined
    const { kind, code, message, asOf, from, worker, packed, entries, next } = value
    if (kind === 'not here') return { kind }
    if (kind === 'failed') return isErrorCode(code) && isText(message) ? { kind, code, message } : undefined
    if (!isAsOf(asOf) || (from !== 'owner' && from !== 'standby')) return undefined
    if (worker !== undefined && !isText(worker)) return undefined
    const given = givenOf({ asOf, from, ...(worker === undefined ? {} : { worker }) })
    if (kind === 'state')
      return packed === undefined || isText(packed) ? { kind, ...given, packed: bytesIn(packed) } : undefined
    if (kind !== 'page' || !isList(entries, isEntry) || (next !== undefined && !isText(next))) return undefined
    const all = entries.map((entry) => ({ key: textIn(entry.key), packed: textIn(entry.packed) }))
    return { kind, ...given, entries: all, next: bytesIn(next) }
  })
}

const base64 = (bytes: ByteString): string => bytesOf(bytes).toString('base64')
const textIn = (text: string): ByteString => byteString(Buffer.from(text, 'base64'))
const bytesIn = (text: string | undefined): ByteString | undefined => (text === undefined ? undefined : textIn(text))

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
const isByteString = (value: unknown): value is ByteString => isText(value) && !/[^\0-\u00ff]/.test(value)
export const MAX_AGE_MS = 3_600_000
/** What `consistency` has to be, in words. */
export const CONSISTENCIES = `committed, fenced, or a number of ms, 0 to ${String(MAX_AGE_MS)}`
/** Undefined for what is none. */
export function consistencyOf(text: string): Consistency | undefined {
  const value = /^\d{1,7}$/.test(text) ? Number(text) : text
  return isConsistency(value) ? value : undefined
}
export const isConsistency = (value: unknown): value is Consistency =>
  value === 'committed' || value === 'fenced' || (isNumber(value) && value >= 0 && value <= MAX_AGE_MS)
const isAsOf = (value: unknown): value is AsOf =>
  isRecord(value) && isNumber(value.commitMs) && isNumber(value.changelogPosition)
const isEntry = (value: unknown): value is { readonly key: string; readonly packed: string } =>
  isRecord(value) && isText(value.key) && isText(value.packed)
