/** Formats of topics on the runtime: codecs, null values, keys of any bytes, numbers that JavaScript can't hold. */
import fc from 'fast-check'
import { describe, expect, expectTypeOf, it, onTestFinished, test } from 'vitest'
import * as z from 'zod'
import { application, from, messagePackCodec, stateObject, stringCodec, topic } from '../../../src/index.js'
import type { Application, Message } from '../../../src/index.js'
import { TestDriver, type TestDriverOptions } from '../../../src/testing/index.js'
import { isPotorooError } from '../../../src/errors.js'

async function driverOf(app: Application, options?: TestDriverOptions): Promise<TestDriver> {
  const driver = await TestDriver.start(app, options)
  onTestFinished(() => driver.close())
  return driver
}

describe('codecs', () => {
  it('text goes in, MessagePack comes out', async () => {
    const lines = topic('lines', { codec: stringCodec })
    const words = topic('words', {
      codec: messagePackCodec<{ word: string; n: number; first: Date }>(),
      key: (m) => m.word,
    })
    const count = stateObject('count', () => ({ n: 0 }))
    const app = application(
      'words',
      from(lines)
        .flatMap((line) => line.split(' '))
        .keyBy((word) => word)
        .to(count, (state, word, { timestampMs }) => ({ word, n: ++state.n, first: new Date(timestampMs) }))
        .sink(words),
    )
    const driver = await driverOf(app, { partitions: 3 })
    await driver.pipe(lines, ['a b', 'a'], { timestampMs: 1_000 })
    await driver.settle()
    expect(
      driver
        .read(words)
        .map(({ word, n }) => `${word}${String(n)}`)
        .sort(),
    ).toEqual(['a1', 'a2', 'b1'])
    await driver.pipeRaw(lines, { value: Buffer.of(0xff) })
    await driver.settle()
    expect(driver.readDeadLetters()).toMatchObject([{ code: 'NOT_DECODABLE', bytes: Buffer.of(0xff) }])
  })

  it('a topic is read as it was written, with state objects that keep what was decoded', async () => {
    const things = topic('things', { codec: messagePackCodec<{ id: string; raw: Buffer }>(), key: (m) => m.id })
    const kept = stateObject('kept', (): { raw: Buffer } => ({ raw: Buffer.alloc(0) }))
    const app = application(
      'keep',
      from(things).to(kept, (state, { raw }) => {
        state.raw = raw
      }),
    )
    const driver = await driverOf(app)
    const big = Array.from({ length: 200 }, (_, i) => ({ id: `k${String(i)}`, raw: Buffer.alloc(300, i) }))
    await driver.pipe(things, big)
    await driver.settle()
    for (const { id, raw } of big) expect(driver.state(kept, id)?.raw).toEqual(raw)
  })

  it('values of a schema registry on a JSON topic are called so, with the codec to use', async () => {
    const things = topic('things', { schema: z.object({ id: z.string() }), key: (m) => m.id })
    const driver = await driverOf(
      application('app', from(things).sink(topic('out', { schema: z.object({ id: z.string() }) }))),
    )
    await driver.pipeRaw(things, { key: 'a', value: Buffer.from('000000002a02ff', 'hex') })
    await driver.settle()
    const [letter] = driver.readDeadLetters()
    expect([letter?.code, letter?.error]).toEqual([
      'NOT_JSON',
      expect.stringMatching(
        /Confluent's wire format: magic byte 0, schema id 42; the topic needs a codec of potoroo\/schema-registry/,
      ),
    ])
  })
})

test('types say what a topic gives and takes', () => {
  const schema = z.object({ id: z.string() })
  const key = (m: { id: string }): string => m.id
  const nullable = topic('nullable', { schema, key, tombstones: 'message' })
  expectTypeOf<Message<typeof nullable>>().toEqualTypeOf<{ id: string } | null>()
  const plain = topic('plain', { schema, key })
  expectTypeOf<Message<typeof plain>>().toEqualTypeOf<{ id: string }>()
  const coded = topic('coded', { codec: messagePackCodec<{ id: string }>(), key, tombstones: 'message' })
  expectTypeOf<Message<typeof coded>>().toEqualTypeOf<{ id: string } | null>()
  const checked = topic('checked', { codec: messagePackCodec<{ id: string }>(), schema, key })
  expectTypeOf<Message<typeof checked>>().toEqualTypeOf<{ id: string }>()
  from(checked).sink(plain)
  const unknownOwners = topic('unknown-owners', { codec: stringCodec, key: (line) => line, partitioner: 'none' })
  expectTypeOf<Message<typeof unknownOwners>>().toEqualTypeOf<string>()
  const nulls = from(nullable).map(() => null)
  nulls.sink(nullable)
  // @ts-expect-error a topic without tombstones takes no null
  expect(() => nulls.sink(plain)).not.toThrow()
  // @ts-expect-error the topic's own producers alone know where its records belong
  expect(() => from(coded).sink(unknownOwners)).toThrow()
  // @ts-expect-error bigIntegers are of JSON
  expect(() => topic('both', { codec: stringCodec, bigIntegers: 'text' })).toThrow('bigIntegers')
})

