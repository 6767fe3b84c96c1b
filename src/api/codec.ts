/**
 * Codecs: what the values of a topic are as bytes, where they are not JSON. The interface, and those that need nothing
 * but what Potoroo has; those of a schema registry are in src/schema-registry.
 *
 * Invariants
 * 1. Whatever decoding a record throws, it is thrown for that record: as what `OF_A_RECORD` names, or as NOT_DECODABLE.
 * 2. What the codecs here decode keeps no view of a record's bytes, whose memory is used again.
 * 3. An error's message stays short, however large the record is: it goes into a header of the dead letter.
 */
import { isUtf8 } from 'node:buffer'
import { Packr } from 'msgpackr'
import { isPotorooError, messageOf, PotorooError, type ErrorCode } from '../errors.js'
import type { TopicDefinition } from './definition.js'
import { validated } from './json/codec.js'
import { invalid, isPromise, shortened, shown } from './names.js'
import type { Check } from './schema.js'
import { visible } from './visible.js'

/**
 * How the values of a topic are read and written, in place of JSON: `Out` is what it reads, `In` what it can write. One codec
 * may serve several topics: each method is told the topic's name. `decode` and `encode` are on the path of every message,
 * and so synchronous; what takes time is done in `open` and `prepare`, before them.
 */
export interface Codec<out Out, in In = Out> {
  /** What it is called in errors: `MessagePack`. */
  readonly name: string
  /**
   * The message in a record's value. What it throws, of any kind, sends the record to the dead letters (NOT_DECODABLE, with its
   * message). The bytes are there until it returns: what is to be kept of them has to be copied, for their memory is used again.
   */
  decode(bytes: Buffer, topic: string): Out
  /**
   * The value of a message: a text is written as UTF-8; bytes must not change afterwards. What it throws is OUTPUT_INVALID, as
   * where a computation throws.
   */
  encode(message: In, topic: string): Uint8Array | string
  /**
   * Called when a worker starts, once for each topic and use, before anything is read. It may load packages, and what writing
   * needs. While it rejects, the worker waits, tries again with growing pauses, and says so; a PotorooError that is not
   * `retriable` stops it.
   */
  open?(topic: string, use: 'read' | 'write'): Promise<unknown>
  /**
   * Called for each record that was fetched, before it may be decoded: what decoding it needs and is not there yet, such as its
   * schema; undefined: nothing. Until that resolves, this partition's input waits, with what was fetched together with the
   * record; the task's other inputs and other tasks go on. Rejections are as those of `open`, and it is called anew. It has
   * to look at the bytes before it returns.
   */
  prepare?(bytes: Buffer, topic: string): Promise<unknown> | undefined
}

/** UTF-8 texts. Other bytes are dead letters (NOT_DECODABLE): nothing is read as U+FFFD that was not written so. */
export const stringCodec: Codec<string> = {
  name: 'text',
  decode: (bytes) => {
    if (!isUtf8(bytes)) throw new TypeError('it is not UTF-8')
    return bytes.toString()
  },
  encode: (message: unknown) => {
    if (typeof message !== 'string') throw new TypeError(`it is ${shown(message)}, not a string`)
    if (!message.isWellFormed()) throw new TypeError("it has a lone surrogate, which UTF-8 can't hold")
    return message
  },
}

/** The value's bytes as they are: in a Buffer of their own, which may be kept. */
export const bytesCodec: Codec<Buffer, Uint8Array> = {
  name: 'bytes',
  decode: (bytes) => Buffer.from(bytes),
  encode: (message: unknown) => {
    if (message instanceof Uint8Array) return message
    throw new TypeError(`it is ${shown(message)}, not a Uint8Array`)
  },
}

const packing = {
  useRecords: false,
  mapsAsObjects: true,
  copyBuffers: true,
  encodeUndefinedAsNil: true,
  // numbers where they hold it, else BigInts; its declarations leave it out
  ...({ int64AsType: 'auto' } as object),
}

