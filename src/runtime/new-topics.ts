/** Topics that another worker may have made a moment ago. */
import { abortable } from './abortable.js'
import { sleep, type Ports } from './options.js'
import type { TopicInfo } from '../ports/log.js'

/** For so long a topic may be unknown to a broker after it was made: brokers learn of it one after the other. */
const APPEARS_WITHIN_MS = 3_000
const APPEARS_PAUSE_MS = 100

/** Those that are there, or appear within 3 s. Rejects with the signal's reason when it is aborted. */
export async function describeNew(
  names: readonly string[],
  { log, clock }: Pick<Ports, 'log' | 'clock'>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, TopicInfo>> {
  const beganMs = clock.monotonic()
  for (;;) {
    const found = await log.describeTopics(names)
    if (found.size === names.length || clock.monotonic() - beganMs >= APPEARS_WITHIN_MS) return found
    await abortable(signal, sleep(clock, APPEARS_PAUSE_MS))
  }
}
