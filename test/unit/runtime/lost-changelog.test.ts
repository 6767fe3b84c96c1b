/** A changelog that has not what it had: whoever looks says so, and no store that is all there is left is set aside. */
import { describe, expect, test } from 'vitest'
import { changelogIdentity } from '../../../src/core/commit/changelog-identity.js'
import { COMMIT_KEY, encodeCommitRecord } from '../../../src/core/commit/commit-record.js'
import { encodeOffsetNote } from '../../../src/core/commit/offset-note.js'
import { RecordWriter } from '../../../src/core/records/records.js'
import { noFaults } from '../../../src/memory/faults.js'
import type { MemoryCluster } from '../../../src/memory/cluster.js'
import type { PartitionLog } from '../../../src/memory/partition.js'
import { APPLICATION, simulated } from '../../sim/application.js'
import { MemoryWorkers } from '../../support/memory-workers.js'

const CHANGELOG = `${APPLICATION}-symbol-changelog`
const TASK = 'symbol_0'
const SET_ASIDE = 'the store is set aside, and rebuilt from the changelog'

const orders = (workers: MemoryWorkers, prefix: string, count: number): void => {
  for (let i = 0; i < count; i++) {
    const id = `${prefix}${String(i)}`
    workers.append('orders', 'A', { id, symbol: 'A', account: 'a', kind: 'plain' })
  }
}
/** How many orders the state object had seen, output by output. */
const seen = (workers: MemoryWorkers): number[] =>
  workers.records('checked').map(({ value }) => (JSON.parse(value) as { orders: number }).orders)
const changelogOf = ({ cluster }: { readonly cluster: MemoryCluster }): PartitionLog =>
  cluster.partition({ topic: CHANGELOG, partition: 0 })

/** Three orders were done by w1, which was stopped. */
async function done(): Promise<MemoryWorkers> {
  const workers = new MemoryWorkers({ application: simulated, topics: ['quotes', 'orders', 'checked', 'noted'] })
  orders(workers, 'a', 3)
  await workers.start('w1')
  await workers.rest()
  await workers.stop('w1')
  return workers
}

function recreate({ cluster }: MemoryWorkers): void {
  cluster.deleteTopic(CHANGELOG)
  cluster.createTopic({ name: CHANGELOG, partitions: 1, config: { 'cleanup.policy': 'compact' } })
}

/** A transaction of the task that is aborted: the changelog's end moves, and nothing is in it. */
function abortOne({ cluster }: MemoryWorkers): void {
  const owner = cluster.transactions.init(`${APPLICATION}-symbol-0`, 10_000)
  changelogOf({ cluster }).mark(owner.producerId, 'abort')
}

const losses: readonly (readonly [string, (workers: MemoryWorkers) => void])[] = [
  ['recreated', recreate],
  [
    'recreated, with an aborted transaction in it,',
    (workers) => {
      recreate(workers)
      for (let i = 0; i < 3; i++) abortOne(workers)
    },
  ],
  [
    'recreated, with more aborted transactions in it than it had records,',
    (workers) => {
      recreate(workers)
      for (let i = 0; i < 30; i++) abortOne(workers)
    },
  ],
  [
    'emptied',
    (workers) => {
      changelogOf(workers).deleteBefore(Infinity)
    },
  ],
  [
    'recreated and emptied',
    (workers) => {
      recreate(workers)
      for (let i = 0; i < 3; i++) abortOne(workers)
      changelogOf(workers).deleteBefore(Infinity)
    },
  ],
]

describe.each(losses)('a changelog that was %s', (_, lose) => {
  test('stops a worker with a store, which stays where it is', async () => {
    const workers = await done()
    lose(workers)
    const before = workers.disks.get('w1')?.look(TASK)
    for (let again = 0; again < 2; again++) {
      await workers.start('w1')
      orders(workers, 'b', 1)
      await workers.rest()
      expect(workers.endOf('w1')?.code).toBe('CHANGELOG_LOST')
    }
    expect(workers.said(SET_ASIDE)).toEqual([])
    expect(workers.disks.get('w1')?.look(TASK).meta).toEqual(before?.meta)
    expect(seen(workers)).toEqual([1, 2, 3])
  })

  test('stops a worker without a store', async () => {
    const workers = await done()
    lose(workers)
    await workers.start('w2')
    orders(workers, 'b', 1)
    await workers.rest()
    expect(workers.endOf('w2')?.code).toBe('CHANGELOG_LOST')
    expect(seen(workers)).toEqual([1, 2, 3])
  })
})

test('a store that has all that was deleted from its changelog goes on; without it the state objects are lost', async () => {
  const workers = await done()
  const meta = workers.disks.get('w1')?.look(TASK).meta
  changelogOf(workers).deleteBefore(meta?.changelogPosition ?? NaN)
  await workers.start('w1')
  orders(workers, 'b', 1)
  await workers.rest()
  expect(workers.endOf('w1')).toBeUndefined()
  expect(seen(workers)).toEqual([1, 2, 3, 4])
  await workers.stop('w1')
  await workers.start('w2')
  await workers.rest()
  expect(workers.endOf('w2')?.code).toBe('CHANGELOG_LOST')
  expect(workers.endOf('w2')?.message).toMatch(/its records below \d+ were deleted, and the store is empty/)
})

test('a worker that follows a changelog which is lost stops, too', async () => {
  const workers = new MemoryWorkers({
    application: simulated,
    topics: ['quotes', 'orders', 'checked', 'noted'],
    runtime: { standbys: 1 },
  })
  orders(workers, 'a', 3)
  await workers.start('w1')
  await workers.start('w2')
  await workers.rest()
  recreate(workers)
  await workers.rest()
  expect([workers.endOf('w1')?.code, workers.endOf('w2')?.code]).toEqual(['CHANGELOG_LOST', 'CHANGELOG_LOST'])
  expect(workers.said(SET_ASIDE)).toEqual([])
})