describe('null values', () => {
  const user = z.object({ id: z.string(), name: z.string() })
  const users = topic('users', { schema: user, key: (m) => m.id, tombstones: 'message' })
  const copies = topic('copies', { schema: user, key: (m) => m.id, tombstones: 'message' })
  const named = stateObject('named', () => ({ name: '' }))
  const app = application(
    'users',
    from(users)
      .to(named, (state, message, context) => {
        if (message === null) {
          context.forget()
          return [null]
        }
        state.name = message.name
        return [message]
      })
      .sink(copies),
  )

  it.each([1, 4])(
    'are messages where the topic says so, and are written as such, on %i partitions',
    async (partitions) => {
      const driver = await driverOf(app, { partitions })
      await driver.pipe(users, [
        { id: 'a', name: 'Ann' },
        { id: 'b', name: 'Bob' },
      ])
      await driver.pipe(users, null, { key: 'a' })
      await driver.settle()
      expect([driver.state(named, 'a'), driver.state(named, 'b')]).toEqual([undefined, { name: 'Bob' }])
      expect(driver.readRecords(copies).map(({ key, message }) => [key, message])).toEqual([
        ['a', { id: 'a', name: 'Ann' }],
        ['b', { id: 'b', name: 'Bob' }],
        ['a', null],
      ])
      expect(driver.readDeadLetters()).toEqual([])
    },
  )

  it('go through filters, maps and repartitions', async () => {
    const changes = stateObject('changes', () => ({ n: 0 }))
    const through = application(
      'through',
      from(users)
        .map((message) => message)
        .keyBy((message) => message?.name ?? 'gone')
        .to(changes, (state) => {
          state.n++
        }),
    )
    const driver = await driverOf(through)
    await driver.pipe(users, { id: 'a', name: 'Ann' })
    await driver.pipe(users, null, { key: 'a' })
    await driver.settle()
    expect([driver.state(changes, 'Ann'), driver.state(changes, 'gone')]).toEqual([{ n: 1 }, { n: 1 }])
  })

  it('that lie on the wrong partition, or have no key that is text, are dead letters', async () => {
    const driver = await driverOf(app, { partitions: 4 })
    await driver.pipeRaw(users, [
      { key: null, value: null },
      ...[0, 1, 2, 3].map((partition) => ({ key: 'a', value: null, partition })),
      ...[0, 1, 2, 3].map((partition) => ({ key: Buffer.of(0xff), value: null, partition })),
    ])
    await driver.settle()
    const codes = driver.readDeadLetters().map(({ code }) => code)
    expect(codes.sort()).toEqual([
      'KEY_MISSING',
      ...Array<string>(4).fill('KEY_NOT_TEXT'),
      ...Array<string>(3).fill('WRONG_PARTITION'),
    ])
  })

  it("are dead letters without a word of them, and can't be put out", async () => {
    const plain = topic('plain', { schema: user, key: (m) => m.id })
    const driver = await driverOf(application('plain', from(users).sink(plain as never)))
    await driver.pipe(users, null, { key: 'a' })
    await driver.settle()
    expect(driver.readDeadLetters()).toMatchObject([
      { code: 'OUTPUT_INVALID', error: expect.stringContaining("tombstones: 'message'") as string },
    ])
    const reading = await driverOf(application('reading', from(plain).sink(copies)))
    await reading.pipeRaw(plain, { key: 'a', value: null })
    await reading.settle()
    expect(reading.readDeadLetters()).toMatchObject([{ code: 'VALUE_NULL' }])
  })

  it('of a source without keys have none to be written under', async () => {
    const keyless = topic('keyless', { schema: user })
    const driver = await driverOf(
      application(
        'keyless',
        from(keyless)
          .map(() => null)
          .sink(copies),
      ),
    )
    await driver.pipe(keyless, { id: 'a', name: 'Ann' })
    await driver.settle()
    expect(driver.readDeadLetters()).toMatchObject([
      { code: 'OUTPUT_INVALID', error: expect.stringContaining('which has no key') as string },
    ])
  })
})

