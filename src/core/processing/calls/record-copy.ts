import { BATCH_HEADER_BYTES } from '../../records/record-format.js'
import { RecordWriter, type RecordBatch, type RecordCursor } from '../../records/records.js'

/** Lengths, deltas and what else a record has beside its contents, about. */
const OVERHEAD_BYTES = 128

/** The record under a cursor, in a batch of its own: a call takes long, and what was fetched is to be let go. */
export function copyOf(cursor: RecordCursor): RecordBatch {
  const { buffer, keyStart, keyEnd, valueStart, valueEnd, offset, timestampMs } = cursor
  const key = keyStart < 0 ? null : buffer.subarray(keyStart, keyEnd)
  const value = valueStart < 0 ? null : buffer.subarray(valueStart, valueEnd)
  const writer = new RecordWriter(Infinity)
  writer.expect(keyEnd - keyStart + valueEnd - valueStart + BATCH_HEADER_BYTES + OVERHEAD_BYTES)
  writer.append(timestampMs, key, value, cursor.hasHeaders ? cursor.headers() : undefined)
  const [chunk] = writer.take()
  if (chunk === undefined) throw new RangeError('a record was written')
  const { bytes, end, count, baseTimestampMs } = chunk
  return { baseOffset: offset, baseTimestampMs, appendTimeMs: -1, count, bytes, start: BATCH_HEADER_BYTES, end }
}
