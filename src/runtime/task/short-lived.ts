/**
 * Outputs have the timestamps of their causes. What is older than its topic keeps is deleted by the broker at once, and
 * nobody would know where it went.
 */
import type { Destination, OutgoingRecords } from '../../core/processing/outbox.js'

export interface ShortLived {
  readonly topic: string
  readonly partition: number
  /** Of the newest of the records. */
  readonly timestampMs: number
  readonly retentionMs: number
  /** It looks like seconds that were taken for milliseconds. */
  readonly likeSeconds: boolean
}

/** Today's time in seconds, taken for milliseconds, is in 1970; so is all of this century. */
const LIKE_SECONDS_MS = 10_000_000_000

export class ShortLivedOutputs {
  /** Sinks that delete what is old, but for those of which that was said. */
  readonly #retentionsMs: Map<string, number>

  constructor(sinks: Iterable<Destination>) {
    this.#retentionsMs = new Map(
      [...sinks].flatMap(({ topic, retentionMs }) =>
        retentionMs === undefined ? [] : [[topic, retentionMs] as const],
      ),
    )
  }

  /** What should be said of the records of a commit: once for each sink, because it comes with each commit. */
  among(records: readonly OutgoingRecords[], nowMs: number): readonly ShortLived[] {
    const found: ShortLived[] = []
    if (this.#retentionsMs.size === 0) return found
    for (const { topic, partition, chunks } of records) {
      const retentionMs = this.#retentionsMs.get(topic)
      if (retentionMs === undefined) continue
      const timestampMs = Math.max(...chunks.map(({ maxTimestampMs }) => maxTimestampMs))
      // Without timestamps the age of the broker's file counts.
      if (timestampMs < 0 || timestampMs >= nowMs - retentionMs) continue
      this.#retentionsMs.delete(topic)
      const likeSeconds = timestampMs > 0 && timestampMs < LIKE_SECONDS_MS
      found.push({ topic, partition, timestampMs, retentionMs, likeSeconds })
    }
    return found
  }
}
