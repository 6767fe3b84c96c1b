import { expect, it, onTestFinished } from 'vitest'
import { TestDriver } from 'potoroo/testing'
import movingAverages, {
  averages,
  EVERY_MS,
  latest,
  SIZE_MS,
  trades,
} from '../../../examples/moving-averages/application.js'
import { averagesOf, tradesOf } from '../../support/windows-examples.js'

const sorted = (values: readonly unknown[]): string[] => values.map((value) => JSON.stringify(value)).sort()

it.each([1, 7])('the average of each minute is written once, on %i partitions', async (partitions) => {
  const driver = await TestDriver.start(movingAverages, { partitions, workers: 2 })
  onTestFinished(() => driver.close())
  const all = tradesOf(4, 150, driver.nowMs + 10_000, 7_000)
  for (const [n, { timestampMs, ...trade }] of all.entries()) {
    if (n % 25 === 0) await driver.advance(Math.max(0, timestampMs - driver.nowMs))
    await driver.pipe(trades, trade, { timestampMs })
    if (n === 40) driver.crash('worker-2')
    if (n === 80) await driver.restart('worker-2')
  }
  await driver.advance((all.at(-1)?.timestampMs ?? 0) + SIZE_MS + 20_000 - driver.nowMs)
  await driver.settle()
  const due = averagesOf(all, SIZE_MS, EVERY_MS)
  expect(due.length).toBeGreaterThan(50)
  expect(sorted(driver.read(averages))).toEqual(sorted(due))
  // One for each trade, of the window that ends next.
  expect(driver.read(latest)).toHaveLength(all.length)
  expect(driver.readDeadLetters()).toEqual([])
})
