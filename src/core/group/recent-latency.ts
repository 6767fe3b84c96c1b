/**
 * How long messages took lately, from their own timestamp to Kafka's acknowledgement of the commit that they are in: counts by
 * powers of 1.25, which can be added up over workers, as quantiles can't.
 *
 * Invariants
 * 1. It tells of the last 10 s at least, and of the last 20 s at most.
 * 2. Its size is bounded, whatever is recorded.
 */

/** So many messages took no longer than that, and longer than the bound before. By bound, the least first. */
export type LatencyCounts = readonly (readonly [upToMs: number, messages: number])[]

const WINDOW_MS = 10_000
const GROWTH = 1.25
/** More than an hour. */
const BUCKETS = 69

const boundOf = (bucket: number): number => Math.round(GROWTH ** bucket * 10) / 10
const bucketOf = (ms: number): number =>
  ms <= 1 ? 0 : Math.min(BUCKETS - 1, Math.ceil(Math.log(ms) / Math.log(GROWTH) - 1e-9))

export class RecentLatency {
  #now = new Float64Array(BUCKETS)
  #before = new Float64Array(BUCKETS)
  #sinceMs = -Infinity

  /** `atMs`: by a clock that never goes back. */
  record(atMs: number, latencyMs: number, messages: number): void {
    this.#turn(atMs)
    const bucket = bucketOf(Math.max(0, latencyMs))
    this.#now[bucket] = (this.#now[bucket] ?? 0) + messages
  }

  counts(atMs: number): LatencyCounts {
    this.#turn(atMs)
    return [...this.#now].flatMap((count, bucket) => {
      const messages = count + (this.#before[bucket] ?? 0)
      return messages === 0 ? [] : [[boundOf(bucket), messages] as const]
    })
  }

  #turn(atMs: number): void {
    const passedMs = atMs - this.#sinceMs
    if (passedMs < WINDOW_MS) return
    const isNext = passedMs < 2 * WINDOW_MS
    this.#before = isNext ? this.#now : new Float64Array(BUCKETS)
    this.#now = new Float64Array(BUCKETS)
    this.#sinceMs = isNext ? this.#sinceMs + WINDOW_MS : atMs
  }
}

/** The bound that this share of the messages did not exceed; undefined where there are none. Of several workers: all their counts. */
export function latencyQuantile(counts: LatencyCounts, share: number): number | undefined {
  const sorted = [...counts].sort(([a], [b]) => a - b)
  let left = share * sorted.reduce((sum, [, messages]) => sum + messages, 0)
  for (const [upToMs, messages] of sorted) {
    left -= messages
    if (left <= 0) return upToMs
  }
  return sorted.at(-1)?.[0]
}

/**
 * What one worker recorded between two of its counts. Undefined where it let older ones go meanwhile, or began anew: then nobody
 * knows.
 */
export function latencyBetween(before: LatencyCounts, after: LatencyCounts): LatencyCounts | undefined {
  const left = new Map(before)
  const came = after.map(([upToMs, messages]) => {
    const known = left.get(upToMs) ?? 0
    left.delete(upToMs)
    return [upToMs, messages - known] as const
  })
  if (left.size > 0 || came.some(([, messages]) => messages < 0)) return undefined
  return came.filter(([, messages]) => messages > 0)
}
