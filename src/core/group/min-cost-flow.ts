/**
 * Maximum flow at the least cost, in the small: where several bounds have to be kept at once, what the assignor would
 * rather not do has a price (assignor-shares.ts).
 *
 * Primal-dual: what the cheapest paths take, all of one price at once by Dinic's algorithm, then what the next dearer ones
 * take. Of equals, edges that were added first are taken first. Costs are whole numbers from 0 up, and all paths together
 * cost less than 2^53. Source: Ahuja, Magnanti, Orlin, Network Flows, 9.8.
 */
import { pushPath } from './augmenting-path.js'

export class CostNode {
  readonly edges: CostEdge[] = []
  /** What the cheapest path from the source costs, kept from phase to phase, so that no edge with room looks cheaper than 0. */
  potential = 0
  distance = Infinity
  level = -1
  next = 0
}

export class CostEdge {
  readonly reverse: CostEdge
  constructor(
    readonly from: CostNode,
    readonly to: CostNode,
    public room: number,
    readonly cost: number,
    reverse?: CostEdge,
  ) {
    this.reverse = reverse ?? new CostEdge(to, from, 0, -cost, this)
  }
  get flow(): number {
    return this.reverse.room
  }
  get reducedCost(): number {
    return this.cost + this.from.potential - this.to.potential
  }
}

export class CostNetwork {
  readonly source = new CostNode()
  readonly sink = new CostNode()
  readonly #nodes: CostNode[] = [this.source, this.sink]

  node(): CostNode {
    const node = new CostNode()
    this.#nodes.push(node)
    return node
  }

  connect(from: CostNode, to: CostNode, capacity: number, cost = 0): CostEdge {
    const edge = new CostEdge(from, to, capacity, cost)
    from.edges.push(edge)
    to.edges.push(edge.reverse)
    return edge
  }

  /** Once all edges are there. */
  maximise(): void {
    while (this.#price())
      while (this.#measure()) while (pushPath<CostNode, CostEdge>(this.source, this.sink, costsNothing));
  }

  /** Dijkstra's algorithm over reduced costs; false where the sink is not reached. */
  #price(): boolean {
    for (const node of this.#nodes) node.distance = Infinity
    this.source.distance = 0
    const heap = new Heap()
    heap.push(0, this.source)
    for (let least = heap.pop(); least !== undefined; least = heap.pop()) {
      const { key, node } = least
      if (key > node.distance) continue
      for (const edge of node.edges) {
        if (edge.room === 0) continue
        const distance = key + edge.reducedCost
        if (distance >= edge.to.distance) continue
        edge.to.distance = distance
        heap.push(distance, edge.to)
      }
    }
    const { distance } = this.sink
    if (distance === Infinity) return false
    for (const node of this.#nodes) node.potential += Math.min(node.distance, distance)
    return true
  }

  /** Levels along what costs nothing more; false when the sink has none. */
  #measure(): boolean {
    for (const node of this.#nodes) [node.level, node.next] = [-1, 0]
    this.source.level = 0
    const reached = [this.source]
    for (const node of reached)
      for (const edge of node.edges)
        if (edge.room > 0 && edge.to.level < 0 && edge.reducedCost === 0) {
          edge.to.level = node.level + 1
          reached.push(edge.to)
        }
    return this.sink.level >= 0
  }
}

const costsNothing = ({ reducedCost }: CostEdge): boolean => reducedCost === 0

interface Entry {
  readonly key: number
  readonly node: CostNode
}

/** A binary heap, the least key first. */
class Heap {
  readonly #entries: Entry[] = []

  push(key: number, node: CostNode): void {
    const entry = { key, node }
    let at = this.#entries.push(entry) - 1
    while (at > 0) {
      const above = (at - 1) >> 1
      const parent = this.#entries[above]
      if (parent === undefined || parent.key <= key) break
      this.#entries[at] = parent
      at = above
    }
    this.#entries[at] = entry
  }

  pop(): Entry | undefined {
    const entries = this.#entries
    const [first] = entries
    const last = entries.pop()
    if (last === undefined || entries.length === 0) return first
    let at = 0
    for (;;) {
      const [left, right] = [entries[2 * at + 1], entries[2 * at + 2]]
      const least = right !== undefined && left !== undefined && right.key < left.key ? right : left
      if (least === undefined || least.key >= last.key) break
      const below = 2 * at + (least === right ? 2 : 1)
      entries[at] = least
      at = below
    }
    entries[at] = last
    return first
  }
}
