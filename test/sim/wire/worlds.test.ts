/** Worlds whose workers reach their brokers through src/kafka: a part of what `npm run sim -- --wire` does. */
import { expect, test } from 'vitest'
import { WIRE_SEEDS } from '../seeds.js'
import { simulate } from '../simulation.js'

test(`nothing is lost or repeated in ${String(WIRE_SEEDS)} worlds of bytes`, { timeout: 900_000 }, async () => {
  const found: string[] = []
  for (let seed = 1; seed <= WIRE_SEEDS; seed++) {
    const { problems } = await simulate(seed, { wire: true })
    for (const problem of problems) found.push(`seed ${String(seed)}: ${problem}`)
  }
  expect(found).toEqual([])
})

test('a seed gives the same run again, to the letter: no real time and no chance is in src/kafka', async () => {
  for (const seed of [3, 7, 11]) {
    const [first, again] = [
      await simulate(seed, { trace: true, wire: true }),
      await simulate(seed, { trace: true, wire: true }),
    ]
    expect(first.trace.length).toBeGreaterThan(100)
    expect(again).toEqual(first)
    expect((await simulate(seed + 1, { wire: true })).fingerprint).not.toBe(first.fingerprint)
  }
})
