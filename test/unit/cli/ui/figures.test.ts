import { expect, test } from 'vitest'
import type { StatusReport, TaskReport } from '../../../../src/cli/status/report.js'
import { History, nowOf, positionsOf } from '../../../../src/cli/ui/figures.js'
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
  const before = positionsOf(at(1_000, 100, 40))
  const now = nowOf(at(3_000, 500, 60), before, 2)
  expect(now.topics.map(({ topic, recordsPerSecond }) => [topic, recordsPerSecond])).toEqual([
    ['orders', 200],
    ['by-user', 10],
  ])
  expect(now.sample).toMatchObject({ atMs: 3_000, recordsPerSecond: 200, lag: 12, deadLetters: 2 })
})

test('the first look, and a topic that was recreated, have no rate', () => {
  expect(nowOf(at(1_000, 100, 40), undefined, null).sample.recordsPerSecond).toBeNull()
  const [orders, byUser] = nowOf(at(2_000, 90, 60), positionsOf(at(1_000, 100, 40)), null).topics
  expect([orders?.recordsPerSecond, byUser?.recordsPerSecond]).toEqual([null, 20])
})

test('what is read for the first time counts from where it begins', () => {
  const first = { ...at(1_000, 0, 0), tasks: [task('a_0', 'orders', null, 1_000, 400)] }
  const then = { ...at(2_000, 0, 0), tasks: [task('a_0', 'orders', 700, 1_000, 300)] }
  expect(nowOf(then, positionsOf(first), null).topics[0]?.recordsPerSecond).toBe(100)
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
