/**
 * Starting an application again from its sources, without what it has made of them: what that takes, and in which order.
 *
 * Invariants
 * 1. First of all the manifest is marked, and last of all the mark is taken away: in between, no worker starts, whenever the
 *    reset dies. The marked manifest names all that is deleted and all that is made, so that a reset which is run again
 *    begins at the beginning, whatever the one before had done.
 * 2. Nothing is deleted before all former owners are fenced: what they have under way is decided, and they commit no more.
 *    And nothing before the group is: brokers refuse that while it has members.
 * 3. Only topics that the manifest names are deleted, never those that look like it.
 * 4. Each new changelog begins with a commit record, in one transaction with the group's offsets: it has an identity, so that
 *    a store of the one before is found out and set aside, and says where the sources are read from. (A changelog without
 *    one, under a store that is filled, would have been lost.)
 */
import type { Manifest, ManifestEntry, ManifestSource } from './manifest.js'
import { ownTopics, type Counts, type CreatedTopic } from './topic-plan.js'
import { hasChangelog, type Names, type Topology } from './topology.js'

export interface ResetInput {
  /** What is to be there, with the names that its sub-topologies begin with. */
  readonly topology: Topology
  /** Tasks of each sub-topology. */
  readonly counts: Counts
  /** What is there. */
  readonly manifest: Manifest
  /** What is to be there: that of the topology, as if nothing had been before. */
  readonly fresh: Manifest
  readonly names: Names
}

/** A task that starts over. */
export interface ResetTask {
  readonly transactionalId: string
  readonly subTopology: string
  readonly partition: number
  /** Undefined without state: then its positions are the group's alone. */
  readonly changelog: string | undefined
  /** By their names in Kafka. */
  readonly sources: readonly { readonly topic: string; readonly isRepartition: boolean }[]
}

/** In their order. */
export type ResetStep =
  | { readonly kind: 'fence'; readonly transactionalIds: readonly string[] }
  | { readonly kind: 'delete group'; readonly group: string }
  | { readonly kind: 'delete topics'; readonly topics: readonly string[] }
  | { readonly kind: 'create topics'; readonly topics: readonly CreatedTopic[] }
  | { readonly kind: 'begin'; readonly tasks: readonly ResetTask[] }
  | { readonly kind: 'finish'; readonly manifest: Manifest }

/** Invariant 1: the manifest as it is while the reset is under way. The same one where it is marked already, and lacks nothing. */
export function markedForReset(there: Manifest, fresh: Manifest): Manifest {
  const entries = there.subTopologies.map((entry) => {
    const other = fresh.subTopologies.find(({ name }) => name === entry.name)
    return other === undefined ? entry : united(entry, other)
  })
  const others = fresh.subTopologies.filter(({ name }) => !entries.some((entry) => entry.name === name))
  const marked: Manifest = { ...there, resetting: true, subTopologies: [...entries, ...others] }
  return JSON.stringify(marked) === JSON.stringify(there) ? there : marked
}

function united(entry: ManifestEntry, other: ManifestEntry): ManifestEntry {
  const lacks = ({ topic }: ManifestSource): boolean => !entry.sources.some((source) => source.topic === topic)
  return {
    ...entry,
    partitions: Math.max(entry.partitions, other.partitions),
    sources: [
      ...entry.sources,
      ...other.sources.filter(lacks).map(({ topic, isRepartition }) => ({ topic, isRepartition })),
    ],
    states: [...entry.states, ...other.states.filter(({ name }) => !entry.states.some((state) => state.name === name))],
  }
}

/** Changelogs and repartitions of a manifest, by their names in Kafka. */
export const topicsOf = ({ subTopologies }: Manifest, names: Names): readonly string[] => [
  ...new Set(
    subTopologies.flatMap(({ name, states, sources }) => [
      ...(states.length === 0 ? [] : [names.changelog(name)]),
      ...sources.filter(({ isRepartition }) => isRepartition).map(({ topic }) => names.topic(topic)),
    ]),
  ),
]

/** Pure: what is done once the manifest is marked. */
export function resetSteps({ topology, counts, manifest, fresh, names }: ResetInput): readonly ResetStep[] {
  const transactionalIds = manifest.subTopologies.flatMap(({ name, partitions }) =>
    Array.from({ length: partitions }, (_, partition) => names.transactionalId(name, partition)),
  )
  const { resetting: _, ...former } = manifest
  return [
    { kind: 'fence', transactionalIds },
    { kind: 'delete group', group: names.group },
    { kind: 'delete topics', topics: topicsOf(manifest, names) },
    { kind: 'create topics', topics: recreatedTopics(counts, names) },
    { kind: 'begin', tasks: tasksOf(topology, counts, names) },
    {
      kind: 'finish',
      manifest: { ...former, generation: manifest.generation + 1, subTopologies: fresh.subTopologies },
    },
  ]
}

/** Dead letters stay where they are, and are made where there are none. The manifest is there, and marked. */
const recreatedTopics = (counts: Counts, names: Names): CreatedTopic[] =>
  ownTopics(counts, names).flatMap(({ role, ...topic }) => (role === 'manifest' ? [] : [topic]))

const tasksOf = ({ subTopologies }: Topology, counts: Counts, names: Names): ResetTask[] =>
  subTopologies.flatMap((sub) =>
    Array.from({ length: counts.get(sub) ?? 0 }, (_, partition) => ({
      transactionalId: names.transactionalId(sub.name, partition),
      subTopology: sub.name,
      partition,
      changelog: hasChangelog(sub) ? names.changelog(sub.name) : undefined,
      sources: sub.sources.map(({ topic, isRepartition }) => ({ topic: names.topic(topic.name), isRepartition })),
    })),
  )
