/**
 * Topology: the graph of an application cut into what can run on one worker. A keyBy() with a computation, a table or a join
 * after it sends messages to other workers, so the graph is cut there, and a repartition topic stands in the cut. Each source
 * topic and each repartition then has a tree of operators below it, which a message runs through, depth first, in the order
 * of declaration. Those that share a state object or a table, written or read, form a sub-topology. Its sources are
 * co-partitioned, and one partition number of all of them is a task. A call is a sub-topology of its own: what waits must not keep
 * state objects waiting.
 *
 * Invariants
 * 1. What goes into a table comes before what reads it, at the same timestamp: of a sub-topology's sources, those come first
 *    that lead to a table; below one source, its operator comes before those of its readers.
 */
import type {
  ApplicationDefinition,
  BroadcastDefinition,
  CallDefinition,
  CallNode,
  Compute,
  JoinNode,
  KeyByNode,
  PartitionerName,
  Side,
  PassedHeaders,
  StateDefinition,
  StreamNode,
  TimedDefinition,
  TableNode,
  TopicDefinition,
} from '../../api/definition.js'
import {
  broadcastsOf,
  REPARTITION_SUFFIX,
  repartitionsOf,
  sourceOfCall,
  statefulNodesOf,
  sidesOf,
  statesOf,
  type StatefulNode,
} from '../../api/graph.js'
import { closes, windowRanks } from '../../api/window-ranks.js'
import { Carried, carryingTopic, type StepNode } from './carried.js'
import { repartitionKey, repartitionTopic } from './repartition.js'

export type Operator =
  | { readonly kind: 'filter'; readonly keep: (message: unknown) => boolean; readonly next: readonly Operator[] }
  | { readonly kind: 'map'; readonly map: (message: unknown) => unknown; readonly next: readonly Operator[] }
  | { readonly kind: 'flatMap'; readonly flatMap: (message: unknown) => unknown; readonly next: readonly Operator[] }
  | {
      readonly kind: 'compute'
      readonly state: StateDefinition
      readonly compute: Compute
      readonly next: readonly Operator[]
    }
  /** A computation of windows. */
  | {
      readonly kind: 'window'
      readonly state: StateDefinition
      readonly compute: Compute
      readonly next: readonly Operator[]
    }
  | {
      readonly kind: 'join'
      readonly state: StateDefinition
      readonly step: JoinNode['step']
      readonly next: readonly Operator[]
    }
  | {
      readonly kind: 'lookup'
      readonly broadcast: BroadcastDefinition
      readonly key: (message: unknown) => string
      readonly step: JoinNode['step']
      readonly next: readonly Operator[]
    }
  /** A side of an interval join. */
  | {
      readonly kind: 'pair'
      readonly state: StateDefinition
      readonly side: Side
      readonly next: readonly Operator[]
    }
  /** Keeps the message as the table's entry; nothing comes after it. */
  | { readonly kind: 'table'; readonly state: StateDefinition }
  | {
      readonly kind: 'sink'
      readonly topic: TopicDefinition
      /** What its records get; undefined for a topic without a key; `own`: that of the record which caused the message. */
      readonly key: ((message: unknown) => string) | 'own' | undefined
      readonly headers: PassedHeaders
    }

export interface SubTopology {
  /**
   * Name of its first state object, else of its first table, or of its first source where it has no state. Not a number: a number would change
   * when a pipeline is added in front, and with it the names of changelog and transactional ids.
   */
  readonly name: string
  /** In the order of declaration, but those of tables first: it decides between records of the same timestamp. */
  readonly sources: readonly SourceInput[]
  /** State objects and tables, also those that are only read. */
  readonly states: readonly StateDefinition[]
  /** What time brings to it. */
  readonly timed: readonly TimedInput[]
  /** What its messages look things up in. */
  readonly broadcasts: readonly BroadcastDefinition[]
  /** Topics that it writes to, repartitions among them. */
  readonly sinks: readonly TopicDefinition[]
  /** What its one source's messages are given to; its operators then get the results. Such a sub-topology has no state. */
  readonly call?: CallDefinition | undefined
  /** How many sub-topologies a message may have been through before it comes here; loops count once. */
  readonly depth: number
}
export interface SourceInput {
  readonly topic: TopicDefinition
  /** Whether it is a repartition: its key is its records', and only this sub-topology's changelog knows its position. */
  readonly isRepartition: boolean
  /** What its messages run through, in the order of declaration. */
  readonly operators: readonly Operator[]
  /** State objects and tables of its operators. */
  readonly states: readonly StateDefinition[]
}
/** A timer, what becomes of state objects whose time is over, or windows that have closed. */
export interface TimedInput {
  readonly origin: TimedDefinition
  /** What its messages run through, in the order of declaration. */
  readonly operators: readonly Operator[]
}
export interface Topology {
  readonly application: string
  readonly subTopologies: readonly SubTopology[]
}

