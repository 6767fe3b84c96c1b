/** What a worker says of things that are no failure, and that somebody will look for later. */
import { describe, expect, test } from 'vitest'
import { application } from '../../../src/api/application.js'
import { from } from '../../../src/api/stream.js'
import { topic } from '../../../src/api/topic.js'
import { MemoryWorkers } from '../../support/memory-workers.js'
import { anySchema } from '../../support/schemas.js'

interface Copied {
  readonly key: string
}
const input = (start: 'earliest' | 'latest' = 'earliest') =>
  topic('in', { schema: anySchema<Copied>(), key: ({ key }) => key, start })
const output = topic('out', { schema: anySchema<Copied>(), key: ({ key }) => key })
const topics = ['in', 'out']
const copying = (start?: 'earliest' | 'latest') => application('copy', from(input(start)).sink(output))

const BEGINS = 'the group has no offset for this source: it starts where the topic declares'
const BEGINS_AGAIN =
  'the group has no offset for this source, although the task was active before: it starts where the topic declares, so messages ' +
  'may be processed again, or skipped'

const send = (workers: MemoryWorkers, ...keys: readonly string[]): void => {
  for (const key of keys) workers.append('in', key, { key })
}
const out = (workers: MemoryWorkers): string[] => workers.records('out').map(({ key }) => key)

describe('a task without state whose group has no position', () => {
  test('says where it begins, at its first start', async () => {
    const workers = new MemoryWorkers({ application: copying(), topics })
    send(workers, 'a', 'b')
    await workers.start('w1')
    await workers.rest()
    expect(workers.said(BEGINS)).toMatchObject([{ level: 'info', topic: 'in', group: 'copy', earliest: 0, end: 2 }])
    expect(workers.said(BEGINS_AGAIN)).toEqual([])
    await workers.stop('w1')
    await workers.start('w1')
    await workers.rest()
    expect(workers.said(BEGINS)).toHaveLength(1)
  })

  test('says nothing where there is nothing to read', async () => {
    const workers = new MemoryWorkers({ application: copying(), topics })
    await workers.start('w1')
    await workers.rest()
    expect(workers.said(BEGINS)).toEqual([])
  })

  test.each([
    ['earliest', ['a', 'b', 'a', 'b', 'c']],
    ['latest', ['a', 'b']],
  ] as const)('warns when the group was deleted, which is no first start: start %s', async (start, copied) => {
    const workers = new MemoryWorkers({ application: copying(start), topics })
    await workers.start('w1')
    await workers.rest()
    send(workers, 'a', 'b')
    await workers.rest()
    await workers.stop('w1')
    workers.cluster.deleteOffsets('copy')
    send(workers, 'c')
    await workers.start('w1')
    await workers.rest()
    expect(workers.said(BEGINS_AGAIN)).toMatchObject([
      { level: 'warn', topic: 'in', group: 'copy', earliest: 0, end: 3 },
    ])
    expect(out(workers)).toEqual(copied)
  })
})

describe('outputs that are older than their topic keeps', () => {
  const YEAR_MS = 365 * 86_400_000
  const SECONDS =
    'outputs have timestamps that look like seconds: they must be milliseconds, or the broker deletes the outputs as too old'
  const OLD = 'outputs are older than retention.ms of their topic: the broker deletes them'
  const copy = async (timestampMs: (nowMs: number) => number, config: Readonly<Record<string, string>> = {}) => {
    const workers = new MemoryWorkers({ application: copying(), topics: ['in'] })
    workers.cluster.createTopic({ name: 'out', partitions: 1, config })
    await workers.start('w1')
    for (const key of ['a', 'b', 'c']) {
      workers.append('in', key, { key }, timestampMs(Math.floor(workers.scheduler.nowMs)))
      await workers.rest()
    }
    expect(out(workers)).toEqual(['a', 'b', 'c'])
    return workers
  }

  test('are warned of once, with what it mostly is', async () => {
    const workers = await copy((nowMs) => Math.floor(nowMs / 1000))
    expect(workers.said(SECONDS)).toMatchObject([
      { level: 'warn', topic: 'out', partition: 0, retentionMs: 604_800_000 },
    ])
    expect((await copy((nowMs) => nowMs - YEAR_MS)).said(OLD)).toHaveLength(1)
  })

  test.each([
    ['as young as they must be', (nowMs: number) => nowMs - 86_400_000, {}],
    ['of a topic that keeps all', (nowMs: number) => nowMs - YEAR_MS, { 'retention.ms': '-1' }],
    ['of a topic that is compacted', (nowMs: number) => nowMs - YEAR_MS, { 'cleanup.policy': 'compact' }],
    [
      'of a topic of the time of the broker',
      (nowMs: number) => nowMs - YEAR_MS,
      { 'message.timestamp.type': 'LogAppendTime' },
    ],
  ])('are not: %s', async (_, timestampMs, config) => {
    const workers = await copy(timestampMs, config)
    expect([...workers.said(OLD), ...workers.said(SECONDS)]).toEqual([])
  })
})
