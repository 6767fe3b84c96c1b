/** src/core/processing/passed-headers.ts, as applications see it: headers that continue from a message to what it causes. */
import { afterEach, describe, expect, it } from 'vitest'
import { application, from, stateObject, topic, type Application, type SinkOptions } from '../../../src/index.js'
import { TestDriver } from '../../../src/testing/index.js'
import { anySchema } from '../../support/schemas.js'

interface Order {
  readonly id: string
  readonly customer: string
  readonly fail?: boolean
}
const orders = topic('orders', { schema: anySchema<Order>(), key: ({ id }) => id })
const counts = topic('counts', {
  schema: anySchema<{ customer: string; n: number; seen: string }>(),
  key: (m) => m.customer,
})
const lines = topic('lines', { schema: anySchema<{ customer: string; n: number; seen: string }>() })
const perOrder = stateObject('order', () => ({ n: 0 }))
const perCustomer = stateObject('customer', () => ({ n: 0 }))
const TRACE = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'vendor=1' }

/** Two stages with a repartition between them, and a sink behind each. */
const staged = (options?: SinkOptions): Application =>
  application(
    'shop',
    from(orders)
      .to(perOrder, (state, order) => {
        state.n++
        return order
      })
      .keyBy(({ customer }) => customer)
      .to(perCustomer, (state, { customer, fail }, context) => {
        state.n++
        if (fail === true) throw new Error('on purpose')
        return { customer, n: state.n, seen: Buffer.from(context.header('request') ?? []).toString() }
      })
      .sink(counts, options),
    from(orders)
      .map(({ customer }) => ({ customer, n: 0, seen: '' }))
      .sink(lines, options),
  )

let driver: TestDriver | undefined
afterEach(() => driver?.close())
async function drive(app: Application, headers: Readonly<Record<string, string>>, fail = false): Promise<TestDriver> {
  driver = await TestDriver.start(app, { partitions: 2 })
  await driver.pipe(orders, { id: 'o1', customer: 'ada', fail }, { headers })
  await driver.settle()
  return driver
}
const headersOf = (world: TestDriver) =>
  [counts, lines].map((sink) => world.readRecords(sink).map(({ headers }) => headers))

describe('headers of a message', () => {
  it.each([
    ['the trace context alone', undefined, TRACE],
    ['the trace context and what is named', { headers: ['request', 'absent'] }, { request: '7', ...TRACE }],
    ['all', { headers: 'all' }, { request: '7', ...TRACE, other: 'x' }],
    ['none', { headers: 'none' }, {}],
  ] as const)('continue with its outputs, through repartitions, too: %s', async (_, options, expected) => {
    const world = await drive(staged(options), { request: '7', ...TRACE, other: 'x' })
    expect(headersOf(world)).toEqual([[expected], [expected]])
  })

  it('are none where it has none', async () => {
    expect(headersOf(await drive(staged({ headers: 'all' }), {}))).toEqual([[{}], [{}]])
  })

  it('are what a computation after keyBy() finds as one before it does', async () => {
    const world = await drive(staged(), { request: '7' })
    expect(world.read(counts)).toEqual([{ customer: 'ada', n: 1, seen: '7' }])
  })

  it('go with a dead letter, also of a computation after a repartition', async () => {
    const world = await drive(staged(), { request: '7', ...TRACE }, true)
    expect(world.readDeadLetters()).toMatchObject([
      { code: 'COMPUTATION_FAILED', topic: 'shop-order-customer-repartition', headers: { request: '7', ...TRACE } },
    ])
  })

  it('that are no trace context, for their length, are not taken for one', async () => {
    const world = await drive(staged(), { ...TRACE, traceparent: 'x'.repeat(513) })
    expect(headersOf(world)).toEqual([[{ tracestate: 'vendor=1' }], [{ tracestate: 'vendor=1' }]])
  })

  it('that say why it was a dead letter continue where they are named, and not with all', async () => {
    const before = { 'potoroo-error-code': 'NOT_JSON', '__streams.errors.topic': 't', a: '1' }
    expect(headersOf(await drive(staged({ headers: 'all' }), before))).toEqual([[{ a: '1' }], [{ a: '1' }]])
    const named = await drive(staged({ headers: ['potoroo-error-code'] }), before)
    expect(headersOf(named)).toEqual([[{ 'potoroo-error-code': 'NOT_JSON' }], [{ 'potoroo-error-code': 'NOT_JSON' }]])
  })

  it('that make an output too large make its message a dead letter, and nothing else', async () => {
    const app = application(
      'shop',
      from(orders)
        .to(perOrder, (state, { customer }) => ({ customer, n: ++state.n, seen: 'x'.repeat(600_000) }))
        .sink(counts, { headers: 'all' }),
    )
    driver = await TestDriver.start(app)
    await driver.pipe(orders, { id: 'o1', customer: 'ada' }, { headers: { large: 'x'.repeat(500_000) } })
    await driver.pipe(orders, { id: 'o1', customer: 'ada' }, { headers: { large: 'x' } })
    await driver.settle()
    expect(driver.readDeadLetters().map(({ code, offset }) => [code, offset])).toEqual([['RECORD_TOO_LARGE', 0]])
    expect(driver.readRecords(counts).map(({ message: { n }, headers }) => [n, headers])).toEqual([[1, { large: 'x' }]])
  })
})

it.each([
  [{ headers: 'some' }, `headers: "some". It must be a list of names, 'all' or 'none'.`],
  [{ headers: ['a', 7] }, 'passes on header 7: the name of a header must be a string.'],
  ['all', 'has options: "all". They must be an object.'],
])('a sink refuses the options %j', (options, message) => {
  expect(() => from(orders).sink(lines as never, options as never)).toThrow(
    expect.objectContaining({ code: 'INVALID_DEFINITION', message: expect.stringContaining(message) as string }),
  )
})
