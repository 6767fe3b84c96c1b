/**
 * What the simulation is good for: every fault that is planted is found. docs/simulation.md lists them, with a seed that finds
 * each; where code has moved and that one does not any more, all seeds are looked through. Here every second one is planted, as
 * all of them take a quarter of an hour; `.ci/nightly` looks for all from seed 1 on.
 */
import { expect, onTestFinished, test } from 'vitest'
import { readDocument } from '../support/documents.js'
import { compileSimulation } from './compile.mjs'
import { Planted, readTable } from './planted.js'
import { plantedFaults } from './planted-faults/index.js'
import { SEEDS, WIRE_SEEDS } from './seeds.js'
import { simulate } from './simulation.js'

const table = readTable(readDocument('docs/simulation.md'))

/** Of worlds without a fault, by seed: many faults are found by the same few. */
const unplanted = new Map<string, Promise<readonly string[]>>()
function problemsWithout(seed: number, wire: boolean): Promise<readonly string[]> {
  // Other tests have been there.
  if (seed <= (wire ? WIRE_SEEDS : SEEDS)) return Promise.resolve([])
  const world = `${String(seed)} ${String(wire)}`
  const problems = unplanted.get(world) ?? simulate(seed, { wire }).then((outcome) => outcome.problems)
  unplanted.set(world, problems)
  return problems
}

test('docs/simulation.md lists the faults that are planted', () => {
  expect(
    table.map(({ what }) => what),
    'npm run sim -- --planted writes the table again',
  ).toEqual(plantedFaults.map(({ what }) => what))
})

for (const fault of plantedFaults.filter((_, i) => i % 2 === 0))
  test(`found: ${fault.what}`, { timeout: 180_000 }, async () => {
    const planted = Planted.in(fault, compileSimulation)
    onTestFinished(() => planted.end())
    let seed = table.find(({ what }) => what === fault.what)?.seed
    if (seed === undefined || (await planted.foundAt(seed)) === undefined) {
      // Code that moved moves seeds.
      seed = (await planted.search())?.seed
      if (seed === undefined) expect.unreachable('no seed finds it')
      console.log(`seed ${String(seed)} finds it now: npm run sim -- --planted writes docs/simulation.md again`)
    }
    // What was found there is the fault, and nothing else.
    expect(await problemsWithout(seed, fault.wire ?? false)).toEqual([])
  })
