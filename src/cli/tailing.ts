/**
 * A topic's records in the order of each partition, read-committed, on the fetcher that workers read with.
 *
 * 1. A record is passed on once: only a fetch from the position that is expected counts.
 * 2. With an end, nothing at or after it is passed on, and a partition is done when it has been read up to there, be it
 *    by records or by what lies between them (control batches, aborted transactions, compacted records).
 * 3. While the taker is busy nothing more is fetched than what is under way.
 */
import { type Fetched } from '../core/records/fetched.js'
import { RecordCursor, type RecordHeader } from '../core/records/records.js'
import type { FetchInput, Fetcher } from '../ports/log.js'

export interface TailRange {
  readonly partition: number
  /** Where to begin. */
  readonly position: number
  /** Where to stop (exclusive); undefined: never. */
  readonly end: number | undefined
}

/** Bytes are views, good until the taker returns. */
export interface TailRecord {
  readonly partition: number
  readonly offset: number
  /** Ms since the epoch. */
  readonly timestampMs: number
  /** Undefined is null. */
  readonly key: Buffer | undefined
  readonly value: Buffer | undefined
  headers(): readonly RecordHeader[]
}

export interface TailTaker {
  /** False: enough. */
  take(record: TailRecord): boolean
  /** False while it is busy; then `Tail.wake` when it no longer is. */
  ready(): boolean
}

/** A partition that can't be read to its end yet, because a transaction is open. */
export interface Held {
  readonly partition: number
  /** Read-committed readers get up to here. */
  readonly lastStableOffset: number
  readonly end: number
}

export class Tail {
  /** Resolves when every partition is at its end, or the taker has enough. Rejects when a partition can't be read. */
  readonly done: Promise<void>
  readonly #inputs: TailInput[]
  readonly #fetcher: Fetcher
  #finish: () => void = () => undefined
  #fail: (error: Error) => void = () => undefined

  constructor(fetcher: Fetcher, topic: string, ranges: readonly TailRange[], taker: TailTaker) {
    this.#fetcher = fetcher
    this.done = new Promise((resolve, reject) => {
      this.#finish = resolve
      this.#fail = reject
    })
    let enough = false
    this.#inputs = ranges.map(
      (range) =>
        new TailInput(topic, range, {
          ready: () => !enough && taker.ready(),
          take: (record) => {
            if (!enough) enough = !taker.take(record)
            return !enough
          },
          changed: () => {
            if (enough || this.#inputs.every((input) => input.atEnd)) this.#finish()
          },
          failed: (error) => {
            this.#fail(error)
          },
        }),
    )
    for (const input of this.#inputs) {
      if (input.atEnd) continue
      fetcher.add(input)
    }
    if (this.#inputs.every((input) => input.atEnd)) this.#finish()
  }

  /** Those of the partitions not yet at their end whose end lies behind an open transaction. */
  held(): readonly Held[] {
    return this.#inputs.flatMap((input) => input.held ?? [])
  }

  wake(): void {
    this.#fetcher.wake()
  }

  close(): void {
    for (const input of this.#inputs) this.#fetcher.remove(input)
  }
}

interface TailOwner {
  ready(): boolean
  take(record: TailRecord): boolean
  changed(): void
  failed(error: Error): void
}

class TailInput implements FetchInput {
  readonly partition: number
  readonly #end: number | undefined
  readonly #cursor = new RecordCursor()
  #position: number
  #lastStableOffset: number | undefined

  constructor(
    readonly topic: string,
    range: TailRange,
    readonly owner: TailOwner,
  ) {
    this.partition = range.partition
    this.#position = range.position
    this.#end = range.end
  }

  get atEnd(): boolean {
    return this.#end !== undefined && this.#position >= this.#end
  }

  get held(): Held | undefined {
    const [stable, end] = [this.#lastStableOffset, this.#end]
    if (stable === undefined || end === undefined || this.atEnd || stable >= end) return undefined
    return this.#position >= stable ? { partition: this.partition, lastStableOffset: stable, end } : undefined
  }

  wanted(): number | undefined {
    return this.atEnd || !this.owner.ready() ? undefined : this.#position
  }

  hurried(): boolean {
    return false
  }

  deliver(fetched: Fetched): void {
    if (fetched.position !== this.#position) return
    this.#lastStableOffset = fetched.lastStableOffset
    for (const batch of fetched.batches) {
      const cursor = this.#cursor
      cursor.open(batch)
      while (cursor.next()) {
        if (cursor.offset < this.#position) continue
        if (this.#end !== undefined && cursor.offset >= this.#end) break
        const { offset, timestampMs, keyStart, keyEnd, valueStart, valueEnd, buffer } = cursor
        const more = this.owner.take({
          partition: this.partition,
          offset,
          timestampMs,
          key: keyStart < 0 ? undefined : buffer.subarray(keyStart, keyEnd),
          value: valueStart < 0 ? undefined : buffer.subarray(valueStart, valueEnd),
          headers: () => cursor.headers(),
        })
        if (!more) {
          this.owner.changed()
          return
        }
      }
    }
    this.#position = Math.max(this.#position, fetched.nextPosition)
    this.owner.changed()
  }

  failed(error: Error): void {
    this.owner.failed(error)
  }
}
