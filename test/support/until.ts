import { setTimeout as delay } from 'node:timers/promises'

const POLL_INTERVAL_MS = 20

/**
 * Resolves with the condition's value as soon as it is neither undefined nor false. Rejects after timeoutMs, naming what
 * was waited for. An error that the condition throws is not waited out.
 */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  timeoutMs = 30_000,
): Promise<Exclude<T, undefined | false>> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const value = await condition()
    if (value !== undefined && value !== false) return value as Exclude<T, undefined | false>
    if (performance.now() > deadline) throw new Error(`not within ${String(timeoutMs)} ms: ${what}`)
    await delay(POLL_INTERVAL_MS)
  }
}
