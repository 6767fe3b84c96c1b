/**
 * Maximum flow (Dinic's algorithm), in the small: the assignor's question 'as many tasks as possible at workers that have
 * them already, none above its share' is one.
 *
 * Edges may be added after a maximisation, and the next one continues from the flow there is. What flows into an edge to
 * the sink never becomes less by that, and of paths the shortest are taken first, in the order in which edges were added:
 * so what is connected first is served first.
 */
import { pushPath } from './augmenting-path.js'

export class FlowNode {
  readonly edges: FlowEdge[] = []
  /** Distance from the source in the present phase. */
  level = 0
  phase = 0
  /** Edges before this one lead nowhere in this phase. */
  next = 0
}

export class FlowEdge {
  /** The same edge, in the other direction: what it can roll back. */
  readonly reverse: FlowEdge
  constructor(
    readonly to: FlowNode,
    /** How much more it takes. */
    public room: number,
    from: FlowNode | FlowEdge,
  ) {
    this.reverse = from instanceof FlowEdge ? from : new FlowEdge(from, 0, this)
  }
  get flow(): number {
    return this.reverse.room
  }
}

export class Network {
  readonly source = new FlowNode()
  readonly sink = new FlowNode()
  #phase = 0

  connect(from: FlowNode, to: FlowNode, capacity: number): FlowEdge {
    const edge = new FlowEdge(to, capacity, from)
    from.edges.push(edge)
    to.edges.push(edge.reverse)
    return edge
  }

  maximise(): void {
    while (this.#measure()) {
      const phase = this.#phase
      while (pushPath<FlowNode, FlowEdge>(this.source, this.sink, ({ to }) => to.phase === phase));
    }
  }

  /** Levels of the nodes that the source reaches; false when the sink is none of them. */
  #measure(): boolean {
    const phase = ++this.#phase
    const reached = [visit(this.source, 0, phase)]
    for (const node of reached)
      for (const { room, to } of node.edges)
        if (room > 0 && to.phase !== phase) reached.push(visit(to, node.level + 1, phase))
    return this.sink.phase === phase
  }
}

function visit(node: FlowNode, level: number, phase: number): FlowNode {
  node.level = level
  node.phase = phase
  node.next = 0
  return node
}
