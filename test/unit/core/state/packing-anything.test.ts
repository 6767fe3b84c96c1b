/** Whatever an application puts into a state object: it comes back as it was, or is refused by name (packing.ts, 1). */
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stateDefinition } from '../../../../src/api/state-object.js'
import { byteString, bytesOf, type ByteString } from '../../../../src/core/records/byte-string.js'
import { pack, unpack } from '../../../../src/core/state/packing.js'
import { isPotorooError, type PotorooError } from '../../../../src/errors.js'
import { application, from, stateObject, topic } from '../../../../src/index.js'
import { TestDriver } from '../../../../src/testing/index.js'
import { anySchema } from '../../../support/schemas.js'

const definition = stateDefinition(
  stateObject<object>('position', () => ({})),
  'test',
)

/** The state as it comes back, or the error that says why it can't. Anything else that is thrown is a fault. */
function attempt(state: object): object | PotorooError {
  let bytes: ByteString
  try {
    bytes = pack(definition, state)
  } catch (error) {
    if (isPotorooError(error, 'STATE_NOT_PACKABLE')) return error
    throw error
  }
  return unpack(definition, bytes, 'k')
}
const refusal = (state: object): string => {
  const result = attempt(state)
  return isPotorooError(result) ? result.message : 'taken'
}
const says = "State object position can't be stored: "

/** Levels of one kind of container around nothing. */
function levels(count: number, wrap: (inner: unknown) => unknown): unknown {
  let value: unknown = 0
  for (let level = 0; level < count; level++) value = wrap(value)
  return value
}

