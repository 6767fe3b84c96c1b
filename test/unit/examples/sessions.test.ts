import { expect, it, onTestFinished } from 'vitest'
import { TestDriver } from 'potoroo/testing'
import sessions, { clicks, GAP_MS, visit, visits } from '../../../examples/sessions/application.js'
import { clicksOf, visitsOf } from '../../support/windows-examples.js'

const sorted = (values: readonly unknown[]): string[] => values.map((value) => JSON.stringify(value)).sort()

it.each([1, 7])('each visit is written once, whatever happens to workers, on %i partitions', async (partitions) => {
  const driver = await TestDriver.start(sessions, { partitions, workers: 2 })
  onTestFinished(() => driver.close())
  const all = clicksOf(6, 120, driver.nowMs, 240_000)
  for (const [n, { timestampMs, ...click }] of all.entries()) {
    if (n % 25 === 0) await driver.advance(Math.max(0, timestampMs - driver.nowMs))
    await driver.pipe(clicks, click, { timestampMs })
    if (n === 30) await driver.addWorker()
    if (n === 60) driver.crash('worker-1')
    if (n === 90) await driver.restart('worker-1')
  }
  // Nobody clicks any more: the last visits are over half an hour later.
  await driver.advance((all.at(-1)?.timestampMs ?? 0) + GAP_MS + 20_000 - driver.nowMs)
  await driver.settle()
  const due = visitsOf(all, GAP_MS)
  expect(due.length).toBeGreaterThan(20)
  expect(sorted(driver.read(visits))).toEqual(sorted(due))
  expect(driver.readDeadLetters()).toEqual([])
  expect(driver.states(visit).size).toBe(0)
})
