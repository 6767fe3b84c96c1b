/** Applications: named pipelines that share state objects. */
import type {
  ApplicationDefinition,
  BroadcastDefinition,
  SourceNode,
  StateDefinition,
  TopicDefinition,
} from './definition.js'
import {
  broadcastsOf,
  callsOf,
  keyOriginsOf,
  nodesOf,
  REPARTITION_SUFFIX,
  repartitionsOf,
  statefulNodesOf,
  statesOf,
  topicsOf,
} from './graph.js'
import { checkName, invalid, shown } from './names.js'
import { pipelineDefinition, type Pipeline, type Refused } from './stream.js'
import { checkTime } from './time-checks.js'

const applicationKey: unique symbol = Symbol.for('potoroo.application')

export interface Application {
  readonly name: string
  readonly [applicationKey]: ApplicationDefinition
}

/**
 * Declares an application. Its name becomes the Kafka consumer group, and part of the names of its changelogs. Records
 * with the same timestamp are processed in the order in which the pipelines are listed here. Throws INVALID_DEFINITION,
 * naming the mistake.
 */
export function application<const T extends readonly [unknown, ...unknown[]]>(
  name: string,
  ...pipelines: { readonly [I in keyof T]: Ended<T[I]> }
): Application {
  checkName('an application', name)
  const definitions = pipelines.map((pipeline, index) =>
    pipelineDefinition(pipeline, `Pipeline ${String(index + 1)} of application ${name}`),
  )
  if (definitions.length === 0) throw invalid(`Application ${name} has no pipelines.`)
  const definition: ApplicationDefinition = { name, pipelines: definitions }
  checkTopics(definition)
  checkStates(definition)
  checkReads(definition)
  checkBroadcasts(definition)
  checkKeyFormats(definition)
  checkSourceNames(definition)
  checkCalls(definition)
  checkRepartitions(definition)
  checkTime(definition)
  return { name, [applicationKey]: definition }
}

/** A pipeline, or the message that the compiler shows for anything else. A rejected step is itself a message. */
type Ended<P> = P extends Pipeline
  ? P
  : P extends string
    ? Refused<P>
    : Refused<'error: a pipeline ends with .sink(topic), or with a computation that gives no outputs'>

/** The definition behind an application. Throws INVALID_DEFINITION for anything else, such as a module's other exports. */
export function definitionOf(application: unknown): ApplicationDefinition {
  if (typeof application === 'object' && application !== null && applicationKey in application)
    return application[applicationKey] as ApplicationDefinition
  throw invalid(`${shown(application)} is not an application: it must be created with application().`)
}

const sourcesOf = (application: ApplicationDefinition): SourceNode[] =>
  nodesOf(application).filter((node) => node.kind === 'source')

function checkTopics(application: ApplicationDefinition): void {
  const { name } = application
  const seen = new Map<string, TopicDefinition>()
  for (const topic of topicsOf(application)) {
    const other = seen.get(topic.name)
    if (other !== undefined && other !== topic)
      throw invalid(
        `Application ${name} uses two topics named ${topic.name} that were declared separately: declare it once, and use that declaration.`,
      )
    seen.set(topic.name, topic)
    if (isOwnTopic(name, topic.name))
      throw invalid(`Application ${name} can't use topic ${topic.name}: Potoroo keeps its own records there.`)
  }
}

const isOwnTopic = (application: string, topic: string): boolean =>
  topic === `${application}-dead-letters` ||
  topic === `${application}-dead-letters-done` ||
  topic === `${application}-manifest` ||
  (topic.startsWith(`${application}-`) && (topic.endsWith('-changelog') || topic.endsWith(REPARTITION_SUFFIX)))

function checkStates(application: ApplicationDefinition): void {
  const seen = new Map<string, StateDefinition>()
  /** By state object: a source of its key with a known partitioner. */
  const partitioned = new Map<string, SourceNode>()
  const uses = statefulNodesOf(application).flatMap((node) => statesOf(node).map((state) => ({ node, state })))
  for (const { node, state } of uses) {
    const other = seen.get(state.name)
    if (other !== undefined && other !== state)
      throw invalid(
        `Application ${application.name} has two state objects${(other.table ?? state.table) ? ' or tables' : ''} named ${state.name}: define it once, and use that definition in both places.`,
      )
    seen.set(state.name, state)
    for (const origin of keyOriginsOf(node)) {
      if (origin.kind !== 'source' || origin.topic.partitioner === undefined) continue
      const before = partitioned.get(state.name) ?? origin
      partitioned.set(state.name, before)
      // otherwise one key would be on two partitions, and its state object would exist twice
      const [one, two] = [before.topic, origin.topic]
      if (one.partitioner !== two.partitioner)
        throw invalid(
          `Pipelines ${before.name} and ${origin.name} share ${state.table === undefined ? 'state object' : 'table'} ${state.name}, but topic ${one.name} is ` +
            `partitioned by ${String(one.partitioner)} and topic ${two.name} by ${String(two.partitioner)}: they must have the same ` +
            `partitioner, or one of them needs keyBy() before ${state.table === undefined ? 'to()' : 'join() or table()'}.`,
        )
    }
  }
}

