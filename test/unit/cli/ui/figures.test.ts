import { expect, test } from 'vitest'
import type { StatusReport, TaskReport, WorkerReport } from '../../../../src/cli/status/report.js'
import type { LatencyCounts } from '../../../../src/core/group/recent-latency.js'
import { History, nowOf, countersOf } from '../../../../src/cli/ui/figures.js'
import { reportWith } from './support.js'

const task = (id: string, topic: string, committed: number | null, end: number, lag: number): TaskReport => ({
  task: id,
  worker: 'w1',
  state: 'running',
  lag,
  inputs: [{ topic, partition: 0, committed, end, lag }],
  standbys: [],
})
const topicOf = (topic: string, isRepartition: boolean) => ({ topic, isRepartition, partitions: 1, lag: 0, mostLag: 0 })
const at = (atMs: number, source: number, repartition: number): StatusReport => ({
  ...reportWith({ tasks: [task('a_0', 'orders', source, 1_000, 5), task('b_0', 'by-user', repartition, 1_000, 7)] }),
  atMs,
  topics: [topicOf('orders', false), topicOf('by-user', true)],
})

test('rates are of what was read between two looks, the headline of sources alone', () => {
  const before = countersOf(at(1_000, 100, 40))
  const now = nowOf(at(3_000, 500, 60), before, 2)
  expect(now.topics.map(({ topic, recordsPerSecond }) => [topic, recordsPerSecond])).toEqual([
    ['orders', 200],
    ['by-user', 10],
  ])
  expect(now.sample).toMatchObject({ atMs: 3_000, recordsPerSecond: 200, lag: 12, deadLetters: 2 })
})

test('the first look, and a topic that was made anew, have no rate', () => {
  expect(nowOf(at(1_000, 100, 40), undefined, null).sample.recordsPerSecond).toBeNull()
  const [orders, byUser] = nowOf(at(2_000, 90, 60), countersOf(at(1_000, 100, 40)), null).topics
  expect([orders?.recordsPerSecond, byUser?.recordsPerSecond]).toEqual([null, 20])
})

test('what is read for the first time counts from where it begins', () => {
  const first = { ...at(1_000, 0, 0), tasks: [task('a_0', 'orders', null, 1_000, 400)] }
  const then = { ...at(2_000, 0, 0), tasks: [task('a_0', 'orders', 700, 1_000, 300)] }
  expect(nowOf(then, countersOf(first), null).topics[0]?.recordsPerSecond).toBe(100)
})

test('how many workers there are is not known while the group has never told it', () => {
  const report = reportWith({ state: 'rebalancing', describedMsAgo: null })
  expect(nowOf(report, undefined, null).sample.workers).toBeNull()
})

test('the history is of ten minutes', () => {
  const history = new History()
  for (let s = 0; s < 1_500; s++) {
    const { sample } = nowOf({ ...reportWith({}), atMs: s * 1_000 }, undefined, null)
    history.add(sample)
  }
  expect(history.samples).toHaveLength(600)
  expect(history.samples[0]?.atMs).toBe(900_000)
})

test('latency since the look before is of what came since, of workers of which that is known', () => {
  const worker = (memberId: string, latency: LatencyCounts, live = true): WorkerReport => ({
    ...{ worker: memberId, memberId, address: null, leaving: false, live, problem: null, generation: 1 },
    ...{ active: [], standby: [], broadcasts: [], latency },
  })
  const seen = (atMs: number, ...workers: readonly WorkerReport[]) => ({ ...reportWith({ workers }), atMs })
  const latest = (before: StatusReport | undefined, after: StatusReport) => {
    const { newP50Ms, newP99Ms } = nowOf(after, before && countersOf(before), null).sample
    return [newP50Ms, newP99Ms]
  }
  const before = seen(1_000, worker('a', [[10, 100]]), worker('b', [[20, 100]]))
  expect(latest(undefined, before)).toEqual([null, null])
  // What was there before does not count, and who comes anew counts whole.
  const after = seen(2_000, worker('a', [[10, 101], [400, 1]]), worker('b', [[20, 100]]), worker('c', [[30, 1]])) // prettier-ignore
  expect(latest(before, after)).toEqual([30, 400])
  // One that let older ones go says nothing; one that did not answer has nothing to compare with.
  expect(latest(before, seen(2_000, worker('a', [[10, 5]]), worker('b', [[20, 104]])))).toEqual([20, 20])
  expect(latest(seen(1_000, worker('a', [], false)), seen(2_000, worker('a', [[10, 5]])))).toEqual([null, null])
  expect(latest(before, before)).toEqual([null, null])
})
