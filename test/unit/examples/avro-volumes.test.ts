import { expect, it, onTestFinished } from 'vitest'
import { TestDriver } from 'potoroo/testing'
import avroVolumes, { orders, volume, volumes, type Order } from '../../../examples/avro-volumes/application.js'

it.each([1, 7])('adds up what is bought and sold, on %i partitions', async (partitions) => {
  const driver = await TestDriver.start(avroVolumes, { partitions })
  onTestFinished(() => driver.close())
  const order = (symbol: string, quantity: number, side: Order['side']): Order => ({ symbol, quantity, side })
  await driver.pipe(orders, [order('A', 5, 'BUY'), order('B', 1, 'BUY'), order('A', 2, 'SELL'), order('A', 1, 'BUY')])
  await driver.settle()
  expect(driver.read(volumes)).toEqual([
    { symbol: 'A', bought: 5, sold: 0 },
    { symbol: 'B', bought: 1, sold: 0 },
    { symbol: 'A', bought: 5, sold: 2 },
    { symbol: 'A', bought: 6, sold: 2 },
  ])
  expect(driver.state(volume, 'A')).toEqual({ bought: 6, sold: 2 })
})

it('what is no Avro is a dead letter, and nothing stops', async () => {
  const driver = await TestDriver.start(avroVolumes)
  onTestFinished(() => driver.close())
  await driver.pipeRaw(orders, [
    { key: 'A', value: '{"symbol":"A"}' },
    { key: 'A', value: Buffer.from('00000003e700', 'hex') },
  ])
  await driver.pipe(orders, { symbol: 'A', quantity: 1, side: 'BUY' })
  await driver.settle()
  expect(driver.readDeadLetters().map(({ code }) => code)).toEqual(['NOT_DECODABLE', 'SCHEMA_UNKNOWN'])
  expect(driver.read(volumes)).toHaveLength(1)
})
