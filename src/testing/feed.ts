/** Turns what a test pipes into records on the partitions of a topic. */
import type { TopicDefinition } from '../api/definition.js'
import { partitionOf } from '../core/plan/partitioner.js'
import { MAX_KEY_BYTES } from '../core/state/store-key.js'
import { RecordWriter, type RecordHeader } from '../core/records/records.js'
import { PotorooError } from '../errors.js'
import type { World } from './world.js'

export interface PipeOptions {
  /** The records' timestamp, whole ms since the epoch; default: the time at which each is piped. */
  readonly timestampMs?: number
  readonly headers?: Readonly<Record<string, string | Uint8Array>>
  /**
   * The key of null messages, which have none themselves, for a topic with tombstones. In the form that the application
   * uses.
   */
  readonly key?: string
  /** Where the records go, whatever their keys; default: where the topic's partitioner puts them. */
  readonly partition?: number
}

/** A record as any producer might write it, right or wrong. */
export interface RawMessage extends Omit<PipeOptions, 'key'> {
  readonly key?: string | Uint8Array | null
  readonly value: string | Uint8Array | null
}

export interface FeedRecord {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly options: PipeOptions
}

/**
 * A message as its topic has it. Throws if it is not valid: SCHEMA_MISMATCH, OUTPUT_INVALID, KEY_TOO_LONG,
 * INVALID_TEST.
 */
export function recordOf(topic: TopicDefinition, message: unknown, options: PipeOptions): FeedRecord {
  if (message === null && topic.nullIsMessage === true) return { key: keyOfNull(topic, options), value: null, options }
  const value = Buffer.from(topic.encode(message))
  if (topic.key === undefined) return { key: null, value, options }
  // The key is that of the message after decoding, because a schema may convert.
  const key = keyBytes(topic, topic.key.of(topic.decode(value, 0, value.length)))
  if (key.length > MAX_KEY_BYTES)
    throw new PotorooError(
      'KEY_TOO_LONG',
      `The key of a message for topic ${topic.name} has ${String(key.length)} bytes, more than ${String(MAX_KEY_BYTES)}.`,
    )
  return { key, value, options }
}

function keyOfNull(topic: TopicDefinition, { key }: PipeOptions): Buffer {
  if (key !== undefined) return keyBytes(topic, key)
  throw new PotorooError(
    'INVALID_TEST',
    `null was piped into topic ${topic.name} without a key: pass { key: '…' } after it.`,
  )
}

/** The bytes of a key in the form that the application uses. */
export const keyBytes = (topic: Pick<TopicDefinition, 'hexKeys'>, key: string): Buffer =>
  Buffer.from(key, topic.hexKeys === true ? 'hex' : 'utf8')

export function rawRecordOf({ key, value, ...options }: RawMessage): FeedRecord {
  const bytes = (of: string | Uint8Array | null): Uint8Array | null => (typeof of === 'string' ? Buffer.from(of) : of)
  return { key: bytes(key ?? null), value: bytes(value), options }
}

/**
 * Appends records in order. A record without a timestamp gets a millisecond of its own, so that records of several
 * topics are processed in the order in which they were piped. All or nothing: throws INVALID_TEST or RECORD_TOO_LARGE
 * before anything is appended.
 */
export async function feed(world: World, topic: TopicDefinition, records: readonly FeedRecord[]): Promise<void> {
  const { cluster, scheduler } = world
  const maxBytes = cluster.describeTopic(topic.name)?.maxMessageBytes ?? 0
  const writers = new Map<number, RecordWriter>()
  let atMs = Math.floor(scheduler.nowMs)
  for (const { key, value, options } of records) {
    const partition = partitionFor(world, topic, key, options)
    const timestampMs = timestampOf(options) ?? ++atMs
    let writer = writers.get(partition)
    if (writer === undefined) writers.set(partition, (writer = new RecordWriter(maxBytes)))
    if (!writer.append(timestampMs, key, value, headersOf(options)))
      throw new PotorooError(
        'RECORD_TOO_LARGE',
        `A record for topic ${topic.name} is larger than it takes (max.message.bytes ${String(maxBytes)}).`,
      )
  }
  // The time passes before they are written, so that none is from the future.
  await world.advance(Math.max(0, atMs - scheduler.nowMs))
  for (const [partition, writer] of writers) cluster.append({ topic: topic.name, partition }, writer.take())
}

function partitionFor(
  { options: { partitions } }: World,
  topic: TopicDefinition,
  key: Uint8Array | null,
  { partition }: PipeOptions,
): number {
  if (partition === undefined) return key === null ? 0 : partitionOf(topic.partitioner ?? 'murmur2', key, partitions)
  if (Number.isInteger(partition) && partition >= 0 && partition < partitions) return partition
  throw new PotorooError(
    'INVALID_TEST',
    `There is no partition ${String(partition)} of topic ${topic.name}: there are ${String(partitions)}, from 0. ` +
      'TestDriver.start() can set another number.',
  )
}

function timestampOf({ timestampMs }: PipeOptions): number | undefined {
  if (timestampMs === undefined || (Number.isSafeInteger(timestampMs) && timestampMs >= 0)) return timestampMs
  throw new PotorooError('INVALID_TEST', `timestampMs is ${String(timestampMs)}: it must be whole milliseconds.`)
}

const headersOf = ({ headers = {} }: PipeOptions): RecordHeader[] =>
  Object.entries(headers).map(([key, value]) => ({
    key,
    value: typeof value === 'string' ? Buffer.from(value) : value,
  }))
