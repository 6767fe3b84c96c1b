/**
 * Windows whose results go into other windows of the same key, for example those of a minute into those of an hour. An
 * hour and its last minute end at the same time, and the minute must close first. So the hour closes a millisecond
 * after its end, by the task's time: in general as many milliseconds as there are windows before it, its rank.
 */
import type { StateDefinition } from './definition.js'

/** Whether they close by time: counting windows do not. */
export const hasTimeWindows = ({ windows }: Pick<StateDefinition, 'windows'>): boolean =>
  windows !== undefined && windows.shape.kind !== 'counting'

/**
 * Whether what time produces is older than the time that produces it: windows of time, and the unmatched messages of an
 * interval join.
 */
export const closes = (state: Pick<StateDefinition, 'windows' | 'pairs'>): boolean =>
  hasTimeWindows(state) || state.pairs !== undefined

/** Whether what time produces from `from`, including windows that have closed, leads to `to`. */
export interface RankEdge {
  readonly from: StateDefinition
  readonly to: StateDefinition
}

/** By state object. Undefined if windows lead to themselves. */
export function windowRanks(
  states: readonly StateDefinition[],
  edges: readonly RankEdge[],
): ReadonlyMap<StateDefinition, number> | undefined {
  const ranks = new Map(states.map((state) => [state, 0]))
  for (let round = 0; round <= states.length; round++) {
    let changed = false
    for (const { from, to } of edges) {
      const rank = (ranks.get(from) ?? 0) + (closes(from) ? 1 : 0)
      if (rank <= (ranks.get(to) ?? 0)) continue
      ranks.set(to, rank)
      changed = true
    }
    if (!changed) return ranks
  }
  return undefined
}
