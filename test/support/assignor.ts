/** The assignor's rules (src/core/group/assignor.ts), checked on any one assignment; and random groups to check them on. */
import fc from 'fast-check'
import { expect } from 'vitest'
import { DEFAULT_WARM_LAG, type KnownSubTopology, type Member, type Placement } from '../../src/core/group/assignor.js'

export type Placements = ReadonlyMap<string, Placement>

export const tasksOf = (...counts: number[]): string[] =>
  counts.flatMap((count, sub) =>
    Array.from({ length: count }, (_, partition) => `${'xyzuv'.charAt(sub)}_sub_${String(partition)}`),
  )
export const member = (memberId: string, rest: Partial<Omit<Member, 'memberId'>> = {}): Member => ({
  memberId,
  active: [],
  standby: {},
  leaving: false,
  ...rest,
})
export const cold = DEFAULT_WARM_LAG + 1
export const isWarm = (lag: number | undefined): boolean => lag !== undefined && lag >= 0 && lag <= DEFAULT_WARM_LAG

const lag = fc.constantFrom(0, DEFAULT_WARM_LAG, cold, cold * 2, -1, Infinity)
/** Up to five sub-topologies. */
const anyCounts = fc.array(fc.nat(15), { minLength: 1, maxLength: 5 })
const someTask = (counts: readonly number[]) =>
  fc.tuple(fc.nat(counts.length - 1), fc.nat(15)).map(([sub, partition]) => {
    const size = Math.min(counts[sub] ?? 0, partition + 1) || partition + 1
    return tasksOf(...counts.map((_, i) => (i === sub ? size : 0))).at(-1) ?? ''
  })

/**
 * What versions of an application know: which version of each sub-topology, the oldest being 0, or not the sub-topology. Every
 * other one has the plan of the one before, and an upgrade more.
 */
export type Versions = readonly (readonly (number | undefined)[])[]
const anyVersions: fc.Arbitrary<Versions> = fc.array(
  fc.array(fc.option(fc.nat(3), { nil: undefined, freq: 8 }), { minLength: 5, maxLength: 5 }),
  { minLength: 3, maxLength: 3 },
)
export const knowledgeOf = (
  versions: Versions,
  version: number,
  counts: readonly number[],
): readonly KnownSubTopology[] | undefined =>
  versions[version]?.flatMap((which, sub) => {
    if (which === undefined) return []
    const [plan, upgrades] = [Math.floor(which / 2), which % 2]
    const known = {
      name: `${'xyzuv'.charAt(sub)}_sub`,
      partitions: counts[sub] ?? 0,
      plan,
      hash: `of plan ${String(plan)}`,
    }
    return [upgrades === 0 ? known : { ...known, upgrades }]
  })

const groupsOf = (anyVersion: fc.Arbitrary<number>, most: number) =>
  fc.tuple(anyCounts, anyVersions).chain(([counts, versions]) =>
    fc.record({
      members: fc.uniqueArray(
        fc
          .record({
            memberId: fc.string({ minLength: 1, maxLength: 3 }),
            active: fc.array(someTask(counts), { maxLength: 12 }),
            standby: fc.dictionary(someTask(counts), lag, { maxKeys: 12 }),
            leaving: fc.boolean(),
            version: anyVersion,
          })
          .map(({ version, ...one }) => {
            const knows = knowledgeOf(versions, version, counts)
            return knows === undefined ? one : { ...one, knows }
          }),
        { minLength: 1, maxLength: most, selector: ({ memberId }) => memberId },
      ),
      tasks: fc.constant(tasksOf(...counts)),
      standbys: fc.nat(3),
    }),
  )
/** Groups in any state: with claims that contradict each other, tasks that don't exist, leaving members, all of it. */
export const anyGroup = groupsOf(fc.constant(Infinity), 12)
/** As above, with members that know different things: some do not say what. */
export const anyMixedGroup = groupsOf(fc.constantFrom(0, 0, 1, 1, 2, Infinity), 12)

