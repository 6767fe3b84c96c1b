/** Checks how an application uses time. Pure, over the graph of `definition.ts`. */
import type {
  ApplicationDefinition,
  ComputeNode,
  PairNode,
  StateDefinition,
  TimedNode,
  TimerDefinition,
} from './definition.js'
import { keyOriginsOf, nodesOf } from './graph.js'
import { invalid } from './names.js'
import { windowRanks } from './window-ranks.js'

/** Throws INVALID_DEFINITION. */
export function checkTime(application: ApplicationDefinition): void {
  const nodes = nodesOf(application)
  const timed = nodes.filter((node) => node.kind === 'timed')
  const computations = nodes.filter((node) => node.kind === 'compute' || node.kind === 'pair')
  checkTimers(application, timed)
  const reached = reachedStates(computations)
  for (const { origin, name } of timed)
    if (!reached.has(origin.state))
      throw invalid(
        `Application ${application.name} has from(${name}), but no message reaches state object ${origin.state.name}: a pipeline ` +
          'from a topic has to lead to it.',
      )
  checkWindowChains(application.name, timed, computations)
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

/** State objects that messages reach, including through what time produces for others. */
function reachedStates(computations: readonly (ComputeNode | PairNode)[]): ReadonlySet<StateDefinition> {
  const reached = new Set<StateDefinition>()
  for (let before = -1; before < reached.size;) {
    before = reached.size
    for (const node of computations)
      if (keyOriginsOf(node).some((origin) => origin.kind !== 'timed' || reached.has(origin.origin.state)))
        reached.add(node.state)
  }
  return reached
}

/** Windows that got their own results would have closed by then. */
function checkWindowChains(
  application: string,
  timed: readonly TimedNode[],
  computations: readonly (ComputeNode | PairNode)[],
): void {
  const states = [...new Set(computations.map(({ state }) => state))]
  const edges = computations.flatMap((node) =>
    keyOriginsOf(node).flatMap((origin) =>
      origin.kind === 'timed' && timed.includes(origin) ? [{ from: origin.origin.state, to: node.state }] : [],
    ),
  )
  const ranks = windowRanks(states, edges)
  if (ranks !== undefined) return
  const names = states.flatMap((state) => (state.windows === undefined ? [] : [state.name])).join(', ')
  throw invalid(
    `Application ${application} sends closed windows back to the windows that they came from (${names}), which no longer exist by then. Send them to ` +
      'other windows, or to a state object.',
  )
}
