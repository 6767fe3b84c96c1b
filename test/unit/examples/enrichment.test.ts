import { expect, it, onTestFinished } from 'vitest'
import { TestDriver } from 'potoroo/testing'
import enrichment, { customer, customers, enriched, orders, rates } from '../../../examples/enrichment/application.js'

const CUSTOMERS = 12
const id = (n: number): string => `c${String(n % CUSTOMERS)}`
const currencies = ['USD', 'GBP', 'CHF']

it.each([1, 7])('orders get tier and euros while workers come, stop and die, on %i partitions', async (partitions) => {
  const driver = await TestDriver.start(enrichment, { partitions, workers: 2 })
  onTestFinished(() => driver.close())
  const due: object[] = []
  for (let round = 1; round <= 4; round++) {
    const tier = round % 2 === 0 ? ('gold' as const) : ('basic' as const)
    await driver.pipe(
      customers,
      Array.from({ length: CUSTOMERS - 1 }, (_, n) => ({ id: id(n), name: 'x', tier })),
    )
    await driver.pipe(
      rates,
      currencies.map((currency, i) => ({ currency, eur: round + i })),
    )
    await driver.settle()
    const all = Array.from({ length: 30 }, (_, n) => {
      return { id: `o${String(round)}-${String(n)}`, customer: id(n), currency: currencies[n % 4] ?? 'EUR', amount: n }
    })
    await driver.pipe(orders, all)
    if (round === 1) await driver.addWorker()
    if (round === 2) driver.crash('worker-1')
    if (round === 3) await driver.restart('worker-1')
    await driver.settle()
    for (const [n, { currency, amount, ...order }] of all.entries())
      if (n % CUSTOMERS < CUSTOMERS - 1)
        due.push({
          id: order.id,
          customer: order.customer,
          tier,
          eur: amount * (currency === 'EUR' ? 1 : round + (n % 4)),
        })
  }
  const texts = (values: readonly object[]): string[] => values.map((value) => JSON.stringify(value)).sort()
  expect(texts(driver.read(enriched))).toEqual(texts(due))

  // Who is deleted is not known any more.
  await driver.pipeRaw(customers, { key: id(0), value: null })
  await driver.settle()
  await driver.pipe(orders, { id: 'late', customer: id(0), currency: 'EUR', amount: 1 })
  await driver.settle()
  expect(driver.read(enriched)).toEqual([])
  expect(driver.state(customer, id(0))).toBeUndefined()
  expect(driver.readDeadLetters()).toEqual([])
})
