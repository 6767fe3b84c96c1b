/** Timers and times to live, as a test sees them: the runtime on ports in memory. */
import { expect, it, onTestFinished } from 'vitest'
import {
  application,
  from,
  minutes,
  seconds,
  stateObject,
  timer,
  topic,
  type Application,
  type Context,
} from '../../../src/index.js'
import { TestDriver, type TestDriverOptions } from '../../../src/testing/index.js'
import { isPotorooError } from '../../../src/errors.js'
import { anySchema } from '../../support/schemas.js'

interface Command {
  readonly key: string
  readonly do?: (context: Context, state: { n: number }) => unknown
}
interface Out {
  readonly key: string
  readonly what: string
}
/** What messages do is told by number: functions don't travel. */
class Bench {
  readonly #commands: ((context: Context, state: { n: number }) => unknown)[] = []
  readonly ins
  readonly others
  readonly outs = topic('outs', { schema: anySchema<Out>(), key: ({ key }) => key })
  readonly state
  readonly calm
  readonly ring
  readonly application: Application
  fired: (what: { readonly key: string; readonly id: string; readonly dueMs: number }, context: Context) => string = (
    due,
  ) => `calm ${due.id}`

  constructor({ ttlMs, idle = 'clock' }: { readonly ttlMs?: number; readonly idle?: 'clock' | 'never' } = {}) {
    const schema = anySchema<{ key: string; n?: number }>()
    const ins = (this.ins = topic('ins', { schema, key: ({ key }) => key, latenessMs: seconds(1), idle }))
    const others = (this.others = topic('others', { schema, key: ({ key }) => key, latenessMs: seconds(5), idle }))
    const state = (this.state = stateObject('state', () => ({ n: 0 }), ttlMs === undefined ? {} : { ttlMs }))
    const calm = (this.calm = timer('calm', state))
    const ring = (this.ring = timer('ring', state, { clock: 'wall' }))
    this.application = application(
      'timed',
      from(ins)
        .to(state, (object, { key, n }, context) => {
          const what = n === undefined ? undefined : this.#commands[n]?.(context, object)
          return typeof what === 'string' ? { key, what } : undefined
        })
        .sink(this.outs),
      from(others).to(state, (object) => {
        object.n += 100
      }),
      from(calm)
        .to(state, (object, due, context) => {
          object.n++
          return { key: due.key, what: this.fired(due, context) }
        })
        .sink(this.outs),
      from(ring)
        .to(state, (_, { key, id }) => ({ key, what: `ring ${id}` }))
        .sink(this.outs),
      from(state.expired)
        .map(({ key, state: { n } }) => ({ key, what: `expired ${String(n)}` }))
        .sink(this.outs),
    )
  }

  async start(options: TestDriverOptions = {}): Promise<TestDriver> {
    const driver = await TestDriver.start(this.application, options)
    onTestFinished(() => driver.close())
    return driver
  }

