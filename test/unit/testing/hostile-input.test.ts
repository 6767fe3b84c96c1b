/** Whatever producers write and computations do: the worker continues, and what is right counts as if the rest was not there. */
import { isUtf8 } from 'node:buffer'
import * as z from 'zod'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { partitionOf } from '../../../src/core/plan/partitioner.js'
import { application, from, stateObject, topic } from '../../../src/index.js'
import {
  TestDriver,
  type DeadLetter,
  type OutputRecord,
  type RawMessage,
  type TestDriverOptions,
} from '../../../src/testing/index.js'
import { anySchema } from '../../support/schemas.js'

interface Sum {
  readonly account: string
  readonly sum: number
}
interface Ledger {
  sum: number
  bookings: number
  extra?: unknown
}
const bookings = topic('bookings', {
  schema: z.object({
    account: z.string(),
    add: z.number().refine(Number.isInteger),
    mischief: z.string().optional(),
    note: z.unknown().optional(),
    id: z
      .string()
      .transform((id) => BigInt(id))
      .optional(),
  }),
  key: (booking) => booking.account,
  config: { 'max.message.bytes': '20000000' },
})
const sums = topic('sums', { schema: anySchema<Sum>(), key: ({ account }) => account })
const ledger = stateObject('ledger', (): Ledger => ({ sum: 0, bookings: 0 }))

const nested = (levels: number): object => {
  let inner = {}
  for (let level = 0; level < levels; level++) inner = { inner }
  return inner
}
const cycle = (): object => {
  const one: { self?: object } = {}
  one.self = one
  return one
}
const untold = {
  toString: () => {
    throw new Error('no text')
  },
}
function thrower(thrown: unknown): () => never {
  return () => {
    throw thrown
  }
}

/** What a computation may do wrong once it has changed its state object, and what becomes of the message. */
const mischiefs: Readonly<Record<string, readonly [code: string, (state: Ledger) => unknown]>> = {
  'throws an error': ['COMPUTATION_FAILED', thrower(new Error('on purpose'))],
  'throws nothing': ['COMPUTATION_FAILED', thrower(undefined)],
  'throws a symbol': ['COMPUTATION_FAILED', thrower(Symbol('thrown'))],
  'throws what has no text': ['COMPUTATION_FAILED', thrower(Object.create(null))],
  'throws what refuses to be told': ['COMPUTATION_FAILED', thrower(untold)],
  'throws an error whose message is none': [
    'COMPUTATION_FAILED',
    thrower(Object.assign(new Error(), { message: untold })),
  ],
  'throws a very long message': ['COMPUTATION_FAILED', thrower(new Error('\ud83e\udd98'.repeat(1_000_000)))],
  'calls itself without end': [
    'COMPUTATION_FAILED',
    function again(): number {
      return again() + 1
    },
  ],
  'keeps a function': ['STATE_NOT_PACKABLE', (state) => void (state.extra = () => 1)],
  'keeps what throws when it is read': [
    'STATE_NOT_PACKABLE',
    (state) => void (state.extra = Object.defineProperty({}, 'n', { get: thrower(untold), enumerable: true })),
  ],
  'keeps what is 10,000 levels deep': ['STATE_NOT_PACKABLE', (state) => void (state.extra = nested(10_000))],
  'keeps __proto__': ['STATE_NOT_PACKABLE', (state) => void (state.extra = JSON.parse('{"__proto__":{"polluted":1}}'))],
  'keeps too much': ['RECORD_TOO_LARGE', (state) => void (state.extra = 'x'.repeat(2_000_000))],
  'puts out no object': ['OUTPUT_INVALID', () => 'text'],
  'puts out NaN': ['OUTPUT_INVALID', ({ sum }) => ({ account: 'a', sum: sum * NaN })],
  'puts out a BigInt': ['OUTPUT_INVALID', () => ({ account: 'a', sum: 1n })],
  'puts out a cycle': ['OUTPUT_INVALID', () => ({ account: 'a', sum: 1, cycle: cycle() })],
  'puts out what is 10,000 levels deep': ['OUTPUT_INVALID', () => ({ account: 'a', sum: 1, deep: nested(10_000) })],
  'puts out a key that is none': ['OUTPUT_INVALID', () => ({ account: 7, sum: 1 })],
  "puts out a key that UTF-8 can't hold": ['OUTPUT_INVALID', () => ({ account: '\udc00', sum: 1 })],
  'puts out too much': ['RECORD_TOO_LARGE', () => ({ account: 'a', sum: 1, pad: 'x'.repeat(2_000_000) })],
  'puts out something good first': ['OUTPUT_INVALID', () => [{ account: 'a', sum: 1 }, 7]],
}

