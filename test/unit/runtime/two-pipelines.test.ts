/** Two pipelines that read one source: a message runs through both, in the order of their declaration, or through neither. */
import { expect, it, onTestFinished } from 'vitest'
import { application, from, stateObject, topic } from '../../../src/index.js'
import { TestDriver } from '../../../src/testing/index.js'
import { anySchema } from '../../support/schemas.js'

interface Order {
  readonly customer: string
  readonly amount: number
  /** The pipeline that fails for this one, once it has changed its state object. */
  readonly failsIn?: 'first' | 'second'
}
const orders = topic('orders', { schema: anySchema<Order>(), key: ({ customer }) => customer })
const sums = topic('sums', { schema: anySchema<{ customer: string; sum: number }>(), key: ({ customer }) => customer })
const counts = topic('counts', { schema: anySchema<{ customer: string; n: number }>(), key: (count) => count.customer })
const sum = stateObject('sum', () => ({ sum: 0 }))
const count = stateObject('count', () => ({ n: 0 }))

const ran: string[] = []
const shop = application(
  'shop',
  from(orders, 'first')
    .to(sum, (state, { customer, amount, failsIn }) => {
      ran.push('first')
      state.sum += amount
      if (failsIn === 'first') throw new Error('on purpose')
      return { customer, sum: state.sum }
    })
    .sink(sums),
  from(orders, 'second')
    .to(count, (state, { customer, failsIn }) => {
      ran.push('second')
      state.n++
      if (failsIn === 'second') throw new Error('on purpose')
      return { customer, n: state.n }
    })
    .sink(counts),
)

it.each(['first', 'second'] as const)(
  'a message that fails in the %s of two pipelines has happened in neither',
  async (failsIn) => {
    const driver = await TestDriver.start(shop)
    onTestFinished(() => driver.close())
    // All of one commit interval: what fails is between what counts.
    await driver.pipe(orders, [
      { customer: 'ada', amount: 1 },
      { customer: 'ada', amount: 10, failsIn },
      { customer: 'bob', amount: 100, failsIn },
      { customer: 'ada', amount: 2 },
    ])
    await driver.settle()
    expect(driver.read(sums)).toEqual([
      { customer: 'ada', sum: 1 },
      { customer: 'ada', sum: 3 },
    ])
    expect(driver.read(counts)).toEqual([
      { customer: 'ada', n: 1 },
      { customer: 'ada', n: 2 },
    ])
    expect([...driver.states(sum)]).toEqual([['ada', { sum: 3 }]])
    expect([...driver.states(count)]).toEqual([['ada', { n: 2 }]])
    // One letter for each message, not for each pipeline.
    const letters = driver.readDeadLetters()
    expect(letters).toMatchObject([
      { code: 'COMPUTATION_FAILED', topic: 'orders', key: 'ada' },
      { code: 'COMPUTATION_FAILED', topic: 'orders', key: 'bob' },
    ])
    // What the failing one met, and those before it, as they were before the message.
    const met = failsIn === 'first' ? ['sum'] : ['sum', 'count']
    const before: Readonly<Record<string, object>> = { sum: { sum: 1 }, count: { n: 1 } }
    expect(letters.map(({ states }) => states)).toStrictEqual([
      Object.fromEntries(met.map((name) => [name, before[name]])),
      Object.fromEntries(met.map((name) => [name, undefined])),
    ])
  },
)

it('a message runs through them in the order of their declaration', async () => {
  const driver = await TestDriver.start(shop)
  onTestFinished(() => driver.close())
  ran.length = 0
  await driver.pipe(orders, [
    { customer: 'ada', amount: 1 },
    { customer: 'bob', amount: 1 },
  ])
  await driver.settle()
  expect(ran).toEqual(['first', 'second', 'first', 'second'])
})
