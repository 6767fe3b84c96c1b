/** Where in Kafka the parts of a simulated application are. */
import { bytesOf, type ByteString } from '../../src/core/records/byte-string.js'
import { unpack } from '../../src/core/state/packing.js'
import { hasChangelog, namesOf, topologyOf, type SourceInput, type SubTopology } from '../../src/core/plan/topology.js'
import type { ApplicationDefinition, StateDefinition } from '../../src/api/definition.js'

/** The tasks of one sub-topology, under the name that it has in Kafka. */
export interface SubTopologyPlace {
  readonly name: string
  /** Repartitions among them. */
  readonly sources: readonly string[]
  /** What the later version of the application reads besides. */
  readonly laterSources: readonly string[]
  /** Of both versions. */
  readonly states: readonly StateDefinition[]
  readonly changelog: string | undefined
  /** Whether the first version has none of it. */
  readonly isNew: boolean
}

export interface Places {
  readonly names: ReturnType<typeof namesOf>
  readonly subTopologies: readonly SubTopologyPlace[]
  /** Topics that others write to, in the order of declaration; those of broadcasts last. */
  readonly sources: readonly string[]
  /** Those of them that broadcasts are of. */
  readonly broadcasts: readonly string[]
  readonly repartitions: readonly string[]
  readonly sinks: readonly string[]
  /** Of the first version. */
  readonly changelogs: readonly string[]
}

/** `later`: a version of the application that continues where the first one is. */
export function placesOf(definition: ApplicationDefinition, later: ApplicationDefinition = definition): Places {
  const names = namesOf('', definition.name)
  const [first, second] = [definition, later].map((version) => topologyOf(version).subTopologies) as [
    readonly SubTopology[],
    readonly SubTopology[],
  ]
  const taken = new Set<SubTopology>()
  const placeOf = (sub: SubTopology, isNew: boolean): SubTopologyPlace => {
    const [states, sources] = [new Set(sub.states.map(({ name }) => name)), new Set(sub.sources.map(nameOf))]
    const same = second.filter(
      (one) =>
        one.states.some(({ name }) => states.has(name)) || one.sources.some((source) => sources.has(nameOf(source))),
    )
    for (const one of same) taken.add(one)
    return {
      name: sub.name,
      isNew,
      sources: [...sources],
      laterSources: same.flatMap((one) => one.sources.map(nameOf).filter((name) => !sources.has(name))),
      states: [...sub.states, ...same.flatMap((one) => one.states.filter(({ name }) => !states.has(name)))],
      changelog: hasChangelog(sub) ? names.changelog(sub.name) : undefined,
    }
  }
  const known = first.map((sub) => placeOf(sub, false))
  const subTopologies = [...known, ...second.filter((sub) => !taken.has(sub)).map((sub) => placeOf(sub, true))]
  const sources = [...first, ...second].flatMap((sub) => sub.sources)
  const named = (isRepartition: boolean): string[] => [
    ...new Set(sources.filter((one) => one.isRepartition === isRepartition).map(nameOf)),
  ]
  const broadcasts = [...first, ...second].flatMap((sub) => sub.broadcasts.map(({ topic }) => topic.name))
  const ends = [...definition.pipelines, ...later.pipelines]
  return {
    names,
    subTopologies,
    sources: [...new Set([...named(false), ...broadcasts])],
    broadcasts,
    repartitions: named(true),
    sinks: [...new Set(ends.flatMap((end) => (end.kind === 'sink' ? [end.topic.name] : [])))],
    changelogs: known.flatMap(({ changelog }) => changelog ?? []),
  }
}

const nameOf = ({ topic }: SourceInput): string => topic.name

/** A changelog's key, and what it holds. */
export function stateOf({ states }: SubTopologyPlace, storeKey: ByteString, bytes: ByteString) {
  const at = storeKey.indexOf('\0')
  const [name, key] = [storeKey.slice(0, at), bytesOf(storeKey.slice(at + 1)).toString()]
  const definition = states.find((state) => state.name === name)
  if (definition === undefined) throw new RangeError(`the application has no state object ${name}`)
  return { name, key, state: unpack(definition, bytes, key) }
}
