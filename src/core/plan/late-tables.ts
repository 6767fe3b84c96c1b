/** Tables that come to an application which has read their topics before. Pure. */
import type { StateDefinition } from '../../api/definition.js'
import type { Manifest } from './manifest.js'
import type { Operator, Topology } from './topology.js'

export interface LateTable {
  readonly table: string
  /** Read before: what is after its position is not read again. */
  readonly topic: string
}

/** Those that miss what their topics had before: a table is what comes from now on. `topology`: with the names that are in the manifest. */
export function lateTables({ subTopologies }: Topology, before: Manifest | undefined): readonly LateTable[] {
  return subTopologies.flatMap((sub) => {
    const entry = before?.subTopologies.find(({ name }) => name === sub.name)
    if (entry === undefined) return []
    const fresh = sub.states.filter(
      ({ name, table }) => table !== undefined && !entry.states.some((state) => state.name === name),
    )
    const wereRead = sub.sources.filter(({ topic }) => entry.sources.some((source) => source.topic === topic.name))
    return fresh.flatMap((table) =>
      wereRead.flatMap(({ topic, operators }) =>
        leadTo(table, operators) ? [{ table: table.name, topic: topic.name }] : [],
      ),
    )
  })
}

const leadTo = (table: StateDefinition, operators: readonly Operator[]): boolean =>
  operators.some((one) => (one.kind === 'table' ? one.state === table : 'next' in one && leadTo(table, one.next)))
