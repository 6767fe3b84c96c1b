/** Workers of `TestDriver` that come, stop and are killed, and its time. */
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { application, from, stateObject } from '../../../src/index.js'
import { SeededRandom } from '../../../src/memory/random.js'
import type { TestDriver } from '../../../src/testing/index.js'
import { account, bookings, overdrafts, runs, statements } from './bank.js'
import { failsWith, start } from './support.js'

beforeEach(() => {
  runs.book = 0
})

const START_MS = Date.UTC(2026, 0, 1)

describe('workers', () => {
  const names = Array.from({ length: 20 }, (_, i) => `account-${String(i)}`)
  const pipeRound = (driver: TestDriver): Promise<void> =>
    driver.pipe(
      bookings,
      names.map((account) => ({ account, amount: 1 })),
    )
  const balances = (driver: TestDriver): Set<number | undefined> =>
    new Set(names.map((name) => driver.state(account, name)?.balance))
  const loads = (driver: TestDriver): number[] => driver.workers.map(({ tasks }) => tasks.length)

  it('share the tasks, also with one that is added', async () => {
    const driver = await start({ partitions: 3, workers: 2 })
    expect(loads(driver)).toEqual([3, 3])
    expect(driver.workers.flatMap(({ tasks }) => tasks).sort()).toEqual(
      ['account', 'overdrafts'].flatMap((name) => [0, 1, 2].map((p) => `${name}_${String(p)}`)),
    )
    await pipeRound(driver)
    expect(await driver.addWorker()).toBe('worker-3')
    expect(loads(driver)).toEqual([2, 2, 2])
    await pipeRound(driver)
    await driver.settle()
    expect(balances(driver)).toEqual(new Set([2]))
    expect(driver.read(statements)).toHaveLength(40)
  })

  it.each([1, 2, 3, 4])('lose and repeat nothing when they are killed: seed %i', async (seed) => {
    const driver = await start({ partitions: 4, workers: 2, seed })
    for (let round = 0; round < 8; round++) {
      await pipeRound(driver)
      // before it was fetched, processed, committed, and after
      await driver.advance(round / 2)
      driver.crash(round % 3 === 0 ? undefined : 'worker-1')
      await pipeRound(driver)
      await driver.restart()
    }
    await driver.settle()
    expect(balances(driver)).toEqual(new Set([16]))
    const seen = driver.read(statements).map(({ account, balance }) => `${account} ${String(balance)}`)
    expect(seen).toHaveLength(320)
    expect(new Set(seen).size).toBe(320)
    // computations did run for nothing, or nothing was tried here
    expect(runs.book).toBeGreaterThan(320)
  })

  it('may lead any life: what is piped counts once', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = new SeededRandom(seed)
      const driver = await start({ partitions: 1 + random.below(4), workers: 1 + random.below(3), seed })
      let set = 0
      for (let round = 0; round < 12; round++) {
        await pipeRound(driver)
        await driver.advance(random.between(0, 6))
        const named = (running: boolean): string[] =>
          driver.workers.filter((worker) => worker.running === running).map(({ name }) => name)
        const [up, down] = [named(true), named(false)]
        const deeds: (() => unknown)[] = [
          ...(up.length > 0 ? [() => driver.crash(), () => driver.crash(random.pick(up))] : []),
          ...(up.length > 1 ? [() => driver.stopWorker(random.pick(up))] : []),
          ...(down.length > 0 ? [() => driver.restart(random.pick(down))] : []),
          ...(driver.workers.length < 5 ? [() => driver.addWorker()] : []),
          () => driver.setState(overdrafts, 'somebody', { count: ++set }),
        ]
        await random.pick(deeds)()
      }
      if (driver.workers.some(({ running }) => !running)) await driver.restart()
      await driver.settle()
      expect(balances(driver), `seed ${String(seed)}`).toEqual(new Set([12]))
      expect(driver.read(statements), `seed ${String(seed)}`).toHaveLength(12 * names.length)
      expect(driver.state(overdrafts, 'somebody')?.count ?? 0, `seed ${String(seed)}`).toBe(set)
    }
  })

  it('hand over when they stop, and take part again when they are started', async () => {
    const driver = await start({ partitions: 4, workers: 2 })
    await pipeRound(driver)
    await driver.stopWorker('worker-1')
    expect(loads(driver)).toEqual([0, 8])
    await pipeRound(driver)
    await driver.settle()
    await driver.stopWorker()
    expect(driver.workers.map(({ running }) => running)).toEqual([false, false])
    // stopped in order, nothing is left to do, and that can be seen without them
    await driver.settle()
    expect(balances(driver)).toEqual(new Set([2]))
    await pipeRound(driver)
    await expect(driver.settle()).rejects.toThrow(
      failsWith('INVALID_TEST', 'No worker is running, and records of topic'),
    )
    await driver.restart('worker-2')
    expect(loads(driver)).toEqual([0, 8])
    await driver.settle()
    expect(balances(driver)).toEqual(new Set([3]))
  })

  it('may be killed while they start, and while they stop', async () => {
    const events = { handingOver: (): void => undefined }
    const info = (_: object, message: string): void => {
      if (message.startsWith('stopping: ')) events.handingOver()
    }
    const logger = { debug: () => undefined, info, warn: () => undefined, error: () => undefined }
    const driver = await start({ partitions: 3, workers: 2, logger })
    const adding = driver.addWorker()
    while (driver.workers.length < 3) await new Promise(setImmediate)
    driver.crash('worker-3')
    await adding
    expect(loads(driver)).toEqual([3, 3, 0])
    const handingOver = vi.fn(() => driver.crash('worker-1'))
    events.handingOver = handingOver
    await driver.stopWorker('worker-1')
    expect(handingOver).toHaveBeenCalledOnce()
    expect(loads(driver)).toEqual([0, 6, 0])
    await pipeRound(driver)
    await driver.settle()
    expect(balances(driver)).toEqual(new Set([1]))
  })

  it('may be killed by a computation, in the middle of it', async () => {
    const driver = await start()
    const tally = stateObject('tally', () => ({ count: 0 }))
    let left = 2
    const fragile = application(
      'fragile',
      from(bookings).to(tally, (state) => {
        state.count++
        if (left-- > 0) victim.crash()
      }),
    )
    const victim = await start({}, fragile)
    await victim.pipe(bookings, { account: 'ada', amount: 1 })
    for (let i = 0; i < 2; i++) {
      await expect(victim.settle()).rejects.toThrow(failsWith('INVALID_TEST', 'No worker is running'))
      expect(victim.state(tally, 'ada')).toBeUndefined()
      await victim.restart()
    }
    await victim.settle()
    expect(victim.state(tally, 'ada')).toEqual({ count: 1 })
    expect(driver.workers[0]?.running).toBe(true)
  })

  it('are named as they are', async () => {
    const driver = await start()
    expect(() => driver.crash('worker-2')).toThrow(
      failsWith('INVALID_TEST', 'There is no worker worker-2: the workers are worker-1'),
    )
    await expect(driver.restart('worker-1')).rejects.toThrow(failsWith('INVALID_TEST', 'worker-1 is not down'))
    driver.crash()
    expect(() => driver.crash()).toThrow(failsWith('INVALID_TEST', 'crash(): no worker is running'))
    await expect(driver.stopWorker('worker-1')).rejects.toThrow(failsWith('INVALID_TEST', 'is not running'))
  })
})

