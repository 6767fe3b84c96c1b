/** A record whose timestamp lies ahead of the clock, through the whole runtime. */
import { expect, it } from 'vitest'
import { TestDriver } from '../../../src/testing/index.js'
import { ping, pinging, pings, pongs } from '../../support/pinging.js'

it('a record from 2099 is processed, brings nothing about, and is told once', async () => {
  const warned: string[] = []
  const nothing = (): void => undefined
  const warn = (_: object, message: string): void => void warned.push(message)
  const driver = await TestDriver.start(pinging(60_000), {
    logger: { debug: nothing, info: nothing, warn, error: nothing },
  })
  try {
    await driver.pipe(pings, { id: 'a' })
    await driver.pipe(pings, [{ id: 'wrong' }, { id: 'again' }], { timestampMs: Date.UTC(2099, 0, 1) })
    await driver.pipe(pings, { id: 'b' })
    await driver.settle()
    expect([driver.state(ping, 'wrong'), driver.read(pongs)]).toEqual([{ n: 1 }, []])
    await driver.advance(61_000)
    await driver.settle()
    expect(driver.read(pongs).map(({ id }) => id)).toEqual(['a', 'b'])
    expect(warned.filter((line) => line.includes('more than an hour ahead'))).toHaveLength(1)
  } finally {
    await driver.close()
  }
})
