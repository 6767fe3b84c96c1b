/** Windows and timers after call(): see docs/time.md. */
import { afterEach, expect, it } from 'vitest'
import {
  application,
  from,
  stateObject,
  topic,
  tumbling,
  timer,
  windowed,
  type Application,
  type Call,
} from '../../../src/index.js'
import { definitionOf } from '../../../src/api/application.js'
import { topicsOf } from '../../../src/api/graph.js'
import { feed, recordOf } from '../../../src/testing/feed.js'
import { TestDriver, type TestDriverOptions } from '../../../src/testing/index.js'
import { World } from '../../../src/testing/world.js'
import { anySchema } from '../../support/schemas.js'

interface Payment {
  readonly id: string
  readonly shop: string
}
const payments = topic('payments', { schema: anySchema<Payment>(), key: ({ id }) => id })
const totals = topic('totals', { schema: anySchema<{ shop: string; n: number }>(), key: ({ shop }) => shop })
const answer = async (payment: Payment): Promise<Payment> => Promise.resolve(payment)

const minute = windowed('minute', tumbling(60_000), () => ({ n: 0 }))
const closes = from(minute.closed)
  .map(({ key, state }) => ({ shop: key, n: state.n }))
  .sink(totals)
/** Right behind the topic, and what comes of it by another key. */
const first = application(
  'first',
  from(payments)
    .call('charge', answer, { timeoutMs: 600_000 })
    .keyBy(({ shop }) => shop)
    .to(minute, (state) => {
      state.n++
    }),
  closes,
)
/** Between two repartitions. */
const counts = stateObject('counts', () => ({ n: 0 }))
const between = application(
  'between',
  from(payments)
    .keyBy(({ id }) => id.slice(0, 1))
    .to(counts, (state, payment) => {
      state.n++
      return payment
    })
    .call('charge', answer, { timeoutMs: 600_000 })
    .keyBy(({ shop }) => shop)
    .to(minute, (state) => {
      state.n++
    }),
  closes,
)

const drivers: TestDriver[] = []
afterEach(async () => {
  for (const driver of drivers.splice(0)) await driver.close()
})
async function driving(app: Application, options?: TestDriverOptions): Promise<TestDriver> {
  const driver = await TestDriver.start(app, options)
  drivers.push(driver)
  return driver
}

const shapes: [string, Application, number, number][] = [
  ['behind a topic', first, 1, 1],
  ['behind a topic', first, 2, 2],
  ['between repartitions', between, 1, 1],
  ['between repartitions', between, 2, 2],
]

it.each(shapes)(
  '%s, a window after a call closes, and nothing is late for a call that is slow (%#)',
  async (_, app, partitions, workers) => {
    const driver = await driving(app, { partitions, workers, startMs: 0 })
    driver.calls.answer('charge', (payment: Payment) => payment, { afterMs: 25_000 })
    for (let n = 0; n < 12; n++) {
      await driver.pipe(payments, { id: `${String(n)}-p`, shop: n % 2 === 0 ? 'a' : 'b' })
      await driver.advance(5_000)
    }
    // Those of the last 25 s are under way, and others of their minute are counted.
    await driver.advance(10_000)
    expect(driver.read(totals)).toEqual([])
    await driver.advance(20_000)
    await driver.settle()
    expect(new Map(driver.read(totals).map(({ shop, n }) => [shop, n]))).toEqual(
      new Map([
        ['a', 6],
        ['b', 6],
      ]),
    )
    expect(driver.readDeadLetters()).toEqual([])
  },
)

it.each(shapes)(
  '%s, a stuck call holds back what its message may be part of, and nothing before it (%#)',
  async (_, app, partitions, workers) => {
    const driver = await driving(app, { partitions, workers, startMs: 0 })
    let goOn = (): void => undefined
    const stuck = new Promise<void>((resolve) => {
      goOn = resolve
    })
    driver.calls.answer('charge', async (payment: Payment) => {
      if (payment.id === 'stuck') await stuck
      return payment
    })
    await driver.pipe(payments, { id: 'before', shop: 'a' })
    await driver.advance(70_000)
    expect(driver.read(totals)).toEqual([{ shop: 'a', n: 1 }])
    await driver.pipe(payments, { id: 'stuck', shop: 'a' })
    for (let n = 0; n < 8; n++) {
      await driver.pipe(payments, { id: `${String(n)}-p`, shop: 'b' })
      await driver.advance(30_000)
    }
    expect(driver.read(totals)).toEqual([])
    goOn()
    await driver.advance(5_000)
    await driver.settle()
    expect(driver.read(totals)).toHaveLength(5)
    expect(driver.readDeadLetters()).toEqual([])
  },
)

