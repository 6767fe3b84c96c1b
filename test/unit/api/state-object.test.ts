import { describe, expect, it } from 'vitest'
import { stateDefinition, stateObject } from '../../../src/api/state-object.js'
import { isPotorooError } from '../../../src/errors.js'

const invalid = (act: () => unknown, message: RegExp): void => {
  expect(act).toThrow(
    expect.toSatisfy((error: unknown) => isPotorooError(error, 'INVALID_DEFINITION') && message.test(error.message)),
  )
}
const defined = (...declared: Parameters<typeof stateObject>) => stateDefinition(stateObject(...declared), 'test')

class Position {
  quantity = 0
  constructor(readonly symbol: string) {
    constructed.push(symbol)
  }
  add(quantity: number): void {
    this.quantity += quantity
  }
}
const constructed: string[] = []

class Plain {
  n = 0
}

class Packed {
  #secret: number
  constructor(
    readonly key: string,
    secret = 1,
  ) {
    this.#secret = secret
  }
  get secret(): number {
    return this.#secret
  }
  pack(): unknown {
    return { secret: this.#secret }
  }
  static unpack(plain: unknown, key: string): Packed {
    return new Packed(key, (plain as { secret: number }).secret)
  }
}

describe('a literal', () => {
  it('is made by key, and is its own plain value', () => {
    const definition = defined('state', (key: string) => ({ key, n: 0 }))
    const state = definition.initial('a')
    expect(state).toEqual({ key: 'a', n: 0 })
    expect(definition.toPlain(state)).toBe(state)
    expect(definition.fromPlain({ key: 'a', n: 1 }, 'a')).toEqual({ key: 'a', n: 1 })
  })
  it.each([
    ['an instance of a class, whose methods would be lost', () => new Position('x'), /Position.*the class itself/],
    ['a Map', () => new Map(), /Map/],
    ['an array', () => [], /array/],
    ['nothing', () => undefined as unknown as object, /undefined/],
    ['a promise', () => Promise.resolve({}) as object, /Promise/],
  ])('is not %s', (_, initial, message) => {
    const definition = defined('wrong', initial)
    invalid(() => definition.initial('k'), message)
  })
  it.each([
    ['a function without a parameter', () => ({ n: 0 }), true],
    ['a function of the key', (key: string) => ({ key }), false],
    ['a class without a constructor', Plain, true],
    ['a class whose constructor takes the key', Position, false],
    ['one that has the constructor of such a class', class extends Position {}, false],
  ])('begins alike for all keys when it is made by %s: %s', (_, initial, alike) => {
    expect(defined('state', initial as () => object).beginsAlike).toBe(alike)
  })
  it('has no getter, which would come back as a value', () => {
    const literal = {
      bid: 1,
      get mid(): number {
        return this.bid
      },
    }
    const definition = defined('wrong', () => literal)
    invalid(() => definition.initial('k'), /mid/)
  })
  it('may have pack and unpack', () => {
    const definition = defined('set', () => new Set<string>(), {
      pack: (set) => ({ members: [...(set as Set<string>)] }),
      unpack: (plain) => new Set((plain as { members: string[] }).members),
    })
    const state = definition.initial('k') as Set<string>
    state.add('a')
    expect(definition.toPlain(state)).toEqual({ members: ['a'] })
    expect(definition.fromPlain({ members: ['a'] }, 'k')).toEqual(state)
  })
})

describe('an instance of a class', () => {
  it('is constructed with its key', () => {
    expect(defined('position', Position).initial('A')).toEqual(new Position('A'))
  })
  it('comes back with its methods, without its constructor running', () => {
    const definition = defined('position', Position)
    const before = constructed.length
    const state = definition.fromPlain({ symbol: 'A', quantity: 3 }, 'A')
    expect(constructed.length).toBe(before)
    expect(state).toBeInstanceOf(Position)
    ;(state as Position).add(2)
    expect(state).toMatchObject({ symbol: 'A', quantity: 5 })
  })
  it('is packed and unpacked by its class, where that can', () => {
    const definition = defined('packed', Packed)
    const plain = definition.toPlain(new Packed('k', 7))
    expect(plain).toEqual({ secret: 7 })
    const state = definition.fromPlain(plain, 'k') as Packed
    expect([state.key, state.secret]).toEqual(['k', 7])
  })
  it('is packed by the options, where they are given', () => {
    const definition = defined('packed', Packed, {
      pack: (state) => ({ twice: (state as Packed).secret * 2 }),
      unpack: (plain, key) => new Packed(key, (plain as { twice: number }).twice / 2),
    })
    expect(definition.toPlain(new Packed('k', 7))).toEqual({ twice: 14 })
    expect((definition.fromPlain({ twice: 14 }, 'k') as Packed).secret).toBe(7)
  })
  it('what unpack gives has to be an object', () => {
    class Lost extends Packed {
      static override unpack(): Packed {
        return undefined as unknown as Packed
      }
    }
    const definition = defined('lost', Lost)
    expect(() => definition.fromPlain({}, 'k')).toThrow(
      expect.toSatisfy((error) => isPotorooError(error, 'STATE_NOT_PACKABLE')),
    )
  })
})

describe('refused at definition', () => {
  class PackOnly {
    pack(): unknown {
      return {}
    }
  }
  class UnpackOnly {
    readonly field = 1
    static unpack(): UnpackOnly {
      return new UnpackOnly()
    }
  }
  class Table extends Map<string, number> {}
  const none = undefined as never
  const asynchronous: unknown = async () => Promise.resolve({})
  it.each<[string, () => unknown, RegExp]>([
    ['no name', () => stateObject(none, () => ({})), /name.*undefined/],
    ['an illegal name', () => stateObject('a/b', () => ({})), /"a\/b"/],
    ['a name of dots', () => stateObject('..', () => ({})), /"\.\."/],
    ['a name too long', () => stateObject('x'.repeat(101), () => ({})), /101 characters/],
    ['no initial value', () => stateObject('state', none), /undefined/],
    ['an object instead of a function', () => stateObject('state', {} as never), /function/],
    ['an async function', () => stateObject('state', asynchronous as never), /AsyncFunction/],
    ['pack without unpack', () => stateObject('state', PackOnly), /no static unpack/],
    ['unpack without pack', () => stateObject('state', UnpackOnly), /no pack/],
    ['a class whose contents are no fields', () => stateObject('state', Table as never), /Map/],
    ['such a built-in class', () => stateObject('state', Map as never), /Map/],
    ['options without unpack', () => stateObject('state', () => ({}), { pack: () => ({}) } as never), /both/],
    ['options that are no functions', () => stateObject('state', Packed, { pack: 1, unpack: 2 } as never), /pack of/],
  ])('%s', (_, act, message) => {
    invalid(act, message)
  })
})

describe('upgrades', () => {
  const withUpgrades = (upgrades: unknown) =>
    defined('total', () => ({ n: 0 }), { upgrades: upgrades as ((stored: never) => object)[] })

  it('are none unless they are given', () => {
    expect([defined('total', () => ({ n: 0 })).upgrades, withUpgrades(undefined).upgrades]).toEqual([[], []])
  })
  it('are as many as they were when it was declared', () => {
    const given = [(stored: object) => stored]
    const { upgrades } = withUpgrades(given)
    given.push((stored) => stored)
    expect(upgrades).toHaveLength(1)
  })
  it('go with classes, pack and partitions', () => {
    const upgrades = [(stored: object) => stored]
    expect(defined('position', Position, { upgrades, partitions: 3 })).toMatchObject({ upgrades, partitions: 3 })
    const packing = { pack: (state: object) => state, unpack: () => ({}) }
    expect(defined('position', () => ({}), { ...packing, upgrades }).upgrades).toEqual(upgrades)
  })
  it.each<[unknown, RegExp]>([
    [null, /total has upgrades: null\. It must be an array of functions/],
    [{ 0: () => ({}) }, /total has upgrades: an object/],
    [() => ({}), /total has upgrades: a function/],
    [[undefined], /upgrades\[0\] of state object total is undefined: it must be a function/],
    [[() => ({}), 1], /upgrades\[1\] of state object total is 1/],
    [new Array(1), /upgrades\[0\] of state object total is undefined/],
    [[async () => Promise.resolve({})], /upgrades\[0\] of state object total is AsyncFunction: .* without async/],
  ])('that are none are refused: %s', (upgrades, message) => {
    invalid(() => withUpgrades(upgrades), message)
  })
})
