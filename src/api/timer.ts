/**
 * Timers: computations set them, and they are a source when they are due. A timer belongs to a key of a state object,
 * and is stored with it: it is set, fires and is cleared in the transaction of the message that does so.
 */
import type { TimerDefinition } from './definition.js'
import { checkName, invalid, shown } from './names.js'
import { stateDefinition, type AnyStateObject } from './state-object.js'
import { originKey, type Origin } from './topic.js'

/** The message of a timer that is due. */
export interface Due {
  readonly key: string
  /** The id that it was set with: a key may have many; '' by default. */
  readonly id: string
  /** When it was due, ms since the epoch. */
  readonly dueMs: number
}

/**
 * A source of timers that are due. A computation on its state object sets it with `context.set`, and clears it with
 * `context.clear`.
 */
export interface Timer extends Origin<Due, 'keyed'> {
  readonly state: AnyStateObject
}

export interface TimerOptions {
  /**
   * Which clock it follows. `time` (default): the task's time, so that it fires after all messages up to then that were
   * in time, and a replay gives the same result. `wall`: the worker's clock, after whatever can be read by then; a
   * replay can't repeat that.
   */
  readonly clock?: 'time' | 'wall'
}

/**
 * Declares a timer for the keys of a state object. Its name is stored with each timer that is set: no other timer of
 * the state object may have the same name. A key may have 10,000 set. Throws INVALID_DEFINITION.
 */
export function timer(name: string, state: AnyStateObject, options: TimerOptions = {}): Timer {
  checkName('a timer', name)
  const definition = stateDefinition(state, `The state object of timer ${name}`)
  const { clock = 'time' }: { readonly clock?: unknown } = options
  if (clock !== 'time' && clock !== 'wall')
    throw invalid(`Timer ${name} has clock: ${shown(clock)}. It must be 'time' or 'wall'.`)
  const made: TimerDefinition = { kind: 'timer', name, state: definition, clock }
  return { name, state, [originKey]: made }
}

/** The definition behind a timer. Throws INVALID_DEFINITION for anything else. */
export function timerDefinition(value: unknown, where: string): TimerDefinition {
  const found = typeof value === 'object' && value !== null && originKey in value ? value[originKey] : undefined
  if (typeof found === 'object' && found !== null && 'kind' in found && found.kind === 'timer')
    return found as TimerDefinition
  throw invalid(`${where} is ${shown(value)}: it must be a timer, created with timer().`)
}
