/** The assignor over many rebalances: members join, leave and die, standbys become warm or fall behind. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { assign, type Member, type Placement } from '../../../../src/core/group/assignor.js'
import {
  anyGroup,
  anyMixedGroup,
  carriedOut,
  chance,
  checkMoved,
  checkSettled,
  checkStep,
  cold,
  knowersOf,
  knowledgeOf,
  member,
  placesOf,
  tasksOf,
  warmed,
  type Placements,
} from '../../../support/assignor.js'

type Event = 'join' | 'join with a newer plan' | 'leave' | 'die' | 'some warm' | 'all warm' | 'fall behind' | 'nothing'
const event = fc.record({
  kind: fc.constantFrom<Event>(
    'join',
    'join with a newer plan',
    'leave',
    'die',
    'some warm',
    'some warm',
    'all warm',
    'fall behind',
    'nothing',
  ),
  dice: fc.nat(1_000_000),
})

/** One sub-topology has changed, one is gone. */
const newer = knowledgeOf([[1, 0, undefined, 0, 0]], 0, [15, 15, 15, 15, 15])

function happen(members: readonly Member[], kind: Event, dice: number, at: number): Member[] {
  const victim = members[dice % members.length]
  switch (kind) {
    case 'join':
      return [...members, member(`${String(dice % 10)}-${String(at)}`)]
    case 'join with a newer plan':
      return [...members, { ...member(`n-${String(at)}`), knows: newer }]
    case 'leave':
      return members.map((one) => (one === victim ? { ...one, leaving: true } : one))
    case 'die':
      return members.length > 1 ? members.filter((one) => one !== victim) : [...members]
    case 'some warm':
      return warmed(members, (task, id) => chance(dice, task, id) < 0.5)
    case 'all warm':
      return warmed(members)
    case 'fall behind':
      return members.map((one) =>
        one === victim
          ? { ...one, standby: Object.fromEntries(Object.keys(one.standby).map((task) => [task, cold])) }
          : one,
      )
    case 'nothing':
      return [...members]
  }
}

/** Those that leave go when they have nothing left; another one comes where nobody would stay. */
const gone = (members: readonly Member[], at: number): Member[] => {
  const present = members.filter(({ leaving, active }) => !leaving || active.length > 0)
  return present.some(({ leaving }) => !leaving) ? present : [...present, member(`last-${String(at)}`)]
}

const pairs = (placements: Placements, kind: keyof Placement = 'standby'): Set<string> =>
  new Set([...placements].flatMap(([id, placement]) => placement[kind].map((task) => `${task} at ${id}`)))

/** Rebalances, everybody becoming warm in between, until nothing may change any more. */
function settle(members: readonly Member[], tasks: readonly string[], standbys: number): void {
  let present = members
  const rebalance = (): Placements => {
    const placements = assign(present, tasks, { standbys })
    checkStep(present, tasks, standbys, placements)
    present = warmed(carriedOut(present, placements))
    return placements
  }
  rebalance()
  const second = rebalance()
  checkMoved(members, tasks, second)
  const settled = standbys === 0 ? second : rebalance()
  expect(placesOf(settled, 'active'), 'rule 11: the third rebalance moves no active task').toEqual(
    placesOf(second, 'active'),
  )
  checkSettled(members, tasks, standbys, settled)
  expect(rebalance(), 'rule 11: the last rebalance changes nothing').toEqual(settled)
  const others = present.filter(({ leaving }) => !leaving)
  // Who takes the only newest plan of something along changes what the others may have (rule 14).
  if (others.length === 0 || !tasks.every((task) => knowersOf(present, task).some(({ leaving }) => !leaving))) return
  present = others
  const rest = rebalance()
  for (const { memberId } of present)
    expect(rest.get(memberId), 'rule 3: that those who leave are gone moves nothing').toEqual(settled.get(memberId))
}

