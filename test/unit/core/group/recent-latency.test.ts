/** src/core/group/recent-latency.ts; its invariants are at the head of that file. */
import { expect, test } from 'vitest'
import { latencyBetween, latencyQuantile, RecentLatency } from '../../../../src/core/group/recent-latency.js'

test('quantiles are bounds that are no more than a quarter too high', () => {
  const recent = new RecentLatency()
  for (let ms = 1; ms <= 1_000; ms++) recent.record(0, ms, 1)
  const counts = recent.counts(1)
  for (const share of [0.01, 0.5, 0.9, 0.99, 1]) {
    const bound = latencyQuantile(counts, share) ?? 0
    expect(bound, String(share)).toBeGreaterThanOrEqual(share * 1_000)
    expect(bound, String(share)).toBeLessThanOrEqual(share * 1_000 * 1.25 + 0.1)
  }
  expect(counts.reduce((sum, [, messages]) => sum + messages, 0)).toBe(1_000)
})

test('of several workers, those of all of them count', () => {
  const [quick, slow] = [new RecentLatency(), new RecentLatency()]
  quick.record(0, 10, 90)
  slow.record(0, 500, 10)
  const both = [...slow.counts(0), ...quick.counts(0)]
  expect(latencyQuantile(both, 0.5)).toBeLessThan(13)
  expect(latencyQuantile(both, 0.99)).toBeGreaterThanOrEqual(500)
  expect(latencyQuantile([], 0.5)).toBeUndefined()
})

test('it tells of 10 s at least and 20 s at most, also where nothing comes meanwhile (invariant 1)', () => {
  const recent = new RecentLatency()
  const sees = (atMs: number): boolean => recent.counts(atMs).length > 0
  recent.record(0, 5, 1)
  expect(sees(9_999)).toBe(true)
  expect(sees(19_000)).toBe(true)
  expect(sees(20_000)).toBe(false)
  recent.record(39_999, 5, 1)
  expect([sees(49_998), sees(70_000)]).toEqual([true, false])
})

test('what clocks that differ make of it stays in bounds (invariant 2)', () => {
  const recent = new RecentLatency()
  for (const ms of [-5_000, 0, 0.2, 1e15]) recent.record(0, ms, 1)
  const counts = recent.counts(0)
  expect(counts).toHaveLength(2)
  expect(counts[0]).toEqual([1, 3])
})

test('what came between two counts is known until older ones are let go', () => {
  const recent = new RecentLatency()
  recent.record(0, 8, 100)
  const first = recent.counts(1_000)
  recent.record(1_000, 300, 2)
  recent.record(1_500, 8, 3)
  const second = recent.counts(2_000)
  expect(latencyBetween(first, second)?.map(([, messages]) => messages)).toEqual([3, 2])
  expect(latencyQuantile(latencyBetween(first, second) ?? [], 1)).toBe(latencyQuantile([...second], 1))
  expect(latencyBetween(second, recent.counts(3_000))).toEqual([])
  expect(latencyBetween([], first)).toEqual(first)
  // What there was before goes at 20 s.
  recent.record(12_000, 8, 5)
  const third = recent.counts(12_000)
  recent.record(20_000, 8, 1)
  expect(latencyBetween(third, recent.counts(20_000))).toBeUndefined()
  // One that began anew has fewer of some, or none.
  expect(latencyBetween(third, [[8.4, 1]])).toBeUndefined()
  expect(latencyBetween(third, [])).toBeUndefined()
})
