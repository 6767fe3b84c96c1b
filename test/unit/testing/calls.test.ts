/** Calls, in the runtime that runs in production: what is called, when, and what comes of it. */
import { afterEach, describe, expect, it } from 'vitest'
import { application, from, merge, stateObject, topic, type Application, type Call } from '../../../src/index.js'
import { definitionOf } from '../../../src/api/application.js'
import type { ApplicationDefinition, TopicDefinition } from '../../../src/api/definition.js'
import { topicsOf } from '../../../src/api/graph.js'
import type { Outside } from '../../../src/ports/outside.js'
import { feed, recordOf } from '../../../src/testing/feed.js'
import { TestDriver, type TestDriverOptions } from '../../../src/testing/index.js'
import { World } from '../../../src/testing/world.js'
import { anySchema } from '../../support/schemas.js'

interface Ask {
  readonly key: string
  readonly n: number
}
interface Told extends Ask {
  readonly id: string
}
const asks = topic('asks', { schema: anySchema<Ask>(), key: ({ key }) => key })
const others = topic('others', { schema: anySchema<Ask>(), key: ({ key }) => key })
const answers = topic('answers', { schema: anySchema<Told>(), key: ({ key }) => key })
const sums = stateObject('sums', () => ({ sum: 0 }))

const drivers: TestDriver[] = []
afterEach(async () => {
  for (const driver of drivers.splice(0)) await driver.close()
})
async function driving(app: Application, options?: TestDriverOptions): Promise<TestDriver> {
  const driver = await TestDriver.start(app, options)
  drivers.push(driver)
  return driver
}
const none = async ({ key, n }: Ask, { id }: Call): Promise<Told> => Promise.resolve({ key, n, id })
const plain = (options = {}) => application('asking', from(asks).call('ask', none, options).sink(answers))
const asksOf = (app: ApplicationDefinition): TopicDefinition =>
  topicsOf(app).find(({ name }) => name === 'asks') ?? expect.unreachable('asks')
const askOf = (key: string, ...numbers: number[]): Ask[] => numbers.map((n) => ({ key, n }))

