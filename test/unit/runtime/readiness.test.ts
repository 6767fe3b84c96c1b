/** Whether a worker says that it is ready: in its group, and all tasks that it has running. */
import { expect, test } from 'vitest'
import { application } from '../../../src/api/application.js'
import { from } from '../../../src/api/stream.js'
import { stateObject } from '../../../src/api/state-object.js'
import { topic } from '../../../src/api/topic.js'
import type { Readiness } from '../../../src/ports/figures.js'
import { MemoryWorkers } from '../../support/memory-workers.js'
import { anySchema } from '../../support/schemas.js'

const events = topic('events', { schema: anySchema<{ key: string }>(), key: ({ key }) => key })
const counts = topic('counts', { schema: anySchema<{ key: string; n: number }>(), key: ({ key }) => key })
const count = stateObject('count', () => ({ n: 0 }))
const app = application(
  'counter',
  from(events)
    .to(count, (state, { key }) => ({ key, n: ++state.n }))
    .sink(counts),
)
const world = (): MemoryWorkers => new MemoryWorkers({ application: app, topics: ['events', 'counts'], partitions: 2 })

const reasonOf = (readiness: Readiness | undefined): string | undefined =>
  readiness === undefined || readiness.ready ? undefined : readiness.reason

/** What it says until it is ready, each answer once. */
async function sayingsOf(workers: MemoryWorkers, name: string): Promise<string[]> {
  const said: string[] = []
  for (let i = 0; i < 100_000 && said.at(-1) !== 'ready'; i++) {
    await workers.scheduler.advance(0.1)
    const readiness = workers.readiness(name)
    const now = readiness?.ready === true ? 'ready' : reasonOf(readiness)
    if (now !== undefined && now !== said.at(-1)) said.push(now)
  }
  return said
}

test('a worker starts, joins, restores, and is ready', async () => {
  const workers = world()
  const started = workers.start('w1')
  expect(reasonOf(workers.readiness('w1'))).toBe('starting')
  await started
  expect(await sayingsOf(workers, 'w1')).toEqual(['joining', 'restoring', 'ready'])
  expect(workers.active('w1')).toHaveLength(2)
})

test('a worker without tasks is ready, too', async () => {
  const workers = world()
  await workers.start('w1')
  await workers.rest()
  for (const name of ['w2', 'w3']) await workers.start(name)
  await workers.rest()
  // Two tasks for three workers.
  expect(['w1', 'w2', 'w3'].map((name) => workers.readiness(name))).toEqual(Array(3).fill({ ready: true }))
  expect(['w1', 'w2', 'w3'].map((name) => workers.active(name).length).sort()).toEqual([0, 1, 1])
})

test('a worker that is told to stop says so while it hands over', async () => {
  const workers = world()
  for (const name of ['w1', 'w2']) await workers.start(name)
  await workers.rest()
  const stopping = workers.stop('w1')
  expect(reasonOf(workers.readiness('w1'))).toBe('stopping')
  await stopping
  expect(reasonOf(workers.readiness('w1'))).toBe('stopping')
  await workers.rest()
  expect(workers.readiness('w2')).toEqual({ ready: true })
})
