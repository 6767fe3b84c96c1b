/** Topics: where messages come from and go to. A topic owns schema and key, so that no pipeline repeats them. */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { PotorooError } from '../errors.js'
import { codecFormat, type Codec, type Format } from './codec.js'
import { decodeMessage, encodeMessage, type BigIntegers } from './json/codec.js'
import { JsonShapes } from './json/json-shape.js'
import type { KeyDefinition, PartitionerName, TimedDefinition, TopicDefinition } from './definition.js'
import { checkFunction, checkTopicName, invalid, isHex, isKey, shown, shownKey } from './names.js'
import { checkOf, type Check } from './schema.js'

/** Registered, so that an application and a command line that have a copy of Potoroo each understand one another. */
export const originKey: unique symbol = Symbol.for('potoroo.topic')
declare const read: unique symbol
declare const written: unique symbol

/** Where messages of type M come from: a topic, a timer, or state objects whose time is over. With `'keyed'`, each record brings a key; with `'unkeyed'`, keyBy() has to give one. */
export interface Origin<out M, K extends 'keyed' | 'unkeyed' = 'keyed' | 'unkeyed'> {
  readonly name: string
  readonly [originKey]: TopicDefinition | TimedDefinition
  /** Exists for the type checker alone. */
  readonly [read]?: { readonly message: () => M; readonly key: K }
}
/** A topic that messages of type M can be written to. */
export interface Sink<in M> {
  readonly name: string
  readonly [originKey]: TopicDefinition
  /** Exists for the type checker alone; not optional, or else every source would pass for a sink. */
  readonly [written]: (message: M) => void
}
/**
 * A topic: source and sink. `Out` is what its schema gives, `In` what its schema takes: they differ where the schema
 * fills in defaults or converts.
 */
export interface Topic<out Out, in In = Out> extends Origin<Out, 'keyed'>, Sink<In> {
  readonly [originKey]: TopicDefinition
}
/** A topic that was declared without a key: lines of a log, for example. */
export interface UnkeyedTopic<out Out, in In = Out> extends Origin<Out, 'unkeyed'>, Sink<In> {
  readonly [originKey]: TopicDefinition
}

/** The type of the messages that are read from a topic. */
export type Message<T extends Origin<unknown>> = T extends Origin<infer M> ? M : never

/** What a topic may say, whatever its messages are as bytes. */
export interface TopicSettings {
  /**
   * How many partitions the topic gets when Potoroo creates it; default 8. It bounds how many workers can share the
   * work, and is hard to change later: keys would move to other partitions. A topic that exists is taken as it is.
   */
  readonly partitions?: number
  /**
   * How producers choose the partition of a key. `murmur2` (default) is what Kafka's Java client and kafkajs do, `xxh64`
   * is for topics that only Potoroo writes. `none`: not known; records are not checked then, and the topic can't be a sink.
   */
  readonly partitioner?: PartitionerName | 'none'
  /** Where an application that has no position yet starts to read; default `earliest`. `latest` skips what is there already. */
  readonly start?: 'earliest' | 'latest'
  /** Kafka's topic configuration for its creation, `cleanup.policy` for example. */
  readonly config?: Readonly<Record<string, string>>
  /**
   * How much later than its timestamp a record may be written, at most, ms; default 1,000. Timers and times to live wait for
   * so long. A record that is later than that behind others of its partition is late.
   */
  readonly latenessMs?: number
  /**
   * What moves time while nothing comes. `clock` (default): the worker's clock, `latenessMs` and a second behind, but only
   * where the broker has shown that nothing is left and no transaction is open. `never`: nothing; timers then wait for the
   * next record, and a replay is the same also where producers write later than they say.
   */
  readonly idle?: 'clock' | 'never'
  /**
   * `message`: a record with a null value is the message null, whose key is the record's: what compacted topics say of a key
   * that was deleted. The schema is not asked about it. Written, null is a record with a null value, under the key that its
   * stream has: the topic's own `key` has nothing to read there. Default: such a record is a dead letter (VALUE_NULL).
   */
  readonly tombstones?: 'message' | undefined
  /**
   * `hex`: record keys may be any bytes, such as the numbers of Kafka's LongSerializer. Everywhere in the application a key is
   * their hex text, two digits of 0-9 and a-f for each byte, which `key` has to give, too. Default `utf8`: a key is a text;
   * other bytes are a dead letter (KEY_NOT_TEXT).
   */
  readonly keyFormat?: 'utf8' | 'hex'
}

