/** An application's topology as text, as a Mermaid flowchart, and as JSON. Pure. */
import type { StateDefinition } from '../../api/definition.js'
import type { Operator, SourceInput, SubTopology, Topology } from '../../core/plan/topology.js'
import { table } from '../table.js'

type Counts = ReadonlyMap<SubTopology, number>

export function topologyText({ subTopologies }: Topology, counts: Counts): string {
  const rows = subTopologies.flatMap((sub) => {
    const keeps = sub.call === undefined ? sub.states.map(versioned).join(', ') || '-' : `${sub.call.name} (call)`
    const writes = sub.sinks.map(({ name }) => name).join(', ') || '-'
    const reads = [...sub.sources.map(shown), ...sub.broadcasts.map(({ topic }) => `${topic.name} (broadcast)`)]
    return reads.map((read, i) => {
      const first = i === 0
      return [first ? sub.name : '', first ? (counts.get(sub) ?? 0) : '', read, first ? keeps : '', first ? writes : '']
    })
  })
  return table(['sub-topology', 'tasks', 'reads', 'keeps', 'writes'], rows)
}

const versioned = ({ name, upgrades, table: isTable }: StateDefinition): string =>
  isTable !== undefined ? `${name} (table)` : upgrades.length === 0 ? name : `${name} v${String(upgrades.length)}`

const shown = ({ topic, isRepartition }: SourceInput): string =>
  isRepartition ? `${topic.name} (repartition)` : topic.key === undefined ? `${topic.name} (no key)` : topic.name

/** One subgraph for each sub-topology, in which its steps and state objects stand; topics stand between them. */
export function topologyMermaid({ subTopologies }: Topology): string {
  const topics = new Map<string, string>()
  const lines: string[] = []
  const edges: string[] = []
  let nodes = 0
  const topicNode = (name: string): string => {
    let id = topics.get(name)
    if (id === undefined) topics.set(name, (id = `t${String(topics.size + 1)}`))
    return id
  }
  for (const [i, sub] of subTopologies.entries()) {
    lines.push(`  subgraph s${String(i + 1)} ["${escaped(sub.name)}"]`)
    const states = new Map<string, string>()
    const stateNode = (state: StateDefinition): string => {
      const known = states.get(state.name)
      if (known !== undefined) return known
      const id = `n${String(++nodes)}`
      states.set(state.name, id)
      lines.push(`    ${id}[("${escaped(versioned(state))}")]`)
      return id
    }
    const calledFrom = ({ call }: SubTopology, from: string): string => {
      if (call === undefined) return from
      const id = `n${String(++nodes)}`
      lines.push(`    ${id}{{"${escaped(call.name)}"}}`)
      edges.push(`  ${from} --> ${id}`)
      return id
    }
    const draw = (from: string, operators: readonly Operator[]): void => {
      for (const operator of operators) {
        if (operator.kind === 'sink') {
          edges.push(`  ${from} --> ${topicNode(operator.topic.name)}`)
          continue
        }
        if (operator.kind === 'compute' || operator.kind === 'table') {
          const id = stateNode(operator.state)
          edges.push(`  ${from} --> ${id}`)
          if (operator.kind === 'compute') draw(id, operator.next)
          continue
        }
        const id = `n${String(++nodes)}`
        lines.push(`    ${id}(["${operator.kind}"])`)
        edges.push(`  ${from} --> ${id}`)
        // What it reads, and does not come from.
        if (operator.kind === 'join') edges.push(`  ${stateNode(operator.state)} -.-> ${id}`)
        if (operator.kind === 'lookup') edges.push(`  ${topicNode(operator.broadcast.topic.name)} -.-> ${id}`)
        draw(id, operator.next)
      }
    }
    for (const { topic, operators } of sub.sources) draw(calledFrom(sub, topicNode(topic.name)), operators)
    lines.push('  end')
  }
  const drawn = [...topics].map(([name, id]) => `  ${id}[/"${escaped(name)}"/]`)
  return `${['flowchart LR', ...drawn, ...lines, ...new Set(edges)].join('\n')}\n`
}

const escaped = (text: string): string => text.replaceAll('"', '#quot;')

export interface TopologyJson {
  readonly application: string
  readonly subTopologies: readonly {
    readonly name: string
    readonly tasks: number
    readonly sources: readonly { readonly topic: string; readonly repartition: boolean; readonly keyed: boolean }[]
    /** Tables among them. */
    readonly states: readonly string[]
    readonly tables: readonly string[]
    /** Absent where it makes none. */
    readonly call?: string
    readonly broadcasts: readonly { readonly name: string; readonly topic: string }[]
    /** By state object: how many upgrades it has. */
    readonly versions: Readonly<Record<string, number>>
    readonly sinks: readonly string[]
  }[]
}

export const topologyJson = ({ application, subTopologies }: Topology, counts: Counts): TopologyJson => ({
  application,
  subTopologies: subTopologies.map((sub) => ({
    name: sub.name,
    tasks: counts.get(sub) ?? 0,
    sources: sub.sources.map(({ topic, isRepartition }) => {
      return { topic: topic.name, repartition: isRepartition, keyed: isRepartition || topic.key !== undefined }
    }),
    states: sub.states.map(({ name }) => name),
    tables: sub.states.flatMap(({ name, table: isTable }) => (isTable === undefined ? [] : [name])),
    ...(sub.call && { call: sub.call.name }),
    broadcasts: sub.broadcasts.map(({ name, topic }) => ({ name, topic: topic.name })),
    versions: Object.fromEntries(sub.states.map(({ name, upgrades }) => [name, upgrades.length])),
    sinks: sub.sinks.map(({ name }) => name),
  })),
})
