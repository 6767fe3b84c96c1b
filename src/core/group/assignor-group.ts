/** What the members of a group say, turned into what the assignor asks: who owns a task now, who has it already. */

export interface Member {
  readonly memberId: string
  /** Tasks that it owns now, as it says. */
  readonly active: readonly string[]
  /**
   * Tasks whose changelog it follows (or whose store it has), each with its lag in changelog records; -1 or Infinity:
   * not known, which counts as cold.
   */
  readonly standby: Readonly<Record<string, number>>
  /** It stops, and wants to give everything away. */
  readonly leaving: boolean
}

export interface Worker {
  readonly id: string
  readonly leaving: boolean
}
export interface Holder {
  readonly worker: Worker
  readonly lag: number
  readonly warm: boolean
}
export interface OwnedTask {
  readonly id: string
  readonly subTopology: string
  readonly owner: Worker
  /** Those that have it as a standby, the owner not among them: the warm first, then by lag. */
  readonly holders: readonly Holder[]
}
export interface Group {
  /** In the order of their ids, as everything here: the order in which members are listed decides nothing (rule 4). */
  readonly workers: readonly Worker[]
  /** Those that get tasks: not leaving ones. */
  readonly staying: readonly Worker[]
  /** By sub-topology, then partition. */
  readonly tasks: readonly OwnedTask[]
}

export function groupOf(members: readonly Member[], taskIds: readonly string[], warmLag: number): Group {
  const listed = [...members]
    .sort((a, b) => compare(a.memberId, b.memberId))
    .map((member) => ({ member, worker: { id: member.memberId, leaving: member.leaving } }))
  const workers = listed.map(({ worker }) => worker)
  const staying = workers.filter(({ leaving }) => !leaving)
  const claims = claimsOf(members)
  const byId = new Map(workers.map((worker) => [worker.id, worker]))
  const holders = new Map<string, Holder[]>()
  for (const { member, worker } of listed)
    for (const [task, lag] of Object.entries(member.standby)) {
      const holder = { worker, lag: lag >= 0 ? lag : Infinity, warm: lag >= 0 && lag <= warmLag }
      const others = holders.get(task)
      if (others === undefined) holders.set(task, [holder])
      else others.push(holder)
    }

  const load = new Map(workers.map((worker) => [worker, 0]))
  const tasks = inOrder(taskIds).map(({ id, subTopology }) => {
    const owner = byId.get(claims.get(id) ?? '')
    if (owner !== undefined) raise(load, owner)
    const others = (holders.get(id) ?? []).filter(({ worker }) => worker !== owner)
    return { id, subTopology, owner, holders: others.sort((a, b) => Number(b.warm) - Number(a.warm) || a.lag - b.lag) }
  })
  const heirs = inherit(tasks, staying.length > 0 ? staying : workers, load)
  return {
    workers,
    staying,
    tasks: tasks.map(({ owner, holders, ...task }) => {
      const now = owner ?? heirs.get(task.id)
      if (now === undefined) throw new RangeError('a group has at least one member')
      return { ...task, owner: now, holders: holders.filter(({ worker }) => worker !== now) }
    }),
  }
}

/** Rule 10: of two that claim a task (one was fenced and does not know it yet) a staying one keeps it, else the first. */
export function claimsOf(members: readonly Member[]): ReadonlyMap<string, string> {
  const claims = new Map<string, string>()
  const order = [...members].sort((a, b) => Number(a.leaving) - Number(b.leaving) || compare(a.memberId, b.memberId))
  for (const { memberId, active } of order) for (const task of active) if (!claims.has(task)) claims.set(task, memberId)
  return claims
}

/** Rule 6: who takes the tasks whose owner is gone. Those with the least choice first. */
function inherit(
  tasks: readonly { readonly id: string; readonly owner: Worker | undefined; readonly holders: readonly Holder[] }[],
  candidates: readonly Worker[],
  load: Map<Worker, number>,
): ReadonlyMap<string, Worker> {
  const eligible = new Set(candidates)
  const heirs = new Map<string, Worker>()
  const give = (task: string, worker: Worker): void => {
    heirs.set(task, worker)
    raise(load, worker)
  }
  const orphans = tasks
    .filter(({ owner }) => owner === undefined)
    .map(({ id, holders }) => ({ id, holders: holders.filter(({ worker }) => eligible.has(worker)) }))
  for (const { id, holders } of orphans) {
    const warm = holders.filter((holder) => holder.warm).map(({ worker }) => worker)
    const [first, ...others] = warm
    if (first !== undefined)
      give(
        id,
        others.reduce((best, worker) => (loadOf(load, worker) < loadOf(load, best) ? worker : best), first),
      )
  }
  for (const { id, holders } of orphans) {
    const [closest] = holders
    if (closest !== undefined && !closest.warm) give(id, closest.worker)
  }
  const rest = orphans.filter(({ id }) => !heirs.has(id))
  leastLoaded(candidates, load, rest.length).forEach((worker, i) => {
    const task = rest[i]
    if (task !== undefined) give(task.id, worker)
  })
  return heirs
}

/**
 * The workers to give `count` things to, one each, always to one that has least. Successive ones differ, so that the
 * tasks of a sub-topology, which stand together, are spread (rule 12).
 */
export function leastLoaded(
  workers: readonly Worker[],
  load: ReadonlyMap<Worker, number>,
  count: number,
): readonly Worker[] {
  const turns: Worker[] = []
  let level = Infinity
  for (const worker of workers) level = Math.min(level, loadOf(load, worker))
  for (; turns.length < count && level < Infinity; level++)
    for (const worker of workers) if (turns.length < count && loadOf(load, worker) <= level) turns.push(worker)
  return turns
}

export const loadOf = (load: ReadonlyMap<Worker, number>, worker: Worker): number => load.get(worker) ?? 0
export function raise(load: Map<Worker, number>, worker: Worker): void {
  load.set(worker, loadOf(load, worker) + 1)
}

/** Task ids are `<sub-topology>_<partition>`; the tenth comes after the second. */
function inOrder(ids: readonly string[]): { readonly id: string; readonly subTopology: string }[] {
  return [...new Set(ids)]
    .map((id) => {
      const cut = id.lastIndexOf('_')
      const partition = Number(id.slice(cut + 1))
      return { id, subTopology: id.slice(0, Math.max(cut, 0)), partition: Number.isNaN(partition) ? 0 : partition }
    })
    .sort((a, b) => compare(a.subTopology, b.subTopology) || a.partition - b.partition || compare(a.id, b.id))
}

export const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
