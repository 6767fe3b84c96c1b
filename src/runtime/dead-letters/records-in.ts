/**
 * The committed records of ranges of partitions, one after the other, for callers that read them once.
 *
 * Invariants
 * 1. Each record of a range comes once, those of a partition in their order.
 * 2. While nobody takes any, no more is fetched than some MB.
 */
import { RecordCursor, type RecordHeader } from '../../core/records/records.js'
import type { Fetched, FetchInput, Fetcher, Log, TopicPartition } from '../../ports/log.js'
import { abortable } from '../abortable.js'

export interface PartitionRange extends TopicPartition {
  readonly start: number
  /** Exclusive. */
  readonly end: number
}

/** A copy. */
export interface ReadRecord {
  readonly partition: number
  readonly offset: number
  readonly timestampMs: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly RecordHeader[]
  readonly bytes: number
}

/** Enough for a fetch to be under way while what the last one brought is looked at. */
const MAX_WAITING_BYTES = 8 * 1024 * 1024

/** Rejects with what a partition can't be read for, or the signal's reason. An open transaction below a range's end is waited for. */
export async function* recordsIn(
  log: Pick<Log, 'fetcher'>,
  ranges: readonly PartitionRange[],
  signal: AbortSignal,
): AsyncGenerator<ReadRecord, void, undefined> {
  const inputs = ranges.filter(({ start, end }) => start < end)
  if (inputs.length === 0) return
  const fetcher = log.fetcher()
  try {
    const reading = new Reading(fetcher, inputs)
    for (;;) {
      signal.throwIfAborted()
      const record = reading.take()
      if (record !== undefined) yield record
      else if (reading.isDone) return
      else await abortable(signal, reading.changed())
    }
  } finally {
    await fetcher.close()
  }
}

class Reading {
  readonly #inputs: readonly RangeInput[]
  #waiting: ReadRecord[] = []
  #next = 0
  #waitingBytes = 0
  #failure: Error | undefined
  #wake: (() => void) | undefined

  constructor(
    private readonly fetcher: Fetcher,
    ranges: readonly PartitionRange[],
  ) {
    this.#inputs = ranges.map(
      (range) =>
        new RangeInput(range, {
          isFull: () => this.#waitingBytes >= MAX_WAITING_BYTES,
          add: (record) => {
            this.#waiting.push(record)
            this.#waitingBytes += record.bytes
          },
          changed: (failure) => {
            this.#failure ??= failure
            this.#wake?.()
          },
        }),
    )
    for (const input of this.#inputs) fetcher.add(input)
  }

  get isDone(): boolean {
    return this.#inputs.every(({ isAtEnd }) => isAtEnd)
  }

  take(): ReadRecord | undefined {
    if (this.#failure !== undefined) throw this.#failure
    const record = this.#waiting[this.#next]
    if (record === undefined) return undefined
    this.#waitingBytes -= record.bytes
    if (++this.#next === this.#waiting.length) {
      this.#waiting = []
      this.#next = 0
      this.fetcher.wake()
    }
    return record
  }

  /** Resolves at the next answer. */
  changed(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve))
  }
}

interface Owner {
  isFull(): boolean
  add(record: ReadRecord): void
  changed(failure?: Error): void
}

class RangeInput implements FetchInput {
  readonly topic: string
  readonly partition: number
  readonly #cursor = new RecordCursor()
  readonly #end: number
  #position: number

  constructor(
    { topic, partition, start, end }: PartitionRange,
    private readonly owner: Owner,
  ) {
    this.topic = topic
    this.partition = partition
    this.#position = start
    this.#end = end
  }

  get isAtEnd(): boolean {
    return this.#position >= this.#end
  }

  wanted(): number | undefined {
    return this.isAtEnd || this.owner.isFull() ? undefined : this.#position
  }

  hurried(): boolean {
    return false
  }

  deliver(fetched: Fetched): void {
    try {
      if (fetched.position !== this.#position) return
      for (const batch of fetched.batches) {
        this.#cursor.open(batch)
        while (this.#cursor.next())
          if (this.#cursor.offset >= this.#position && this.#cursor.offset < this.#end)
            this.owner.add(copyOf(this.#cursor, this.partition))
      }
      this.#position = fetched.nextPosition
      this.owner.changed()
    } catch (error) {
      this.failed(error instanceof Error ? error : new Error(String(error)))
    } finally {
      fetched.release()
    }
  }

  failed(error: Error): void {
    this.owner.changed(error)
  }
}

function copyOf(cursor: RecordCursor, partition: number): ReadRecord {
  const { buffer, keyStart, keyEnd, valueStart, valueEnd, offset, timestampMs } = cursor
  const copy = (start: number, end: number): Buffer | null =>
    start < 0 ? null : Buffer.from(buffer.subarray(start, end))
  const key = copy(keyStart, keyEnd)
  const value = copy(valueStart, valueEnd)
  const headers = cursor.headers().map((one) => ({ key: one.key, value: one.value && Buffer.from(one.value) }))
  const bytes = headers.reduce(
    (sum, one) => sum + one.key.length + (one.value?.length ?? 0),
    (key?.length ?? 0) + (value?.length ?? 0),
  )
  return { partition, offset, timestampMs, key, value, headers, bytes }
}
