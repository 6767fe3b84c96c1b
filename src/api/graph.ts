/** Pure functions that answer questions about the graph of an application, over the nodes of `definition.ts`. */
import type {
  ApplicationDefinition,
  BroadcastDefinition,
  CallNode,
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
/** What must be on the same task as the state object of the message's key. */
export type StatefulNode = ComputeNode | JoinNode | TableNode | PairNode

const isStateful = (node: Node): node is StatefulNode =>
  node.kind === 'compute' || node.kind === 'join' || node.kind === 'table' || node.kind === 'pair'

/** Where messages come from, without what is only read. */
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

/** Tables that a node reads: the streams that write them are part of the application too. */
const tablesOf = (node: Node): readonly TableNode[] =>
  statesOf(node).flatMap(({ table }) => (table === undefined || table === node ? [] : [table]))

/** Both sides of an interval join belong to the application, whether their pairs are used or not. */
export function sidesOf(node: Node): readonly PairNode[] {
  const pairs = node.kind === 'timed' ? node.origin.state.pairs : undefined
  return pairs === undefined ? [] : [pairs.left, pairs.right]
}

/** State objects and tables of a node: the one that it writes comes first. */
export function statesOf(node: Node): readonly StateDefinition[] {
  if (node.kind === 'compute') return [node.state, ...node.reads]
  return isStateful(node) ? [node.state] : []
}

/**
 * All nodes of the application, each once: pipelines in their order, each node after those before it, and tables before
 * whatever reads them.
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

/** Where messages get their key from: the results of a call have keys too, wherever it was made. */
export type KeyOrigin = SourceNode | TimedNode | KeyByNode | CallNode

/**
 * Where a node's messages get their keys from: sources, keyBy(), calls and what time produces; several after merge().
 */
export function keyOriginsOf(node: Node): readonly KeyOrigin[] {
  const found = new Set<KeyOrigin>()
  const visit = (at: Node): void => {
    if (at !== node && isKeyOrigin(at)) found.add(at)
    else for (const upstream of upstreamsOf(at)) visit(upstream)
  }
  visit(node)
  return [...found]
}

const isKeyOrigin = (node: Node): node is KeyOrigin =>
  node.kind === 'source' || node.kind === 'timed' || node.kind === 'keyBy' || node.kind === 'call'

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

export const callsOf = (application: ApplicationDefinition): readonly CallNode[] =>
  nodesOf(application).filter((node) => node.kind === 'call')

/** Messages that go through a repartition topic. */
export interface RepartitionDefinition {
  /** A keyBy() or a call with a computation, a table or a join after it; or where a call's messages come from. */
  readonly node: KeyByNode | CallNode
  /** Whether it leads to the call that is its node, rather than from it. */
  readonly isToCall: boolean
  /** `<from>-<to>`, or what keyBy() was given: part of the topic's name. */
  readonly name: string
  /** The first state object, table or call that it leads to. */
  readonly leadsTo: string
}

/**
 * The repartitions of an application. Each leads from the nearest named node before it, a state object, a call or a
 * source, to the first state object or table after it, or to a call. A keyBy() that leads only to sinks is not one,
 * because a sink's topic has its own key; neither is a call that leads only to sinks, because its results go straight
 * there.
 */
export function repartitionsOf(application: ApplicationDefinition): readonly RepartitionDefinition[] {
  const found = new Map<KeyByNode | CallNode, StatefulNode>()
  for (const node of statefulNodesOf(application))
    for (const origin of keyOriginsOf(node))
      if ((origin.kind === 'keyBy' || origin.kind === 'call') && !found.has(origin)) found.set(origin, node)
  return [
    ...[...found].map(([node, { state }]): RepartitionDefinition => ({
      node,
      isToCall: false,
      leadsTo: state.name,
      name: ownName(node) ?? `${node.kind === 'call' ? node.call.name : nearestName(node.upstream)}-${state.name}`,
    })),
    ...callsOf(application)
      .filter((node) => sourceOfCall(application, node) === undefined)
      .map((node): RepartitionDefinition => ({
        node,
        isToCall: true,
        leadsTo: node.call.name,
        name: nameBefore(node, found) ?? `${nearestName(node.upstream)}-${node.call.name}`,
      })),
  ]
}

/** The name from the keyBy() right before a call, if that has no repartition of its own. */
function nameBefore(
  { upstream }: CallNode,
  others: ReadonlyMap<KeyByNode | CallNode, StatefulNode>,
): string | undefined {
  return upstream.kind === 'keyBy' && !others.has(upstream) ? upstream.name : undefined
}

const ownName = (node: KeyByNode | CallNode): string | undefined => (node.kind === 'keyBy' ? node.name : undefined)

/**
 * The source that a call reads, if it directly follows one that nothing else in the application reads. Otherwise its
 * messages go through a repartition.
 */
export function sourceOfCall(application: ApplicationDefinition, { upstream }: CallNode): SourceNode | undefined {
  if (upstream.kind !== 'source') return undefined
  const readers = nodesOf(application).filter((node) =>
    upstreamsOf(node).some((before) => before.kind === 'source' && before.topic === upstream.topic),
  )
  return readers.length === 1 ? upstream : undefined
}

function nearestName(node: StreamNode): string {
  if (node.kind === 'source' || node.kind === 'timed') return node.name
  if (node.kind === 'compute' || node.kind === 'pair') return node.state.name
  if (node.kind === 'call') return node.call.name
  const [first] = upstreamsOf(node)
  if (first === undefined) throw new RangeError('merge() has at least one stream')
  return nearestName(first)
}

/** The part of a topic's name after the application's name. */
export const REPARTITION_SUFFIX = '-repartition'
