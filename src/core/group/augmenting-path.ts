/** The walk that maximum flow and that at the least cost have in common (Dinic's algorithm): one more path, level by level. */

export interface LevelNode<E> {
  readonly edges: readonly E[]
  /** Distance from the source in the present phase; -1: no path leads on from here. */
  level: number
  /** Edges before this one lead nowhere in this phase. */
  next: number
}
export interface RoomyEdge<N> {
  readonly to: N
  /** How much more it takes. */
  room: number
  /** The same edge, in the other direction: what it can roll back. */
  readonly reverse: { readonly to: N; room: number }
}

/**
 * Sends what one more path takes, of edges with room that lead one level on and that `leads` allows; false when there is
 * none in this phase.
 */
export function pushPath<N extends LevelNode<E>, E extends RoomyEdge<N>>(
  source: N,
  sink: N,
  leads: (edge: E) => boolean,
): boolean {
  const path: E[] = []
  let node = source
  while (node !== sink) {
    const edge = onward(node, leads)
    if (edge !== undefined) {
      path.push(edge)
      node = edge.to
      continue
    }
    node.level = -1
    const last = path.pop()
    if (last === undefined) return false
    node = last.reverse.to
  }
  const amount = path.reduce((least, { room }) => Math.min(least, room), Infinity)
  for (const edge of path) {
    edge.room -= amount
    edge.reverse.room += amount
  }
  return true
}

function onward<N extends LevelNode<E>, E extends RoomyEdge<N>>(node: N, leads: (edge: E) => boolean): E | undefined {
  for (; node.next < node.edges.length; node.next++) {
    const edge = node.edges[node.next]
    if (edge !== undefined && edge.room > 0 && edge.to.level === node.level + 1 && leads(edge)) return edge
  }
  return undefined
}