describe('a call', () => {
  it('is made once for each message where nothing fails, with an id of its own and the key', async () => {
    const driver = await driving(plain())
    const made: Call[] = []
    driver.calls.answer('ask', ({ key, n }: Ask, call) => {
      made.push(call)
      return { key, n, id: call.id }
    })
    await driver.pipe(asks, [...askOf('a', 1, 2), ...askOf('b', 3)])
    await driver.settle()
    expect(driver.read(answers).map(({ key, n }) => `${key}${String(n)}`)).toEqual(['a1', 'b3', 'a2'])
    expect(made.map(({ key, attempt }) => [key, attempt])).toEqual([
      ['a', 1],
      ['b', 1],
      ['a', 1],
    ])
    expect(new Set(made.map(({ id }) => id)).size).toBe(3)
    for (const { id } of made) expect(id).toMatch(/^asking-[0-9a-f]{16}-ask-0-\d$/)
  })

  it('overlaps with those of other keys, and never with one of its own', async () => {
    const driver = await driving(plain({ overlap: 3 }))
    const open = new Map<string, () => void>()
    driver.calls.answer('ask', ({ key, n }: Ask, { id }) => {
      return new Promise((resolve) => {
        open.set(`${key}${String(n)}`, () => {
          resolve({ key, n, id })
        })
      })
    })
    const answer = async (what: string) => {
      open.get(what)?.()
      open.delete(what)
      await driver.advance(100)
    }
    await driver.pipe(asks, [...askOf('a', 1, 2), ...askOf('b', 1), ...askOf('c', 1), ...askOf('d', 1)])
    await driver.advance(1000)
    expect([...open.keys()]).toEqual(['a1', 'b1', 'c1'])
    await answer('c1')
    expect([...open.keys()]).toEqual(['a1', 'b1', 'd1'])
    await answer('a1')
    expect([...open.keys()]).toEqual(['b1', 'd1', 'a2'])
    for (const what of ['a2', 'd1', 'b1']) await answer(what)
    await driver.settle()
    expect(driver.read(answers).map(({ key, n }) => `${key}${String(n)}`)).toEqual(['c1', 'a1', 'a2', 'd1', 'b1'])
  })

  it('is made again under the same id after a failure, with the message as it was', async () => {
    const driver = await driving(plain())
    const made: string[] = []
    driver.calls.answer('ask', (ask: { key: string; n: number }, { id, attempt }) => {
      made.push(`${id} ${String(attempt)} ${String(ask.n)}`)
      ask.n++
      if (attempt < 4) throw new Error('not yet')
      return { ...ask, id }
    })
    await driver.pipe(asks, askOf('a', 7))
    await driver.settle()
    const id = driver.read(answers)[0]?.id ?? ''
    expect(made).toEqual([1, 2, 3, 4].map((attempt) => `${id} ${String(attempt)} 7`))
  })

  it('begins attempts after 100 ms, and twice as long each time up to 10 s', async () => {
    const driver = await driving(plain())
    const atMs: number[] = []
    driver.calls.answer('ask', () => {
      atMs.push(driver.nowMs)
      throw new Error('never')
    })
    await driver.pipe(asks, askOf('a', 7))
    await driver.settle()
    const pauses = atMs.slice(1).map((ms, i) => ms - (atMs[i] ?? 0))
    expect(pauses).toEqual(
      [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000].map((ms) => expect.closeTo(ms, -1) as number),
    )
  })

  it('fails when it takes too long, with its signal aborted; what it gives later is dropped', async () => {
    const driver = await driving(plain({ timeoutMs: 500, attempts: 2 }))
    const signals: AbortSignal[] = []
    driver.calls.answer('ask', ({ key }: Ask, { id, attempt, signal }) => {
      signals.push(signal)
      return new Promise((resolve) => {
        if (attempt === 2) resolve({ key, n: 2, id })
        else
          signal.addEventListener('abort', () => {
            resolve({ key, n: 1, id })
          })
      })
    })
    await driver.pipe(asks, askOf('a', 7))
    await driver.settle()
    expect(driver.read(answers)).toMatchObject([{ n: 2 }])
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false])
    expect(signals[0]?.reason).toMatchObject({ code: 'CALL_TIMED_OUT' })
  })

  it('that takes as long as it may has not failed; one that takes longer has', async () => {
    const driver = await driving(plain({ timeoutMs: 500, attempts: 1 }))
    const answer = ({ key, n }: Ask, { id }: Call): Told => ({ key, n, id })
    driver.calls.answer('ask', answer, { afterMs: 400 })
    await driver.pipe(asks, askOf('a', 1))
    await driver.settle()
    driver.calls.answer('ask', answer, { afterMs: 600 })
    await driver.pipe(asks, askOf('a', 2))
    await driver.settle()
    expect(driver.read(answers)).toMatchObject([{ n: 1 }])
    expect(driver.readDeadLetters()).toMatchObject([{ code: 'CALL_FAILED' }])
  })

  it('that gives nothing has nothing after it, and is done', async () => {
    const driver = await driving(plain())
    driver.calls.answer('ask', ({ key, n }: Ask, { id }) => (n === 1 ? undefined : n === 2 ? null : { key, n, id }))
    await driver.pipe(asks, askOf('a', 1, 2, 3))
    await driver.settle()
    expect(driver.read(answers)).toMatchObject([{ n: 3 }])
    expect(driver.readDeadLetters()).toEqual([])
  })

  it('may be the end of a pipeline', async () => {
    const told: number[] = []
    const driver = await driving(
      application(
        'telling',
        from(asks).call('tell', async () => Promise.resolve()),
      ),
    )
    driver.calls.answer('tell', ({ n }: Ask) => void told.push(n))
    await driver.pipe(asks, askOf('a', 1, 2))
    await driver.settle()
    expect(told).toEqual([1, 2])
  })
})

