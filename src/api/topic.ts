/** Topics: where messages come from and go to. A topic owns schema and key, so that no pipeline repeats them. */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { PotorooError } from '../errors.js'
import { decodeMessage, encodeMessage, type Validator } from './json/codec.js'
import { JsonShapes } from './json/json-shape.js'
import type { KeyDefinition, PartitionerName, TimedDefinition, TopicDefinition } from './definition.js'
import { checkFunction, checkTopicName, invalid, isKey, shown, shownKey } from './names.js'
import { isZodSchema, zodValidator } from './zod-schema.js'

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

export interface UnkeyedTopicOptions<In extends object, Out extends object> {
  /**
   * What a message is: any schema of a library that implements Standard Schema (Zod, Valibot, ArkType, …), synchronous: one
   * that answers with a promise stops the worker with INVALID_DEFINITION. One that throws condemns its message alone. (Zod's
   * before version 4 answer with a promise when they throw.)
   */
  readonly schema: StandardSchemaV1<In, Out>
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
}

export interface TopicOptions<In extends object, Out extends object> extends UnkeyedTopicOptions<In, Out> {
  /**
   * The key of a message. Records of the topic must have it as their record key (UTF-8). A topic without it gives a stream
   * without a key, whatever keys its records have; what is written to it has none, and goes to the writing task's partition.
   */
  readonly key: (message: In | Out) => string
}

export const DEFAULT_PARTITIONS = 8
const PARTITIONERS: readonly unknown[] = ['murmur2', 'xxh64', 'none']
const STARTS: readonly unknown[] = ['earliest', 'latest']
const DEFAULT_LATENESS_MS = 1000
/** A century: more is a mistake. */
const MAX_DURATION_MS = 100 * 365 * 86_400_000

/** Declares a topic. Throws INVALID_DEFINITION. */
export function topic<In extends object, Out extends object>(
  name: string,
  options: TopicOptions<In, Out> & { readonly partitioner: 'none' },
): Origin<Out, 'keyed'>
export function topic<In extends object, Out extends object>(
  name: string,
  options: TopicOptions<In, Out> & { readonly partitioner?: PartitionerName },
): Topic<Out, In>
export function topic<In extends object, Out extends object>(
  name: string,
  options: UnkeyedTopicOptions<In, Out> & { readonly key?: never },
): UnkeyedTopic<Out, In>
export function topic<In extends object, Out extends object>(
  name: string,
  options: UnkeyedTopicOptions<In, Out> & Partial<Pick<TopicOptions<In, Out>, 'key'>>,
): Origin<Out> {
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
  } = options
  const validator = validatorOf(name, schema)
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

  const shapes = new JsonShapes()
  const definition: TopicDefinition = {
    name,
    partitions,
    partitioner: partitioner === 'none' ? undefined : partitioner,
    config: { ...config },
    start,
    latenessMs,
    ticks: idle === 'clock',
    decode: (bytes, from, to) => decodeMessage(name, validator, shapes, bytes, from, to),
    encode: (message) => encodeMessage(name, message),
    key: key && keyDefinition(name, key as (message: unknown) => unknown),
  }
  return { name, [originKey]: definition }
}

/** Whole milliseconds, a century at most. */
export const isDurationMs = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= MAX_DURATION_MS

const keyDefinition = (topic: string, key: (message: unknown) => unknown): KeyDefinition => ({
  raw: key,
  of: (message) => {
    const value = key(message)
    if (isKey(value)) return value
    throw new PotorooError('OUTPUT_INVALID', `The key that topic ${topic} gives is ${shownKey(value)}.`)
  },
})

function validatorOf(name: string, schema: unknown): Validator {
  // a schema may be a function, too
  if ((typeof schema === 'object' && schema !== null) || typeof schema === 'function') {
    const standard: unknown = (schema as Partial<StandardSchemaV1>)['~standard']
    if (
      typeof standard === 'object' &&
      standard !== null &&
      'validate' in standard &&
      typeof standard.validate === 'function'
    )
      return isZodSchema(schema) ? zodValidator(schema) : (standard as Validator)
  }
  throw invalid(`The schema of topic ${name} doesn't implement Standard Schema (https://standardschema.dev).`)
}

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
