/**
 * Codecs: how the values of a topic are represented as bytes, if not in JSON. This file has the interface, and the
 * codecs that need no other package; those of a schema registry are in src/schema-registry.
 *
 * Invariants
 * 1. Whatever decoding a record throws becomes an error of that record: one of the codes in `OF_A_RECORD`, or
 *    NOT_DECODABLE.
 * 2. What the codecs here decode keeps no view of a record's bytes, whose memory is reused.
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
 * How the values of a topic are read and written, in place of JSON: `Out` is what it reads, `In` what it can write. One
 * codec may serve several topics: each method gets the topic's name. `decode` and `encode` run for every message, so
 * they are synchronous; do what takes time in `open` and `prepare`, which run before them.
 */
export interface Codec<out Out, in In = Out> {
  /** Its name in errors: `MessagePack`. */
  readonly name: string
  /**
   * Returns the message in a record's value. Anything that it throws sends the record to the dead letters
   * (NOT_DECODABLE, with the error's message). The bytes are valid only until it returns, because their memory is
   * reused: copy what you keep.
   */
  decode(bytes: Buffer, topic: string): Out
  /**
   * Returns the value of a message: text is written as UTF-8; bytes must not change afterwards. What it throws is
   * OUTPUT_INVALID, handled like an error of the computation.
   */
  encode(message: In, topic: string): Uint8Array | string
  /**
   * Called when a worker starts, once for each topic and use, before anything is read. It may load packages, and what
   * writing needs. While it rejects, the worker waits, logs that it does, and tries again with growing pauses; a
   * PotorooError that is not `retriable` stops the worker.
   */
  open?(topic: string, use: 'read' | 'write'): Promise<unknown>
  /**
   * Called for each fetched record before it may be decoded. Returns a promise if decoding needs something that is not
   * available yet, such as a schema, or else undefined. Until the promise resolves, this partition's input waits,
   * including what was fetched together with the record; the task's other inputs and other tasks continue. If it
   * rejects, it is treated like `open`, and called again. It must look at the bytes before it returns.
   */
  prepare?(bytes: Buffer, topic: string): Promise<unknown> | undefined
}

/**
 * UTF-8 text. Other bytes become dead letters (NOT_DECODABLE): nothing is read as U+FFFD that was not written as such.
 */
export const stringCodec: Codec<string> = {
  name: 'text',
  decode: (bytes) => {
    if (!isUtf8(bytes)) throw new TypeError('it is not UTF-8')
    return bytes.toString()
  },
  encode: (message: unknown) => {
    if (typeof message !== 'string') throw new TypeError(`it is ${shown(message)}, not a string`)
    if (!message.isWellFormed()) throw new TypeError("it has a lone surrogate, which UTF-8 can't encode")
    return message
  },
}

/** The value's bytes as they are, in a Buffer of their own that may be kept. */
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
 * MessagePack. Maps become objects, timestamps Dates, whole numbers beyond 2^53 BigInts, and binary a Buffer of its
 * own; undefined is written as nil, an absent value, and -0 as 0. The result may be anything: give the topic a schema.
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

/** Throws for what MessagePack can't represent: it would be written as something else. */
function refuseLost(value: unknown, path: string): void {
  if (typeof value === 'function' || typeof value === 'symbol' || isLost(value))
    throw new TypeError(`${path === '' ? 'it' : path} is ${shown(value)}, which MessagePack can't represent`)
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return
  if (Array.isArray(value)) for (const [i, one] of value.entries()) refuseLost(one, `${path}[${String(i)}]`)
  else for (const [field, one] of Object.entries(value)) refuseLost(one, path === '' ? field : `${path}.${field}`)
}

const LOST = [Set, WeakSet, WeakMap, Promise, RegExp, Error] as const
const isLost = (value: unknown): boolean => typeof value === 'object' && LOST.some((type) => value instanceof type)

/** Errors that condemn a record and have codes of their own. */
const OF_A_RECORD: ReadonlySet<ErrorCode> = new Set(['NOT_DECODABLE', 'NOT_JSON', 'NUMBER_NOT_EXACT', 'SCHEMA_UNKNOWN'])
const MAX_REASON_LENGTH = 400

/** The part of a topic's definition that depends on its format. */
export type Format = Pick<TopicDefinition, 'decode' | 'encode' | 'codec'>

/** Throws INVALID_DEFINITION for anything that is not a codec. */
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
      throw notWritable(`its codec returned ${shown(value)}, which is neither bytes nor a string`)
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
    throw invalid(`The codec of topic ${topic} is ${shown(value)}: it must be an object with decode and encode.`)
  const codec = value as Partial<Readonly<Record<string, unknown>>>
  if (typeof codec['name'] !== 'string') throw invalid(`The codec of topic ${topic} has no name.`)
  for (const method of ['decode', 'encode'])
    if (typeof codec[method] !== 'function')
      throw invalid(`The codec of topic ${topic} has no method ${method}: it must be a Codec.`)
  return value as Codec<unknown>
}

const told = (error: unknown): string => visible(shortened(messageOf(error), MAX_REASON_LENGTH))
