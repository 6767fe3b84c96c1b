/**
 * What leaders of groups assign, looked at where members of several versions are among them (rule 14 of core/group/assignor.ts):
 * nobody gets a task of which somebody else has a newer version, but who has it already. Written down once more, in other words.
 */
import { decodeAssignment, decodeSubscription, type WorkerInfo } from '../../src/core/group/group-metadata.js'
import type { AssignedMember } from '../../src/memory/groups.js'

/** The problems with what the members of a generation are given. */
export function checkAssigned(members: readonly AssignedMember[]): string[] {
  const said = members.flatMap(({ memberId, metadata, assignment }) => {
    const [info, given] = [decodeSubscription(metadata), decodeAssignment(assignment)]
    return info === undefined || given === undefined ? [] : [{ memberId, info, given }]
  })
  return said.flatMap(({ memberId, info, given }) =>
    given.active.flatMap((task) => {
      if (info.active.includes(task)) return []
      const own = versionOf(info, task)
      const better = said.find((other) => isNewer(versionOf(other.info, task), own))
      return better === undefined
        ? []
        : [`assigned: ${task} goes to ${memberId}, and ${better.memberId} has a newer version of it`]
    }),
  )
}

type Version = readonly [plan: number, upgrades: number]

function versionOf({ knows = [] }: WorkerInfo, task: string): Version | undefined {
  const known = knows.find(({ name }) => name === task.slice(0, task.lastIndexOf('_')))
  return known && [known.plan, known.upgrades ?? 0]
}

function isNewer(one: Version | undefined, other: Version | undefined): boolean {
  if (one === undefined) return false
  if (other === undefined) return true
  return one[0] === other[0] ? one[1] > other[1] : one[0] > other[0]
}
