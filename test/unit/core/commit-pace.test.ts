import fc from 'fast-check'
import { expect, it } from 'vitest'
import { CommitPace } from '../../../src/core/commit-pace.js'
import { SeededRandom } from '../../../src/memory/random.js'

const LONGEST_MS = 100
const times = (n: number, does: () => void): void => {
  for (let i = 0; i < n; i++) does()
}

it('asks for nothing before the first commit, nor while all take the same (invariant 1)', () => {
  for (const tookMs of [1, 15, 80]) {
    const pace = new CommitPace(LONGEST_MS)
    expect(pace.nextIntervalMs()).toBe(0)
    times(100, () => {
      pace.took(tookMs)
      expect(pace.nextIntervalMs()).toBe(0)
    })
  }
})

it('asks for longer intervals while commits queue, and for none once they do not (invariant 2)', () => {
  const pace = new CommitPace(LONGEST_MS)
  times(100, () => {
    pace.took(5)
  })
  times(60, () => {
    pace.took(20)
  })
  expect(pace.queueingMs).toBeGreaterThan(12)
  expect(pace.nextIntervalMs()).toBeGreaterThan(25)
  times(100, () => {
    pace.took(5)
  })
  expect(pace.nextIntervalMs()).toBeLessThan(2)
})

it('takes brokers that have become slower for good as they are (invariant 1)', () => {
  const pace = new CommitPace(LONGEST_MS)
  pace.took(3)
  times(60_000, () => {
    pace.took(30)
  })
  expect(pace.nextIntervalMs()).toBe(0)
})

it('settles tasks that ask for more than the brokers do where commits queue for a part of the time', () => {
  // One server, 1 ms for a commit, 3 ms on the way; 32 tasks that ask for 1,600 a second.
  const random = new SeededRandom(1)
  const pace = new CommitPace(LONGEST_MS)
  const due = Array.from({ length: 32 }, (_, task) => task)
  let freeAtMs = 0
  const took: number[] = []
  times(20_000, () => {
    const nowMs = Math.min(...due)
    freeAtMs = Math.max(freeAtMs, nowMs) - Math.log(1 - random.next())
    const tookMs = freeAtMs - nowMs + 2 + 2 * random.next()
    took.push(tookMs)
    pace.took(tookMs)
    due[due.indexOf(nowMs)] = nowMs + Math.max(20, tookMs, pace.nextIntervalMs())
  })
  const last = took.slice(-10_000)
  // Each after the one before, they would take 35 ms.
  expect(last.reduce((sum, ms) => sum + ms, 0) / last.length).toBeLessThan(17)
})

it('is never longer than it may be, whatever commits take (invariant 2)', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 20_000, noNaN: true })), (all) => {
      const pace = new CommitPace(LONGEST_MS)
      for (const ms of all) {
        pace.took(ms)
        const interval = pace.nextIntervalMs()
        expect(interval).toBeGreaterThanOrEqual(0)
        expect(interval).toBeLessThanOrEqual(LONGEST_MS)
      }
    }),
  )
})

it('spreads tasks that commit at once (invariant 3)', () => {
  const pace = new CommitPace(LONGEST_MS)
  pace.took(1)
  times(200, () => {
    pace.took(90)
  })
  const next = Array.from({ length: 10 }, () => pace.nextIntervalMs()).sort((a, b) => a - b)
  expect(new Set(next).size).toBe(10)
  expect((next.at(-1) ?? 0) - (next[0] ?? 0)).toBeGreaterThan(20)
})