export const subOf = (task: string): string => task.slice(0, task.lastIndexOf('_'))
/** Which version of a task's sub-topology a member has (rule 14), the oldest being 0. */
export const planAt = ({ knows }: Member, task: string): number | undefined => {
  if (knows === undefined) return 0
  const known = knows.find(({ name }) => name === subOf(task))
  return known && 2 * known.plan + (known.upgrades ?? 0)
}
/** Those who have the newest. */
export function knowersOf(members: readonly Member[], task: string): readonly Member[] {
  const newest = Math.max(...members.flatMap((one) => planAt(one, task) ?? []))
  return members.filter((one) => planAt(one, task) === newest)
}
const stayingOf = (members: readonly Member[]): readonly Member[] => members.filter(({ leaving }) => !leaving)
/** Tasks that have somewhere to go. */
const movable = (members: readonly Member[], tasks: readonly string[]): readonly string[] =>
  tasks.filter((task) => stayingOf(knowersOf(members, task)).length > 0)

/** Who claims what, by rule 10. */
export function claimants(members: readonly Member[]): ReadonlyMap<string, Member> {
  const claims = new Map<string, Member>()
  for (const one of [...members].sort((a, b) => (a.memberId < b.memberId ? 1 : -1)))
    for (const task of one.active) if (!one.leaving || claims.get(task)?.leaving !== false) claims.set(task, one)
  for (const [task, one] of claims) if (planAt(one, task) === undefined) claims.delete(task)
  return claims
}

export const placesOf = (placements: Placements, kind: keyof Placement): Map<string, string[]> => {
  const places = new Map<string, string[]>()
  for (const [memberId, placement] of placements)
    for (const task of placement[kind]) places.set(task, [...(places.get(task) ?? []), memberId])
  return places
}

/** What holds of every assignment, whatever the state it starts from. */
export function checkStep(
  members: readonly Member[],
  tasks: readonly string[],
  standbys: number,
  placements: Placements,
): void {
  const byId = new Map(members.map((one) => [one.memberId, one]))
  const claims = claimants(members)
  const known = tasks.filter((task) => knowersOf(members, task).length > 0)
  const [owners, followers, warmUps] = [
    placesOf(placements, 'active'),
    placesOf(placements, 'standby'),
    placesOf(placements, 'warmUp'),
  ]
  const warmAt = (task: string, id: string): boolean => isWarm(byId.get(id)?.standby[task])

  expect([...placements.keys()].sort(), 'every member has an entry').toEqual([...byId.keys()].sort())
  expect([...owners.keys()].sort(), 'rules 1, 14: every task that somebody knows has an owner').toEqual(
    [...known].sort(),
  )
  for (const task of known) {
    const knowers = knowersOf(members, task)
    const staying = stayingOf(knowers)
    const [owner = '', ...others] = owners.get(task) ?? []
    const following = followers.get(task) ?? []
    const [target, ...rivals] = warmUps.get(task) ?? []
    hold(others.length === 0, `rule 1: one owner of ${task}`)
    hold(!following.includes(owner), `an owner of ${task} is not its standby`)
    hold(new Set(following).size === following.length, 'a follower is listed once')
    hold(rivals.length === 0, 'rule 5: one target')
    hold(target === undefined || following.includes(target), 'rule 5: the target follows')

    const claimant = claims.get(task)
    const heir = byId.get(owner)
    hold(heir === claimant || (heir !== undefined && knowers.includes(heir)), `rule 14: the owner of ${task} knows it`)
    for (const id of following)
      hold(
        staying.some(({ memberId }) => memberId === id),
        'rules 9, 14: followers know, and stay',
      )
    if (claimant === undefined) checkInheritance(task, heir, staying.length > 0 ? staying : knowers)
    else hold(owner === claimant.memberId || warmAt(task, owner), `rule 5: ${task} moves to a warm worker`)

    const least = Math.max(0, Math.min(standbys, staying.length - 1))
    hold(following.length >= least, 'rule 8: enough standbys')
    if (standbys === 0) hold(following.length === (target === undefined ? 0 : 1), 'rule 8: none without need')
    const copies = staying.filter(
      (one) => one.memberId !== owner && (one === claimant || warmAt(task, one.memberId)),
    ).length
    const kept = following.filter((id) => warmAt(task, id) || id === claimant?.memberId).length
    hold(kept >= Math.min(least, copies), 'rule 8: no warm standby is given up for a cold one')
  }
  for (const { memberId, leaving } of members)
    if (leaving) {
      const placement = placements.get(memberId)
      hold(placement?.standby.length === 0, 'rule 9: leaving members follow nothing')
      for (const task of movable(members, placement?.active ?? []))
        hold(claims.get(task)?.memberId === memberId, 'rule 9: leaving members get nothing')
    }
  for (const task of known)
    if (stayingOf(knowersOf(members, task)).length === 0 && claims.has(task))
      hold(owners.get(task)?.[0] === claims.get(task)?.memberId, 'rule 9: all leave, nothing moves')
}

