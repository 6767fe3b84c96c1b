import { expect, it, onTestFinished } from 'vitest'
import { TestDriver } from 'potoroo/testing'
import totals, { readings, site, siteTotals } from '../../../examples/site-totals/application.js'

it.each([1, 7])('adds up by site what meters count by device, on %i partitions', async (partitions) => {
  const driver = await TestDriver.start(totals, { partitions, workers: 2 })
  onTestFinished(() => driver.close())
  await driver.pipe(readings, [
    { device: 'm1', site: 'north', kwh: 10 },
    { device: 'm2', site: 'north', kwh: 5 },
    { device: 'm3', site: 'south', kwh: 7 },
  ])
  await driver.settle()
  driver.crash('worker-1')
  await driver.pipe(readings, [
    { device: 'm1', site: 'north', kwh: 12 },
    { device: 'm1', site: 'north', kwh: 12 },
    { device: 'm3', site: 'south', kwh: 8 },
  ])
  await driver.settle()
  expect(Object.fromEntries(driver.states(site))).toEqual({
    north: { kwh: 17, devices: new Set(['m1', 'm2']) },
    south: { kwh: 8, devices: new Set(['m3']) },
  })
  expect(driver.read(siteTotals)).toHaveLength(5)
})
