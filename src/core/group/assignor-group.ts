/** What the members of a group say, turned into what the assignor asks: who owns a task now, who has it, who may get it. */

/** A sub-topology as a member has it. */
export interface KnownSubTopology {
  readonly name: string
  readonly partitions: number
  /** Which of the plans it is that the manifest lists for this sub-topology, the oldest being 0. */
  readonly plan: number
  /** Of what decides what belongs to whom (core/plan/plan-hash.ts). */
  readonly hash: string
  /** Of its state objects, all together; absent: none. With the same plan, more are newer. */
  readonly upgrades?: number
}

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
  /** Undefined where it does not say: it is taken to know whatever there is, each in its oldest plan. */
  readonly knows?: readonly KnownSubTopology[] | undefined
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
  /** Those that may get it and have it as a standby, the owner not among them: the warm first, then by lag. */
  readonly holders: readonly Holder[]
}
export interface Group {
  /** In the order of their ids, as everything here: the order in which members are listed decides nothing (rule 4). */
  readonly workers: readonly Worker[]
  /** Those that get tasks: not leaving ones. */
  readonly staying: readonly Worker[]
  /** By sub-topology, then partition. Those that nobody knows are not among them. */
  readonly tasks: readonly OwnedTask[]
  /** By sub-topology: the staying workers that may get its tasks (rule 14). None where only leaving ones know its plan. */
  readonly able: ReadonlyMap<string, readonly Worker[]>
}

export const ableOf = ({ able }: Group, { subTopology }: { readonly subTopology: string }): readonly Worker[] =>
  able.get(subTopology) ?? []

export function groupOf(members: readonly Member[], taskIds: readonly string[], warmLag: number): Group {
  const listed = [...members]
    .sort((a, b) => compare(a.memberId, b.memberId))
    .map((member) => ({ member, worker: { id: member.memberId, leaving: member.leaving } }))
  const workers = listed.map(({ worker }) => worker)
  const staying = workers.filter(({ leaving }) => !leaving)
  const claims = claimsOf(members)
  const byId = new Map(listed.map((one) => [one.worker.id, one]))
  const ordered = inOrder(taskIds)
  const knowing = new Map<string, ReadonlySet<Worker>>()
  for (const { subTopology } of ordered)
    if (!knowing.has(subTopology)) knowing.set(subTopology, whoKnows(subTopology, listed))
  const holders = new Map<string, Holder[]>()
  for (const { member, worker } of listed)
    for (const [task, lag] of Object.entries(member.standby)) {
      const holder = { worker, lag: lag >= 0 ? lag : Infinity, warm: lag >= 0 && lag <= warmLag }
      const others = holders.get(task)
      if (others === undefined) holders.set(task, [holder])
      else others.push(holder)
    }

  const load = new Load()
  const tasks = ordered.flatMap(({ id, subTopology }) => {
    const able = knowing.get(subTopology)
    if (able === undefined || able.size === 0) return []
    const claimant = byId.get(claims.get(id) ?? '')
    // One that has a task in an older plan continues with it; one that does not know it at all has not got it.
    const owner =
      claimant !== undefined && planOf(claimant.member, subTopology) !== undefined ? claimant.worker : undefined
    if (owner !== undefined) load.raise(owner, subTopology)
    const others = (holders.get(id) ?? []).filter(({ worker }) => worker !== owner && able.has(worker))
    return { id, subTopology, owner, holders: others.sort((a, b) => Number(b.warm) - Number(a.warm) || a.lag - b.lag) }
  })
  const able = new Map(
    [...knowing].map(([sub, known]) => [sub, staying.filter((worker) => known.has(worker))] as const),
  )
  const candidatesOf = (sub: string): readonly Worker[] => {
    const stays = able.get(sub) ?? []
    return stays.length > 0 ? stays : workers.filter((worker) => knowing.get(sub)?.has(worker))
  }
  const heirs = inherit(tasks, candidatesOf, load)
  return {
    workers,
    staying,
    able,
    tasks: tasks.map(({ owner, holders, ...task }) => {
      const now = owner ?? heirs.get(task.id)
      if (now === undefined) throw new RangeError('somebody knows each task here')
      return { ...task, owner: now, holders: holders.filter(({ worker }) => worker !== now) }
    }),
  }
}

/** The plan of a sub-topology that a member has; undefined where it does not know it. */
function planOf(
  { knows }: Member,
  subTopology: string,
): Pick<KnownSubTopology, 'plan' | 'hash' | 'upgrades'> | undefined {
  return knows === undefined ? NOT_SAID : knows.find(({ name }) => name === subTopology)
}
const NOT_SAID = { plan: 0, hash: '' } as const