const app = application(
  'bank',
  from(bookings)
    .to(ledger, (state, { account, add, mischief }, context) => {
      state.sum += add
      state.bookings++
      if (mischief === 'forgets') context.forget()
      else if (mischief !== undefined) return mischiefs[mischief]?.[1](state) as Sum | undefined
      return { account, sum: state.sum }
    })
    .sink(sums),
)

/** What becomes of the records of one partition, as anybody would say who reads what is promised. */
class Expected {
  readonly outputs: Sum[] = []
  readonly letters: [code: string, offset: number][] = []
  readonly states = new Map<string, Ledger>()

  constructor(
    private readonly records: readonly Placed[],
    private readonly partitions: number,
    /** Whether everything was committed between two moments. */
    private readonly settled: (from: number, to: number) => boolean,
    /** Offsets of the dead letters that there are: asked only where either is right. */
    private readonly actual: ReadonlySet<number>,
  ) {
    for (const [offset, record] of records.entries()) this.#take(record, offset)
  }

  #take(record: Placed, offset: number): void {
    const judged = this.#judge(record)
    if (typeof judged === 'string') {
      this.letters.push([judged, offset])
      return
    }
    const { account, add, mischief } = judged
    const known = mischief === undefined ? undefined : mischiefs[mischief]
    if (known !== undefined && (this.actual.has(offset) || !this.#isMended(judged, record.moment, offset))) {
      this.letters.push([known[0], offset])
      return
    }
    const { sum, bookings } = this.states.get(account) ?? { sum: 0, bookings: 0 }
    const after = { sum: sum + add, bookings: bookings + 1 }
    if (mischief === 'forgets') this.states.delete(account)
    else this.states.set(account, after)
    if (mischief === undefined || mischief === 'forgets') this.outputs.push({ account, sum: after.sum })
  }

  /** Left what can't be stored, which a later message forgot: unnoticed where both are of one commit. */
  #isMended({ account, mischief }: Booking, moment: number, offset: number): boolean {
    if (mischief?.startsWith('keeps ') !== true) return false
    return this.records.slice(offset + 1).some((record) => {
      const later = this.#judge(record)
      const forgets = typeof later !== 'string' && later.account === account && later.mischief === 'forgets'
      return forgets && !this.settled(moment, record.moment)
    })
  }

  /** What it says, or what is wrong with it before anything is computed. */
  #judge({ key, value, partition }: Raw): Booking | string {
    if (value === null) return 'VALUE_NULL'
    if (!isUtf8(value)) return 'NOT_JSON'
    let json: unknown
    try {
      json = JSON.parse(value.toString())
    } catch {
      return 'NOT_JSON'
    }
    const [, long] = /:(-?\d{16,})(?![\d.eE])/.exec(value.toString()) ?? []
    if (long !== undefined && String(Number(long)) !== long) return 'NUMBER_NOT_EXACT'
    const { account, add, mischief, id } = (json ?? {}) as Readonly<Record<string, unknown>>
    if (typeof json !== 'object' || typeof account !== 'string' || !Number.isInteger(add)) return 'SCHEMA_MISMATCH'
    if (mischief !== undefined && typeof mischief !== 'string') return 'SCHEMA_MISMATCH'
    if (id !== undefined && !(typeof id === 'string' && /^\d+$/.test(id))) return 'SCHEMA_MISMATCH'
    if (key === null) return 'KEY_MISSING'
    if (!account.isWellFormed()) return 'KEY_MISMATCH'
    if (!key.equals(Buffer.from(account))) return isUtf8(key) ? 'KEY_MISMATCH' : 'KEY_NOT_TEXT'
    if (key.length > 1800) return 'KEY_TOO_LONG'
    if (partitionOf('murmur2', key, this.partitions) !== partition) return 'WRONG_PARTITION'
    return { account, add: add as number, mischief }
  }
}

interface Placed extends Raw {
  /** Which of all records it is. */
  readonly moment: number
}
interface Booking {
  readonly account: string
  readonly add: number
  readonly mischief: string | undefined
}

interface Raw extends RawMessage {
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly partition: number
}

