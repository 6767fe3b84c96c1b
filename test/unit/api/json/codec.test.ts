import type { StandardSchemaV1 } from '@standard-schema/spec'
import * as z from 'zod'
import * as mini from 'zod/mini'
import { describe, expect, it } from 'vitest'
import type { TopicDefinition } from '../../../../src/api/definition.js'
import { topic, topicDefinition } from '../../../../src/api/topic.js'
import { isPotorooError, type ErrorCode, type PotorooError } from '../../../../src/errors.js'
import { anySchema } from '../../../support/schemas.js'

const quotes = topicDefinition(
  topic('quotes', { schema: z.object({ symbol: z.string(), bid: z.number() }), key: (quote) => quote.symbol }),
  'test',
)
const anything = topicDefinition(topic('anything', { schema: anySchema(), key: () => 'k' }), 'test')

const decode = (text: string | Uint8Array, definition: TopicDefinition = quotes): unknown => {
  // in the middle of a larger buffer, as records are
  const value = Buffer.from(text as string)
  const bytes = Buffer.concat([Buffer.from('{"a":'), value, Buffer.from('\xff"}', 'latin1')])
  return definition.decode(bytes, 5, 5 + value.length)
}
function failure(act: () => unknown, code: ErrorCode): PotorooError {
  try {
    act()
  } catch (error) {
    expect(isPotorooError(error, code), String(error)).toBe(true)
    return error as PotorooError
  }
  throw new Error(`nothing was thrown, expected ${code}`)
}

const lateSchema = (answer: Promise<StandardSchemaV1.Result<object>>): StandardSchemaV1<object, object> => {
  answer.catch(() => undefined)
  return { '~standard': { ...anySchema()['~standard'], validate: () => answer } }
}
/** Throws at what is no number. */
const thrower = (message: string) => (id: string) => {
  if (Number.isNaN(Number(id))) throw new Error(message)
  return true
}

