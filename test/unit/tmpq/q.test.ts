import { test } from 'vitest'
import { simulateQueries } from '../../sim/queries-world.js'
test('q', async () => {
  const first = Number(process.env.SEED ?? 1), count = Number(process.env.COUNT ?? 100)
  let found = 0, ran = 0
  for (let seed = first; seed < first + count; seed++) {
    const outcome = await simulateQueries(seed, { trace: process.env.TRACE === '1' })
    if (outcome === undefined) continue
    ran++
    if (outcome.problems.length > 0) { found++; console.log(seed, outcome.problems.slice(0, 3).join('\n')); if (process.env.TRACE === '1') console.log(outcome.trace.join('\n')); if (found > 5) break }
  }
  console.log('ran', ran, 'found', found)
}, 600_000)
