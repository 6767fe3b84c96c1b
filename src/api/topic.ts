/** Topics: where messages come from and go to. A topic owns its schema and key, so that pipelines don't repeat them. */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { PotorooError } from '../errors.js'
import { codecFormat, type Codec, type Format } from './codec.js'
import { decodeMessage, encodeMessage, type BigIntegers } from './json/codec.js'
import { JsonShapes } from './json/json-shape.js'
import type { KeyDefinition, PartitionerName, TimedDefinition, TopicDefinition } from './definition.js'
import { checkFunction, checkTopicName, invalid, isHex, isKey, shown, shownKey } from './names.js'
import { checkOf, type Check } from './schema.js'

/** Registered, so that an application and a command line that each have a copy of Potoroo understand one another. */
export const originKey: unique symbol = Symbol.for('potoroo.topic')
declare const read: unique symbol
declare const written: unique symbol

/**
 * Where messages of type M come from: a topic, a timer, or state objects whose ttl has ended. With `'keyed'`, each
 * record has a key; with `'unkeyed'`, use keyBy() to give it one.
 */
export interface Origin<out M, K extends 'keyed' | 'unkeyed' = 'keyed' | 'unkeyed'> {
  readonly name: string
  readonly [originKey]: TopicDefinition | TimedDefinition
  /** Exists only for the type checker. */
  readonly [read]?: { readonly message: () => M; readonly key: K }
}
/** A topic that messages of type M can be written to. */
export interface Sink<in M> {
  readonly name: string
  readonly [originKey]: TopicDefinition
  /** Exists only for the type checker; not optional, or else every source would pass for a sink. */
  readonly [written]: (message: M) => void
}
/**
 * A topic: source and sink. `Out` is what its schema returns, `In` what its schema takes: they differ if the schema
 * fills in defaults or converts.
 */
export interface Topic<out Out, in In = Out> extends Origin<Out, 'keyed'>, Sink<In> {
  readonly [originKey]: TopicDefinition
}
/** A topic that is declared without a key: lines of a log, for example. */
export interface UnkeyedTopic<out Out, in In = Out> extends Origin<Out, 'unkeyed'>, Sink<In> {
  readonly [originKey]: TopicDefinition
}

/** The type of the messages that are read from a topic. */
export type Message<T extends Origin<unknown>> = T extends Origin<infer M> ? M : never

/** The options of a topic, whatever its format. */
export interface TopicSettings {
  /**
   * How many partitions the topic gets when Potoroo creates it; default 8. It limits how many workers can share the
   * work, and is hard to change later, because keys would move to other partitions. An existing topic is left as it is.
   */
  readonly partitions?: number
  /**
   * How producers choose the partition of a key. `murmur2` (default) is what Kafka's Java client and kafkajs use,
   * `xxh64` is for topics that only Potoroo writes. `none`: not known; then records are not checked, and the topic
   * can't be a sink.
   */
  readonly partitioner?: PartitionerName | 'none'
  /**
   * Where an application that has no position yet starts to read; default `earliest`. `latest` skips what is there
   * already.
   */
  readonly start?: 'earliest' | 'latest'
  /** Kafka's configuration for the topic when it is created, for example `cleanup.policy`. */
  readonly config?: Readonly<Record<string, string>>
  /**
   * The longest time after its timestamp at which a record may be written, ms; default 1,000. Timers and times to live
   * wait this long. A record that is further than this behind others of its partition is late.
   */
  readonly latenessMs?: number
  /**
   * What advances time while nothing arrives. `clock` (default): the worker's clock, minus `latenessMs` and a second,
   * but only after the broker has shown that nothing is left and no transaction is open. `never`: nothing; then timers
   * wait for the next record, and a replay gives the same result even if producers write later than declared.
   */
  readonly idle?: 'clock' | 'never'
  /**
   * `message`: a record with a null value is the message null, whose key is the record's: this is how compacted topics
   * mark a deleted key. The schema is not applied to it. When null is written, it becomes a record with a null value
   * and the key of its stream: the topic's own `key` has nothing to read. Default: such a record is a dead letter
   * (VALUE_NULL).
   */
  readonly tombstones?: 'message' | undefined
  /**
   * `hex`: record keys may be any bytes, such as the numbers of Kafka's LongSerializer. Everywhere in the application a
   * key is then their hex text, two digits of 0-9 and a-f for each byte, and `key` must return that too. Default
   * `utf8`: a key is text; other bytes are a dead letter (KEY_NOT_TEXT).
   */
  readonly keyFormat?: 'utf8' | 'hex'
}

export interface UnkeyedTopicOptions<In extends object, Out extends object> extends TopicSettings {
  /**
   * The schema of a message: any schema of a library that implements Standard Schema (Zod, Valibot, ArkType, …),
   * synchronous: one that returns a promise stops the worker with INVALID_DEFINITION. One that throws condemns only its
   * message. (Zod before version 4 returns a promise when it throws.)
   */
  readonly schema: StandardSchemaV1<In, Out>
  /** Without a codec, messages are JSON. */
  readonly codec?: undefined
  /**
   * What happens to whole numbers in the JSON that JavaScript can't represent exactly (beyond 2^53, mostly). `refuse`
   * (default): the record is a dead letter, NUMBER_NOT_EXACT with the field's path. `text`: they become strings of
   * their digits. `bigint`: they become BigInts, while others stay numbers (z.coerce.bigint() takes both), and outputs
   * may have BigInts, which are written as numbers.
   */
  readonly bigIntegers?: BigIntegers
}

