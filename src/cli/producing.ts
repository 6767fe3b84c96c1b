/**
 * NDJSON into a topic, as its definition says.
 *
 * Order: what one chunk of input brings is sent, and acknowledged, before the next is; so lines of one key stay in their
 * order, and no more than a chunk is in memory.
 */
import type { TopicDefinition } from '../api/definition.js'
import { readJson } from '../api/json/codec.js'
import { PlainReader } from '../api/json/json-reader.js'
import { shown } from '../api/names.js'
import { partitionOf } from '../core/plan/partitioner.js'
import type { RecordHeader } from '../core/records/records.js'
import { MAX_KEY_BYTES } from '../core/state/store-key.js'
import { isPotorooError, PotorooError } from '../errors.js'
import type { Delivery } from '../kafka/idempotent-producer.js'
import type { TopicInfo } from '../ports/log.js'
import { type Line, linesOf } from './lines.js'

export interface KeyedRecord {
  /** From 1. */
  readonly line: number
  readonly partition: number
  readonly key: Buffer | null
  /** The line as it was, byte for byte; of a topic with a codec, what that makes of it. */
  readonly value: Buffer
  /** Undefined: when it is sent. */
  readonly timestampMs?: number
  readonly headers?: readonly RecordHeader[]
}
export interface RefusedLine {
  readonly number: number
  readonly error: PotorooError
}
export interface ProduceTarget {
  readonly definition: TopicDefinition
  readonly topic: TopicInfo
  /** Where the time of a line stands in it: names of fields, one in the other. Undefined: it is when it is sent. */
  readonly timestampField?: readonly string[] | undefined
  /** Of every record. */
  readonly headers?: readonly RecordHeader[] | undefined
  /** Resolves with what became of them, partition by partition. */
  send(records: readonly KeyedRecord[]): Promise<readonly Delivery<KeyedRecord>[]>
  refused(line: RefusedLine): void
  /** Lines taken so far, refused ones among them. */
  progress(lines: number): void
}
export interface Produced {
  /** How many records the brokers acknowledged, by partition. */
  readonly acknowledged: ReadonlyMap<number, number>
  /** Lines that do not fit the topic. */
  readonly refused: number
  /** What ended it before the end of the input. */
  readonly failure: ProduceFailure | undefined
}
export interface ProduceFailure {
  readonly error: PotorooError
  /** Lines that were sent and not acknowledged, ascending. */
  readonly missing: readonly number[]
  /** The last line that was looked at; those after it were not. */
  readonly lastLine: number
}

export const totalOf = (acknowledged: Produced['acknowledged']): number =>
  [...acknowledged.values()].reduce((sum, count) => sum + count, 0)

/** Of a batch with one record: its header, and the record's lengths and deltas at their longest. */
const BATCH_OVERHEAD_BYTES = 61 + 36
/** Of a header: its two lengths at their longest. */
const HEADER_OVERHEAD_BYTES = 10

/** `partitionOf` of the definition's partitioner must be loaded. Rejects with defects only: all else is its failure. */
export async function produceLines(input: AsyncIterable<Buffer>, target: ProduceTarget): Promise<Produced> {
  const { headers = [], topic } = target
  const headerBytes = headers.reduce(
    (sum, { key, value }) => sum + Buffer.byteLength(key) + (value?.length ?? 0) + HEADER_OVERHEAD_BYTES,
    0,
  )
  const maxRecordBytes = topic.maxMessageBytes - BATCH_OVERHEAD_BYTES - headerBytes
  const acknowledged = new Map<number, number>()
  let refused = 0
  let lastLine = 0
  const ended = (error: PotorooError, missing: readonly number[] = []): Produced => ({
    acknowledged,
    refused,
    failure: { error, missing, lastLine },
  })
  try {
    for await (const lines of linesOf(input, maxRecordBytes)) {
      const records: KeyedRecord[] = []
      for (const line of lines) {
        try {
          records.push(recordOf(line, target, maxRecordBytes))
        } catch (error) {
          if (!isPotorooError(error) || error.code === 'INVALID_DEFINITION') throw error
          refused += 1
          target.refused({ number: line.number, error })
        }
        lastLine = line.number
      }
      const deliveries = await target.send(records)
      for (const { partition, acknowledged: count } of deliveries)
        acknowledged.set(partition, (acknowledged.get(partition) ?? 0) + count)
      const failed = deliveries.find(({ error }) => error !== undefined)
      if (failed?.error !== undefined) {
        const missing = deliveries.flatMap(({ missing }) => missing.map(({ line }) => line))
        return ended(
          failed.error,
          missing.sort((a, b) => a - b),
        )
      }
      target.progress(totalOf(acknowledged) + refused)
    }
  } catch (error) {
    if (!isPotorooError(error)) throw error
    return ended(error)
  }
  return { acknowledged, refused, failure: undefined }
}

