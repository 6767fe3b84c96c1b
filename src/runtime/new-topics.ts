/** Topics that another worker may have made a moment ago. */
import { isPotorooError, PotorooError } from '../errors.js'
import { abortable } from './abortable.js'
import { sleep, type Ports } from './options.js'
import type { Log, TopicInfo } from '../ports/log.js'

/** For so long a topic may be unknown to a broker after it was made: brokers learn of it one after the other. */
const APPEARS_WITHIN_MS = 3_000
const APPEARS_PAUSE_MS = 100

/** Those that are there, or appear within 3 s. Rejects with the signal's reason when it is aborted. */
export async function describeNew(
  names: readonly string[],
  { log, clock }: { readonly log: Pick<Log, 'describeTopics'> } & Pick<Ports, 'clock'>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, TopicInfo>> {
  const beganMs = clock.monotonic()
  for (;;) {
    const found = await log.describeTopics(names)
    if (found.size === names.length || clock.monotonic() - beganMs >= APPEARS_WITHIN_MS) return found
    await abortable(signal, sleep(clock, APPEARS_PAUSE_MS))
  }
}

/**
 * Throws an error that passes where this one says that there is no such topic, and there is: the broker that said so has yet to
 * learn of it.
 */
export async function requireMissing(
  error: unknown,
  { topic, id }: Pick<TopicInfo, 'id'> & { readonly topic: string },
  { log }: { readonly log: Pick<Ports['log'], 'describeTopics'> },
): Promise<void> {
  if (!isPotorooError(error, 'TOPIC_MISSING')) return
  const there = (await log.describeTopics([topic])).get(topic)
  if (there === undefined || (id !== undefined && there.id !== undefined && there.id !== id)) return
  throw new PotorooError('REQUEST_FAILED', `${error.message}, although ${topic} exists`, { cause: error })
}
