/** Interval joins, as a test sees them: the runtime on ports in memory. Invariants are those of pairing.ts and pair-places.ts. */
import fc from 'fast-check'
import { expect, it, onTestFinished } from 'vitest'
import { application, from, intervalJoin, merge, minutes, seconds, stateObject, topic } from '../../../src/index.js'
import { TestDriver, type TestDriverOptions } from '../../../src/testing/index.js'
import { plainPairs, type PlainLog } from '../../sim/plain-pairs.js'
import { anySchema } from '../../support/schemas.js'

interface In {
  readonly key: string
  readonly n: number
  readonly more?: unknown
}
interface Out {
  readonly key: string
  readonly what: string
}
const WITHIN_MS = minutes(1)
const START_MS = 1_700_000_000_000

class Bench {
  readonly lefts
  readonly rights
  readonly outs = topic('outs', { schema: anySchema<Out>(), key: ({ key }) => key })
  readonly application

  constructor(
    options: {
      readonly withinMs?: number
      readonly lateness?: readonly [number, number]
      readonly both?: (left: In, right: In) => string
      readonly alone?: (side: string, one: In) => string
    } = {},
  ) {
    const { withinMs = WITHIN_MS, lateness = [seconds(1), seconds(5)] } = options
    const {
      both = (left: In, right: In) => `${String(left.n)}+${String(right.n)}`,
      alone = (side: string, { n }: In) => `${side} ${String(n)}`,
    } = options
    const schema = anySchema<In>()
    this.lefts = topic('lefts', { schema, key: ({ key }) => key, latenessMs: lateness[0], idle: 'never' })
    this.rights = topic('rights', { schema, key: ({ key }) => key, latenessMs: lateness[1], idle: 'never' })
    const met = intervalJoin('met', from(this.lefts), from(this.rights), { withinMs })
    this.application = application(
      'pairs',
      met.both.map(({ left, right }) => ({ key: left.key, what: both(left, right) })).sink(this.outs),
      met.left.map((one) => ({ key: one.key, what: alone('left', one) })).sink(this.outs),
      met.right.map((one) => ({ key: one.key, what: alone('right', one) })).sink(this.outs),
    )
  }

  async start(options: TestDriverOptions = {}): Promise<TestDriver> {
    const driver = await TestDriver.start(this.application, { startMs: START_MS, ...options })
    onTestFinished(() => driver.close())
    return driver
  }

  pipe(driver: TestDriver, side: 'left' | 'right', atMs: number, n: number, key = 'a', more?: unknown): Promise<void> {
    const message = more === undefined ? { key, n } : { key, n, more }
    return driver.pipe(side === 'left' ? this.lefts : this.rights, message, { timestampMs: START_MS + atMs })
  }

  /** Time of both topics comes there. */
  async past(driver: TestDriver, atMs: number): Promise<void> {
    for (const side of ['left', 'right'] as const) await this.pipe(driver, side, atMs + seconds(5), 0, 'end')
    await driver.settle()
  }

  said(driver: TestDriver): string[] {
    return driver
      .readRecords(this.outs)
      .filter(({ message }) => message.key !== 'end')
      .map(({ message: { key, what }, timestampMs }) => `${key}: ${what} at ${String(timestampMs - START_MS)}`)
  }
}

it('gives two that are close enough, once, with the later timestamp, and each that has met nothing when it is over', async () => {
  const bench = new Bench()
  const driver = await bench.start()
  await bench.pipe(driver, 'left', 10_000, 1)
  await bench.pipe(driver, 'right', 10_000 + WITHIN_MS, 2)
  await bench.pipe(driver, 'left', 10_000, 3, 'b')
  await bench.pipe(driver, 'right', 10_001 + WITHIN_MS, 4, 'b')
  await driver.settle()
  expect(bench.said(driver)).toEqual([`a: 1+2 at ${String(10_000 + WITHIN_MS)}`])
  // Time has come there, and what has its timestamp may still come.
  await bench.past(driver, 10_000 + WITHIN_MS)
  expect(bench.said(driver)).toEqual([])
  await bench.past(driver, 10_001 + WITHIN_MS)
  expect(bench.said(driver)).toEqual([`b: left 3 at ${String(10_000 + WITHIN_MS)}`])
  await bench.past(driver, 10_002 + 2 * WITHIN_MS)
  expect(bench.said(driver)).toEqual([`b: right 4 at ${String(10_001 + 2 * WITHIN_MS)}`])
  await bench.past(driver, 10 * WITHIN_MS)
  expect(bench.said(driver)).toEqual([])
})

