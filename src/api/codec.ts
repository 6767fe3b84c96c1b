/**
 * Messages as JSON text in UTF-8.
 *
 * 1. Nothing is altered silently: invalid UTF-8 is refused instead of read as U+FFFD, NaN and Infinity are refused
 *    instead of written as null.
 * 2. An error's message stays short, however large the record is: it goes into a header of the dead letter.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { isUtf8 } from 'node:buffer'
import { messageOf, PotorooError } from '../errors.js'
import type { JsonShapes } from './json-shape.js'
import { invalid, isPromise, shortened, shown } from './names.js'

const MAX_ISSUES = 3
const MAX_ISSUE_LENGTH = 160

/** What of a Standard Schema is asked. */
export type Validator = Pick<StandardSchemaV1['~standard'], 'validate'>

/** The message in bytes[start, end). Throws NOT_JSON or SCHEMA_MISMATCH, or INVALID_DEFINITION if the schema is asynchronous. */
export function decodeMessage(
  topic: string,
  schema: Validator,
  shapes: JsonShapes,
  bytes: Buffer,
  start: number,
  end: number,
): unknown {
  const json = shapes.read(bytes, start, end) ?? parse(topic, shapes, bytes, start, end)
  let result: ReturnType<typeof schema.validate>
  try {
    result = schema.validate(json)
  } catch (error) {
    throw threw(topic, error)
  }
  if (result instanceof Promise || isPromise(result)) {
    result.then(undefined, () => undefined)
    throw invalid(
      `The schema of topic ${topic} is asynchronous. Messages are checked synchronously: take another schema.`,
    )
  }
  let reason: string
  try {
    if (result.issues === undefined) return result.value
    reason = described(result.issues)
  } catch (error) {
    // no result as Standard Schema has them
    throw threw(topic, error)
  }
  throw mismatch(topic, reason)
}

/** What Buffer.toString calls: without its checks a quarter of the time, on the path of every message. */
interface Utf8Slice {
  utf8Slice(start: number, end: number): string
}

function parse(topic: string, shapes: JsonShapes, bytes: Buffer, start: number, end: number): unknown {
  const text = (bytes as Buffer & Utf8Slice).utf8Slice(start, end)
  if (text.includes('\ufffd') && !isUtf8(bytes.subarray(start, end)))
    throw new PotorooError('NOT_JSON', `A record of topic ${topic} is not UTF-8.`)
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    const reason = end === start ? 'the value is empty' : shortened(messageOf(error), MAX_ISSUE_LENGTH)
    throw new PotorooError('NOT_JSON', `A record of topic ${topic} is not JSON: ${reason}`, { cause: error })
  }
  shapes.learn(text, json)
  return json
}

const mismatch = (topic: string, reason: string, cause?: unknown): PotorooError =>
  new PotorooError('SCHEMA_MISMATCH', `A record of topic ${topic} fails its schema: ${reason}`, { cause })

const threw = (topic: string, error: unknown): PotorooError =>
  mismatch(topic, `the schema threw: ${shortened(messageOf(error), MAX_ISSUE_LENGTH)}`, error)

function described(issues: readonly StandardSchemaV1.Issue[]): string {
  const first = issues.slice(0, MAX_ISSUES).map((issue) => {
    const path = (issue.path ?? []).map((part) => String(typeof part === 'object' ? part.key : part)).join('.')
    const message = shortened(issue.message, MAX_ISSUE_LENGTH)
    // some libraries begin their messages with the path
    return path === '' || issue.message.startsWith(path) ? message : `${shortened(path, MAX_ISSUE_LENGTH)}: ${message}`
  })
  const more = issues.length - first.length
  return first.join('; ') + (more > 0 ? `; and ${String(more)} more` : '')
}

/** Throws OUTPUT_INVALID for what JSON can't hold. */
export function encodeMessage(topic: string, message: unknown): string {
  if (typeof message !== 'object' || message === null || Array.isArray(message))
    throw unwritable(topic, `a message is an object, this is ${shown(message)}`)
  if (isPromise(message)) throw unwritable(topic, 'it is a promise: computations and steps are synchronous')
  let text: unknown
  try {
    text = JSON.stringify(message) // not a string where toJSON gives undefined
    // JSON.stringify makes null of NaN and Infinity; whoever reads the topic could not tell, so it costs a second look
    if (typeof text === 'string' && text.includes('null')) JSON.stringify(message, refuseNonFinite)
  } catch (error) {
    if (error instanceof PotorooError) throw error
    throw unwritable(topic, shortened(messageOf(error), MAX_ISSUE_LENGTH), error)
  }
  if (typeof text !== 'string' || !text.startsWith('{')) throw unwritable(topic, 'its toJSON gives no object')
  return text
}

function refuseNonFinite(field: string, value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new RangeError(`${field} is ${String(value)}`)
  return value
}

const unwritable = (topic: string, reason: string, cause?: unknown): PotorooError =>
  new PotorooError('OUTPUT_INVALID', `An output can't be written to topic ${topic}: ${reason}.`, { cause })