describe('rebalances in sequence', () => {
  it('come to rest, from any state (rule 11)', () => {
    fc.assert(
      fc.property(fc.oneof(anyGroup, anyMixedGroup), ({ members, tasks, standbys }) => {
        fc.pre(members.some(({ leaving }) => !leaving))
        settle(members, tasks, standbys)
      }),
      { numRuns: 300 },
    )
  }, 60_000)

  it('keep the rules through joins, leaves, deaths and warm-ups, and come to rest (rules 1 to 11)', () => {
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 40 }),
        fc.array(fc.nat(14), { minLength: 1, maxLength: 5 }),
        fc.nat(2),
        (events, counts, standbys) => {
          const tasks = tasksOf(...counts)
          let members: Member[] = [member('first')]
          events.forEach(({ kind, dice }, at) => {
            members = gone(happen(members, kind, dice, at), at)
            const placements = assign(members, tasks, { standbys })
            checkStep(members, tasks, standbys, placements)
            members = gone(carriedOut(members, placements), -1)
          })
          settle(members, tasks, standbys)
        },
      ),
      { numRuns: 300 },
    )
  }, 60_000)

  it('come to rest where only what is awaited tells that it is warm (rule 13)', () => {
    fc.assert(
      fc.property(
        fc.oneof(anyGroup, anyMixedGroup),
        fc.array(fc.nat(1_000_000), { maxLength: 6 }),
        ({ members, tasks, standbys }, rounds) => {
          fc.pre(members.some(({ leaving }) => !leaving))
          let present: readonly Member[] = members
          let placements = assign(present, tasks, { standbys })
          const rebalance = (which: (task: string, id: string) => boolean): void => {
            present = warmed(carriedOut(present, placements), which)
            placements = assign(present, tasks, { standbys })
          }
          for (const dice of rounds) rebalance((task, id) => chance(dice, task, id) < 0.5)
          let rebalances = 0
          for (; placesOf(placements, 'awaited').size > 0 && rebalances < 9; rebalances++) {
            const awaited = pairs(placements, 'awaited')
            rebalance((task, id) => awaited.has(`${task} at ${id}`))
          }
          expect(rebalances).toBeLessThanOrEqual(2)
          checkSettled(present, tasks, standbys, placements)
          const next = assign(warmed(carriedOut(present, placements)), tasks, { standbys })
          expect(placesOf(next, 'active'), 'no owner changes').toEqual(placesOf(placements, 'active'))
          checkSettled(present, tasks, standbys, next)
        },
      ),
      { numRuns: 300 },
    )
  }, 60_000)

  it('keep their targets while standbys become warm one after the other: nothing flaps (rule 7)', () => {
    fc.assert(
      fc.property(
        fc.oneof(anyGroup, anyMixedGroup),
        fc.array(fc.nat(1_000_000), { maxLength: 8 }),
        ({ members, tasks }, rounds) => {
          const first = assign(members, tasks)
          const planned = pairs(first)
          const owners = placesOf(first, 'active')
          const targets = new Map([...owners, ...placesOf(first, 'warmUp')])
          let present = carriedOut(members, first)
          let before = planned
          for (const dice of rounds) {
            present = warmed(present, (task, id) => chance(dice, task, id) < 0.3)
            const placements = assign(present, tasks)
            const now = pairs(placements)
            expect(
              [...now].filter((pair) => !before.has(pair)),
              'no new warm-ups',
            ).toEqual([])
            const elsewhere = [...placesOf(placements, 'active')].filter(
              ([task, [owner]]) => owner !== owners.get(task)?.[0] && owner !== targets.get(task)?.[0],
            )
            expect(elsewhere, 'tasks move to their targets alone').toEqual([])
            present = carriedOut(present, placements)
            before = now
          }
        },
      ),
      { numRuns: 300 },
    )
  }, 60_000)

  it('take groups of 1,000 workers and 10,000 tasks (rules 1 to 11)', () => {
    const tasks = tasksOf(10_000)
    const ids = (from: number, to: number): Member[] =>
      Array.from({ length: to - from }, (_, i) => member(`m${String(from + i)}`))
    let members = ids(0, 1000)
    const rebalance = (): Placements => {
      const placements = assign(members, tasks, { standbys: 1 })
      members = warmed(carriedOut(members, placements))
      return placements
    }
    rebalance()
    members = [...members.slice(300), ...ids(1000, 1500)]
    rebalance()
    rebalance()
    const third = rebalance()
    expect(rebalance()).toEqual(third)
    const sizes = [...third.values()].flatMap(({ active, standby }) => [active.length, standby.length])
    expect([Math.min(...sizes), Math.max(...sizes)]).toEqual([8, 9])
  }, 60_000)
})
