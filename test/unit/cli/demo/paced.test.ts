import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { paced, symbolsFor } from '../../../../src/cli/demo/paced.js'
import { firstEvents } from '../../../../src/market-spread/generator.js'

const timeOf = ({ message }: ReturnType<typeof firstEvents>[number]): number => Date.parse(String(message.time))

test('times never go back, and two events of one symbol never share one: their order is that of their records', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100_000 }), fc.integer({ min: 1, max: 600 }), (rate, symbols) => {
      const events = firstEvents(2_000, { seed: 1, symbols })
      const timed = [...paced(events, () => 1_000_000, rate)]
      const last = new Map<string, number>()
      let before = 0
      for (const [i, event] of timed.entries()) {
        const { symbol } = event.message
        expect(timeOf(event)).toBeGreaterThanOrEqual(before)
        expect(timeOf(event)).toBeGreaterThan(last.get(symbol) ?? 0)
        last.set(symbol, (before = timeOf(event)))
        // All else is as it was.
        expect({ ...event.message, time: 0 }).toEqual({ ...events[i]?.message, time: 0 })
      }
    }),
    { numRuns: 30 },
  )
})

test.each([100, 3_000, 30_000, 100_000])('at %d a second the times are those of the clock', (rate) => {
  const events = firstEvents(rate * 2, { seed: 1, symbols: symbolsFor(rate) })
  const timed = [...paced(events, () => 1_000_000, rate)]
  const last = timed.at(-1)
  expect(last && timeOf(last) - 1_000_000).toBeGreaterThan(1_900)
  expect(last && timeOf(last) - 1_000_000).toBeLessThan(2_050)
})

test('one that is asked for later than it was due happens then, and those behind it no earlier', () => {
  let nowMs = 1_000_000
  const events = paced(firstEvents(10, { seed: 1 }), () => nowMs, 1_000)
  const next = (): number => {
    const { value } = events.next()
    return value === undefined ? NaN : timeOf(value) - 1_000_000
  }
  expect([next(), next()]).toEqual([0, 1])
  nowMs += 500
  expect([next(), next()].map((ms) => ms - 500)).toEqual([expect.closeTo(0, -1), expect.closeTo(0, -1)])
  nowMs -= 400
  expect(next()).toBeGreaterThanOrEqual(500)
})
