/**
 * Where a changelog ends. A leader that was replaced and does not know it answers as before; so an end below what is known
 * to have been there is asked for again, of who leads by then.
 */
import type { TopicPartition } from '../ports/log.js'
import { abortable } from './abortable.js'
import { sleep, type ObservedPorts } from './options.js'

/** Longer than a leader that is cut off takes to find that it is none any more, where clients are told of the next one. */
const PATIENCE_MS = 5_000
const PAUSE_MS = 100

type Environment = Pick<ObservedPorts, 'log' | 'clock' | 'observer'>

/**
 * `atLeast`: what the end was, as far as is known; the log may hold less for good, where a leader was elected that lacked
 * records. Rejects with the signal's reason when it is aborted.
 */
export async function changelogEnd(
  of: TopicPartition,
  atLeast: number,
  { log, clock, observer }: Environment,
  signal: AbortSignal,
): Promise<number> {
  const untilMs = clock.monotonic() + PATIENCE_MS
  for (let isFirst = true; ; isFirst = false) {
    const [end = 0] = await abortable(signal, log.listOffsets([of], 'end', { refresh: !isFirst }))
    if (end >= atLeast) return end
    const said = { topic: of.topic, partition: of.partition, end, wasAt: atLeast }
    if (clock.monotonic() >= untilMs) {
      observer.observe({ kind: 'changelog-shorter', ...said })
      return end
    }
    if (isFirst) observer.observe({ kind: 'changelog-end-doubted', ...said })
    await abortable(signal, sleep(clock, PAUSE_MS))
  }
}

/** The end, as soon as it is another than what was listed; undefined where it stays that for as long as it may be wrong. */
export async function otherEnd(
  of: TopicPartition,
  listed: number,
  { log, clock }: Environment,
  signal: AbortSignal,
): Promise<number | undefined> {
  const untilMs = clock.monotonic() + PATIENCE_MS
  for (;;) {
    const [end = 0] = await abortable(signal, log.listOffsets([of], 'end', { refresh: true }))
    if (end !== listed) return end
    if (clock.monotonic() >= untilMs) return undefined
    await abortable(signal, sleep(clock, PAUSE_MS))
  }
}
