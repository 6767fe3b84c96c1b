/**
 * NDJSON into a topic, as its definition says.
 *
 * Order: what one chunk of input brings is sent, and acknowledged, before the next is; so lines of one key stay in their
 * order, and no more than a chunk is in memory.
 */
import type { TopicDefinition } from '../api/definition.js'
import { readJson } from '../api/json/codec.js'
import { PlainReader } from '../api/json/json-reader.js'
import { partitionOf } from '../core/plan/partitioner.js'
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
}
export interface RefusedLine {
  readonly number: number
  readonly error: PotorooError
}
export interface ProduceTarget {
  readonly definition: TopicDefinition
  readonly topic: TopicInfo
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
  /** The last line that was looked at; those behind it were not. */
  readonly lastLine: number
}

export const totalOf = (acknowledged: Produced['acknowledged']): number =>
  [...acknowledged.values()].reduce((sum, count) => sum + count, 0)

/** Of a batch with one record: its header, and the record's lengths and deltas at their longest. */
const BATCH_OVERHEAD_BYTES = 61 + 36

/** `partitionOf` of the definition's partitioner must be loaded. Rejects with defects only: all else is its failure. */
export async function produceLines(input: AsyncIterable<Buffer>, target: ProduceTarget): Promise<Produced> {
  const maxRecordBytes = target.topic.maxMessageBytes - BATCH_OVERHEAD_BYTES
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

function recordOf(line: Line, { definition, topic }: ProduceTarget, maxRecordBytes: number): KeyedRecord {
  const { bytes } = line
  if (bytes === undefined) throw tooLarge(topic, maxRecordBytes)
  const { partitioner } = definition
  if (partitioner === undefined) throw unknownPartitioner(definition)
  const value = definition.codec === undefined ? bytes : encodedLine(definition, bytes)
  const message = definition.decode(value, 0, value.length)
  if (definition.key === undefined) {
    if (value.length > maxRecordBytes) throw tooLarge(topic, maxRecordBytes)
    return { line: line.number, partition: line.number % topic.partitions, key: null, value }
  }
  const key = Buffer.from(definition.key.of(message), definition.hexKeys === true ? 'hex' : 'utf8')
  if (key.length > MAX_KEY_BYTES)
    throw new PotorooError('KEY_TOO_LONG', `the key has ${String(key.length)} bytes of UTF-8`)
  if (value.length + key.length > maxRecordBytes) throw tooLarge(topic, maxRecordBytes)
  return { line: line.number, partition: partitionOf(partitioner, key, topic.partitions), key, value }
}

/** A line has JSON, whatever its topic has. */
function encodedLine(definition: TopicDefinition, line: Buffer): Buffer {
  return Buffer.from(definition.encode(readJson(definition.name, new PlainReader(), line, 0, line.length)))
}

const tooLarge = (topic: TopicInfo, maxRecordBytes: number): PotorooError =>
  new PotorooError('RECORD_TOO_LARGE', `topic ${topic.name} takes records of up to ${String(maxRecordBytes)} bytes`)

export const unknownPartitioner = (definition: TopicDefinition): PotorooError =>
  new PotorooError(
    'INVALID_CONFIGURATION',
    `topic ${definition.name} declares no partitioner, so where its records belong is not known: only its own producers can write it`,
  )
