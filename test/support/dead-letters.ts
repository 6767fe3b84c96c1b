/** Dead letters for tests, as workers write them. */
import { Outbox, type Destination } from '../../src/core/processing/outbox.js'
import { RecordCursor, type RecordChunk, type RecordHeader } from '../../src/core/records/records.js'
import type { MetState } from '../../src/core/state/state-table.js'
import { PotorooError, type ErrorCode } from '../../src/errors.js'
import { batchOf } from './records.js'

export interface TestLetter {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly key?: string | Uint8Array | null
  readonly value?: string | null
  readonly timestampMs?: number
  readonly headers?: readonly RecordHeader[]
  readonly code?: ErrorCode
  readonly message?: string
  readonly cause?: unknown
  readonly met?: readonly MetState[]
  /** When it was written. */
  readonly atMs?: number
}

/** In their order, by the partition of the dead letters. */
export function deadLetterChunks(
  to: Partial<Destination> & Pick<Destination, 'topic' | 'partitions'>,
  letters: readonly TestLetter[],
): ReadonlyMap<number, readonly RecordChunk[]> {
  const destination: Destination = { maxMessageBytes: 1_000_000, ...to }
  const outbox = new Outbox()
  for (const letter of letters) {
    const { topic, partition, offset, code = 'COMPUTATION_FAILED', message = 'on purpose', cause, met = [] } = letter
    const { key = 'k', value = '{}', timestampMs = 5, headers = [], atMs = 1_000 } = letter
    const cursor = new RecordCursor()
    cursor.open(batchOf(offset, [{ key, value, timestampMs, headers }]))
    cursor.next()
    const error = new PotorooError(code, message, { cause })
    outbox.addDeadLetter(destination, topic, partition, cursor, error, atMs, met)
  }
  return new Map(outbox.take().map(({ partition, chunks }) => [partition, chunks]))
}

/** The headers of the only dead letter, with their bytes. */
export function headersOf(chunks: readonly RecordChunk[]): readonly RecordHeader[] {
  const [chunk] = chunks
  if (chunk === undefined) throw new Error('no dead letter')
  const cursor = new RecordCursor()
  const { bytes, end, count, baseTimestampMs } = chunk
  cursor.open({ baseOffset: 0, baseTimestampMs, appendTimeMs: -1, count, bytes, start: 61, end })
  cursor.next()
  return cursor.headers()
}
