import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { assign, DEFAULT_WARM_LAG, type Member } from '../../../../src/core/group/assignor.js'
import {
  anyGroup,
  anyMixedGroup,
  carriedOut,
  chance,
  checkStep,
  claimants,
  cold,
  fewestMoves,
  member,
  placesOf,
  tasksOf,
  warmed,
  type Placements,
} from '../../../support/assignor.js'

const RUNS = { numRuns: 300 }
const active = (placements: Placements): Record<string, number> =>
  Object.fromEntries([...placements].map(([id, placement]) => [id, placement.active.length]))

describe('assign, from any state', () => {
  it('keeps every rule that holds in one step (rules 1, 5, 6, 8, 9, 10)', () => {
    fc.assert(
      fc.property(fc.oneof(anyGroup, anyMixedGroup), ({ members, tasks, standbys }) => {
        checkStep(members, tasks, standbys, assign(members, tasks, { standbys }))
      }),
      RUNS,
    )
  }, 60_000)

  it('does not depend on the order in which members and tasks are listed, and changes neither (rule 4)', () => {
    fc.assert(
      fc.property(fc.oneof(anyGroup, anyMixedGroup), fc.nat(), ({ members, tasks, standbys }, dice) => {
        const shuffled = <T>(things: readonly T[]): T[] =>
          things
            .map((thing) => ({ thing, at: chance(dice, JSON.stringify(thing)) }))
            .sort((a, b) => a.at - b.at)
            .map(({ thing }) => thing)
        const options = { standbys }
        const before = structuredClone(members)
        const placements = assign(members, tasks, options)
        expect(members).toEqual(before)
        const others = shuffled(members).map((one) => ({
          ...one,
          active: shuffled(one.active),
          standby: Object.fromEntries(shuffled(Object.entries(one.standby))),
        }))
        expect(assign(others, shuffled(tasks), options)).toEqual(placements)
      }),
      RUNS,
    )
  }, 60_000)

  it('moves no more tasks than balance demands, and those whose owners leave (rule 3)', () => {
    fc.assert(
      fc.property(fc.oneof(anyGroup, anyMixedGroup), ({ members: all, standbys }) => {
        const members = all.slice(0, 5)
        const tasks = [...claimants(members).keys()]
        const placements = assign(members, tasks, { standbys })
        const claims = claimants(members)
        const [owners, warmUps] = [placesOf(placements, 'active'), placesOf(placements, 'warmUp')]
        const moving = tasks.filter(
          (task) => (warmUps.get(task) ?? owners.get(task))?.[0] !== claims.get(task)?.memberId,
        ).length
        expect(moving).toBe(fewestMoves(members, tasks))
      }),
      RUNS,
    )
  }, 60_000)

  it('throws without a member', () => {
    expect(() => assign([], ['x_0'])).toThrow(RangeError)
  })
})

/** Groups with one sub-topology, whose assignments are held against what they were. */
const oneSubTopology = (seed: number): Parameters<typeof assign> => {
  const dice = (...of: (string | number)[]): number => chance(seed, ...of.map(String))
  const tasks = tasksOf(Math.floor(dice('tasks') * 16))
  const members = Array.from({ length: 1 + Math.floor(dice('members') * 7) }, (_, m) => {
    const lags = tasks
      .filter((task) => dice(m, 'follows', task) < 0.3)
      .map((task) => [task, [0, cold, cold * 2, -1][Math.floor(dice(m, 'lag', task) * 4)] ?? 0] as const)
    const active = tasks.filter((task) => dice(m, 'owns', task) < 0.2)
    return member(`m${String(m)}`, { active, standby: Object.fromEntries(lags), leaving: dice(m, 'leaves') < 0.2 })
  })
  return [members, tasks, { standbys: Math.floor(dice('standbys') * 3) }]
}

it('gives a group with one sub-topology what it gave it before there were several', () => {
  let digest = 0
  for (let seed = 0; seed < 500; seed++)
    for (const char of JSON.stringify([...assign(...oneSubTopology(seed))]))
      digest = (Math.imul(digest, 31) + char.charCodeAt(0)) >>> 0
  expect(digest).toBe(1048415854)
})

