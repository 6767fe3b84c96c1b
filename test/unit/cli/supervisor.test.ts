import { describe, expect, test } from 'vitest'
import {
  afterDeath,
  type Exit,
  type Life,
  Supervisor,
  type WorkerEvents,
  worseOf,
} from '../../../src/cli/supervisor.js'
import { exitCodes } from '../../../src/errors.js'
import { Scheduler } from '../../../src/memory/scheduler.js'
import { silentLogger } from '../../support/silent-logger.js'

const exit = (code: number): Exit => ({ code, signal: null })
const killed: Exit = { code: null, signal: 'SIGKILL' }
const firstLife: Life = {
  hasStarted: false,
  startedNow: false,
  codeBefore: undefined,
  before: 0,
  deathsInARow: 0,
  livedMs: 0,
}
const laterLife: Life = {
  ...firstLife,
  hasStarted: true,
  startedNow: true,
  codeBefore: null,
  before: 1,
  deathsInARow: 1,
}

describe('what becomes of a worker that died', () => {
  test('it is started again after 0.2 s, doubled with every death in a row up to 10 s', () => {
    let deathsInARow = 0
    const pauses: number[] = []
    for (let death = 0; death < 9; death++) {
      const decision = afterDeath(killed, { ...laterLife, deathsInARow })
      if ('endWith' in decision) throw new Error('it gave up')
      deathsInARow = decision.deathsInARow
      pauses.push(decision.restartInMs)
    }
    expect(pauses).toEqual([200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000])
  })

  test('a life of 60 s resets the row', () => {
    const life = { ...laterLife, deathsInARow: 7 }
    expect(afterDeath(killed, { ...life, livedMs: 59_999 })).toEqual({ restartInMs: 10_000, deathsInARow: 8 })
    expect(afterDeath(killed, { ...life, livedMs: 60_000 })).toEqual({ restartInMs: 200, deathsInARow: 1 })
  })

  test.each([
    ['a signal', killed],
    ['another failure', exit(exitCodes.failure)],
    ['0, though nobody stopped the supervisor', exit(exitCodes.ok)],
    ['no process at all', { code: null, signal: null, error: 'ENOMEM' }],
  ])('%s is cured by a restart, at the first start as later', (_, how) => {
    for (const life of [firstLife, laterLife]) expect(afterDeath(how, life)).toHaveProperty('restartInMs')
  })

  test.each([exitCodes.usage, exitCodes.stoppedByOnError, exitCodes.positions])('exit code %i never is', (code) => {
    for (const life of [firstLife, laterLife]) expect(afterDeath(exit(code), life)).toEqual({ endWith: code })
  })

  test.each([exitCodes.broker, exitCodes.state])(
    'exit code %i ends everything at the very first start, and is waited out later',
    (code) => {
      expect(afterDeath(exit(code), firstLife)).toEqual({ endWith: code })
      // It had started before this end came: a broker that went away, a disk that filled up.
      expect(afterDeath(exit(code), { ...firstLife, hasStarted: true })).toHaveProperty('restartInMs')
      // Killed before it had started, then unable to: its own lock, say, that is not yet taken for stale.
      expect(afterDeath(exit(code), { ...firstLife, before: 1 })).toHaveProperty('restartInMs')
      expect(afterDeath(exit(code), laterLife)).toHaveProperty('restartInMs')
      expect(afterDeath(exit(code), { ...laterLife, startedNow: false, codeBefore: code })).toHaveProperty(
        'restartInMs',
      )
    },
  )

  describe('over its topics (exit code 3)', () => {
    const topics = exit(exitCodes.topics)
    const end = { endWith: exitCodes.topics }

    test('is started once more where it ran: it may fit them as they are now', () => {
      expect(afterDeath(topics, { ...firstLife, hasStarted: true, startedNow: true })).toHaveProperty('restartInMs')
      expect(afterDeath(topics, laterLife)).toHaveProperty('restartInMs')
      expect(afterDeath(topics, { ...laterLife, codeBefore: exitCodes.broker })).toHaveProperty('restartInMs')
    })

    test('is not started again where its start failed, the first as any later one', () => {
      expect(afterDeath(topics, firstLife)).toEqual(end)
      for (const codeBefore of [null, exitCodes.topics, exitCodes.broker])
        expect(afterDeath(topics, { ...laterLife, startedNow: false, codeBefore })).toEqual(end)
    })

    test('is not started again where it ended so twice within a minute', () => {
      const life = { ...laterLife, codeBefore: exitCodes.topics }
      expect(afterDeath(topics, { ...life, livedMs: 59_999 })).toEqual(end)
      expect(afterDeath(topics, { ...life, livedMs: 60_000 })).toHaveProperty('restartInMs')
    })
  })
})