describe('time', () => {
  it('goes by without any passing: a millisecond for each message, and what is asked for', async () => {
    const driver = await start({ startMs: START_MS })
    const begun = driver.nowMs
    await driver.pipe(bookings, [
      { account: 'ada', amount: 1 },
      { account: 'ada', amount: 1 },
    ])
    expect(driver.nowMs).toBe(begun + 2)
    await driver.advance(400 * 86_400_000)
    expect(driver.nowMs).toBe(begun + 2 + 400 * 86_400_000)
    await driver.pipe(bookings, { account: 'ada', amount: 1 })
    await driver.settle()
    const times = driver.read(statements).map(({ atMs }) => atMs)
    expect(times).toEqual([begun + 1, begun + 2, begun + 3 + 400 * 86_400_000])
  })

  it('may pass between a crash and a restart: what was kept is what is in the changelog', async () => {
    const driver = await start()
    await driver.pipe(bookings, { account: 'ada', amount: 1 })
    await driver.settle()
    driver.crash()
    await driver.advance(30 * 86_400_000)
    await driver.restart()
    await driver.pipe(bookings, { account: 'ada', amount: 1 })
    await driver.settle()
    expect(driver.state(account, 'ada')?.balance).toBe(2)
  })

  it('goes by under fake timers, too', async () => {
    vi.useFakeTimers()
    try {
      const driver = await start()
      await driver.pipe(bookings, { account: 'ada', amount: 1 })
      await driver.settle()
      expect(driver.read(statements)).toHaveLength(1)
    } finally {
      vi.useRealTimers()
    }
  })

  it('does not go back or to nowhere', async () => {
    const driver = await start()
    for (const ms of [-1, NaN, Infinity])
      await expect(driver.advance(ms)).rejects.toThrow(failsWith('INVALID_TEST', String(ms)))
  })
})

describe('the same seed', () => {
  const story = async (seed: number): Promise<string[]> => {
    const lines: string[] = []
    const log =
      (level: string) =>
      (fields: object, message: string): void => {
        lines.push(`${level} ${message} ${JSON.stringify(fields)}`)
      }
    const logger = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') }
    const driver = await start({ partitions: 3, workers: 2, seed, logger })
    await driver.pipe(bookings, { account: 'ada', amount: 1 })
    driver.crash('worker-2')
    await driver.addWorker()
    await driver.settle()
    return [...lines, JSON.stringify(driver.readRecords(statements)), String(driver.nowMs)]
  }

  it('tells the same story to the letter, another one another', async () => {
    const [one, same, other] = [await story(7), await story(7), await story(8)]
    expect(one.length).toBeGreaterThan(10)
    expect(same).toEqual(one)
    expect(other).not.toEqual(one)
  })
})
