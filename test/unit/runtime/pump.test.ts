/** Invariants of runtime/pump.ts, on tasks that are nothing but work. */
import { expect, test } from 'vitest'
import { Scheduler } from '../../../src/memory/scheduler.js'
import { unwatched } from '../../../src/ports/watchdog.js'
import { Pump, type Pumped } from '../../../src/runtime/pump.js'

function pump() {
  const scheduler = new Scheduler()
  const { clock } = scheduler.process('w')
  const tasks = new Map<string, Pumped>()
  const done: string[] = []
  let confirm: (() => void) | undefined
  const one = new Pump(tasks, clock, unwatched(clock), 0, () => new Promise((resolve) => (confirm = resolve)))
  return {
    one,
    scheduler,
    tasks,
    done,
    confirm: (): void => confirm?.(),
    /** With so many slices of work, each of which is done at once. */
    add: (id: string, slices: number, over: Partial<Pumped> = {}): Pumped => {
      const task: Pumped = {
        id,
        isSlow: false,
        run: () => {
          done.push(id)
          return --slices > 0
        },
        cutOff: () => undefined,
        settle: () => Promise.resolve(),
        ...over,
      }
      tasks.set(id, task)
      return task
    },
  }
}

test('tasks that have more to do take turns', async () => {
  const { one, scheduler, add, done } = pump()
  const [a, b] = [add('a', 3), add('b', 2)]
  one.runSoon(a)
  one.runSoon(b)
  await scheduler.advance(1)
  expect(done).toEqual(['a', 'b', 'a', 'b', 'a'])
})

test("a task that is not the worker's is not run", async () => {
  const { one, scheduler, add, tasks, done } = pump()
  const former = add('a', 1)
  tasks.delete('a')
  one.runSoon(former)
  await scheduler.advance(1)
  expect(done).toEqual([])
})

test('a message that may be slow waits for the group and for all that is under way, and nobody begins anything meanwhile (invariant 2)', async () => {
  const { one, scheduler, add, done, confirm } = pump()
  let settled = (): void => undefined
  const settling = new Promise<void>((resolve) => (settled = resolve))
  const slow = add('slow', 1, { isSlow: true })
  const other = add('other', 2, { settle: () => settling })
  one.runSoon(slow)
  await scheduler.advance(1)
  one.runSoon(other)
  await scheduler.advance(1)
  // The group has not confirmed: others continue.
  expect(done).toEqual(['other', 'other'])
  confirm()
  await scheduler.advance(1)
  one.runSoon(other)
  await scheduler.advance(1)
  expect(done).toEqual(['other', 'other'])
  settled()
  await scheduler.advance(1)
  expect(done).toEqual(['other', 'other', 'slow', 'other'])
})

test('the others continue where the one that they wait for has left', async () => {
  const { one, scheduler, add, tasks, done, confirm } = pump()
  const slow = add('slow', 1, { isSlow: true, settle: () => new Promise(() => undefined) })
  const other = add('other', 1)
  one.runSoon(slow)
  await scheduler.advance(1)
  confirm()
  await scheduler.advance(1)
  one.runSoon(other)
  await scheduler.advance(1)
  expect(done).toEqual([])
  tasks.delete('slow')
  one.forget(slow)
  await scheduler.advance(3000)
  expect(done).toEqual(['other'])
})
