/**
 * Which worker owns which task: a pure function that the group's leader calculates.
 *
 * 1. Every task has exactly one owner.
 * 2. Balanced: two workers differ by one task at most.
 * 3. Sticky: a task moves only where balance demands it.
 * 4. The same members give the same assignment, in whatever order they are listed.
 */
export interface Member {
  readonly memberId: string
  /** Tasks that it owns now, as it says. */
  readonly active: readonly string[]
}

export function assign(members: readonly Member[], tasks: readonly string[]): ReadonlyMap<string, readonly string[]> {
  if (members.length === 0) throw new RangeError('an assignment needs a member')
  const known = new Set(tasks)
  // Who claims a task first keeps it: a claim of a worker that was fenced meanwhile may stand beside its successor's.
  const owned = new Map<string, string[]>()
  const taken = new Set<string>()
  for (const { memberId, active } of [...members].sort((a, b) => compare(a.memberId, b.memberId))) {
    const mine = [...new Set(active)].filter((task) => known.has(task) && !taken.has(task)).sort(compare)
    for (const task of mine) taken.add(task)
    owned.set(memberId, mine)
  }
  // Those who hold most get the larger shares: fewer tasks move.
  const byLoad = [...owned].sort(([a, x], [b, y]) => y.length - x.length || compare(a, b))
  const share = Math.floor(tasks.length / byLoad.length)
  const larger = tasks.length % byLoad.length
  const free = tasks.filter((task) => !taken.has(task))
  const quotas = byLoad.map(([, mine], i) => {
    const quota = share + (i < larger ? 1 : 0)
    free.push(...mine.splice(quota))
    return quota
  })
  free.sort(compare)
  byLoad.forEach(([, mine], i) => mine.push(...free.splice(0, (quotas[i] ?? 0) - mine.length)))
  return new Map(byLoad.map(([memberId, mine]) => [memberId, mine.sort(compare)]))
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
