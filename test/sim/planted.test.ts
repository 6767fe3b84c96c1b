/** What the simulation is good for: every fault that is planted is found. */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { compileSimulation } from './compile.mjs'
import { plantedFaults } from './planted-faults.js'
import type * as simulation from './simulation.js'

/** What is compiled has the same shape. */
type Simulation = typeof simulation

const SEEDS = 1_000

for (const [index, { what, plants }] of plantedFaults.entries()) {
  test(`found: ${what}`, { timeout: 180_000 }, async () => {
    const folder = compileSimulation(`planted-${String(index)}`, plants)
    const path = pathToFileURL(join(folder, 'test/sim/simulation.js')).href
    const { simulate } = (await import(path)) as Simulation
    let found = 0
    for (let seed = 1; found === 0 && seed <= SEEDS; seed++) {
      const { problems } = await simulate(seed)
      if (problems.length > 0) found = seed
    }
    expect(found).toBeGreaterThan(0)
  })
}