describe('anything', () => {
  const storable = { withBigInt: true, withDate: true, withMap: true, withSet: true, withTypedArray: true }
  const values = [
    fc.integer(),
    fc.double(),
    fc.constantFrom(-0, NaN, -Infinity, 2 ** 31, -(2 ** 31) - 1, 2 ** 32, 2 ** 53),
    fc.constantFrom(undefined, null, true, false),
    fc.string(),
  ]
  const odd = {
    ...storable,
    withBoxedValues: true,
    withNullPrototype: true,
    withObjectString: true,
    withSparseArray: true,
  }
  it.each([
    ['of plain values', fc.anything({ values, maxDepth: 4 })],
    ['of what can be stored', fc.anything({ ...storable, maxDepth: 4 })],
    ['of what there is', fc.anything({ ...odd, maxDepth: 3 })],
    ['with text of any kind', fc.anything({ ...storable, key: fc.string({ unit: 'binary' }), values: [fc.string({ unit: 'binary' }), fc.double()] })], // prettier-ignore
  ])('%s comes back as it was, or its field is named', (_, value) => {
    let taken = 0
    fc.assert(
      fc.property(fc.dictionary(fc.string(), value, { noNullPrototype: true, maxKeys: 5 }), (state) => {
        const result = attempt(state)
        if (isPotorooError(result)) {
          const fields = Object.keys(state)
          expect(result.message.startsWith(says)).toBe(true)
          const named = result.message.slice(says.length)
          expect(fields.some((field) => named.startsWith(field.slice(0, 100)))).toBe(true)
        } else {
          taken++
          // As Object.is has it, with prototypes, Maps, Sets, typed arrays and invalid dates.
          expect(result).toStrictEqual(state)
          expect(Object.keys(result)).toEqual(Object.keys(state))
        }
      }),
      { numRuns: 1000 },
    )
    expect(taken).toBeGreaterThan(100)
    expect(Object.keys(Object.prototype)).toEqual([])
  })

  it.each<[string, (inner: unknown) => unknown]>([
    ['objects', (inner) => ({ inner })],
    ['arrays', (inner) => [inner]],
    ['Maps', (inner) => new Map([['inner', inner]])],
    ['keys of Maps', (inner) => new Map([[inner, 1]])],
    ['Sets', (inner) => new Set([inner])],
  ])('%s in one another are stored 200 levels deep, and refused deeper, with what to look for', (_, wrap) => {
    const deep = { field: levels(200, wrap) }
    expect(isDeepStrictEqual(attempt(deep), deep)).toBe(true)
    for (const count of [201, 10_000, 1_000_000]) {
      const message = refusal({ field: levels(count, wrap) })
      expect(message).toMatch(
        /^State object position can't be stored: field.*…[^]* is nested deeper than 200 levels\.$/,
      )
      expect(message.length).toBeLessThan(300)
    }
  })

  it.each<[string, () => object]>([
    ['an object that holds itself', () => { const o: { self?: object } = {}; o.self = o; return o }], // prettier-ignore
    ['an array that holds itself', () => { const list: unknown[] = []; list.push(list); return { list } }], // prettier-ignore
    ['a Map that holds itself, as key and value', () => { const map = new Map<unknown, unknown>(); map.set(map, map); return { map } }], // prettier-ignore
    ['a Set that holds itself', () => { const set = new Set<unknown>(); set.add(set); return { set } }], // prettier-ignore
    [
      'a ring of 10,000 objects',
      () => {
        const ring = Array.from({ length: 10_000 }, (): { next?: object | undefined } => ({}))
        for (const [at, one] of ring.entries()) one.next = ring.at(at + 1 - ring.length)
        return { ring: ring[0] }
      },
    ],
  ])('%s comes back so, or is refused by name', (_, make) => {
    const state = make()
    const result = attempt(state)
    if (isPotorooError(result))
      expect(result.message).toMatch(/can't be stored: ring\.next.* is nested deeper than 200 levels/)
    else expect(isDeepStrictEqual(result, state)).toBe(true)
  })

  it.each<[string, unknown, RegExp]>([
    ['a Map behind a proxy', new Proxy(new Map(), {}), /reading it threw/],
    ['a proxy that was revoked', (() => { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy })(), /reading it threw/], // prettier-ignore
    ['a getter that throws', Object.defineProperty({}, 'n', { enumerable: true, get: () => { throw new Error('not now') } }), /field\.n is a getter or setter/], // prettier-ignore
    ['an array of 4 billion holes', new Array(2 ** 32 - 1), /field is an array with holes/],
    ['a name of 1 MB', { ['n'.repeat(1_000_000)]: () => 1 }, /field\.n{94}…n{100} is a function/],
  ])('%s is refused in few words', (_, field, message) => {
    expect(refusal({ field })).toMatch(message)
    expect(refusal({ field }).length).toBeLessThan(400)
    expect(attempt({ right: 1 })).toEqual({ right: 1 })
  })

  const own = (object: object, name: PropertyKey, field: PropertyDescriptor): object =>
    Object.defineProperty(object, name, field)
  /** What can be done to an object that has fields, and what is said of it. */
  const hidden: [what: string, hide: (object: object, last: string) => object, message: RegExp][] = [
    [
      'a symbol',
      (object) => own(object, Symbol('secret'), { value: 1, enumerable: true }),
      /has a field named by Symbol\(secret\)/,
    ],
    [
      'a symbol that is not enumerable',
      (object) => own(object, Symbol('secret'), { value: 1 }),
      /has a field named by Symbol\(secret\)/,
    ],
    [
      'a field that is not enumerable',
      (object) => own(object, 'secret', { value: 1 }),
      /secret is a field that is not enumerable/,
    ],
    [
      'a getter',
      (object, last) => own(object, last, { get: () => 2, enumerable: true, configurable: true }),
      /is a getter or setter/,
    ],
    [
      'a setter',
      (object, last) => own(object, last, { set: () => undefined, enumerable: true, configurable: true }),
      /is a getter or setter/,
    ],
    [
      'a getter that is not enumerable',
      (object) => own(object, 'secret', { get: () => 2 }),
      /secret is a getter or setter/,
    ],
  ]
  const places: [where: string, make: () => { root: object; at: object }][] = [
    [
      'the state object itself',
      () => {
        const root = { a: 1, b: 2 }
        return { root, at: root }
      },
    ],
    [
      'an object in it',
      () => {
        const at = { a: 1, b: 2 }
        return { root: { n: 1, at }, at }
      },
    ],
    [
      'an object in an array',
      () => {
        const at = { a: 1, b: 2 }
        return { root: { list: [{ a: 1, b: 2 }, at] }, at }
      },
    ],
    [
      'an object in a Map',
      () => {
        const at = { a: 1, b: 2 }
        return { root: { map: new Map([['k', at]]) }, at }
      },
    ],
  ]
  it.each(
    places.flatMap(([where, make]) =>
      hidden.map(([what, hide, message]) => [what, where, make, hide, message] as const),
    ),
  )(
    '%s of %s is refused, also once objects with the same fields were stored many times',
    (_, _where, make, hide, message) => {
      for (let i = 0; i < 3000; i++) expect(isPotorooError(attempt(make().root))).toBe(false)
      const { root, at } = make()
      // of the state object itself only fields that it did not have before are looked at
      expect(hide(at, root === at ? 'c' : 'b')).toBe(at)
      expect(refusal(root)).toMatch(message)
      expect(attempt(make().root)).toStrictEqual(make().root)
    },
  )

  it('a getter beside what it is made of, as the issue has it, is refused by name', () => {
    const field = { first: 2, get twice() { return this.first * 2 } } // prettier-ignore
    expect(refusal({ field })).toBe(
      `${says}field.twice is a getter or setter, of which only the current value would be stored: make it a method of a class.`,
    )
    expect(refusal({ field: [new Map([['k', field]])] })).toContain('field[0].get("k").twice is a getter')
  })

  const withSymbol = <T extends object>(value: T): T => Object.assign(value, { [Symbol('secret')]: 1 })
  it.each<[string, () => unknown, RegExp | undefined]>([
    ['a symbol of an array', () => withSymbol([1, 2]), /field is an array with holes or extra fields/],
    ['a field of an array', () => Object.assign([1], { extra: 1 }), /field is an array with holes or extra fields/],
    [
      'a field of an array among more than plain values',
      () => [new Map(), own([1], 'extra', { value: 1 })],
      /field\[1\] is an array with holes or extra fields/,
    ],
    [
      'an element that is a getter, among more than plain values',
      () => [new Map(), own([1], 0, { get: () => 1, enumerable: true })],
      /field\[1\]\[0\] is a getter/,
    ],
    ['a sparse array', () => Object.assign(new Array<number>(2), [1]), /field is an array with holes/],
    ['a symbol of a Map', () => withSymbol(new Map()), /field is a Map with a field of its own, Symbol/],
    ['a symbol of a Set', () => withSymbol(new Set()), /field is a Set with a field of its own, Symbol/],
    ['a symbol of a Date', () => withSymbol(new Date(0)), /field is a Date with a field of its own, Symbol/],
    [
      'arguments',
      function () {
        // eslint-disable-next-line prefer-rest-params -- it is the object itself that matters
        return arguments
      },
      /field has a field named by Symbol/,
    ],
    ['Math', () => Math, /field has a field named by Symbol/],
    ['a number in a box', () => Object(1) as object, /field is an instance of Number/],
    ['a string in a box', () => Object('x') as object, /field is an instance of String/],
    ['a BigInt in a box', () => Object(1n) as object, /field is an instance of BigInt/],
    ['a class that extends Map', () => new (class Prices extends Map {})(), /field is an instance of Prices/],
    ['a class that extends Array', () => new (class Prices extends Array {})(), /field is an instance of Prices/],
    ['a RegExp', () => /x/, /field is an instance of RegExp/],
    ['an error', () => new TypeError('x'), /field is an instance of TypeError/],
    ['a function', () => () => 1, /field is a function/],
    ['a symbol', () => Symbol('x'), /field is a symbol/],
    ['a BigInt of 2,000 bits', () => 2n ** 2000n - 1n, undefined],
    ['a BigInt below -2^63', () => -(2n ** 64n), undefined],
    ['whole numbers beyond 2^53', () => [2 ** 53, 2 ** 60, -(2 ** 63), 2 ** 64, 1.7e308], undefined],
    ['-0', () => [-0, { x: -0 }], undefined],
  ])('%s is refused, or comes back as it was', (_, make, message) => {
    const state = { before: 1, field: make() }
    if (message === undefined) expect(attempt(state)).toStrictEqual(state)
    else expect(refusal(state)).toMatch(message)
  })

  it('a class whose constructor makes accessors is refused, whatever else has the same fields', () => {
    class Price {
      a = 1
      b = 2
      constructor() {
        Object.defineProperty(this, 'b', { get: () => 2, enumerable: true })
      }
    }
    for (let i = 0; i < 3000; i++) expect(attempt({ a: 1, b: i })).toEqual({ a: 1, b: i })
    const price = stateDefinition(stateObject('price', Price), 'test')
    for (let i = 0; i < 3; i++) expect(() => pack(price, new Price())).toThrow('b is a getter or setter')
  })

  it('a state object that is of another kind by now is refused', () => {
    class Price {
      bid = 1
    }
    const price = stateDefinition(stateObject('price', Price), 'test')
    const [other, none, right] = [new Price(), new Price(), new Price()]
    Object.setPrototypeOf(other, Date.prototype)
    Object.setPrototypeOf(none, null)
    expect(() => pack(price, other)).toThrow("State object price can't be stored: its prototype has changed")
    expect(() => pack(price, none)).toThrow('its prototype has changed')
    expect(unpack(price, pack(price, right), 'k')).toStrictEqual(right)
    expect(refusal(Object.setPrototypeOf({ a: 1 }, Price.prototype) as object)).toContain('its prototype has changed')
  })

  it('bytes that nobody packed are state objects, damaged or newer, and pollute nothing', () => {
    const packed = pack(definition, { list: [1, { a: 'b' }], when: new Date(0), map: new Map([['k', 1n]]) })
    const byte = fc.nat(255)
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 40 }),
          fc.uint8Array({ maxLength: 40 }).map((bytes) => Uint8Array.from([0xc1, ...bytes])),
          fc.tuple(fc.nat(packed.length - 1), byte, fc.nat(packed.length)).map(([at, to, cut]) => {
            const bytes = Uint8Array.from(bytesOf(packed))
            bytes[at] = to
            return bytes.subarray(0, cut)
          }),
        ),
        (bytes) => {
          try {
            expect(typeof unpack(definition, byteString(Buffer.from(bytes)), 'k')).toBe('object')
          } catch (error) {
            expect(isPotorooError(error, 'STORE_DAMAGED') || isPotorooError(error, 'STATE_NEWER')).toBe(true)
          }
        },
      ),
      { numRuns: 3000 },
    )
    // { __proto__: { polluted: 1 } }
    const polluting = Buffer.from('81a95f5f70726f746f5f5f81a8706f6c6c7574656401', 'hex')
    const state = unpack(definition, byteString(polluting), 'k')
    expect(Object.getPrototypeOf(state)).toBe(Object.prototype)
    expect([(state as { polluted?: unknown }).polluted, Object.keys(Object.prototype)]).toEqual([undefined, []])
  })
})

