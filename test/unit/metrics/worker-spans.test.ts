/** Invariants of src/metrics/worker-spans.ts, on an SDK of the test's own. */
import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { expect, test } from 'vitest'
import { globalTracer, METER_NAME } from '../../../src/metrics/meter.js'
import { spanAttributes, WorkerSpans } from '../../../src/metrics/worker-spans.js'
import type { RuntimeEvent } from '../../../src/ports/observer.js'
import { readDocument } from '../../support/documents.js'
import { endMs, startMs, TestSpans } from '../../support/spans.js'

const NOW_MS = 50_000
const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const spanId = '00f067aa0ba902b7'

const committed = {
  kind: 'committed',
  task: 'sym_bol_3',
  tookMs: 20,
  messages: 5,
  outputs: 2,
  deadLetters: 1,
  bytes: 5_000,
  computedMs: 3,
  beganAtMs: 9_960,
  atMs: 10_000,
  from: [{ topic: 'orders', messages: 5, firstTimestampMs: 4_000 }],
  to: [],
  traced: [{ topic: 'orders', offset: 7, traceId, spanId, tracestate: 'vendor=1' }],
} as const satisfies RuntimeEvent

const letter = {
  kind: 'dead-letter',
  task: 'sym_bol_3',
  message: 'm',
  topic: 'orders',
  partition: 3,
  offset: 8,
  cut: false,
  code: 'NOT_JSON',
} as const satisfies RuntimeEvent

function recorded(...events: readonly RuntimeEvent[]): TestSpans {
  const sdk = new TestSpans()
  const worker = { application: 'app', worker: 'w1' }
  const spans = new WorkerSpans(sdk.provider.getTracer(METER_NAME), worker, () => NOW_MS)
  for (const event of events) spans.observe(event)
  return sdk
}

test('a commit is a span of its messages, from the first of them to the acknowledgement, with its transaction in it', () => {
  const sdk = recorded({ ...committed, traced: [] })
  const batch = sdk.one('process orders')
  expect(batch.kind).toBe(SpanKind.CONSUMER)
  expect(batch.parentSpanContext).toBeUndefined()
  expect([startMs(batch), endMs(batch)]).toEqual([9_960, 10_000])
  expect(batch.attributes).toEqual({
    'messaging.system': 'kafka',
    'messaging.operation.name': 'process',
    'messaging.operation.type': 'process',
    'messaging.consumer.group.name': 'app',
    'messaging.batch.message_count': 5,
    'messaging.destination.name': 'orders',
    'messaging.destination.partition.id': '3',
    'potoroo.application': 'app',
    'potoroo.worker': 'w1',
    'potoroo.task': 'sym_bol_3',
    'potoroo.outputs': 2,
  })
  const commit = sdk.one('commit sym_bol')
  expect(commit.parentSpanContext?.spanId).toBe(batch.spanContext().spanId)
  expect([startMs(commit), endMs(commit)]).toEqual([9_980, 10_000])
  expect(commit.attributes['potoroo.commit.size']).toBe(5_000)
})

test('a traced message has a span in the trace of its producer, and the batch links to it', () => {
  const [batch, own] = [...recorded(committed).named('process orders')].sort(
    (a, b) => b.links.length - a.links.length || (a.parentSpanContext === undefined ? -1 : 1),
  )
  if (batch === undefined || own === undefined) throw new Error('two spans')
  expect(own.spanContext().traceId).toBe(traceId)
  expect(own.parentSpanContext).toMatchObject({ traceId, spanId, isRemote: true })
  expect(own.spanContext().traceState?.get('vendor')).toBe('1')
  expect(own.attributes).toMatchObject({ 'messaging.kafka.offset': 7, 'messaging.destination.name': 'orders' })
  expect([startMs(own), endMs(own)]).toEqual([9_960, 10_000])
  expect(batch.spanContext().traceId).not.toBe(traceId)
  expect(batch.links.map(({ context }) => context.spanId)).toEqual([spanId])
  expect(own.links.map(({ context }) => context)).toEqual([batch.spanContext()])
})

