/** src/core/plan/repartition.ts, invariant 1: the bytes are the packer's, whichever way they are written and read. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stateDefinition, stateObject } from '../../../../src/api/state-object.js'
import { repartitionTopic } from '../../../../src/core/plan/repartition.js'
import { byteString, bytesOf } from '../../../../src/core/records/byte-string.js'
import { pack, unpack } from '../../../../src/core/state/packing.js'

const topic = repartitionTopic('app-lines-total-repartition', 8, 'murmur2')
const envelope = stateDefinition(
  stateObject<{ m?: unknown }>('envelope', () => ({})),
  'the envelope',
)

/** As messages were written at first, and as old code reads them. */
const plainly = (message: unknown): Buffer => bytesOf(pack(envelope, { m: message }))
const encoded = (message: unknown): Buffer => Buffer.from(topic.encode(message))
const decoded = (bytes: Buffer): unknown => topic.decode(bytes, 0, bytes.length)

const texts = fc.oneof(fc.string({ maxLength: 40 }), fc.string({ unit: 'binary', maxLength: 40 }))
const scalars = fc.oneof(texts, fc.double(), fc.integer(), fc.boolean(), fc.constant(null), fc.constant(undefined))
const flat = fc.dictionary(texts, scalars, { maxKeys: 20, noNullPrototype: true })
const messages = fc.oneof(
  texts,
  scalars,
  flat,
  fc.array(scalars, { maxLength: 5 }),
  fc.dictionary(fc.string(), fc.oneof(flat, fc.array(flat, { maxLength: 3 })), { maxKeys: 4, noNullPrototype: true }),
  fc.uniqueArray(fc.tuple(texts, scalars), { selector: ([key]) => key }).map((entries) => new Map(entries)),
  fc.date({ noInvalidDate: true }),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
)

const outcome = <T>(run: () => T): T | 'refused' => {
  try {
    return run()
  } catch {
    return 'refused'
  }
}

describe('invariant 1', () => {
  it('writes the bytes of the packer, or refuses what it refuses', () => {
    fc.assert(
      fc.property(messages, (message) => {
        expect(outcome(() => encoded(message))).toEqual(outcome(() => plainly(message)))
      }),
      { numRuns: 2000 },
    )
  })

  it.each(['', 'a', 'x'.repeat(31), 'x'.repeat(32), 'é', `${'x'.repeat(30)}é`, '\ufeffword', '\u007f', '\u0080'])(
    'of the text %j',
    (text) => {
      expect(outcome(() => encoded(text))).toEqual(outcome(() => plainly(text)))
    },
  )

  it('reads what was written, and what the packer reads', () => {
    fc.assert(
      fc.property(messages, (message) => {
        const bytes = outcome(() => encoded(message))
        if (bytes === 'refused') return
        expect(decoded(bytes)).toStrictEqual(message)
        const { m } = unpack(envelope, byteString(bytes), '') as { readonly m?: unknown }
        expect(decoded(bytes)).toStrictEqual(m)
      }),
      { numRuns: 2000 },
    )
  })
})

it('keeps what it gave when the next message is written', () => {
  const first = topic.encode({ a: 'one' })
  const text = topic.encode('one')
  topic.encode({ a: 'two' })
  topic.encode('two')
  expect([decoded(Buffer.from(first)), decoded(Buffer.from(text))]).toEqual([{ a: 'one' }, 'one'])
})

it('reads a message that lies among other bytes', () => {
  for (const message of ['word', { a: 1, b: 'x' }, [1]]) {
    const bytes = encoded(message)
    const among = Buffer.concat([Buffer.from('before'), bytes, Buffer.from('behind')])
    expect(topic.decode(among, 6, 6 + bytes.length)).toEqual(message)
  }
})

it('refuses bytes that are no message of a repartition, cut or with more after them', () => {
  for (const message of ['word', { a: 1, b: 'text' }, { a: { b: 1 } }]) {
    const bytes = encoded(message)
    const among = Buffer.concat([Buffer.from('before'), bytes])
    for (let end = 6; end < among.length; end++)
      expect(() => topic.decode(among, 6, end)).toThrow(expect.objectContaining({ code: 'SCHEMA_MISMATCH' }))
    const longer = Buffer.concat([bytes, Buffer.from([1])])
    expect(() => decoded(longer)).toThrow(expect.objectContaining({ code: 'SCHEMA_MISMATCH' }))
  }
})
