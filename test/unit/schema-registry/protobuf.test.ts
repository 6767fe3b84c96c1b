/** Protobuf behind the id of its file and the place of its message: nothing is lost on the way, and nothing cut to size. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { schemaRegistry, type Longs } from '../../../src/schema-registry/index.js'
import { failureOf, OpenedCodec } from './support.js'

const schema = `
syntax = "proto3";
package shop;
import "google/protobuf/timestamp.proto";
enum Side { BUY = 0; SELL = 1; }
message Order {
  message Line { int64 n = 1; }
  string order_id = 1;
  uint64 big = 2;
  int32 count = 3;
  double price = 4;
  Side side = 5;
  bytes raw = 6;
  repeated Line lines = 7;
  map<string, sint64> totals = 8;
  optional string note = 9;
  oneof pay { string card = 10; bool cash = 11; }
  google.protobuf.Timestamp at = 12;
  map<int64, string> by_number = 13;
  fixed32 fixed = 14;
}
message Other { string text = 1; }
`
const all: Readonly<Record<string, unknown>> = {
  orderId: 'a',
  big: 7,
  count: -1,
  price: 1.5,
  side: 'SELL',
  raw: Buffer.of(1, 2),
  lines: [{ n: 3 }],
  totals: { a: -4 },
  note: 'hm',
  cash: true,
  at: { seconds: 5, nanos: 6 },
  byNumber: { '-7': 'b' },
  fixed: 2 ** 32 - 1,
}
const memory = () => schemaRegistry({ url: 'memory:' })
const longOf = (n: bigint, longs: Longs) => (longs === 'bigint' ? n : longs === 'text' ? String(n) : Number(n))

describe.each<Longs>(['number', 'bigint', 'text'])('with longs as %s', (longs) => {
  it('what was written is read', async () => {
    const codec = await OpenedCodec.open(memory().protobuf({ schema, longs }), 'read', 'write')
    const most = longs === 'number' ? 2n ** 53n - 1n : 2n ** 63n - 1n
    const signed = fc.bigInt({ min: -most, max: most }).map((n) => longOf(n, longs))
    const unsigned = fc
      .bigInt({ min: 0n, max: longs === 'number' ? most : 2n ** 64n - 1n })
      .map((n) => longOf(n, longs))
    const text = fc.string({ unit: 'grapheme' })
    const order = fc.record(
      {
        orderId: text,
        big: unsigned,
        count: fc.integer(),
        price: fc.double(),
        side: fc.constantFrom('BUY', 'SELL'),
        raw: fc.uint8Array().map((bytes) => Buffer.from(bytes)),
        lines: fc.array(signed.map((n) => ({ n }))),
        totals: fc.dictionary(fc.stringMatching(/^[a-z]*$/), signed, { noNullPrototype: true }),
        note: text,
        card: text,
        at: fc.record({ seconds: signed, nanos: fc.integer() }),
        byNumber: fc.dictionary(fc.bigInt({ min: -most, max: most }).map(String), text, { noNullPrototype: true }),
        fixed: fc.nat(),
      },
      { requiredKeys: ['orderId', 'big', 'count', 'price', 'side', 'raw', 'lines', 'totals', 'byNumber', 'fixed'] },
    )
    await fc.assert(
      fc.asyncProperty(order, async (one) => {
        expect(await codec.decode(codec.encode(one))).toEqual(one)
      }),
    )
  })
})

it('absent fields have their defaults, but for messages, optional ones and those of a oneof', async () => {
  const codec = await OpenedCodec.open(memory().protobuf({ schema }), 'write')
  const { orderId: _, ...defaults } = { orderId: '', big: 0, count: 0, price: 0, side: 'BUY', raw: Buffer.alloc(0) }
  expect(await codec.decode(codec.encode({}))).toEqual({
    orderId: '',
    ...defaults,
    lines: [],
    totals: {},
    byNumber: {},
    fixed: 0,
  })
  expect(await codec.decode(codec.encode(all))).toEqual(all)
})

it.each([
  ['shop.Order', '00', { ...all }],
  ['shop.Other', '0202', { text: 'a' }],
  ['shop.Order.Line', '040000', { n: 5 }],
])('message %s is found by its place in the file', async (message, indexes, value) => {
  const registry = memory()
  const writing = await OpenedCodec.open(registry.protobuf({ schema, message }), 'write')
  const bytes = writing.encode(value)
  expect(bytes.subarray(0, 5 + indexes.length / 2).toString('hex')).toBe(`0000000001${indexes}`)
  const reading = await OpenedCodec.open(registry.protobuf(), 'read')
  expect(await reading.decode(bytes)).toEqual(value)
})

it('files that import others are read with them, and only their own messages are counted', async () => {
  const registry = memory()
  const line = 'syntax = "proto3"; package shop; message Line { int64 n = 1; }'
  await OpenedCodec.open(registry.protobuf({ schema: line, subject: 'line' }), 'write')
  const cart = 'syntax = "proto3"; package shop; import "line.proto"; message Cart { repeated Line lines = 1; }'
  const references = [{ name: 'line.proto', subject: 'line', version: 1 }]
  const writing = await OpenedCodec.open(registry.protobuf({ schema: cart, references }), 'write')
  const bytes = writing.encode({ lines: [{ n: 1 }] })
  expect(bytes[5]).toBe(0)
  const reading = await OpenedCodec.open(registry.protobuf(), 'read')
  expect(await reading.decode(bytes)).toEqual({ lines: [{ n: 1 }] })
})

describe('what is wrong is said', () => {
  it.each([
    ['a field that the message does not have', { order_id: 'a' }, /order_id is not a field of message Order/],
    ['a text for a number', { count: '1' }, /count is "1", not a whole number of int32/],
    ['a number that is too large', { count: 2 ** 31 }, /count is 2147483648, not/],
    ['a negative unsigned one', { big: -1 }, /big is -1, not/],
    ['a long that a number does not hold', { big: 2 ** 53 }, /big is 9007199254740992, not/],
    ['a name that the enum does not have', { side: 'HOLD' }, /side is "HOLD", not one of BUY, SELL/],
    ['something deep inside', { lines: [{ n: 1 }, { n: 1.5 }] }, /lines\[1\]\.n is 1\.5, not/],
    ['a Map', { totals: new Map([['a', 1]]) }, /totals is an object of Map, not an object/],
    ['a key of another type', { byNumber: { a: 'b' } }, /byNumber is "a", not a key of int64/],
    ['two of a oneof', { card: 'a', cash: true }, /cash is set together with card/],
    ['no object', 7, /it is 7, not a message Order/],
  ])('writing %s', async (_, wrong, message) => {
    const codec = await OpenedCodec.open(memory().protobuf({ schema }), 'write')
    const error = await failureOf(() => codec.encode(wrong))
    expect([error.code, error.message]).toEqual(['OUTPUT_INVALID', expect.stringMatching(message)])
  })

  it.each([
    ['indexes of no message', '00000000010208', /message indexes refer to no message/],
    ['no indexes', '0000000001', /message indexes are malformed/],
    ['more indexes than bytes', '0000000001feff03', /message indexes/],
    ['half a message', '0000000001000a05', /index out of range/],
  ])('reading %s', async (_, hex, message) => {
    const codec = await OpenedCodec.open(memory().protobuf({ schema }), 'write')
    const error = await failureOf(() => codec.decode(Buffer.from(hex, 'hex')))
    expect([error.code, error.message]).toEqual(['NOT_DECODABLE', expect.stringMatching(message)])
  })

  it('reading an integer that a number does not hold', async () => {
    const registry = memory()
    const writing = await OpenedCodec.open(registry.protobuf({ schema, longs: 'text' }), 'write')
    const reading = await OpenedCodec.open(registry.protobuf(), 'read')
    const error = await failureOf(() => reading.decode(writing.encode({ big: '18446744073709551615' })))
    expect([error.code, error.message]).toEqual(['NUMBER_NOT_EXACT', expect.stringMatching(/18446744073709551615/)])
  })

  it('a message that the file does not have, before anything is written', async () => {
    const codec = memory().protobuf({ schema, message: 'Order' })
    const { code, message } = await failureOf(() => OpenedCodec.open(codec, 'write'))
    expect([code, message]).toEqual([
      'INVALID_DEFINITION',
      expect.stringMatching(/no message Order: it has shop.Order, shop.Order.Line, shop.Other/),
    ])
  })
})
