/** What an application may do with time, and what it may not. Pure, over the graph of `definition.ts`. */
import type { ApplicationDefinition, ComputeNode, StateDefinition, TimedNode, TimerDefinition } from './definition.js'
import { keyOriginsOf, nodesOf } from './graph.js'
import { invalid } from './names.js'

/** Throws INVALID_DEFINITION. */
export function checkTime(application: ApplicationDefinition): void {
  const nodes = nodesOf(application)
  const timed = nodes.filter((node) => node.kind === 'timed')
  const computations = nodes.filter((node) => node.kind === 'compute')
  checkTimers(application, timed)
  for (const { origin, name } of timed)
    if (!isReached(origin.state, computations))
      throw invalid(
        `Application ${application.name} has from(${name}), but no message reaches state object ${origin.state.name}: a pipeline ` +
          'from a topic has to lead to it.',
      )
}

function checkTimers({ name: application }: ApplicationDefinition, timed: readonly TimedNode[]): void {
  const seen = new Map<string, TimerDefinition>()
  for (const { origin } of timed) {
    if (origin.kind !== 'timer') continue
    const { name, state } = origin
    const key = `${state.name}\0${name}`
    const other = seen.get(key)
    if (other !== undefined && other !== origin)
      throw invalid(
        `Application ${application} has two timers named ${name} of state object ${state.name}: declare it once, and use that.`,
      )
    seen.set(key, origin)
  }
}

const isReached = (state: StateDefinition, computations: readonly ComputeNode[]): boolean =>
  computations.some((node) => node.state === state && keyOriginsOf(node).some(({ kind }) => kind !== 'timed'))
