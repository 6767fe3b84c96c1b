/** Drivers for a test file: each is closed after its test. */
import { afterEach, expect } from 'vitest'
import type { Application, ErrorCode } from '../../../src/index.js'
import { TestDriver, type TestDriverOptions } from '../../../src/testing/index.js'
import { bank } from './bank.js'

const drivers: TestDriver[] = []
afterEach(async () => {
  for (const driver of drivers.splice(0)) await driver.close()
})

export const start = async (options?: TestDriverOptions, of: Application = bank): Promise<TestDriver> => {
  const driver = await TestDriver.start(of, options)
  drivers.push(driver)
  return driver
}
export const failsWith = (code: ErrorCode, message = '') =>
  expect.objectContaining({ code, message: expect.stringContaining(message) as string }) as Error