describe('a message whose last attempt has failed', () => {
  const failing = async (options: object, driverOptions?: TestDriverOptions) => {
    const driver = await driving(plain({ attempts: 2, ...options }), driverOptions)
    driver.calls.answer('ask', ({ key, n }: Ask, { id }) => {
      if (n === 2) throw new Error('no')
      return { key, n, id }
    })
    await driver.pipe(asks, askOf('a', 1, 2, 3))
    return driver
  }

  it('goes to the dead letters as it was, and the next one of its key goes on', async () => {
    const driver = await failing({})
    await driver.settle()
    expect(driver.read(answers)).toMatchObject([{ n: 1 }, { n: 3 }])
    expect(driver.readDeadLetters()).toMatchObject([
      { code: 'CALL_FAILED', error: 'call ask has failed, in 2 attempts: no', key: 'a', value: '{"key":"a","n":2}' },
    ])
  })

  it('stops the worker where it, or onError, says so', async () => {
    await expect((await failing({ failed: 'stop' })).settle()).rejects.toMatchObject({ code: 'STOPPED_BY_ON_ERROR' })
    await expect((await failing({}, { onError: 'stop' })).settle()).rejects.toMatchObject({
      code: 'STOPPED_BY_ON_ERROR',
    })
    const driver = await failing({ failed: 'dead-letter' }, { onError: 'stop' })
    await driver.settle()
    expect(driver.readDeadLetters()).toHaveLength(1)
  })

  it('has what `failed` gives in its place, and nothing where that is nothing', async () => {
    const driver = await failing({
      failed: ({ key, n }: Ask, error: unknown) => ({ key, n: -n, id: (error as Error).message }),
    })
    await driver.settle()
    expect(driver.read(answers)).toMatchObject([{ n: 1 }, { n: -2, id: 'no' }, { n: 3 }])
    const silent = await failing({ failed: () => undefined })
    await silent.settle()
    expect(silent.read(answers)).toMatchObject([{ n: 1 }, { n: 3 }])
    expect(silent.readDeadLetters()).toEqual([])
  })

  it('is a dead letter where `failed` throws', async () => {
    const driver = await failing({
      failed: () => {
        throw new Error('not that either')
      },
    })
    await driver.settle()
    expect(driver.readDeadLetters()).toMatchObject([
      { code: 'COMPUTATION_FAILED', error: expect.stringContaining('not that either') as string },
    ])
  })
})

describe('what is wrong', () => {
  it('with a message is found before a call is made for it', async () => {
    const driver = await driving(plain(), { partitions: 2 })
    const made: Ask[] = []
    driver.calls.answer('ask', (ask: Ask, { id }) => {
      made.push(ask)
      return { ...ask, id }
    })
    await driver.pipeRaw(asks, [
      { key: 'a', value: 'no json' },
      { key: 'a', value: '{"key":"b","n":1}' },
      { key: null, value: '{"key":"b","n":1}' },
      { key: 'a', value: null },
    ])
    await driver.pipe(asks, askOf('a', 1))
    await driver.settle()
    expect(made).toEqual(askOf('a', 1))
    expect(
      driver
        .readDeadLetters()
        .map(({ code }) => code)
        .sort(),
    ).toEqual(['KEY_MISMATCH', 'KEY_MISSING', 'NOT_JSON', 'VALUE_NULL'])
  })

  it('with a result is said by a dead letter, and the call is done', async () => {
    const app = application(
      'asking',
      from(asks)
        .call('ask', none)
        .to(sums, (state, { n }) => {
          state.sum += n
        }),
    )
    const driver = await driving(app)
    driver.calls.answer('ask', ({ key, n }: Ask, { id }) => {
      if (n === 1) return { key, n, id, what: () => 1 }
      return n === 2 ? { key, n, id, text: 'x'.repeat(2_000_000) } : { key, n, id }
    })
    await driver.pipe(asks, askOf('a', 1, 2, 3))
    await driver.settle()
    expect(driver.readDeadLetters().map(({ code }) => code)).toEqual(['OUTPUT_INVALID', 'RECORD_TOO_LARGE'])
    expect(driver.state(sums, 'a')).toEqual({ sum: 3 })
  })

  it('with a test is that it does not answer a call: nothing outside is asked', async () => {
    const driver = await driving(plain())
    await driver.pipe(asks, askOf('a', 1))
    await expect(driver.settle()).rejects.toMatchObject({
      code: 'INVALID_TEST',
      message: expect.stringContaining("calls.answer('ask'") as string,
    })
    expect(() => {
      driver.calls.answer('task', () => 1)
    }).toThrow(/has no call "task": it has ask/)
  })
})