/** Rule 14: those who have the newest version of it that any member has, be that one leaving. */
function whoKnows(
  subTopology: string,
  listed: readonly { readonly member: Member; readonly worker: Worker }[],
): ReadonlySet<Worker> {
  const plans = listed.flatMap(({ member, worker }) => {
    const known = planOf(member, subTopology)
    return known === undefined ? [] : [{ ...known, worker }]
  })
  const newest = Math.max(...plans.map(({ plan }) => plan))
  const inPlan = plans.filter(({ plan }) => plan === newest)
  const most = Math.max(...inPlan.map(({ upgrades = 0 }) => upgrades))
  const having = inPlan.filter(({ upgrades = 0 }) => upgrades === most)
  // Two shapes under one number: only where the manifest was deleted in between. One of them has to be chosen.
  const [hash = ''] = having.map((one) => one.hash).sort((a, b) => compare(b, a))
  return new Set(having.filter((one) => one.hash === hash || one.hash === '').map(({ worker }) => worker))
}

/** Rule 10: of two that claim a task (one was fenced and does not know it yet) a staying one keeps it, else the first. */
export function claimsOf(members: readonly Member[]): ReadonlyMap<string, string> {
  const claims = new Map<string, string>()
  const order = [...members].sort((a, b) => Number(a.leaving) - Number(b.leaving) || compare(a.memberId, b.memberId))
  for (const { memberId, active } of order) for (const task of active) if (!claims.has(task)) claims.set(task, memberId)
  return claims
}

/** More than there are tasks. */
const MANY = 2 ** 26

/** Rule 6: who takes the tasks whose owner is gone. Those with the least choice first. */
function inherit(
  tasks: readonly {
    readonly id: string
    readonly subTopology: string
    readonly owner: Worker | undefined
    readonly holders: readonly Holder[]
  }[],
  candidatesOf: (subTopology: string) => readonly Worker[],
  load: Load,
): ReadonlyMap<string, Worker> {
  const heirs = new Map<string, Worker>()
  const orphans = tasks
    .filter(({ owner }) => owner === undefined)
    .map(({ id, subTopology, holders }) => {
      const candidates = candidatesOf(subTopology)
      return { id, subTopology, candidates, holders: holders.filter(({ worker }) => candidates.includes(worker)) }
    })
  const give = ({ id, subTopology }: { readonly id: string; readonly subTopology: string }, worker: Worker): void => {
    heirs.set(id, worker)
    load.raise(worker, subTopology)
  }
  for (const orphan of orphans) {
    const warm = orphan.holders.filter((holder) => holder.warm).map(({ worker }) => worker)
    const first = least(warm, (worker) => load.of(worker))
    if (first !== undefined) give(orphan, first)
  }
  for (const orphan of orphans) {
    const [closest] = orphan.holders
    if (closest !== undefined && !closest.warm) give(orphan, closest.worker)
  }
  // As cards are dealt: those with the fewest of the sub-topology, and of these who has the fewest of all (rule 2).
  for (const orphan of orphans) {
    if (heirs.has(orphan.id)) continue
    const { subTopology, candidates } = orphan
    const first = least(candidates, (worker) => load.of(worker, subTopology) * MANY + load.of(worker))
    if (first !== undefined) give(orphan, first)
  }
  return heirs
}

/** The first of those that no other one is below. */
function least(workers: readonly Worker[], by: (worker: Worker) => number): Worker | undefined {
  let [best] = workers
  let lowest = Infinity
  for (const worker of workers) {
    const value = by(worker)
    if (value < lowest) [best, lowest] = [worker, value]
  }
  return best
}

/** How many tasks each worker has, of all and of each sub-topology. */
class Load {
  readonly #total = new Map<Worker, number>()
  readonly #of = new Map<string, Map<Worker, number>>()
  of(worker: Worker, subTopology?: string): number {
    const counts = subTopology === undefined ? this.#total : this.#of.get(subTopology)
    return counts === undefined ? 0 : loadOf(counts, worker)
  }
  raise(worker: Worker, subTopology: string): void {
    raise(this.#total, worker)
    const counts = this.#of.get(subTopology) ?? new Map<Worker, number>()
    this.#of.set(subTopology, counts)
    raise(counts, worker)
  }
}

/**
 * The workers to give `count` things to, one each, always to one that has least. Successive ones differ, so that the
 * tasks which stand together are spread.
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

/** As the plan names them (core/plan/topology.ts). */
export const taskIdOf = (subTopology: string, partition: number): string => `${subTopology}_${String(partition)}`

/** The tenth comes after the second. */
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
