/** src/core/query/shown.ts: state objects as JSON. */
import { expect, test } from 'vitest'
import type { StateDefinition } from '../../../../src/api/definition.js'
import { OpenPairs } from '../../../../src/api/open-pairs.js'
import { OpenWindows } from '../../../../src/api/open-windows.js'
import { pairsDefinition } from '../../../../src/api/pairs.js'
import { stateDefinition, stateObject } from '../../../../src/api/state-object.js'
import { from, intervalJoin } from '../../../../src/api/stream.js'
import { topic } from '../../../../src/api/topic.js'
import { tumbling, windowed, windowsDefinition } from '../../../../src/api/windows.js'
import { shownState } from '../../../../src/core/query/shown.js'
import { bytesOf } from '../../../../src/core/records/byte-string.js'
import { pack } from '../../../../src/core/state/packing.js'
import { anySchema } from '../../../support/schemas.js'

const definitionIn = (value: unknown): StateDefinition =>
  windowsDefinition(value) ?? pairsDefinition(value) ?? stateDefinition(value, 's')

const plain = stateDefinition(
  stateObject('s', () => ({})),
  's',
)
const shown = (state: object, definition = plain): unknown =>
  JSON.parse(JSON.stringify(shownState(definition, bytesOf(pack(definition, state)), 'k')))

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
  expect(shownState(plain, Uint8Array.of(0xc1, 0xff), 'k')).toBeUndefined()
  for (const definition of [minute, pairs])
    expect(shownState(definition, bytesOf(pack(plain, { n: 1 })), 'k'), definition.name).toBeUndefined()
})

const minute = definitionIn(
  windowed('minute', tumbling(60_000), () => ({ seen: new Set<string>() }), {
    pack: ({ seen }) => ({ texts: [...seen], when: new Date(0) }),
    unpack: (stored) => ({ seen: new Set((stored as { texts: string[] }).texts) }),
  }),
)
const anything = topic('t', { schema: anySchema<{ id: string; at: Date }>(), key: ({ id }) => id })
const joined = intervalJoin('near', from(anything), from(anything), { withinMs: 5 })
const pairs = definitionIn(joined)

test('windows are a list, each with what is stored of its state', () => {
  const open = new OpenWindows()
  open.list = [
    { startMs: 0, endMs: 60_000, messages: 2, state: { seen: new Set(['a']) } },
    { startMs: 60_000, endMs: 120_000, messages: 1, state: { seen: new Set() } },
  ]
  const when = '1970-01-01T00:00:00.000Z'
  expect(shown(open, minute)).toEqual([
    { key: 'k', startMs: 0, endMs: 60_000, messages: 2, state: { texts: ['a'], when } },
    { key: 'k', startMs: 60_000, endMs: 120_000, messages: 1, state: { texts: [], when } },
  ])
})

test('of an interval join, what is open on each side is told', () => {
  const open = new OpenPairs()
  open.left.add({ atMs: 7, boundMs: 9, hasMet: true, message: { id: 'k', at: new Date(0) } })
  open.left.add({ atMs: 5, boundMs: 5, hasMet: false, message: { id: 'k' } })
  expect(shown(open, pairs)).toEqual({
    left: [
      { timestampMs: 5, hasMet: false, message: { id: 'k' } },
      { timestampMs: 7, hasMet: true, message: { id: 'k', at: '1970-01-01T00:00:00.000Z' } },
    ],
    right: [],
  })
})
