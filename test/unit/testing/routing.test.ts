/** Streams that branch, merge and change their keys: with one partition and with several, the results are the same. */
import { describe, expect, it, onTestFinished } from 'vitest'
import { application, from, merge, stateObject, topic, type Application } from '../../../src/index.js'
import { TestDriver, type TestDriverOptions } from '../../../src/testing/index.js'
import { anySchema } from '../../support/schemas.js'

const start = async (app: Application, options: TestDriverOptions = {}): Promise<TestDriver> => {
  const driver = await TestDriver.start(app, options)
  onTestFinished(() => driver.close())
  return driver
}
const sorted = (values: readonly unknown[]): string[] => values.map((value) => JSON.stringify(value)).sort()

interface Reading {
  readonly device: string
  readonly site: string
  readonly value: number
}
interface Sum {
  readonly name: string
  readonly sum: number
}
const readings = topic('readings', { schema: anySchema<Reading>(), key: ({ device }) => device })
const manual = topic('manual', { schema: anySchema<Reading>(), key: ({ device }) => device })
const sums = topic('sums', { schema: anySchema<Sum>(), key: ({ name }) => name })
const sites = topic('sites', { schema: anySchema<Sum>(), key: ({ name }) => name })
const device = stateObject('device', () => ({ sum: 0 }))
const site = stateObject('site', () => ({ sum: 0 }))
const lines = topic('lines', { schema: anySchema<{ text: string }>() })

const reading = (n: number): Reading => {
  return { device: `d${String(n % 7)}`, site: `s${String(n % 3)}`, value: n }
}

describe.each([1, 7])('with %i partitions', (partitions) => {
  it('words of lines without keys are counted', async () => {
    const counts = topic('counts', { schema: anySchema<{ word: string; n: number }>(), key: ({ word }) => word })
    const total = stateObject('total', () => ({ n: 0 }))
    const app = application(
      'word-count',
      from(lines)
        .flatMap(({ text }) => text.split(' '))
        .keyBy((word) => word)
        .to(total, (state, word) => ({ word, n: ++state.n }))
        .sink(counts),
    )
    const driver = await start(app, { partitions })
    await driver.pipe(lines, [{ text: 'a b a' }, { text: 'b a' }, { text: 'c' }])
    // Whatever key a record has, and whether it has one, is of no account.
    await driver.pipeRaw(lines, { key: 'any', value: '{"text":"c"}', partition: partitions - 1 })
    await driver.settle()
    const due = [...['a', 'a', 'a', 'b', 'b', 'c', 'c'].entries()].map(([i, word], _, all) => {
      return { word, n: all.slice(0, i + 1).filter(([, other]) => other === word).length }
    })
    expect(sorted(driver.read(counts))).toEqual(sorted(due))
    expect(Object.fromEntries(driver.states(total))).toEqual({ a: { n: 3 }, b: { n: 2 }, c: { n: 2 } })
    expect(driver.readDeadLetters()).toEqual([])
  })

  it('two sources are merged, a branch goes on under another key, and workers that come, stop and die change nothing', async () => {
    const perDevice = merge(from(readings), from(manual)).to(device, (state, { value, ...names }) => {
      state.sum += value
      return { ...names, value, sum: state.sum }
    })
    const app = application(
      'plant',
      perDevice.map(({ device: name, sum }) => ({ name, sum })).sink(sums),
      perDevice
        .filter(({ value }) => value > 0)
        .keyBy((one) => one.site)
        .to(site, (state, { site: name, value }) => ({ name, sum: (state.sum += value) }))
        .sink(sites),
    )
    const driver = await start(app, { partitions, workers: 2 })
    const all = Array.from({ length: 60 }, (_, n) => reading(n))
    for (const [n, one] of all.entries()) {
      await driver.pipe(n % 4 === 0 ? manual : readings, one)
      if (n === 20) await driver.addWorker()
      if (n === 30) driver.crash('worker-1')
      if (n === 40) await driver.restart('worker-1')
    }
    await driver.settle()
    const of = (name: (one: Reading) => string) =>
      all.reduce<Record<string, { sum: number }>>((states, one) => {
        const { sum } = states[name(one)] ?? { sum: 0 }
        return { ...states, [name(one)]: { sum: sum + one.value } }
      }, {})
    expect(Object.fromEntries(driver.states(device))).toEqual(of((one) => one.device))
    expect(Object.fromEntries(driver.states(site))).toEqual(of((one) => one.site))
    expect(driver.read(sums)).toHaveLength(all.length)
    expect(driver.read(sites)).toHaveLength(all.length - 1)
  })

  it('messages of one source key keep their order after keyBy()', async () => {
    const seen = stateObject('seen', () => ({ values: [] as string[] }))
    const app = application(
      'order',
      from(readings)
        .keyBy((one) => one.site)
        .to(seen, (state, { device: name, value }) => {
          state.values.push(`${name} ${String(value)}`)
        }),
    )
    const driver = await start(app, { partitions, workers: 2 })
    const all = Array.from({ length: 60 }, (_, n) => reading(n))
    await driver.pipe(readings, all)
    await driver.settle()
    for (const [name, { values }] of driver.states(seen))
      for (const one of new Set(all.map((r) => r.device))) {
        const due = all.filter((r) => r.site === name && r.device === one).map((r) => `${one} ${String(r.value)}`)
        expect(values.filter((value) => value.startsWith(`${one} `))).toEqual(due)
      }
  })
})

