/** Applications: named pipelines that share state objects. */
import type { ApplicationDefinition, PipelineDefinition, TopicDefinition } from './definition.js'
import { checkName, invalid, shown } from './names.js'
import { pipelineDefinition, type Pipeline } from './pipeline.js'

const applicationKey: unique symbol = Symbol.for('potoroo.application')

export interface Application {
  readonly name: string
  readonly [applicationKey]: ApplicationDefinition
}

/**
 * Declares an application. Its name is the Kafka consumer group's, and part of the names of its changelogs. Records with
 * the same time are taken in the order in which pipelines stand here. Throws INVALID_DEFINITION, naming the mistake.
 */
export function application(name: string, ...pipelines: readonly [Pipeline, ...Pipeline[]]): Application {
  checkName('an application', name)
  const definitions = pipelines.map((pipeline, index) =>
    pipelineDefinition(pipeline, `Pipeline ${String(index + 1)} of application ${name}`),
  )
  if (definitions.length === 0) throw invalid(`Application ${name} has no pipelines.`)
  checkPipelineNames(name, definitions)
  checkTopics(name, definitions)
  checkStates(name, definitions)
  return { name, [applicationKey]: { name, pipelines: definitions } }
}

/** The definition behind an application. Throws INVALID_DEFINITION for anything else, such as a module's other exports. */
export function definitionOf(application: unknown): ApplicationDefinition {
  if (typeof application === 'object' && application !== null && applicationKey in application)
    return application[applicationKey] as ApplicationDefinition
  throw invalid(`${shown(application)} is not an application: it has to be made with application().`)
}

function checkPipelineNames(name: string, pipelines: readonly PipelineDefinition[]): void {
  const seen = new Set<string>()
  for (const pipeline of pipelines) {
    if (seen.has(pipeline.name))
      throw invalid(
        `Application ${name} has two pipelines named ${pipeline.name}. A pipeline is named after its source: ` +
          "give one of them another name, as in from(topic, 'name').",
      )
    seen.add(pipeline.name)
  }
}

function checkTopics(name: string, pipelines: readonly PipelineDefinition[]): void {
  const seen = new Map<string, TopicDefinition>()
  for (const topic of pipelines.flatMap(({ source, sink }) => (sink === undefined ? [source] : [source, sink]))) {
    const other = seen.get(topic.name)
    if (other !== undefined && other !== topic)
      throw invalid(
        `Application ${name} uses two topics named ${topic.name} that were declared apart: declare it once, and use that.`,
      )
    seen.set(topic.name, topic)
    if (
      topic.name === `${name}-dead-letters` ||
      (topic.name.startsWith(`${name}-`) && topic.name.endsWith('-changelog'))
    )
      throw invalid(`Application ${name} can't use topic ${topic.name}: Potoroo keeps its own records there.`)
  }
}

function checkStates(name: string, pipelines: readonly PipelineDefinition[]): void {
  const seen = new Map<string, PipelineDefinition>()
  for (const pipeline of pipelines) {
    const { state, source } = pipeline
    if (state === undefined) continue
    const other = seen.get(state.name)
    if (other === undefined) {
      seen.set(state.name, pipeline)
      continue
    }
    if (other.state !== state)
      throw invalid(
        `Application ${name} has two state objects named ${state.name}, in pipelines ${other.name} and ` +
          `${pipeline.name}: define it once, and use that in both.`,
      )
    // one key would lie on two partitions, and its state object exist twice
    const [one, two] = [other.source.partitioner, source.partitioner]
    if (one !== undefined && two !== undefined && one !== two)
      throw invalid(
        `Pipelines ${other.name} and ${pipeline.name} share state object ${state.name}, but topic ${other.source.name} ` +
          `is partitioned by ${one} and topic ${source.name} by ${two}: they have to be partitioned alike.`,
      )
  }
  // both would be the name of a sub-topology, and with it of transactional ids
  for (const { name: pipeline, state } of pipelines)
    if (state === undefined && seen.has(pipeline))
      throw invalid(
        `Pipeline ${pipeline} of application ${name} has the name of a state object: give it another name, as in ` +
          "from(topic, 'name').",
      )
}
