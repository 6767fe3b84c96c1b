/** What an assignment changes, and why: for the line that is logged for each hand-off. */
import { claimsOf, type Member } from './assignor-group.js'
import type { Placement } from './assignor.js'

/** `owner gone`: nobody in the group claims the task, as when the group starts. */
export type MoveReason = 'balance' | 'owner leaves' | 'owner gone'

export interface Move {
  readonly task: string
  /** Member id of the owner so far; '' where it is gone. */
  readonly from: string
  readonly to: string
  readonly reason: MoveReason
  /** It moves later: `to` starts to warm up now. */
  readonly warmUp: boolean
}

/** From what the members said to what they are given. Warm-ups that are under way already are not listed again. */
export function moves(
  members: readonly Member[],
  placements: ReadonlyMap<string, Pick<Placement, 'active' | 'warmUp'>>,
): readonly Move[] {
  const claims = claimsOf(members)
  const byId = new Map(members.map((member) => [member.memberId, member]))
  const move = (task: string, to: string, warmUp: boolean): Move => {
    const owner = byId.get(claims.get(task) ?? '')
    const reason = owner === undefined ? 'owner gone' : owner.leaving ? 'owner leaves' : 'balance'
    return { task, from: owner?.memberId ?? '', to, reason, warmUp }
  }
  return [...placements].flatMap(([to, { active, warmUp }]) => [
    ...active.filter((task) => claims.get(task) !== to).map((task) => move(task, to, false)),
    ...warmUp.filter((task) => !isOwn(byId.get(to)?.standby, task)).map((task) => move(task, to, true)),
  ])
}

const isOwn = (standby: Member['standby'] | undefined, task: string): boolean =>
  standby !== undefined && Object.hasOwn(standby, task)
