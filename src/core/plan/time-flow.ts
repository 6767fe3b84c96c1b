/**
 * How time goes through an application: which sub-topologies have one, and what brings it to them. Those that use time have
 * one, and so have those that write to them through repartitions, for they have to say in these how far they are.
 *
 * Invariants
 * 1. The edge that closes a loop carries no time: else it would wait for itself. Each sub-topology that has a time has an input
 *    that brings it.
 * 2. What nobody needs is not said: where no time is used behind a repartition, nothing is written to it but messages.
 */
import type { TopicDefinition } from '../../api/definition.js'
import { usesTime, type SubTopology } from './topology.js'

/** What the bound of an input comes of. */
export type TimeSource =
  /** A topic: its records and, where nothing comes, the clock. */
  | 'records'
  /** A repartition: what these say, each task for itself. */
  | readonly SubTopology[]
  /** A repartition that is written to by what comes behind it alone: time does not wait for it. */
  | 'none'

export interface TimeInto {
  /** In the order of the sub-topology's sources. */
  readonly inputs: readonly TimeSource[]
  /** Repartitions in which it says how far it is. */
  readonly marks: readonly TopicDefinition[]
}

/** Pure. Of those sub-topologies that have a time. */
export function timeFlow(subTopologies: readonly SubTopology[]): ReadonlyMap<SubTopology, TimeInto> {
  const edges = edgesOf(subTopologies)
  const closing = closingOf(subTopologies, edges)
  const carrying = edges.filter((edge) => !closing.has(edge))
  const timed = new Set(subTopologies.filter(usesTime))
  // A set gives what is added to it meanwhile, too.
  for (const reader of timed) for (const edge of carrying) if (edge.reader === reader) timed.add(edge.writer)
  const isTimed = ({ reader }: Edge): boolean => timed.has(reader)
  return new Map(
    subTopologies
      .filter((sub) => timed.has(sub))
      .map((sub) => [
        sub,
        {
          inputs: sub.sources.map(({ topic, isRepartition }): TimeSource => {
            if (!isRepartition) return 'records'
            const writers = carrying.filter((edge) => edge.reader === sub && edge.topic === topic)
            return writers.length === 0 ? 'none' : writers.map(({ writer }) => writer)
          }),
          marks: carrying.filter((edge) => edge.writer === sub && isTimed(edge)).map(({ topic }) => topic),
        },
      ]),
  )
}

/** Those whose time a repartition carries. */
export const writersIn = (
  flow: ReadonlyMap<SubTopology, TimeInto>,
  topic: TopicDefinition,
): readonly SubTopology[] =>
  [...flow].flatMap(([sub, { inputs }]) =>
    inputs.flatMap((input, i) => (typeof input === 'string' || sub.sources[i]?.topic !== topic ? [] : input)),
  )

/** Whether the clock brings time to a sub-topology where nothing comes: all topics before it let it. */
export function isBroughtByClock(flow: ReadonlyMap<SubTopology, TimeInto>, sub: SubTopology): boolean {
  const before = new Set([sub])
  for (const one of before)
    for (const input of flow.get(one)?.inputs ?? [])
      if (typeof input !== 'string') for (const writer of input) before.add(writer)
  return [...before].every(({ sources }) => sources.every(({ topic, isRepartition }) => isRepartition || topic.ticks))
}

interface Edge {
  readonly writer: SubTopology
  readonly topic: TopicDefinition
  readonly reader: SubTopology
}

const edgesOf = (subTopologies: readonly SubTopology[]): readonly Edge[] =>
  subTopologies.flatMap((reader) =>
    reader.sources.flatMap(({ topic, isRepartition }) =>
      isRepartition
        ? subTopologies.filter(({ sinks }) => sinks.includes(topic)).map((writer) => ({ writer, topic, reader }))
        : [],
    ),
  )

/**
 * Those that lead back to where a walk along the edges is, which begins where topics are read: first at what no repartition
 * leads to. Whatever has a time is reached by an edge that does not lead back, or reads a topic.
 */
function closingOf(subTopologies: readonly SubTopology[], edges: readonly Edge[]): ReadonlySet<Edge> {
  const closing = new Set<Edge>()
  const [entered, left] = [new Set<SubTopology>(), new Set<SubTopology>()]
  const walk = (at: SubTopology): void => {
    entered.add(at)
    for (const edge of edges) {
      if (edge.writer !== at) continue
      if (!entered.has(edge.reader)) walk(edge.reader)
      else if (!left.has(edge.reader)) closing.add(edge)
    }
    left.add(at)
  }
  const readsTopics = ({ sources }: SubTopology): boolean => sources.some(({ isRepartition }) => !isRepartition)
  const begins = (sub: SubTopology): boolean => !edges.some(({ reader }) => reader === sub)
  for (const sub of [...subTopologies.filter(begins), ...subTopologies.filter(readsTopics), ...subTopologies])
    if (!entered.has(sub)) walk(sub)
  return closing
}
