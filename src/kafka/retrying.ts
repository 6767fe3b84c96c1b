/** Tries again what may succeed a moment later. */
import type { Cluster } from './cluster.js'
import { Backoff } from './backoff.js'
import { MAX_UNEXPECTED_ANSWERS } from './error-table.js'
import { isPassing, isUnexpected } from './errors.js'

export interface RetryOptions {
  /** When to give up, on the clock of `Cluster.now()`: then the last failure is thrown. */
  readonly deadline: () => number
  readonly firstPauseMs?: number
  readonly maxPauseMs?: number
  readonly signal?: AbortSignal | undefined
  /** Whether this failure is worth another try, whatever the table of errors says of it; default: what that says. */
  readonly again?: (error: unknown) => boolean
  /** How often an answer that nobody expects is tried again. Default: so often that what went wrong at the broker is over. */
  readonly unexpected?: number
  /** Before the pause after a failure. */
  readonly onFailure?: ((error: unknown) => void) | undefined
}

export async function retrying<T>(cluster: Cluster, options: RetryOptions, attempt: () => Promise<T>): Promise<T> {
  const { deadline, firstPauseMs = 20, maxPauseMs = 500, signal, onFailure } = options
  let unexpected = options.unexpected ?? MAX_UNEXPECTED_ANSWERS
  const isDue = options.again ?? isPassing
  const again = (error: unknown): boolean => isDue(error) || (isUnexpected(error) && --unexpected > 0)
  const backoff = new Backoff(firstPauseMs, maxPauseMs)
  for (;;) {
    signal?.throwIfAborted()
    try {
      return await attempt()
    } catch (error) {
      onFailure?.(error)
      const pause = backoff.next()
      if (cluster.closed || !again(error) || cluster.now() + pause > deadline()) throw error
      await cluster.sleeper.sleep(pause, signal)
    }
  }
}
