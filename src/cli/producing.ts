/**
 * NDJSON into a topic, as its definition says.
 *
 * Order: what one chunk of input brings is sent, and acknowledged, before the next is; so lines of one key stay in their
 * order, and no more than a chunk is in memory.
 */
import type { TopicDefinition } from '../api/definition.js'
import { partitionOf } from '../core/partitioner.js'
import { MAX_KEY_BYTES } from '../core/store-key.js'
import { isPotorooError, PotorooError } from '../errors.js'
import type { TopicInfo } from '../ports/log.js'
import { type Line, linesOf } from './lines.js'

export interface KeyedRecord {
  readonly partition: number
  readonly key: Buffer | null
  /** The line as it was, byte for byte. */
  readonly value: Buffer
}
export interface RefusedLine {
  readonly number: number
  readonly error: PotorooError
}
export interface ProduceTarget {
  readonly definition: TopicDefinition
  readonly topic: TopicInfo
  /** Resolves when the brokers have them. */
  send(records: readonly KeyedRecord[]): Promise<void>
  refused(line: RefusedLine): void
  /** Lines taken so far, refused ones among them. */
  progress(lines: number): void
}
export interface Produced {
  readonly sent: number
  readonly refused: number
}

/** Of one request. kafkajs does not split what is too much for one batch. */
const MAX_SEND_BYTES = 512 * 1024
/** Of a batch with one record: its header, and the record's lengths and deltas at their longest. */
const BATCH_OVERHEAD_BYTES = 61 + 36
const RECORD_OVERHEAD_BYTES = 36

/** `partitionOf` of the definition's partitioner must be loaded. Rejects with what `send` rejects with. */
export async function produceLines(input: AsyncIterable<Buffer>, target: ProduceTarget): Promise<Produced> {
  const maxRecordBytes = target.topic.maxMessageBytes - BATCH_OVERHEAD_BYTES
  let sent = 0
  let refused = 0
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
    }
    for (const part of parts(records, Math.min(MAX_SEND_BYTES, maxRecordBytes))) {
      await target.send(part)
      sent += part.length
    }
    target.progress(sent + refused)
  }
  return { sent, refused }
}

function recordOf(line: Line, { definition, topic }: ProduceTarget, maxRecordBytes: number): KeyedRecord {
  const { bytes } = line
  if (bytes === undefined) throw tooLarge(topic, maxRecordBytes)
  const { partitioner } = definition
  if (partitioner === undefined) throw unknownPartitioner(definition)
  const message = definition.decode(bytes, 0, bytes.length)
  if (definition.key === undefined) {
    if (bytes.length > maxRecordBytes) throw tooLarge(topic, maxRecordBytes)
    return { partition: line.number % topic.partitions, key: null, value: bytes }
  }
  const key = Buffer.from(definition.key.of(message))
  if (key.length > MAX_KEY_BYTES)
    throw new PotorooError('KEY_TOO_LONG', `the key has ${String(key.length)} bytes of UTF-8`)
  if (bytes.length + key.length > maxRecordBytes) throw tooLarge(topic, maxRecordBytes)
  return { partition: partitionOf(partitioner, key, topic.partitions), key, value: bytes }
}

const tooLarge = (topic: TopicInfo, maxRecordBytes: number): PotorooError =>
  new PotorooError('RECORD_TOO_LARGE', `topic ${topic.name} takes records of up to ${String(maxRecordBytes)} bytes`)

export const unknownPartitioner = (definition: TopicDefinition): PotorooError =>
  new PotorooError(
    'INVALID_CONFIGURATION',
    `topic ${definition.name} declares no partitioner, so where its records belong is not known: only its own producers can write it`,
  )

/** In their order, each part within maxBytes; a record that is larger by itself is a part by itself. */
function* parts(records: readonly KeyedRecord[], maxBytes: number): Generator<readonly KeyedRecord[]> {
  let part: KeyedRecord[] = []
  let bytes = 0
  for (const record of records) {
    const size = (record.key?.length ?? 0) + record.value.length + RECORD_OVERHEAD_BYTES
    if (part.length > 0 && bytes + size > maxBytes) {
      yield part
      part = []
      bytes = 0
    }
    part.push(record)
    bytes += size
  }
  if (part.length > 0) yield part
}