async function check(
  records: readonly Raw[],
  partitions: number,
  pauses: readonly number[] = [],
  seed = 1,
  options: TestDriverOptions = {},
) {
  const driver = await TestDriver.start(app, { ...options, partitions, seed })
  try {
    for (const [at, record] of records.entries()) {
      await driver.pipeRaw(bookings, record)
      if (pauses.includes(at)) await driver.settle()
    }
    await driver.settle()
    expect(driver.workers.map(({ running }) => running)).toEqual([true])

    const outputs = driver.readRecords(sums)
    const letters = driver.readDeadLetters()
    const states = new Map<string, Ledger>()
    const placed = records.map((record, moment) => ({ ...record, moment }))
    const settled = (from: number, to: number): boolean => pauses.some((pause) => pause >= from && pause < to)
    for (let partition = 0; partition < partitions; partition++) {
      const mine = placed.filter((record) => record.partition === partition)
      const offsets = letters.filter((letter) => letter.partition === partition).map(({ offset }) => offset)
      const expected = new Expected(mine, partitions, settled, new Set(offsets))
      checkOutputs(outputs, partition, expected)
      checkLetters(letters, partition, expected, mine)
      for (const [key, state] of expected.states) states.set(key, state)
    }
    expect(driver.states(ledger)).toEqual(states)
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
    return { outputs, letters }
  } finally {
    await driver.close()
  }
}

function checkOutputs(outputs: readonly OutputRecord<Sum>[], partition: number, expected: Expected): void {
  const mine = outputs.filter((output) => output.partition === partition).sort((a, b) => a.offset - b.offset)
  expect(mine.map(({ message }) => message)).toEqual(expected.outputs)
  expect(mine.map(({ key }) => key)).toEqual(expected.outputs.map(({ account }) => account))
}

function checkLetters(
  all: readonly DeadLetter[],
  partition: number,
  expected: Expected,
  records: readonly Raw[],
): void {
  const mine = all.filter((letter) => letter.partition === partition).sort((a, b) => a.offset - b.offset)
  expect(mine.map(({ code, offset }) => [code, offset])).toEqual(expected.letters)
  for (const { topic, offset, error, bytes = null, key, headers } of mine) {
    const { value, key: keyBytes, headers: sent = {} } = records[offset] ?? { value: null, key: null }
    expect([topic, error === '', key]).toEqual(['bookings', false, keyBytes?.toString()])
    if (bytes === null || value === null) expect(bytes).toBe(value)
    else {
      const cut = value.length > 1_048_000
      expect(bytes.equals(cut ? value.subarray(0, 64 * 1024) : value)).toBe(true)
      const own = Object.entries(sent).filter(([name]) => !name.startsWith('potoroo-'))
      if (!cut) expect(headers).toEqual(Object.fromEntries(own.map(([name, text]) => [name, String(text)])))
    }
  }
}

const accounts = ['a', 'b', '', '__proto__', 'constructor', 'ü', '\ufeffx', '\ufffd', ' ', '\0', 'k'.repeat(1800)]
const tooLong = 'k'.repeat(1801)
const account = fc.constantFrom(...accounts, tooLong)
const add = fc.oneof(fc.integer({ min: -5, max: 5 }), fc.constantFrom(2 ** 53, -1e300, 0))
const booking = fc.record({ account, add })
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))

/** A value, with the account that it names if it is any good. */
interface Value {
  readonly bytes: Buffer | null
  readonly account: string
}
const good: fc.Arbitrary<Value> = booking.map((one) => ({ bytes: json(one), account: one.account }))

