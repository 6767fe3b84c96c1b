/** How often a task that makes calls commits: src/runtime/call-task.ts. */
import { expect, test } from 'vitest'
import { application } from '../../../../src/api/application.js'
import { from } from '../../../../src/api/stream.js'
import { topic } from '../../../../src/api/topic.js'
import { WINDOW_OFFSETS } from '../../../../src/core/processing/calls/window.js'
import { MemoryWorkers } from '../../../support/memory-workers.js'
import { anySchema } from '../../../support/schemas.js'

interface Ask {
  readonly id: string
}
const CALL_MS = 10
const OVERLAP = 32

test('a task with more messages than it may look at commits as one with a backlog: they wait here, not in the topic', async () => {
  const asks = topic('asks', { schema: anySchema<Ask>(), key: ({ id }) => id })
  const told = topic('told', { schema: anySchema<Ask>(), key: ({ id }) => id })
  const ask = (message: Ask): Promise<Ask> =>
    new Promise((resolve) => {
      workers.scheduler.after(undefined, CALL_MS, () => {
        resolve(message)
      })
    })
  const workers: MemoryWorkers = new MemoryWorkers({
    application: application('backlog', from(asks).call('outside', ask, { overlap: OVERLAP }).sink(told)),
    topics: ['asks', 'told'],
    runtime: { commitIntervalMs: 15, backlogCommitIntervalMs: 200 },
  })
  const { scheduler } = workers
  const count = 6 * WINDOW_OFFSETS
  for (let i = 0; i < count; i++) workers.append('asks', `k${String(i)}`, { id: `k${String(i)}` })
  await workers.start('w1')
  const begunMs = scheduler.elapsedMs
  const commits = (): number => workers.records(workers.names.changelog('outside')).length
  const done = (): number => workers.records('told').length
  const until = async (isEnough: () => boolean): Promise<void> => {
    for (let left = 600; !isEnough() && left > 0; left--) await scheduler.advance(10)
  }
  await until(() => done() >= count - 2 * WINDOW_OFFSETS)
  const tookMs = scheduler.elapsedMs - begunMs
  // Nothing of it waits for commits.
  expect(tookMs).toBeLessThan(1.3 * ((count * CALL_MS) / OVERLAP))
  expect(commits()).toBeLessThan(tookMs / 150)
  // And whoever keeps up is not kept waiting.
  await until(() => done() === count)
  await workers.rest()
  workers.append('asks', 'last', { id: 'last' })
  const sentMs = scheduler.elapsedMs
  await until(() => done() === count + 1)
  expect(scheduler.elapsedMs - sentMs).toBeLessThan(CALL_MS + 50)
  await workers.stop('w1')
})