/** A state object that nothing writes never exists, so this is a mistake. */
function checkReads(application: ApplicationDefinition): void {
  const nodes = statefulNodesOf(application)
  const written = new Set(nodes.flatMap((node) => (node.kind === 'join' ? [] : [node.state])))
  for (const { name } of nodes.flatMap(statesOf).filter((state) => !written.has(state)))
    throw invalid(
      `Application ${application.name} reads state object ${name}, but no computation of it writes it: give one of them ` +
        'that state object, or read another.',
    )
}

function checkBroadcasts(application: ApplicationDefinition): void {
  const seen = new Map<string, BroadcastDefinition>()
  for (const broadcast of nodesOf(application).flatMap(broadcastsOf)) {
    const other = seen.get(broadcast.name) ?? broadcast
    if (other !== broadcast)
      throw invalid(
        `Application ${application.name} has two broadcasts named ${broadcast.name}: define it once, and use that definition in both places.`,
      )
    seen.set(broadcast.name, broadcast)
  }
}

/**
 * A hex key and a text key of the same characters are different bytes, so one state object would be on two partitions.
 */
function checkKeyFormats(application: ApplicationDefinition): void {
  const hex = new Map<string, string>()
  const text = new Map<string, string>()
  for (const node of statefulNodesOf(application))
    for (const origin of keyOriginsOf(node)) {
      const isHex = origin.kind === 'source' && origin.topic.hexKeys === true
      const what = origin.kind === 'source' ? `topic ${origin.topic.name}` : 'a keyBy()'
      ;(isHex ? hex : text).set(node.state.name, what)
    }
  for (const [state, topic] of hex) {
    const other = text.get(state)
    if (other !== undefined)
      throw invalid(
        `State object ${state} gets keys from ${topic}, which has keyFormat: 'hex', and from ${other}, whose keys are text: they ` +
          `would never match. Put keyBy() after ${topic}, too.`,
      )
  }
}

/** A sub-topology without state objects is named after its source, and transactional ids are named after that. */
function checkSourceNames(application: ApplicationDefinition): void {
  const { name } = application
  const stateful = statefulNodesOf(application)
  const states = new Set(stateful.flatMap(statesOf).map((state) => state.name))
  const seen = new Map<string, SourceNode>()
  for (const source of sourcesOf(application)) {
    const other = seen.get(source.name)
    if (other !== undefined && other.topic !== source.topic)
      throw invalid(
        `Application ${name} has two pipelines named ${source.name}, of topics ${other.topic.name} and ${source.topic.name}: ` +
          "give one of them another name, as in from(topic, 'name').",
      )
    seen.set(source.name, source)
    const isStateless = !stateful.some((node) =>
      keyOriginsOf(node).some((origin) => origin.kind === 'source' && origin.topic === source.topic),
    )
    if (isStateless && states.has(source.name))
      throw invalid(
        `Pipeline ${source.name} of application ${name} has the name of a state object: give it another name, as in ` +
          "from(topic, 'name').",
      )
  }
}

/** The tasks of a call, their changelog and its topic are named after the call. */
function checkCalls(application: ApplicationDefinition): void {
  const { name } = application
  const others = new Map([
    ...sourcesOf(application).map((source): [string, string] => [source.name, 'a pipeline']),
    ...statefulNodesOf(application)
      .flatMap(statesOf)
      .map((state): [string, string] => [state.name, state.table === undefined ? 'a state object' : 'a table']),
  ])
  for (const { call } of callsOf(application)) {
    const other = others.get(call.name)
    if (other !== undefined)
      throw invalid(`Application ${name} has ${other} and a call named ${call.name}: give the call another name.`)
    others.set(call.name, 'a call')
  }
}

function checkRepartitions(application: ApplicationDefinition): void {
  const seen = new Map<string, string>()
  for (const { name, leadsTo } of repartitionsOf(application)) {
    const other = seen.get(name)
    if (other !== undefined)
      throw invalid(
        `Application ${application.name} has two repartitions named ${name}, to ${other} and ` +
          `${leadsTo}: give one of them a different name, as in keyBy(key, { name: '${name}-2' }).`,
      )
    seen.set(name, leadsTo)
  }
}