it('gives the later timestamp also where the earlier message comes later, and to what comes of it', async () => {
  const bench = new Bench({ lateness: [seconds(30), seconds(30)] })
  const driver = await bench.start()
  await bench.pipe(driver, 'left', 20_000, 1)
  await driver.settle()
  await bench.pipe(driver, 'right', 10_000, 2)
  await bench.pipe(driver, 'left', 5_000, 3)
  await driver.settle()
  expect(bench.said(driver)).toEqual(['a: 3+2 at 10000', 'a: 1+2 at 20000'])
})

it('a topic that goes quiet gives what has met nothing, for the clock moves time', async () => {
  const schema = anySchema<In>()
  const orders = topic('orders', { schema, key: ({ key }) => key })
  const payments = topic('payments', { schema, key: ({ key }) => key })
  const outs = topic('outs', { schema: anySchema<Out>(), key: ({ key }) => key })
  const paid = intervalJoin('paid', from(orders), from(payments), { withinMs: minutes(15) })
  // What they meet is not wanted here, and decides all the same.
  const driver = await TestDriver.start(
    application('a', paid.left.map(({ key }) => ({ key, what: 'unpaid' })).sink(outs)),
  )
  onTestFinished(() => driver.close())
  await driver.pipe(orders, [
    { key: 'a', n: 1 },
    { key: 'b', n: 1 },
  ])
  await driver.advance(minutes(10))
  await driver.pipe(payments, { key: 'a', n: 1 })
  await driver.settle()
  await driver.advance(minutes(4))
  await driver.settle()
  expect(driver.read(outs)).toEqual([])
  await driver.advance(minutes(2))
  await driver.settle()
  expect(driver.read(outs)).toEqual([{ key: 'b', what: 'unpaid' }])
  await driver.advance(minutes(60))
  await driver.settle()
  expect(driver.read(outs)).toEqual([])
})

it('a message that is over when it comes is a dead letter, LATE, beside its other effects; one that is late and not over meets others', async () => {
  const schema = anySchema<In>()
  const lefts = topic('lefts', { schema, key: ({ key }) => key, latenessMs: seconds(1), idle: 'never' })
  const rights = topic('rights', { schema, key: ({ key }) => key, latenessMs: seconds(1), idle: 'never' })
  const outs = topic('outs', { schema: anySchema<Out>(), key: ({ key }) => key })
  const seen = stateObject('seen', () => ({ all: [] as number[] }))
  const met = intervalJoin('met', from(lefts), from(rights), { withinMs: 10_000 })
  const driver = await TestDriver.start(
    application(
      'a',
      from(lefts).to(seen, ({ all }, { n }) => {
        all.push(n)
      }),
      met.both.map(({ left, right }) => ({ key: left.key, what: `${String(left.n)}+${String(right.n)}` })).sink(outs),
      met.left.map(({ key, n }) => ({ key, what: `left ${String(n)}` })).sink(outs),
    ),
    { startMs: START_MS },
  )
  onTestFinished(() => driver.close())
  const at = (ms: number) => ({ timestampMs: START_MS + ms })
  await driver.pipe(rights, { key: 'a', n: 10 }, at(45_000))
  await driver.pipe(lefts, { key: 'a', n: 1 }, at(51_000))
  await driver.pipe(lefts, { key: 'a', n: 2 }, at(40_000))
  await driver.pipe(lefts, { key: 'a', n: 3 }, at(39_999))
  await driver.settle()
  expect(driver.read(outs).map(({ what }) => what)).toEqual(['1+10', '2+10'])
  expect(driver.readDeadLetters()).toMatchObject([
    {
      code: 'LATE',
      topic: 'lefts',
      offset: 2,
      error: expect.stringMatching(/^the message was late for interval join met/) as string,
    },
  ])
  expect(driver.state(seen, 'a')).toEqual({ all: [1, 2, 3] })
})

