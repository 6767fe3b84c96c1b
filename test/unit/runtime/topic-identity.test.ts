/** A topic is not its name: sources, sinks and changelogs that are deleted and recreated, with workers and without. */
import { describe, expect, test } from 'vitest'
import { application } from '../../../src/api/application.js'
import { from } from '../../../src/api/stream.js'
import { topic } from '../../../src/api/topic.js'
import { COMMIT_KEY, encodeCommitRecord } from '../../../src/core/commit/commit-record.js'
import { RecordWriter } from '../../../src/core/records/records.js'
import { errorKinds } from '../../../src/errors.js'
import { APPLICATION, simulated } from '../../sim/application.js'
import { ChangelogView } from '../../sim/views.js'
import { MemoryWorkers, type MemoryWorkersOptions } from '../../support/memory-workers.js'
import { anySchema } from '../../support/schemas.js'

const CHANGELOG = `${APPLICATION}-symbol-changelog`
const stateful = { application: simulated, topics: ['quotes', 'orders', 'checked', 'noted'] }

interface Copied {
  readonly key: string
  readonly id: string
}
const input = topic('in', { schema: anySchema<Copied>(), key: ({ key }) => key })
const output = topic('out', { schema: anySchema<Copied>(), key: ({ key }) => key })
const stateless = { application: application('copy', from(input).sink(output)), topics: ['in', 'out'] }

const orders = (workers: MemoryWorkers, prefix: string, count: number): void => {
  for (let i = 0; i < count; i++) {
    const id = `${prefix}${String(i)}`
    workers.append('orders', 'A', { id, symbol: 'A', account: 'a', kind: 'plain' })
  }
}
const messages = (workers: MemoryWorkers, prefix: string, count: number): void => {
  for (let i = 0; i < count; i++) workers.append('in', 'A', { key: 'A', id: `${prefix}${String(i)}` })
}
const idsIn = (workers: MemoryWorkers, name: string): string[] =>
  workers.records(name).map(({ value }) => (JSON.parse(value) as { id: string }).id)

function recreate({ cluster }: MemoryWorkers, name: string, groupsKeepPositions = false): void {
  const config = cluster.describeTopic(name)?.cleanupPolicy.join() === 'compact' ? { 'cleanup.policy': 'compact' } : {}
  cluster.deleteTopic(name, { groupsKeepPositions })
  cluster.createTopic({ name, partitions: 1, config })
}

/** Three orders are done, and their topic is another one, with five, when the next worker starts. */
async function sourceMadeAnew(options: Partial<MemoryWorkersOptions> = {}, groupsKeepPositions = false) {
  const workers = new MemoryWorkers({ ...stateful, ...options })
  orders(workers, 'old', 3)
  await workers.start('w1')
  await workers.rest()
  await workers.stop('w1')
  recreate(workers, 'orders', groupsKeepPositions)
  orders(workers, 'new', 5)
  return workers
}

describe('a source that was deleted and recreated while no worker ran', () => {
  test.each([
    ['lost', false],
    ['kept', true],
  ])('stops the worker, though it has more records than the position, and the group has %s that', async (_, kept) => {
    const workers = await sourceMadeAnew({}, kept)
    await workers.start('w1')
    await workers.rest()
    const end = workers.endOf('w1')
    expect(end?.code).toBe('TOPIC_REPLACED')
    expect(end?.exitCode).toBe(7)
    expect(end?.message).toMatch(
      /task symbol_0: orders, partition 0: the position 3 is of a topic of this name that was deleted/,
    )
    expect(end?.cure).toContain(
      'kafka-consumer-groups --bootstrap-server memory:9092 --group sim --topic orders --reset-offsets --to-earliest --execute',
    )
    expect(idsIn(workers, 'checked')).toEqual(['old0', 'old1', 'old2'])
  })

  test('is read from where the group was reset to, and its id is written down', async () => {
    const workers = await sourceMadeAnew()
    workers.cluster.setCommitted('sim', [{ topic: 'orders', partition: 0, position: 1 }])
    await workers.start('w1')
    await workers.rest()
    expect(workers.endOf('w1')).toBeUndefined()
    expect(idsIn(workers, 'checked')).toEqual(['old0', 'old1', 'old2', 'new1', 'new2', 'new3', 'new4'])
    await workers.stop('w1')
    // It is the topic now: who recreates it once more is told again.
    await workers.start('w1')
    orders(workers, 'more', 1)
    await workers.rest()
    expect(idsIn(workers, 'checked')).toHaveLength(8)
    await workers.stop('w1')
    recreate(workers, 'orders')
    await workers.start('w1')
    await workers.rest()
    expect(workers.endOf('w1')?.code).toBe('TOPIC_REPLACED')
  })

  test('is read from where the group was reset to also when that is where it was', async () => {
    const workers = await sourceMadeAnew()
    workers.cluster.setCommitted('sim', [{ topic: 'orders', partition: 0, position: 3 }])
    await workers.start('w1')
    await workers.rest()
    expect(workers.endOf('w1')).toBeUndefined()
    expect(idsIn(workers, 'checked')).toEqual(['old0', 'old1', 'old2', 'new3', 'new4'])
  })

  test('stops a task without state where the group has kept its position', async () => {
    const workers = new MemoryWorkers(stateless)
    messages(workers, 'old', 3)
    await workers.start('w1')
    await workers.rest()
    await workers.stop('w1')
    recreate(workers, 'in', true)
    messages(workers, 'new', 5)
    await workers.start('w1')
    await workers.rest()
    expect(workers.endOf('w1')?.code).toBe('TOPIC_REPLACED')
    expect(idsIn(workers, 'out')).toEqual(['old0', 'old1', 'old2'])
    workers.cluster.setCommitted('copy', [{ topic: 'in', partition: 0, position: 0 }])
    await workers.start('w1')
    await workers.rest()
    expect(idsIn(workers, 'out')).toEqual(['old0', 'old1', 'old2', 'new0', 'new1', 'new2', 'new3', 'new4'])
  })

  test('has an id that commit records without ids are soon given', async () => {
    const workers = new MemoryWorkers(stateful)
    orders(workers, 'old', 3)
    await workers.start('w1')
    await workers.rest()
    await workers.stop('w1')
    // As an earlier version has left it.
    const { cluster } = workers
    const log = cluster.partition({ topic: CHANGELOG, partition: 0 })
    forgetIds(workers)
    await workers.start('w1')
    await workers.rest()
    const view = new ChangelogView('changelog', log)
    view.update()
    expect(view.commit?.topicIds).toEqual({
      quotes: cluster.describeTopic('quotes')?.id,
      orders: cluster.describeTopic('orders')?.id,
    })
  })
})