describe('an application begins', () => {
  test('where its first owners died in their first transactions', async () => {
    const workers = new MemoryWorkers({ application: simulated, topics: ['quotes', 'orders', 'checked', 'noted'] })
    const config = { 'cleanup.policy': 'compact' }
    workers.cluster.createTopic({ name: CHANGELOG, partitions: 1, config })
    for (let i = 0; i < 3; i++) abortOne(workers)
    orders(workers, 'a', 2)
    await workers.start('w1')
    await workers.rest()
    expect(workers.endOf('w1')).toBeUndefined()
    expect(seen(workers)).toEqual([1, 2])
  })

  test('at the offsets that somebody else has set before its first start', async () => {
    const workers = new MemoryWorkers({ application: simulated, topics: ['quotes', 'orders', 'checked', 'noted'] })
    const config = { 'cleanup.policy': 'compact' }
    workers.cluster.createTopic({ name: CHANGELOG, partitions: 1, config })
    orders(workers, 'a', 4)
    workers.cluster.setCommitted(APPLICATION, [{ topic: 'orders', partition: 0, position: 3 }])
    await workers.start('w1')
    await workers.rest()
    expect(workers.endOf('w1')).toBeUndefined()
    expect(seen(workers)).toEqual([1])
    expect(workers.said("no commit in the changelog yet: starting at the group's offset 3")).toHaveLength(1)
  })

  test('without the state objects that it had, when an operator does what the error says', async () => {
    const workers = await done()
    recreate(workers)
    await workers.start('w1')
    await workers.rest()
    const { cure = '' } = workers.endOf('w1') ?? {}
    expect(cure).toContain(
      'kafka-topics --bootstrap-server memory:9092 --delete --topic sim-symbol-changelog; rm -r /memory',
    )
    expect(cure).toContain('--group sim --topic quotes --topic orders --reset-offsets --to-current --execute')
    recreate(workers)
    workers.disks.get('w1')?.wipe()
    const positions = ['quotes', 'orders'].map((topic) => {
      const position = workers.cluster.committed(APPLICATION, { topic, partition: 0 }) ?? NaN
      return { topic, partition: 0, position }
    })
    workers.cluster.setCommitted(APPLICATION, positions)
    await workers.start('w1')
    orders(workers, 'b', 1)
    await workers.rest()
    expect(workers.endOf('w1')).toBeUndefined()
    expect(seen(workers)).toEqual([1, 2, 3, 1])
  })

  test('again, with everything in its sources, when its group was deleted', async () => {
    const workers = await done()
    workers.cluster.deleteTopic(CHANGELOG)
    await workers.start('w1')
    expect(workers.endOf('w1')?.code).toBe('CHANGELOG_LOST')
    expect(workers.endOf('w1')?.cure).toContain('To start again from the sources')
    workers.cluster.deleteOffsets(APPLICATION)
    workers.disks.get('w1')?.wipe()
    // The manifest knows that there was one: nobody begins without it by mistake.
    await workers.start('w1')
    expect(workers.endOf('w1')?.code).toBe('CHANGELOG_LOST')
    recreate(workers)
    await workers.start('w1')
    await workers.rest()
    expect(workers.endOf('w1')).toBeUndefined()
    expect(seen(workers)).toEqual([1, 2, 3, 1, 2, 3])
  })
})

test('a successor that commits while the first owner looks is no proof of a loss: the first owner is fenced', async () => {
  const workers: MemoryWorkers = new MemoryWorkers({
    application: simulated,
    topics: ['quotes', 'orders', 'checked', 'noted'],
    faults: {
      ...noFaults,
      request: ({ api, process }) => {
        // The end of the changelog is listed; the offsets are told when the successor has committed.
        const isLate = process === 'w1' && api === 'offsetFetch' && isFirst
        if (!isLate) return { toBrokerMs: 0.2, toClientMs: 0.2 }
        isFirst = false
        commitAsSuccessor(workers)
        return { toBrokerMs: 50, toClientMs: 0.2 }
      },
    },
  })
  let isFirst = true
  workers.cluster.createTopic({ name: CHANGELOG, partitions: 1, config: { 'cleanup.policy': 'compact' } })
  orders(workers, 'a', 2)
  await workers.start('w1')
  await workers.rest()
  expect(workers.endOf('w1')).toBeUndefined()
  expect(workers.said('fenced: another activation of this task started').length).toBeGreaterThan(0)
  expect(workers.active('w1')).toEqual([TASK])
})

/** Some ms later: the changelog's end was listed by then. */
function commitAsSuccessor({ cluster, scheduler }: MemoryWorkers): void {
  scheduler.after(undefined, 20, () => {
    const owner = cluster.transactions.init(`${APPLICATION}-symbol-0`, 10_000)
    const log = changelogOf({ cluster })
    const identity = changelogIdentity('successor', 'symbol')
    const commit = { identity, positions: { orders: 0, quotes: 0 }, by: 'w9', atMs: 0 }
    const writer = new RecordWriter(1_000_000)
    writer.append(0, COMMIT_KEY, encodeCommitRecord(commit))
    for (const chunk of writer.take()) log.append(chunk, { producerId: owner.producerId })
    log.mark(owner.producerId, 'commit')
    const offsets = cluster.offsets(APPLICATION)
    const note = encodeOffsetNote({ changelog: identity })
    offsets.pend(owner.producerId, new Map([['orders-0', { position: 0, note }]]))
    offsets.mark(owner.producerId, 'commit')
  })
}