it('fields of a class are its own also where an ancestor has accessors of their names', () => {
  abstract class Ancestor {
    get read(): number {
      return 1
    }
    set written(_: number) {
      throw new Error('a setter ran')
    }
  }
  // As JavaScript has it; TypeScript would not let a field stand in for an accessor.
  class Heir extends Ancestor {
    plain = 3
    constructor() {
      super()
      const own = (value: number) => ({ value, writable: true, enumerable: true, configurable: true })
      Object.defineProperties(this, { read: own(5), written: own(6) })
    }
  }
  const heir = stateDefinition(stateObject('heir', Heir), 'test')
  const state = new Heir()
  const back = unpack(heir, pack(heir, state), 'k') as Heir
  expect(isDeepStrictEqual(back, state)).toBe(true)
  expect([Object.keys(back), back.read]).toEqual([['plain', 'read', 'written'], 5])
})

describe('large state objects', () => {
  interface Note {
    readonly key: string
    readonly bytes: number
  }
  const notes = topic('notes', { schema: anySchema<Note>(), key: ({ key }) => key })
  const lengths = topic('lengths', { schema: anySchema<{ key: string; length: number }>(), key: ({ key }) => key })
  const page = stateObject('page', () => ({ text: '', parts: [] as object[], seen: new Map<string, number>() }))
  const app = application(
    'notebook',
    from(notes)
      .to(page, (state, { key, bytes }) => {
        state.text = 'ä'.repeat(bytes / 2)
        state.parts = Array.from({ length: 1000 }, (_, n) => ({ n, at: 0.5 * n }))
        state.seen.set(key, bytes)
        return { key, length: state.text.length }
      })
      .sink(lengths),
  )
  /** The changelog takes 1,048,588 bytes; names, parts and the record have a share of it. */
  const MOST = 1_000_000

  it('of 1 MB survive commits and a new life, and one that is too large is a dead letter that leaves it as it was', async () => {
    const driver = await TestDriver.start(app)
    await driver.pipe(notes, { key: 'a', bytes: MOST })
    await driver.settle()
    await driver.pipe(notes, [{ key: 'a', bytes: 2 * MOST }, { key: 'b', bytes: 10 }]) // prettier-ignore
    await driver.settle()
    expect(driver.readDeadLetters()).toMatchObject([{ code: 'RECORD_TOO_LARGE', key: 'a', offset: 1 }])
    const before = driver.state(page, 'a')
    expect([before?.text.length, before?.seen]).toEqual([MOST / 2, new Map([['a', MOST]])])
    driver.crash()
    await driver.restart()
    await driver.pipe(notes, { key: 'a', bytes: MOST - 100 })
    await driver.settle()
    expect(driver.read(lengths).map(({ key, length }) => [key, length])).toEqual([
      ['a', MOST / 2],
      ['b', 5],
      ['a', MOST / 2 - 50],
    ])
    expect(driver.state(page, 'a')?.parts).toEqual(before?.parts)
    await driver.close()
  })
})