export interface TopicOptions<In extends object, Out extends object> extends UnkeyedTopicOptions<In, Out> {
  /**
   * The key of a message. Records of the topic must have it as their record key (UTF-8). A topic without it gives a
   * stream without a key, whatever keys its records have; what is written to it has no key, and goes to the partition
   * with the number of the writing task.
   */
  readonly key: (message: In | Out) => string
}

/** For a topic whose values are not JSON. Its messages may have any type. */
export interface UnkeyedCodecTopicOptions<In, Read, Out = Read> extends TopicSettings {
  /** How values are read and written: `messagePackCodec()`, or a codec of `potoroo/schema-registry`. */
  readonly codec: Codec<Read, In>
  /** Applied to each message that the codec has read; default: none. */
  readonly schema?: StandardSchemaV1<In, Out> | undefined
  readonly bigIntegers?: undefined
}
export interface CodecTopicOptions<In, Read, Out = Read> extends UnkeyedCodecTopicOptions<In, Read, Out> {
  /** The key of a message, as in `TopicOptions`. */
  readonly key: (message: In | Out) => string
}

/** A message, or null if the topic declares that null is one. */
type OrNull<M, T> = [T] extends ['message'] ? M | null : M
type KeyedTopic<In, Out, T, P> = P extends 'none'
  ? Origin<OrNull<Out, T>, 'keyed'>
  : Topic<OrNull<Out, T>, OrNull<In, T>>
/** The part of the options that determines the type of messages. */
interface Deciding<T, P = PartitionerName | 'none'> {
  readonly tombstones?: T
  readonly partitioner?: P
}
type Tombstones = 'message' | undefined
/** What the compiler shows for a key that is not one. */
interface NoKey {
  readonly key?: 'error: a key must be a function that returns a string'
}
/** The options as a caller without types may pass them. */
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

/**
 * Declares a topic of JSON messages with the type of the schema, or of other messages with a `codec`. Throws
 * INVALID_DEFINITION.
 */
export function topic<
  In extends object,
  Out extends object,
  const T extends Tombstones = undefined,
  const P extends PartitionerName | 'none' = 'murmur2',
>(name: string, options: TopicOptions<In, Out> & Deciding<T, P>): KeyedTopic<In, Out, T, P>
/** For messages that a codec reads and writes; a schema, if there is one, determines their type once they are read. */
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
/** For JSON messages without a key. (The last overload: the compiler's errors refer to it.) */
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
    throw invalid(`Topic ${name} has partitions: ${shown(partitions)}. It must be a whole number, 1 or more.`)
  if (!PARTITIONERS.includes(partitioner))
    throw invalid(`Topic ${name} has partitioner: ${shown(partitioner)}. It must be 'murmur2', 'xxh64' or 'none'.`)
  if (!STARTS.includes(start))
    throw invalid(`Topic ${name} has start: ${shown(start)}. It must be 'earliest' or 'latest'.`)
  if (!isDurationMs(latenessMs))
    throw invalid(`Topic ${name} has latenessMs: ${shown(latenessMs)}. It must be whole milliseconds, 0 or more.`)
  if ((idle as unknown) !== 'clock' && (idle as unknown) !== 'never')
    throw invalid(`Topic ${name} has idle: ${shown(idle)}. It must be 'clock' or 'never'.`)
  for (const [entry, value] of Object.entries<unknown>(config))
    if (typeof value !== 'string') throw invalid(`Topic ${name} has ${entry}: ${shown(value)}. It must be a string.`)
  if (tombstones !== undefined && (tombstones as unknown) !== 'message')
    throw invalid(`Topic ${name} has tombstones: ${shown(tombstones)}. It must be 'message', or absent.`)
  if (tombstones !== undefined && key === undefined)
    throw invalid(`Topic ${name} has tombstones, but no key: a null value has a meaning only for a key.`)
  if (!KEY_FORMATS.includes(keyFormat))
    throw invalid(`Topic ${name} has keyFormat: ${shown(keyFormat)}. It must be 'utf8' or 'hex'.`)
  if (keyFormat === 'hex' && key === undefined) throw invalid(`Topic ${name} has keyFormat: 'hex', but no key.`)
  if (!BIG_INTEGERS.includes(bigIntegers))
    throw invalid(`Topic ${name} has bigIntegers: ${shown(bigIntegers)}. It must be 'refuse', 'text' or 'bigint'.`)
  if (codec !== undefined && 'bigIntegers' in options && options.bigIntegers !== undefined)
    throw invalid(`Topic ${name} has both bigIntegers, which is an option for JSON, and a codec: set it on the codec.`)

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
      throw new PotorooError('OUTPUT_INVALID', `The key function of topic ${topic} returned ${shownKey(value)}.`)
    if (!hexKeys || isHex(value)) return value
    throw new PotorooError(
      'OUTPUT_INVALID',
      `The key function of topic ${topic} returned ${shown(value)}, not hex text: two digits of 0-9 and a-f for each byte.`,
    )
  },
})

/** The definition behind a topic. Throws INVALID_DEFINITION for anything else, naming `where` it was found. */
export function topicDefinition(value: unknown, where: string): TopicDefinition {
  const found = originDefinition(value)
  if (found !== undefined && !('kind' in found)) return found
  throw invalid(`${where} is ${shown(value)}: it must be a topic, created with topic().`)
}

/** The definition behind what from() takes; undefined for anything else. */
export const originDefinition = (value: unknown): TopicDefinition | TimedDefinition | undefined =>
  typeof value === 'object' && value !== null && originKey in value
    ? (value[originKey] as TopicDefinition | TimedDefinition)
    : undefined
