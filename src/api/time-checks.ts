/** What an application may do with time, and what it may not yet. Pure, over the graph of `definition.ts`. */
import type { ApplicationDefinition, ComputeNode, StateDefinition, TimedNode, TimerDefinition } from './definition.js'
import { keyOriginsOf, nodesOf, statesOf } from './graph.js'
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
  for (const state of timedStates(timed, computations)) refuseRepartitions(application, state)
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

/** State objects that need the task's time. */
const timedStates = (timed: readonly TimedNode[], computations: readonly ComputeNode[]): Set<StateDefinition> =>
  new Set([
    ...timed.flatMap(({ origin }) => (origin.kind === 'timer' && origin.clock === 'time' ? [origin.state] : [])),
    ...computations.flatMap(({ state }) => (state.ttlMs === undefined ? [] : [state])),
  ])

/**
 * A repartition's writers are hours apart in a backlog, and nothing says yet how far each is: by the newest timestamp alone, the
 * messages of the slower ones would come too late. So time is refused wherever a repartition is among what moves it.
 */
function refuseRepartitions(application: ApplicationDefinition, state: StateDefinition): void {
  const together = new Set([state])
  const origins = new Set<unknown>()
  for (let before = -1; before < together.size + origins.size;) {
    before = together.size + origins.size
    for (const node of nodesOf(application)) {
      const states = statesOf(node)
      if (states.length === 0) continue
      const own = keyOriginsOf(node)
      const placed = own.map((origin) => (origin.kind === 'source' ? origin.topic : origin))
      const isTogether =
        states.some((one) => together.has(one)) ||
        placed.some((one) => origins.has(one)) ||
        own.some((one) => one.kind === 'timed' && together.has(one.origin.state))
      if (!isTogether) continue
      if (own.some(({ kind }) => kind === 'keyBy' || kind === 'call'))
        throw invalid(
          `State object ${state.name} of application ${application.name} has a timer or ttlMs, and lies behind keyBy(), by ` +
            `${states[0]?.name ?? state.name}: time does not go through repartition topics yet. Key the topic itself so, or use a ` +
            "timer with clock: 'wall'.",
        )
      for (const one of states) together.add(one)
      for (const one of placed) origins.add(one)
      for (const one of own) if (one.kind === 'timed') together.add(one.origin.state)
    }
  }
}