type Growing<T> = T extends { readonly next: readonly Operator[] } ? Omit<T, 'next'> & { readonly next: Operator[] } : T

/** A source, a repartition, or what time brings, with the operators below it up to the next cut. */
interface Segment {
  /** Undefined for what time brings. */
  readonly topic: TopicDefinition | undefined
  readonly timed?: TimedDefinition
  readonly isRepartition: boolean
  /** Of the source's pipeline, or of the repartition. */
  readonly name: string
  readonly call?: CallDefinition
  readonly operators: Operator[]
  readonly states: Set<StateDefinition>
  readonly broadcasts: Set<BroadcastDefinition>
  readonly sinks: Set<TopicDefinition>
  leadsToTable: boolean
}

/** Pure. Sub-topologies in the order of declaration. */
export function topologyOf(application: ApplicationDefinition): Topology {
  // A repartition is partitioned like the topics of the sub-topology that it leads to: that is known once all is cut.
  const { segments } = cut(application, () => ({ partitions: 0, partitioner: 'murmur2' }))
  const groups = grouped(segments)
  const likeNeighbours = (name: string): Partitioning => {
    const group = groups.find((one) => one.some((segment) => segment.isRepartition && segment.name === name)) ?? []
    const known = group.flatMap(({ isRepartition, topic }) => (isRepartition ? [] : (topic?.partitioner ?? [])))
    const counts = group.flatMap(({ states }) => [...states].flatMap(({ partitions }) => partitions ?? []))
    return { partitions: counts[0] ?? 0, partitioner: known[0] ?? 'murmur2' }
  }
  const done = cut(application, likeNeighbours)
  const declared = statefulNodesOf(application).flatMap(statesOf)
  return {
    application: application.name,
    subTopologies: withDepths(grouped(done.segments).map((group) => subTopologyOf(group, [...new Set(declared)]))),
  }
}

/** Segments that share a state object, directly or by others, each group in the order of declaration. */
function grouped(segments: readonly Segment[]): Segment[][] {
  const groups: Segment[][] = []
  for (const segment of segments) {
    const joined = groups.filter((group) => group.some(({ states }) => [...states].some((s) => segment.states.has(s))))
    const [first, ...rest] = joined
    if (first === undefined) {
      groups.push([segment])
      continue
    }
    for (const group of rest) {
      first.push(...group)
      groups.splice(groups.indexOf(group), 1)
    }
    first.push(segment)
  }
  const rank = new Map(segments.map((segment, index) => [segment, index]))
  return groups.map((group) => [...group].sort((a, b) => (rank.get(a) ?? 0) - (rank.get(b) ?? 0)))
}

type Shallow = Omit<SubTopology, 'depth'>

function withDepths(subs: readonly Shallow[]): SubTopology[] {
  const readersOf = new Map(
    subs.map(({ sinks }, index) => {
      const written = new Set(sinks.map(({ name }) => name))
      const isReader = ({ sources }: Shallow, at: number) =>
        at !== index && sources.some(({ topic }) => written.has(topic.name))
      return [index, subs.flatMap((sub, at) => (isReader(sub, at) ? [at] : []))]
    }),
  )
  // Readers before writers, as a walk from what nobody writes to leaves them; what the walk is at already closes a loop.
  const left: number[] = []
  const entered = new Set<number>()
  const closing = new Set<string>()
  const walk = (at: number): void => {
    entered.add(at)
    for (const reader of readersOf.get(at) ?? [])
      if (!entered.has(reader)) walk(reader)
      else if (!left.includes(reader)) closing.add(`${String(at)} ${String(reader)}`)
    left.push(at)
  }
  const isWrittenTo = (at: number): boolean => [...readersOf.values()].some((readers) => readers.includes(at))
  const order = subs.map((_, at) => at)
  for (const at of [...order.filter((one) => !isWrittenTo(one)), ...order]) if (!entered.has(at)) walk(at)

  const depths = subs.map(() => 0)
  for (const at of left.reverse())
    for (const reader of readersOf.get(at) ?? [])
      if (!closing.has(`${String(at)} ${String(reader)}`))
        depths[reader] = Math.max(depths[reader] ?? 0, 1 + (depths[at] ?? 0))
  return subs.map((sub, at) => ({ ...sub, depth: depths[at] ?? 0 }))
}

