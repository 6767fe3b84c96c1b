/**
 * The manifest in Kafka: the last record of a compacted topic with one partition. It is written under its own
 * transactional id, so that of two workers that change it at the same time one is fenced, and reads it again.
 */
import { decodeManifest, encodeManifest, MANIFEST_KEY, type Manifest } from '../core/plan/manifest.js'
import { RecordWriter } from '../core/records/records.js'
import { isPotorooError, PotorooError } from '../errors.js'
import type { Log } from '../ports/log.js'
import { abortable } from './abortable.js'
import { lookThrough } from './look-through.js'
import { isInDoubt, MAX_UNEXPECTED_ANSWERS, refusedAtLast } from './in-doubt.js'
import { sleep } from './options.js'
import { NO_TIME } from './record-time.js'
import type { Clock } from '../ports/clock.js'

const AGAIN_MS = 50

/**
 * The committed manifest; undefined if there is none. The topic must exist. Throws MANIFEST_UNREADABLE, or the signal's
 * reason.
 */
export async function readManifest(
  log: Pick<Log, 'listOffsets' | 'fetcher'>,
  topic: string,
  signal: AbortSignal,
): Promise<Manifest | undefined> {
  const [end = 0] = await log.listOffsets([{ topic, partition: 0 }], 'end')
  const [start = 0] = await log.listOffsets([{ topic, partition: 0 }], 'earliest')
  if (start >= end) return undefined
  const fetcher = log.fetcher()
  try {
    let value: Buffer | undefined
    await lookThrough(
      { topic, partition: 0, from: start, end },
      ({ buffer, valueStart, valueEnd }) => {
        if (valueStart < 0) throw new PotorooError('MANIFEST_UNREADABLE', `${topic}: a manifest without a value`)
        value = Buffer.from(buffer.subarray(valueStart, valueEnd))
        // The last one counts.
        return false
      },
      { fetcher, signal, hurried: true },
    )
    return value && decodeManifest(value, topic)
  } finally {
    await fetcher.close()
  }
}

/**
 * Writes what `change` returns for the current manifest, unless that is the same. If another writer interferes, or the
 * outcome of a commit is unknown, it reads the manifest again. Rejects with what `change` throws, and with
 * REQUEST_REFUSED if the broker keeps giving unexpected answers.
 */
export async function changeManifest(
  { log, clock, signal }: { readonly log: Log; readonly clock: Clock; readonly signal: AbortSignal },
  topic: string,
  group: string,
  change: (there: Manifest | undefined) => Manifest,
): Promise<Manifest> {
  for (let unexpected = 0; ;) {
    const producer = await log.producer(topic, signal)
    try {
      // After the fencing: no earlier writer can write any more.
      const there = await readManifest(log, topic, signal)
      const next = change(there)
      if (next === there) return next
      const writer = new RecordWriter(Infinity)
      // A worker with a wrong clock must be able to start, too.
      writer.append(NO_TIME, MANIFEST_KEY, encodeManifest(next))
      await producer.commit({ records: [{ topic, partition: 0, chunks: writer.take() }], group, positions: [] })
      return next
    } catch (error) {
      if (!isPotorooError(error, 'FENCED') && !isInDoubt(error)) throw error
      if (error.code === 'UNEXPECTED_ANSWER' && ++unexpected >= MAX_UNEXPECTED_ANSWERS) throw refusedAtLast(error)
      await abortable(signal, sleep(clock, AGAIN_MS))
    } finally {
      await producer.close()
    }
  }
}