describe('a call stands', () => {
  it('behind a computation, and before another: neither sees what the other has not committed', async () => {
    const seen: string[] = []
    const app = application(
      'asking',
      from(asks)
        .to(sums, (state, { key, n }) => ({ key, n: (state.sum += n) }))
        .call('ask', none)
        .keyBy(({ key }) => key.toUpperCase())
        .to(
          stateObject('told', () => ({ ids: [] as string[] })),
          (state, told, { key }) => {
            state.ids.push(told.id)
            return { ...told, key }
          },
        )
        .sink(answers),
    )
    const driver = await driving(app, { partitions: 2 })
    driver.calls.answer('ask', ({ key, n }: Ask, { id, key: beside }) => {
      seen.push(`${beside} ${String(driver.state(sums, key)?.sum)}`)
      return { key, n, id }
    })
    await driver.pipe(asks, [...askOf('a', 1, 1, 1), ...askOf('b', 5)])
    await driver.settle()
    expect(seen.filter((one) => one.endsWith('undefined'))).toEqual([])
    const told = driver.read(answers)
    expect(told.filter(({ key }) => key === 'A').map(({ n }) => n)).toEqual([1, 2, 3])
    expect(told.filter(({ key }) => key === 'B').map(({ n }) => n)).toEqual([5])
  })

  it('after keyBy() with steps between them, under the new key', async () => {
    const app = application(
      'asking',
      from(asks)
        .keyBy(({ n }) => `n${String(n % 2)}`)
        .filter(({ n }) => n !== 4)
        .flatMap((ask) => [ask, { ...ask, n: ask.n + 100 }])
        .map((ask) => ({ ...ask, n: ask.n * 10 }))
        .call('ask', none)
        .sink(answers),
    )
    const driver = await driving(app, { partitions: 3 })
    driver.calls.answer('ask', ({ n }: Ask, { key, id }) => ({ key, n, id }))
    await driver.pipe(asks, askOf('a', 1, 2, 3, 4))
    await driver.settle()
    const told = driver.read(answers)
    expect(told.filter(({ key }) => key === 'n0').map(({ n }) => n)).toEqual([20, 1020])
    expect(told.filter(({ key }) => key === 'n1').map(({ n }) => n)).toEqual([10, 1010, 30, 1030])
  })

  it('behind merge(), of streams with a repartition and without', async () => {
    const app = application(
      'asking',
      merge(
        from(asks).keyBy(({ n }) => `n${String(n)}`),
        from(others),
      )
        .map(({ key, n }) => ({ key, n: n + 1 }))
        .call('ask', none)
        .sink(answers),
    )
    const driver = await driving(app, { partitions: 2 })
    driver.calls.answer('ask', ({ n }: Ask, { key, id }) => ({ key, n, id }))
    await driver.pipe(asks, askOf('a', 1))
    await driver.pipe(others, askOf('b', 5))
    await driver.settle()
    expect(
      driver
        .read(answers)
        .map(({ key, n }) => `${key} ${String(n)}`)
        .sort(),
    ).toEqual(['b 6', 'n1 2'])
  })

  it('beside others behind one source, and behind another call', async () => {
    const app = application(
      'asking',
      from(asks).call('one', none).call('two', none).sink(answers),
      from(asks).call('three', none).sink(answers),
    )
    const driver = await driving(app)
    for (const [name, add] of [
      ['one', 1],
      ['two', 10],
      ['three', 100],
    ] as const)
      driver.calls.answer(name, ({ key, n }: Ask, { id }) => ({ key, n: n + add, id }))
    await driver.pipe(asks, askOf('a', 0))
    await driver.settle()
    expect(
      driver
        .read(answers)
        .map(({ n }) => n)
        .sort(),
    ).toEqual([100, 11])
  })
})

