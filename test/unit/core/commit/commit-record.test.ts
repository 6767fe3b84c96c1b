import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodeCommitRecord,
  encodeCommitRecord,
  type CommitRecord,
  foreignTo,
  groupWith,
} from '../../../../src/core/commit/commit-record.js'
import { isPotorooError } from '../../../../src/errors.js'

const record: CommitRecord = { identity: 'i', positions: { orders: 5, quotes: 0 }, by: 'w1', atMs: 1 }
const decode = (value: string | Uint8Array): CommitRecord =>
  decodeCommitRecord(Buffer.from(value as string), 'app-ledger-changelog, partition 3, offset 9')

/** Refused, and where, in a short message. */
function refuses(value: string | Uint8Array): void {
  expect(() => decode(value)).toThrow(
    expect.toSatisfy(
      (error: unknown) =>
        isPotorooError(error, 'CHANGELOG_UNFIT') &&
        error.message.startsWith('app-ledger-changelog, partition 3, offset 9: ') &&
        error.message.length < 400,
    ),
  )
}

describe('a commit record', () => {
  const topic = fc.oneof(fc.string(), fc.constantFrom('__proto__', 'constructor', 'toString', 'orders'))
  it('says its plan only where that is not the first one, so that older versions read what they can go on from', () => {
    expect(encodeCommitRecord({ ...record, plan: 0 })).toBe(encodeCommitRecord(record))
    expect(decode(encodeCommitRecord({ ...record, plan: 3 }))).toEqual({ ...record, plan: 3 })
    expect(decode(encodeCommitRecord(record))).toEqual(record)
    for (const plan of [-1, 0.5, '1', null]) refuses(JSON.stringify({ v: 1, ...record, plan }))
  })

  it('says upgrades only where there are any', () => {
    expect(encodeCommitRecord({ ...record, upgrades: 0 })).toBe(encodeCommitRecord(record))
    expect(decode(encodeCommitRecord({ ...record, upgrades: 2 }))).toEqual({ ...record, upgrades: 2 })
    for (const upgrades of [-1, 0.5, '1', null]) refuses(JSON.stringify({ v: 1, ...record, upgrades }))
  })

  it('comes back as it went, whatever its topics are called', () => {
    const position = fc.nat({ max: Number.MAX_SAFE_INTEGER })
    fc.assert(
      fc.property(
        fc.array(fc.tuple(topic, position)),
        fc.option(fc.array(fc.tuple(topic, position)), { nil: undefined }),
        fc.string(),
        fc.string(),
        fc.nat(),
        (entries, groupEntries, identity, by, atMs) => {
          const positions = Object.fromEntries(entries)
          const group = groupEntries && Object.fromEntries(groupEntries)
          const back = decode(encodeCommitRecord({ identity, positions, group, by, atMs }))
          expect([back.identity, back.by, back.atMs]).toEqual([identity, by, atMs])
          expect(Object.entries(back.positions)).toEqual(Object.entries(positions))
          expect(back.group && Object.entries(back.group)).toEqual(group && Object.entries(group))
        },
      ),
    )
  })

  it.each(['constructor', 'toString', '__proto__', 'hasOwnProperty'])(
    'knows no position of topic %s that it does not name',
    (name) => {
      expect(decode(encodeCommitRecord(record)).positions[name]).toBeUndefined()
    },
  )

  it('takes what a later version adds', () => {
    expect(decode(JSON.stringify({ v: 1, ...record, more: [] }))).toEqual(record)
  })

  it.each<[string, object]>([
    ['another version', { v: 2 }],
    ['no identity', { identity: undefined }],
    ['positions as a list', { positions: [1, 2] }],
    ['positions as nothing', { positions: null }],
    ['a position below 0', { positions: { orders: -1 } }],
    ['a position that is no whole number', { positions: { orders: 0.5 } }],
    ['a position too large to count with', { positions: { orders: 2 ** 53 } }],
    ['a position as text', { positions: { orders: '5' } }],
    ['offsets of the group as nothing', { group: null }],
    ['an offset of the group below 0', { group: { orders: -1 } }],
    ['no time', { atMs: null }],
    ['no worker', { by: 7 }],
  ])('with %s is refused, and says where it lies', (_, part) => {
    refuses(JSON.stringify({ v: 1, ...record, ...part }))
  })

  it('that is something else is refused, and says where it lies', () => {
    fc.assert(fc.property(fc.oneof(fc.uint8Array(), fc.json(), fc.string({ unit: 'binary' })), refuses))
    const text = encodeCommitRecord(record)
    for (let cut = 0; cut < text.length; cut++) refuses(text.slice(0, cut))
    refuses(`{"v":1,"identity":${'['.repeat(1_000_000)}`)
    refuses('x'.repeat(5_000_000))
  })
})

describe('what another version of the application reads besides', () => {
  const commit = {
    ...record,
    positions: { orders: 5, more: 49 },
    group: { orders: 4, more: 47 },
    topicIds: { orders: 'o', more: 'm' },
  }

  it('is kept: positions, ids, and what the group has of them', () => {
    const foreign = foreignTo(['orders'], commit)
    expect(foreign).toEqual({ positions: { more: 49 }, group: { more: 47 }, topicIds: { more: 'm' } })
    expect(groupWith(foreign, undefined)).toEqual({ more: 47 })
    expect(groupWith(foreign, { orders: 4 })).toEqual({ more: 47, orders: 4 })
  })

  it('is nothing where there is no such topic, or the group has its position', () => {
    expect(foreignTo(['orders', 'more'], commit)).toEqual({ positions: {} })
    expect(groupWith(foreignTo(['orders', 'more'], commit), undefined)).toBeUndefined()
    expect(groupWith(foreignTo(['orders'], { ...commit, group: undefined }), undefined)).toBeUndefined()
    expect(foreignTo(['orders'], undefined)).toEqual({ positions: {} })
  })
})
