import { expect, test } from 'vitest'
import { simulate } from './simulation.js'

test('nothing is lost or repeated', { timeout: 60_000 }, async () => {
  for (let seed = 1; seed <= Number(process.env.SIM_COUNT ?? 30); seed++) {
    const { problems } = await simulate(seed)
    expect(problems, `seed ${String(seed)}`).toEqual([])
  }
})
