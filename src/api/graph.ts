/** Questions about the graph of an application: pure, over the nodes of `definition.ts`. */
import type {
  ApplicationDefinition,
  BroadcastDefinition,
  ComputeNode,
  JoinNode,
  PairNode,
  KeyByNode,
  PipelineDefinition,
  SourceNode,
  StateDefinition,
  StreamNode,
  TimedNode,
  TableNode,
  TopicDefinition,
} from './definition.js'

type Node = StreamNode | TableNode | PipelineDefinition
/** What has to be where the state object of the message's key is. */
export type StatefulNode = ComputeNode | JoinNode | TableNode | PairNode

const isStateful = (node: Node): node is StatefulNode =>
  node.kind === 'compute' || node.kind === 'join' || node.kind === 'table' || node.kind === 'pair'

/** Where messages come from; not what is only read. */
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

/** Tables that a node reads: what goes into them is part of the application, too. */
const tablesOf = (node: Node): readonly TableNode[] =>
  statesOf(node).flatMap(({ table }) => (table === undefined || table === node ? [] : [table]))

/** Of what has met nothing in an interval join, both its sides: they are part of the application, whether what they meet is wanted or not. */
export function sidesOf(node: Node): readonly PairNode[] {
  const pairs = node.kind === 'timed' ? node.origin.state.pairs : undefined
  return pairs === undefined ? [] : [pairs.left, pairs.right]
}

/** State objects and tables of a node: what it writes first. */
export function statesOf(node: Node): readonly StateDefinition[] {
  if (node.kind === 'compute') return [node.state, ...node.reads]
  return isStateful(node) ? [node.state] : []
}

/**
 * All nodes of the application, each once: pipelines in their order, of each what lies before a node before it, and tables
 * before whatever reads them.
 */
export function nodesOf({ pipelines }: ApplicationDefinition): readonly Node[] {
  const seen = new Set<Node>()
  const visit = (node: Node): void => {
    if (seen.has(node)) return
    for (const before of [...tablesOf(node), ...sidesOf(node), ...upstreamsOf(node)]) visit(before)
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

/** Broadcasts that a node looks things up in. */
export function broadcastsOf(node: Node): readonly BroadcastDefinition[] {
  if (node.kind === 'lookup') return [node.broadcast]
  return node.kind === 'compute' ? node.broadcasts : []
}

/** The sources, the topics of broadcasts, and the sinks, each once, in the order of the pipelines. */
export function topicsOf(application: ApplicationDefinition): readonly TopicDefinition[] {
  const topics = nodesOf(application).flatMap((node) => [
    ...(node.kind === 'source' || node.kind === 'sink' ? [node.topic] : []),
    ...broadcastsOf(node).map(({ topic }) => topic),
  ])
  return [...new Set(topics)]
}

/** Those of the application that work with state objects, in the order of `nodesOf`. */
export const statefulNodesOf = (application: ApplicationDefinition): readonly StatefulNode[] =>
  nodesOf(application).filter(isStateful)

/** A keyBy() that a computation, a table or a join stands behind: its messages go through a repartition topic. */
export interface RepartitionDefinition {
  readonly node: KeyByNode
  /** `<from>-<state object>`, or what keyBy() was given: part of the topic's name. */
  readonly name: string
  /** The first of them. */
  readonly leadsTo: StatefulNode
}

/**
 * The repartitions of an application. One leads from what is named nearest before it, a state object or a source, to the
 * first state object or table behind it. A keyBy() that leads to sinks alone is none: a sink's topic has a key of its own.
 */
export function repartitionsOf(application: ApplicationDefinition): readonly RepartitionDefinition[] {
  const found = new Map<KeyByNode, StatefulNode>()
  for (const node of statefulNodesOf(application))
    for (const origin of keyOriginsOf(node)) if (origin.kind === 'keyBy' && !found.has(origin)) found.set(origin, node)
  return [...found].map(([node, leadsTo]) => ({
    node,
    leadsTo,
    name: node.name ?? `${nearestName(node.upstream)}-${leadsTo.state.name}`,
  }))
}

function nearestName(node: StreamNode): string {
  if (node.kind === 'source' || node.kind === 'timed') return node.name
  if (node.kind === 'compute' || node.kind === 'pair') return node.state.name
  const [first] = upstreamsOf(node)
  if (first === undefined) throw new RangeError('merge() has at least one stream')
  return nearestName(first)
}

/** The part of a topic's name behind its application's. */
export const REPARTITION_SUFFIX = '-repartition'
