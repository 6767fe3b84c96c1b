/**
 * How far the writers of a repartition are, as commit records have it: by sub-topology, the least of its tasks, and for each of
 * them, in the order of partitions, what it is ahead of that. null is for one that has said nothing.
 *
 *     { "lines": [1704067200000, 0, 120, null, 35] }
 */
import type { Frontiers } from '../commit/commit-record.js'
import { subTopologyInId, taskId } from '../plan/topology.js'

/** By task. */
export function encodeFrontiers(frontiers: ReadonlyMap<string, number>): Frontiers {
  const byName = new Map<string, (number | null)[]>()
  for (const [task, ms] of frontiers) {
    const name = subTopologyInId(task)
    const partition = Number(task.slice(name.length + 1))
    let of = byName.get(name)
    if (of === undefined) byName.set(name, (of = []))
    while (of.length < partition) of.push(null)
    of[partition] = ms
  }
  return Object.fromEntries(
    [...byName].map(([name, of]) => {
      const least = Math.min(...of.map((ms) => ms ?? Infinity))
      return [name, [least, ...of.map((ms) => (ms === null ? null : ms - least))]]
    }),
  )
}

export function decodeFrontiers(frontiers: Frontiers = {}): ReadonlyMap<string, number> {
  return new Map(
    Object.entries(frontiers).flatMap(([name, [least, ...of]]) =>
      of.flatMap((ahead, partition): [string, number][] =>
        ahead === null || least === null || least === undefined ? [] : [[taskId(name, partition), least + ahead]],
      ),
    ),
  )
}
