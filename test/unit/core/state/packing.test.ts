/** Invariants are those of packing.ts. */
import fc from 'fast-check'
import { addExtension, Unpackr } from 'msgpackr'
import { describe, expect, it } from 'vitest'
import type { StateDefinition } from '../../../../src/api/definition.js'
import { stateDefinition, stateObject } from '../../../../src/api/state-object.js'
import { byteString, bytesOf } from '../../../../src/core/records/byte-string.js'
import { pack, unpack } from '../../../../src/core/state/packing.js'
import { isPotorooError, type ErrorCode } from '../../../../src/errors.js'

const definition: StateDefinition = stateDefinition(
  stateObject<object>('position', () => ({})),
  'test',
)
const packed = (state: object): Buffer => bytesOf(pack(definition, state))
const again = (state: object): object => unpack(definition, pack(definition, state), 'k')
const isRich = (state: object): boolean => packed(state)[0] === 0xc1
const refuses = (act: () => unknown, code: ErrorCode, message: RegExp): void => {
  expect(act).toThrow(expect.toSatisfy((error: unknown) => isPotorooError(error, code) && message.test(error.message)))
}

describe('refuses, with the path (invariant 1)', () => {
  class Foreign {
    n = 1
  }
  const holed = [1, 2, 3]
  delete holed[1] // eslint-disable-line @typescript-eslint/no-array-delete
  const mapWithField = Object.assign(new Map(), { n: 1 })
  let deep: object = {}
  for (let level = 0; level < 300; level++) deep = { deep }

  it.each<[string, object, RegExp]>([
    ['a function', { a: { f: () => 1 } }, /position.* a\.f is a function/],
    ['a symbol', { s: Symbol('x') }, / s is a symbol/],
    ['a field named by a symbol', { [Symbol('x')]: 1 }, /it has a field named by Symbol\(x\)/],
    ['such a field further in', { a: [{ [Symbol('x')]: 1 }] }, / a\[0\] has a field named by Symbol\(x\)/],
    ['an instance of a class', { a: { foreign: new Foreign() } }, / a\.foreign is an instance of Foreign/],
    ['a WeakMap', { weak: new WeakMap() }, / weak is an instance of WeakMap/],
    ['a RegExp', { r: /x/ }, / r is an instance of RegExp/],
    ['an Error', { e: new RangeError('x') }, / e is an instance of RangeError/],
    ['a promise', { p: Promise.resolve() }, / p is an instance of Promise/],
    ['a boxed number', { n: Object(1) as unknown }, / n is an instance of Number/],
    ['a subclass of Map', { m: new (class Table extends Map {})() }, / m is an instance of Table/],
    ['a subclass of Array', { a: new (class List extends Array {})() }, / a is an instance of List/],
    ['a Map with a field', { m: mapWithField }, / m is a Map with a field of its own, n/],
    ['an object without prototype', { o: Object.create(null) as object }, / o is an object without a prototype/],
    ['a field named __proto__', JSON.parse('{"a":{"__proto__":{"x":1}}}') as object, / a\.__proto__ is a name/],
    ['an array with holes', { holed }, / holed is an array with holes/],
    ['an array with fields', { match: /b/.exec('abc') }, / match is an array with holes or extra fields/],
    ['a lone surrogate', { text: 'x\ud800' }, / text is a string with a lone surrogate/],
    ['a name with a lone surrogate', { 'x\ud800': 1 }, /name that UTF-8 can't encode/],
    ['a byte order mark', { text: '\ufefftext' }, / text is a string that begins with a byte order mark/],
    ['what is too deep', deep, /deeper than 200 levels/],
    ['-0 beside a Map', { m: new Map(), n: -0 }, / n is -0/],
    ['what a Map holds', { m: new Map([['k', { f: () => 1 }]]) }, / m\.get\("k"\)\.f is a function/],
    ['the key of a Map', { m: new Map([[{ f: () => 1 }, 1]]) }, / m\.<key>\.f is a function/],
    ['what a Set holds', { s: new Set([Symbol('x')]) }, / s\.<element> is a symbol/],
  ])('%s', (_, state, message) => {
    refuses(() => packed(state), 'STATE_NOT_PACKABLE', message)
  })

  it('what the pack of a class gives, if it is no object literal, and what it throws', () => {
    const packing = (plain: () => unknown) =>
      stateDefinition(
        stateObject('odd', () => ({}), { pack: plain, unpack: () => ({}) }),
        'test',
      )
    refuses(
      () =>
        pack(
          packing(() => new Map()),
          {},
        ),
      'STATE_NOT_PACKABLE',
      /odd.*object literal/,
    )
    refuses(() => pack(packing(() => 1), {}), 'STATE_NOT_PACKABLE', /odd.*object literal/) // prettier-ignore
    const throws = packing(() => {
      throw new TypeError('not today')
    })
    refuses(() => pack(throws, {}), 'STATE_NOT_PACKABLE', /odd.*not today/)
  })

  it.each([
    ['no bytes', Buffer.alloc(0)],
    ['bytes cut off', packed({ text: 'abc' }).subarray(0, 7)],
    ['rich bytes cut off', packed({ m: new Map([[1, 2]]) }).subarray(0, 9)],
    ['a number', Buffer.from([1])],
    ['bytes left over', Buffer.concat([packed({ n: 1 }), Buffer.from([1])])],
  ])('%s to unpack', (_, bytes) => {
    refuses(() => unpack(definition, byteString(bytes), 'k'), 'STORE_DAMAGED', /position/)
  })

  it('works on after it refused', () => {
    const shared = { n: 1 }
    refuses(() => packed({ shared, f: () => 1 }), 'STATE_NOT_PACKABLE', /f is a function/)
    expect(isRich({ shared })).toBe(false)
    expect(again({ shared })).toEqual({ shared })
  })
})

describe('comes back as it was (invariant 1)', () => {
  it.each<[string, object]>([
    ['nothing', {}],
    ['numbers', { a: 0, b: -0, c: NaN, d: Infinity, e: -Infinity, f: 1e-320, g: 2 ** 53, h: -(2 ** 53), i: 0.1 }],
    ['integers at their limits', { n: [31, 32, 127, 128, 255, 256, 65535, 65536, 2 ** 31, 2 ** 32 - 1, 2 ** 32] }],
    ['negative ones', { n: [-1, -32, -33, -128, -129, -32768, -32769, -(2 ** 31), -(2 ** 31) - 1] }],
    ['undefined and null', { a: undefined, b: null, c: [undefined, null] }],
    ['strings', { empty: '', ä: 'ß𝄞', inner: 'a\ufeffb', zero: '\0' }],
    ['strings of all lengths', { s: [31, 32, 40, 41, 64, 65, 255, 256, 65535, 65536].map((n) => 'x'.repeat(n)) }],
    ['others of all lengths', { s: [10, 11, 21, 22, 80, 100, 21845, 21846].map((n) => 'ह'.repeat(n)) }],
    ['names that objects have', { constructor: 1, toJSON: 2, hasOwnProperty: 3, then: 4, length: 5, __keys__: 6 }],
    ['such names beside a Map', { m: new Map(), constructor: 1, toJSON: 2, hasOwnProperty: 3, then: 4, __keys__: 6 }],
    ['many fields', Object.fromEntries(Array.from({ length: 70_000 }, (_, n) => [`f${String(n)}`, n]))],
    ['long arrays', { a: Array.from({ length: 70_000 }, (_, n) => n) }],
    ['dates', { d: [new Date(0), new Date(-1), new Date(1_700_000_000_123), new Date(8.64e15), new Date(-8.64e15)] }],
    ['an invalid date', { d: new Date(NaN) }],
    ['BigInts', { n: [0n, 1n, -1n, 2n ** 63n, -(2n ** 63n), 2n ** 64n, 2n ** 200n, -(2n ** 200n), 2n ** 70_000n] }],
    ['a Map, which is no object', { m: new Map<unknown, unknown>([['a', 1], [1, { b: 2 }], [{ c: 3 }, new Map()]]), o: { a: 1 } }], // prettier-ignore
    ['a Set', { s: new Set<unknown>(['a', 1, { b: 2 }, new Set()]) }],
    ['typed arrays', { a: new Float64Array([1, NaN, -0]), b: new Uint8Array([1, 2]), c: new BigInt64Array([-1n]) }],
    [
      'more typed arrays',
      { a: new Int8Array(3), b: new Uint8ClampedArray(2), c: new Int16Array(1), d: new Uint32Array(5) },
    ],
    ['a part of a typed array', { a: new Uint16Array([1, 2, 3]).subarray(1), n: new Map() }],
    ['bytes', { b: Buffer.from('bytes'), empty: Buffer.alloc(0) }],
    ['many shapes beside a Map', { m: new Map(), shapes: Array.from({ length: 300 }, (_, n) => ({ [`f${String(n)}`]: n })) }], // prettier-ignore
    ['a wide object beside a Map', { m: new Map(), ...Object.fromEntries(Array.from({ length: 3000 }, (_, n) => [`f${String(n)}`, n])) }], // prettier-ignore
  ])('%s', (_, state) => {
    expect(again(state)).toStrictEqual(state)
  })

  it('an object in two places, as one object', () => {
    const order = { id: 1 }
    const back = again({ last: order, best: order, list: [order] }) as { last: object; best: object; list: object[] }
    expect(back).toEqual({ last: order, best: order, list: [order] })
    expect(back.best).toBe(back.last)
    expect(back.list[0]).toBe(back.last)
  })

  it('a cycle', () => {
    interface Node {
      name: string
      next: Node | undefined
    }
    const one: Node = { name: 'one', next: undefined }
    const two: Node = { name: 'two', next: one }
    one.next = two
    const back = again(one) as Node
    expect(back.next?.name).toBe('two')
    expect(back.next?.next).toBe(back)
  })

  it('an instance of a class, also with a Map inside, and with a pack of its own', () => {
    class Book {
      best = 1
      readonly orders = new Map<string, { n: number }>()
      total(): number {
        return [...this.orders.values()].reduce((sum, { n }) => sum + n, this.best)
      }
    }
    const book = stateDefinition(stateObject('book', Book), 'test')
    const state = new Book()
    state.orders.set('a', { n: 5 })
    const back = unpack(book, pack(book, state), 'k') as Book
    expect(back).toStrictEqual(state)
    expect(back.total()).toBe(6)

    class Hidden {
      #n: number
      constructor(
        readonly key: string,
        n = 0,
      ) {
        this.#n = n
      }
      get n(): number {
        return this.#n
      }
      pack(): unknown {
        return { n: this.#n }
      }
      static unpack(plain: unknown, key: string): Hidden {
        return new Hidden(key, (plain as { n: number }).n)
      }
    }
    const hidden = stateDefinition(stateObject('hidden', Hidden), 'test')
    const other = unpack(hidden, pack(hidden, new Hidden('k', 7)), 'k') as Hidden
    expect([other.key, other.n]).toEqual(['k', 7])
  })

  it('a class for which the user taught msgpackr something else', () => {
    class Taught {
      readonly m = new Map([['a', 1]])
    }
    addExtension({ Class: Taught, type: 11, pack: () => Buffer.from('x'), unpack: () => new Taught() })
    const taught = stateDefinition(stateObject('taught', Taught), 'test')
    const state = new Taught()
    state.m.set('b', 2)
    expect(unpack(taught, pack(taught, state), 'k')).toStrictEqual(state)
  })

  // Objects with no prototype, lone surrogates and the like are refused: they have their own tests above.
  const text = fc.string({ unit: 'grapheme', maxLength: 80 }).filter((s) => !s.startsWith('\ufeff'))
  const name = text.filter((s) => s !== '__proto__')
  const leaf = fc.oneof(fc.integer(), fc.double(), text, fc.boolean(), fc.constantFrom(null, undefined))
  const { plain } = fc.letrec<{ plain: unknown; inner: unknown }>((tie) => ({
    inner: fc.oneof({ weight: 3, arbitrary: leaf }, tie('plain'), fc.array(tie('inner'), { maxLength: 5 })),
    plain: fc.dictionary(name, tie('inner'), { maxKeys: 8, noNullPrototype: true }),
  }))
  it('any tree of plain values, and any MessagePack reader reads it', () => {
    const reader = new Unpackr({ useRecords: false })
    fc.assert(
      fc.property(plain as fc.Arbitrary<object>, (state) => {
        expect(isRich(state)).toBe(false)
        expect(again(state)).toStrictEqual(state)
        expect(reader.unpack(packed(state))).toStrictEqual(state)
      }),
    )
  })

  const noMinusZero = (value: number): boolean => !Object.is(value, -0)
  const richLeaf = fc.oneof(
    fc.integer(),
    fc.double().filter(noMinusZero),
    text,
    fc.bigInt(),
    fc.date(),
    fc.uint8Array(),
  )
  const { rich } = fc.letrec<{ rich: unknown; inner: unknown }>((tie) => ({
    inner: fc.oneof(
      { weight: 4, arbitrary: richLeaf },
      tie('rich'),
      fc.array(tie('inner'), { maxLength: 4 }),
      fc.array(tie('inner'), { maxLength: 4 }).map((values) => new Set(values)),
      fc.array(fc.tuple(tie('inner'), tie('inner')), { maxLength: 4 }).map((entries) => new Map(entries)),
    ),
    rich: fc.dictionary(name, tie('inner'), { maxKeys: 8, noNullPrototype: true }),
  }))
  it('any tree of rich values', () => {
    fc.assert(
      fc.property(rich as fc.Arbitrary<object>, (state) => {
        expect(again({ state, m: new Map() })).toStrictEqual({ state, m: new Map() })
        expect(packed(again(state)).equals(packed(state))).toBe(true)
      }),
    )
  })
})

describe('bytes', () => {
  const rich = (n: number): object => ({ m: new Map([['a', { n }]]), list: [{ n, x: 1 }, { n }] })

  it('are the same for the same state, whatever was packed before (invariant 2)', () => {
    const plainFirst = packed({ bid: 1.5, offer: 2, reject: true })
    const richFirst = packed(rich(1))
    // msgpackr rebuilds what it knows of shapes after 10,000 of them
    for (let n = 0; n < 12_000; n++) packed({ m: new Map(), shape: { [`f${String(n)}`]: n } })
    refuses(() => packed({ m: new Map(), f: () => 1 }), 'STATE_NOT_PACKABLE', /function/)
    expect(packed({ bid: 1.5, offer: 2, reject: true }).equals(plainFirst)).toBe(true)
    expect(packed(rich(1)).equals(richFirst)).toBe(true)
    expect(packed(again(rich(1))).equals(richFirst)).toBe(true)
    expect(packed({ n: new Float64Array(new BigUint64Array([0x7ff8000000000001n]).buffer)[0] })).toEqual(
      packed({ n: NaN }),
    )
  })

  it('carry all they mean (invariant 2)', () => {
    const bytes = packed(rich(3))
    const options = { useRecords: true, mapsAsObjects: false, structuredClone: true }
    expect(new Unpackr(options).unpack(bytes.subarray(1))).toEqual(rich(3))
  })

  it('are left alone by what is packed later', () => {
    const states = Array.from({ length: 500 }, (_, n) => (n % 2 === 0 ? { n, text: 'x'.repeat(n) } : rich(n)))
    const all = states.map(packed)
    expect(all.map((bytes) => unpack(definition, byteString(bytes), 'k'))).toEqual(states)
  })

  it('are not looked into by what was unpacked from them', () => {
    const bytes = pack(definition, {
      typed: new Uint8Array([1, 2]),
      buffer: Buffer.from([3]),
      wide: new Float64Array([1]),
    })
    const read = () => unpack(definition, bytes, 'k') as { typed: Uint8Array; buffer: Buffer; wide: Float64Array }
    const state = read()
    state.typed[0] = 9
    state.buffer[0] = 9
    state.wide[0] = 9
    const again = read()
    expect([again.typed[0], again.buffer[0], again.wide[0]]).toEqual([1, 3, 1])
  })

  it('are plain MessagePack maps for plain states', () => {
    expect(packed({ bid: 1.5, n: 7, ok: true }).toString('hex')).toBe('83a3626964cb3ff8000000000000a16e07a26f6bc3')
    expect(isRich({ m: new Map() })).toBe(true)
  })

  it('grow with the state', () => {
    const state = { text: 'ä'.repeat(3_000_000), list: Array.from({ length: 1000 }, () => 'y'.repeat(100)) }
    expect(again(state)).toEqual(state)
  })
})
