import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { moves } from '../../../../src/core/group/assignor-moves.js'
import { assign } from '../../../../src/core/group/assignor.js'
import { anyGroup, carriedOut, claimants, member, placesOf, tasksOf, warmed } from '../../../support/assignor.js'

const tasks = tasksOf(4)
const [t0, t1, t2, t3] = tasks

describe('moves', () => {
  it('says that a worker warms up for balance, once, and then that the task moves', () => {
    const start = [member('a', { active: tasks }), member('b')]
    const first = assign(start, tasks)
    const moving = { from: 'a', to: 'b', reason: 'balance' }
    expect(moves(start, first)).toEqual([
      { task: t2, ...moving, warmUp: true },
      { task: t3, ...moving, warmUp: true },
    ])
    const waiting = carriedOut(start, first)
    expect(moves(waiting, assign(waiting, tasks))).toEqual([])
    const warm = warmed(waiting)
    expect(moves(warm, assign(warm, tasks))).toEqual([
      { task: t2, ...moving, warmUp: false },
      { task: t3, ...moving, warmUp: false },
    ])
  })

  it('says when the owner leaves, and when it is gone', () => {
    const members = [
      member('a', { active: [t0, t1].map(String), leaving: true }),
      member('b', { active: [String(t2)], standby: { [String(t0)]: 0 } }),
    ]
    expect(moves(members, assign(members, tasks))).toEqual([
      { task: t0, from: 'a', to: 'b', reason: 'owner leaves', warmUp: false },
      { task: t3, from: '', to: 'b', reason: 'owner gone', warmUp: false },
      { task: t1, from: 'a', to: 'b', reason: 'owner leaves', warmUp: true },
    ])
  })

  it('lists each task that moves, whoever claims it, and none that stays', () => {
    fc.assert(
      fc.property(anyGroup, ({ members, tasks, standbys }) => {
        const placements = assign(members, tasks, { standbys })
        const claims = claimants(members)
        const moved = [...placesOf(placements, 'active')].filter(([task, [to]]) => claims.get(task)?.memberId !== to)
        const listed = moves(members, placements).filter(({ warmUp }) => !warmUp)
        expect(listed.map(({ task, from, to }) => [task, from, to]).sort()).toEqual(
          moved.map(([task, [to]]) => [task, claims.get(task)?.memberId ?? '', to]).sort(),
        )
      }),
    )
  })
})
