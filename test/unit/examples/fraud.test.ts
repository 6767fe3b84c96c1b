import { expect, it, onTestFinished } from 'vitest'
import { TestDriver } from 'potoroo/testing'
import fraud, { alerts, card, payments } from '../../../examples/fraud/application.js'
import { fraudAlerts, fraudPayments } from '../../support/fraud-example.js'

const sorted = (values: readonly unknown[]): string[] => values.map((value) => JSON.stringify(value)).sort()

it.each([1, 7])(
  'a probe and a large payment within a minute raise an alert, whatever happens to workers, on %i partitions',
  async (partitions) => {
    const driver = await TestDriver.start(fraud, { partitions, workers: 2 })
    onTestFinished(() => driver.close())
    const all = fraudPayments(10, 120, driver.nowMs, 3_000)
    for (const [n, { timestampMs, ...payment }] of all.entries()) {
      await driver.advance(Math.max(0, timestampMs - driver.nowMs))
      await driver.pipe(payments, payment, { timestampMs })
      if (n === 30) await driver.addWorker()
      if (n === 60) driver.crash('worker-1')
      if (n === 90) await driver.restart('worker-1')
    }
    await driver.settle()
    const due = fraudAlerts(all)
    expect(due.length).toBeGreaterThan(5)
    expect(sorted(driver.read(alerts))).toEqual(sorted(due))
    expect(driver.readDeadLetters()).toEqual([])
  },
)

it('a minute after a probe it is forgotten, though nothing comes, and after a day the card is', async () => {
  const driver = await TestDriver.start(fraud)
  onTestFinished(() => driver.close())
  const timestampMs = driver.nowMs
  await driver.pipe(payments, { card: 'c1', amount: 0.5 }, { timestampMs })
  await driver.settle()
  expect(driver.state(card, 'c1')).toEqual({ probedMs: timestampMs })
  await driver.advance(60_000)
  await driver.settle()
  expect(driver.state(card, 'c1')).toEqual({ probedMs: 0 })
  await driver.advance(86_400_000 * 1.02)
  await driver.settle()
  expect(driver.states(card).size).toBe(0)
})
