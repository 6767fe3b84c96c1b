/** A worker's broadcasts, on a fetcher that the test answers for. */
import { expect, it } from 'vitest'
import { broadcastDefinition } from '../../../src/api/broadcast.js'
import { PotorooError } from '../../../src/errors.js'
import { broadcast, topic } from '../../../src/index.js'
import type { Fetcher, FetchInput } from '../../../src/ports/log.js'
import type { RuntimeEvent } from '../../../src/ports/observer.js'
import { Broadcasts } from '../../../src/runtime/broadcasts.js'
import { Scheduler } from '../../../src/memory/scheduler.js'
import { batchOf, fetchedOf, type FetchedOptions } from '../../support/records.js'
import { anySchema } from '../../support/schemas.js'

const rates = topic('rates', { schema: anySchema<{ id: string; n: number }>(), key: ({ id }) => id })
const definition = broadcastDefinition(broadcast('rate', rates), 'test')
const never = new AbortController().signal

function world({ starts = [[0]] as readonly (readonly number[] | PotorooError)[] } = {}) {
  const inputs: FetchInput[] = []
  const events: RuntimeEvent[] = []
  const failures: PotorooError[] = []
  let wakes = 0
  const left = [...starts]
  const fetcher: Fetcher = {
    add: (input) => void inputs.push(input),
    remove: (input) => void inputs.splice(inputs.indexOf(input), 1),
    wake: () => {
      wakes++
    },
    close: () => Promise.resolve(),
  }
  const scheduler = new Scheduler()
  const broadcasts = new Broadcasts(
    [{ definition, topic: 'rates', id: undefined, partitions: 1 }],
    {
      log: {
        listOffsets: () => {
          const next = left.shift() ?? [0]
          return next instanceof PotorooError ? Promise.reject(next) : Promise.resolve(next)
        },
      },
      clock: scheduler.process('worker').clock,
      observer: { observe: (event) => void events.push(event) },
      fetcher,
    },
    (error) => failures.push(error),
  )
  const answer = (records: readonly object[], options: FetchedOptions): void => {
    const [input] = inputs
    const position = input?.wanted() ?? expect.fail()
    const pairs = records.map((record) => ({ key: 'a', value: JSON.stringify({ id: 'a', ...record }) }))
    input?.deliver(fetchedOf(pairs.length === 0 ? [] : [batchOf(position, pairs)], { position, ...options }))
  }
  return { broadcasts, inputs, events, failures, scheduler, answer, wakes: () => wakes }
}
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const kindsOf = (events: readonly RuntimeEvent[]): string[] => events.map(({ kind }) => kind)

it('are loaded when all was read to its end once (invariant 1)', async () => {
  const { broadcasts, answer, events, inputs } = world()
  let loaded = false
  const loading = broadcasts.load(never).then(() => (loaded = true))
  await settled()
  expect(inputs[0]?.hurried()).toBe(true)
  answer([{ n: 1 }], { asked: 1, arrived: 2, lastStableOffset: 5 })
  await settled()
  expect(loaded).toBe(false)
  answer([{ n: 2 }], { asked: 3, arrived: 4 })
  await loading
  expect(events).toMatchObject([{ kind: 'broadcast-loaded', entries: 1 }])
  expect(inputs[0]?.hurried()).toBe(false)
  expect(broadcasts.lookup(definition, 'a')).toEqual({ id: 'a', n: 2 })
})

it('are asked for as soon as messages arrive, and let them go when they are proven (invariant 2)', async () => {
  const { broadcasts, answer, inputs, wakes } = world()
  const loading = broadcasts.load(never)
  await settled()
  answer([], { asked: 1, arrived: 2 })
  await loading
  let ready = 0
  const task = broadcasts.of([definition], () => ready++)
  expect([task.isOpenFor(1), wakes()]).toEqual([true, 0])
  task.arrived(5)
  expect([inputs[0]?.hurried(), wakes()]).toEqual([true, 1])
  expect(task.isOpenFor(5)).toBe(false)
  // Asked for before they had arrived.
  answer([], { asked: 4, arrived: 6 })
  expect([ready, task.isOpenFor(5)]).toEqual([1, false])
  answer([{ n: 1 }], { asked: 7, arrived: 8 })
  expect([ready, task.isOpenFor(5), inputs[0]?.hurried()]).toEqual([2, true, false])
  // Nobody waits now: nobody is told.
  answer([], { asked: 9, arrived: 10 })
  expect(ready).toBe(2)
  task.arrived(11)
  expect(task.isOpenFor(11)).toBe(false)
  task.close()
  answer([], { asked: 12, arrived: 13 })
  expect(ready).toBe(2)
})

it('are read again when the log has moved on, and nothing goes meanwhile, what was proven before included (invariant 3)', async () => {
  const unreachable = new PotorooError('BROKER_UNREACHABLE', 'away')
  const { broadcasts, answer, inputs, events, scheduler, failures } = world({ starts: [[0], unreachable, [7]] })
  const loading = broadcasts.load(never)
  await settled()
  answer([{ n: 1 }], { asked: 1, arrived: 2 })
  await loading
  const task = broadcasts.of([definition], () => undefined)
  expect(task.isOpenFor(1)).toBe(true)
  inputs[0]?.failed(new PotorooError('OFFSET_OUT_OF_RANGE', 'gone'))
  expect(inputs).toEqual([])
  expect([task.isOpenFor(1), broadcasts.lookup(definition, 'a')]).toEqual([false, undefined])
  await settled()
  await scheduler.advance(2_000)
  expect(inputs[0]?.wanted()).toBe(7)
  answer([{ n: 3 }], { asked: 20, arrived: 21 })
  expect([task.isOpenFor(1), broadcasts.lookup(definition, 'a')]).toEqual([true, { id: 'a', n: 3 }])
  expect(kindsOf(events)).toEqual(['broadcast-loaded', 'broadcast-again'])
  expect(failures).toEqual([])
})

it('say that messages wait when brokers give no answer, once, and that they continue', async () => {
  const { broadcasts, answer, events, scheduler } = world()
  const loading = broadcasts.load(never)
  await settled()
  answer([], { asked: 1, arrived: 2 })
  await loading
  const task = broadcasts.of([definition], () => undefined)
  task.arrived(3)
  await scheduler.advance(4_900)
  expect(kindsOf(events)).toEqual(['broadcast-loaded'])
  await scheduler.advance(20_000)
  task.arrived(4)
  answer([], { asked: 5, arrived: 6 })
  await scheduler.advance(20_000)
  expect(kindsOf(events)).toEqual(['broadcast-loaded', 'broadcast-awaited', 'broadcast-caught-up'])
})

it.each([
  ['TOPIC_REPLACED', 'TOPIC_CHANGED'],
  ['NOT_AUTHORIZED', 'NOT_AUTHORIZED'],
] as const)("that can't be read (%s) end the worker with %s, whether it starts or runs", async (code, due) => {
  const starting = world()
  const failing = starting.broadcasts.load(never)
  await settled()
  starting.inputs[0]?.failed(new PotorooError(code, 'no'))
  await expect(failing).rejects.toMatchObject({ code: due })
  expect(starting.failures).toEqual([])

  const running = world()
  const loading = running.broadcasts.load(never)
  await settled()
  running.answer([], { asked: 1, arrived: 2 })
  await loading
  running.inputs[0]?.failed(new PotorooError(code, 'no'))
  expect(running.failures).toMatchObject([{ code: due }])
  expect(running.inputs).toEqual([])
})
