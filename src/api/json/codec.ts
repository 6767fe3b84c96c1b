/**
 * Messages as JSON text in UTF-8.
 *
 * 1. Nothing is altered silently. Refused are invalid UTF-8, which would be read as U+FFFD; whole numbers that JavaScript
 *    can't hold (json-numbers.ts), unless the topic says as what to read them (big-integers.ts); and in outputs what JSON.stringify makes null or {} of: NaN, Infinity, functions,
 *    undefined elements of arrays, Maps, Sets.
 * 2. An error's message stays short, however large the record is: it goes into a header of the dead letter.
 * 3. Whatever decoding a record throws, it is thrown for that record: `decodeMessage` throws nothing but what it says.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { isUtf8 } from 'node:buffer'
import { isPotorooError, messageOf, PotorooError } from '../../errors.js'
import { parseBigIntegers, stringifyBigIntegers } from './big-integers.js'
import { alteredNumber } from './json-numbers.js'
import type { JsonReader } from './json-reader.js'
import { classNameOf, isPromise, shortened, shown } from '../names.js'
import { Refused, type Check } from '../schema.js'
import { likeness, visible } from '../visible.js'

const MAX_ISSUES = 3
const MAX_ISSUE_LENGTH = 160

/** What becomes of whole numbers that JavaScript alters. `refuse`: they condemn the message. */
export type BigIntegers = 'refuse' | 'text' | 'bigint'

/**
 * The message in bytes[start, end). Throws NOT_JSON, NUMBER_NOT_EXACT or SCHEMA_MISMATCH, or INVALID_DEFINITION if the schema
 * is asynchronous.
 */
export function decodeMessage(
  topic: string,
  check: Check,
  reader: JsonReader,
  bytes: Buffer,
  start: number,
  end: number,
  bigIntegers: BigIntegers = 'refuse',
): unknown {
  return validated(topic, check, readJson(topic, reader, bytes, start, end, bigIntegers))
}

/** What the schema makes of a value. Throws SCHEMA_MISMATCH, or INVALID_DEFINITION if it is asynchronous. */
export function validated(topic: string, check: Check, value: unknown): unknown {
  let reason: string
  try {
    const checked = check(value)
    if (!(checked instanceof Refused)) return checked
    reason = described(checked.issues)
  } catch (error) {
    if (isPotorooError(error, 'INVALID_DEFINITION')) throw error
    // the schema, or its result is none as Standard Schema has them
    throw mismatch(topic, `the schema threw: ${told(error)}`, error)
  }
  throw mismatch(topic, reason)
}

/** What Buffer.toString calls: without its checks a quarter of the time, on the path of every message. */
interface Utf8Slice {
  utf8Slice(start: number, end: number): string
}

/** The JSON in bytes[start, end). Throws NOT_JSON or NUMBER_NOT_EXACT. */
export function readJson(
  topic: string,
  reader: JsonReader,
  bytes: Buffer,
  start: number,
  end: number,
  bigIntegers: BigIntegers = 'refuse',
): unknown {
  try {
    return reader.read(bytes, start, end) ?? parse(topic, reader, bytes, start, end, bigIntegers)
  } catch (error) {
    if (isPotorooError(error)) throw error
    const reason = end === start ? 'the value is empty' : `${told(error)}${likeness(bytes, start, end, 'value')}`
    throw notJson(topic, `is not JSON: ${reason}`, error)
  }
}

function parse(
  topic: string,
  reader: JsonReader,
  bytes: Buffer,
  start: number,
  end: number,
  bigIntegers: BigIntegers,
): unknown {
  const text = (bytes as Buffer & Utf8Slice).utf8Slice(start, end)
  if (text.includes('\ufffd') && !isUtf8(bytes.subarray(start, end)))
    throw notJson(topic, `is not UTF-8${likeness(bytes, start, end, 'value')}.`)
  const json: unknown = JSON.parse(text)
  const altered = alteredNumber(bytes, start, end)
  if (altered !== undefined && bigIntegers !== 'refuse') {
    const exact = parseBigIntegers(text, bigIntegers)
    if (exact !== undefined) return exact
  }
  if (altered !== undefined)
    throw new PotorooError(
      'NUMBER_NOT_EXACT',
      `A record of topic ${topic} has a number that JavaScript can't hold: ` +
        `${visible(altered.path) || 'it'} is ${altered.written}, and would be read as ${String(altered.read)}.`,
    )
  reader.learn(text, json)
  return json
}

const told = (error: unknown): string => visible(shortened(messageOf(error), MAX_ISSUE_LENGTH))

const notJson = (topic: string, reason: string, cause?: unknown): PotorooError =>
  new PotorooError('NOT_JSON', `A record of topic ${topic} ${reason}`, { cause })

const mismatch = (topic: string, reason: string, cause?: unknown): PotorooError =>
  new PotorooError('SCHEMA_MISMATCH', `A record of topic ${topic} fails its schema: ${reason}`, { cause })

