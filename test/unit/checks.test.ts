import { describe, expect, it } from 'vitest'
import * as check from '../../src/checks.js'

const wrong = (one: check.Check, value: unknown): string | undefined => check.wrongFields({ x: one }, { x: value })

describe('a check', () => {
  it.each<[string, check.Check, readonly unknown[], readonly unknown[]]>([
    ['an object', check.anObject, [{}, [], () => undefined, Object.create(null)], [null, undefined, 7, 'x']],
    ['true or false', check.aBoolean, [true, false], ['true', 0, undefined]],
    ['a number', check.aNumber, [0, 0.5, -1], ['1', 1n, null]],
    ['a string', check.aString, ['', 'x'], [7, null, undefined]],
    ['not empty', check.someText, ['x'], ['', 7]],
    ['3 characters at most', check.stringUpTo(3), ['', 'abc'], ['abcd', 7]],
    ['2 to 4', check.wholeNumber(2, 4), [2, 4], [1, 5, 2.5, '3', NaN, Infinity]],
    ['2 or more', check.wholeNumber(2), [2, Number.MAX_SAFE_INTEGER], [1, 2 ** 53, Infinity]],
    ['a or b', check.oneOf('a', 'b'), ['a', 'b'], ['c', ['a'], undefined]],
    ['a list of strings', check.someStrings, [['x']], [[], [1], 'x', ['x', undefined]]],
    ['a string', check.optional(check.aString), [undefined, 'x'], [null, 7]],
    ['true or false, or x must be an object', check.either(check.aBoolean, check.anObject), [true, {}], [7, null]],
    ['an object', check.withFields({ y: check.aNumber }), [{ y: 7, z: 8 }], [null, 7]],
  ])('takes what is %s, and says so of the rest', (what, one, right, others) => {
    for (const value of right) expect(wrong(one, value)).toBeUndefined()
    for (const value of others) expect(wrong(one, value)).toContain(what)
  })

  it('names a field within a field', () => {
    expect(wrong(check.withFields({ y: check.aNumber }), { y: 'z' })).toBe('x.y must be a number')
  })
})

it('all that is wrong is said at once', () => {
  expect(check.wrongFields({ a: check.aNumber, b: check.aString, c: check.aString }, { a: 'x', b: 'x' })).toBe(
    'a must be a number; c must be a string',
  )
})