it('joins in a row, and of a stream with itself', async () => {
  const schema = anySchema<In>()
  const named = (name: string) => topic(name, { schema, key: ({ key }) => key, idle: 'never' })
  const [as, bs, cs] = [named('as'), named('bs'), named('cs')]
  const outs = topic('outs', { schema: anySchema<Out>(), key: ({ key }) => key })
  const first = intervalJoin('first', from(as), from(bs), { withinMs: 10_000 })
  const second = intervalJoin(
    'second',
    merge(
      first.both,
      first.left.map((left) => ({ left, right: undefined })),
    ),
    from(cs),
    {
      withinMs: 10_000,
    },
  )
  const same = intervalJoin('same', from(as), from(as), { withinMs: 1_000 })
  const text = (one: In | undefined): string => String(one?.n ?? '-')
  const driver = await TestDriver.start(
    application(
      'a',
      second.both
        .map(({ left, right }) => ({ key: right.key, what: `${text(left.left)}+${text(left.right)}+${text(right)}` }))
        .sink(outs),
      second.left.map(({ left }) => ({ key: left.key, what: `left ${text(left)}` })).sink(outs),
      same.both.map(({ left, right }) => ({ key: left.key, what: `${text(left)}=${text(right)}` })).sink(outs),
      same.left.map(({ key }) => ({ key, what: 'never' })).sink(outs),
    ),
    { startMs: START_MS },
  )
  onTestFinished(() => driver.close())
  const at = (ms: number) => ({ timestampMs: START_MS + ms })
  await driver.pipe(as, { key: 'b', n: 4 }, at(10_000))
  // The one before has met nothing at 20 s: it is given then, and this one is not over for it.
  await driver.pipe(cs, { key: 'b', n: 5 }, at(10_000))
  await driver.pipe(as, { key: 'a', n: 1 }, at(10_000))
  await driver.pipe(as, { key: 'a', n: 6 }, at(10_500))
  await driver.pipe(bs, { key: 'a', n: 2 }, at(15_000))
  await driver.pipe(cs, { key: 'a', n: 3 }, at(25_000))
  for (const source of [as, bs, cs]) await driver.pipe(source, { key: 'end', n: 0 }, at(100_000))
  await driver.settle()
  const all = driver.readRecords(outs).filter(({ message }) => message.key !== 'end')
  const said = all.map(
    ({ message: { key, what }, timestampMs }) => `${key}: ${what} at ${String(timestampMs - START_MS)}`,
  )
  expect(said.sort()).toEqual([
    'a: 1+2+3 at 25000',
    'a: 1=1 at 10000',
    'a: 1=6 at 10500',
    'a: 6+2+3 at 25000',
    'a: 6=1 at 10500',
    'a: 6=6 at 10500',
    'b: 4+-+5 at 20000',
    'b: 4=4 at 10000',
  ])
})

it('what a step does to a message changes neither what is kept nor what others get (invariant 4)', async () => {
  const bench = new Bench({
    both: (left, right) => {
      const [one, other] = [left, right] as unknown as [{ n: number; more: Set<number> | undefined }, { n: number }]
      one.n += 100
      other.n += 100
      return `${String(one.n)}+${String(other.n)}`
    },
  })
  const driver = await bench.start()
  await bench.pipe(driver, 'left', 10_000, 1)
  await bench.pipe(driver, 'right', 10_000, 2)
  await bench.pipe(driver, 'right', 10_001, 3)
  await bench.pipe(driver, 'left', 10_002, 4)
  await driver.settle()
  const all = ['101+102 at 10000', '101+103 at 10001', '104+102 at 10002', '104+103 at 10002']
  expect(bench.said(driver)).toEqual(all.map((one) => `a: ${one}`))
})

