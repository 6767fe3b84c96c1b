/** Whole numbers beyond 2^53 in JSON: read and written as the topic says, and nothing else altered by it. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { topic } from '../../../../src/index.js'
import type { TopicDefinition } from '../../../../src/api/definition.js'
import { topicDefinition } from '../../../../src/api/topic.js'
import { isPotorooError } from '../../../../src/errors.js'
import { anySchema } from '../../../support/schemas.js'

const readingAs = (bigIntegers: 'text' | 'bigint'): TopicDefinition =>
  topicDefinition(topic('things', { schema: anySchema<object>(), bigIntegers }), 'it')
const texts = readingAs('text')
const bigInts = readingAs('bigint')
const decoded = (definition: TopicDefinition, text: string): unknown => {
  const bytes = Buffer.from(text)
  return definition.decode(bytes, 0, bytes.length)
}

describe('numbers that JavaScript alters', () => {
  const line =
    '{"id":9007199254740993,"in":[{"x":-123456789012345678901234567890}],"n":1,"s":"9007199254740993","f":9007199254740993.5,"e":12345678901234567e3}'

  it('are texts of their digits', () => {
    expect(decoded(texts, line)).toEqual({
      id: '9007199254740993',
      in: [{ x: '-123456789012345678901234567890' }],
      n: 1,
      s: '9007199254740993',
      f: 9007199254740993.5,
      e: 12345678901234567e3,
    })
  })

  it('are BigInts, and are written with all of their digits', () => {
    const message = decoded(bigInts, line)
    expect(message).toMatchObject({ id: 9007199254740993n, in: [{ x: -123456789012345678901234567890n }], n: 1 })
    expect(bigInts.encode({ id: 9007199254740993n, n: 1, in: [-5n], s: '#7' })).toBe(
      '{"id":9007199254740993,"n":1,"in":[-5],"s":"#7"}',
    )
  })

  it('are found also where texts are read by their shape', () => {
    for (let id = 0; id < 5; id++) expect(decoded(bigInts, `{"id":${String(id)}}`)).toEqual({ id })
    expect(decoded(bigInts, '{"id":9007199254740993}')).toEqual({ id: 9007199254740993n })
    expect(decoded(texts, '{"id":9007199254740993}')).toEqual({ id: '9007199254740993' })
  })

  it('are told from texts that look like their marks, however those are written', () => {
    const text = String.raw`{"a":"\u0023\u00231","#2":"##","id":9007199254740993}`.replaceAll('\\\\', '\\')
    expect(decoded(bigInts, text)).toEqual({ a: '##1', '#2': '##', id: 9007199254740993n })
  })

  it('of more digits than anybody counts are refused', () => {
    try {
      decoded(bigInts, `{"id":${'7'.repeat(10_000_000)}}`)
    } catch (error) {
      expect(isPotorooError(error, 'NUMBER_NOT_EXACT')).toBe(true)
      return
    }
    throw new Error('it was read')
  })
})

/** Strings among them that look like the marks of numbers, and escapes. */
const message = (big: fc.Arbitrary<unknown>) => {
  const text = fc.oneof(
    fc.string(),
    fc.stringMatching(/^#{0,4}-?\d{0,20}$/),
    fc.constantFrom('"#1', '\\#1', '#"', '\n'),
  )
  return fc.dictionary(
    text.filter((name) => name !== '__proto__' && name !== 'toJSON'),
    fc.letrec((tie) => ({
      any: fc.oneof(
        { depthSize: 'small' },
        text,
        big,
        fc.integer(),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie('any')),
        fc.dictionary(
          text.filter((name) => name !== '__proto__' && name !== 'toJSON'),
          tie('any'),
        ),
      ),
    })).any,
  )
}
/** None is what a double can hold. */
const beyond = fc.bigInt({ min: 2n ** 53n, max: 2n ** 80n }).map((n) => (n | 1n) * (n % 3n === 0n ? -1n : 1n))

it('what was written with BigInts is read as it was', () => {
  fc.assert(
    fc.property(message(beyond), (value) => {
      expect(decoded(bigInts, bigInts.encode(value) as string)).toEqual(value)
    }),
    { numRuns: 500 },
  )
})

it('texts stay what they are beside numbers that become texts', () => {
  const textsOf = (value: unknown): unknown =>
    typeof value === 'bigint'
      ? String(value)
      : Array.isArray(value)
        ? value.map(textsOf)
        : typeof value === 'object' && value !== null
          ? Object.fromEntries(Object.entries(value).map(([name, one]) => [name, textsOf(one)]))
          : value
  fc.assert(
    fc.property(message(beyond), (value) => {
      expect(decoded(texts, bigInts.encode(value) as string)).toEqual(textsOf(value))
    }),
    { numRuns: 500 },
  )
})

it('NaN and the like are refused beside BigInts, too, with their field', () => {
  expect(() => bigInts.encode({ id: 1n, x: { y: Number.NaN } })).toThrow("x.y is NaN, which JSON can't represent")
  expect(() => texts.encode({ id: 1n })).toThrow("id is a BigInt, which JSON can't represent: write it as a string")
})