describe('keys of any bytes', () => {
  const hexOf = (id: bigint): string => id.toString(16).padStart(16, '0')
  const reading = z.object({ meter: z.string(), kwh: z.number() })
  const settings = { schema: reading, key: (m: { meter: string }) => hexOf(BigInt(m.meter)), keyFormat: 'hex' } as const
  const readings = topic('readings', settings)
  const totals = topic('totals', settings)
  const meter = stateObject('meter', (key) => ({ key, kwh: 0 }))
  const app = application(
    'meters',
    from(readings)
      .to(meter, (state, message, context) => {
        expect(context.key).toBe(state.key)
        state.kwh += message.kwh
        return { meter: message.meter, kwh: state.kwh }
      })
      .sink(totals),
  )

  it.each([1, 5])('are their hex text, on %i partitions', async (partitions) => {
    const driver = await driverOf(app, { partitions })
    const sums = new Map<bigint, number>()
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { maxLength: 10 }), async (ids) => {
        await driver.pipe(
          readings,
          ids.map((id) => ({ meter: String(id), kwh: 1 })),
        )
        await driver.settle()
        const out = driver.readRecords(totals)
        expect(out.map(({ key }) => key).sort()).toEqual(ids.map(hexOf).sort())
        for (const id of ids) sums.set(id, (sums.get(id) ?? 0) + 1)
        for (const id of ids) expect(driver.state(meter, hexOf(id))).toEqual({ key: hexOf(id), kwh: sums.get(id) })
      }),
      { numRuns: 20 },
    )
    expect(driver.readDeadLetters()).toEqual([])
  })

  it('state objects can be set by them, and continue', async () => {
    const driver = await driverOf(app, { partitions: 5 })
    await driver.pipe(readings, { meter: '255', kwh: 1 })
    await driver.setState(meter, hexOf(255n), { key: hexOf(255n), kwh: 41 })
    await driver.pipe(readings, { meter: '255', kwh: 1 })
    await driver.settle()
    expect(driver.read(totals).at(-1)).toEqual({ meter: '255', kwh: 42 })
  })

  it('that are not what the message says are dead letters, in hex', async () => {
    const driver = await driverOf(app)
    await driver.pipeRaw(readings, { key: Buffer.of(0xff, 1), value: '{"meter":"255","kwh":1}' })
    await driver.settle()
    expect(driver.readDeadLetters()).toMatchObject([
      { code: 'KEY_MISMATCH', error: "the record key is ff01 in hex, but the message's is '00000000000000ff'" },
    ])
  })

  it('are dead letters where they are not declared, with what can be done', async () => {
    const things = topic('things', { schema: z.object({ id: z.string() }), key: (m) => m.id })
    const driver = await driverOf(
      application(
        'app',
        from(things).to(meter, () => undefined),
      ),
    )
    await driver.pipeRaw(things, { key: Buffer.from('00000000000000ff', 'hex'), value: '{"id":"255"}' })
    await driver.settle()
    const [letter] = driver.readDeadLetters()
    expect([letter?.code, letter?.error]).toEqual([
      'KEY_NOT_TEXT',
      expect.stringContaining('its 8 bytes are 00000000000000ff in hex'),
    ])
  })

  it('do not meet texts in one state object: the definition is refused', () => {
    const texts = topic('texts', { schema: reading, key: (m) => m.meter })
    const both = (): Application =>
      application(
        'both',
        from(readings).to(meter, () => undefined),
        from(texts).to(meter, () => undefined),
      )
    const byText = (): Application =>
      application(
        'by-text',
        from(readings).to(meter, () => undefined),
        from(texts)
          .keyBy((m) => m.meter)
          .to(meter, () => undefined),
      )
    for (const define of [both, byText])
      try {
        define()
        expect.unreachable()
      } catch (error) {
        expect(isPotorooError(error, 'INVALID_DEFINITION')).toBe(true)
      }
  })

  it("that the topic gives and that are no hex text can't be written", async () => {
    const wrong = topic('wrong', { schema: reading, key: (m) => m.meter, keyFormat: 'hex' })
    const driver = await driverOf(application('app', from(readings).sink(wrong)))
    await driver.pipe(readings, { meter: '7', kwh: 1 })
    await driver.settle()
    expect(driver.readDeadLetters()).toMatchObject([
      { code: 'OUTPUT_INVALID', error: expect.stringContaining('not hex text') as string },
    ])
  })
})

it('whole numbers beyond 2^53 go through an application as BigInts', async () => {
  const schema = z.object({ id: z.coerce.bigint(), sum: z.coerce.bigint() })
  const settings = { schema, key: (m: { id: unknown }) => String(m.id), bigIntegers: 'bigint' } as const
  const [numbers, sums] = [topic('numbers', settings), topic('sums', settings)]
  const sum = stateObject('sum', () => ({ sum: 0n }))
  const app = application(
    'sums',
    from(numbers)
      .to(sum, (state, message) => {
        state.sum += message.sum
        return { id: message.id, sum: state.sum }
      })
      .sink(sums),
  )
  const driver = await driverOf(app)
  await driver.pipeRaw(numbers, [
    { key: '9007199254740993', value: '{"id":9007199254740993,"sum":1}' },
    { key: '9007199254740993', value: '{"id":9007199254740993,"sum":9007199254740992}' },
  ])
  await driver.settle()
  expect(driver.read(sums)).toEqual([
    { id: 9007199254740993n, sum: 1n },
    { id: 9007199254740993n, sum: 9007199254740993n },
  ])
})