/** As `expect`, but cheap enough for millions of them. */
function hold(condition: boolean, what: string): void {
  if (!condition) throw new Error(`it does not hold: ${what}`)
}

function checkInheritance(task: string, heir: Member | undefined, candidates: readonly Member[]): void {
  const lags = candidates.flatMap(({ standby }) => standby[task] ?? []).map((lag) => (lag < 0 ? Infinity : lag))
  if (lags.length === 0) return
  const said = heir?.standby[task]
  hold(said !== undefined, `rule 6: ${task} goes to one that has it`)
  const own = said === -1 ? Infinity : said
  if (lags.some(isWarm)) hold(isWarm(own), `rule 6: ${task} goes to one that is warm`)
  else hold(own === Math.min(...lags), `rule 6: ${task} goes to the least lag`)
}

/** What holds once all active tasks have moved. */
export function checkMoved(members: readonly Member[], tasks: readonly string[], placements: Placements): void {
  expect(placesOf(placements, 'warmUp').size, 'no warm-up').toBe(0)
  checkBalance(members, tasks, placements)
}

/** Rules 2 and 14. */
function checkBalance(members: readonly Member[], tasks: readonly string[], placements: Placements): void {
  const owners = placesOf(placements, 'active')
  const subs = subTopologiesOf(members, movable(members, tasks))
  for (const { tasks, staying } of subs) {
    const sizes = staying.map(({ memberId }) => tasks.filter((task) => owners.get(task)?.[0] === memberId).length)
    hold(sizes.reduce((sum, size) => sum + size, 0) === tasks.length, 'rule 14: the tasks are at those who know them')
    hold(Math.max(...sizes) - Math.min(...sizes) <= 1, 'rule 2: each sub-topology is balanced')
  }
  const common = subs.reduce((product, { staying }) => product * staying.length, 1)
  const moved = new Set(movable(members, tasks))
  for (const one of stayingOf(members)) {
    const share = subs.reduce(
      (sum, { tasks, staying }) => sum + (staying.includes(one) ? (tasks.length * common) / staying.length : 0),
      0,
    )
    const size = (placements.get(one.memberId)?.active ?? []).filter((task) => moved.has(task)).length
    hold(
      size >= Math.floor(share / common) && size <= Math.ceil(share / common),
      `rule 2: the total of ${one.memberId} is balanced`,
    )
  }
}

interface SubTopologyInGroup {
  readonly tasks: readonly string[]
  readonly staying: readonly Member[]
}
function subTopologiesOf(members: readonly Member[], tasks: readonly string[]): readonly SubTopologyInGroup[] {
  return [...new Set(tasks.map(subOf))].map((name) => {
    const own = tasks.filter((task) => subOf(task) === name)
    return { tasks: own, staying: stayingOf(knowersOf(members, own[0] ?? '')) }
  })
}