/** `7, 9-12` */
export function rangesOf(ascending: readonly number[]): string {
  const ranges: { first: number; last: number }[] = []
  for (const number of ascending) {
    const before = ranges.at(-1)
    if (before !== undefined && number <= before.last + 1) before.last = number
    else ranges.push({ first: number, last: number })
  }
  return ranges
    .map(({ first, last }) => (first === last ? String(first) : `${String(first)}-${String(last)}`))
    .join(', ')
}

function recordOf(line: Line, target: ProduceTarget, maxRecordBytes: number): KeyedRecord {
  const { definition, topic, timestampField, headers } = target
  const { bytes } = line
  if (bytes === undefined) throw tooLarge(topic, maxRecordBytes)
  const { partitioner } = definition
  if (partitioner === undefined) throw unknownPartitioner(definition)
  const value = definition.codec === undefined ? bytes : encodedLine(definition, bytes)
  const message = definition.decode(value, 0, value.length)
  const beside = {
    line: line.number,
    value,
    ...(timestampField === undefined ? {} : { timestampMs: timestampIn(bytes, timestampField) }),
    ...(headers === undefined ? {} : { headers }),
  }
  if (definition.key === undefined) {
    if (value.length > maxRecordBytes) throw tooLarge(topic, maxRecordBytes)
    return { ...beside, partition: line.number % topic.partitions, key: null }
  }
  const key = Buffer.from(definition.key.of(message), definition.hexKeys === true ? 'hex' : 'utf8')
  if (key.length > MAX_KEY_BYTES)
    throw new PotorooError('KEY_TOO_LONG', `the key has ${String(key.length)} bytes of UTF-8`)
  if (value.length + key.length > maxRecordBytes) throw tooLarge(topic, maxRecordBytes)
  return { ...beside, partition: partitionOf(partitioner, key, topic.partitions), key }
}

/** A line has JSON, whatever its topic has. */
function encodedLine(definition: TopicDefinition, line: Buffer): Buffer {
  return Buffer.from(definition.encode(readJson(definition.name, new PlainReader(), line, 0, line.length)))
}

/** Of the line itself: what the schema makes of it may lack the field, or have it as something else. */
function timestampIn(line: Buffer, field: readonly string[]): number {
  let found: unknown = JSON.parse(line.toString())
  for (const name of field)
    found =
      typeof found === 'object' && found !== null && Object.hasOwn(found, name) ? Reflect.get(found, name) : undefined
  const ms = typeof found === 'string' && ISO_TIME.test(found) ? Date.parse(found) : found
  if (typeof ms === 'number' && Number.isSafeInteger(ms) && ms >= 0) return ms
  throw new PotorooError(
    'SCHEMA_MISMATCH',
    `${field.join('.')} is ${shown(found)}: a timestamp must be whole milliseconds since 1970, or text such as 2026-01-31T12:00:00Z`,
  )
}

/** With its zone: a time without one would be another on each machine. */
const ISO_TIME = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d))?$/

const tooLarge = (topic: TopicInfo, maxRecordBytes: number): PotorooError =>
  new PotorooError('RECORD_TOO_LARGE', `topic ${topic.name} takes records of up to ${String(maxRecordBytes)} bytes`)

export const unknownPartitioner = (definition: TopicDefinition): PotorooError =>
  new PotorooError(
    'INVALID_CONFIGURATION',
    `topic ${definition.name} declares no partitioner, so Potoroo can't tell where its records belong: only its own producers can write to it`,
  )
