/**
 * Timestamps of records. Plainly they are the times at which records are written, no two the same; producers send others: equal
 * ones, ones out of order, ones of the future, or none (-1).
 */
import { partitionOf } from '../../src/core/plan/partitioner.js'
import type { SeededRandom } from '../../src/memory/random.js'
import type { FeedEvent, Stamped } from './applications/simulated-application.js'

export type TimestampKind = 'plain' | 'odd'

export interface StampPlan {
  /** The world's wall clock at its beginning. */
  readonly startMs: number
  readonly partitions: number
  /** In the order of declaration. */
  readonly sources: readonly string[]
}

export const plainTimestamps = <E extends FeedEvent>(events: readonly E[]): Stamped<E> => ({
  written: events,
  taken: events,
})

/** `taken` holds where all is written before the world begins: nobody knows what may still come, else. */
export function oddTimestamps<E extends FeedEvent>(
  random: SeededRandom,
  { startMs, partitions, sources }: StampPlan,
  events: readonly E[],
): Stamped<E> {
  const roundedToMs = random.pick([1, 100, 5_000])
  const shuffledByMs = random.pick([0, 0, 300, 10_000])
  const withoutShare = random.pick([0, 0.1, 1])
  const futureShare = random.pick([0, 0.1])
  const written = events.map((event) => {
    const near = event.atMs + (shuffledByMs === 0 ? 0 : random.between(-shuffledByMs, shuffledByMs))
    const far = random.chance(futureShare) ? random.pick([60_000, 315_360_000_000]) : 0
    const timestampMs = startMs + Math.floor((near + far) / roundedToMs) * roundedToMs
    return { ...event, timestampMs: random.chance(withoutShare) ? -1 : timestampMs }
  })
  return { written, taken: takenOf(written, partitions, sources) }
}

/** The rule of docs/design.md, plainly: of each source's next record the one with the lowest timestamp, then the source declared first. */
function takenOf<E extends FeedEvent & { readonly timestampMs: number }>(
  events: readonly E[],
  partitions: number,
  sources: readonly string[],
): E[] {
  const taken: E[] = []
  for (let partition = 0; partition < partitions; partition++) {
    const here = events.filter(({ key }) => partitionOf('murmur2', Buffer.from(key), partitions) === partition)
    const queues = sources.map((source) => here.filter(({ topic }) => topic === source))
    for (;;) {
      const [next] = queues
        .filter(({ length }) => length > 0)
        .sort((a, b) => (a[0]?.timestampMs ?? 0) - (b[0]?.timestampMs ?? 0))
      const event = next?.shift()
      if (event === undefined) break
      taken.push(event)
    }
  }
  return taken
}
