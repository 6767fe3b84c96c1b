/** Codecs beside JSON: what they read is what was written, and what is wrong is said of the record. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bytesCodec, messagePackCodec, stringCodec, topic, type Codec } from '../../../src/index.js'
import { topicDefinition, type Origin } from '../../../src/api/topic.js'
import type { TopicDefinition } from '../../../src/api/definition.js'
import { isPotorooError, PotorooError } from '../../../src/errors.js'
import { anySchema } from '../../support/schemas.js'

const definitionOf = (origin: Origin<unknown>): TopicDefinition => topicDefinition(origin, 'it')
const definitionFor = (codec: Codec<unknown, never>): TopicDefinition =>
  definitionOf(topic('things', { codec: codec as Codec<unknown> }))

/** As a record's value lies in a broker's answer, whose memory is used again as soon as it was decoded. */
function decoded({ decode }: Pick<TopicDefinition, 'decode'>, value: string | Uint8Array): unknown {
  const bytes = Buffer.from(value)
  const answer = Buffer.concat([Buffer.from('before'), bytes, Buffer.from('behind')])
  const message = decode(answer, 6, 6 + bytes.length)
  answer.fill(0xee)
  return message
}
const encoded = ({ encode }: Pick<TopicDefinition, 'encode'>, message: unknown) => Buffer.from(encode(message))

function failure(call: () => unknown): PotorooError {
  try {
    call()
  } catch (error) {
    if (isPotorooError(error)) return error
    throw error
  }
  throw new Error('it did not fail')
}

describe('what is read is what was written', () => {
  it('as text', () => {
    const texts = definitionFor(stringCodec)
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(decoded(texts, encoded(texts, text))).toBe(text)
      }),
    )
  })

  it('as bytes, in memory of their own', () => {
    const bytes = definitionFor(bytesCodec)
    fc.assert(
      fc.property(fc.uint8Array(), (value) => {
        expect(decoded(bytes, encoded(bytes, value))).toEqual(Buffer.from(value))
      }),
    )
  })

  it('as MessagePack, in memory of its own', () => {
    const packed = definitionFor(messagePackCodec())
    const message = fc.object({
      key: fc.string().filter((name) => name !== '__proto__'),
      values: [
        fc.string({ unit: 'grapheme' }),
        // MessagePack's integers have no -0
        fc.double().map((n) => (n === 0 ? 0 : n)),
        fc.integer(),
        fc.bigInt({ min: 2n ** 53n + 1n, max: 2n ** 63n - 1n }),
        fc.boolean(),
        fc.constant(null),
        fc.uint8Array().map((bytes) => Buffer.from(bytes)),
        fc.date({ noInvalidDate: true }),
      ],
    })
    fc.assert(
      fc.property(message, (value) => {
        expect(decoded(packed, encoded(packed, value))).toEqual(value)
      }),
    )
  })
})

function ring(): object {
  const one: { self?: object } = {}
  one.self = one
  return one
}

describe('what is wrong is said', () => {
  it.each<[string, Codec<unknown, never>, string, RegExp]>([
    ['no UTF-8', stringCodec, 'ff', /^A record of topic things is not text: it is not UTF-8$/],
    ['MessagePack that ends early', messagePackCodec(), '93', /^A record of topic things is not MessagePack: /],
    ['MessagePack with more after it', messagePackCodec(), '0101', /^A record of topic things is not MessagePack: /],
    ['no bytes as MessagePack', messagePackCodec(), '', /^A record of topic things is not MessagePack: /],
  ])('reading %s', (_, codec, hex, message) => {
    const error = failure(() => decoded(definitionFor(codec), Buffer.from(hex, 'hex')))
    expect([error.code, error.message]).toEqual(['NOT_DECODABLE', expect.stringMatching(message)])
  })

  it.each<[string, Codec<unknown, never>, unknown, RegExp]>([
    ['a number as text', stringCodec, 7, /it is 7, not a string/],
    ['half a pair as text', stringCodec, 'a\ud800', /lone surrogate/],
    ['a text as bytes', bytesCodec, 'a', /it is "a", not a Uint8Array/],
    [
      'a function as MessagePack',
      messagePackCodec(),
      { a: [{ b: () => 1 }] },
      /as MessagePack: a\[0\]\.b is a function/,
    ],
    ['a Set as MessagePack', messagePackCodec(), { a: new Set([1]) }, /as MessagePack: a is an object of Set/],
    ['a promise as MessagePack', messagePackCodec(), Promise.resolve(), /as MessagePack: it is an object of Promise/],
    ['a ring as MessagePack', messagePackCodec(), ring(), /as MessagePack: /],
    ['a BigInt that is too large', messagePackCodec(), { a: 2n ** 64n }, /as MessagePack: /],
  ])('writing %s', (_, codec, value, message) => {
    const error = failure(() => encoded(definitionFor(codec), value))
    expect([error.code, error.message]).toEqual(['OUTPUT_INVALID', expect.stringMatching(message)])
  })

  it('of a codec that throws, in its words, and shortly', () => {
    const throwing = (error: unknown): Codec<unknown> => ({
      name: 'mine',
      decode: () => {
        throw error
      },
      encode: () => {
        throw error
      },
    })
    const long = definitionFor(throwing(new Error('x'.repeat(10_000))))
    expect(failure(() => decoded(long, 'a')).message.length).toBeLessThan(500)
    expect(failure(() => encoded(long, 'a')).message.length).toBeLessThan(500)
    expect(failure(() => decoded(definitionFor(throwing({})), 'a')).code).toBe('NOT_DECODABLE')
    // not of a record: it must not stop the worker
    const outside = new PotorooError('BROKER_UNREACHABLE', 'no broker')
    expect(failure(() => decoded(definitionFor(throwing(outside)), 'a')).code).toBe('NOT_DECODABLE')
    const own = new PotorooError('SCHEMA_UNKNOWN', 'no such schema')
    expect(failure(() => decoded(definitionFor(throwing(own)), 'a'))).toBe(own)
  })

  it('of a codec that returns a promise', () => {
    const late = { name: 'late', decode: () => 1, encode: () => Promise.reject(new Error('late')) }
    expect(failure(() => encoded(definitionFor(late as never), 1)).message).toContain('neither bytes nor a string')
  })

  it.each<[unknown, string]>([
    ['json', 'The codec of topic things is "json": it must be an object with decode and encode.'],
    [{ decode: () => 1, encode: () => '' }, 'The codec of topic things has no name.'],
    [{ name: 'half', decode: () => 1 }, 'The codec of topic things has no method encode: it must be a Codec.'],
  ])('of what is no codec', (codec, message) => {
    const error = failure(() => topic('things', { codec: codec as Codec<unknown> }))
    expect([error.code, error.message]).toEqual(['INVALID_DEFINITION', message])
  })
})

describe('a schema beside a codec', () => {
  it('is asked about what was decoded', () => {
    const schema = anySchema<{ id: number }>()
    const definition = definitionOf(topic('things', { codec: messagePackCodec(), schema }))
    expect(decoded(definition, encoded(definition, { id: 7 }))).toEqual({ id: 7 })
    const refusing = {
      '~standard': { version: 1, vendor: 'test', validate: () => ({ issues: [{ message: 'no', path: ['id'] }] }) },
    } as const
    const refused = definitionOf(topic('things', { codec: messagePackCodec<object>(), schema: refusing }))
    expect(failure(() => decoded(refused, encoded(refused, { id: 7 }))).code).toBe('SCHEMA_MISMATCH')
  })
})
