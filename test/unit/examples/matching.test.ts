import { expect, it, onTestFinished } from 'vitest'
import { TestDriver } from 'potoroo/testing'
import matching, { book, events, EXPIRES_AFTER_MS, orders, type Trade } from '../../../examples/matching/application.js'
import { matchedTrades, matchingOrders } from '../../support/matching-example.js'

const text = (all: readonly unknown[]): string[] => all.map((one) => JSON.stringify(one)).sort()

it.each([1, 5])(
  'each trade is cleared and settled once, whatever happens to workers, on %i partitions',
  async (partitions) => {
    const driver = await TestDriver.start(matching, { partitions, workers: 2 })
    onTestFinished(() => driver.close())
    const cleared = new Map<string, string>()
    let n = 0
    driver.calls.answer(
      'clearing',
      (trade: Trade, call) => {
        const before = cleared.get(call.id)
        expect(before ?? trade.id).toBe(trade.id)
        cleared.set(call.id, trade.id)
        if (n++ % 3 === 0) throw new Error('the answer is lost')
        return { trade: trade.id, ok: true }
      },
      { afterMs: 20 },
    )
    const all = matchingOrders(10, 200)
    for (let from = 0; from < all.length; from += 50) {
      await driver.pipe(orders, all.slice(from, from + 50))
      if (from === 50) await driver.addWorker()
      if (from === 100) driver.crash('worker-1')
    }
    await driver.settle()
    const trades = matchedTrades(all)
    expect(trades.length).toBeGreaterThan(40)
    expect(text(driver.read(events))).toEqual(
      text(trades.map((trade) => ({ symbol: trade.symbol, kind: 'cleared', id: trade.id }))),
    )
    expect([...cleared.values()].sort()).toEqual(trades.map(({ id }) => id).sort())
    for (const { uncleared } of driver.states(book).values()) expect(uncleared.size).toBe(0)
  },
)

it("a trade that can't be cleared is refused; an order that nobody takes expires", async () => {
  const driver = await TestDriver.start(matching)
  onTestFinished(() => driver.close())
  driver.calls.answer('clearing', () => {
    throw new Error('closed')
  })
  const order = (id: string, side: 'buy' | 'sell', price: number) => ({ id, symbol: 's', side, price })
  await driver.pipe(orders, [order('a', 'buy', 10), order('b', 'sell', 10), order('c', 'buy', 9)])
  await driver.settle()
  expect(driver.read(events)).toEqual([{ symbol: 's', kind: 'refused', id: 'a/b' }])
  await driver.advance(EXPIRES_AFTER_MS)
  await driver.settle()
  expect(driver.read(events)).toEqual([{ symbol: 's', kind: 'expired', id: 'c' }])
  expect(driver.state(book, 's')).toEqual({ open: new Map(), uncleared: new Map() })
})
