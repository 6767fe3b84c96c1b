import { describe, expect, it } from 'vitest'
import { Line, Pace } from '../../../src/peers/line.js'
import { Scheduler } from '../../../src/memory/scheduler.js'

const unaborted = new AbortController().signal
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('Line', () => {
  it('lets in as many as there are places, in the order in which they came', async () => {
    const line = new Line(2)
    const entered: number[] = []
    const leave = new Map<number, () => void>()
    const calledOff = new AbortController()
    const enter = async (number: number, signal = unaborted): Promise<void> => {
      leave.set(number, await line.enter(signal))
      entered.push(number)
    }
    const all = [enter(1), enter(2), enter(3), enter(4, calledOff.signal), enter(5), enter(6)]
    const outcomes = Promise.allSettled(all)
    await settled()
    expect(entered).toEqual([1, 2])
    calledOff.abort()
    leave.get(2)?.()
    await settled()
    expect(entered).toEqual([1, 2, 3])
    for (const number of [3, 1]) leave.get(number)?.()
    await settled()
    expect(entered).toEqual([1, 2, 3, 5, 6])
    for (const number of [5, 6]) leave.get(number)?.()
    await Promise.all([enter(7), enter(8)])
    expect((await outcomes).map(({ status }) => status === 'fulfilled')).toEqual([true, true, true, false, true, true])
    await expect(line.enter(calledOff.signal)).rejects.toMatchObject({ name: 'AbortError' })
  })
})

describe('Pace', () => {
  it('lets no more through than it may, whoever asks', async () => {
    const scheduler = new Scheduler()
    const { clock } = scheduler.process('w')
    const pace = new Pace(clock, 1000)
    const times: number[] = []
    const take = async (bytes: number): Promise<void> => {
      await pace.take(bytes, unaborted)
      times.push(clock.monotonic())
    }
    await scheduler.run(Promise.all([take(500), take(250), take(1)]))
    expect(times).toEqual([0, 500, 750])
    await scheduler.advance(10_000)
    const later = clock.monotonic()
    await scheduler.run(Promise.all([take(100), take(1)]))
    expect(times.slice(3)).toEqual([later, later + 100])
  })

  it('lets go of who waits', async () => {
    const scheduler = new Scheduler()
    const pace = new Pace(scheduler.process('w').clock, 1)
    await pace.take(1000, unaborted)
    const calledOff = new AbortController()
    const waiting = pace.take(1, calledOff.signal)
    calledOff.abort()
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' })
    await expect(pace.take(1, calledOff.signal)).rejects.toMatchObject({ name: 'AbortError' })
  })
})
