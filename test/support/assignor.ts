/** The assignor's rules (src/core/assignor.ts), checked on any one assignment; and random groups to check them on. */
import fc from 'fast-check'
import { expect } from 'vitest'
import { DEFAULT_WARM_LAG, type Member, type Placement } from '../../src/core/assignor.js'

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
    expect(others, `rule 1: one owner of ${task}`).toEqual([])
    const following = followers.get(task) ?? []
    const [target, ...rivals] = warmUps.get(task) ?? []
    expect(following, 'an owner is not its own standby').not.toContain(owner)
    expect(new Set(following).size, 'a follower is listed once').toBe(following.length)
    expect(rivals, 'rule 5: one target').toEqual([])
    if (target !== undefined) expect(following, 'rule 5: the target follows').toContain(target)

    const claimant = claims.get(task)
    if (claimant !== undefined && owner !== claimant.memberId)
      expect(warmAt(task, owner), `rule 5: ${task} moves to a warm worker`).toBe(true)
    if (claimant === undefined) checkInheritance(task, byId.get(owner), staying.length > 0 ? staying : members)

    const least = Math.min(standbys, staying.length - 1)
    if (staying.length > 0) expect(following.length, 'rule 8: enough standbys').toBeGreaterThanOrEqual(least)
    if (standbys === 0) expect(following, 'rule 8: none without need').toEqual(target === undefined ? [] : [target])
    const copies = staying.filter(({ memberId }) => memberId !== owner && warmAt(task, memberId)).length
    const kept = following.filter((id) => warmAt(task, id) || id === claimant?.memberId).length
    expect(kept, 'rule 8: no warm standby is given up for a cold one').toBeGreaterThanOrEqual(Math.min(least, copies))
  }
  for (const { memberId, leaving } of members)
    if (leaving) {
      const placement = placements.get(memberId)
      expect(placement?.standby, 'rule 9: leaving members follow nothing').toEqual([])
      if (staying.length > 0)
        for (const task of placement?.active ?? [])
          expect(claims.get(task)?.memberId, 'rule 9: leaving members get nothing').toBe(memberId)
    }
  if (staying.length === 0)
    for (const [task, { memberId }] of claims)
      if (tasks.includes(task)) expect(owners.get(task), 'rule 9: all leave, nothing moves').toEqual([memberId])
}

function checkInheritance(task: string, heir: Member | undefined, candidates: readonly Member[]): void {
  const lags = candidates
    .map(({ standby }) => standby[task])
    .filter((one) => one !== undefined)
    .map((one) => (one < 0 ? Infinity : one))
  if (lags.length === 0) return
  const own = heir?.standby[task]
  expect(own, `rule 6: ${task} goes to one that has it`).toBeDefined()
  if (lags.some(isWarm)) expect(isWarm(own), `rule 6: ${task} goes to one that is warm`).toBe(true)
  else expect(own === -1 ? Infinity : own, `rule 6: ${task} goes to the least lag`).toBe(Math.min(...lags))
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