function described(issues: readonly StandardSchemaV1.Issue[]): string {
  const first = issues.slice(0, MAX_ISSUES).map((issue) => {
    const path = (issue.path ?? []).map((part) => String(typeof part === 'object' ? part.key : part)).join('.')
    const message = visible(shortened(issue.message, MAX_ISSUE_LENGTH))
    // some libraries begin their messages with the path
    if (path === '' || issue.message.startsWith(path)) return message
    return `${visible(shortened(path, MAX_ISSUE_LENGTH))}: ${message}`
  })
  const more = issues.length - first.length
  return first.join('; ') + (more > 0 ? `; and ${String(more)} more` : '')
}

/** Throws OUTPUT_INVALID for what JSON can't hold: BigInts among it, unless bigIntegers says that they are messages'. */
export function encodeMessage(topic: string, message: unknown, bigIntegers: BigIntegers = 'refuse'): string {
  if (typeof message !== 'object' || message === null || Array.isArray(message))
    throw unwritable(topic, `a message is an object, this is ${shown(message)}`)
  if (isPromise(message)) throw unwritable(topic, 'it is a promise: computations and steps are synchronous')
  let text: unknown
  try {
    // not a string where toJSON gives undefined
    text = bigIntegers === 'bigint' ? stringifyBigIntegers(message) : JSON.stringify(message)
    // What JSON.stringify makes null or {} of is lost to whoever reads the topic, so these cost a second look.
    if (typeof text === 'string' && (text.includes('null') || text.includes('{}'))) refuseLost(message, bigIntegers)
  } catch (error) {
    if (isPotorooError(error)) throw error
    throw unwritable(topic, visible(shortened(reasonOf(message, error, bigIntegers), MAX_ISSUE_LENGTH)), error)
  }
  if (typeof text !== 'string' || !text.startsWith('{')) throw unwritable(topic, 'its toJSON gives no object')
  return text
}

/** Names the field, where it can be found: JSON.stringify itself does not. */
function reasonOf(message: unknown, error: unknown, bigIntegers: BigIntegers): string {
  if (error instanceof Lost) return error.message
  try {
    refuseLost(message, bigIntegers)
  } catch (found) {
    if (found instanceof Lost) return found.message
  }
  return messageOf(error)
}

/** Says what of a message JSON can't hold. */
class Lost extends Error {}

/** What JSON.stringify makes {} of, whatever they hold. */
const EMPTY_IN_JSON = [Map, Set, WeakMap, WeakSet, Promise, RegExp, Error, ArrayBuffer, SharedArrayBuffer] as const

/** Throws a `Lost`. Most messages that are looked at have nothing that is: where a field stands is found out afterwards. */
function refuseLost(message: unknown, bigIntegers: BigIntegers): void {
  const mayBeBig = bigIntegers === 'bigint'
  let isLost = false
  JSON.stringify(message, function (this: unknown, _: string, value: unknown): unknown {
    if (mayBeBig && typeof value === 'bigint') return 0
    if (typeof value !== 'string' && !(typeof value === 'number' && Number.isFinite(value)))
      isLost ||= lossOf(value, Array.isArray(this)) !== undefined
    // at a BigInt it would end without a path
    return isLost ? undefined : value
  })
  if (!(isLost as boolean)) return
  const paths = new Map<unknown, string>()
  JSON.stringify(message, function (this: unknown, field: string, value: unknown): unknown {
    if (mayBeBig && typeof value === 'bigint') return 0
    const above = paths.get(this) ?? ''
    const path = Array.isArray(this) ? `${above}[${field}]` : above === '' ? field : `${above}.${field}`
    const what = lossOf(value, Array.isArray(this))
    if (what !== undefined) throw new Lost(`${shortened(path, MAX_ISSUE_LENGTH / 2)} is ${what}`)
    if (typeof value === 'object' && value !== null) paths.set(value, path)
    return value
  })
}

function isEmptyInJson(value: object | null): boolean {
  if (value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === Array.prototype) return false
  return EMPTY_IN_JSON.some((type) => value instanceof type)
}

function lossOf(value: unknown, isElement: boolean): string | undefined {
  switch (typeof value) {
    case 'number':
      return Number.isFinite(value) ? undefined : `${String(value)}, which JSON does not have`
    case 'bigint':
      return 'a BigInt, which JSON does not have: write it as a string'
    case 'object':
      return isEmptyInJson(value)
        ? `a ${classNameOf(value ?? {})}, of which JSON keeps nothing: write an object or an array`
        : undefined
    case 'undefined':
    case 'function':
    case 'symbol':
      return isElement ? `${shown(value)}, which an array in JSON does not have: write null` : undefined
    default:
      return undefined
  }
}

const unwritable = (topic: string, reason: string, cause?: unknown): PotorooError =>
  new PotorooError('OUTPUT_INVALID', `An output can't be written to topic ${topic}: ${reason}.`, { cause })