const nearMiss: fc.Arbitrary<Value> = fc.oneof(
  // cut off, with a byte changed, with a byte too many
  fc.tuple(booking, fc.nat(), fc.constantFrom('cut', 'change', 'insert'), fc.nat(255)).map(([one, at, how, byte]) => {
    const bytes = json(one)
    const where = at % bytes.length
    if (how === 'change') bytes[where] = byte
    const [head, tail] = [bytes.subarray(0, where), bytes.subarray(where)]
    const changed = how === 'cut' ? head : how === 'insert' ? Buffer.concat([head, Buffer.from([byte]), tail]) : bytes
    return { bytes: changed, account: one.account }
  }),
  // well-formed, each in its own way beside what it should be
  fc
    .tuple(
      booking,
      fc.constantFrom<(account: string, add: string) => string>(
        (account, add) => `\ufeff{"account":${account},"add":${add}}`,
        (account, add) => ` \r\n\t{"account":${account},"add":${add}} `,
        (account, add) => `{"account":${account},"add":${add}}{}`,
        (account, add) => `[{"account":${account},"add":${add}}]`,
        (account, add) => `{"account":"other","add":true,"account":${account},"add":${add}}`,
        (account, add) => `{"account":${account},"add":${add},"account":null}`,
        (account, add) => `{"account":${account},"add":${add},"__proto__":{"polluted":1}}`,
        (account, add) => `{"__proto__":{"account":${account},"add":${add}}}`,
        (account, add) => `{"account":${account},"add":${add},"constructor":{"prototype":{"polluted":1}}}`,
        (account, add) => `{"account":${account},"add":${add},"toString":null,"then":1,"toJSON":"x"}`,
        (account, add) => `{"account":${account},"add":${add},"id":"7"}`,
        // The schema throws.
        (account, add) => `{"account":${account},"add":${add},"id":"seven"}`,
        (account) => `{"account":${account},"add":1e400}`,
        (account) => `{"account":${account},"add":-0}`,
        (account) => `{"account":${account},"add":${'9'.repeat(400)}}`,
        (account) => `{"account":${account},"add":${'1'.repeat(200)}}`,
        (account) => `{"account":${account},"add":NaN}`,
        (account, add) => `{"account":"\\ud800","add":${add},"note":${account}}`,
        (account, add) => `{"account":"\\udfff","add":${add},"note":${account}}`,
        (account, add) => `{"account":${account},"add":${add},"note":"\\ud800 \\u0000"}`,
        (account, add) => `{"account":${account},"add":${add},"note":${'['.repeat(20_000)}${']'.repeat(20_000)}}`,
        (account, add) => `{"account":${account},"add":${add},"note":${'{"n":'.repeat(10_000)}`,
      ),
    )
    .map(([one, text]) => ({
      bytes: Buffer.from(text(JSON.stringify(one.account), String(one.add))),
      account: one.account,
    })),
  // no UTF-8 within a string
  booking.map((one) => ({
    bytes: Buffer.from(json({ ...one, note: '\xff\xfe' }).toString(), 'latin1'),
    account: one.account,
  })),
)

const anything: fc.Arbitrary<Value> = fc
  .tuple(
    account,
    fc.oneof(
      fc.constant(null),
      fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
      fc.json({ maxDepth: 4 }).map((text) => Buffer.from(text)),
      fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)),
    ),
  )
  .map(([account, bytes]) => ({ account, bytes }))

const doomed: fc.Arbitrary<Value> = fc
  .tuple(booking, fc.constantFrom(...Object.keys(mischiefs), 'forgets', 'nothing that is known'))
  .map(([one, mischief]) => ({ bytes: json({ ...one, mischief }), account: one.account }))

const headerName = fc.oneof(
  fc.string({ maxLength: 8 }),
  fc.constantFrom('', '__proto__', 'constructor', 'potoroo-error-code', 'potoroo-source-offset', 'potoroo-full-size'),
)
const headers = fc
  .array(fc.tuple(headerName, fc.string({ unit: 'grapheme', maxLength: 8 })), { maxLength: 4 })
  .map((entries) => Object.fromEntries(entries))

const raw = (partitions: number): fc.Arbitrary<Raw> =>
  fc
    .record({
      value: fc.oneof({ arbitrary: good, weight: 4 }, { arbitrary: nearMiss, weight: 3 }, anything, doomed),
      key: fc.option(
        fc.oneof(
          { arbitrary: fc.constant('its own' as const), weight: 8 },
          fc.constant(null),
          fc.uint8Array({ maxLength: 12 }),
          account.map((other) => Buffer.from(other)),
          fc.constant(Buffer.from(tooLong)),
        ),
        { nil: 'its own' as const, freq: 3 },
      ),
      headers,
      elsewhere: fc.option(fc.nat(partitions - 1), { freq: 8 }),
      timestampMs: fc.option(fc.constantFrom(0, 1, 2 ** 40, 2 ** 50), { nil: undefined, freq: 10 }),
    })
    .map(({ value: { bytes, account }, key, headers, elsewhere, timestampMs }) => {
      const keyBytes = key === null ? null : key === 'its own' ? Buffer.from(account) : Buffer.from(key)
      const home = keyBytes === null ? 0 : partitionOf('murmur2', keyBytes, partitions)
      return {
        key: keyBytes,
        value: bytes,
        headers,
        partition: elsewhere ?? home,
        ...(timestampMs === undefined ? {} : { timestampMs }),
      }
    })

