import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { assign, type Member } from '../../../src/core/assignor.js'

const tasks = (count: number): string[] => Array.from({ length: count }, (_, i) => `symbol_${String(i)}`)
const member = fc.record({
  memberId: fc.string({ minLength: 1, maxLength: 3 }),
  active: fc.array(fc.nat(40).map((i) => `symbol_${String(i)}`)),
})
const group = fc.record({
  members: fc.uniqueArray(member, { minLength: 1, maxLength: 8, selector: ({ memberId }) => memberId }),
  count: fc.nat(40),
})

const sizes = (assignment: ReadonlyMap<string, readonly string[]>): number[] =>
  [...assignment.values()].map((mine) => mine.length)

describe('assign', () => {
  it('gives every task exactly one owner, and is balanced (rules 1 and 2)', () => {
    fc.assert(
      fc.property(group, ({ members, count }) => {
        const assignment = assign(members, tasks(count))
        expect([...assignment.values()].flat().sort()).toEqual(tasks(count).sort())
        expect([...assignment.keys()].sort()).toEqual(members.map(({ memberId }) => memberId).sort())
        expect(Math.max(...sizes(assignment)) - Math.min(...sizes(assignment))).toBeLessThanOrEqual(1)
      }),
    )
  })

  it('does not depend on the order of the members (rule 4)', () => {
    fc.assert(
      fc.property(group, ({ members, count }) => {
        expect(assign([...members].reverse(), tasks(count))).toEqual(assign(members, tasks(count)))
      }),
    )
  })

  it('moves nothing when nobody came or went, and no more than balance demands when somebody did (rule 3)', () => {
    fc.assert(
      fc.property(group, fc.boolean(), ({ members, count }, joins) => {
        const before = assign(members, tasks(count))
        const holding = (ids: Iterable<string>): Member[] =>
          [...ids].map((memberId) => ({ memberId, active: before.get(memberId) ?? [] }))
        expect(assign(holding(before.keys()), tasks(count))).toEqual(before)

        const ids = [...before.keys()]
        const after = assign(
          holding(joins ? [...ids, 'the new one'] : ids.length > 1 ? ids.slice(1) : ids),
          tasks(count),
        )
        const moved = [...after].flatMap(([id, mine]) => mine.filter((task) => !before.get(id)?.includes(task)))
        const gone = joins || ids.length === 1 ? 0 : (before.get(ids[0] ?? '')?.length ?? 0)
        expect(moved.length).toBe(joins ? (after.get('the new one')?.length ?? 0) : gone)
      }),
    )
  })
})