describe('assign, case by case', () => {
  const eight = tasksOf(8)
  const half = eight.slice(4)
  const lags = (tasks: readonly string[], lag: number): Record<string, number> =>
    Object.fromEntries(tasks.map((task) => [task, lag]))

  it('warms a joiner up first, and moves the tasks when it is warm (rules 5 and 7)', () => {
    const members = [member('a', { active: eight }), member('b')]
    const first = assign(members, eight)
    expect(first.get('a')?.active).toEqual(eight)
    expect(first.get('b')).toEqual({ active: [], standby: half, warmUp: half, awaited: half })
    const still = assign(carriedOut(members, first), eight)
    expect(still).toEqual(first)
    const moved = assign(warmed(carriedOut(members, first)), eight)
    expect(moved.get('b')).toEqual({ active: half, standby: [], warmUp: [], awaited: [] })
  })

  it.each([
    [DEFAULT_WARM_LAG, true],
    [0, true],
    [DEFAULT_WARM_LAG + 1, false],
    [-1, false],
    [Infinity, false],
    [NaN, false],
  ])('counts a lag of %d as warm: %s', (lag, isWarm) => {
    const members = [member('a', { active: eight }), member('b', { standby: lags(half, lag) })]
    expect(assign(members, eight).get('b')?.active).toEqual(isWarm ? half : [])
  })

  it('takes the bound of warmth from its caller', () => {
    const members = [member('a', { active: eight }), member('b', { standby: lags(half, 50) })]
    expect(active(assign(members, eight, { warmLag: 49 }))).toEqual({ a: 8, b: 0 })
    expect(active(assign(members, eight, { warmLag: 50 }))).toEqual({ a: 4, b: 4 })
  })

  it('lets a worker that leaves keep what nobody is warm for, and warms up others (rules 5 and 9)', () => {
    const members = [
      member('a', { active: eight.slice(0, 4), leaving: true }),
      member('b', { active: half, standby: lags(eight.slice(0, 2), 0) }),
    ]
    const placements = assign(members, eight)
    expect(placements.get('a')?.active).toEqual(eight.slice(2, 4))
    expect(placements.get('b')?.warmUp).toEqual(eight.slice(2, 4))
  })

  it('gives the tasks of a dead worker to warm standbys, the least loaded first (rule 6)', () => {
    const [x, y, ...others] = eight
    const standby = lags([x ?? '', y ?? ''], 0)
    const members = [
      member('a', { active: others.slice(0, 2), standby }),
      member('b', { active: others.slice(2, 3), standby }),
      member('c', { active: others.slice(3) }),
    ]
    const placements = assign(members, eight)
    expect(placements.get('b')?.active).toEqual([x, others[2]])
    expect(placements.get('a')?.active).toEqual([y, ...others.slice(0, 2)])
  })

  it('gives them to the least loaded of the warm, also where all of these have more than their share (rule 6)', () => {
    const standby = lags(eight.slice(7), 0)
    const members = [
      member('a', { active: eight.slice(0, 4), standby }),
      member('b', { active: eight.slice(4, 7), standby }),
      member('c'),
    ]
    expect(active(assign(members, eight))).toEqual({ a: 4, b: 4, c: 0 })
  })

  it('gives the tasks of a dead worker that nobody has to the least loaded (rule 6)', () => {
    const members = [member('a', { active: half }), member('b', { active: eight.slice(0, 1) }), member('c')]
    expect(active(assign(members, eight))).toEqual({ a: 4, b: 2, c: 2 })
  })

  it('leaves a task with the staying one of two that claim it (rule 10)', () => {
    const members = [member('a', { active: ['x_0'], leaving: true }), member('b', { active: ['x_0'] }), member('c')]
    expect(active(assign(members, ['x_0']))).toEqual({ a: 0, b: 1, c: 0 })
  })

  it('chooses to give away what others are warm for (rule 7)', () => {
    // Taken in order, b would get the first task, and then nobody would be warm for another one.
    const members = [
      member('a', { active: eight.slice(0, 4) }),
      member('b', { active: eight.slice(4, 5), standby: { x_sub_0: 0, x_sub_3: 0 } }),
      member('c', { active: eight.slice(5, 6), standby: { x_sub_0: 0, x_sub_1: cold } }),
    ]
    const placements = assign(members, eight.slice(0, 6))
    expect(active(placements)).toEqual({ a: 2, b: 2, c: 2 })
  })

  it('hands over to permanent standbys, and makes the owners so far standbys (rule 8)', () => {
    const [t0, t1, t2, t3] = ['x_0', 'x_1', 'x_2', 'x_3'] as const
    const members = [
      member('a', { active: [t2, t3] }),
      member('b', { standby: lags([t0, t1], 0) }),
      member('c', { active: [t0, t1] }),
      member('d', { standby: lags([t2, t3], 0) }),
    ]
    const given = Object.fromEntries(assign(members, [t0, t1, t2, t3], { standbys: 1 }))
    expect(given).toEqual({
      a: { active: [t2], standby: [t3], warmUp: [], awaited: [] },
      b: { active: [t1], standby: [t0], warmUp: [], awaited: [] },
      c: { active: [t0], standby: [t1], warmUp: [], awaited: [] },
      d: { active: [t3], standby: [t2], warmUp: [], awaited: [] },
    })
  })

  it('would rather keep a warm standby than a cold one (rule 8)', () => {
    const [t0, t1] = ['x_0', 'x_1'] as const
    const members = [
      member('a', { active: [t0] }),
      member('b', { standby: { [t0]: cold, [t1]: 0 } }),
      member('c', { active: [t1] }),
    ]
    const given = assign(members, [t0, t1], { standbys: 1 })
    expect([...given.values()].map(({ standby }) => standby)).toEqual([[], [t1], [t0]])
  })

  it('keeps a standby that is still cold (rule 8)', () => {
    const members = [member('a', { active: ['x_0'] }), member('b'), member('c', { standby: { x_0: cold } })]
    expect(assign(members, ['x_0'], { standbys: 1 }).get('c')?.standby).toEqual(['x_0'])
  })

  it('lets the owner so far follow while the permanent standby is cold (rule 8)', () => {
    // Each gets one standby: a has another one already, so c gets the task that moves to b.
    const [t0, t1, t2] = ['x_0', 'x_1', 'x_2'] as const
    const members = [
      member('a', { active: [t0, t1], standby: { [t2]: 0 } }),
      member('b', { standby: { [t0]: 0, [t1]: 0 } }),
      member('c', { active: [t2], standby: { [t1]: cold } }),
    ]
    const first = assign(members, [t0, t1, t2], { standbys: 1 })
    expect([...first.values()].map(({ active }) => active)).toEqual([[t0], [t1], [t2]])
    expect([...first.values()].map(({ standby }) => standby)).toEqual([[t1, t2], [t0], [t1]])
    const second = assign(warmed(carriedOut(members, first)), [t0, t1, t2], { standbys: 1 })
    expect([...second.values()].map(({ standby }) => standby.length)).toEqual([1, 1, 1])
  })

  it('keeps a warm standby until the one that replaces it is warm (rule 8)', () => {
    const tasks = tasksOf(4)
    const members: Member[] = [
      member('a', { active: tasks.slice(0, 2), standby: lags(tasks.slice(2), 0) }),
      member('b', { active: tasks.slice(2), standby: lags(tasks.slice(0, 2), 0) }),
    ]
    const joined = [...members, member('c')]
    const first = assign(joined, tasks, { standbys: 1 })
    const following = [...(first.get('a')?.standby ?? []), ...(first.get('b')?.standby ?? [])]
    expect(following.sort()).toEqual(tasks)
    expect(first.get('c')?.standby.length).toBeGreaterThan(1)
  })

  it('gives each worker as many of each sub-topology, where by the total alone each would have only one (rule 2)', () => {
    const tasks = tasksOf(4, 4)
    const members = [member('a', { active: tasksOf(4) }), member('b', { active: tasksOf(0, 4) })]
    const after = assign(warmed(carriedOut(members, assign(members, tasks))), tasks)
    expect([...after.values()].map(({ active }) => active.map((task) => task.charAt(0)).join(''))).toEqual([
      'xxyy',
      'xxyy',
    ])
  })

  describe('with members of two versions (rule 14)', () => {
    const plan = (name: string, plan: number) => ({ name, partitions: 4, plan, hash: `of ${String(plan)}` })
    const tasks = tasksOf(4, 4, 4)
    const older = [plan('x_sub', 0), plan('y_sub', 0)]
    const newer = [plan('x_sub', 0), plan('y_sub', 1), plan('z_sub', 0)]
    const counts = (placements: Placements): Record<string, string> =>
      Object.fromEntries([...placements].map(([id, { active }]) => [id, active.map((task) => task.charAt(0)).join('')]))

    it('moves what has changed to those who have the newer plan, and gives them alone what is new', () => {
      const members = [
        member('a', { active: ['x_sub_0', 'x_sub_1', 'y_sub_0', 'y_sub_1'], knows: older }),
        member('b', { active: ['x_sub_2', 'x_sub_3', 'y_sub_2', 'y_sub_3'], knows: older }),
        member('c', { knows: newer }),
      ]
      const first = assign(members, tasks)
      expect(counts(first)).toEqual({ a: 'xxyy', b: 'xxyy', c: 'zzzz' })
      const second = assign(warmed(carriedOut(members, first)), tasks)
      expect(counts(second)).toEqual({ a: 'xx', b: 'x', c: 'xyyyyzzzz' })
      expect(assign(warmed(carriedOut(warmed(carriedOut(members, first)), second)), tasks)).toEqual(second)
    })

    it('gives nothing back to the older plan when its owner leaves, until no member has the newer one', () => {
      const members = [
        member('a', { active: tasksOf(4), standby: Object.fromEntries(tasks.map((task) => [task, 0])), knows: older }),
        member('c', { active: tasksOf(0, 4, 4), leaving: true, knows: newer }),
      ]
      expect(counts(assign(members, tasks))).toEqual({ a: 'xxxx', c: 'yyyyzzzz' })
      expect(counts(assign(members.slice(0, 1), tasks))).toEqual({ a: 'xxxxyyyy' })
    })

    it('takes more upgrades of state objects for the newer version of the same plan, and a newer plan before these', () => {
      const upgraded = [{ ...plan('x_sub', 0), upgrades: 2 }]
      const own = tasksOf(4)
      const members = [
        member('a', { active: own, knows: older }),
        member('b', { standby: Object.fromEntries(own.map((task) => [task, 0])), knows: upgraded }),
        member('c', { knows: [{ ...plan('x_sub', 0), upgrades: 1 }] }),
      ]
      expect(counts(assign(members, own))).toEqual({ a: '', b: 'xxxx', c: '' })
      const last = member('d', { knows: [plan('x_sub', 1)] })
      const first = assign([...members, last], own)
      expect(counts(first)).toEqual({ a: 'xxxx', b: '', c: '', d: '' })
      expect(first.get('d')?.warmUp).toEqual(own)
    })

    it('does not believe one that owns what it does not know', () => {
      const members = [member('a', { active: tasks, knows: older }), member('c', { knows: newer })]
      expect(counts(assign(members, tasks))).toEqual({ a: 'xxxxyyyy', c: 'zzzz' })
    })

    it('takes one that does not say what it knows to know everything, in the oldest plan', () => {
      const members = [member('a', { active: tasks }), member('c', { knows: newer })]
      const after = assign(warmed(carriedOut(members, assign(members, tasks))), tasks)
      expect(counts(after)).toEqual({ a: 'xxzz', c: 'xxyyyyzz' })
    })
  })

  it('spreads the tasks of each sub-topology (rule 12)', () => {
    const tasks = tasksOf(6, 6)
    const perSub = (placements: Placements): string[] =>
      [...placements.values()].map(({ active }) => {
        const xs = active.filter((task) => task.startsWith('x')).length
        return `${String(xs)} + ${String(active.length - xs)}`
      })
    expect(perSub(assign([member('a'), member('b'), member('c')], tasks))).toEqual(['2 + 2', '2 + 2', '2 + 2'])
    const owner = [member('a', { active: tasks }), member('b'), member('c')]
    const first = assign(owner, tasks)
    expect(perSub(assign(warmed(carriedOut(owner, first)), tasks))).toEqual(['2 + 2', '2 + 2', '2 + 2'])
  })

  it("spreads the standbys of a worker's tasks, so that its death burdens all others alike (rule 8)", () => {
    const members = ['a', 'b', 'c', 'd'].map((id) => member(id))
    const tasks = tasksOf(12)
    const first = assign(members, tasks, { standbys: 1 })
    const after = assign(warmed(carriedOut(members, first)).slice(1), tasks, { standbys: 1 })
    expect(active(after)).toEqual({ b: 4, c: 4, d: 4 })
  })

  it('takes tasks in the order of their partitions, and ids of any form', () => {
    const odd = ['__proto__', 'no partition', '_', '', 'x_10', 'x_9']
    expect(assign([member('a')], odd).get('a')?.active).toEqual([...odd].sort())
    expect([...assign([member('a'), member('b')], tasksOf(11)).values()].map(({ active }) => active.length)).toEqual([
      6, 5,
    ])
  })
})
