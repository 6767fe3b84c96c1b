/** The invariant is that of packed-windows.ts; those of packing.ts and pack-plain.ts hold for windows, too. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { OpenWindow, StateDefinition } from '../../../../src/api/definition.js'
import { OpenWindows } from '../../../../src/api/open-windows.js'
import { windowsDefinition } from '../../../../src/api/windows.js'
import { bytesOf } from '../../../../src/core/records/byte-string.js'
import { learnWindows, readWindows } from '../../../../src/core/state/packed-windows.js'
import { pack, unpack } from '../../../../src/core/state/packing.js'
import { PlainShapes } from '../../../../src/core/state/plain-shapes.js'
import { isPotorooError } from '../../../../src/errors.js'
import { tumbling, windowed } from '../../../../src/index.js'

const definition = windowsDefinition(windowed('w', tumbling(60_000), () => ({ n: 0 }))) ?? expect.fail()
/** The same, by way of `windowsToPlain` and what msgpackr gives. */
const plainly = { ...definition, windows: undefined } satisfies StateDefinition
const { windows } = definition
if (windows === undefined) throw new Error('no windows')

const openOf = (list: OpenWindow[]): OpenWindows => Object.assign(new OpenWindows(), { list })
/** What it gives, or how it fails. */
function tried<T>(what: () => T): T | string {
  try {
    return what()
  } catch (error) {
    return isPotorooError(error) ? error.code : String(error)
  }
}

const ms = fc.oneof(
  fc.nat(70_000),
  fc.nat(4_000_000_000_000),
  fc.double({ noDefaultInfinity: true, noNaN: true, min: 0 }),
)
const field = fc.oneof(
  fc.integer(),
  fc.double(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom<unknown>(
    null,
    undefined,
    true,
    -0,
    NaN,
    'é',
    10n,
    new Date(5),
    new Set([1]),
    new Map([['a', { b: 1 }]]),
  ),
  fc.array(fc.nat(3), { maxLength: 3 }),
  fc.record({ deep: fc.nat(3) }),
)
const states = fc.oneof(
  // Mostly alike, so that they are read as those before them were.
  { weight: 4, arbitrary: fc.record({ n: fc.oneof(fc.integer(), fc.double()), text: fc.string({ maxLength: 40 }) }) },
  { weight: 2, arbitrary: fc.record({ n: field }) },
  { weight: 1, arbitrary: fc.dictionary(fc.string({ maxLength: 3 }), field, { maxKeys: 20 }) },
  { weight: 1, arbitrary: fc.constant(Object.assign(Object.create({}) as object, { n: 1 })) },
)
const open = fc
  .array(fc.record({ startMs: ms, lengthMs: fc.nat(100_000), messages: fc.nat(300), state: states }), { maxLength: 6 })
  .map((list) => list.map(({ lengthMs, ...window }) => ({ ...window, endMs: window.startMs + lengthMs })))

describe('windows of a key', () => {
  it('have the bytes that their plain form has, and are read as it is', () => {
    fc.assert(
      fc.property(fc.array(open, { minLength: 1, maxLength: 6 }), (several) => {
        for (const list of several) {
          const packed = tried(() => pack(definition, openOf(list)))
          expect(packed).toBe(tried(() => pack(plainly, openOf(list))))
          if (packed === 'STATE_NOT_PACKABLE') continue
          // The first time it may be msgpackr that reads, the second time it is not.
          for (let i = 0; i < 2; i++) expect(unpack(definition, packed, 'k')).toEqual(unpack(plainly, packed, 'k'))
        }
      }),
      { numRuns: 2_000 },
    )
  })

  it('are the same with states that several share, and with many open', () => {
    const shared = { n: 1 }
    const inner = { of: shared }
    for (const states of [
      [shared, shared],
      [{ a: inner }, { a: inner }],
      [inner, { of: inner }],
      Array.from({ length: 1_000 }, (_, n) => ({ n })),
    ]) {
      const list = states.map((state, i) => ({ startMs: i, endMs: i + 1, messages: 1, state }))
      const packed = pack(definition, openOf(list))
      expect(packed).toBe(pack(plainly, openOf(list)))
      for (let i = 0; i < 2; i++) expect(unpack(definition, packed, 'k')).toEqual(unpack(plainly, packed, 'k'))
    }
  })

  it('are packed as their own pack gives them, and read as their own unpack takes them', () => {
    class Count {
      constructor(readonly n: number) {}
    }
    const own =
      windowsDefinition(
        windowed('w', tumbling(60_000), () => new Count(0), {
          pack: ({ n }) => {
            if (n < 0) throw new Error('below zero')
            return { n }
          },
          unpack: (plain, key) => {
            const { n } = plain as Count
            if (n === 7) throw new Error(`seven, of ${key}`)
            return new Count(n)
          },
        }),
      ) ?? expect.fail()
    const of = (n: number) => openOf([{ startMs: 0, endMs: 60_000, messages: 1, state: new Count(n) }])
    for (const n of [1, 2, 3]) expect(unpack(own, pack(own, of(n)), 'k')).toEqual(of(n))
    expect(() => unpack(own, pack(own, of(7)), 'k')).toThrow('seven, of k')
    expect(() => pack(own, of(-1))).toThrow('its pack threw: below zero')
  })

  it('are left to msgpackr where they are cut off, or are something else', () => {
    const list = [300, 70_000].map((n) => ({ startMs: 60_000, endMs: 1.7e12, messages: n, state: { n, of: 'a' } }))
    const bytes = bytesOf(pack(definition, openOf(list)))
    const shapes = new PlainShapes()
    const read = (of: Buffer, end = of.length) => readWindows(windows, shapes, of, 0, end, 'k')
    expect(read(bytes)).toBeUndefined()
    learnWindows(shapes, bytes, 0, bytes.length)
    expect(read(bytes)).toEqual(openOf(list))
    for (let end = 0; end < bytes.length; end++) {
      expect(read(bytes, end), String(end)).toBeUndefined()
      learnWindows(shapes, bytes, 0, end)
    }
    expect(read(Buffer.concat([bytes, Buffer.of(0)]))).toBeUndefined()
    for (const [at, byte] of [
      [0, 0x82],
      [2, 0x76],
      [3, 0x97],
      [4, 0xca],
    ] as const) {
      const other = Buffer.from(bytes)
      other[at] = byte
      expect(read(other), String(at)).toBeUndefined()
    }
  })
})
