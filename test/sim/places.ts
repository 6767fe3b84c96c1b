/** Where in Kafka the parts of a simulated application are. */
import { bytesOf, type ByteString } from '../../src/core/records/byte-string.js'
import { unpack } from '../../src/core/state/packing.js'
import { namesOf, topologyOf } from '../../src/core/plan/topology.js'
import type { ApplicationDefinition, StateDefinition } from '../../src/api/definition.js'

/** The tasks of one sub-topology. */
export interface SubTopologyPlace {
  readonly name: string
  readonly sources: readonly string[]
  readonly states: readonly StateDefinition[]
  readonly changelog: string | undefined
}

export interface Places {
  readonly names: ReturnType<typeof namesOf>
  readonly subTopologies: readonly SubTopologyPlace[]
  /** In the order of declaration. */
  readonly sources: readonly string[]
  readonly sinks: readonly string[]
  readonly changelogs: readonly string[]
}

export function placesOf(definition: ApplicationDefinition): Places {
  const names = namesOf('', definition.name)
  const subTopologies = topologyOf(definition).subTopologies.map(({ name, sources, states }) => ({
    name,
    sources: sources.map(({ topic }) => topic.name),
    states,
    changelog: states.length > 0 ? names.changelog(name) : undefined,
  }))
  return {
    names,
    subTopologies,
    sources: subTopologies.flatMap(({ sources }) => sources),
    sinks: [...new Set(definition.pipelines.flatMap((end) => (end.kind === 'sink' ? [end.topic.name] : [])))],
    changelogs: subTopologies.flatMap(({ changelog }) => changelog ?? []),
  }
}

/** A changelog's key, and what it holds. */
export function stateOf({ states }: SubTopologyPlace, storeKey: ByteString, bytes: ByteString) {
  const at = storeKey.indexOf('\0')
  const [name, key] = [storeKey.slice(0, at), bytesOf(storeKey.slice(at + 1)).toString()]
  const definition = states.find((state) => state.name === name)
  if (definition === undefined) throw new RangeError(`the application has no state object ${name}`)
  return { name, key, state: unpack(definition, bytes, key) }
}
