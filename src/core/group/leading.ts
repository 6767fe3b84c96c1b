/**
 * What the leader of a group gives to each member, by what all of them say of themselves. All of it becomes one record in
 * Kafka, so nobody is told more than it needs: of the others those that it watches, and those that it copies from.
 */
import { taskIdOf } from './assignor-group.js'
import { moves } from './assignor-moves.js'
import { assign, type AssignorOptions, type Member } from './assignor.js'
import type { Arrival, Peer, TaskAssignment, WorkerInfo } from './group-metadata.js'
import { neighboursOf } from './neighbours.js'

export interface Joiner {
  readonly memberId: string
  /** Undefined where it says what this version does not understand. */
  readonly info: WorkerInfo | undefined
}

/**
 * `tasks`: those of the leader's own version of the application, which members that do not say what they know are taken to
 * know. Throws a RangeError where there is no member.
 */
export function assignmentsOf(
  joiners: readonly Joiner[],
  tasks: readonly string[],
  options: AssignorOptions,
): ReadonlyMap<string, TaskAssignment> {
  const members: Member[] = joiners.map(({ memberId, info }) => ({
    memberId,
    active: info?.active ?? [],
    standby: info?.standby ?? {},
    leaving: info?.leaving ?? false,
    knows: info?.knows,
  }))
  const placements = assign(members, tasksKnownTo(members, tasks), options)
  const neighbours = neighboursOf(members.map(({ memberId }) => memberId))
  const owners = new Map([...placements].flatMap(([id, { active }]) => active.map((task) => [task, id] as const)))
  const had = new Map(
    members.map(({ memberId, active, standby }) => [memberId, new Set([...active, ...Object.keys(standby)])]),
  )
  const addresses = new Map(joiners.map(({ memberId, info }) => [memberId, info?.address]))
  const arrivals = new Map<string, Arrival[]>(members.map(({ memberId }) => [memberId, []]))
  for (const { task, from, to, reason, warmUp } of moves(members, placements))
    if (!warmUp) arrivals.get(to)?.push({ task, from, reason })
  const everybodyLeaves = members.every(({ leaving }) => leaving)

  /** Whom a new standby may copy the store from: its owner, unless that has none yet, either. */
  const sourceOf = (task: string, follower: string): string => {
    const owner = owners.get(task) ?? ''
    return had.get(follower)?.has(task) === true || had.get(owner)?.has(task) !== true ? '' : owner
  }
  const assignmentOf = (memberId: string): TaskAssignment => {
    const { active = [], standby = [], awaited = [] } = placements.get(memberId) ?? {}
    const waitedFor = new Set(awaited)
    const follows = standby.map((task) => ({
      task,
      owner: sourceOf(task, memberId),
      ...(waitedFor.has(task) ? {} : ({ awaited: false } as const)),
    }))
    const known = new Set([...(neighbours.get(memberId) ?? []), ...follows.map(({ owner }) => owner)])
    const peers = [...known].flatMap((id): readonly Peer[] => {
      const address = addresses.get(id)
      return address === undefined ? [] : [{ memberId: id, address }]
    })
    return {
      v: 1,
      active,
      standby: follows,
      peers,
      everybodyLeaves,
      arrivals: arrivals.get(memberId) ?? [],
    }
  }
  return new Map([...placements.keys()].map((memberId) => [memberId, assignmentOf(memberId)]))
}

/** Also what the leader does not know itself: else it would stand still for as long as an older version leads. */
export function tasksKnownTo(members: readonly Member[], tasks: readonly string[]): readonly string[] {
  const own = members.some(({ knows }) => knows === undefined) ? tasks : []
  const known = new Map<string, number>()
  for (const { name, partitions } of members.flatMap(({ knows = [] }) => knows))
    known.set(name, Math.max(partitions, known.get(name) ?? 0))
  const others = [...known].flatMap(([name, count]) =>
    Array.from({ length: count }, (_, partition) => taskIdOf(name, partition)),
  )
  return [...new Set([...own, ...others])]
}