/** What an earlier version wrote: no ids, and no notes beside the group's offsets. */
function forgetIds({ cluster }: MemoryWorkers): void {
  const view = new ChangelogView('changelog', cluster.partition({ topic: CHANGELOG, partition: 0 }))
  view.update()
  if (view.commit === undefined) throw new Error('nothing was committed')
  const { topicIds: _, ...commit } = view.commit
  const owner = cluster.transactions.init(`${APPLICATION}-symbol-0`, 10_000)
  const log = cluster.partition({ topic: CHANGELOG, partition: 0 })
  const writer = new RecordWriter(1_000_000)
  writer.append(0, COMMIT_KEY, encodeCommitRecord(commit))
  for (const chunk of writer.take()) log.append(chunk, { producerId: owner.producerId })
  log.mark(owner.producerId, 'commit')
  const positions = Object.entries(commit.positions).map(([name, position]) => ({
    topic: name,
    partition: 0,
    position,
  }))
  cluster.setCommitted(APPLICATION, positions)
}

describe('on brokers without ids', () => {
  test('nothing is taken for another topic', async () => {
    const workers = new MemoryWorkers({ ...stateful, withoutTopicIds: true })
    orders(workers, 'a', 3)
    await workers.start('w1')
    await workers.rest()
    await workers.stop('w1')
    await workers.start('w1')
    orders(workers, 'b', 2)
    await workers.rest()
    expect(workers.endOf('w1')).toBeUndefined()
    expect(idsIn(workers, 'checked')).toEqual(['a0', 'a1', 'a2', 'b0', 'b1'])
  })
})

describe('a topic that is deleted and recreated while a worker runs', () => {
  const running = async (): Promise<MemoryWorkers> => {
    const workers = new MemoryWorkers(stateful)
    orders(workers, 'old', 3)
    await workers.start('w1')
    await workers.rest()
    return workers
  }

  test('stops it where it is a source, and nothing of it is read', async () => {
    const workers = await running()
    recreate(workers, 'orders')
    orders(workers, 'new', 9)
    await workers.rest()
    expect(workers.endOf('w1')?.code).toBe('TOPIC_REPLACED')
    expect(idsIn(workers, 'checked')).toEqual(['old0', 'old1', 'old2'])
  })

  test('is not read by a worker that stood still meanwhile', async () => {
    const workers = await running()
    workers.process('w1').pause()
    recreate(workers, 'orders')
    orders(workers, 'new', 9)
    await workers.scheduler.advance(100)
    workers.process('w1').resume()
    await workers.rest()
    expect(workers.endOf('w1')?.code).toBe('TOPIC_REPLACED')
    expect(idsIn(workers, 'checked')).toEqual(['old0', 'old1', 'old2'])
  })

  test.each(['checked', `${APPLICATION}-dead-letters`])('makes it start again where it is %s', async (name) => {
    const workers = await running()
    recreate(workers, name)
    await workers.rest()
    expect(workers.endOf('w1')?.code).toBe('TOPIC_CHANGED')
    expect(workers.endOf('w1')?.exitCode).toBe(3)
    expect(workers.endOf('w1')?.cure).toBe(errorKinds.TOPIC_CHANGED.cure)
    await workers.start('w1')
    orders(workers, 'new', 1)
    await workers.rest()
    expect(workers.endOf('w1')).toBeUndefined()
    expect(idsIn(workers, 'checked').at(-1)).toBe('new0')
  })

  test('stops it where it is the changelog, to which nothing is written any more', async () => {
    const workers = await running()
    recreate(workers, CHANGELOG)
    orders(workers, 'new', 1)
    await workers.rest()
    expect(workers.endOf('w1')?.code).toBe('CHANGELOG_LOST')
    const log = workers.cluster.partition({ topic: CHANGELOG, partition: 0 })
    const view = new ChangelogView('changelog', log)
    view.update()
    expect(view.commit).toBeUndefined()
    // Who starts next, without a store, knows as well.
    await workers.start('w2')
    await workers.rest()
    expect(workers.endOf('w2')?.code).toBe('CHANGELOG_LOST')
  })
})
