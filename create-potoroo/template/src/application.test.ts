import assert from 'node:assert/strict'
import test from 'node:test'
import { TestDriver } from 'potoroo/testing'
import app, { alerts, check, readings, sensor } from './application.js'

test('a computation is a plain function', () => {
  const state = { hotInARow: 2 }
  assert.deepEqual(check(state, { sensor: 'boiler', celsius: 90 }), {
    sensor: 'boiler',
    text: '90 °C, too hot 3 times in a row',
  })
  assert.equal(check(state, { sensor: 'boiler', celsius: 20 }), undefined)
  assert.deepEqual(state, { hotInARow: 0 })
})

test('each sensor counts for itself, also when a worker dies in between', async () => {
  const driver = await TestDriver.start(app, { workers: 2 })
  await driver.pipe(readings, [
    { sensor: 'boiler', celsius: 90 },
    { sensor: 'turbine', celsius: 90 },
    { sensor: 'boiler', celsius: 91 },
  ])
  await driver.settle()
  driver.crash('worker-1')
  await driver.pipe(readings, { sensor: 'boiler', celsius: 92 })
  await driver.settle()

  assert.deepEqual(driver.read(alerts), [{ sensor: 'boiler', text: '92 °C, too hot 3 times in a row' }])
  assert.deepEqual(driver.state(sensor, 'turbine'), { hotInARow: 1 })
  assert.deepEqual(driver.readDeadLetters(), [])
  await driver.close()
})
