/**
 * Marks: what a task says in a repartition of how far it is, so that time goes through it. A mark is a record under a reserved
 * key, at the end of the transaction whose records it is behind:
 *
 *     Record => Key: 0xff 'm'; Value: { "v": 1, "task": "lines_3", "boundMs": 1704067200000, "tickMs": 1704067205000 } (JSON)
 *
 * Keys of messages are UTF-8, in which no byte is 0xff. `boundMs` is by the records that the task has taken, `tickMs` by the clock
 * where nothing comes (watermark.ts). A message that was late in its source has a header beside those that it came with: the
 * bound by which it was.
 *
 * Invariants
 * 1. A mark comes behind the records of its transaction, and is in the transaction of what it says.
 * 2. What its task writes to that repartition later is no older than `boundMs`; or it has the header; or it came to the task by
 *    an edge that carries no time.
 * 3. Each partition is told, those without records as well, no later than an interval after others; and nothing is said twice.
 */
import type { RecordCursor, RecordHeader } from '../records/records.js'
import type { Destination, Outbox } from './outbox.js'

const MARK_KEY = Buffer.from([0xff, 0x6d]) // 0xff 'm'
/** Of a message that was late in its source: its bound, ms since the epoch, as text. */
export const BOUND_HEADER = 'potoroo-bound'
/** Partitions without records are told so often, where there is something to tell. */
const LEAST_INTERVAL_MS = 200
const MOST_INTERVAL_MS = 10_000
/** So many marks a second a repartition gets at most in partitions without records. */
const MARKS_PER_S = 1000
/** A task where nothing comes tells it this part later than it has been so. */
const IDLE_PART = 1 / 64

/** How far a task is: nothing of it lies below any more but what is late. -Infinity: nobody knows. */
export interface Claim {
  /** By its records. */
  readonly boundMs: number
  /** By the clock, as of now; no less. */
  readonly tickMs: number
}
export interface Mark extends Claim {
  readonly task: string
}

export const isMark = ({ buffer, keyStart, keyEnd }: Pick<RecordCursor, 'buffer' | 'keyStart' | 'keyEnd'>): boolean =>
  keyEnd - keyStart === 2 && buffer[keyStart] === 0xff && buffer[keyStart + 1] === 0x6d

const encodeMark = ({ task, boundMs, tickMs }: Mark): string =>
  JSON.stringify({ v: 1, task, boundMs: known(boundMs), tickMs: known(tickMs) })

/** Undefined for what a later version may have written: then nothing was said. */
export function decodeMark({ buffer, valueStart, valueEnd }: RecordCursor): Mark | undefined {
  try {
    const parsed: unknown = JSON.parse(buffer.toString('utf8', Math.max(0, valueStart), Math.max(0, valueEnd)))
    if (typeof parsed !== 'object' || parsed === null) return undefined
    const { v, task, boundMs = -Infinity, tickMs = -Infinity } = parsed as Record<string, unknown>
    if (v !== 1 || typeof task !== 'string' || typeof boundMs !== 'number' || typeof tickMs !== 'number')
      return undefined
    return { task, boundMs, tickMs }
  } catch {
    return undefined
  }
}

/** The bound that the record brings along; undefined: it was not late. */
export function carriedBound(cursor: RecordCursor): number | undefined {
  const value = cursor.hasHeaders ? cursor.header(BOUND_HEADER) : undefined
  if (value === undefined) return undefined
  const boundMs = Number(Buffer.from(value).toString())
  return Number.isFinite(boundMs) ? boundMs : undefined
}

/** Headers that a message continues with, with this bound and no other one. */
export function withBound(
  headers: readonly RecordHeader[] | undefined,
  boundMs: number | undefined,
): readonly RecordHeader[] | undefined {
  if (boundMs === undefined && headers === undefined) return undefined
  const others = headers?.filter(({ key }) => key !== BOUND_HEADER) ?? []
  return boundMs === undefined ? others : [...others, { key: BOUND_HEADER, value: Buffer.from(String(boundMs)) }]
}

/** A repartition to be marked, and how many tasks do so. */
export interface MarkedTopic {
  readonly to: Destination
  readonly writers: number
}

interface Told {
  readonly to: Destination
  readonly intervalMs: number
  /** By partition, what it was told last. */
  readonly claims: (Claim | undefined)[]
  /** When all of its partitions were told last. */
  roundMs: number
}

/** What a task tells the repartitions that it writes to. Times are on the monotonic clock, claims since the epoch. */
export class Marks {
  readonly #topics: readonly Told[]
  #claim: Claim = { boundMs: -Infinity, tickMs: -Infinity }
  readonly #rounds = new Set<Told>()

  constructor(
    private readonly task: string,
    topics: readonly MarkedTopic[],
  ) {
    this.#topics = topics.map(({ to, writers }) => ({
      to,
      intervalMs: Math.max(LEAST_INTERVAL_MS, (writers * to.partitions * 1000) / MARKS_PER_S),
      claims: Array.from({ length: to.partitions }, () => undefined),
      roundMs: -Infinity,
    }))
  }

  /** When partitions are to be told that get no records. `activityMs`: when something came to the task last. */
  roundDueMs(activityMs: number): number {
    return Math.min(...this.#topics.map((topic) => dueMs(topic, activityMs)))
  }

  /** Whether there is something to tell. */
  isNews(claim: Claim): boolean {
    return this.#topics.some(({ claims }) => claims.some((told) => isNews(claim, told)))
  }

  /** There is nothing to tell in a round that is due. */
  skipRound(nowMs: number): void {
    for (const topic of this.#topics) topic.roundMs = nowMs
  }

  /** The next transaction says that; all partitions of the repartitions whose round is due are told. */
  prepare(claim: Claim, nowMs: number, activityMs: number): void {
    this.#claim = claim
    for (const topic of this.#topics) if (dueMs(topic, activityMs) <= nowMs) this.#rounds.add(topic)
    for (const topic of this.#rounds) topic.roundMs = nowMs
  }

  /** Behind all records of the transaction. By topic, how many; throws INVALID_CONFIGURATION where one is too large. */
  write(outbox: Outbox, timestampMs: number): ReadonlyMap<string, number> {
    const counts = new Map<string, number>()
    const value = encodeMark({ task: this.task, ...this.#claim })
    for (const topic of this.#topics) {
      const { to, claims } = topic
      for (let partition = 0; partition < to.partitions; partition++) {
        if (!isNews(this.#claim, claims[partition])) continue
        if (!this.#rounds.has(topic) && !outbox.has(to, partition)) continue
        outbox.addOwn(to, partition, timestampMs, MARK_KEY, value)
        claims[partition] = this.#claim
        counts.set(to.topic, (counts.get(to.topic) ?? 0) + 1)
      }
    }
    this.#rounds.clear()
    return counts
  }
}

function dueMs({ roundMs, intervalMs }: Told, activityMs: number): number {
  if (roundMs === -Infinity) return roundMs
  return roundMs + Math.max(intervalMs, Math.min(MOST_INTERVAL_MS, (roundMs - activityMs) * IDLE_PART))
}

/** What the clock said may have to be rolled back. */
const isNews = ({ boundMs, tickMs }: Claim, told: Claim | undefined): boolean =>
  told === undefined ? tickMs > -Infinity : boundMs > told.boundMs || tickMs !== told.tickMs

const known = (ms: number): number | undefined => (Number.isFinite(ms) ? ms : undefined)
