/** Market Spread on the runtime, without Kafka. */
import { afterEach, describe, expect, it } from 'vitest'
import marketSpread, { symbolState } from '../../../src/market-spread/application.js'
import { compare, rejectionsOf, type Event } from '../../../src/market-spread/calculation.js'
import { firstEvents } from '../../../src/market-spread/generator.js'
import { TestDriver, type TestDriverOptions } from '../../../src/testing/index.js'
import { marketData } from '../../../topics/market-data.js'
import { orders, type Order } from '../../../topics/orders.js'
import { rejections } from '../../../topics/rejections.js'

let driver: TestDriver
afterEach(() => driver.close())

const start = async (options?: TestDriverOptions): Promise<void> => {
  driver = await TestDriver.start(marketSpread, options)
}
const time = '2026-01-01T00:00:00.000Z'
const quote = (bid: number, offer: number, symbol = 'A') => ({ symbol, bid, offer, time })
const order = (orderId: string, symbol = 'A'): Order => {
  return { orderId, account: 'c1', symbol, side: 'buy', quantity: 100, price: 10, time }
}

describe('Market Spread', () => {
  it('rejects orders while the spread of their symbol is wide', async () => {
    await start()
    await driver.pipe(orders, order('before any quote'))
    await driver.pipe(marketData, quote(10, 10.04))
    await driver.pipe(orders, order('narrow'))
    await driver.pipe(marketData, quote(10, 10.06))
    await driver.pipe(orders, [order('wide'), order('of another symbol', 'B')])
    await driver.settle()
    expect(driver.read(rejections)).toEqual([
      { ...order('before any quote'), bid: 0, offer: 0 },
      { ...order('wide'), bid: 10, offer: 10.06 },
      { ...order('of another symbol', 'B'), bid: 0, offer: 0 },
    ])
    expect(driver.state(symbolState, 'A')).toEqual({ bid: 10, offer: 10.06, reject: true })
    expect(driver.state(symbolState, 'B')).toBeUndefined()
  })

  it('keeps the order of quotes and orders in a backlog', async () => {
    await start({ partitions: 2 })
    driver.crash()
    await driver.pipe(orders, order('early'), { timestampMs: 1_000 })
    await driver.pipe(orders, order('late'), { timestampMs: 3_000 })
    await driver.pipe(marketData, quote(10, 10.01), { timestampMs: 2_000 })
    await driver.restart()
    await driver.settle()
    expect(driver.read(rejections)).toEqual([{ ...order('early'), bid: 0, offer: 0 }])
  })

  it('sends what is no quote to the dead letters, and continues', async () => {
    await start()
    await driver.pipeRaw(marketData, { key: 'A', value: 'no json' })
    await driver.pipeRaw(marketData, { key: 'B', value: JSON.stringify(quote(1, 2)) })
    await driver.pipe(marketData, quote(10, 10.01))
    await driver.settle()
    expect(driver.readDeadLetters()).toMatchObject([
      { code: 'NOT_JSON', topic: 'market-data', key: 'A', value: 'no json' },
      { code: 'KEY_MISMATCH', topic: 'market-data', key: 'B' },
    ])
    expect(driver.states(symbolState)).toEqual(new Map([['A', { bid: 10, offer: 10.01, reject: false }]]))
  })

  it.each([1, 2, 3])(
    'gives what the plain calculation gives, whatever happens to its workers: seed %i',
    async (seed) => {
      await start({ partitions: 8, workers: 3, seed })
      const events = firstEvents(1_200, { seed, symbols: 40 })
      const happens: readonly (() => unknown)[] = [
        () => driver.crash('worker-2'),
        () => driver.addWorker(),
        () => driver.stopWorker('worker-1'),
        () => driver.restart('worker-2'),
        () => driver.crash(),
        () => driver.restart(),
      ]
      const step = events.length / (happens.length + 1)
      for (const [i, happen] of [...happens, () => undefined].entries()) {
        await pipe(events.slice(i * step, (i + 1) * step))
        await happen()
      }
      await driver.settle()
      const { right, lost, repeated } = compare(rejectionsOf(events), driver.read(rejections))
      expect({ lost, repeated }).toEqual({ lost: [], repeated: [] })
      expect(right).toBeGreaterThan(20)
      expect(driver.readDeadLetters()).toEqual([])
    },
  )
})

async function pipe(events: readonly Event[]): Promise<void> {
  for (const event of events)
    if (event.topic === 'orders') await driver.pipe(orders, event.message)
    else await driver.pipe(marketData, event.message)
}