/** How many tasks have to move at least, by trying all ways of sharing out what can't be shared evenly (rule 3). */
export function fewestMoves(members: readonly Member[], tasks: readonly string[]): number {
  const claims = claimants(members)
  const subs = subTopologiesOf(members, movable(members, tasks))
  const common = subs.reduce((product, { staying }) => product * staying.length, 1)
  const staying = stayingOf(members)
  const shares = staying.map((one) =>
    subs.reduce(
      (sum, sub) => sum + (sub.staying.includes(one) ? (sub.tasks.length * common) / sub.staying.length : 0),
      0,
    ),
  )
  /** By how many each one has, of the sub-topologies so far: the most that can stay. */
  let best = new Map<string, { readonly sizes: readonly number[]; readonly kept: number }>([
    ['', { sizes: staying.map(() => 0), kept: 0 }],
  ])
  for (const { tasks: own, staying: able } of subs) {
    const whole = Math.floor(own.length / able.length)
    const next: typeof best = new Map()
    for (const larger of choices(able, own.length % able.length))
      for (const { sizes, kept } of best.values()) {
        const given = staying.map((one) => (able.includes(one) ? whole + (larger.includes(one) ? 1 : 0) : 0))
        const stay = staying.map((one, i) =>
          Math.min(given[i] ?? 0, own.filter((task) => claims.get(task) === one).length),
        )
        const now = {
          sizes: sizes.map((size, i) => size + (given[i] ?? 0)),
          kept: stay.reduce((sum, count) => sum + count, kept),
        }
        const key = now.sizes.join()
        if ((next.get(key)?.kept ?? -1) < now.kept) next.set(key, now)
      }
    best = next
  }
  const allowed = [...best.values()].filter(({ sizes }) =>
    sizes.every((size, i) => Math.abs(size * common - (shares[i] ?? 0)) < common),
  )
  return subs.reduce((sum, sub) => sum + sub.tasks.length, 0) - Math.max(...allowed.map(({ kept }) => kept))
}

function choices<T>(things: readonly T[], count: number): readonly (readonly T[])[] {
  const [first, ...rest] = things
  if (count === 0) return [[]]
  if (first === undefined) return []
  return [...choices(rest, count - 1).map((others) => [first, ...others]), ...choices(rest, count)]
}

/** What holds once nothing changes any more. */
export function checkSettled(
  members: readonly Member[],
  tasks: readonly string[],
  standbys: number,
  placements: Placements,
): void {
  checkMoved(members, tasks, placements)
  const followers = placesOf(placements, 'standby')
  for (const { tasks: own, staying } of subTopologiesOf(members, movable(members, tasks)))
    for (const task of own)
      expect(followers.get(task)?.length ?? 0, 'rule 8: as many standbys as asked for').toBe(
        Math.min(standbys, staying.length - 1),
      )
  // Where some know more than others, those have more of them.
  if (members.every(({ knows }) => knows === undefined)) {
    const sizes = stayingOf(members).map(({ memberId }) => placements.get(memberId)?.standby.length ?? 0)
    expect(Math.max(...sizes) - Math.min(...sizes), 'rule 8: standbys balanced').toBeLessThanOrEqual(1)
  }
}

/** What the members say the next time: lags of new standbys are unknown, an owner that became a standby is warm. */
export function carriedOut(members: readonly Member[], placements: Placements): Member[] {
  return members.map((one) => {
    const { memberId, active, standby } = one
    const given = placements.get(memberId)
    const lags = (given?.standby ?? []).map(
      (task) => [task, active.includes(task) ? 0 : (standby[task] ?? -1)] as const,
    )
    return { ...one, active: given?.active ?? [], standby: Object.fromEntries(lags) }
  })
}

/** Time passes, and the standbys for which `which` holds have become warm. */
export const warmed = (
  members: readonly Member[],
  which: (task: string, id: string) => boolean = () => true,
): Member[] =>
  members.map((one) => ({
    ...one,
    standby: Object.fromEntries(
      Object.entries(one.standby).map(([task, before]) => [task, which(task, one.memberId) ? 0 : before]),
    ),
  }))

/** A chance that depends on what it is asked of alone. */
export const chance = (dice: number, ...of: string[]): number => {
  let hash = dice
  for (const char of of.join('/')) hash = (Math.imul(hash, 31) + char.charCodeAt(0)) >>> 0
  return (Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 0) / 2 ** 32
}
