/** src/core/plan/repartition.ts: messages on their way to another key. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { repartitionConfig, repartitionKey, repartitionTopic } from '../../../../src/core/plan/repartition.js'
import { MAX_KEY_BYTES } from '../../../../src/core/state/store-key.js'
import { isPotorooError } from '../../../../src/errors.js'

const topic = repartitionTopic('app-a-b-repartition', 3, 'xxh64')

const travel = (message: unknown): unknown => {
  const bytes = Buffer.from(topic.encode(message) as Uint8Array)
  // Within a buffer, as records are.
  const around = Buffer.concat([Buffer.from([1, 2]), bytes, Buffer.from([3])])
  return topic.decode(around, 2, 2 + bytes.length)
}
const refusal = (what: () => unknown): string => {
  try {
    what()
  } catch (error) {
    return isPotorooError(error) ? `${error.code} ${error.message}` : String(error)
  }
  return 'taken'
}

describe('a message through a repartition', () => {
  it.each<[string, unknown]>([
    ['a text', 'wörter'],
    ['nothing', undefined],
    ['null', null],
    ['a number that is not whole', -0.5],
    ['a truth', false],
    ['a list', [1, 'a', null, [true]]],
    ['plain fields', { id: 'a', n: 1, deep: { list: [1, 2] } }],
    ['a field that is undefined', { a: undefined }],
    ['a Map, a Set and a Date', { at: new Date(5), map: new Map([['k', new Set([1n])]]) }],
    ['bytes', new Uint8Array([0, 255])],
    ['a large number', 2n ** 70n],
  ])('arrives as it was: %s', (_, message) => {
    expect(travel(message)).toEqual(message)
  })

  it('arrives as it was, whatever plain values it has', () => {
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true }), (message) => {
        const how = refusal(() => topic.encode(message))
        // What can't be stored can't travel: it is refused, never changed.
        if (how === 'taken') expect(travel(message)).toEqual(message)
        else expect(how).toMatch(/^OUTPUT_INVALID A message for repartition app-a-b-repartition can't be written: /)
      }),
      { numRuns: 300 },
    )
  })

  it('is its own: the next one does not change what was written before', () => {
    const first = Buffer.from(topic.encode({ id: 'first' }) as Uint8Array)
    const [kept, other] = [topic.encode({ id: 'first' }) as Uint8Array, topic.encode({ id: 'other', more: 1 })]
    expect(Buffer.from(kept).equals(first)).toBe(true)
    expect(other).not.toEqual(kept)
  })

  it.each<[string, unknown, string]>([
    ['a function', { deep: { call: () => 1 } }, 'call'],
    ['a symbol', { mark: Symbol('s') }, 'mark'],
  ])('is refused naming its field: %s', (_, message, field) => {
    expect(refusal(() => topic.encode(message))).toMatch(
      new RegExp(`^OUTPUT_INVALID A message for repartition app-a-b-repartition can't be written: .*${field}`),
    )
  })

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['JSON', Buffer.from('{"m":1}')],
    ['a part of one', Buffer.from(topic.encode({ id: 'abc' }) as Uint8Array).subarray(0, 6)],
  ])('that is none is SCHEMA_MISMATCH: %s', (_, bytes) => {
    expect(refusal(() => topic.decode(bytes, 0, bytes.length))).toMatch(
      /^SCHEMA_MISMATCH This is not a message of repartition app-a-b-repartition: /,
    )
  })
})

describe('a key after keyBy()', () => {
  const keyOf = repartitionKey((message) => message as string)
  it.each([
    ['as long as a state object can have it', 'x'.repeat(MAX_KEY_BYTES)],
    ['of as many bytes in fewer characters', '€'.repeat(Math.floor(MAX_KEY_BYTES / 3))],
    ['of one character', 'k'],
  ])('is taken: %s', (_, key) => {
    expect(keyOf(key)).toBe(key)
  })
  it.each([
    ['one byte too long', 'x'.repeat(MAX_KEY_BYTES + 1)],
    ['too long in bytes, though not in characters', '€'.repeat(Math.floor(MAX_KEY_BYTES / 3) + 1)],
  ])('is refused, with its bytes: %s', (_, key) => {
    expect(refusal(() => keyOf(key))).toBe(
      `KEY_TOO_LONG the key from keyBy() has ${String(Buffer.byteLength(key))} bytes, more than ${String(MAX_KEY_BYTES)}`,
    )
  })
})

it('a repartition is a topic of the count and partitioner that it is given, and keeps what is unread, however old', () => {
  const { name, partitions, partitioner, key, start } = topic
  expect({ name, partitions, partitioner, key, start }).toEqual({
    name: 'app-a-b-repartition',
    partitions: 3,
    partitioner: 'xxh64',
    key: undefined,
    start: 'earliest',
  })
  expect(topic.config).toBe(repartitionConfig)
  expect(repartitionConfig).toMatchObject({
    'cleanup.policy': 'delete',
    'retention.ms': '-1',
    'retention.bytes': '-1',
  })
})
