/** An application's topology as a graph that is laid out: topics, steps and state objects, and what goes between them. Pure. */
import * as dagre from '@dagrejs/dagre'
import type { StateDefinition } from '../../api/definition.js'
import { REPARTITION_SUFFIX } from '../../api/graph.js'
import type { namesOf, Operator, SubTopology, Topology } from '../../core/plan/topology.js'
import type { GraphEdge, GraphNode, LaidOut } from './wire.js'

const HEIGHT = 44
const LETTER_WIDTH = 7.6
const MIN_WIDTH = 76
const MAX_WIDTH = 260

type Names = Pick<ReturnType<typeof namesOf>, 'topic'>
type Node = Pick<GraphNode, 'id' | 'kind' | 'name' | 'group'>

class Drawing {
  readonly nodes = new Map<string, Node>()
  readonly edges = new Map<string, Pick<GraphEdge, 'from' | 'to' | 'topic' | 'isRead'>>()
  #steps = 0

  constructor(private readonly names: Names) {}

  topic(name: string, kind: GraphNode['kind']): string {
    const id = `topic ${name}`
    const before = this.nodes.get(id)
    // What one step writes and another reads is more than a sink.
    if (before === undefined || before.kind === 'sink') this.nodes.set(id, { id, kind, name, group: null })
    return id
  }

  state({ name: group }: SubTopology, { name, table }: StateDefinition): string {
    const id = `state ${group} ${name}`
    this.nodes.set(id, { id, kind: table === undefined ? 'state' : 'table', name, group })
    return id
  }

  step({ name: group }: SubTopology, name: string, kind: GraphNode['kind'] = 'step'): string {
    const id = `step ${String(++this.#steps)}`
    this.nodes.set(id, { id, kind, name, group })
    return id
  }

  /** `topic`: whose records go there, where they are counted. `isRead`: it is looked into, and nothing comes from it. */
  edge(from: string, to: string, topic: string | null = null, isRead = false): void {
    const name = topic === null ? null : this.names.topic(topic)
    this.edges.set(`${from}\n${to}`, { from, to, topic: name, isRead })
  }
}

export function graphOf({ subTopologies }: Topology, names: Names): LaidOut {
  const drawing = new Drawing(names)
  for (const sub of subTopologies) {
    for (const { topic, isRepartition, operators } of sub.sources) {
      const from = drawing.topic(topic.name, isRepartition ? 'repartition' : 'source')
      if (sub.call === undefined) draw(drawing, sub, from, operators, topic.name)
      else {
        const call = drawing.step(sub, sub.call.name, 'call')
        drawing.edge(from, call, topic.name)
        draw(drawing, sub, call, operators, null)
      }
    }
    for (const { origin, operators } of sub.timed) {
      const timer = drawing.step(sub, origin.kind === 'timer' ? `timer ${origin.name}` : origin.kind, 'timer')
      drawing.edge(drawing.state(sub, origin.state), timer)
      draw(drawing, sub, timer, operators, null)
    }
  }
  return laidOut(drawing)
}

function draw(
  drawing: Drawing,
  sub: SubTopology,
  from: string,
  operators: readonly Operator[],
  topic: string | null,
): void {
  for (const operator of operators) {
    if (operator.kind === 'sink') {
      const isRepartition = operator.topic.name.endsWith(REPARTITION_SUFFIX)
      drawing.edge(from, drawing.topic(operator.topic.name, isRepartition ? 'repartition' : 'sink'), topic)
      continue
    }
    if ('state' in operator && operator.kind !== 'join') {
      const state = drawing.state(sub, operator.state)
      drawing.edge(from, state, topic)
      if ('next' in operator) draw(drawing, sub, state, operator.next, null)
      continue
    }
    const step = drawing.step(sub, operator.kind)
    drawing.edge(from, step, topic)
    if (operator.kind === 'join') drawing.edge(drawing.state(sub, operator.state), step, null, true)
    if (operator.kind === 'lookup')
      drawing.edge(drawing.topic(operator.broadcast.topic.name, 'broadcast'), step, null, true)
    draw(drawing, sub, step, operator.next, null)
  }
}

/** What is used of it: its own types can't be resolved by Node's rules. */
interface Dagre {
  readonly Graph: new () => {
    setGraph(options: object): void
    setDefaultEdgeLabel(label: () => object): void
    setNode(id: string, size: Size): void
    setEdge(from: string, to: string): void
    graph(): Partial<Size>
    node(id: string): Point & Size
    edge(from: string, to: string): { readonly points?: readonly Point[] }
  }
  readonly layout: (graph: InstanceType<Dagre['Graph']>) => void
}
interface Size {
  readonly width: number
  readonly height: number
}
interface Point {
  readonly x: number
  readonly y: number
}

function laidOut({ nodes, edges }: Drawing): LaidOut {
  const { Graph, layout } = dagre as unknown as Dagre
  const graph = new Graph()
  graph.setGraph({ rankdir: 'LR', nodesep: 28, ranksep: 96, marginx: 12, marginy: 16 })
  graph.setDefaultEdgeLabel(() => ({}))
  for (const { id, name } of nodes.values())
    graph.setNode(id, {
      width: Math.min(MAX_WIDTH, Math.max(MIN_WIDTH, 28 + name.length * LETTER_WIDTH)),
      height: HEIGHT,
    })
  for (const { from, to } of edges.values()) graph.setEdge(from, to)
  layout(graph)
  const { width = 0, height = 0 } = graph.graph()
  return {
    width: Math.ceil(width),
    height: Math.ceil(height),
    nodes: [...nodes.values()].map((node) => {
      const { x, y, width: w, height: h } = graph.node(node.id)
      return { ...node, x: Math.round(x - w / 2), y: Math.round(y - h / 2), width: Math.round(w), height: h }
    }),
    edges: [...edges.values()].map((edge) => {
      const { points = [] } = graph.edge(edge.from, edge.to)
      return { ...edge, points: points.map(({ x, y }) => [Math.round(x), Math.round(y)] as const) }
    }),
  }
}