test('messages of several topics are a span of their sub-topology', () => {
  const from = [...committed.from, { topic: 'quotes', messages: 1, firstTimestampMs: 1 }]
  const batch = recorded({ ...committed, from, traced: [] }).one('process sym_bol')
  expect(batch.attributes['messaging.destination.name']).toBeUndefined()
})

test('dead letters are events of the batch that they were in', () => {
  const sdk = recorded(
    letter,
    { ...letter, task: 'sym_bol_4' },
    { ...committed, traced: [] },
    { ...committed, traced: [], bytes: 1 },
  )
  const [first, second] = sdk.named('process orders')
  expect(first?.events.map(({ name, attributes }) => [name, attributes])).toEqual([
    ['dead letter', { 'messaging.destination.name': 'orders', 'messaging.kafka.offset': 8, 'error.type': 'NOT_JSON' }],
  ])
  expect(second?.events).toEqual([])
})

test('a commit without messages is no span: idle tasks leave no traces', () => {
  expect(recorded({ ...committed, messages: 0, from: [], traced: [] }).all).toEqual([])
})

test('a commit that failed is a span with its error', () => {
  const span = recorded({
    kind: 'commit-failed',
    task: 'sym_bol_3',
    tookMs: 30,
    messages: 5,
    code: 'TRANSACTION_FAILED',
    error: 'the broker is gone',
  }).one('commit sym_bol')
  expect(span.status).toEqual({ code: SpanStatusCode.ERROR, message: 'the broker is gone' })
  expect(span.attributes['error.type']).toBe('TRANSACTION_FAILED')
  expect([startMs(span), endMs(span)]).toEqual([NOW_MS - 30, NOW_MS])
})

test('becoming active and coming from another worker are spans of the time that they took', () => {
  const sdk = recorded(
    {
      kind: 'task-active',
      task: 'sym_bol_3',
      replayed: 12,
      replayedFrom: 0,
      rebuilt: false,
      tookMs: 400,
      positions: {},
    },
    {
      kind: 'handed-over',
      task: 'sym_bol_3',
      from: 'w2',
      to: 'w1',
      reason: 'balance',
      snapshotBytes: 0,
      replayed: 12,
      pauseMs: 450,
      atMs: 60_000,
    },
  )
  const [restore, handOff] = [sdk.one('restore sym_bol'), sdk.one('hand off sym_bol')]
  expect([startMs(restore), endMs(restore), restore.attributes['potoroo.restore.records']]).toEqual([
    49_600,
    NOW_MS,
    12,
  ])
  expect([startMs(handOff), endMs(handOff)]).toEqual([59_550, 60_000])
  expect(handOff.attributes).toMatchObject({ 'potoroo.hand_off.from': 'w2', 'potoroo.hand_off.reason': 'balance' })
})

test('where nobody has set up traces there is no tracer', async () => {
  trace.disable()
  expect(await globalTracer()).toBeUndefined()
  const sdk = new TestSpans()
  expect(trace.setGlobalTracerProvider(sdk.provider)).toBe(true)
  try {
    ;(await globalTracer())?.startSpan('one').end()
    expect(sdk.named('one')).toHaveLength(1)
  } finally {
    trace.disable()
  }
})

test('docs/metrics.md names all spans and attributes of theirs', () => {
  const page = readDocument('docs/metrics.md')
  for (const name of Object.values(spanAttributes)) expect(page).toContain(`\`${name}\``)
  const sdk = recorded(committed, {
    kind: 'commit-failed',
    task: 's_0',
    tookMs: 1,
    messages: 1,
    code: undefined,
    error: 'e',
  })
  for (const { name } of sdk.all) expect(page).toContain(`\`${name.split(' ')[0] ?? ''} <`)
})