test('the worst exit code is the highest, but one that forbids a restart goes before all others', () => {
  expect(worseOf(exitCodes.ok, exitCodes.failure)).toBe(exitCodes.failure)
  expect(worseOf(exitCodes.state, exitCodes.usage)).toBe(exitCodes.usage)
  expect(worseOf(exitCodes.stoppedByOnError, exitCodes.failure)).toBe(exitCodes.stoppedByOnError)
  expect(worseOf(exitCodes.stoppedByOnError, exitCodes.positions)).toBe(exitCodes.positions)
})

interface Started {
  readonly worker: number
  readonly atMs: number
  readonly signals: string[]
  readonly events: WorkerEvents
}

class World {
  readonly scheduler = new Scheduler()
  readonly started: Started[] = []
  readonly log: Record<string, unknown>[] = []
  readonly supervisor: Supervisor
  code: number | undefined

  constructor(names = ['w-1', 'w-2']) {
    const line = (fields: object, msg: string): void => void this.log.push({ ...fields, msg })
    this.supervisor = new Supervisor(names, {
      clock: this.scheduler.process('supervisor').clock,
      logger: { debug: line, info: line, warn: line, error: line },
      start: (worker, events) => {
        const signals: string[] = []
        this.started.push({ worker, atMs: this.scheduler.elapsedMs, signals, events })
        return { pid: 1000 + this.started.length, signal: (name) => signals.push(name) }
      },
    })
    void this.supervisor.run().then((code) => (this.code = code))
  }

  /** The n-th process that was started, from 1. */
  process(n: number): Started {
    const process = this.started[n - 1]
    if (process === undefined) throw new Error(`only ${String(this.started.length)} processes were started`)
    return process
  }

  lines(msg: RegExp): Record<string, unknown>[] {
    return this.log.filter((line) => msg.test(String(line['msg'])))
  }

  async outcome(): Promise<number | undefined> {
    await Promise.resolve()
    return this.code
  }
}

