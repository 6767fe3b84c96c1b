/** src/core/query/shown.ts: state objects as JSON. */
import { expect, test } from 'vitest'
import { stateDefinition, stateObject } from '../../../../src/api/state-object.js'
import { shownState } from '../../../../src/core/query/shown.js'
import { bytesOf } from '../../../../src/core/records/byte-string.js'
import { pack } from '../../../../src/core/state/packing.js'

const shown = (state: object): unknown =>
  JSON.parse(
    JSON.stringify(
      shownState(
        bytesOf(
          pack(
            stateDefinition(
              stateObject('s', () => ({})),
              's',
            ),
            state,
          ),
        ),
      ),
    ),
  )

test('what JSON has no word for is shown in others', () => {
  expect(
    shown({
      n: 1,
      nan: NaN,
      far: -Infinity,
      text: 'ü',
      none: null,
      gone: undefined,
      large: 12345678901234567890n,
      when: new Date(0),
      map: new Map<unknown, unknown>([['a', new Set([1])]]),
      bytes: Uint8Array.of(1, 2, 3),
      list: [1, undefined, { a: 1 }],
    }),
  ).toEqual({
    n: 1,
    nan: 'NaN',
    far: '-Infinity',
    text: 'ü',
    none: null,
    large: '12345678901234567890',
    when: '1970-01-01T00:00:00.000Z',
    map: [['a', [1]]],
    bytes: 'AQID',
    list: [1, null, { a: 1 }],
  })
})

test('what leads back to itself ends there; one object in two places is there twice', () => {
  const one: Record<string, unknown> = { n: 1 }
  expect(shown({ one, two: one })).toEqual({ one: { n: 1 }, two: { n: 1 } })
  one['self'] = one
  expect(shown({ one })).toEqual({ one: { n: 1, self: null } })
})

test('bytes that are no state object are none', () => {
  expect(shownState(Uint8Array.of(0xc1, 0xff))).toBeUndefined()
})
