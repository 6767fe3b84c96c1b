/** What docs/guarantees.md promises of counters, on workers of the real runtime. */
import { expect, test } from 'vitest'
import { application, from, stateObject, topic } from '../../../src/index.js'
import { TestMetrics } from '../../support/collected.js'
import { MemoryWorkers } from '../../support/memory-workers.js'
import { anySchema } from '../../support/schemas.js'

interface Reading {
  readonly site: string
  readonly fails?: boolean
}
const readings = topic('readings', { schema: anySchema<Reading>(), key: ({ site }) => site })
const counts = topic('counts', { schema: anySchema<{ site: string; n: number }>(), key: ({ site }) => site })
const count = stateObject('count', () => ({ n: 0 }))
const app = application(
  'app',
  from(readings)
    .to(count, (state, { site, fails = false }) => {
      state.n++
      if (fails) throw new Error('on purpose')
      return { site, n: state.n }
    })
    .sink(counts),
)

function bench() {
  const sdk = new TestMetrics()
  const workers = new MemoryWorkers({
    application: app,
    topics: ['readings', 'counts'],
    partitions: 2,
    // A killed worker's store lacks what it has committed: its next life replays that.
    runtime: { storeIntervalMs: 60_000 },
    meter: sdk.meter,
  })
  let sent = 0
  const send = (messages: number, more: Partial<Reading> = {}): void => {
    for (let i = 0; i < messages; i++) {
      const site = `s${String(sent++ % 7)}`
      workers.append('readings', site, { site, ...more })
    }
  }
  const counted = async () => {
    const all = await sdk.samples()
    return {
      consumed: all.sum('messaging_client_consumed_messages_total'),
      sent: all.sum('messaging_client_sent_messages_total', { messaging_destination_name: 'counts' }),
      letters: all.sum('potoroo_dead_letters_total'),
    }
  }
  const replayed = async (): Promise<number> => (await sdk.samples()).sum('potoroo_restore_records_total')
  return { workers, send, counted, replayed }
}

test('what is rolled back and done again is counted once', async () => {
  const { workers, send, counted } = bench()
  await workers.start('w1')
  send(10)
  send(3, { fails: true })
  send(10)
  await workers.rest()
  expect(await counted()).toEqual({ consumed: 23, sent: 20, letters: 3 })
  expect(workers.records('counts')).toHaveLength(20)
})

test('what a restart replays is counted no more', async () => {
  const { workers, send, counted, replayed } = bench()
  await workers.start('w1')
  send(20)
  await workers.rest()
  workers.kill('w1')
  // In a process, it would begin at 0: here one SDK has both lives.
  await workers.start('w1')
  send(5)
  await workers.rest()
  expect(await replayed()).toBeGreaterThan(0)
  expect(await counted()).toEqual({ consumed: 25, sent: 25, letters: 0 })
  expect(workers.records('counts')).toHaveLength(25)
})

test('nothing is counted before Kafka has it: of a worker that is killed in the middle, no more than is there', async () => {
  for (let ms = 0; ms < 40; ms += 3) {
    const { workers, send, counted } = bench()
    await workers.start('w1')
    await workers.rest()
    send(20)
    await workers.scheduler.advance(ms)
    workers.kill('w1')
    const { consumed, sent } = await counted()
    const there = workers.records('counts').length
    expect(sent).toBeLessThanOrEqual(there)
    expect(consumed).toBe(sent)
  }
})
