/** Avro behind the id of its schema: what is written is read, by other versions of the schema too. */
import avsc from 'avsc'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { schemaRegistry, type AvroOptions } from '../../../src/schema-registry/index.js'
import { failureOf, OpenedCodec } from './support.js'

const schema = {
  type: 'record',
  name: 'Order',
  namespace: 'shop',
  fields: [
    { name: 'id', type: 'string' },
    { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
    { name: 'count', type: 'int' },
    { name: 'price', type: 'double' },
    { name: 'note', type: ['null', 'string'], default: null },
    { name: 'side', type: { type: 'enum', name: 'Side', symbols: ['BUY', 'SELL'] } },
    { name: 'raw', type: 'bytes' },
    {
      name: 'lines',
      type: { type: 'array', items: { type: 'record', name: 'Line', fields: [{ name: 'n', type: 'long' }] } },
    },
    { name: 'tags', type: { type: 'map', values: 'string' } },
    { name: 'paid', type: 'boolean' },
  ],
}
const long = (n: bigint, longs: AvroOptions['longs']) =>
  longs === 'bigint' ? n : longs === 'text' ? String(n) : Number(n)
const orders = (longs: AvroOptions['longs']) => {
  const exact = fc.bigInt({ min: -(2n ** 53n) + 1n, max: 2n ** 53n - 1n })
  const any = longs === 'number' ? exact : fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
  const longOf = any.map((n) => long(n, longs))
  return fc.record({
    id: fc.string({ unit: 'grapheme' }),
    at: longOf,
    count: fc.integer(),
    price: fc.double(),
    note: fc.option(fc.string({ unit: 'grapheme' }), { nil: null }),
    side: fc.constantFrom('BUY', 'SELL'),
    raw: fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    lines: fc.array(longOf.map((n) => ({ n }))),
    tags: fc.dictionary(
      fc.string().filter((name) => name !== '__proto__'),
      fc.string(),
      { noNullPrototype: true },
    ),
    paid: fc.boolean(),
  })
}
const order = {
  id: 'a',
  at: 1,
  count: 1,
  price: 1.5,
  note: null,
  side: 'BUY',
  raw: Buffer.of(1),
  lines: [{ n: 3 }],
  tags: { a: 'b' },
  paid: true,
}

describe.each(['number', 'bigint', 'text'] as const)('with longs as %s', (longs) => {
  it('what was written is read', async () => {
    const codec = await OpenedCodec.open(schemaRegistry({ url: 'memory:' }).avro({ schema, longs }), 'read', 'write')
    await fc.assert(
      fc.asyncProperty(orders(longs), async (one) => {
        expect(await codec.decode(codec.encode(one))).toEqual(one)
      }),
    )
  })
})

it('what comes out is plain, so that it can be stored', async () => {
  const codec = await OpenedCodec.open(schemaRegistry({ url: 'memory:' }).avro({ schema }), 'write')
  const message = (await codec.decode(codec.encode(order))) as { readonly lines: readonly object[] }
  expect(Object.getPrototypeOf(message)).toBe(Object.prototype)
  expect(message.lines.map((line): unknown => Object.getPrototypeOf(line))).toEqual([Object.prototype])
})

it('what another writer wrote is read with its schema', async () => {
  const registry = schemaRegistry({ url: 'memory:' })
  const writing = await OpenedCodec.open(registry.avro({ schema }), 'write')
  const reading = await OpenedCodec.open(registry.avro(), 'read')
  const value = writing.encode(order)
  expect(value.subarray(0, 5)).toEqual(Buffer.of(0, 0, 0, 0, 1))
  expect(value.subarray(5)).toEqual(avsc.Type.forSchema(schema as avsc.Schema).toBuffer(order))
  expect(await reading.decode(value)).toEqual(order)
})

it('what was written with another version is read as the declared one has it', async () => {
  const registry = schemaRegistry({ url: 'memory:' })
  const field = (name: string, more: object) => ({ type: 'record', name: 'Thing', fields: [{ name, ...more }] })
  const before = await OpenedCodec.open(registry.avro({ schema: field('n', { type: 'int' }) }), 'write')
  const after = {
    type: 'record',
    name: 'Thing',
    fields: [
      { name: 'n', type: 'long' },
      { name: 'unit', type: 'string', default: 'kg' },
    ],
  }
  const reading = await OpenedCodec.open(registry.avro({ schema: after, longs: 'bigint' }), 'read')
  expect(await reading.decode(before.encode({ n: 7 }))).toEqual({ n: 7n, unit: 'kg' })
  const other = await OpenedCodec.open(registry.avro({ schema: field('other', { type: 'int' }) }), 'read')
  const { code, message } = await failureOf(() => other.decode(before.encode({ n: 7 })))
  expect([code, message]).toEqual(['NOT_DECODABLE', expect.stringMatching(/schema 1 can't be used: /)])
})

it('schemas that refer to others are read with them', async () => {
  const registry = schemaRegistry({ url: 'memory:' })
  const line = { type: 'record', name: 'Line', namespace: 'shop', fields: [{ name: 'n', type: 'long' }] }
  await OpenedCodec.open(registry.avro({ schema: line, subject: 'line' }), 'write')
  const cart = {
    type: 'record',
    name: 'Cart',
    fields: [{ name: 'lines', type: { type: 'array', items: 'shop.Line' } }],
  }
  const references = [{ name: 'shop.Line', subject: 'line', version: 1 }]
  const writing = await OpenedCodec.open(registry.avro({ schema: cart, references }), 'write')
  const reading = await OpenedCodec.open(registry.avro(), 'read')
  expect(await reading.decode(writing.encode({ lines: [{ n: 1 }, { n: 2 }] }))).toEqual({ lines: [{ n: 1 }, { n: 2 }] })
})

describe('what is wrong is said', () => {
  it.each([
    ['a field of another type', { ...order, count: 'one' }, /count is "one", which does not match its schema/],
    ['a field that is missing', { ...order, id: undefined }, /id is undefined/],
    ['a field that the schema does not have', { ...order, more: 1 }, /more is not a field of shop\.Order/],
    ['a number that an int does not hold', { ...order, count: 2 ** 31 }, /count is 2147483648/],
    ['a long that a number does not hold', { ...order, at: 2 ** 53 }, /at is 9007199254740992/],
    ['a symbol that the enum does not have', { ...order, side: 'HOLD' }, /side is "HOLD"/],
  ])('writing %s', async (_, wrong, message) => {
    const codec = await OpenedCodec.open(schemaRegistry({ url: 'memory:' }).avro({ schema }), 'write')
    const error = await failureOf(() => codec.encode(wrong))
    expect([error.code, error.message]).toEqual(['OUTPUT_INVALID', expect.stringMatching(message)])
  })

  it('reading a long that a number does not hold, which says how it can be read', async () => {
    const registry = schemaRegistry({ url: 'memory:' })
    const writing = await OpenedCodec.open(registry.avro({ schema, longs: 'bigint' }), 'write')
    const value = writing.encode({ ...order, at: 2n ** 53n + 1n, lines: [] })
    const reading = await OpenedCodec.open(registry.avro(), 'read')
    const { code, message } = await failureOf(() => reading.decode(value))
    expect([code, message]).toEqual(['NUMBER_NOT_EXACT', expect.stringMatching(/9007199254740993.*longs to 'bigint'/)])
  })

  it.each([
    ['JSON', Buffer.from('{"id":"a"}'), /not in Confluent's wire format.*looks like JSON/],
    ['a value that is too short', Buffer.of(0, 0, 0, 1), /not in Confluent's wire format/],
    ['an empty value', Buffer.alloc(0), /the value is empty/],
    ['an id that is none', Buffer.from('00ffffffff00', 'hex'), /not in Confluent's wire format/],
    ['half a record', Buffer.from('000000000102', 'hex'), /truncated/],
  ])('reading %s', async (_, value, message) => {
    const codec = await OpenedCodec.open(schemaRegistry({ url: 'memory:' }).avro({ schema }), 'write')
    const error = await failureOf(() => codec.decode(value))
    expect([error.code, error.message]).toEqual(['NOT_DECODABLE', expect.stringMatching(message)])
  })

  it('reading what a schema of another type wrote', async () => {
    const registry = schemaRegistry({ url: 'memory:' })
    const writing = await OpenedCodec.open(registry.json({ schema: {} }), 'write')
    const reading = await OpenedCodec.open(registry.avro(), 'read')
    const error = await failureOf(() => reading.decode(writing.encode({ id: 'a' })))
    expect([error.code, error.message]).toEqual([
      'NOT_DECODABLE',
      expect.stringMatching(/is of type JSON, and the codec reads Avro/),
    ])
  })

  it('a schema that is none, before anything is written', async () => {
    const codec = schemaRegistry({ url: 'memory:' }).avro({ schema: { type: 'recrod' } })
    const { code, message } = await failureOf(() => OpenedCodec.open(codec, 'write'))
    expect([code, message]).toEqual([
      'INVALID_DEFINITION',
      expect.stringMatching(/things-value.*unknown type: "recrod"/),
    ])
  })
})