function subTopologyOf(segments: readonly Segment[], declared: readonly StateDefinition[]): Shallow {
  const states = declared.filter((state) => segments.some((segment) => segment.states.has(state)))
  const call = segments[0]?.call
  const name = (call ?? states.find(({ table }) => table === undefined) ?? states[0] ?? segments[0])?.name
  if (name === undefined) throw new RangeError('a sub-topology has at least one source')
  // Invariant 1
  const ordered = [...segments].sort((a, b) => Number(b.leadsToTable) - Number(a.leadsToTable))
  const sources = ordered.flatMap(({ topic, isRepartition, operators, states: own }) =>
    topic === undefined ? [] : [{ topic, isRepartition, operators, states: [...own] }],
  )
  const timed = segments.flatMap(({ timed: origin, operators }) =>
    origin === undefined ? [] : [{ origin, operators }],
  )
  const broadcasts = [...new Set(segments.flatMap((segment) => [...segment.broadcasts]))]
  const sinks = [...new Set(segments.flatMap((segment) => [...segment.sinks]))]
  return { name, sources, states, timed, broadcasts, sinks, ...(call && { call }) }
}

interface Partitioning {
  /** 0: not said. */
  readonly partitions: number
  readonly partitioner: PartitionerName
}
/** Where an operator goes: below the ones before it, which may be several segments' when streams were merged. */
interface Place {
  readonly segments: readonly Segment[]
  readonly operators: Operator[]
}

/** Where messages for a call come by. */
interface Feed {
  readonly places: readonly Place[]
  /** Whether they are `Carried`; else they are under the key of the record which causes them. */
  readonly carries: boolean
}

const isStep = (node: StreamNode): node is StepNode =>
  node.kind === 'filter' || node.kind === 'map' || node.kind === 'flatMap' || node.kind === 'lookup'

function stepOf(node: StepNode): Growing<Operator> {
  switch (node.kind) {
    case 'filter':
      return { kind: 'filter', keep: node.keep, next: [] }
    case 'map':
      return { kind: 'map', map: node.map, next: [] }
    case 'flatMap':
      return { kind: 'flatMap', flatMap: node.flatMap, next: [] }
    case 'lookup':
      return { kind: 'lookup', broadcast: node.broadcast, key: node.key, step: node.step, next: [] }
  }
}

