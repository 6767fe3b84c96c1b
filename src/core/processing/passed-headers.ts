/**
 * Headers that continue from a record to what it causes: outputs, messages on their way through a repartition, dead letters.
 *
 * Invariants
 * 1. Nothing is done for a record without headers but to look at their number, once for each output.
 * 2. A message brings all of its headers through a repartition, so that what is behind keyBy() finds what is before it.
 * 3. The trace context continues with every output, unless the sink wants no headers at all.
 */
import type { PassedHeaders } from '../../api/definition.js'
import type { RecordCursor, RecordHeader } from '../records/records.js'
import { isOfDeadLetter } from './dead-letter.js'

/** W3C Trace Context, as OpenTelemetry's Kafka instrumentations write it. */
const TRACE_HEADERS = ['traceparent', 'tracestate'] as const
/** What is longer is no trace context, and must not make an output too large for its topic. */
const MAX_TRACE_BYTES = 512

/** Of the record under the cursor; undefined for none. Values are views of the batch's memory. */
export function passedHeaders(cursor: RecordCursor, passed: PassedHeaders): readonly RecordHeader[] | undefined {
  if (!cursor.hasHeaders || passed === 'none') return undefined
  const headers = cursor.headers()
  if (passed === 'every') return headers
  if (passed === 'all') return headers.filter(({ key }) => !isOfDeadLetter(key))
  if (passed === 'trace') return traceHeaders(headers)
  const named = headers.filter(({ key }) => passed.has(key))
  return [...named, ...traceHeaders(headers).filter(({ key }) => !passed.has(key))]
}

/** The last one of each, as readers take it. */
export const traceHeaders = (headers: readonly RecordHeader[]): RecordHeader[] =>
  TRACE_HEADERS.flatMap((name) => {
    const last = headers.findLast(({ key }) => key === name)
    const bytes = last?.value?.length ?? Infinity
    return last !== undefined && bytes <= MAX_TRACE_BYTES ? [last] : []
  })