describe('decoding refuses', () => {
  it.each([
    ['an empty value', ''],
    ['text that is no JSON', '{"symbol":'],
    ['two values', '{} {}'],
    ['a byte order mark', '\ufeff{"symbol":"A","bid":1}'],
  ])('%s', (_, text) => {
    expect(failure(() => decode(text), 'NOT_JSON').message).toContain('quotes')
  })

  it('invalid UTF-8, which would be read as other text', () => {
    const bytes = Buffer.from('{"symbol":"A\xff","bid":1}', 'latin1')
    expect(failure(() => decode(bytes), 'NOT_JSON').message).toContain('UTF-8')
  })

  it('what fails the schema, naming field and reason', () => {
    const { message } = failure(() => decode('{"symbol":"A","bid":"1"}'), 'SCHEMA_MISMATCH')
    expect(message).toContain('quotes')
    expect(message).toContain('bid: Invalid input: expected number')
  })

  it('what fails a schema whose issues begin with the field, without naming it twice', () => {
    const issue = { message: 'bid must be a number', path: ['bid'] }
    const schema = { '~standard': { ...anySchema()['~standard'], validate: () => ({ issues: [issue] }) } }
    const named = topicDefinition(topic('named', { schema, key: () => '' }), 'test')
    expect(failure(() => decode('{}', named), 'SCHEMA_MISMATCH').message).toMatch(
      /fails its schema: bid must be a number$/,
    )
  })

  it('large input with a short message', () => {
    const large = 'x'.repeat(100_000)
    expect(failure(() => decode(`{"symbol":"A","bid":"${large}"}`), 'SCHEMA_MISMATCH').message.length).toBeLessThan(400)
    expect(failure(() => decode(`{"symbol": ${large}`), 'NOT_JSON').message.length).toBeLessThan(400)
    const manyIssues = topicDefinition(
      topic('wide', {
        schema: {
          '~standard': {
            ...anySchema()['~standard'],
            validate: () => ({
              issues: Array.from({ length: 500 }, () => ({
                message: 'm'.repeat(500),
                path: ['p'.repeat(500), { key: 1 }],
              })),
            }),
          },
        },
        key: () => '',
      }),
      'test',
    )
    const { message } = failure(() => decode('{}', manyIssues), 'SCHEMA_MISMATCH')
    expect(message.length).toBeLessThan(1200)
    expect(message).toContain('and 497 more')
  })

  it('whatever makes the schema throw', () => {
    const throwing = anySchema()
    const broken = topicDefinition(
      topic('broken', {
        schema: {
          '~standard': {
            ...throwing['~standard'],
            validate: () => {
              throw new TypeError('no such thing')
            },
          },
        },
        key: () => '',
      }),
      'test',
    )
    expect(failure(() => decode('{}', broken), 'SCHEMA_MISMATCH').message).toContain('no such thing')
  })

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['issues that are none', { issues: [undefined] }],
    ['issues without a message', { issues: [{ path: [null] }] }],
    ['issues that are no list', { issues: 'wrong' }],
  ])('what a schema answers with %s', (_, answer) => {
    const schema = { '~standard': { ...anySchema()['~standard'], validate: () => answer as never } }
    const broken = topicDefinition(topic('broken', { schema, key: () => '' }), 'test')
    expect(failure(() => decode('{}', broken), 'SCHEMA_MISMATCH').message).toContain('broken')
  })

  it.each<[string, StandardSchemaV1<object, object>]>([
    ['by a refinement', z.object({ id: z.string().refine(() => Promise.resolve(true)) })],
    ['by a transform', z.object({ id: z.string().transform((id) => Promise.resolve(id)) })],
    ['and compiled for nothing', z.compile(z.object({ id: z.string().refine(() => Promise.resolve(true)) }))],
    ["by Zod Mini's check", mini.object({ id: mini.string().check(mini.refine(() => Promise.resolve(true))) })],
    ['of another library', lateSchema(Promise.resolve({ value: {} }))],
    ['of another library, for nothing', lateSchema(Promise.reject(new Error('unheard')))],
  ])('every message when the schema is asynchronous %s: the definition is wrong, not the record', (_, schema) => {
    const late = topicDefinition(topic('late', { schema, key: () => '' }), 'test')
    expect(failure(() => decode('{"id":"7"}', late), 'INVALID_DEFINITION').message).toBe(
      'The schema of topic late is asynchronous. Messages are checked synchronously: use another schema.',
    )
  })

  const number = z.string().transform((id) => BigInt(id))
  const trimmed = z
    .string()
    .transform((id) => id.trim())
    .pipe(number)
  const asynchronously = 'Encountered Promise during synchronous parse. Use .parseAsync() instead.'
  it.each<[string, StandardSchemaV1<object, object>, string]>([
    ['a transform', z.object({ id: number }), 'Cannot convert seven to a BigInt'],
    ['a compiled transform', z.compile(z.object({ id: number })), 'Cannot convert seven to a BigInt'],
    ['several at once', z.object({ other: trimmed, id: trimmed }), 'Cannot convert six to a BigInt'],
    ['the first of a union', z.object({ id: z.union([trimmed, z.string()]) }), 'Cannot convert seven to a BigInt'],
    [
      "Zod Mini's transform",
      mini.object({
        id: mini.pipe(
          mini.string(),
          mini.transform((id: string) => BigInt(id)),
        ),
      }),
      'Cannot convert',
    ],
    ['what says that it is asynchronous', z.object({ id: z.string().refine(thrower(asynchronously)) }), asynchronously],
  ])('a message that a schema throws at, at once: %s', (_, schema, reason) => {
    const throwing = topicDefinition(topic('throwing', { schema, key: () => '' }), 'test')
    expect(decode('{"id":"7","other":"6"}', throwing)).toHaveProperty('id')
    expect(failure(() => decode('{"id":"seven","other":"six"}', throwing), 'SCHEMA_MISMATCH').message).toContain(
      `A record of topic throwing fails its schema: the schema threw: ${reason}`,
    )
  })
})

