/**
 * What users of other stream processors report, where no other test shows that it does not happen here: see
 * docs/complaints.md.
 */
import { expect, it } from 'vitest'
import {
  application,
  from,
  minutes,
  seconds,
  stateObject,
  table,
  topic,
  tumbling,
  windowed,
} from '../../../src/index.js'
import type { TestDriver } from '../../../src/testing/index.js'
import { MemoryWorkers } from '../../support/memory-workers.js'
import { anySchema } from '../../support/schemas.js'
import { start } from './support.js'

interface In {
  readonly key: string
  readonly n: number
}
interface Out {
  readonly key: string
  readonly what: string
}
const T = Date.UTC(2024, 0, 1, 12)
const inSchema = anySchema<In>()
/** Says nothing of lateness. */
const ins = topic('ins', { schema: inSchema, key: ({ key }) => key })
const outs = topic('outs', { schema: anySchema<Out>(), key: ({ key }) => key })
const at = (ms: number): string => new Date(ms).toISOString().slice(11, 19)

const minute = windowed('minute', tumbling(minutes(1)), () => ({ n: 0 }))
const sums = application(
  'sums',
  from(ins).to(minute, (sum, { n }) => {
    sum.n += n
  }),
  from(minute.closed)
    .map(({ key, startMs, messages, state: { n } }) => ({
      key,
      what: `${at(startMs)} ${String(n)} of ${String(messages)}`,
    }))
    .sink(outs),
)
const said = (driver: TestDriver): string[] => driver.read(outs).map(({ key, what }) => `${key} ${what}`)

it.each([1, 3])(
  'a worker that lags closes no window before it has read all of it, on %i partitions',
  async (partitions) => {
    const driver = await start({ startMs: T, partitions }, sums)
    const pipe = (from: number): Promise<void> =>
      driver.pipe(
        ins,
        Array.from({ length: 300 }, (_, i) => ({ key: `k${String(i % 5)}`, n: from + i })),
      )
    await pipe(0)
    await driver.settle()
    // Half of the window is committed. The other half is written in time, while nobody reads it.
    driver.crash()
    await pipe(300)
    await driver.advance(minutes(10))
    await driver.restart()
    await driver.settle()
    const numbers = Array.from({ length: 600 }, (_, n) => n)
    const due = [0, 1, 2, 3, 4].map((k) => {
      const mine = numbers.filter((n) => n % 5 === k)
      return `k${String(k)} 12:00:00 ${String(mine.reduce((sum, n) => sum + n, 0))} of ${String(mine.length)}`
    })
    expect(said(driver).sort()).toEqual(due)
    expect(driver.readDeadLetters()).toEqual([])
  },
)

it('a window closes two seconds after its end where the topic says nothing of lateness', async () => {
  const driver = await start({ startMs: T }, sums)
  await driver.pipe(ins, { key: 'k', n: 1 }, { timestampMs: T })
  await driver.advance(minutes(1) + 1_900 - (driver.nowMs - T))
  expect(said(driver)).toEqual([])
  await driver.advance(200)
  expect(said(driver)).toEqual(['k 12:00:00 1 of 1'])
})

it('what was late before a restart is late after it, and for all windows of a task alike', async () => {
  const few = windowed('few', tumbling(minutes(1)), () => ({ n: 0 }))
  const driver = await start(
    { startMs: T, workers: 2 },
    application(
      'both',
      from(ins).to(minute, (sum, { n }) => {
        sum.n += n
      }),
      from(ins)
        .filter(({ n }) => n < 10)
        .to(few, (sum, { n }) => {
          sum.n += n
        }),
    ),
  )
  // What moves time goes into one of the two alone.
  await driver.pipe(ins, { key: 'k', n: 100 }, { timestampMs: T + minutes(5) })
  await driver.settle()
  const late = async (): Promise<(string | undefined)[]> => {
    await driver.pipe(ins, { key: 'k', n: 1 }, { timestampMs: T + seconds(30) })
    await driver.settle()
    return driver.readDeadLetters().map(({ code, error }) => `${code} ${error}`)
  }
  const first = await late()
  expect(first.join()).toMatch(/^LATE .* of minute.* of few/s)
  driver.crash()
  await driver.restart()
  expect(await late()).toEqual(first)
  await driver.stopWorker('worker-1')
  expect(await late()).toEqual(first)
  expect([...driver.states(few)]).toEqual([])
})

