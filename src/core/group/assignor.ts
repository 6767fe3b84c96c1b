/**
 * Which worker owns which task, and which follow it: a pure function that the group's leader calculates. One step of a
 * hand-off at a time: what is to be in the end (targets), and what of it can be done now.
 *
 *  1. Every task that somebody knows (rule 14) has exactly one active owner.
 *  2. Balanced: once all are warm, two staying workers differ by one task at most, of each sub-topology and in total. Where
 *     some know more than others: of each sub-topology those who know it, and in total nobody is further than one task from
 *     the sum of its shares (assignor-shares.ts).
 *  3. Sticky: nothing moves when nothing changed, and no more than balance demands when something did.
 *  4. The same members give the same assignment, in whatever order they are listed.
 *  5. A task whose owner is in the group never moves to a worker that is not warm for it: that one gets it as a standby,
 *     and the owner, a leaving one too, keeps it until then.
 *  6. A task whose owner is gone goes to a warm standby (the least loaded), else to the standby with the least lag, else
 *     to the worker that it is dealt to (rule 12).
 *  7. While it warms up a task's target stays its target, as long as balance allows.
 *  8. `standbys` other workers follow each task permanently, as far as there are so many; balanced and sticky, never
 *     leaving ones. A warm-up comes on top where the target is not one of them. One that is replaced goes on until its
 *     successor is warm.
 *  9. Leaving workers get nothing new; when all leave, tasks stay where they are.
 * 10. Of two that claim a task one keeps it: a staying one rather than a leaving one.
 * 11. Given that standbys become warm in between, the second rebalance does all moves of active tasks. The third changes
 *     nothing; with permanent standbys it may still replace some of these, and the fourth changes nothing.
 * 12. What has neither an owner nor a standby is dealt out like cards: to those with the fewest of the sub-topology, and of
 *     these to who has the fewest of all. So a group that starts is balanced at once.
 * 13. Only standbys that are awaited have to tell the group when they become warm: warm-ups, and those for which another one
 *     goes on until then. Where nothing is awaited, a rebalance has nothing to move, and no standby too few or too many.
 * 14. A task goes only to a worker that knows its sub-topology, in the newest version that any member has, be that one
 *     leaving: the newest plan, and of these the most upgrades of state objects. Who owns it in an older version keeps it
 *     until one of these is warm, and then never gets it back while one of them is there. Where all of these leave, rule 9
 *     holds for it. A worker that does not say what it knows is taken to know everything, each sub-topology in its oldest
 *     plan, without upgrades.
 */
import { ableOf, compare, groupOf, type Member, type OwnedTask, type Worker } from './assignor-group.js'
import { permanentStandbysOf } from './assignor-standbys.js'
import { targetsOf } from './assignor-targets.js'

export type { KnownSubTopology, Member } from './assignor-group.js'

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
  const targets = targetsOf(group)
  const permanent = permanentStandbysOf(group, targets, standbys)
  for (const task of group.tasks) {
    const target = targets.get(task)
    if (target === undefined) {
      put(task.owner, 'active', task)
      continue
    }
    const owner = isWarm(task, target) ? target : task.owner
    put(owner, 'active', task)
    const wanted = permanent.get(task) ?? NOBODY
    const following = standbysNow(task, owner, target, wanted, ableOf(group, task))
    const steppingAside = [...following].some((worker) => worker !== target && !wanted.has(worker))
    for (const worker of following) {
      put(worker, 'standby', task)
      const warmsUp = worker === target
      if (warmsUp) put(worker, 'warmUp', task)
      if (warmsUp || (steppingAside && wanted.has(worker) && !isWarm(task, worker))) put(worker, 'awaited', task)
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
function standbysNow(
  task: OwnedTask,
  owner: Worker,
  target: Worker,
  permanent: ReadonlySet<Worker>,
  able: readonly Worker[],
): Set<Worker> {
  const following = new Set([...permanent, target])
  following.delete(owner)
  // Make before break: who is warm goes on while the one that replaces it is cold. The owner so far has all there is.
  const had = new Set([task.owner, ...task.holders.filter((holder) => holder.warm).map(({ worker }) => worker)])
  let warm = [...following].filter((worker) => had.has(worker)).length
  for (const worker of had)
    if (warm < permanent.size && able.includes(worker) && worker !== owner && !following.has(worker)) {
      following.add(worker)
      warm++
    }
  return following
}
