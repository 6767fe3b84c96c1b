/** Calls: steps that wait for an external system. Checks the options of call(), and holds their defaults. */
import type { CallDefinition } from './definition.js'
import { checkName, invalid, shown } from './names.js'

/** What the function of a call gets next to its message. */
export interface Call {
  /**
   * The same in every attempt, on whichever worker it is made, and unique to the message: send it as the idempotency
   * key. It consists of name characters, dots and hyphens.
   */
  readonly id: string
  readonly key: string
  /** The number of this attempt since the task came to this worker: 1 for the first. */
  readonly attempt: number
  /**
   * Aborted at the timeout, and when the task stops on this worker or moves to another. Pass it to fetch(), for
   * example.
   */
  readonly signal: AbortSignal
}

export interface CallOptions<M, N> {
  /**
   * How many calls of a task may be in flight at once, 1 to 1,024; default 16. Calls of one key are always made one
   * after the other. A task makes at most `overlap` divided by the duration of a call in seconds, per second.
   */
  readonly overlap?: number
  /**
   * How long an attempt may take, ms, 1 to 3,600,000; default 30,000. Then its signal is aborted, and the attempt has
   * failed.
   */
  readonly timeoutMs?: number
  /**
   * How many attempts are made, 1 or more; default 10. The pause before the second is 100 ms, and doubles before each
   * later one, up to 10 s: 32 s in all by default. With `Infinity` they never end, and messages of the same key wait
   * after it.
   */
  readonly attempts?: number
  /**
   * What happens to a message whose last attempt has failed: `dead-letter` sends it to the dead letters, from where it
   * can be replayed; `stop` stops the worker; a function returns what continues in place of the result, or undefined
   * for nothing. Default: what the worker's `onError` says for computations that throw, which is dead letters unless
   * configured otherwise.
   */
  readonly failed?: 'dead-letter' | 'stop' | ((message: M, error: unknown) => N | undefined)
}

export const MAX_OVERLAP = 1024
const MAX_TIMEOUT_MS = 3_600_000
export const callDefaults = { overlap: 16, timeoutMs: 30_000, attempts: 10 } as const

/** Throws INVALID_DEFINITION. */
export function callDefinition(pipeline: string, given: unknown, make: unknown, options: unknown = {}): CallDefinition {
  const name = checkName('a call', given)
  if (typeof make !== 'function')
    throw invalid(`The function of call ${name} of pipeline ${pipeline} is ${shown(make)}: it must be a function.`)
  if (typeof options !== 'object' || options === null)
    throw invalid(`Call ${name} has options: ${shown(options)}. They must be an object.`)
  const { overlap, timeoutMs, attempts, failed }: Readonly<Record<string, unknown>> = {
    ...callDefaults,
    ...defined(options),
  }
  const isEndless = attempts === Infinity
  return {
    name,
    make: make as CallDefinition['make'],
    overlap: whole(name, 'overlap', overlap, MAX_OVERLAP),
    timeoutMs: whole(name, 'timeoutMs', timeoutMs, MAX_TIMEOUT_MS),
    attempts: isEndless ? Infinity : whole(name, 'attempts', attempts, Number.MAX_SAFE_INTEGER),
    failed: whatThen(name, failed),
  }
}

/** An option that is set to undefined counts as absent. */
const defined = (options: object): object =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))

function whole(call: string, option: string, value: unknown, most: number): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1 && value <= most) return value
  const bound = most === Number.MAX_SAFE_INTEGER ? '1 or more, or Infinity' : `from 1 to ${String(most)}`
  throw invalid(`Call ${call} has ${option}: ${shown(value)}. It must be a whole number, ${bound}.`)
}

function whatThen(call: string, failed: unknown): CallDefinition['failed'] {
  if (failed === undefined) return 'as-on-error'
  if (failed === 'dead-letter' || failed === 'stop') return failed
  if (typeof failed === 'function') return failed as (message: unknown, error: unknown) => unknown
  throw invalid(`Call ${call} has failed: ${shown(failed)}. It must be 'dead-letter', 'stop', or a function.`)
}
