/** Which records are parts of traces that somebody records, by the W3C's headers. */
import { RecordCursor, type RecordBatch } from '../records/records.js'

/** A record whose producer has a trace recorded: where it lies, and the producer's span. */
export interface TracedRecord {
  readonly topic: string
  readonly offset: number
  /** 32 and 16 hex digits. */
  readonly traceId: string
  readonly spanId: string
  /** As it came; undefined without one. */
  readonly tracestate: string | undefined
}

/** Records of a topic that were taken: from a position up to another one. */
export interface TakenRecords {
  readonly topic: string
  readonly batches: readonly RecordBatch[]
  readonly from: number
  readonly to: number
}

/** The first ones, at most this many. Others, and what is no trace context, are passed over. */
export function tracedAmong(taken: readonly TakenRecords[], most: number): readonly TracedRecord[] {
  const found: TracedRecord[] = []
  const cursor = new RecordCursor()
  for (const { topic, batches, from, to } of taken)
    for (const batch of batches) {
      if (found.length >= most) return found
      cursor.open(batch)
      while (found.length < most && cursor.next()) {
        const { offset } = cursor
        if (offset >= to) break
        if (offset < from || !cursor.hasHeaders) continue
        const traced = sampledIn(textOf(cursor, 'traceparent'))
        if (traced !== undefined) found.push({ topic, offset, ...traced, tracestate: textOf(cursor, 'tracestate') })
      }
    }
  return found
}

/** What is longer is no trace context: the W3C asks for 512 characters of tracestate. */
const MAX_BYTES = 512

function textOf(cursor: RecordCursor, name: string): string | undefined {
  const value = cursor.header(name)
  return value === undefined || value.length > MAX_BYTES ? undefined : Buffer.from(value).toString('latin1')
}

/** https://www.w3.org/TR/trace-context/#traceparent-header: later versions may have more behind the flags. */
const TRACEPARENT = /^(?!ff)[\da-f]{2}-(?!0{32})([\da-f]{32})-(?!0{16})([\da-f]{16})-[\da-f]([\da-f])(?:-|$)/

function sampledIn(traceparent: string | undefined): Pick<TracedRecord, 'traceId' | 'spanId'> | undefined {
  const [, traceId, spanId, flags = '0'] = TRACEPARENT.exec(traceparent ?? '') ?? []
  const isSampled = (Number.parseInt(flags, 16) & 1) === 1
  return isSampled && traceId !== undefined && spanId !== undefined ? { traceId, spanId } : undefined
}
