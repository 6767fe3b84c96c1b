import { setTimeout as delay } from 'node:timers/promises'

export { delay }

/** Resolves as soon as the condition holds. Rejects after `timeoutMs`, naming what was waited for, or when it throws. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  { timeoutMs, everyMs = 20 }: { readonly timeoutMs: number; readonly everyMs?: number },
): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs
  while (!(await holds())) {
    if (performance.now() > deadlineMs) throw new Error(`not within ${timeoutMs / 1000} s: ${what}`)
    await delay(everyMs)
  }
}
