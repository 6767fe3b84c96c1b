/** src/runtime/purge.ts: what is deleted from repartition topics, and when. Its invariants are at the head of that file. */
import { expect, test } from 'vitest'
import { PotorooError } from '../../../src/errors.js'
import { Scheduler } from '../../../src/memory/scheduler.js'
import type { PartitionPosition } from '../../../src/ports/log.js'
import { allOf, type RuntimeEvent } from '../../../src/ports/observer.js'
import { logObserver } from '../../../src/runtime/log-lines.js'
import { defaults } from '../../../src/runtime/options.js'
import { Purge } from '../../../src/runtime/purge.js'

const { lookMs, records, afterMs } = defaults.purge

/** `answer`: what the log does with a request. */
function purging(answer: (upTo: readonly PartitionPosition[]) => Promise<void> = () => Promise.resolve()) {
  const scheduler = new Scheduler()
  const asked: string[] = []
  const said: string[] = []
  const log = {
    deleteRecords: (upTo: readonly PartitionPosition[]): Promise<void> => {
      asked.push(
        upTo.map(({ topic, partition, position }) => `${topic}-${String(partition)} ${String(position)}`).join(),
      )
      return answer(upTo)
    },
  }
  const logger = {
    debug: (_: object, what: string): void => void said.push(`debug ${what}`),
    info: () => undefined,
    warn: (_: object, what: string): void => void said.push(`warn ${what}`),
    error: () => undefined,
  }
  const events: RuntimeEvent[] = []
  const observer = allOf([logObserver(logger), { observe: (event) => void events.push(event) }])
  // Of the log it needs nothing else.
  const purge = new Purge({ log: log as never, clock: scheduler.process('w').clock, observer })
  const at = (position: number, partition = 0): void => {
    purge.acknowledged({ topic: 'r', partition, position })
  }
  return { scheduler, purge, at, asked, said, events }
}

test('purges up to the last position that was acknowledged, once so many records have gathered (invariants 1 and 3)', async () => {
  const { scheduler, at, asked } = purging()
  at(records - 1)
  await scheduler.advance(lookMs)
  expect(asked).toEqual([])
  at(records)
  // One that comes late says nothing new.
  at(7)
  await scheduler.advance(lookMs)
  expect(asked).toEqual([`r-0 ${String(records)}`])
})

test('purges whatever has gathered after some time, though nothing is acknowledged any more (invariant 2), and then is quiet', async () => {
  const { scheduler, at, asked } = purging()
  at(5)
  await scheduler.advance(afterMs - 1)
  expect(asked).toEqual([])
  await scheduler.advance(2 * lookMs)
  expect(asked).toEqual(['r-0 5'])
  const { happened } = scheduler
  await scheduler.advance(10 * afterMs)
  expect(asked).toHaveLength(1)
  expect(scheduler.happened).toBe(happened)
})

test('asks for all partitions that are due at once, and for no other', async () => {
  const { scheduler, at, asked } = purging()
  at(records, 0)
  at(3, 1)
  at(records + 1, 2)
  await scheduler.advance(lookMs)
  expect(asked).toEqual([`r-0 ${String(records)},r-2 ${String(records + 1)}`])
})

test('what is acknowledged while a request is under way is purged later', async () => {
  const answers: (() => void)[] = []
  const { scheduler, at, asked } = purging(() => new Promise((resolve) => answers.push(resolve)))
  at(5)
  await scheduler.advance(afterMs + lookMs)
  at(8)
  answers.shift()?.()
  await scheduler.advance(afterMs + 2 * lookMs)
  expect(asked).toEqual(['r-0 5', 'r-0 8'])
})

test('a request that fails is sent again, with what was acknowledged meanwhile', async () => {
  let failures = 2
  const { scheduler, at, asked, said } = purging(() =>
    failures-- > 0 ? Promise.reject(new PotorooError('REQUEST_FAILED', 'gone')) : Promise.resolve(),
  )
  at(5)
  await scheduler.advance(afterMs + lookMs)
  at(6)
  await scheduler.advance(3 * lookMs)
  expect(asked).toEqual(['r-0 5', 'r-0 5', 'r-0 6'])
  expect(said).toEqual(Array(2).fill('debug repartition topics could not be purged'))
})

test('where it is not allowed it says so once, and asks no more', async () => {
  const { scheduler, at, asked, said } = purging(() =>
    Promise.reject(new PotorooError('NOT_AUTHORIZED', 'not for you')),
  )
  at(records)
  await scheduler.advance(lookMs)
  at(3 * records)
  await scheduler.advance(10 * afterMs)
  expect(asked).toHaveLength(1)
  expect(said).toEqual([
    'warn repartition topics are not purged, and grow: grant this user Delete on them, and restart the worker',
  ])
})

test('once it is stopped nothing is asked any more', async () => {
  const { scheduler, purge, at, asked } = purging()
  at(records)
  purge.stop()
  at(2 * records)
  await scheduler.advance(10 * afterMs)
  expect(asked).toEqual([])
})

test('how many records were deleted is told, as far as this worker knows: not what others may have deleted before', async () => {
  const { scheduler, at, events } = purging()
  // It begins at the start of one, and in the middle of the other.
  at(0, 0)
  at(70, 1)
  await scheduler.advance(afterMs + lookMs)
  at(5, 0)
  at(75, 1)
  await scheduler.advance(afterMs + lookMs)
  at(8, 0)
  await scheduler.advance(afterMs + lookMs)
  const told = events.map((event) => event.kind === 'purged' && [event.partition, event.position, event.records])
  expect(told).toEqual([
    [1, 70, 0],
    [0, 5, 5],
    [1, 75, 5],
    [0, 8, 3],
  ])
})
