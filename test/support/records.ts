/** Records for tests: as chunks on their way to a partition, as batches that a fetcher hands on, and as text to look at. */
import type { Fetched } from '../../src/core/records/fetched.js'
import {
  BATCH_HEADER_BYTES,
  RecordCursor,
  RecordWriter,
  type RecordBatch,
  type RecordChunk,
} from '../../src/core/records/records.js'

export interface TestRecord {
  readonly key?: string | Uint8Array | null
  readonly value?: string | null
  readonly timestampMs?: number
  readonly headers?: readonly { readonly key: string; readonly value: Uint8Array | null }[]
}

/** One chunk of these records, or more where `maxBatchBytes` splits them. */
export function chunksOf(records: readonly TestRecord[], maxBatchBytes = 1_000_000): RecordChunk[] {
  const writer = new RecordWriter(maxBatchBytes)
  for (const { key = 'k', value = '{}', timestampMs = 1_700_000_000_000, headers } of records)
    writer.append(timestampMs, key, value, headers)
  return writer.take()
}

export const recordsFrom = (first: number, count: number): { readonly key: string; readonly value: string }[] =>
  Array.from({ length: count }, (_, i) => ({ key: `k${String(first + i)}`, value: `v${String(first + i)}` }))

export function batchOf(baseOffset: number, records: readonly TestRecord[]): RecordBatch {
  const [chunk] = chunksOf(
    records.map((record) => ({ timestampMs: 0, ...record })),
    64 * 1024 * 1024,
  )
  if (chunk === undefined) throw new Error('a batch needs a record')
  return batchOfChunk(baseOffset, chunk)
}

export const batchOfChunk = (baseOffset: number, chunk: RecordChunk): RecordBatch => ({
  baseOffset,
  baseTimestampMs: chunk.baseTimestampMs,
  appendTimeMs: -1,
  count: chunk.count,
  bytes: chunk.bytes,
  start: BATCH_HEADER_BYTES,
  end: chunk.end,
})

export interface FetchedOptions {
  readonly topic?: string
  readonly position?: number
  readonly nextPosition?: number
  readonly lastStableOffset?: number
  readonly asked?: number
  readonly arrived?: number
  readonly release?: () => void
}

/** An answer with these batches; by default the log ends after them. */
export function fetchedOf(batches: readonly RecordBatch[], options: FetchedOptions = {}): Fetched {
  const first = batches[0]
  const last = batches.at(-1)
  const position = options.position ?? first?.baseOffset ?? 0
  const nextPosition = options.nextPosition ?? (last === undefined ? position : last.baseOffset + last.count)
  const lastStableOffset = options.lastStableOffset ?? nextPosition
  return {
    topic: options.topic ?? 'topic',
    partition: 0,
    position,
    nextPosition,
    highWatermark: lastStableOffset,
    lastStableOffset,
    batches,
    bytes: batches.reduce((n, batch) => n + batch.end - batch.start, 0),
    asked: options.asked ?? 1,
    arrived: options.arrived ?? 2,
    release: options.release ?? (() => undefined),
  }
}

export interface ReadRecord {
  readonly offset: number
  readonly key: string | null
  readonly value: string | null
  readonly timestampMs: number
  readonly headers: Readonly<Record<string, string>>
}

/** The record under a cursor. */
export function textRecord(cursor: RecordCursor): ReadRecord {
  const { buffer, keyStart, keyEnd, valueStart, valueEnd, offset, timestampMs } = cursor
  return {
    offset,
    key: keyStart < 0 ? null : buffer.toString('utf8', keyStart, keyEnd),
    value: valueStart < 0 ? null : buffer.toString('utf8', valueStart, valueEnd),
    timestampMs,
    headers: Object.fromEntries(cursor.headers().map(({ key, value }) => [key, Buffer.from(value ?? []).toString()])),
  }
}

/** What chunks on their way to a partition hold; offsets count from 0 in each. */
export function readChunks(chunks: readonly RecordChunk[]): ReadRecord[] {
  const cursor = new RecordCursor()
  const records: ReadRecord[] = []
  for (const chunk of chunks) {
    cursor.open(batchOfChunk(0, chunk))
    while (cursor.next()) records.push(textRecord(cursor))
  }
  return records
}