it('what was late in its source is late after a call, also when another worker makes the call again, and nothing else is', async () => {
  const driver = await driving(first, { partitions: 1, workers: 1, startMs: 0 })
  let holds = true
  const asked: string[] = []
  driver.calls.answer('charge', (payment: Payment, { attempt }: Call) => {
    asked.push(`${payment.id} ${String(attempt)}`)
    return holds && payment.id !== 'new' ? new Promise(() => undefined) : payment
  })
  const at = (timestampMs: number) => ({ timestampMs })
  await driver.pipe(payments, { id: 'old', shop: 'a' }, at(10_000))
  await driver.pipe(payments, { id: 'new', shop: 'a' }, at(90_000))
  await driver.pipe(payments, { id: 'late', shop: 'a' }, at(20_000))
  await driver.advance(2_000)
  expect(asked).toEqual(['old 1', 'new 1', 'late 1'])
  expect(driver.read(totals)).toEqual([])
  // Both are taken again, behind a message that is done.
  driver.crash()
  holds = false
  await driver.restart()
  await driver.advance(120_000)
  await driver.settle()
  expect(asked.slice(3)).toEqual(['old 1', 'late 1'])
  const letters = driver.readDeadLetters()
  expect(letters.map(({ code }) => code)).toEqual(['LATE'])
  expect(letters[0]?.value?.toString()).toContain('late')
  expect(driver.read(totals)).toEqual([
    { shop: 'a', n: 1 },
    { shop: 'a', n: 1 },
  ])
})

it('a timer after a call has seen what was older than it, however slow its call was', async () => {
  const desk = stateObject('desk', () => ({ n: 0 }))
  const closing = timer('closing', desk)
  const app = application(
    'desks',
    from(payments)
      .call('charge', answer, { timeoutMs: 600_000 })
      .keyBy(({ shop }) => shop)
      .to(desk, (state, _, context) => {
        state.n++
        context.set(closing, 30_000)
      }),
    from(closing)
      .to(desk, (state, { key }) => ({ shop: key, n: state.n }))
      .sink(totals),
  )
  const driver = await driving(app, { partitions: 3, startMs: 0 })
  driver.calls.answer('charge', (payment: Payment) => payment, { afterMs: 50_000 })
  await driver.pipe(payments, [
    { id: 'a', shop: 's' },
    { id: 'b', shop: 's' },
    { id: 'c', shop: 's' },
  ])
  await driver.advance(45_000)
  expect(driver.read(totals)).toEqual([])
  await driver.settle()
  await driver.advance(20_000)
  await driver.settle()
  expect(driver.read(totals)).toEqual([{ shop: 's', n: 3 }])
})

it("a call that holds time is named by its task's status", async () => {
  const definition = definitionOf(first)
  const quiet = () => undefined
  const world = new World(definition, {
    partitions: 1,
    startMs: 0,
    seed: 1,
    onError: 'dead-letter',
    logger: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    outside: { make: () => new Promise(() => undefined) },
  })
  const slot = world.addSlot()
  await world.start([slot])
  await world.balance()
  const source = topicsOf(definition).find(({ name }) => name === 'payments') ?? expect.unreachable('payments')
  const times = () =>
    Object.fromEntries(
      slot.figures?.tasks.map(({ task, running }) => [task, running?.time ?? expect.unreachable()]) ?? [],
    )
  await world.advance(20_000)
  expect(times()).toMatchObject({ charge_0: { heldBy: 'payments' } })
  expect(times().charge_0).not.toHaveProperty('heldByCall')
  const sentMs = world.scheduler.nowMs
  await feed(world, source, [recordOf(source, { id: 'stuck', shop: 'a' }, {})])
  await world.advance(60_000)
  const { charge_0: call, minute_0: behind } = times()
  expect(call).toMatchObject({ heldBy: 'payments', heldByCall: 'charge' })
  expect(call?.timeMs).toBeCloseTo(sentMs, -2)
  expect(behind).toMatchObject({
    timeMs: call?.timeMs,
    heldBy: 'first-charge-minute-repartition',
    heldByTask: 'charge_0',
  })
  slot.kill()
})
