import { expect, test } from 'vitest'
import { Scheduler } from '../../../src/memory/scheduler.js'

test('events happen in the order of their times, then of their scheduling (invariant 1)', async () => {
  const scheduler = new Scheduler()
  const happened: string[] = []
  const at = (ms: number, name: string): void => {
    scheduler.after(undefined, ms, () => happened.push(`${name}@${String(scheduler.elapsedMs)}`))
  }
  at(3, 'c')
  at(1, 'a')
  at(3, 'd')
  at(2, 'b')
  scheduler.after(undefined, 2.5, () => happened.push('cancelled')).cancel()
  await scheduler.advance(10)
  expect(happened).toEqual(['a@1', 'b@2', 'c@3', 'd@3'])
  expect(scheduler.elapsedMs).toBe(10)
})

test('many events come out of the queue in order', async () => {
  const scheduler = new Scheduler()
  const times: number[] = []
  for (let i = 0; i < 500; i++) scheduler.after(undefined, (i * 7919) % 101, () => times.push(scheduler.elapsedMs))
  await scheduler.advance(200)
  expect(times).toHaveLength(500)
  expect(times).toEqual([...times].sort((a, b) => a - b))
})

test('between two events promises are drained (invariant 2)', async () => {
  const scheduler = new Scheduler()
  const happened: string[] = []
  scheduler.after(undefined, 1, () => {
    void (async () => {
      for (let i = 0; i < 100; i++) await Promise.resolve()
      happened.push('promises')
    })()
  })
  scheduler.after(undefined, 1, () => happened.push('next event'))
  await scheduler.advance(1)
  expect(happened).toEqual(['promises', 'next event'])
})

test('nothing of a killed process happens any more (invariant 3)', async () => {
  const scheduler = new Scheduler()
  const process = scheduler.process('p')
  const happened: string[] = []
  process.clock.after(5, () => happened.push('timer'))
  process.clock.soon(() => happened.push('soon'))
  scheduler.after(undefined, 1, () => {
    process.kill()
    process.clock.after(1, () => happened.push('after death'))
  })
  await scheduler.advance(10)
  expect(happened).toEqual(['soon'])
  expect(process.alive).toBe(false)
})

test('events of a paused process wait for it, in their order (invariant 3)', async () => {
  const scheduler = new Scheduler()
  const process = scheduler.process('p')
  const happened: string[] = []
  const cancelled = process.clock.after(3, () => happened.push('cancelled'))
  process.clock.after(1, () => happened.push(`1@${String(process.clock.monotonic())}`))
  process.clock.after(2, () => happened.push(`2@${String(process.clock.monotonic())}`))
  process.pause()
  await scheduler.advance(10)
  expect(happened).toEqual([])
  cancelled.cancel()
  process.resume()
  await scheduler.advance(10)
  expect(happened).toEqual(['1@10', '2@10'])
})

test("the wall clock can be set off; the monotonic one can't", async () => {
  const scheduler = new Scheduler({ startMs: 1_000 })
  const { clock } = scheduler.process('other')
  const process = scheduler.process('p')
  await scheduler.advance(5)
  process.setWallClockOff(-100)
  expect(process.clock.now()).toBe(905)
  expect(process.clock.monotonic()).toBe(5)
  expect(clock.now()).toBe(1_005)
})

test('a world that stands still says so', async () => {
  const scheduler = new Scheduler()
  await expect(scheduler.run(new Promise(() => undefined))).rejects.toMatchObject({ code: 'INTERNAL' })
  const again = (): void => void scheduler.after(undefined, 10, again)
  again()
  await expect(scheduler.run(new Promise(() => undefined), 100)).rejects.toMatchObject({ code: 'INTERNAL' })
  await expect(scheduler.until(() => false, 100)).rejects.toMatchObject({ code: 'INTERNAL' })
})

test('what an event throws comes out of the run', async () => {
  const scheduler = new Scheduler()
  scheduler.after(undefined, 1, () => {
    throw new RangeError('thrown')
  })
  await expect(scheduler.advance(2)).rejects.toThrow('thrown')
})

test('skipping sets wall clocks forward, and nothing else', async () => {
  const scheduler = new Scheduler({ startMs: 1_000 })
  const { clock } = scheduler.process('p')
  const happened: number[] = []
  clock.after(5, () => happened.push(clock.now()))
  scheduler.skip(86_400_000)
  expect([clock.now(), clock.monotonic(), scheduler.nowMs]).toEqual([86_401_000, 0, 86_401_000])
  await scheduler.advance(5)
  expect(happened).toEqual([86_401_005])
})
