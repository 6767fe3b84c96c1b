/** src/core/plan/plan-hash.ts: manifests have these hashes, and they must be found again. */
import { expect, it } from 'vitest'
import { planHash, type HashedPlan } from '../../../../src/core/plan/plan-hash.js'

const plan: HashedPlan = {
  name: 'sum',
  partitions: 8,
  partitioner: 'murmur2',
  sources: [
    { topic: 'orders', isRepartition: false },
    { topic: 'shop-orders-sum-repartition', isRepartition: true },
  ],
  states: [{ name: 'sum' }, { name: 'count' }],
}

it('is what it was, byte for byte', () => {
  expect(planHash(plan, ['shop-sum-total-repartition'])).toBe('a2045c82e34d4141')
})

it('says nothing of the order of declaration, and something of all else', () => {
  const { sources, states } = plan
  const hash = planHash(plan, ['r', 's'])
  expect(planHash({ ...plan, sources: [...sources].reverse(), states: [...states].reverse() }, ['s', 'r'])).toBe(hash)
  const others = [
    planHash({ ...plan, name: 'total' }, ['r', 's']),
    planHash({ ...plan, partitions: 4 }, ['r', 's']),
    planHash({ ...plan, partitioner: 'xxh64' }, ['r', 's']),
    planHash({ ...plan, sources: sources.slice(1) }, ['r', 's']),
    planHash({ ...plan, states: states.slice(1) }, ['r', 's']),
    planHash(plan, ['r']),
  ]
  expect(new Set([hash, ...others]).size).toBe(1 + others.length)
})