export interface UnkeyedTopicOptions<In extends object, Out extends object> extends TopicSettings {
  /**
   * What a message is: any schema of a library that implements Standard Schema (Zod, Valibot, ArkType, …), synchronous: one
   * that answers with a promise stops the worker with INVALID_DEFINITION. One that throws condemns its message alone. (Zod's
   * before version 4 answer with a promise when they throw.)
   */
  readonly schema: StandardSchemaV1<In, Out>
  /** The messages are JSON where there is none. */
  readonly codec?: undefined
  /**
   * What becomes of whole numbers in the JSON that JavaScript can't hold (beyond 2^53, mostly). `refuse` (default): the record
   * is a dead letter, NUMBER_NOT_EXACT with the field's path. `text`: they are strings of their digits. `bigint`: they are BigInts,
   * while others are numbers (z.coerce.bigint() takes both), and outputs may have BigInts, which are written as numbers.
   */
  readonly bigIntegers?: BigIntegers
}

export interface TopicOptions<In extends object, Out extends object> extends UnkeyedTopicOptions<In, Out> {
  /**
   * The key of a message. Records of the topic must have it as their record key (UTF-8). A topic without it gives a stream
   * without a key, whatever keys its records have; what is written to it has none, and goes to the writing task's partition.
   */
  readonly key: (message: In | Out) => string
}

/** Of a topic whose values are not JSON. Its messages may be of any type. */
export interface UnkeyedCodecTopicOptions<In, Read, Out = Read> extends TopicSettings {
  /** How values are read and written: `messagePackCodec()`, or one of `potoroo/schema-registry`. */
  readonly codec: Codec<Read, In>
  /** Asked about each message that the codec has read; default: none. */
  readonly schema?: StandardSchemaV1<In, Out> | undefined
  readonly bigIntegers?: undefined
}
export interface CodecTopicOptions<In, Read, Out = Read> extends UnkeyedCodecTopicOptions<In, Read, Out> {
  /** The key of a message, as in `TopicOptions`. */
  readonly key: (message: In | Out) => string
}

/** A message, or null where a topic says that null is one. */
type OrNull<M, T> = [T] extends ['message'] ? M | null : M
type KeyedTopic<In, Out, T, P> = P extends 'none'
  ? Origin<OrNull<Out, T>, 'keyed'>
  : Topic<OrNull<Out, T>, OrNull<In, T>>
/** Of what decides the type beside the messages. */
interface Deciding<T, P = PartitionerName | 'none'> {
  readonly tombstones?: T
  readonly partitioner?: P
}
type Tombstones = 'message' | undefined
/** What the compiler says where a key is none. */
interface NoKey {
  readonly key?: 'error: a key is a function that gives a string'
}
/** As callers without types may have it. */
interface AnyTopicOptions extends TopicSettings {
  readonly schema?: unknown
  readonly codec?: unknown
  readonly key?: unknown
  readonly bigIntegers?: BigIntegers | undefined
}

export const DEFAULT_PARTITIONS = 8
const PARTITIONERS: readonly unknown[] = ['murmur2', 'xxh64', 'none']
const STARTS: readonly unknown[] = ['earliest', 'latest']
const DEFAULT_LATENESS_MS = 1000
/** A century: more is a mistake. */
const MAX_DURATION_MS = 100 * 365 * 86_400_000
const KEY_FORMATS: readonly unknown[] = ['utf8', 'hex']
const BIG_INTEGERS: readonly unknown[] = ['refuse', 'text', 'bigint']

/** Declares a topic of JSON messages, whose type is that of the schema, or with a `codec` of others. Throws INVALID_DEFINITION. */
export function topic<
  In extends object,
  Out extends object,
  const T extends Tombstones = undefined,
  const P extends PartitionerName | 'none' = 'murmur2',
>(name: string, options: TopicOptions<In, Out> & Deciding<T, P>): KeyedTopic<In, Out, T, P>
/** Of messages that a codec reads and writes; where there is a schema, it says what they are once they are read. */
export function topic<
  In,
  Read,
  Out = Read,
  const T extends Tombstones = undefined,
  const P extends PartitionerName | 'none' = 'murmur2',
