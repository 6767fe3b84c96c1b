/** Calls: steps that wait for something outside. What call() may be told, checked, with what holds where nothing is said. */
import type { CallDefinition } from './definition.js'
import { checkName, invalid, shown } from './names.js'

/** What a call gets beside its message. */
export interface Call {
  /**
   * The same in every attempt, on whichever worker it is made, and of no other message: to be sent along as the idempotency key. Of
   * name characters, dots and hyphens.
   */
  readonly id: string
  readonly key: string
  /** Which attempt it is, since its task came to this worker: 1 for the first. */
  readonly attempt: number
  /** Aborted at the timeout, and when the task stops here or moves to another worker. To be handed to fetch(), say. */
  readonly signal: AbortSignal
}

export interface CallOptions<M, N> {
  /**
   * Calls under way in a task at once, 1 to 1,024; default 16. Those of one key are made one after the other, whatever it is. A task does
   * `overlap` divided by the seconds that a call takes a second, at most.
   */
  readonly overlap?: number
  /** How long an attempt may take, ms, 1 to 3,600,000; default 30,000. Then its signal is aborted, and it has failed. */
  readonly timeoutMs?: number
  /**
   * How many attempts are made, 1 or more; default 10. The pause before the second is 100 ms, and twice as long before each one
   * after that, 10 s at most: 32 s in all by default. `Infinity` goes on for ever, and what is behind it under the same key waits.
   */
  readonly attempts?: number
  /**
   * What becomes of a message whose last attempt has failed: it goes to the dead letters, from where it can be replayed; or the worker
   * stops; or what this gives goes on in place of the result, and nothing where that is undefined. Default: what becomes of messages whose
   * computation throws (`onError` of the worker), which are dead letters unless it says otherwise.
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

/** What is there and undefined is as if it was not there. */
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
