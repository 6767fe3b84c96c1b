/** Codecs that have something to do before they read or write: `open` at a worker's start, and what their failures mean. */
import type { ApplicationDefinition, CodecUse, TopicDefinition } from '../api/definition.js'
import { broadcastsOf, nodesOf } from '../api/graph.js'
import { isPotorooError, messageOf, PotorooError } from '../errors.js'
import type { Clock } from '../ports/clock.js'
import type { Observer } from '../ports/observer.js'
import { abortable } from './abortable.js'
import { sleep } from './options.js'
import { Retries } from './retries.js'

/**
 * Resolves when all codecs of the application can read and write what they have to. What may succeed later is waited for, and
 * said. Rejects with what can't, or with the signal's reason.
 */
export async function openCodecs(
  application: ApplicationDefinition,
  env: { readonly clock: Clock; readonly observer: Observer },
  signal: AbortSignal,
): Promise<void> {
  for (const [topic, use] of codecUses(application)) {
    const { codec, name } = topic
    if (codec === undefined) continue
    const retries = new Retries(env.clock)
    for (;;)
      try {
        await abortable(signal, codec.open(use))
        break
      } catch (cause) {
        if (signal.aborted) throw cause
        const error = codecError(cause)
        if (!error.retriable) throw error
        const waitedMs = retries.failed()
        const { code, message } = error
        if (waitedMs !== undefined)
          env.observer.observe({ kind: 'codec-waits', topic: name, use, code, error: message, waitedMs })
        await abortable(signal, sleep(env.clock, retries.nextPauseMs()))
      }
  }
}

/** What a codec's open or prepare failed with, which may be anything. */
export const codecError = (error: unknown): PotorooError =>
  isPotorooError(error) ? error : new PotorooError('CODEC_NOT_READY', messageOf(error), { cause: error })

/** Each topic with what is done with it. */
export function codecUses(application: ApplicationDefinition): readonly (readonly [TopicDefinition, CodecUse])[] {
  const uses = nodesOf(application).flatMap((node): (readonly [TopicDefinition, CodecUse])[] => {
    if (node.kind === 'source') return [[node.topic, 'read']]
    if (node.kind === 'sink') return [[node.topic, 'write']]
    return broadcastsOf(node).map(({ topic }) => [topic, 'read'])
  })
  // a topic may be both, and each several times
  return uses.filter(([topic, use], at) => uses.findIndex(([t, u]) => t === topic && u === use) === at)
}
