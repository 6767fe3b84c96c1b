/**
 * Topology: which pipelines belong together. Pipelines that share a source topic or a state object form a sub-topology;
 * its source topics are co-partitioned, and one partition number of all of them is a task.
 */
import type { ApplicationDefinition, PipelineDefinition, StateDefinition, TopicDefinition } from '../api/definition.js'

export interface SubTopology {
  /**
   * Name of its first state object, or of its first pipeline where it has no state. Not a number: a number would change
   * when a pipeline is added in front, and with it the names of changelog and transactional ids.
   */
  readonly name: string
  /** In the order of declaration, which decides between records of the same timestamp. */
  readonly sources: readonly SourceNode[]
  readonly states: readonly StateDefinition[]
  readonly sinks: readonly TopicDefinition[]
}
export interface SourceNode {
  readonly topic: TopicDefinition
  /** The pipelines that read it, in the order of declaration. */
  readonly pipelines: readonly PipelineDefinition[]
}
export interface Topology {
  readonly application: string
  readonly subTopologies: readonly SubTopology[]
}

/** Pure: the connected components of the application's pipelines, in the order of declaration. */
export function topologyOf(application: ApplicationDefinition): Topology {
  const groups: PipelineDefinition[][] = []
  for (const pipeline of application.pipelines) {
    const joined = groups.filter((group) =>
      group.some(
        (other) =>
          other.source.name === pipeline.source.name ||
          (pipeline.state !== undefined && other.state?.name === pipeline.state.name),
      ),
    )
    const [first, ...rest] = joined
    if (first === undefined) {
      groups.push([pipeline])
      continue
    }
    for (const group of rest) {
      first.push(...group)
      groups.splice(groups.indexOf(group), 1)
    }
    first.push(pipeline)
  }
  const rank = new Map(application.pipelines.map((pipeline, index) => [pipeline, index]))
  const inOrder = (group: PipelineDefinition[]): PipelineDefinition[] =>
    [...group].sort((a, b) => (rank.get(a) ?? 0) - (rank.get(b) ?? 0))
  return { application: application.name, subTopologies: groups.map((group) => subTopologyOf(inOrder(group))) }
}

function subTopologyOf(pipelines: readonly PipelineDefinition[]): SubTopology {
  const states = unique(pipelines.flatMap((p) => (p.state ? [p.state] : [])))
  const sinks = unique(pipelines.flatMap((p) => (p.sink ? [p.sink] : [])))
  const sources = unique(pipelines.map((p) => p.source)).map((topic) => ({
    topic,
    pipelines: pipelines.filter((p) => p.source.name === topic.name),
  }))
  const name = states[0]?.name ?? pipelines[0]?.name
  if (name === undefined) throw new RangeError('a sub-topology has at least one pipeline')
  return { name, sources, states, sinks }
}

const unique = <T extends { readonly name: string }>(things: readonly T[]): T[] => [
  ...new Map(things.map((thing) => [thing.name, thing])).values(),
]

/** The names that a task's parts have in Kafka. `prefix` is put in front of every one (`--topic-prefix`). */
export const namesOf = (prefix: string, application: string) => ({
  group: `${prefix}${application}`,
  topic: (name: string): string => `${prefix}${name}`,
  deadLetters: `${prefix}${application}-dead-letters`,
  changelog: (subTopology: string): string => `${prefix}${application}-${subTopology}-changelog`,
  transactionalId: (subTopology: string, partition: number): string =>
    `${prefix}${application}-${subTopology}-${String(partition)}`,
})

/** A task's id: sub-topology and partition. */
export const taskId = (subTopology: string, partition: number): string => `${subTopology}_${String(partition)}`
