/**
 * Which worker owns which task, and which follow it: a pure function that the group's leader calculates. One step of a
 * hand-off at a time: what is to be in the end (targets), and what of it can be done now.
 *
 *  1. Every task has exactly one active owner.
 *  2. Balanced: once all are warm, two staying workers differ by one task at most.
 *  3. Sticky: nothing moves when nothing changed, and no more than balance demands when something did.
 *  4. The same members give the same assignment, in whatever order they are listed.
 *  5. A task whose owner is in the group never moves to a worker that is not warm for it: that one gets it as a standby,
 *     and the owner, a leaving one too, keeps it until then.
 *  6. A task whose owner is gone goes to a warm standby (the least loaded), else to the standby with the least lag, else
 *     to the least loaded worker.
 *  7. While it warms up a task's target stays its target, as long as balance allows.
 *  8. `standbys` other workers follow each task permanently, as far as there are so many; balanced and sticky, never
 *     leaving ones. A warm-up comes on top where the target is not one of them. One that is replaced goes on until its
 *     successor is warm.
 *  9. Leaving workers get nothing new; when all leave, tasks stay where they are.
 * 10. Of two that claim a task one keeps it: a staying one rather than a leaving one.
 * 11. Given that standbys become warm in between, the second rebalance does all moves of active tasks. The third changes
 *     nothing; with permanent standbys it may still replace some of these, and the fourth changes nothing.
 * 12. The total is balanced; beyond that the tasks of each sub-topology are spread where it costs no move.
 * 13. Only standbys that are awaited have to tell the group when they become warm: warm-ups, and those for which another one
 *     goes on until then. Where nothing is awaited, a rebalance has nothing to move, and no standby too few or too many.
 */
import { compare, groupOf, type Member, type OwnedTask, type Worker } from './assignor-group.js'
import { permanentStandbysOf } from './assignor-standbys.js'
import { targetsOf } from './assignor-targets.js'

export type { Member } from './assignor-group.js'

export interface AssignorOptions {
  /** Permanent standbys of each task. Default 0: a dead worker's tasks are then restored by workers that are cold. */
  readonly standbys?: number
  /**
   * Lag in changelog records up to which a standby is warm. Default 10,000. Too low: under load no standby counts as
   * warm, and nothing moves. Too high: the task pauses during its hand-off for as long as it takes to read them.
   */
  readonly warmLag?: number
}

/** What one worker is given. All lists are sorted. */
export interface Placement {
  readonly active: readonly string[]
  readonly standby: readonly string[]
  /** Those of `standby` that move here as soon as they are warm. */
  readonly warmUp: readonly string[]
  /** Those of `standby` that let the group go on when they become warm (rule 13): a reason to rebalance, as that of others is not. */
  readonly awaited: readonly string[]
}

export const DEFAULT_WARM_LAG = 10_000

/** Every member has an entry. Throws a RangeError where there is no member. */
export function assign(
  members: readonly Member[],
  tasks: readonly string[],
  { standbys = 0, warmLag = DEFAULT_WARM_LAG }: AssignorOptions = {},
): ReadonlyMap<string, Placement> {
  if (members.length === 0) throw new RangeError('an assignment needs a member')
  const group = groupOf(members, tasks, warmLag)
  const placements = new Map<string, Draft>()
  for (const { id } of group.workers) placements.set(id, { active: [], standby: [], warmUp: [], awaited: [] })
  const put = (worker: Worker, kind: keyof Draft, task: OwnedTask): void => {
    placements.get(worker.id)?.[kind].push(task.id)
  }
  if (group.staying.length === 0) for (const task of group.tasks) put(task.owner, 'active', task)
  else {
    const targets = targetsOf(group)
    const permanent = permanentStandbysOf(group, targets, standbys)
    for (const task of group.tasks) {
      const target = targets.get(task) ?? task.owner
      const owner = isWarm(task, target) ? target : task.owner
      put(owner, 'active', task)
      const wanted = permanent.get(task) ?? NOBODY
      const following = standbysNow(task, owner, target, wanted)
      const steppingAside = [...following].some((worker) => worker !== target && !wanted.has(worker))
      for (const worker of following) {
        put(worker, 'standby', task)
        const warmsUp = worker === target
        if (warmsUp) put(worker, 'warmUp', task)
        if (warmsUp || (steppingAside && wanted.has(worker) && !isWarm(task, worker))) put(worker, 'awaited', task)
      }
    }
  }
  for (const placement of placements.values()) for (const list of Object.values(placement)) list.sort(compare)
  return placements
}

type Draft = Record<keyof Placement, string[]>
const NOBODY: ReadonlySet<Worker> = new Set()

const isWarm = (task: OwnedTask, worker: Worker): boolean =>
  task.holders.some((holder) => holder.worker === worker && holder.warm)

/** Who follows a task that `owner` has now and `target` gets. */
function standbysNow(task: OwnedTask, owner: Worker, target: Worker, permanent: ReadonlySet<Worker>): Set<Worker> {
  const following = new Set([...permanent, target])
  following.delete(owner)
  // Make before break: who is warm goes on while the one that replaces it is cold. The owner so far has all there is.
  const had = new Set([task.owner, ...task.holders.filter((holder) => holder.warm).map(({ worker }) => worker)])
  let warm = [...following].filter((worker) => had.has(worker)).length
  for (const worker of had)
    if (warm < permanent.size && !worker.leaving && worker !== owner && !following.has(worker)) {
      following.add(worker)
      warm++
    }
  return following
}