/** Walks from each pipeline's end to its sources, and puts each node's operator below those before it, once. */
function cut(
  application: ApplicationDefinition,
  partitioningOf: (repartition: string) => Partitioning,
): { readonly segments: readonly Segment[] } {
  /** Behind a keyBy() or a call. */
  const repartitions = new Map<KeyByNode | CallNode, Segment>()
  const calls = new Map<CallNode, Segment>()
  for (const { node, isToCall, name } of repartitionsOf(application)) {
    const { partitions, partitioner } = partitioningOf(name)
    const topic = repartitionTopic(`${application.name}-${name}${REPARTITION_SUFFIX}`, partitions, partitioner)
    if (!isToCall) repartitions.set(node, newSegment(topic, true, name))
    else if (node.kind === 'call') calls.set(node, { ...newSegment(carryingTopic(topic), true, name), call: node.call })
  }
  const sources = new Map<TopicDefinition, Segment>()
  const timed = new Map<TimedDefinition, Segment>()
  const segments: Segment[] = []
  const places = new Map<StreamNode | TableNode, readonly Place[]>()
  const feeds = new Map<StreamNode, readonly Feed[]>()

  const put = (operator: Growing<Operator>, to: readonly Place[]): readonly Place[] => {
    const reached = [...new Set(to.flatMap((place) => place.segments))]
    for (const { operators } of to) operators.push(operator)
    for (const segment of reached) {
      if (operator.kind === 'sink') segment.sinks.add(operator.topic)
      if (operator.kind === 'table') segment.leadsToTable = true
    }
    return 'next' in operator ? [{ segments: reached, operators: operator.next }] : []
  }
  /** The node's operator works with these state objects; what goes into the tables among them is put in place before it. */
  const putStateful = (node: StatefulNode, operator: Growing<Operator>): readonly Place[] => {
    const states = statesOf(node)
    for (const { table } of states) if (table !== undefined && table !== node) placesOf(table)
    const to = placesOf(node.upstream)
    for (const segment of to.flatMap(({ segments: all }) => all)) {
      for (const state of states) segment.states.add(state)
      for (const broadcast of broadcastsOf(node)) segment.broadcasts.add(broadcast)
    }
    return put(operator, to)
  }
  const begin = (segment: Segment): readonly Place[] => {
    if (!segments.includes(segment)) segments.push(segment)
    return [{ segments: [segment], operators: segment.operators }]
  }
  const placesOf = (node: StreamNode | TableNode): readonly Place[] => {
    const known = places.get(node)
    if (known !== undefined) return known
    const made = make(node)
    places.set(node, made)
    return made
  }
  /** Whether messages get there without a record under their key: after a keyBy() that nothing with state stands behind. */
  const lacksKey = (node: StreamNode): boolean => {
    if (node.kind === 'keyBy') return !repartitions.has(node)
    if (node.kind === 'merge') return node.upstreams.some(lacksKey)
    return isStep(node) && lacksKey(node.upstream)
  }
  /** Where messages for a call come by: with their key beside them where there is no record under it. */
  const feedsOf = (node: StreamNode): readonly Feed[] => {
    if (!lacksKey(node)) return [{ places: placesOf(node), carries: false }]
    const known = feeds.get(node)
    if (known !== undefined) return known
    const made = makeFeeds(node)
    feeds.set(node, made)
    return made
  }
  const makeFeeds = (node: StreamNode): readonly Feed[] => {
    if (node.kind === 'merge') return node.upstreams.flatMap(feedsOf)
    if (node.kind === 'keyBy') {
      const carry = Carried.by(repartitionKey(node.key))
      return [{ places: put({ kind: 'map', map: carry, next: [] }, placesOf(node.upstream)), carries: true }]
    }
    if (!isStep(node)) return [{ places: placesOf(node), carries: false }]
    return feedsOf(node.upstream).map(({ places: to, carries }) => {
      if (node.kind === 'lookup') noteBroadcast(node.broadcast, to)
      return { places: put(stepOf(carries ? Carried.through(node) : node), to), carries }
    })
  }
  const noteBroadcast = (broadcast: BroadcastDefinition, to: readonly Place[]): void => {
    for (const segment of to.flatMap(({ segments: all }) => all)) segment.broadcasts.add(broadcast)
  }
  /** A call: what feeds it, and where what comes of it goes. */
  const placeCall = (node: CallNode): readonly Place[] => {
    const source = sourceOfCall(application, node)
    const direct = source && { ...newSegment(source.topic, false, source.name), call: node.call }
    const segment = direct ?? calls.get(node)
    if (segment?.topic === undefined) throw new RangeError(`call ${node.call.name} has neither source nor repartition`)
    if (direct === undefined)
      for (const { places: to, carries } of feedsOf(node.upstream))
        put({ kind: 'sink', topic: segment.topic, key: carries ? Carried.key : 'own', headers: 'every' }, to)
    const results = begin(segment)
    const behind = repartitions.get(node)
    // With nothing but sinks after it, they are written by the call's own tasks, in the transaction that says that it is done.
    if (behind?.topic === undefined) return results
    put({ kind: 'sink', topic: behind.topic, key: 'own', headers: 'every' }, results)
    return begin(behind)
  }
  const make = (node: StreamNode | TableNode): readonly Place[] => {
    switch (node.kind) {
      case 'source': {
        const segment = sources.get(node.topic) ?? newSegment(node.topic, false, node.name)
        sources.set(node.topic, segment)
        return begin(segment)
      }
      case 'timed': {
        const { origin, name } = node
        for (const side of sidesOf(node)) placesOf(side)
        const segment = timed.get(origin) ?? timedSegment(origin, name)
        timed.set(origin, segment)
        return begin(segment)
      }
      case 'merge':
        return node.upstreams.flatMap(placesOf)
      case 'keyBy': {
        const before = placesOf(node.upstream)
        const segment = repartitions.get(node)
        // With nothing but sinks after it: they have keys of their own.
        if (segment?.topic === undefined) return before
        put({ kind: 'sink', topic: segment.topic, key: repartitionKey(node.key), headers: 'every' }, before)
        return begin(segment)
      }
      case 'call':
        return placeCall(node)
      case 'filter':
      case 'map':
      case 'flatMap':
        return put(stepOf(node), placesOf(node.upstream))
      case 'compute':
        return putStateful(node, {
          kind: node.state.windows === undefined ? 'compute' : 'window',
          state: node.state,
          compute: node.compute,
          next: [],
        })
      case 'join':
        return putStateful(node, { kind: 'join', state: node.state, step: node.step, next: [] })
      case 'lookup': {
        const to = placesOf(node.upstream)
        noteBroadcast(node.broadcast, to)
        return put(stepOf(node), to)
      }
      case 'pair':
        return putStateful(node, { kind: 'pair', state: node.state, side: node.side, next: [] })
      case 'table':
        return putStateful(node, { kind: 'table', state: node.state })
    }
  }
  for (const pipeline of application.pipelines)
    if (pipeline.kind !== 'sink') placesOf(pipeline)
    else {
      const { topic, headers } = pipeline
      put({ kind: 'sink', topic, key: topic.key?.of, headers }, placesOf(pipeline.upstream))
    }
  return { segments }
}