describe('a call that sticks', () => {
  it('shows in the status of its worker: which message, for how long, in which attempt, and why', async () => {
    const app = definitionOf(plain({ timeoutMs: 1000, attempts: Infinity, overlap: 1 }))
    const outside: Outside = { make: () => new Promise(() => undefined) }
    const logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }
    const world = new World(app, {
      partitions: 1,
      startMs: undefined,
      seed: 1,
      onError: 'dead-letter',
      logger,
      outside,
    })
    const slot = world.addSlot()
    await world.start([slot])
    await world.balance()
    await feed(
      world,
      asksOf(app),
      [1, 2].map((n) => recordOf(asksOf(app), { key: `k${String(n)}`, n }, {})),
    )
    await world.advance(2000)
    expect(slot.figures?.tasks[0]?.running?.calls).toEqual({
      call: 'ask',
      underWay: 1,
      waiting: 1,
      oldest: {
        topic: 'asks',
        offset: 0,
        attempts: 2,
        waitedMs: expect.closeTo(2000, -2) as number,
        why: 'call ask has taken longer than 1000 ms',
      },
    })
    slot.kill()
  })
})

describe('after a crash', () => {
  it('only what was not committed is called again, under the same ids', async () => {
    const driver = await driving(plain({ overlap: 64 }), { partitions: 2 })
    const effects = new Map<string, number>()
    let isStuck = true
    driver.calls.answer('ask', ({ key, n }: Ask, { id }) => {
      effects.set(id, (effects.get(id) ?? 0) + 1)
      // Some never answer, in between others that do.
      return n % 5 === 0 && isStuck ? new Promise(() => undefined) : { key, n, id }
    })
    const all = Array.from({ length: 40 }, (_, n) => ({ key: `k${String(n)}`, n }))
    await driver.pipe(asks, all)
    await driver.advance(5000)
    expect(driver.read(answers)).toHaveLength(32)
    driver.crash()
    isStuck = false
    await driver.restart()
    await driver.settle()
    expect(driver.read(answers)).toHaveLength(8)
    expect(effects.size).toBe(40)
    expect([...effects.values()].filter((times) => times === 2)).toHaveLength(8)
    expect([...effects.values()].filter((times) => times > 2)).toEqual([])
  })

  it('a worker that takes a task over continues with what is not done, and what was under way is aborted', async () => {
    const driver = await driving(plain({ overlap: 64 }), { partitions: 4 })
    const signals: AbortSignal[] = []
    const effects = new Map<string, number>()
    let isStuck = true
    driver.calls.answer('ask', ({ key, n }: Ask, { id, signal }) => {
      effects.set(id, (effects.get(id) ?? 0) + 1)
      if (!isStuck) return { key, n, id }
      signals.push(signal)
      return new Promise(() => undefined)
    })
    await driver.pipe(
      asks,
      Array.from({ length: 40 }, (_, n) => ({ key: `k${String(n)}`, n })),
    )
    await driver.advance(1000)
    isStuck = false
    await driver.addWorker()
    await driver.stopWorker('worker-1')
    await driver.settle()
    expect(signals).toHaveLength(40)
    expect(signals.every(({ aborted }) => aborted)).toBe(true)
    expect(driver.read(answers)).toHaveLength(40)
    expect(effects.size).toBe(40)
  })
})