describe('hostile records among good ones', () => {
  it.each([1, 3])(
    'give one dead letter each, and the good ones count as if alone: %i partitions',
    { timeout: 60_000 },
    async (partitions) => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(raw(partitions), { minLength: 1, maxLength: 40, size: 'max' }),
          fc.array(fc.nat(39), { maxLength: 4 }),
          fc.nat(1000),
          async (records, pauses, seed) => {
            await check(records, partitions, pauses, seed)
          },
        ),
        { numRuns: 150 },
      )
    },
  )
})

describe('one by one', () => {
  const at = (key: string | Buffer | null, value: string | Buffer | null): Raw => ({
    key: typeof key === 'string' ? Buffer.from(key) : key,
    value: typeof value === 'string' ? Buffer.from(value) : value,
    partition: 0,
  })
  const good = (name: string, add = 1): Raw => at(name, json({ account: name, add }))

  it.each(Object.keys(mischiefs))(
    'a computation that %s leaves its state object and its neighbours as they were',
    async (mischief) => {
      await check([good('a'), good('b'), at('a', json({ account: 'a', add: 1, mischief })), good('a'), good('b')], 1)
    },
  )

  it("what can't be stored is noticed where a commit packs it, not where a message of the same commit forgets it", async () => {
    const records = [
      // A task that was idle commits at once; what comes next waits for the next moment, and has it in common.
      good('b'),
      at('a', json({ account: 'a', add: 1, mischief: 'keeps a function' })),
      at('a', json({ account: 'a', add: 2, mischief: 'forgets' })),
    ]
    const outcome = async (pauses: readonly number[]) => {
      const { letters, outputs } = await check(records, 1, pauses)
      return [letters.map(({ code, offset }) => [code, offset]), outputs.map(({ message }) => message)]
    }
    const b = { account: 'b', sum: 1 }
    expect(await outcome([])).toEqual([[], [b, { account: 'a', sum: 3 }]])
    expect(await outcome([1])).toEqual([[['STATE_NOT_PACKABLE', 1]], [b, { account: 'a', sum: 2 }]])
  })

  it.each(accounts)('the key %j is a key like others, again and again', async (name) => {
    await check([good(name), good(name), good(name)], 1, [0])
  })

  it('a key longer than 1,800 bytes is none, also in characters of several bytes', async () => {
    await check([good('ü'.repeat(901)), good('ü'.repeat(900)), good(tooLong), good('ü'.repeat(900))], 1)
  })

  it("keys that only differ in what UTF-8 can't hold are no keys, and share no state object", async () => {
    const records = ['\\ud800', '\\udfff', '\ufffd', '\\ud83e'].map((name) =>
      at('\ufffd', `{"account":"${name}","add":1}`),
    )
    await check([...records, ...records], 1)
  })

  it.each(['dead-letter', 'stop'] as const)(
    'what a schema throws at is no message, with onError %s',
    async (onError) => {
      const id = (text: string): Raw => at('a', json({ account: 'a', add: 1, id: text }))
      const some = [id('7'), id('seven'), id('8'), id('eight'), id('nine'), id('9')]
      const records = Array.from({ length: 50 }, () => some).flat()
      const { letters } = await check(records, 1, [], 1, { onError })
      expect(letters[0]?.error).toBe(
        'A record of topic bookings fails its schema: the schema threw: Cannot convert seven to a BigInt',
      )
    },
  )

  it('what a schema throws at is so again when its interval is rolled back', async () => {
    const id = (text: string): Raw => at('a', json({ account: 'a', add: 1, id: text }))
    const fails = at('a', json({ account: 'a', add: 1, mischief: 'throws an error' }))
    const large = at('a', json({ account: 'a', add: 1, mischief: 'puts out too much' }))
    await check([id('seven'), good('a'), id('eight'), fails, id('nine'), large, id('ten'), good('a')], 1)
  })

  it('what a schema throws at is one record, and not the one of another source at the same offset', async () => {
    const schema = z.object({ account: z.string(), id: z.string().transform((id) => BigInt(id)) })
    const [first, second] = ['first', 'second'].map((name) => topic(name, { schema, key: ({ account }) => account }))
    if (first === undefined || second === undefined) throw new Error('two topics')
    const tally = stateObject('tally', () => ({ sum: 0 }))
    const count = (state: { sum: number }, { id }: { id: bigint }): void => void (state.sum += Number(id))
    const driver = await TestDriver.start(
      application('both', from(first).to(tally, count), from(second).to(tally, count)),
    )
    const id = (text: string): Raw => at('a', json({ account: 'a', id: text }))
    await driver.pipeRaw(first, [id('one'), id('10')])
    await driver.pipeRaw(second, [id('2'), id('twenty')])
    await driver.settle()
    expect(driver.readDeadLetters().map(({ topic, offset }) => [topic, offset])).toEqual([
      ['first', 0],
      ['second', 1],
    ])
    expect(driver.states(tally)).toEqual(new Map([['a', { sum: 12 }]]))
    await driver.close()
  })

  it('a schema that is asynchronous stops the worker', async () => {
    const late = topic('late', {
      schema: z.object({ account: z.string().refine(() => Promise.resolve(true)) }),
      key: ({ account }) => account,
    })
    const tally = stateObject('tally', () => ({ n: 0 }))
    const count = application(
      'tally',
      from(late).to(tally, (state) => {
        state.n++
      }),
    )
    const driver = await TestDriver.start(count)
    await driver.pipeRaw(late, at('a', '{"account":"a"}'))
    await expect(driver.settle()).rejects.toMatchObject({ code: 'INVALID_DEFINITION' })
    expect(driver.readDeadLetters()).toEqual([])
    await driver.close()
  })

  it('a key that is no string is the record’s fault, whatever onError says', async () => {
    const loose = topic('loose', { schema: anySchema<Sum>(), key: ({ account }) => account })
    const tally = stateObject('tally', () => ({ n: 0 }))
    const count = application(
      'tally',
      from(loose).to(tally, (state) => {
        state.n++
      }),
    )
    const driver = await TestDriver.start(count, { onError: 'stop' })
    await driver.pipeRaw(loose, [at('7', '{"account":7}'), at('a', '{}'), at('a', '{"account":"a"}')])
    await driver.settle()
    expect(driver.readDeadLetters().map(({ code, error }) => [code, error])).toEqual([
      ['KEY_MISMATCH', 'The key function of topic loose returned 7, not a string.'],
      ['KEY_MISMATCH', 'The key function of topic loose returned undefined, not a string.'],
    ])
    expect(driver.states(tally)).toEqual(new Map([['a', { n: 1 }]]))
    await driver.close()
  })

  it('values of several MB count when they are right, and are dead letters, cut, when they are not', async () => {
    const large = (text: string): Buffer => Buffer.from(`{"account":"a","add":1,"note":"${text.repeat(5_000_000)}"}`)
    await check(
      [good('a'), at('a', large('x')), at('a', large('x').subarray(0, -1)), at('b', large('ü')), good('a')],
      1,
    )
  })

  it('20,000 headers are passed on with a dead letter while they fit, and left out when they do not', async () => {
    const many = (count: number, text: string) =>
      Object.fromEntries(Array.from({ length: count }, (_, n) => [`h${String(n)}`, text]))
    const bad = { ...at('a', 'no JSON'), headers: many(20_000, 'few') }
    await check([bad, good('a'), { ...good('a'), headers: many(20_000, 'x'.repeat(400)) }], 1)
    const driver = await TestDriver.start(app)
    await driver.pipeRaw(bookings, { ...at('a', 'no JSON'), headers: many(20_000, 'x'.repeat(400)) })
    await driver.settle()
    const expected = { code: 'NOT_JSON', offset: 0, value: 'no JSON', headers: {} }
    expect(driver.readDeadLetters()).toMatchObject([expected])
    await driver.close()
  })

  it('a forged dead letter is told from a real one', async () => {
    const forged = { 'potoroo-error-code': 'KEY_MISSING', 'potoroo-source-offset': '99', 'potoroo-source-topic': 'x' }
    await check([{ ...at('a', 'no JSON'), headers: { ...forged, trace: '1' } }, good('a')], 1)
  })

  it('JSON that is 1,000,000 levels deep is JSON, or is not, and never the end', async () => {
    const deep = (open: string, close: string) =>
      at('a', `{"account":"a","add":1,"note":${open.repeat(1_000_000)}${close.repeat(1_000_000)}}`)
    await check([good('a'), deep('[', ']'), deep('[', ''), deep('[', '}'), good('a')], 1)
  })
})
