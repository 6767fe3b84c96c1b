import { expect } from 'vitest'
import { rejectionsOf } from '../../src/market-spread/calculation.js'
import type { MarketSpreadBench } from './market-spread.js'

/** What came out is what a plain calculation gives for all that was fed, each once; and more than `moreThan`, to mean something. */
export async function expectAllRejections(bench: MarketSpreadBench, moreThan = 0): Promise<void> {
  const comparison = await bench.compare()
  expect(comparison).toMatchObject({ lost: [], repeated: [] })
  expect(comparison.right).toBe([...rejectionsOf(bench.sent)].length)
  expect(comparison.right).toBeGreaterThan(moreThan)
}
