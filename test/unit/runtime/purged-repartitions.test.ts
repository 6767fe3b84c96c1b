/** What becomes of tasks whose repartition was purged by another owner, or by somebody else. */
import { expect, test } from 'vitest'
import { application } from '../../../src/api/application.js'
import { from } from '../../../src/api/stream.js'
import { stateObject } from '../../../src/api/state-object.js'
import { topic } from '../../../src/api/topic.js'
import { defaults } from '../../../src/runtime/options.js'
import { MemoryWorkers } from '../../support/memory-workers.js'
import { anySchema } from '../../support/schemas.js'

interface Reading {
  readonly device: string
  readonly site: string
}
const readings = topic('readings', { schema: anySchema<Reading>(), key: ({ device }) => device })
const sums = topic('sums', { schema: anySchema<{ site: string; n: number }>(), key: ({ site }) => site })
const site = stateObject('site', () => ({ n: 0 }))
const app = application(
  'plant',
  from(readings)
    .keyBy((one) => one.site)
    .to(site, (state, one) => ({ site: one.site, n: ++state.n }))
    .sink(sums),
)
const REPARTITION = 'plant-readings-site-repartition'
const purge = { lookMs: 100, records: 1, afterMs: 100 }
const never = { ...defaults.purge, records: Infinity, afterMs: Infinity }

const world = (more: { readonly purge?: typeof purge } = {}): MemoryWorkers =>
  new MemoryWorkers({
    application: app,
    topics: ['readings', 'sums'],
    runtime: { purge: more.purge ?? purge },
  })
const feed = (workers: MemoryWorkers, count: number): void => {
  for (let i = 0; i < count; i++) workers.append('readings', `d${String(i)}`, { device: `d${String(i)}`, site: 's' })
}
const counts = (workers: MemoryWorkers): number[] =>
  workers.records('sums').map(({ value }) => (JSON.parse(value) as { n: number }).n)
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1)
const repartition = ({ cluster }: MemoryWorkers) => cluster.partition({ topic: REPARTITION, partition: 0 })

test('a repartition that was processed is empty', async () => {
  const workers = world()
  feed(workers, 5)
  await workers.start('w1')
  await workers.rest()
  expect(counts(workers)).toEqual(upTo(5))
  const { logStart, logEnd } = repartition(workers)
  expect(logStart).toBeGreaterThan(0)
  expect(logStart).toBe(logEnd)
})

test('who takes it over purges what its last owner has processed and not purged, though nothing comes any more', async () => {
  const workers = world({ purge: { ...purge, afterMs: 20_000, records: 1_000 } })
  feed(workers, 5)
  await workers.start('w1')
  await workers.scheduler.until(() => counts(workers).length === 5, 10_000)
  await workers.scheduler.advance(1_000)
  workers.kill('w1')
  expect(repartition(workers).logStart).toBe(0)
  await workers.start('w2')
  await workers.scheduler.advance(60_000)
  const { logStart, logEnd } = repartition(workers)
  expect(logStart).toBe(logEnd)
})

test('who lost a task without noticing, and finds it purged, is fenced: it continues once it has the task again', async () => {
  const workers = world()
  feed(workers, 3)
  await workers.start('w1')
  await workers.rest()
  // It does not reach anybody for longer than its session.
  workers.process('w1').pause()
  await workers.scheduler.advance(8_000)
  await workers.start('w2')
  feed(workers, 4)
  await workers.rest()
  expect(counts(workers)).toEqual(upTo(7))
  const before = repartition(workers).logStart
  expect(before).toBe(repartition(workers).logEnd)
  workers.process('w1').resume()
  await workers.rest()
  await workers.stop('w2')
  feed(workers, 2)
  await workers.rest()
  expect(workers.endOf('w1')).toBeUndefined()
  expect(counts(workers)).toEqual(upTo(9))
})

test('records that somebody else deleted unread are lost, and the worker stops with that', async () => {
  const workers = world({ purge: never })
  feed(workers, 3)
  await workers.start('w1')
  await workers.rest()
  await workers.stop('w1')
  // One more marker, so that the position is below where the log begins then.
  repartition(workers).mark(1, 'abort')
  repartition(workers).deleteBefore(Infinity)
  await workers.start('w2')
  await workers.rest()
  const end = workers.endOf('w2')
  expect(end?.code).toBe('REPARTITION_LOST')
  expect(end?.message).toMatch(/plant-readings-site-repartition-0 was asked for at \d+.*in transit through it are gone/)
})
