/** Waiting and trying again, in the time of a process. */
import { PotorooError } from '../errors.js'
import { isBrokerError } from './broker-error.js'
import type { BrokerErrorCode } from './broker-error.js'
import type { Clock } from '../ports/clock.js'

/** Resolves after that many ms; at once when the signal is aborted. */
export const sleep = (clock: Clock, ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const wake = (): void => {
      timer.cancel()
      signal?.removeEventListener('abort', wake)
      resolve()
    }
    const timer = clock.after(ms, wake)
    if (signal?.aborted === true) wake()
    else signal?.addEventListener('abort', wake)
  })

export interface Retries {
  readonly clock: Clock
  /** Tried again after these answers; every other one is the outcome. */
  readonly on: readonly BrokerErrorCode[]
  /** Pauses start here and double. */
  readonly fromMs: number
  readonly toMs: number
  /** No further try after that long. */
  readonly forMs?: number
  readonly signal?: AbortSignal | undefined
}

export async function retrying<T>(retries: Retries, attempt: () => Promise<T>): Promise<T> {
  const { clock, on, fromMs, toMs, forMs = Infinity, signal } = retries
  const untilMs = clock.monotonic() + forMs
  for (let pauseMs = fromMs; ; pauseMs = Math.min(pauseMs * 2, toMs)) {
    if (signal?.aborted === true) throw new PotorooError('REQUEST_FAILED', 'it was cancelled')
    try {
      return await attempt()
    } catch (error) {
      if (!isBrokerError(error, ...on) || clock.monotonic() + pauseMs > untilMs) throw error
    }
    await sleep(clock, pauseMs, signal)
  }
}
