/** The committed records of a range of a partition, for callers that look for one of them. */
import { RecordCursor } from '../core/records/records.js'
import type { Fetched, Fetcher, FetchInput, TopicPartition } from '../ports/log.js'
import { abortable } from './abortable.js'

export interface RecordRange extends TopicPartition {
  readonly topicId?: string | undefined
  readonly from: number
  /** Exclusive. */
  readonly end: number
}

interface Looking {
  readonly fetcher: Fetcher
  readonly signal: AbortSignal
  /** Whether it is to be fetched before what is not. */
  readonly hurried: boolean
}

/**
 * Has `look` look at one record after another, until it gives true, or the range is over. The first batch may have records from before
 * the range: they are looked at, too. Rejects with what `look` throws or the partition can't be read for, or with the signal's reason.
 */
export async function lookThrough(
  range: RecordRange,
  look: (cursor: RecordCursor) => boolean,
  { fetcher, signal, hurried }: Looking,
): Promise<void> {
  signal.throwIfAborted()
  if (range.from >= range.end) return
  let events: Events = { over: () => undefined, failed: () => undefined }
  const over = new Promise<void>((resolve, failed) => (events = { over: resolve, failed }))
  const input = new Range(range, look, hurried, events)
  fetcher.add(input)
  try {
    await abortable(signal, over)
  } finally {
    fetcher.remove(input)
  }
}

interface Events {
  over(): void
  failed(error: Error): void
}

class Range implements FetchInput {
  readonly topic: string
  readonly topicId: string | undefined
  readonly partition: number
  readonly #cursor = new RecordCursor()
  #position: number
  #isOver = false

  constructor(
    private readonly range: RecordRange,
    private readonly look: (cursor: RecordCursor) => boolean,
    private readonly isHurried: boolean,
    private readonly events: Events,
  ) {
    this.topic = range.topic
    this.topicId = range.topicId
    this.partition = range.partition
    this.#position = range.from
  }

  wanted(): number | undefined {
    return this.#isOver ? undefined : this.#position
  }

  hurried(): boolean {
    return this.isHurried
  }

  deliver(fetched: Fetched): void {
    try {
      if (this.#isOver || fetched.position !== this.#position) return
      if (!this.#isFoundIn(fetched) && this.#position < this.range.end) return
      this.#isOver = true
      this.events.over()
    } catch (error) {
      this.failed(error instanceof Error ? error : new Error(String(error)))
    } finally {
      fetched.release()
    }
  }

  failed(error: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    this.events.failed(error)
  }

  #isFoundIn({ batches, nextPosition }: Fetched): boolean {
    const cursor = this.#cursor
    for (const batch of batches) {
      cursor.open(batch)
      while (cursor.next()) if (cursor.offset < this.range.end && this.look(cursor)) return true
    }
    this.#position = nextPosition
    return false
  }
}