/**
 * MessagePack. Maps are objects, timestamps are Dates, whole numbers beyond 2^53 are BigInts, binary is a Buffer of its own;
 * undefined is written as nil, an absent value, and -0 as 0. What comes out may be anything: give the topic a schema.
 */
export function messagePackCodec<M = unknown>(): Codec<M> {
  const packr = new Packr(packing)
  return {
    name: 'MessagePack',
    decode: (bytes) => packr.unpack(bytes) as M,
    encode: (message) => {
      refuseLost(message, '')
      return packr.pack(message)
    },
  }
}

/** Throws for what MessagePack has nothing for: it would be written as something else. */
function refuseLost(value: unknown, path: string): void {
  if (typeof value === 'function' || typeof value === 'symbol' || isLost(value))
    throw new TypeError(`${path === '' ? 'it' : path} is ${shown(value)}, which MessagePack does not have`)
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return
  if (Array.isArray(value)) for (const [i, one] of value.entries()) refuseLost(one, `${path}[${String(i)}]`)
  else for (const [field, one] of Object.entries(value)) refuseLost(one, path === '' ? field : `${path}.${field}`)
}

const LOST = [Set, WeakSet, WeakMap, Promise, RegExp, Error] as const
const isLost = (value: unknown): boolean => typeof value === 'object' && LOST.some((type) => value instanceof type)

/** Errors that condemn a record in words of their own. */
const OF_A_RECORD: ReadonlySet<ErrorCode> = new Set(['NOT_DECODABLE', 'NOT_JSON', 'NUMBER_NOT_EXACT', 'SCHEMA_UNKNOWN'])
const MAX_REASON_LENGTH = 400

/** What of a topic's definition is its format's. */
export type Format = Pick<TopicDefinition, 'decode' | 'encode' | 'codec'>

/** Throws INVALID_DEFINITION for what is no codec. */
export function codecFormat(topic: string, value: unknown, check: Check | undefined): Format {
  const codec = checked(topic, value)
  const { name } = codec
  const decoded = (bytes: Buffer, start: number, end: number): unknown => {
    try {
      return codec.decode(bytes.subarray(start, end), topic)
    } catch (error) {
      if (isPotorooError(error) && OF_A_RECORD.has(error.code)) throw error
      throw new PotorooError('NOT_DECODABLE', `A record of topic ${topic} is not ${name}: ${told(error)}`, {
        cause: error,
      })
    }
  }
  const notWritable = (reason: string, cause?: unknown): PotorooError =>
    new PotorooError('OUTPUT_INVALID', `An output can't be written to topic ${topic} as ${name}: ${reason}.`, { cause })
  return {
    decode: check === undefined ? decoded : (bytes, start, end) => validated(topic, check, decoded(bytes, start, end)),
    encode: (message) => {
      let value: unknown
      try {
        value = codec.encode(message, topic)
      } catch (error) {
        throw notWritable(told(error), error)
      }
      if (typeof value === 'string' || value instanceof Uint8Array) return value
      if (isPromise(value)) value.then(undefined, () => undefined)
      throw notWritable(`its codec gave ${shown(value)}, neither bytes nor a string`)
    },
    codec: {
      open: async (use) => {
        await codec.open?.(topic, use)
      },
      prepare:
        codec.prepare &&
        ((bytes, start, end) => {
          const there = codec.prepare?.(bytes.subarray(start, end), topic)
          return there?.then(() => undefined)
        }),
    },
  }
}

function checked(topic: string, value: unknown): Codec<unknown> {
  if (typeof value !== 'object' || value === null)
    throw invalid(`The codec of topic ${topic} is ${shown(value)}: it has to be an object with decode and encode.`)
  const codec = value as Partial<Readonly<Record<string, unknown>>>
  if (typeof codec['name'] !== 'string') throw invalid(`The codec of topic ${topic} has no name.`)
  for (const method of ['decode', 'encode'])
    if (typeof codec[method] !== 'function')
      throw invalid(`The codec of topic ${topic} has no method ${method}: it has to be a Codec.`)
  return value as Codec<unknown>
}

const told = (error: unknown): string => visible(shortened(messageOf(error), MAX_REASON_LENGTH))
