/** A part of what `npm run sim` does, on every run of the tests. */
import { expect, test } from 'vitest'
import { SEEDS } from './seeds.js'
import { simulate } from './simulation.js'

const snapshots = { taken: 0, discarded: 0 }

test(`nothing is lost or repeated in ${String(SEEDS)} worlds`, { timeout: 600_000 }, async () => {
  const found: string[] = []
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { problems, snapshots: copies } = await simulate(seed)
    snapshots.taken += copies.taken
    snapshots.discarded += copies.discarded
    for (const problem of problems) found.push(`seed ${String(seed)}: ${problem}`)
  }
  expect(found).toEqual([])
})

test('copies of stores are a help: in these worlds standbys take some, and set few of them aside', () => {
  expect(snapshots.taken).toBeGreaterThan(SEEDS / 20)
  // Where tombstones stay for 2 s only, the store of an owner that has nothing to do is soon too old to be copied.
  expect(snapshots.discarded).toBeLessThan(snapshots.taken / 5)
})

test('a seed gives the same run again, to the letter', { timeout: 30_000 }, async () => {
  for (const seed of [3, 7, 11]) {
    const [first, again, silent] = [
      await simulate(seed, { trace: true }),
      await simulate(seed, { trace: true }),
      await simulate(seed),
    ]
    expect(first.trace.length).toBeGreaterThan(100)
    expect(again).toEqual(first)
    expect(silent.fingerprint).toBe(first.fingerprint)
    expect((await simulate(seed + 1)).fingerprint).not.toBe(first.fingerprint)
  }
})