describe('a supervisor', () => {
  test('starts all workers at once, and one that died again after its pause, saying who, why and when', async () => {
    const world = new World()
    expect(world.started.map(({ worker }) => worker)).toEqual([1, 2])
    world.process(2).events.started('host-2')
    world.process(2).events.ended(killed)
    expect(world.lines(/restarting it/)).toEqual([
      { worker: 'host-2', workerPid: 1002, signal: 'SIGKILL', restartInMs: 200, msg: expect.any(String) as string },
    ])
    await world.scheduler.advance(199)
    expect(world.started).toHaveLength(2)
    await world.scheduler.advance(1)
    expect(world.started).toHaveLength(3)
    expect(world.process(3).worker).toBe(2)
    expect(world.process(1).signals).toEqual([])
    expect(await world.outcome()).toBeUndefined()
  })

  test('waits longer with every death of the same worker, whatever the others do', async () => {
    const world = new World()
    for (const worker of world.started) worker.events.started('w')
    for (let death = 0; death < 4; death++) {
      world.started.findLast(({ worker }) => worker === 1)?.events.ended(exit(exitCodes.broker))
      await world.scheduler.advance(10_000)
    }
    world.process(2).events.ended(exit(1))
    expect(world.lines(/restarting it/).map((line) => [line['worker'], line['exitCode'], line['restartInMs']])).toEqual(
      [
        ['w', 4, 200],
        ['w', 4, 400],
        ['w', 4, 800],
        ['w', 4, 1600],
        ['w', 1, 200],
      ],
    )
  })

  test('ends with the code of a worker that must not be restarted, when the others have stopped', async () => {
    const world = new World(['w-1', 'w-2', 'w-3'])
    world.process(3).events.ended(killed)
    world.process(1).events.ended(exit(exitCodes.stoppedByOnError))
    expect(world.lines(/not restarted/)).toMatchObject([{ worker: 'w-1', exitCode: 6 }])
    expect(world.process(2).signals).toEqual(['SIGTERM'])
    // The third was waiting for its restart: it does not come any more.
    await world.scheduler.advance(60_000)
    expect(world.started).toHaveLength(3)
    expect(await world.outcome()).toBeUndefined()
    world.process(2).events.ended(exit(0))
    expect(await world.outcome()).toBe(exitCodes.stoppedByOnError)
  })

  test('ends instead of looping when a first start fails over topics, broker or state directory', async () => {
    const world = new World()
    world.process(1).events.ended(exit(exitCodes.topics))
    world.process(2).events.ended(exit(exitCodes.topics))
    expect(await world.outcome()).toBe(exitCodes.topics)
  })

  test('a worker that its topics stopped starts once more; when that start fails over them, all end with that code', async () => {
    const world = new World()
    for (const worker of world.started) worker.events.started('w')
    world.process(1).events.ended(exit(exitCodes.topics))
    expect(world.lines(/restarting it/)).toMatchObject([{ exitCode: 3, restartInMs: 200 }])
    await world.scheduler.advance(200)
    world.process(3).events.ended(exit(exitCodes.topics))
    expect(world.lines(/not restarted/)).toMatchObject([{ exitCode: 3, workerPid: 1003 }])
    expect(world.process(2).signals).toEqual(['SIGTERM'])
    world.process(2).events.ended(exit(0))
    expect(await world.outcome()).toBe(exitCodes.topics)
    await world.scheduler.advance(60_000)
    expect(world.started).toHaveLength(3)
  })

  test('a worker whose topics stop it again and again, though it starts, is given up', async () => {
    const world = new World(['w-1'])
    for (let life = 1; life <= 2; life++) {
      world.process(life).events.started('w')
      world.process(life).events.ended(exit(exitCodes.topics))
      await world.scheduler.advance(1000)
    }
    expect(world.started).toHaveLength(2)
    expect(await world.outcome()).toBe(exitCodes.topics)
  })

  test('stops all, waits for all, and ends with 0', async () => {
    const world = new World()
    for (const { events } of world.started) events.started('w')
    world.supervisor.stop()
    world.supervisor.stop()
    expect(world.started.map(({ signals }) => signals)).toEqual([['SIGTERM'], ['SIGTERM']])
    world.process(1).events.ended(exit(0))
    expect(await world.outcome()).toBeUndefined()
    // SIGTERM came before this one could listen.
    world.process(2).events.ended({ code: null, signal: 'SIGTERM' })
    expect(await world.outcome()).toBe(0)
    await world.scheduler.advance(60_000)
    expect(world.started).toHaveLength(2)
  })

  test.each([
    ['a failure', exit(1), 1],
    ['stopped by onError meanwhile', exit(6), 6],
    ['killed by somebody else', killed, 1],
  ])('a stop ends with the worst code: %s', async (_, how, code) => {
    const world = new World()
    world.supervisor.stop()
    world.process(1).events.ended(how)
    world.process(2).events.ended(exit(0))
    expect(await world.outcome()).toBe(code)
  })

  test('a stop while all wait for their restart ends at once', async () => {
    const world = new World(['w-1'])
    world.process(1).events.ended(killed)
    world.supervisor.stop()
    expect(await world.outcome()).toBe(0)
    await world.scheduler.advance(60_000)
    expect(world.started).toHaveLength(1)
  })

  test('kills those that have not stopped, and says so by its code', async () => {
    const world = new World()
    world.supervisor.stop()
    world.process(1).events.ended(exit(0))
    world.supervisor.kill()
    expect(world.process(1).signals).toEqual(['SIGTERM'])
    expect(world.process(2).signals).toEqual(['SIGTERM', 'SIGKILL'])
    world.process(2).events.ended(killed)
    expect(await world.outcome()).toBe(exitCodes.failure)
  })

  test('stopped before it ran, it starts nothing', async () => {
    const supervisor = new Supervisor(['w-1'], {
      clock: new Scheduler().process('supervisor').clock,
      logger: silentLogger,
      start: () => {
        throw new Error('it started one')
      },
    })
    supervisor.stop()
    expect(await supervisor.run()).toBe(0)
  })
})