>(name: string, options: CodecTopicOptions<In, Read, Out> & Deciding<T, P>): KeyedTopic<In, Out, T, P>
/** The same without a key. */
export function topic<In, Read, Out = Read, const T extends Tombstones = undefined>(
  name: string,
  options: UnkeyedCodecTopicOptions<In, Read, Out> & NoKey & Deciding<T>,
): UnkeyedTopic<OrNull<Out, T>, OrNull<In, T>>
/** Of JSON messages without a key. (The last: what is wrong with a declaration is said of it.) */
export function topic<In extends object, Out extends object, const T extends Tombstones = undefined>(
  name: string,
  options: UnkeyedTopicOptions<In, Out> & NoKey & Deciding<T>,
): UnkeyedTopic<OrNull<Out, T>, OrNull<In, T>>
export function topic(name: string, options: AnyTopicOptions): Origin<unknown> {
  checkTopicName('a topic', name)
  const {
    schema,
    key,
    partitions = DEFAULT_PARTITIONS,
    partitioner = 'murmur2',
    start = 'earliest',
    config = {},
    latenessMs = DEFAULT_LATENESS_MS,
    idle = 'clock',
    codec,
    tombstones,
    keyFormat = 'utf8',
    bigIntegers = 'refuse',
  } = options
  const format =
    codec === undefined
      ? jsonFormat(name, checkOf(name, schema), bigIntegers)
      : codecFormat(name, codec, schema === undefined ? undefined : checkOf(name, schema))
  if ('key' in options) checkFunction(`The key of topic ${name}`, key)
  if (!Number.isInteger(partitions) || partitions < 1)
    throw invalid(`Topic ${name} has partitions: ${shown(partitions)}. It has to be a whole number, 1 or more.`)
  if (!PARTITIONERS.includes(partitioner))
    throw invalid(`Topic ${name} has partitioner: ${shown(partitioner)}. It has to be 'murmur2', 'xxh64' or 'none'.`)
  if (!STARTS.includes(start))
    throw invalid(`Topic ${name} has start: ${shown(start)}. It has to be 'earliest' or 'latest'.`)
  if (!isDurationMs(latenessMs))
    throw invalid(`Topic ${name} has latenessMs: ${shown(latenessMs)}. It has to be whole milliseconds, 0 or more.`)
  if ((idle as unknown) !== 'clock' && (idle as unknown) !== 'never')
    throw invalid(`Topic ${name} has idle: ${shown(idle)}. It has to be 'clock' or 'never'.`)
  for (const [entry, value] of Object.entries<unknown>(config))
    if (typeof value !== 'string') throw invalid(`Topic ${name} has ${entry}: ${shown(value)}. It has to be a string.`)
  if (tombstones !== undefined && (tombstones as unknown) !== 'message')
    throw invalid(`Topic ${name} has tombstones: ${shown(tombstones)}. It has to be 'message', or absent.`)
  if (tombstones !== undefined && key === undefined)
    throw invalid(`Topic ${name} has tombstones, but no key: a null value says something of a key alone.`)
  if (!KEY_FORMATS.includes(keyFormat))
    throw invalid(`Topic ${name} has keyFormat: ${shown(keyFormat)}. It has to be 'utf8' or 'hex'.`)
  if (keyFormat === 'hex' && key === undefined) throw invalid(`Topic ${name} has keyFormat: 'hex', but no key.`)
  if (!BIG_INTEGERS.includes(bigIntegers))
    throw invalid(`Topic ${name} has bigIntegers: ${shown(bigIntegers)}. It has to be 'refuse', 'text' or 'bigint'.`)
  if (codec !== undefined && 'bigIntegers' in options && options.bigIntegers !== undefined)
    throw invalid(`Topic ${name} has bigIntegers, which is of JSON, beside a codec: say it to the codec.`)

  const hexKeys = keyFormat === 'hex'
  const definition: TopicDefinition = {
    name,
    partitions,
    partitioner: partitioner === 'none' ? undefined : partitioner,
    config: { ...config },
    start,
    latenessMs,
    ticks: idle === 'clock',
    ...format,
    key: key === undefined ? undefined : keyDefinition(name, key as (message: unknown) => unknown, hexKeys),
    nullIsMessage: tombstones !== undefined,
    hexKeys,
  }
  return { name, [originKey]: definition }
}

/** Whole milliseconds, a century at most. */
export const isDurationMs = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= MAX_DURATION_MS

function jsonFormat(name: string, check: Check, bigIntegers: BigIntegers): Format {
  const shapes = new JsonShapes()
  return {
    decode: (bytes, from, to) => decodeMessage(name, check, shapes, bytes, from, to, bigIntegers),
    encode: (message) => encodeMessage(name, message, bigIntegers),
  }
}

const keyDefinition = (topic: string, key: (message: unknown) => unknown, hexKeys: boolean): KeyDefinition => ({
  raw: key,
  of: (message) => {
    const value = key(message)
    if (!isKey(value))
      throw new PotorooError('OUTPUT_INVALID', `The key that topic ${topic} gives is ${shownKey(value)}.`)
    if (!hexKeys || isHex(value)) return value
    throw new PotorooError(
      'OUTPUT_INVALID',
      `The key that topic ${topic} gives is ${shown(value)}, not hex text: two digits of 0-9 and a-f for each byte.`,
    )
  },
})

/** The definition behind a topic. Throws INVALID_DEFINITION for anything else, naming `where` it was found. */
export function topicDefinition(value: unknown, where: string): TopicDefinition {
  const found = originDefinition(value)
  if (found !== undefined && !('kind' in found)) return found
  throw invalid(`${where} is ${shown(value)}: it has to be a topic, made with topic().`)
}

/** The definition behind what from() takes; undefined for anything else. */
export const originDefinition = (value: unknown): TopicDefinition | TimedDefinition | undefined =>
  typeof value === 'object' && value !== null && originKey in value
    ? (value[originKey] as TopicDefinition | TimedDefinition)
    : undefined
