import { expect, test } from 'vitest'
import { Input } from '../../../../src/core/processing/input.js'
import { tracedAmong } from '../../../../src/core/processing/traced-records.js'
import { batchOf, fetchedOf, type TestRecord } from '../../../support/records.js'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const SPAN = '00f067aa0ba902b7'
const SAMPLED = `00-${TRACE}-${SPAN}-01`

const traced = (traceparent: string, tracestate?: string): TestRecord => ({
  headers: [
    { key: 'traceparent', value: Buffer.from(traceparent) },
    ...(tracestate === undefined ? [] : [{ key: 'tracestate', value: Buffer.from(tracestate) }]),
  ],
})

/** What is found of records that were all taken, the first at offset 10. */
function foundIn(records: readonly TestRecord[], most = 10) {
  const batches = [batchOf(10, records)]
  return tracedAmong([{ topic: 't', batches, from: 10, to: 10 + records.length }], most)
}

test('where a record lies, and whose span it continues', () => {
  expect(foundIn([{}, traced(SAMPLED, 'vendor=1'), traced(SAMPLED)])).toEqual([
    { topic: 't', offset: 11, traceId: TRACE, spanId: SPAN, tracestate: 'vendor=1' },
    { topic: 't', offset: 12, traceId: TRACE, spanId: SPAN, tracestate: undefined },
  ])
})

test.each([
  ['not sampled', `00-${TRACE}-${SPAN}-00`],
  ['version ff', `ff-${TRACE}-${SPAN}-01`],
  ['no trace', `00-${'0'.repeat(32)}-${SPAN}-01`],
  ['no span', `00-${TRACE}-${'0'.repeat(16)}-01`],
  ['upper case', SAMPLED.toUpperCase()],
  ['more than it may have', `${SAMPLED}x`],
  ['too long', `${SAMPLED}-${'x'.repeat(600)}`],
  ['nothing', ''],
])('no trace: %s', (_, traceparent) => {
  expect(foundIn([traced(traceparent)])).toEqual([])
})

test('flags and fields of later versions', () => {
  expect(foundIn([traced(`01-${TRACE}-${SPAN}-03-more`)])).toHaveLength(1)
})

test('no more than are wanted', () => {
  const many = Array.from({ length: 5 }, () => traced(SAMPLED))
  expect(foundIn(many, 3).map(({ offset }) => offset)).toEqual([10, 11, 12])
})

test('of an input: what was taken since the mark, and nothing else', () => {
  const input = new Input(0, 'topic', 1)
  const all = Array.from({ length: 3 }, () => traced(SAMPLED))
  input.accept(fetchedOf([batchOf(0, all), batchOf(3, all)], { position: 1 }))
  const offsets = (): number[] => tracedAmong([input.taken], 10).map(({ offset }) => offset)
  expect(offsets()).toEqual([])
  input.advance()
  input.advance()
  input.advance()
  expect(offsets()).toEqual([1, 2, 3])
  input.mark()
  expect(offsets()).toEqual([])
  input.advance()
  expect(offsets()).toEqual([4])
  input.rewind()
  expect(offsets()).toEqual([])
  while (input.hasHead) input.advance()
  expect(offsets()).toEqual([4, 5])
})
