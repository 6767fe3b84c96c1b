import { Unpackr } from 'msgpackr'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { stateDefinition } from '../../../../src/api/state-object.js'
import { bytesOf } from '../../../../src/core/records/byte-string.js'
import { pack } from '../../../../src/core/state/packing.js'
import { PlainShapes } from '../../../../src/core/state/plain-shapes.js'
import { stateObject } from '../../../../src/index.js'

const definition = stateDefinition(
  stateObject<object>('position', () => ({})),
  'test',
)
const packed = (state: object): Buffer => bytesOf(pack(definition, state))
const msgpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'bigint' })

const value = fc.oneof(
  fc.integer(),
  fc.double(),
  fc.constantFrom(-0, NaN, 127, 128, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, -32, -33, -(2 ** 31)),
  fc.boolean(),
  fc.constantFrom(null, undefined),
  fc.string(),
  fc.string({ unit: 'binary' }).filter((text) => text.isWellFormed() && !text.startsWith('\ufeff')),
  fc.string({ minLength: 30, maxLength: 300 }),
)
const names = fc.uniqueArray(
  fc.string({ minLength: 0, maxLength: 40 }).filter((name) => name !== '__proto__'),
  { minLength: 1, maxLength: 18 },
)
/** Two states with the same fields. */
const pairs = names.chain((fields) => {
  const state = fc
    .array(value, { minLength: fields.length, maxLength: fields.length })
    .map((values) => Object.fromEntries(fields.map((field, i) => [field, values[i]])))
  return fc.tuple(state, state)
})

it('reads what msgpackr reads, once it has seen one like it (invariants 1 and 2)', () => {
  let read = 0
  fc.assert(
    fc.property(pairs, fc.nat(40), ([first, second], offset) => {
      const shapes = new PlainShapes()
      const [a, b] = [packed(first), packed(second)]
      expect(shapes.read(a, 0, a.length)).toBeUndefined()
      shapes.learn(a, 0, a.length)
      const within = Buffer.concat([Buffer.alloc(offset, 0xff), b, Buffer.alloc(20, 0xff)])
      const object = shapes.read(within, offset, offset + b.length)
      if (object === undefined) return
      read++
      expect(object).toStrictEqual(msgpackr.unpack(b))
      expect(Object.keys(object)).toEqual(Object.keys(second))
    }),
    { numRuns: 2000 },
  )
  expect(read).toBeGreaterThan(300)
})

it('leaves bytes that nobody has packed to msgpackr, or reads them as it does', () => {
  const state = { bid: 1.5, offer: 300, name: 'potoroo', reject: true, note: null, at: 7 }
  const bytes = packed(state)
  const shapes = new PlainShapes()
  shapes.learn(bytes, 0, bytes.length)
  expect(shapes.read(bytes, 0, bytes.length)).toStrictEqual(state)
  for (let end = 0; end < bytes.length; end++) expect(shapes.read(bytes, 0, end)).toBeUndefined()
  const longer = Buffer.concat([bytes, Buffer.from([1])])
  expect(shapes.read(longer, 0, longer.length)).toBeUndefined()
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, byte) => {
      const altered = Buffer.from(bytes)
      altered[at] = byte
      const object = shapes.read(altered, 0, altered.length)
      if (object !== undefined) expect(object).toStrictEqual(msgpackr.unpack(altered))
    }),
    { numRuns: 2000 },
  )
})

it('learns from flat objects alone', () => {
  for (const state of [
    {},
    { a: [] },
    { a: {} },
    { a: 1n },
    { a: 'ä' },
    Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`f${String(i)}`, i])),
  ]) {
    const shapes = new PlainShapes()
    const bytes = packed(state)
    shapes.learn(bytes, 0, bytes.length)
    expect(shapes.read(bytes, 0, bytes.length)).toBeUndefined()
  }
})

it('a shape that is seldom used makes room for those that come now, and one that is used stays', () => {
  const shapes = new PlainShapes()
  const follow = (state: object): object | undefined => {
    const bytes = packed(state)
    const json = shapes.read(bytes, 0, bytes.length)
    if (json === undefined) shapes.learn(bytes, 0, bytes.length)
    return json
  }
  for (const name of ['a', 'b', 'c', 'd']) follow({ [name]: 1 })
  for (let i = 0; i < 1100; i++) for (const name of ['a', 'b', 'c', 'e']) follow({ [name]: i })
  for (const name of ['a', 'b', 'c', 'e']) expect(follow({ [name]: 2 })).toEqual({ [name]: 2 })
  expect(follow({ d: 2 })).toBeUndefined()
})