describe("decoding says what can't be seen", () => {
  const zero = '\0\0\0\0*{"symbol":"A","bid":1}'
  it.each<[string, string | Uint8Array, RegExp]>([
    ['a byte order mark', '\ufeff{"symbol":"A","bid":1}', /Unexpected token '<U\+FEFF>'.*byte order mark, U\+FEFF\)$/],
    ["a schema registry's header", zero, /'<U\+0000>'.*Confluent's wire format: magic byte 0, schema id 42; /],
    [
      "a schema registry's header in front of Avro",
      Buffer.from('000000002a02ff', 'hex'),
      /is not UTF-8 \(it looks like Confluent's wire format: magic byte 0, schema id 42; /,
    ],
    ['UTF-16', Buffer.from('\ufeff{"symbol":"A"}', 'utf16le'), /is not UTF-8 \(it looks like UTF-16\)/],
    ['gzip', Buffer.from('1f8b0800', 'hex'), /is not UTF-8 \(it looks like gzip\)/],
    ['a space that does not break', '\u00a0{}', /Unexpected token '<U\+00A0>'/],
    ['a line that ends', '{"symbol":\n}', /Unexpected token '}', "\{"symbol":\\n\}"/],
  ])('%s', (_, text, message) => {
    expect(failure(() => decode(text), 'NOT_JSON').message).toMatch(message)
  })

  it('what a schema says of names that have it', () => {
    const strict = topicDefinition(topic('strict', { schema: z.strictObject({}), key: () => '' }), 'test')
    expect(failure(() => decode('{"\ufeffa\u200b":1}', strict), 'SCHEMA_MISMATCH').message).toContain(
      '"<U+FEFF>a<U+200B>"',
    )
  })
})

describe('decoding refuses numbers that JavaScript alters', () => {
  it.each([
    ['of a shape that was seen before', '{"symbol":"A","bid":9007199254740993}', 'bid'],
    ['in what JSON.parse reads', '{"symbol":"Ä","bid":1,"more":[{"id":9007199254740993}]}', 'more[0].id'],
  ])('%s, naming field and digits', (_, text, path) => {
    for (let i = 0; i < 3; i++) decode(text.replace('9007199254740993', '1'))
    expect(failure(() => decode(text), 'NUMBER_NOT_EXACT').message).toBe(
      `A record of topic quotes has a number that JavaScript can't represent exactly: ${path} is 9007199254740993, and would be read as 9007199254740992.`,
    )
  })
})

describe('decoding gives', () => {
  it('the message that lies between start and end', () => {
    expect(decode('{"symbol":"A","bid":1.5}')).toEqual({ symbol: 'A', bid: 1.5 })
  })
  it('U+FFFD where it was written, and other text as it was', () => {
    expect(decode('{"symbol":"\ufffd ä 𝄞","bid":1}')).toEqual({ symbol: '\ufffd ä 𝄞', bid: 1 })
  })
  it('what the schema makes of the message', () => {
    const dated = topicDefinition(
      topic('dated', { schema: z.object({ on: z.string().transform((text) => new Date(text)) }), key: () => '' }),
      'test',
    )
    expect(decode('{"on":"2026-01-01T00:00:00Z"}', dated)).toEqual({ on: new Date(Date.UTC(2026, 0, 1)) })
  })
})

describe('encoding refuses', () => {
  const circular: Record<string, unknown> = {}
  circular['self'] = circular
  it.each([
    ['undefined', undefined],
    ['null', null],
    ['a string', 'text'],
    ['an array', [1]],
    ['a promise', Promise.resolve({})],
    ['a BigInt', { quantity: 1n }],
    ['a cycle', circular],
    ['NaN, which would become null', { deep: [{ price: NaN }] }],
    ['Infinity, which would become null', { price: -Infinity }],
    ['an object whose toJSON gives no object', { toJSON: () => undefined }],
    ['an object whose toJSON throws', { toJSON: (): unknown => JSON.parse('{') }],
  ])('%s', (_, message) => {
    expect(failure(() => anything.encode(message), 'OUTPUT_INVALID').message).toContain('anything')
  })

  it.each([
    [
      'a BigInt',
      { lines: [{ total: 1n }] },
      "lines[0].total is a BigInt, which JSON can't represent: write it as a string.",
    ],
    ['NaN', { deep: [{ price: NaN }] }, "deep[0].price is NaN, which JSON can't represent."],
    ['Infinity', { toJSON: () => ({ a: -Infinity }) }, "a is -Infinity, which JSON can't represent."],
    ['a Map', { prices: new Map([['a', 1]]) }, 'prices is a Map, which JSON would drop: write an object or an array.'],
    ['a Set', { a: { seen: new Set([1]) } }, 'a.seen is a Set, which JSON would drop: write an object or an array.'],
    [
      'a promise',
      { later: Promise.resolve(1) },
      'later is a Promise, which JSON would drop: write an object or an array.',
    ],
    [
      'an element that is undefined',
      { list: [1, undefined] },
      "list[1] is undefined, which a JSON array can't hold: write null.",
    ],
    [
      'an element that is a function',
      { list: [() => 1] },
      "list[0] is a function, which a JSON array can't hold: write null.",
    ],
  ])('%s, which would be lost, naming the field', (_, message, reason) => {
    expect(failure(() => anything.encode(message), 'OUTPUT_INVALID').message).toBe(
      `An output can't be written to topic anything: ${reason}`,
    )
  })

  it('a key that is no string', () => {
    const wrong = topicDefinition(topic('wrong', { schema: anySchema(), key: () => 5 as unknown as string }), 'test')
    expect(failure(() => wrong.key?.of({}), 'OUTPUT_INVALID').message).toContain('wrong')
  })
})

it('encodes what decodes to the same, nulls and texts that say null among it', () => {
  const message = { a: null, b: 'null {}', c: [1, null, { d: 'ä\ud800', f: {} }], e: -1.5e300, g: 2 ** 60 }
  expect(decode(anything.encode(message) as string, anything)).toEqual(message)
})
