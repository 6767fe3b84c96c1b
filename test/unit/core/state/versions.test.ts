/** State objects of several versions, packed: packing.ts and upgrade.ts, whose invariants are meant. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { StateDefinition } from '../../../../src/api/definition.js'
import { byteString, bytesOf } from '../../../../src/core/records/byte-string.js'
import { encodeHeader } from '../../../../src/core/state/header.js'
import { pack, unpack } from '../../../../src/core/state/packing.js'
import { isPotorooError, type ErrorCode } from '../../../../src/errors.js'
import { stateObject } from '../../../../src/index.js'
import { stateDefinition } from '../../../../src/api/state-object.js'

const defined = (...declared: Parameters<typeof stateObject>): StateDefinition =>
  stateDefinition(stateObject(...declared), 'test')
const hex = (definition: StateDefinition, state: object): string => bytesOf(pack(definition, state)).toString('hex')
const from = (definition: StateDefinition, text: string): object =>
  unpack(definition, byteString(Buffer.from(text, 'hex')), 'k')
const refuses = (act: () => unknown, code: ErrorCode, message: RegExp): void => {
  expect(act).toThrow(expect.toSatisfy((error: unknown) => isPotorooError(error, code) && message.test(error.message)))
}

interface Total {
  n: number
}
const zero = (): Total => ({ n: 0 })
const v0 = defined('total', zero)
const v1 = defined('total', () => ({ n: 0, words: [] }), {
  upgrades: [({ n }: Total) => ({ n, words: [] })],
})
const v2 = defined('total', () => ({ count: 0, words: [] }), {
  upgrades: [
    ({ n }: Total) => ({ n, words: [] }),
    ({ n, words }: Total & { words: string[] }) => ({ count: n, words: [...words, 'upgraded'] }),
  ],
})

describe('bytes', () => {
  it('of what has no upgrades are those of before there were any', () => {
    expect(hex(v0, { n: 7 })).toBe('81a16e07')
    expect(hex(v0, { n: -0, t: 'x', u: undefined, l: [1.5, null, true] })).toBe(
      '84a16ecb8000000000000000a174a178a175d40000a16c93cb3ff8000000000000c0c3',
    )
    expect(hex(v0, { m: new Map([['k', 1]]) })).toBe('c1d4724091a16d81a16b01')
    expect(hex(defined('total', zero, { upgrades: [] }), { n: 7 })).toBe('81a16e07')
  })

  it('of what has upgrades say of which version they are, and are the others but for that', () => {
    expect(hex(v1, { n: 7 })).toBe('c0010181a16e07')
    expect(hex(v2, { n: 7 })).toBe('c0010281a16e07')
    expect(hex(v1, { m: new Map([['k', 1]]) })).toBe('c00101c1d4724091a16d81a16b01')
  })

  it('are read back, whatever the version and the state', () => {
    const names = fc.string({ maxLength: 5 }).filter((name) => name !== '__proto__')
    const states = fc.dictionary(names, fc.oneof(fc.integer(), fc.double(), fc.string(), fc.constant(undefined)))
    fc.assert(
      fc.property(states, fc.integer({ min: 1, max: 200 }), fc.boolean(), (fields, version, isRich) => {
        const of = defined('any', () => ({}), {
          upgrades: Array.from({ length: version }, () => () => expect.unreachable('it is of that version already')),
        })
        // + 0: there is no -0 beside a Map
        const values = Object.entries(fields).map(([name, value]) => [
          name,
          typeof value === 'number' ? value + 0 : value,
        ])
        const state = { ...(Object.fromEntries(values) as object), ...(isRich ? { map: new Map([[1, 2]]) } : {}) }
        expect(unpack(of, pack(of, state), 'k')).toStrictEqual(state)
      }),
    )
  })

  it('of a large state object have room for the header', () => {
    const state = { text: 'x'.repeat(100_000) }
    expect(unpack(v1, pack(v1, state), 'k')).toEqual(state)
    expect(hex(v1, state)).toBe(`c00101${hex(v0, state)}`)
  })
})

describe('what an older version stored', () => {
  it('goes through the upgrades that it has not been through, in their order', () => {
    expect(from(v1, '81a16e07')).toEqual({ n: 7, words: [] })
    expect(from(v2, '81a16e07')).toEqual({ count: 7, words: ['upgraded'] })
    expect(from(v2, hex(v1, { n: 7, words: ['a'] }))).toEqual({ count: 7, words: ['a', 'upgraded'] })
    expect(from(v2, hex(v2, { count: 7, words: ['a'] }))).toEqual({ count: 7, words: ['a'] })
  })

  it('is upgraded from any version to any other once a step (upgrade.ts, invariant 1)', () => {
    const step = ({ steps }: { steps: number[] }) => ({ steps: [...steps, steps.length] })
    const of = (version: number): StateDefinition =>
      defined('steps', () => ({ steps: [] }), { upgrades: Array.from({ length: version }, () => step) })
    fc.assert(
      fc.property(fc.nat(5), fc.nat(5), fc.nat(5), (first, more, evenMore) => {
        let [state, version] = [{ steps: [] as number[] } as object, 0]
        for (const next of [first, first + more, first + more + evenMore]) {
          state = unpack(of(next), pack(of(version), state), 'k')
          version = next
          expect(state).toEqual({ steps: Array.from({ length: version }, (_, i) => i) })
        }
      }),
    )
  })

  it('is an instance of its class afterwards, whose constructor does not run', () => {
    class Sum {
      n = 0
      constructor() {
        made++
      }
      twice(): number {
        return this.n * 2
      }
    }
    let made = 0
    const sum = defined('total', Sum, {
      upgrades: [
        (stored: object) => ({
          n: (stored as Total).n + 1,
          isPlain: Object.getPrototypeOf(stored) === Object.prototype,
        }),
      ],
    })
    const state = from(sum, '81a16e07') as Sum
    expect([state.twice(), state instanceof Sum, made]).toEqual([16, true, 0])
    expect(state).toMatchObject({ isPlain: true })
  })

  it('is what pack gave, and what unpack is given', () => {
    const set = defined('set', () => new Set<number>(), {
      pack: (state: Set<number>) => ({ all: [...state] }),
      unpack: (plain) => new Set((plain as { all: number[] }).all),
      upgrades: [({ members }: { members: number[] }) => ({ all: members })],
    } as Parameters<typeof stateObject>[2])
    expect(from(set, hex(v0, { members: [1, 2] }))).toEqual(new Set([1, 2]))
  })

  it('is rich before or after', () => {
    const open = defined('book', () => ({ open: new Map() }), {
      upgrades: [({ n }: Total) => ({ open: new Map([['n', BigInt(n)]]), at: new Date(0) })],
    })
    expect(from(open, '81a16e07')).toEqual({ open: new Map([['n', 7n]]), at: new Date(0) })
    const plain = defined('book', () => ({ n: 0 }), {
      upgrades: [({ open: { size } }: { open: Map<string, 1> }) => ({ n: size })],
    })
    expect(from(plain, hex(v0, { open: new Map([['k', 1]]) }))).toEqual({ n: 1 })
  })

  it('shares nothing with what an upgrade gave, which may be the same for every key (packing.ts, invariant 3)', () => {
    const none: string[] = []
    const shares = defined('total', zero, { upgrades: [({ n }: Total) => ({ n, none })] })
    const state = from(shares, '81a16e07') as { none: string[] }
    state.none.push('of one key')
    expect([none, from(shares, '81a16e07')]).toEqual([[], { n: 7, none: [] }])
  })
})

describe('an upgrade that fails', () => {
  const failing = (step: unknown, ...before: ((stored: never) => object)[]): StateDefinition =>
    defined('total', zero, { upgrades: [...before, step as (stored: never) => object] })
  const fails = (definition: StateDefinition, message: RegExp): void => {
    refuses(() => from(definition, '81a16e07'), 'STATE_UPGRADE_FAILED', message)
  }

  it('names state object, key, versions and step', () => {
    fails(
      failing(
        () => {
          throw new Error('no such field')
        },
        (stored: Total) => ({ ...stored }),
      ),
      /^State object total of key 'k' can't be upgraded from version 0 to 2: upgrades\[1\] threw: no such field\.$/,
    )
  })

  it.each<[string, unknown, RegExp]>([
    [
      'throws what is no error',
      () => {
        throw undefined // eslint-disable-line @typescript-eslint/only-throw-error
      },
      /threw: undefined/,
    ],
    ['gives nothing', () => undefined, /returned undefined: it must return an object literal/],
    ['gives null', () => null, /returned null/],
    ['gives a number', () => 1, /returned 1/],
    ['gives an array', () => [1], /returned an array/],
    ['gives an instance of a class', () => new Map(), /returned an object of Map/],
    ['gives an object without prototype', () => Object.create(null) as object, /object literal/],
    ['returns a promise', () => Promise.reject(new Error('too late')), /returned a promise/],
    ['gives what looks like a promise', () => ({ then: () => undefined }), /returned a promise/],
    [
      'gives a getter',
      () => ({
        get n() {
          return 1
        },
      }),
      /a getter or setter, n/,
    ],
    [
      'gives a getter further in',
      () => ({
        a: {
          get n() {
            return 1
          },
        },
      }),
      /can't be stored: a\.n is a getter/,
    ],
    ['gives a function', () => ({ f: () => 1 }), /what they return can't be stored: f is a function\.$/],
    ['gives a hidden field', () => Object.defineProperty({}, 'n', { value: 1 }), /n is a field that is not enumerable/],
    [
      'gives a proxy that throws',
      () =>
        new Proxy(
          {},
          {
            ownKeys: () => {
              throw new Error('no keys')
            },
          },
        ),
      /no keys/,
    ],
  ])('%s', (_, step, message) => {
    fails(failing(step), message)
  })

  it('by what it gives unpack', () => {
    const picky = defined('total', () => new Set<number>(), {
      pack: (state: Set<number>) => ({ all: [...state] }),
      unpack: (plain) => new Set((plain as { all: number[] }).all.map((n) => n)),
      upgrades: [(stored: Total) => stored],
    } as Parameters<typeof stateObject>[2])
    fails(picky, /what they return can't be unpacked: .*undefined/)
  })

  it('is not asked where the object is of the newest version', () => {
    expect(
      from(
        failing(() => expect.unreachable('no step')),
        'c0010181a16e07',
      ),
    ).toEqual({ n: 7 })
  })
})

describe('what is newer', () => {
  it('is refused, whether the application has upgrades or not', () => {
    refuses(
      () => from(v0, 'c0010181a16e07'),
      'STATE_NEWER',
      /^State object total of key 'k' has version 1, but the newest version that this application knows is 0\.$/,
    )
    refuses(() => from(v2, 'c0010381a16e07'), 'STATE_NEWER', /has version 3, .* knows is 2/)
  })

  it('of Potoroo itself is refused, too', () => {
    for (const definition of [v0, v1])
      refuses(
        () => from(definition, 'c0110181a16e07'),
        'STATE_NEWER',
        /this version of Potoroo does not know \(flags 17\)/,
      )
  })

  it('is told from what is damaged', () => {
    for (const bytes of ['c0', 'c001', 'c00080', 'c00101', 'c0010107'])
      for (const definition of [v0, v1])
        if (!(definition === v0 && bytes.length > 4 && bytes !== 'c00080'))
          refuses(() => from(definition, bytes), 'STORE_DAMAGED', /state object total can't be read/)
  })

  it('bytes that nobody packed are state objects, STORE_DAMAGED or STATE_NEWER', () => {
    const hostile = fc
      .tuple(
        fc.constantFrom([], [0xc0], [...encodeHeader({ version: 1 })], [...encodeHeader({ version: 2 })]),
        fc.uint8Array({ maxLength: 20 }),
      )
      .map(([front, rest]) => Buffer.from([...front, ...rest]))
    const lenient = defined('total', zero, {
      upgrades: [(stored: object) => ({ ...stored }), (stored: object) => ({ ...stored })],
    })
    fc.assert(
      fc.property(hostile, fc.constantFrom(v0, lenient), (bytes, definition) => {
        try {
          expect(typeof unpack(definition, byteString(bytes), 'k')).toBe('object')
        } catch (error) {
          const code = isPotorooError(error) ? error.code : error
          expect(['STORE_DAMAGED', 'STATE_NEWER', 'STATE_UPGRADE_FAILED']).toContain(code)
        }
      }),
      { numRuns: 3000 },
    )
  })
})
