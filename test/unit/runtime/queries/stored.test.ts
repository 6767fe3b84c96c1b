/** src/runtime/queries/stored.ts: what is told of a store. */
import { expect, test } from 'vitest'
import { stateDefinition, stateObject } from '../../../../src/api/state-object.js'
import type { StateDefinition } from '../../../../src/api/definition.js'
import { byteString, bytesOf, type ByteString } from '../../../../src/core/records/byte-string.js'
import type { PageQuestion, TaskAnswer } from '../../../../src/core/query/question.js'
import { shownState } from '../../../../src/core/query/shown.js'
import { timersIn } from '../../../../src/core/query/visible-state.js'
import { NO_TIMES, type Times } from '../../../../src/core/state/header.js'
import { packer, unpack } from '../../../../src/core/state/packing.js'
import { storeKeyOf } from '../../../../src/core/state/store-key.js'
import type { Clock } from '../../../../src/ports/clock.js'
import type { StateStore } from '../../../../src/ports/store.js'
import { failedWith, pageOf, told } from '../../../../src/runtime/queries/stored.js'

const HOUR_MS = 3_600_000
const first = stateDefinition(
  stateObject('s', () => ({ n: 0 })),
  's',
)
const second = stateDefinition(
  stateObject('s', () => ({ total: 0 }), { upgrades: [({ n }: { n: number }) => ({ total: n })], ttlMs: HOUR_MS }),
  's',
)
const failing = stateDefinition(
  stateObject('s', () => ({ total: 0 }), {
    upgrades: [
      () => {
        throw new Error('on purpose')
      },
    ],
  }),
  's',
)
function packed(definition: StateDefinition, state: object, times?: Partial<Times>): Buffer {
  const length = packer.pack(definition, state, times && { ...NO_TIMES, ...times })
  return Buffer.from(packer.bytes.subarray(0, length))
}
const stopped: Clock = {
  now: () => 0,
  monotonic: () => 0,
  after: () => ({ cancel: () => undefined }),
  soon: () => undefined,
}
function storeOf(entries: readonly (readonly [string, Buffer])[]): StateStore {
  const all = entries.map(([key, bytes]): [ByteString, Buffer] => [storeKeyOf('s', key), bytes])
  const scan: StateStore['scan'] = (from, before, take) => {
    for (const [key, value] of all.sort(([a], [b]) => (a < b ? -1 : 1)))
      if (key >= from && key < before && !take(key, value)) return
  }
  return { scan } as Partial<StateStore> as StateStore
}
const page: PageQuestion = {
  kind: 'scan',
  state: 's',
  partition: 0,
  consistency: 'committed',
  from: '',
  before: undefined,
  limit: 1000,
}
const as = { asOf: { commitMs: 1, changelogPosition: 2 }, timeMs: 0, from: 'owner' } as const
const keysOf = (answer: TaskAnswer): readonly string[] =>
  answer.kind === 'page' ? answer.entries.map(({ key }) => key) : []

test('an older version is told as the newest that the application has, and left as it is', () => {
  const old = packed(first, { n: 7 })
  const bytes = byteString(old)
  const given = told(second, old, 'a', 0)
  expect(byteString(old)).toBe(bytes)
  expect(given && unpack(second, given, 'a')).toEqual({ total: 7 })
  expect(given && shownState(second, bytesOf(given), 'a')).toEqual({ total: 7 })
  expect(told(first, old, 'a', 0)).toBe(byteString(old))
})

test('timers that are set are told, also of an older version', () => {
  const [time, wall] = [[{ dueMs: 9, name: 'late', id: '' }], [{ dueMs: 7, name: 'soon', id: 'x' }]]
  const old = packed(first, { n: 7 }, { time, wall })
  for (const definition of [first, second]) {
    const given = told(definition, old, 'a', 0)
    expect(given && timersIn(bytesOf(given)), String(definition.upgrades.length)).toEqual([...wall, ...time])
    expect(given && shownState(definition, bytesOf(given), 'a')).toEqual(definition === first ? { n: 7 } : { total: 7 })
  }
  expect(timersIn(packed(first, { n: 7 }))).toEqual([])
})

test('an upgrade that fails is told, and stops nobody', () => {
  let failure: unknown
  try {
    told(failing, packed(first, { n: 7 }), 'a', 0)
  } catch (error) {
    failure = error
  }
  expect(failedWith(failure)).toMatchObject({ kind: 'failed', code: 'STATE_UPGRADE_FAILED' })
})

test('what has expired is not there, whoever swept it or did not', () => {
  const ended = packed(second, { total: 1 }, { endsMs: 1_000 })
  expect(told(second, ended, 'a', 999)).toBeDefined()
  expect(told(second, ended, 'a', 1_000)).toBeUndefined()
  // A timer keeps it.
  const time = [{ dueMs: 5_000, name: 't', id: '' }]
  expect(told(second, packed(second, { total: 1 }, { endsMs: 1_000, time }), 'a', 1_000)).toBeDefined()
  const store = storeOf([
    ['a', ended],
    ['b', packed(second, { total: 2 }, { endsMs: 3_000 })],
  ])
  expect(keysOf(pageOf(page, second, store, { ...as, timeMs: 2_000 }, stopped))).toEqual(['b'])
})

test('a page ends by number, by bytes and by time, and says where the next begins', () => {
  const many = Array.from(
    { length: 100 },
    (_, i) => [`k${String(i).padStart(3, '0')}`, packed(first, { n: i })] as const,
  )
  const few = pageOf({ ...page, limit: 3 }, first, storeOf(many), as, stopped)
  expect([keysOf(few), few]).toMatchObject([['k000', 'k001', 'k002'], { next: 'k003' }])
  const rest = pageOf({ ...page, from: 'k098' }, first, storeOf(many), as, stopped)
  expect([keysOf(rest), rest]).toMatchObject([['k098', 'k099'], { next: undefined }])
  const large = ['a', 'b', 'c', 'd'].map((key) => [key, packed(first, { n: 0, text: 'x'.repeat(600_000) })] as const)
  expect(pageOf(page, first, storeOf(large), as, stopped)).toMatchObject({ next: 'c' })
  let nowMs = 0
  const slow = pageOf(page, first, storeOf(many), as, { ...stopped, monotonic: () => (nowMs += 3) })
  expect([keysOf(slow).length, slow]).toMatchObject([32, { next: 'k032' }])
})
