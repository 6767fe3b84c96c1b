/** The assignor's rules (src/core/group/assignor.ts), checked on any one assignment; and random groups to check them on. */
import fc from 'fast-check'
import { expect } from 'vitest'
import { DEFAULT_WARM_LAG, type Member, type Placement } from '../../src/core/group/assignor.js'

export type Placements = ReadonlyMap<string, Placement>

export const tasksOf = (...counts: number[]): string[] =>
  counts.flatMap((count, sub) =>
    Array.from({ length: count }, (_, partition) => `${'xyz'.charAt(sub)}_sub_${String(partition)}`),
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

const someTask = fc.nat(24).map((i) => tasksOf(15, 10)[i] ?? '')
const lag = fc.constantFrom(0, DEFAULT_WARM_LAG, cold, cold * 2, -1, Infinity)
/** Groups in any state: with claims that contradict each other, tasks that don't exist, leaving members, all of it. */
export const anyGroup = fc.record({
  members: fc.uniqueArray(
    fc.record({
      memberId: fc.string({ minLength: 1, maxLength: 3 }),
      active: fc.array(someTask, { maxLength: 12 }),
      standby: fc.dictionary(someTask, lag, { maxKeys: 12 }),
      leaving: fc.boolean(),
    }),
    { minLength: 1, maxLength: 7, selector: ({ memberId }) => memberId },
  ),
  tasks: fc.tuple(fc.nat(15), fc.nat(10)).map((counts) => tasksOf(...counts)),
  standbys: fc.nat(3),
})

/** Who claims what, by rule 10. */
export function claimants(members: readonly Member[]): ReadonlyMap<string, Member> {
  const claims = new Map<string, Member>()
  for (const one of [...members].sort((a, b) => (a.memberId < b.memberId ? 1 : -1)))
    for (const task of one.active) if (!one.leaving || claims.get(task)?.leaving !== false) claims.set(task, one)
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
  const staying = members.filter(({ leaving }) => !leaving)
  const claims = claimants(members)
  const [owners, followers, warmUps] = [
    placesOf(placements, 'active'),
    placesOf(placements, 'standby'),
    placesOf(placements, 'warmUp'),
  ]
  const warmAt = (task: string, id: string): boolean => isWarm(byId.get(id)?.standby[task])

  expect([...placements.keys()].sort(), 'every member has an entry').toEqual([...byId.keys()].sort())
  expect([...owners.keys()].sort(), 'rule 1: every task has an owner').toEqual([...tasks].sort())
  for (const task of tasks) {
    const [owner = '', ...others] = owners.get(task) ?? []
    const following = followers.get(task) ?? []
    const [target, ...rivals] = warmUps.get(task) ?? []
    hold(others.length === 0, `rule 1: one owner of ${task}`)
    hold(!following.includes(owner), `an owner of ${task} is not its standby`)
    hold(new Set(following).size === following.length, 'a follower is listed once')
    hold(rivals.length === 0, 'rule 5: one target')
    hold(target === undefined || following.includes(target), 'rule 5: the target follows')

    const claimant = claims.get(task)
    if (claimant === undefined) checkInheritance(task, byId.get(owner), staying.length > 0 ? staying : members)
    else hold(owner === claimant.memberId || warmAt(task, owner), `rule 5: ${task} moves to a warm worker`)

    const least = Math.min(standbys, staying.length - 1)
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
      if (staying.length > 0)
        for (const task of placement?.active ?? [])
          hold(claims.get(task)?.memberId === memberId, 'rule 9: leaving members get nothing')
    }
  if (staying.length === 0)
    for (const task of tasks)
      if (claims.has(task))
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

/** What holds once all active tasks have moved (with at least one member that stays). */
export function checkMoved(members: readonly Member[], placements: Placements): void {
  expect(spread(members, placements, 'active'), 'rule 2: balanced').toBeLessThanOrEqual(1)
  expect(placesOf(placements, 'warmUp').size, 'no warm-up').toBe(0)
  for (const { memberId, leaving } of members)
    if (leaving) expect(placements.get(memberId)?.active, 'leaving members are rid of their tasks').toEqual([])
}

/** What holds once nothing changes any more. */
export function checkSettled(
  members: readonly Member[],
  tasks: readonly string[],
  standbys: number,
  placements: Placements,
): void {
  checkMoved(members, placements)
  expect(spread(members, placements, 'standby'), 'rule 8: standbys balanced').toBeLessThanOrEqual(1)
  const followers = placesOf(placements, 'standby')
  const each = Math.min(standbys, members.filter(({ leaving }) => !leaving).length - 1)
  for (const task of tasks) expect(followers.get(task)?.length ?? 0, 'rule 8: as many standbys as asked for').toBe(each)
}

function spread(members: readonly Member[], placements: Placements, kind: keyof Placement): number {
  const staying = members.filter(({ leaving }) => !leaving)
  const sizes = staying.map(({ memberId }) => placements.get(memberId)?.[kind].length ?? 0)
  return Math.max(...sizes) - Math.min(...sizes)
}

/** What the members say the next time: lags of new standbys are unknown, an owner that became a standby is warm. */
export function carriedOut(members: readonly Member[], placements: Placements): Member[] {
  return members.map(({ memberId, active, standby, leaving }) => {
    const given = placements.get(memberId)
    const lags = (given?.standby ?? []).map(
      (task) => [task, active.includes(task) ? 0 : (standby[task] ?? -1)] as const,
    )
    return { memberId, active: given?.active ?? [], standby: Object.fromEntries(lags), leaving }
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