it('what makes a step throw is a dead letter, and gone; the others of the key and of the time are given', async () => {
  const bench = new Bench({
    alone: (side, { n }) => {
      if (n === 2) throw new Error('not that one')
      return `${side} ${String(n)}`
    },
  })
  const driver = await bench.start()
  for (const n of [1, 2, 3]) await bench.pipe(driver, 'left', 10_000, n)
  await bench.pipe(driver, 'right', 80_000, 4)
  await bench.past(driver, 200_000)
  await bench.past(driver, 300_000)
  const overMs = String(10_000 + WITHIN_MS)
  expect(bench.said(driver)).toEqual([`a: left 1 at ${overMs}`, `a: left 3 at ${overMs}`, `a: right 4 at 140000`])
  expect(driver.readDeadLetters()).toMatchObject([{ error: 'not that one', due: { stateObject: 'met' } }])
})

const sides = ['left', 'right'] as const
const anyInput = fc.record({
  seed: fc.integer(),
  workers: fc.integer({ min: 1, max: 2 }),
  partitions: fc.integer({ min: 1, max: 2 }),
  withinMs: fc.constantFrom(0, 1, 40, 500),
  /** How often a worker is killed, a take-back is caused, and so on: by the number of the message. */
  crashes: fc.uniqueArray(fc.nat(60), { maxLength: 2 }),
  messages: fc.array(
    fc.record({
      side: fc.constantFrom(...sides),
      key: fc.constantFrom('a', 'b', 'c'),
      stepMs: fc.nat(60),
      backMs: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 3, arbitrary: fc.nat(100) }, fc.nat(2_000)),
    }),
    { maxLength: 60 },
  ),
})

it('gives what a plain calculation over the logs does, whatever the order, late or not, the workers, crashes and commits', async () => {
  await fc.assert(
    fc.asyncProperty(anyInput, async ({ seed, workers, partitions, withinMs, crashes, messages }) => {
      const bench = new Bench({ withinMs, lateness: [100, 50] })
      const driver = await TestDriver.start(bench.application, { startMs: START_MS, seed, workers, partitions })
      try {
        let nowMs = 10_000
        for (const [n, { side, key, stepMs, backMs }] of messages.entries()) {
          nowMs += stepMs
          await bench.pipe(driver, side, nowMs - backMs, n, key)
          if (crashes.includes(n)) {
            driver.crash('worker-1')
            await driver.restart('worker-1')
          } else if (n % 7 === 0) await driver.settle()
        }
        // Each key has its partition: what ends it has to lie on all of them.
        for (const side of sides)
          for (let i = 0; i < 20; i++) await bench.pipe(driver, side, nowMs + 60_000, 0, `end${String(i)}`)
        await driver.settle()
        const logs = (side: 'left' | 'right'): PlainLog<number>[] => {
          const records = driver.readRecords(side === 'left' ? bench.lefts : bench.rights)
          return Array.from({ length: partitions }, (_, p) =>
            records
              .filter(({ partition }) => partition === p)
              .sort((a, b) => a.offset - b.offset)
              .map(({ message, timestampMs }) => ({ key: message.key, timestampMs, message: message.n })),
          )
        }
        const plain = plainPairs(logs('left'), logs('right'), { withinMs, latenessMs: [100, 50] })
        const expected = [
          ...plain.both.map(({ key, timestampMs, left, right }) => [
            key,
            timestampMs,
            `${String(left)}+${String(right)}`,
          ]),
          ...sides.flatMap((side) =>
            plain[side].map(({ key, timestampMs, message }) => [key, timestampMs, `${side} ${String(message)}`]),
          ),
        ].filter(([key]) => !String(key).startsWith('end'))
        const got = driver
          .readRecords(bench.outs)
          .filter(({ message }) => !message.key.startsWith('end'))
          .map(({ message: { key, what }, timestampMs }) => [key, timestampMs, what])
        const order = (all: readonly unknown[][]): string[] => all.map((one) => JSON.stringify(one)).sort()
        expect(order(got)).toEqual(order(expected))
        const late = driver.readDeadLetters().map(({ code, value }) => [code, (JSON.parse(String(value)) as In).n])
        expect(order(late)).toEqual(order(plain.late.map(({ message }) => ['LATE', message])))
      } finally {
        await driver.close()
      }
    }),
    { numRuns: 60 },
  )
})