it('a table that another worker restores has what its steps let through, and nothing else', async () => {
  const big = table(
    'big',
    from(ins)
      .filter(({ n }) => {
        if (n < 0) throw new Error('no such number')
        return n >= 10
      })
      .map(({ key, n }) => ({ key, n: n * 2 })),
  )
  const asks = topic('asks', { schema: inSchema, key: ({ key }) => key })
  const driver = await start(
    { partitions: 2 },
    application(
      'restored',
      from(asks)
        .join(big, ({ key }, found) => ({ key, what: String(found?.n) }))
        .sink(outs),
    ),
  )
  await driver.pipe(ins, [
    { key: 'a', n: 11 },
    { key: 'a', n: 1 },
    { key: 'b', n: 12 },
    { key: 'b', n: -1 },
    { key: 'c', n: 2 },
  ])
  await driver.pipeRaw(ins, { key: 'a', value: 'no JSON' })
  await driver.settle()
  const codes = (): string[] => driver.readDeadLetters().map(({ code }) => code)
  expect(codes().sort()).toEqual(['COMPUTATION_FAILED', 'NOT_JSON'])
  // Its disk is empty: all that it has comes from the changelog.
  const second = await driver.addWorker()
  await driver.stopWorker('worker-1')
  expect(driver.workers.map(({ name }) => name)).toContain(second)
  await driver.pipe(
    asks,
    ['a', 'b', 'c'].map((key) => ({ key, n: 0 })),
  )
  await driver.settle()
  expect(said(driver).sort()).toEqual(['a 22', 'b 24', 'c undefined'])
  expect(codes()).toEqual([])
})

it.each(['its own store', 'the changelog'])(
  'a time to live that is turned on, made longer, turned off and on again: what is in %s goes on, and ends',
  async (place) => {
    const counts = (options: { readonly ttlMs?: number }) => stateObject('count', () => ({ n: 0 }), options)
    const count = (state: { n: number }, { key, n }: In): Out => ({ key, what: String((state.n += n)) })
    const plain = application('counting', from(ins).to(counts({}), count).sink(outs))
    const ending = (ttlMs: number) => {
      const state = counts({ ttlMs })
      return application(
        'counting',
        from(ins).to(state, count).sink(outs),
        from(state.expired)
          .map(({ key, state: { n } }) => ({ key, what: `expired ${String(n)}` }))
          .sink(outs),
      )
    }
    const workers = new MemoryWorkers({ application: plain, topics: ['ins', 'outs'] })
    const versions = [plain, ending(minutes(1)), ending(minutes(2)), plain]
    for (const [i, version] of versions.entries()) {
      const name = place === 'the changelog' ? `w${String(i)}` : 'w'
      await workers.start(name, version)
      workers.append('ins', 'a', { key: 'a', n: 1 })
      await workers.rest()
      await workers.stop(name)
      expect(workers.endOf(name)).toBeUndefined()
    }
    const seen = (): string[] => workers.records('outs').map(({ value }) => (JSON.parse(value) as Out).what)
    expect(seen()).toEqual(['1', '2', '3', '4'])
    await workers.start('last', ending(minutes(2)))
    workers.append('ins', 'a', { key: 'a', n: 1 })
    for (let i = 0; i < 6; i++) await workers.rest()
    await workers.stop('last')
    expect(seen()).toEqual(['1', '2', '3', '4', '5', 'expired 5'])
  },
)
