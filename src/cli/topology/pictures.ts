/** An application's topology as text, as a Mermaid flowchart, and as JSON. Pure. */
import type { StateDefinition } from '../../api/definition.js'
import type { Operator, SourceInput, SubTopology, Topology } from '../../core/plan/topology.js'
import { table } from '../table.js'

type Counts = ReadonlyMap<SubTopology, number>

export function topologyText({ subTopologies }: Topology, counts: Counts): string {
  const rows = subTopologies.flatMap((sub) => {
    const keeps = sub.states.map(versioned).join(', ') || '-'
    const writes = sub.sinks.map(({ name }) => name).join(', ') || '-'
    return sub.sources.map((source, i) => {
      const first = i === 0
      return [
        first ? sub.name : '',
        first ? (counts.get(sub) ?? 0) : '',
        shown(source),
        first ? keeps : '',
        first ? writes : '',
      ]
    })
  })
  return table(['sub-topology', 'tasks', 'reads', 'keeps', 'writes'], rows)
}

const versioned = ({ name, upgrades }: StateDefinition): string =>
  upgrades.length === 0 ? name : `${name} v${String(upgrades.length)}`

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
    const draw = (from: string, operators: readonly Operator[]): void => {
      for (const operator of operators) {
        if (operator.kind === 'sink') {
          edges.push(`  ${from} --> ${topicNode(operator.topic.name)}`)
          continue
        }
        const known = operator.kind === 'compute' ? states.get(operator.state.name) : undefined
        const id = known ?? `n${String(++nodes)}`
        if (known === undefined)
          lines.push(
            operator.kind === 'compute'
              ? `    ${id}[("${escaped(versioned(operator.state))}")]`
              : `    ${id}(["${operator.kind}"])`,
          )
        if (operator.kind === 'compute') states.set(operator.state.name, id)
        edges.push(`  ${from} --> ${id}`)
        draw(id, operator.next)
      }
    }
    for (const { topic, operators } of sub.sources) draw(topicNode(topic.name), operators)
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
    readonly states: readonly string[]
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
    versions: Object.fromEntries(sub.states.map(({ name, upgrades }) => [name, upgrades.length])),
    sinks: sub.sinks.map(({ name }) => name),
  })),
})