  command(key: string, act: NonNullable<Command['do']>): { readonly key: string; readonly n: number } {
    return { key, n: this.#commands.push(act) - 1 }
  }

  said(driver: TestDriver): string[] {
    return driver.read(this.outs).map(({ key, what }) => `${key}: ${what}`)
  }
}

it('a timer fires when its time has come though nothing does, with what it was set with, and once', async () => {
  const bench = new Bench()
  const driver = await bench.start()
  const atMs = driver.nowMs + minutes(1)
  bench.fired = ({ id, dueMs }, { key, timestampMs, timeMs }) => JSON.stringify({ id, dueMs, key, timestampMs, timeMs })
  await driver.pipe(bench.ins, [
    bench.command('a', (context) => {
      context.set(bench.calm, atMs, 'x')
    }),
    bench.command('b', (context) => {
      context.set(bench.calm, atMs)
      context.clear(bench.calm)
    }),
    bench.command('c', (context) => {
      context.set(bench.calm, atMs)
      context.forget()
    }),
  ])
  await driver.settle()
  await driver.advance(atMs - driver.nowMs - 1)
  await driver.settle()
  expect(bench.said(driver)).toEqual([])
  await driver.advance(seconds(1))
  await driver.settle()
  const due = JSON.stringify({ id: 'x', dueMs: atMs, key: 'a', timestampMs: atMs, timeMs: atMs })
  expect(bench.said(driver)).toEqual([`a: ${due}`])
  expect([driver.state(bench.state, 'a'), driver.state(bench.state, 'b'), driver.state(bench.state, 'c')]).toEqual([
    { n: 1 },
    undefined,
    undefined,
  ])
  await driver.advance(minutes(60))
  await driver.settle()
  expect(bench.said(driver)).toEqual([])
})

it('what is due fires in its order before a record moves time there, whoever owns the task then', async () => {
  const bench = new Bench({ idle: 'never' })
  const driver = await bench.start({ workers: 2 })
  const startMs = driver.nowMs
  const at = (ms: number, options = {}) => ({ timestampMs: startMs + ms, ...options })
  const set = (...due: readonly (readonly [string, number])[]): NonNullable<Command['do']> => {
    return (context) => {
      for (const [id, ms] of due) context.set(bench.calm, startMs + ms, id)
    }
  }
  await driver.pipe(bench.others, { key: 'a' }, at(100_000))
  await driver.pipe(bench.ins, bench.command('b', set(['2', 3_000], ['1', 3_000], ['late', 5_000])), at(1_000))
  await driver.pipe(bench.ins, bench.command('a', set(['', 3_000], ['past', -9_000])), at(1_500))
  await driver.settle()
  expect(bench.said(driver)).toEqual([])
  for (const worker of driver.workers) driver.crash(worker.name)
  await driver.restart()
  // Time is a second behind the newest record.
  await driver.pipe(
    bench.ins,
    bench.command('c', () => 'here'),
    at(3_999),
  )
  await driver.settle()
  expect(bench.said(driver)).toEqual(['a: calm past', 'c: here'])
  await driver.pipe(
    bench.ins,
    bench.command('c', ({ timeMs }) => `here at ${String(timeMs - startMs)}`),
    at(4_000),
  )
  await driver.settle()
  expect(
    driver.readRecords(bench.outs).map(({ message: { key, what }, timestampMs }) => [key, what, timestampMs - startMs]),
  ).toEqual([
    ['a', 'calm ', 3_000],
    ['b', 'calm 1', 3_000],
    ['b', 'calm 2', 3_000],
    ['c', 'here at 3000', 4_000],
  ])
})

it('time waits for the slowest input', async () => {
  const bench = new Bench({ idle: 'never' })
  const driver = await bench.start()
  const startMs = driver.nowMs
  await driver.pipe(
    bench.ins,
    bench.command('a', (context) => {
      context.set(bench.calm, startMs + 1)
    }),
    { timestampMs: startMs },
  )
  await driver.pipe(bench.ins, { key: 'b' }, { timestampMs: startMs + 60_000 })
  await driver.settle()
  expect(bench.said(driver)).toEqual([])
  // Lateness of this one is five seconds.
  await driver.pipe(bench.others, { key: 'b' }, { timestampMs: startMs + 5_000 })
  await driver.settle()
  expect(bench.said(driver)).toEqual([])
  await driver.pipe(bench.others, { key: 'b' }, { timestampMs: startMs + 5_001 })
  await driver.settle()
  expect(bench.said(driver)).toEqual(['a: calm '])
})

it('a topic that is filled with the past moves time by its records, and by the clock only from there', async () => {
  const bench = new Bench()
  const driver = await bench.start()
  const set = bench.command('a', (context) => {
    context.set(bench.calm, context.timestampMs + minutes(1))
  })
  await driver.advance(seconds(5))
  await driver.pipe(bench.ins, set, { timestampMs: 1_000_000 })
  await driver.pipe(bench.others, { key: 'a' }, { timestampMs: 1_000_000 })
  await driver.settle()
  expect(bench.said(driver)).toEqual([])
  driver.crash()
  await driver.restart()
  await driver.pipe(bench.ins, set, { timestampMs: 1_030_000 })
  await driver.settle()
  expect(bench.said(driver)).toEqual([])
  await driver.advance(minutes(2))
  expect(bench.said(driver)).toEqual(['a: calm '])
})

it('one that throws goes to the dead letters with all that names it, and is gone; its neighbours are done', async () => {
  const bench = new Bench()
  const driver = await bench.start()
  bench.fired = ({ id }) => {
    if (id === 'bad') throw new Error('it throws')
    return `calm ${id}`
  }
  const dueMs = driver.nowMs + 500
  const set = bench.command('a', (context) => {
    for (const id of ['b', 'bad', 'c']) context.set(bench.calm, dueMs, id)
  })
  await driver.pipe(bench.ins, set)
  await driver.advance(seconds(10))
  await driver.settle()
  expect(bench.said(driver)).toEqual(['a: calm b', 'a: calm c'])
  expect(driver.state(bench.state, 'a')).toEqual({ n: 2 })
  expect(driver.readDeadLetters()).toMatchObject([
    {
      code: 'COMPUTATION_FAILED',
      error: 'it throws',
      key: 'a',
      topic: '',
      offset: -1,
      timestampMs: dueMs,
      due: { stateObject: 'state', timer: 'calm', id: 'bad', dueMs },
    },
  ])
  await driver.advance(minutes(10))
  await driver.settle()
  expect(driver.readDeadLetters()).toEqual([])
})

it('one that throws stops the worker where onError says so, and fires again when that continues', async () => {
  const bench = new Bench()
  const driver = await bench.start({ onError: 'stop' })
  let isBad = true
  bench.fired = () => {
    if (isBad) throw new Error('it throws')
    return 'calm'
  }
  await driver.pipe(
    bench.ins,
    bench.command('a', (context) => {
      context.set(bench.calm, context.timestampMs + 1, 'x')
    }),
  )
  const stopped = expect.toSatisfy(
    (error: unknown) =>
      isPotorooError(error, 'STOPPED_BY_ON_ERROR') &&
      /timer calm of state object state, id 'x', key 'a'/.test(error.message),
  ) as unknown
  await expect(driver.advance(seconds(20))).rejects.toEqual(stopped)
  isBad = false
  await driver.restart()
  await driver.advance(seconds(20))
  await driver.settle()
  expect(bench.said(driver)).toEqual(['a: calm'])
})

it('timers by the wall clock fire once, after what is there to read', async () => {
  const bench = new Bench({ idle: 'never' })
  const driver = await bench.start()
  const ring = bench.command('a', (context) => {
    context.set(bench.ring, context.timestampMs + 5_000, '1')
    context.set(bench.ring, context.timestampMs + 6_000, '2')
  })
  await driver.pipe(bench.ins, ring)
  await driver.advance(seconds(5) + 500)
  expect(bench.said(driver)).toEqual(['a: ring 1'])
  driver.crash()
  await driver.advance(minutes(1))
  await driver.restart()
  await driver.advance(seconds(2))
  expect(bench.said(driver)).toEqual(['a: ring 2'])
  await driver.advance(minutes(5))
  expect(bench.said(driver)).toEqual([])
})

it('a state object ends when nothing has changed it for so long: it is given once, and the next message finds none', async () => {
  const bench = new Bench({ ttlMs: 6_400 })
  const driver = await bench.start()
  const add = (key: string, by = 1) =>
    bench.command(key, (_, state) => {
      state.n += by
      return `n ${String(state.n)}`
    })
  await driver.pipe(bench.ins, [add('a'), add('b')])
  await driver.settle()
  await driver.advance(4_000)
  // Looking does not count.
  await driver.pipe(bench.ins, [add('a'), add('b', 0)])
  await driver.settle()
  expect(bench.said(driver)).toEqual(['a: n 1', 'b: n 1', 'a: n 2', 'b: n 1'])
  await driver.advance(2_700)
  // Its end lies before this message: it finds none, though time has not come there yet.
  await driver.pipe(bench.ins, add('b'))
  await driver.settle()
  expect(bench.said(driver)).toEqual(['b: expired 1', 'b: n 1'])
  await driver.advance(30_000)
  await driver.settle()
  expect(bench.said(driver)).toEqual(['a: expired 2', 'b: expired 1'])
  expect(driver.states(bench.state).size).toBe(0)
  await driver.advance(minutes(10))
  await driver.settle()
  expect(bench.said(driver)).toEqual([])
})

it('does not end while a timer of it is set', async () => {
  const bench = new Bench({ ttlMs: 1_000 })
  const driver = await bench.start()
  await driver.pipe(
    bench.ins,
    bench.command('a', (context) => {
      context.set(bench.calm, context.timestampMs + minutes(1))
    }),
  )
  await driver.advance(minutes(2))
  await driver.settle()
  expect(bench.said(driver)).toEqual(['a: calm ', 'a: expired 1'])
})

it('a computation that sets a timer for no time fails, and nothing else', async () => {
  const bench = new Bench()
  const driver = await bench.start()
  await driver.pipe(bench.ins, [
    bench.command('a', (context) => {
      context.set(bench.calm, NaN)
    }),
    bench.command('a', (context) => {
      context.set(bench.calm, Infinity)
    }),
    bench.command('b', () => 'here'),
  ])
  await driver.settle()
  expect(bench.said(driver)).toEqual(['b: here'])
  expect(driver.readDeadLetters().map(({ error }) => error)).toEqual([
    'timer calm is set for NaN: it must be ms since the epoch',
    'timer calm is set for Infinity: it must be ms since the epoch',
  ])
})

it('a key has 10,000 timers at most', async () => {
  const bench = new Bench()
  const driver = await bench.start()
  const dueMs = driver.nowMs + minutes(1)
  const setAll = (count: number) =>
    bench.command('a', (context) => {
      for (let i = 0; i < count; i++) context.set(bench.calm, dueMs + (i % 100), String(i))
    })
  await driver.pipe(bench.ins, setAll(1_000))
  await driver.advance(minutes(1) + 200)
  await driver.settle()
  expect(driver.state(bench.state, 'a')).toEqual({ n: 1_000 })
  await driver.pipe(bench.ins, setAll(10_001))
  await driver.settle()
  expect(driver.readDeadLetters().map(({ error }) => error)).toEqual([
    'timer calm is set, and the key has 10000 already: reuse an id, or clear some',
  ])
})

it('a key may have all of them fire in a row, the last that was set first, and one of them throw', async () => {
  const bench = new Bench({ ttlMs: minutes(10) })
  const driver = await bench.start()
  const dueMs = driver.nowMs + minutes(5)
  bench.fired = ({ id }) => {
    if (id === '5000') throw new Error('not that one')
    return id
  }
  const count = 10_000
  const commands = Array.from({ length: count }, (_, i) =>
    bench.command('a', (context) => {
      context.set(bench.calm, dueMs + (count - i) * 100, String(i))
    }),
  )
  await driver.pipe(bench.ins, commands)
  await driver.advance(minutes(30))
  await driver.settle()
  const fired = bench.said(driver).filter((line) => !line.includes('expired'))
  const expected = commands.map((_, i) => `a: ${String(count - 1 - i)}`).filter((line) => line !== 'a: 5000')
  expect(fired).toEqual(expected)
  expect(driver.readDeadLetters().map(({ error }) => error)).toEqual(['not that one'])
  // It took a minute when each step went over all of them.
}, 30_000)

it('a timer of another state object, and one that nothing comes of, stop the worker', async () => {
  const bench = new Bench()
  const stray = timer('stray', bench.state)
  const foreign = timer(
    'foreign',
    stateObject('else', () => ({ n: 0 })),
  )
  for (const [one, message] of [
    [stray, /nothing would handle it: the application needs a pipeline from\(stray\)/],
    [foreign, /timer foreign of state object else in a computation on state/],
  ] as const) {
    const driver = await bench.start()
    await driver.pipe(
      bench.ins,
      bench.command('a', (context) => {
        context.set(one, 1)
      }),
    )
    await expect(driver.settle()).rejects.toThrow(message)
  }
})

it('without anything that uses time there is none to read', async () => {
  const ins = topic('ins', { schema: anySchema<{ key: string }>(), key: ({ key }) => key })
  const state = stateObject('state', () => ({ n: 0 }))
  const plain = application(
    'plain',
    from(ins).to(state, (object, _, { timeMs }) => {
      object.n = timeMs
    }),
  )
  const driver = await TestDriver.start(plain)
  onTestFinished(() => driver.close())
  await driver.pipe(ins, { key: 'a' })
  await expect(driver.settle()).rejects.toThrow(/context.timeMs was read where nothing keeps time/)
})
