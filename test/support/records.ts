/** Records for tests of what lies above the log: batches as a fetcher hands them on. */
import type { Fetched } from '../../src/core/fetched.js'
import {
  BATCH_HEADER_BYTES,
  RecordCursor,
  RecordWriter,
  type RecordBatch,
  type RecordChunk,
} from '../../src/core/records.js'

export interface TestRecord {
  readonly key?: string | Uint8Array | null
  readonly value?: string | null
  readonly timestampMs?: number
  readonly headers?: readonly { readonly key: string; readonly value: Uint8Array | null }[]
}

export function batchOf(baseOffset: number, records: readonly TestRecord[]): RecordBatch {
  const writer = new RecordWriter(64 * 1024 * 1024)
  for (const { key = 'k', value = '{}', timestampMs = 0, headers } of records)
    writer.append(timestampMs, key, value, headers)
  const [chunk] = writer.take()
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
}

/** An answer with these batches; by default the log ends behind them. */
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
  }
}

export interface ReadRecord {
  readonly key: string | null
  readonly value: string | null
  readonly timestampMs: number
  readonly headers: Readonly<Record<string, string>>
}

/** What chunks on their way to a partition hold. */
export function readChunks(chunks: readonly RecordChunk[]): ReadRecord[] {
  const cursor = new RecordCursor()
  const records: ReadRecord[] = []
  for (const chunk of chunks) {
    cursor.open(batchOfChunk(0, chunk))
    while (cursor.next()) {
      const { buffer, keyStart, keyEnd, valueStart, valueEnd, timestampMs } = cursor
      records.push({
        key: keyStart < 0 ? null : buffer.toString('utf8', keyStart, keyEnd),
        value: valueStart < 0 ? null : buffer.toString('utf8', valueStart, valueEnd),
        timestampMs,
        headers: Object.fromEntries(
          cursor.headers().map(({ key, value }) => [key, Buffer.from(value ?? []).toString()]),
        ),
      })
    }
  }
  return records
}
