/**
 * How time goes through an application: which sub-topologies have one, and what brings it to them. Those that use time have
 * one, and so have those that write to them through repartitions, because they must say in these how far they are.
 *
 * Invariants
 * 1. The edge that closes a loop carries no time: else it would wait for itself. Each sub-topology that has a time has an input
 *    that brings it. Which edge that is follows from the order of declaration.
 * 2. Results of calls carry time as all else does, but to what is before their call in a loop: a call closes it rather than anything else.
 * 3. What nobody needs is not said: where no time is used after a repartition, nothing is written to it but messages.
 */
import type { TopicDefinition } from '../../api/definition.js'
import { usesTime, type SubTopology } from './topology.js'

/** What the bound of an input comes of. */
export type TimeSource =
  /** A topic: its records and, where nothing comes, the clock. */
  | 'records'
  /** A repartition: what these say, each task for itself. */
  | readonly SubTopology[]
  /** A repartition that is written to by what comes after it alone: time does not wait for it. */
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
export const writersIn = (flow: ReadonlyMap<SubTopology, TimeInto>, topic: TopicDefinition): readonly SubTopology[] =>
  [...flow].flatMap(([sub, { inputs }]) =>
    inputs.flatMap((input, i) => (typeof input === 'string' || sub.sources[i]?.topic !== topic ? [] : input)),
  )

/** Whether the clock brings time to a sub-topology where nothing comes: all topics before it let it. */
export const isDrivenByClock = (flow: ReadonlyMap<SubTopology, TimeInto>, sub: SubTopology): boolean =>
  subTopologiesBefore(flow, sub).every(({ sources }) =>
    sources.every(({ topic, isRepartition }) => isRepartition || topic.ticks),
  )

/** A sub-topology, and those that time comes to it from. */
export function subTopologiesBefore(
  flow: ReadonlyMap<SubTopology, TimeInto>,
  sub: SubTopology,
): readonly SubTopology[] {
  const writersTo = (one: SubTopology): readonly SubTopology[] =>
    (flow.get(one)?.inputs ?? []).flatMap((input) => (typeof input === 'string' ? [] : input))
  return [...new Set([sub, ...reached(sub, writersTo)])]
}

interface Edge {
  readonly writer: SubTopology
  readonly topic: TopicDefinition
  readonly reader: SubTopology
}

/** Who writes to a sub-topology, by those edges. */
const writersBy =
  (edges: readonly Edge[]) =>
  (sub: SubTopology): readonly SubTopology[] =>
    edges.flatMap(({ writer, reader }) => (reader === sub ? [writer] : []))

const edgesOf = (subTopologies: readonly SubTopology[]): readonly Edge[] =>
  subTopologies.flatMap((reader) =>
    reader.sources.flatMap(({ topic, isRepartition }) =>
      isRepartition
        ? subTopologies.filter(({ sinks }) => sinks.includes(topic)).map((writer) => ({ writer, topic, reader }))
        : [],
    ),
  )

/**
 * Those that close a loop: of the sub-topologies of one, the one that is declared first waits for none of the others, the next one for
 * the first, and so on. What has no time of its own to begin with can't be the first, and a call is not where something else can.
 */
function closingOf(subTopologies: readonly SubTopology[], edges: readonly Edge[]): ReadonlySet<Edge> {
  const placed = new Set<SubTopology>()
  const closing = new Set<Edge>()
  const writersTo = writersBy(edges)
  const before = new Map(subTopologies.map((sub) => [sub, reached(sub, writersTo)]))
  /** Whether nothing that is not placed lies before it but what it lies before, too. */
  const isNext = (sub: SubTopology): boolean =>
    [...(before.get(sub) ?? [])].every((one) => placed.has(one) || before.get(one)?.has(sub) === true)
  const begins = (sub: SubTopology): boolean =>
    sub.sources.some(({ isRepartition }) => !isRepartition) || writersTo(sub).some((writer) => placed.has(writer))
  for (let left = subTopologies; left.length > 0; left = left.filter((sub) => !placed.has(sub))) {
    const next = left.filter(isNext)
    const sub = next.find((one) => begins(one) && one.call === undefined) ?? next.find(begins) ?? next[0]
    if (sub === undefined) throw new RangeError('a remaining part of the graph is reached only through its own loop')
    for (const edge of edges) if (edge.reader === sub && !placed.has(edge.writer)) closing.add(edge)
    placed.add(sub)
  }
  return closing
}

/** All that lies before, by way of whatever; the sub-topology itself only where it is in a loop. */
function reached(sub: SubTopology, before: (sub: SubTopology) => readonly SubTopology[]): ReadonlySet<SubTopology> {
  // A set gives what is added to it meanwhile, too.
  const all = new Set(before(sub))
  for (const one of all) for (const another of before(one)) all.add(another)
  return all
}
