import fc from 'fast-check'
import { expect, it } from 'vitest'
import { NEIGHBOURS, neighboursOf } from '../../../../src/core/group/neighbours.js'

const groups = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 6 }), { maxLength: 40 })

it('gives each as many as there may be, none twice, itself never, and each is watched by as many (invariants 1 and 2)', () => {
  fc.assert(
    fc.property(groups, (ids) => {
      const neighbours = neighboursOf(ids)
      expect([...neighbours.keys()].sort()).toEqual([...ids].sort())
      const each = Math.min(NEIGHBOURS, ids.length - 1)
      const watchers = new Map(ids.map((id) => [id, 0]))
      for (const [id, others] of neighbours) {
        expect(others).not.toContain(id)
        expect(new Set(others).size).toBe(others.length)
        for (const other of others) watchers.set(other, (watchers.get(other) ?? NaN) + 1)
        expect(others).toHaveLength(each)
      }
      for (const count of watchers.values()) expect(count).toBe(each)
    }),
  )
})

it('does not depend on the order, and one that comes changes as few as can be (invariant 3)', () => {
  fc.assert(
    fc.property(groups, fc.string({ minLength: 7, maxLength: 8 }), (ids, newcomer) => {
      const before = neighboursOf(ids)
      expect([...neighboursOf([...ids].reverse())].sort()).toEqual([...before].sort())
      const after = neighboursOf([...ids, newcomer])
      const changed = ids.filter((id) => after.get(id)?.join() !== before.get(id)?.join())
      expect(changed.length).toBe(Math.min(NEIGHBOURS, ids.length))
      for (const id of changed) expect(after.get(id)).toContain(newcomer)
    }),
  )
})

it('mixes those whose names stand together', () => {
  const ids = Array.from({ length: 100 }, (_, i) => `worker-${String(Math.floor(i / 10))}-${String(i % 10)}`)
  const machineOf = (id: string): string => id.slice(0, -2)
  const alone = [...neighboursOf(ids)].filter(([id, others]) => others.every((one) => machineOf(one) === machineOf(id)))
  expect(alone).toEqual([])
})