it('computations in a row are one transaction: where the second throws, the first has not happened', async () => {
  const app = application(
    'chain',
    from(readings)
      .to(device, (state, one) => {
        state.sum += one.value
        return one
      })
      .to(site, (state, { value }) => {
        state.sum += value
        if (value === 2) throw new Error('on purpose')
        return { name: 'x', sum: state.sum }
      })
      .sink(sums),
  )
  const driver = await start(app)
  const one = (value: number): Reading => ({ device: 'd', site: 's', value })
  await driver.pipe(readings, [one(1), one(2), one(3)])
  await driver.settle()
  expect(driver.states(device)).toEqual(new Map([['d', { sum: 4 }]]))
  expect(driver.states(site)).toEqual(new Map([['d', { sum: 4 }]]))
  expect(driver.read(sums).map(({ sum }) => sum)).toEqual([1, 4])
  expect(driver.readDeadLetters().map(({ code, value }) => [code, value])).toEqual([
    ['COMPUTATION_FAILED', JSON.stringify(one(2))],
  ])
})

it('what travels through a repartition arrives as it was, or is refused with its field', async () => {
  class Kept {
    what: unknown
  }
  const kept = stateObject('kept', Kept)
  const app = application(
    'travel',
    from(readings)
      .map(({ value }) =>
        value === 1
          ? new Map([['when', new Date(5)]])
          : value === 2
            ? undefined
            : value === 3
              ? { deep: { call: () => 1 } }
              : value,
      )
      .keyBy(() => 'k')
      .to(kept, (state, what) => {
        state.what = what instanceof Map ? [...what] : [what]
      }),
  )
  const driver = await start(app)
  for (const [value, due] of [
    [1, [['when', new Date(5)]]],
    [2, [undefined]],
    [4, [4]],
  ] as const) {
    await driver.pipe(readings, { device: 'd', site: 's', value })
    await driver.settle()
    expect(driver.state(kept, 'k')).toEqual({ what: due })
  }
  await driver.pipe(readings, { device: 'd', site: 's', value: 3 })
  await driver.settle()
  expect(driver.readDeadLetters().map(({ code, error }) => [code, error])).toEqual([
    ['OUTPUT_INVALID', expect.stringMatching(/^A message for repartition travel-readings-kept-repartition .*call/)],
  ])
})

it('a message whose key is none goes to the dead letters; so does one that fails behind the repartition', async () => {
  const app = application(
    'bad',
    from(readings)
      .keyBy(({ value, site: name }) =>
        value === 1 ? (undefined as unknown as string) : value === 2 ? 'x'.repeat(2_000) : name,
      )
      .to(site, (_, { value }) => {
        if (value === 3) throw new Error('on purpose')
      }),
  )
  const driver = await start(app)
  await driver.pipe(
    readings,
    [1, 2, 3, 4].map((value) => ({ device: 'd', site: 's', value })),
  )
  await driver.settle()
  expect(driver.readDeadLetters().map(({ code, topic: from, key }) => [code, from, key])).toEqual([
    ['OUTPUT_INVALID', 'readings', 'd'],
    ['KEY_TOO_LONG', 'readings', 'd'],
    ['COMPUTATION_FAILED', 'bad-readings-site-repartition', 's'],
  ])
})

it('flatMap() that gives no array fails for its message', async () => {
  const app = application(
    'flat',
    from(readings)
      .flatMap(({ value }) => (value === 1 ? (7 as unknown as number[]) : [value]))
      .map((sum) => ({ name: 'n', sum }))
      .sink(sums),
  )
  const driver = await start(app)
  await driver.pipe(
    readings,
    [1, 2].map((value) => ({ device: 'd', site: 's', value })),
  )
  await driver.settle()
  expect(driver.read(sums)).toEqual([{ name: 'n', sum: 2 }])
  expect(driver.readDeadLetters().map(({ error }) => error)).toEqual(['flatMap() must return an array, not number'])
})

it('a topic without key takes outputs, which have none', async () => {
  const app = application(
    'log',
    from(readings)
      .map(({ device: text }) => ({ text }))
      .sink(lines),
  )
  const driver = await start(app, { partitions: 3 })
  await driver.pipe(readings, [reading(1), reading(2)])
  await driver.settle()
  expect(driver.readRecords(lines).map(({ key, message }) => [key, message.text])).toEqual([
    [undefined, 'd1'],
    [undefined, 'd2'],
  ])
})
