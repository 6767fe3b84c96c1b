/** How many partitions the sources of each sub-topology have, and so how many tasks there are of it. */
import type { TopicDefinition } from '../../api/definition.js'
import type { SubTopology } from './topology.js'

/**
 * Pure: by sub-topology. Where it reads topics, they say it: one that exists rather than one that is only declared. Where it
 * reads repartitions alone: one that exists, else what a state object declares, else the most that any of those has that
 * write to them. Whether topics that say different things are a mistake is for the caller to find. `there`: of a topic,
 * undefined where it does not exist.
 */
export function partitionCounts(
  subTopologies: readonly SubTopology[],
  there: (topic: TopicDefinition) => number | undefined,
): ReadonlyMap<SubTopology, number> {
  const counts = new Map<SubTopology, number>()
  for (const sub of subTopologies) {
    const topics = sub.sources.flatMap(({ topic, isRepartition }) => (isRepartition ? [] : [topic]))
    const repartitions = sub.sources.flatMap(({ topic, isRepartition }) => (isRepartition ? [topic] : []))
    const [count] = [
      ...topics.flatMap((topic) => there(topic) ?? []),
      ...topics.map(({ partitions }) => partitions),
      ...repartitions.flatMap((topic) => there(topic) ?? []),
      ...sub.states.flatMap(({ partitions }) => partitions ?? []),
    ]
    if (count !== undefined) counts.set(sub, count)
  }
  // What is left takes after its writers; they may take after theirs.
  const left = (): SubTopology[] => subTopologies.filter((sub) => !counts.has(sub))
  for (let before = Infinity; left().length > 0 && left().length < before;) {
    before = left().length
    for (const sub of left()) {
      const writers = subTopologies.filter(({ sinks }) => sub.sources.some(({ topic }) => sinks.includes(topic)))
      const most = Math.max(0, ...writers.flatMap((writer) => counts.get(writer) ?? []))
      // One that writes to itself, too, takes after the others.
      if (most > 0 && writers.every((writer) => writer === sub || counts.has(writer))) counts.set(sub, most)
    }
  }
  // Only what feeds itself in a ring is left.
  const most = Math.max(1, ...counts.values())
  for (const sub of left()) counts.set(sub, most)
  return counts
}
