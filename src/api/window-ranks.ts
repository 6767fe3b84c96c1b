/**
 * Windows whose results go into other windows of the same key: those of a minute into those of an hour. A minute and the hour that
 * it is the last of end at the same time, and the minute has to close first. So the hour closes a millisecond later than it ends,
 * by the task's time: as many as there are windows before it, its rank.
 */
import type { StateDefinition } from './definition.js'

/** Whether they close by time: counting windows know none. */
export const hasTimeWindows = ({ windows }: Pick<StateDefinition, 'windows'>): boolean =>
  windows !== undefined && windows.shape.kind !== 'counting'

/** What time brings of `from`, windows that have closed among it, leads to `to`. */
export interface RankEdge {
  readonly from: StateDefinition
  readonly to: StateDefinition
}

/** By state object. Undefined where windows lead to themselves. */
export function windowRanks(
  states: readonly StateDefinition[],
  edges: readonly RankEdge[],
): ReadonlyMap<StateDefinition, number> | undefined {
  const ranks = new Map(states.map((state) => [state, 0]))
  for (let round = 0; round <= states.length; round++) {
    let changed = false
    for (const { from, to } of edges) {
      const rank = (ranks.get(from) ?? 0) + (hasTimeWindows(from) ? 1 : 0)
      if (rank <= (ranks.get(to) ?? 0)) continue
      ranks.set(to, rank)
      changed = true
    }
    if (!changed) return ranks
  }
  return undefined
}
