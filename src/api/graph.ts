/** Questions about the graph of an application: pure, over the nodes of `definition.ts`. */
import type {
  ApplicationDefinition,
  ComputeNode,
  KeyByNode,
  PipelineDefinition,
  SourceNode,
  StreamNode,
  TimedNode,
  TopicDefinition,
} from './definition.js'

type Node = StreamNode | PipelineDefinition

export function upstreamsOf(node: Node): readonly StreamNode[] {
  switch (node.kind) {
    case 'source':
    case 'timed':
      return []
    case 'merge':
      return node.upstreams
    default:
      return [node.upstream]
  }
}

/** All nodes of the application, each once: pipelines in their order, of each what lies before a node before it. */
export function nodesOf({ pipelines }: ApplicationDefinition): readonly Node[] {
  const seen = new Set<Node>()
  const visit = (node: Node): void => {
    if (seen.has(node)) return
    for (const upstream of upstreamsOf(node)) visit(upstream)
    seen.add(node)
  }
  for (const pipeline of pipelines) visit(pipeline)
  return [...seen]
}

/** Where the key of a node's messages comes from: sources, keyBy() and what time brings, several behind merge(). */
export function keyOriginsOf(node: Node): readonly (SourceNode | TimedNode | KeyByNode)[] {
  const found = new Set<SourceNode | TimedNode | KeyByNode>()
  const visit = (at: Node): void => {
    if (at.kind === 'source' || at.kind === 'timed' || at.kind === 'keyBy') found.add(at)
    else for (const upstream of upstreamsOf(at)) visit(upstream)
  }
  visit(node)
  return [...found]
}

/** The sources and sinks, each once, in the order of the pipelines. */
export function topicsOf(application: ApplicationDefinition): readonly TopicDefinition[] {
  const topics = nodesOf(application).flatMap((node) =>
    node.kind === 'source' || node.kind === 'sink' ? [node.topic] : [],
  )
  return [...new Set(topics)]
}

/** A keyBy() that a computation stands behind: its messages go through a repartition topic. */
export interface RepartitionDefinition {
  readonly node: KeyByNode
  /** `<from>-<state object>`, or what keyBy() was given: part of the topic's name. */
  readonly name: string
  /** The first computation behind it. */
  readonly leadsTo: ComputeNode
}

/**
 * The repartitions of an application. One leads from what is named nearest before it, a state object or a source, to the
 * first state object behind it. A keyBy() that leads to sinks alone is none: a sink's topic has a key of its own.
 */
export function repartitionsOf(application: ApplicationDefinition): readonly RepartitionDefinition[] {
  const found = new Map<KeyByNode, ComputeNode>()
  for (const node of nodesOf(application))
    if (node.kind === 'compute')
      for (const origin of keyOriginsOf(node))
        if (origin.kind === 'keyBy' && !found.has(origin)) found.set(origin, node)
  return [...found].map(([node, leadsTo]) => ({
    node,
    leadsTo,
    name: node.name ?? `${nearestName(node.upstream)}-${leadsTo.state.name}`,
  }))
}

function nearestName(node: StreamNode): string {
  if (node.kind === 'source' || node.kind === 'timed') return node.name
  if (node.kind === 'compute') return node.state.name
  const [first] = upstreamsOf(node)
  if (first === undefined) throw new RangeError('merge() has at least one stream')
  return nearestName(first)
}

/** The part of a topic's name behind its application's. */
export const REPARTITION_SUFFIX = '-repartition'