const newSegment = (topic: TopicDefinition, isRepartition: boolean, name: string): Segment => {
  const [states, broadcasts, sinks] = [new Set<never>(), new Set<never>(), new Set<never>()]
  return { topic, isRepartition, name, operators: [], states, broadcasts, sinks, leadsToTable: false }
}

const timedSegment = (timed: TimedDefinition, name: string): Segment => ({
  topic: undefined,
  timed,
  isRepartition: false,
  name,
  operators: [],
  states: new Set([timed.state]),
  broadcasts: new Set(),
  sinks: new Set(),
  leadsToTable: false,
})

/** Whether its tasks have a time: what needs one is a timer that goes by it, a time to live, or windows of time. */
export const usesTime = ({ timed, states }: Pick<SubTopology, 'timed' | 'states'>): boolean =>
  timed.some(({ origin }) => origin.kind === 'timer' && origin.clock === 'time') ||
  states.some((state) => state.ttlMs !== undefined || closes(state))

/** Whether something may fall due in it, by whichever clock. */
export const hasDues = (sub: Pick<SubTopology, 'timed' | 'states'>): boolean =>
  usesTime(sub) || sub.timed.some(({ origin }) => origin.kind !== 'closed')

/** Of windows, by how many ms later than they end they close: see api/window-ranks.ts. */
export function ranksIn({
  states,
  timed,
}: Pick<SubTopology, 'states' | 'timed'>): ReadonlyMap<StateDefinition, number> {
  const statesBelow = (operators: readonly Operator[]): readonly StateDefinition[] =>
    operators.flatMap((operator) => [
      ...(operator.kind === 'compute' || operator.kind === 'window' || operator.kind === 'pair'
        ? [operator.state]
        : []),
      ...('next' in operator ? statesBelow(operator.next) : []),
    ])
  const edges = timed.flatMap(({ origin, operators }) =>
    statesBelow(operators).map((to) => ({ from: origin.state, to })),
  )
  return windowRanks(states, edges) ?? new Map()
}

/** Whether its tasks have a changelog: for state objects, or for which calls are done. */
export const hasChangelog = ({ states, call }: Pick<SubTopology, 'states' | 'call'>): boolean =>
  states.length > 0 || call !== undefined

/** How many upgrades its state objects have, all together. */
export const upgradesIn = ({ states }: Pick<SubTopology, 'states'>): number =>
  states.reduce((sum, { upgrades }) => sum + upgrades.length, 0)

/** The names that a task's parts have in Kafka. `prefix` is put in front of every one (`--topic-prefix`). */
export const namesOf = (prefix: string, application: string) => ({
  group: `${prefix}${application}`,
  topic: (name: string): string => `${prefix}${name}`,
  deadLetters: `${prefix}${application}-dead-letters`,
  deadLetterMarks: `${prefix}${application}-dead-letters-done`,
  manifest: `${prefix}${application}-manifest`,
  changelog: (subTopology: string): string => `${prefix}${application}-${subTopology}-changelog`,
  transactionalId: (subTopology: string, partition: number): string =>
    `${prefix}${application}-${subTopology}-${String(partition)}`,
})

export type Names = ReturnType<typeof namesOf>

/** A task's id: sub-topology and partition. */
export const taskId = (subTopology: string, partition: number): string => `${subTopology}_${String(partition)}`
/** The sub-topology in a task's id. */
export const subTopologyInId = (task: string): string => task.slice(0, task.lastIndexOf('_'))
