/**
 * One source topic's partition within a task: the buffer between the fetcher and the merge.
 *
 * Invariants
 * 1. A fetch is accepted only at the position that the buffer ends at; anything else is an answer to a question that is
 *    no longer asked.
 * 2. Records below that position inside a first batch are skipped: a broker answers with whole batches.
 * 3. Positions go on behind control batches and aborted ones, so that lag ends at 0.
 * 4. What was taken since the last mark stays in memory, so that it can be taken again (`rewind`).
 * 5. `drained` is proven by an answer, never assumed: see `isDrainedFor`.
 * 6. `provenMs` is of an answer that left nothing to read, and no transaction open: it counts where no head is left.
 * 7. An answer is released once, when all its batches were taken and marked: nothing reads them any more.
 */
import type { Fetched } from '../records/fetched.js'
import { RecordCursor, type RecordBatch } from '../records/records.js'
import { carriedBound } from './marks.js'
import type { TakenRecords } from './traced-records.js'

/** An answer, with so many of its batches still to be marked. */
interface Answer {
  readonly release: () => void
  left: number
}

interface Buffered {
  readonly batch: RecordBatch
  readonly answer: Answer
  readonly arrived: number
  /** `provenMs` when it came. */
  readonly provenMs: number
  readonly bytes: number
}

export class Input {
  /** The head: the next record to take, while `hasHead`. */
  readonly cursor = new RecordCursor()
  hasHead = false
  /** Tick at which the head's fetch was answered. */
  headArrived = 0
  /** `provenMs` when it was: the head was written later than that. */
  headProvenMs = -Infinity
  /**
   * By the wall clock, when an answer was asked for that has shown that nothing was left in the log, and nothing was on its way
   * into it; -Infinity before there was one.
   */
  provenMs = -Infinity
  /** True from when a dry spell outlasted the bound until the source gives something again. */
  waived = false

  /** Batches; `#queue[#current]` is under the cursor, those before it were taken since the mark. */
  #queue: Buffered[] = []
  #current = 0
  #end: number
  #mark: number
  #pinnedBytes = 0
  #takenBytes = 0
  /** Records of the batches after which the cursor is, since the mark; and those of them that were not taken since. */
  #passedRecords = 0
  #skippedRecords = 0
  #firstTimestampMs = NaN
  #highWatermark = NaN
  #drainedAsked = -1
  #hasMore = false
  /** Runs ahead of the cursor, in the same batch. */
  readonly #scout = new RecordCursor()
  #scouted: RecordBatch | undefined

  constructor(
    /** Place among the sub-topology's sources. */
    readonly index: number,
    readonly topic: string,
    position: number,
  ) {
    this.#end = position
    this.#mark = position
  }

  /** Where the buffer ends: the position to fetch from. */
  get end(): number {
    return this.#end
  }
  /** Position of the next record that was not taken. */
  get position(): number {
    return this.hasHead ? this.cursor.offset : this.#end
  }
  /** Whether the log had more than the last answer brought: the task works off a backlog. */
  get hasMore(): boolean {
    return this.#hasMore
  }
  /** Timestamp of the head, while there is one. */
  get headMs(): number {
    return this.cursor.timestampMs
  }
  /** The bound that the head brings along from where it was late; undefined: it was not. */
  get headBoundMs(): number | undefined {
    return carriedBound(this.cursor)
  }
  /** Bytes that the buffer keeps in memory, those taken since the mark included. */
  get pinnedBytes(): number {
    return this.#pinnedBytes
  }

  /** Bytes of those batches that were taken since the mark. */
  get takenBytes(): number {
    return this.#takenBytes
  }

  /** How many records were taken since the mark. */
  get takenRecords(): number {
    return this.#passedRecords + this.#recordsBeforeHead - this.#skippedRecords
  }

  /** What was taken since the mark: views of memory that is used again after `mark`. */
  get taken(): TakenRecords {
    const batches = this.#queue.slice(0, this.#current + 1).map(({ batch }) => batch)
    return { topic: this.topic, batches, from: this.#mark, to: this.position }
  }

  /** Timestamp of the first record that was taken since the mark; where none was, of the head; NaN where there is none. */
  get firstTimestampMs(): number {
    return this.#firstTimestampMs
  }

  /** Records behind the mark, as far as the last answer knew, those that only Kafka sees among them; NaN before the first answer. */
  get lag(): number {
    return Math.max(0, this.#highWatermark - this.#mark)
  }

  /** Returns whether the answer was taken (invariant 1). `askedMs`: when it was asked for, at the earliest, by the wall clock. */
  accept(fetched: Fetched, askedMs = -Infinity): boolean {
    const { batches, release } = fetched
    const isExpected = fetched.position === this.#end
    if (!isExpected || batches.length === 0) release()
    if (!isExpected) return false
    const each = batches.length === 0 ? 0 : fetched.bytes / batches.length
    const answer = { release, left: batches.length }
    const { provenMs } = this
    for (const batch of batches) this.#queue.push({ batch, answer, arrived: fetched.arrived, provenMs, bytes: each })
    const floor = this.#end
    this.#end = fetched.nextPosition
    this.#pinnedBytes += each * batches.length
    this.#hasMore = fetched.nextPosition < fetched.lastStableOffset
    this.#drainedAsked = this.#hasMore || fetched.mayLag === true ? -1 : fetched.asked
    if (this.#drainedAsked >= 0 && fetched.lastStableOffset >= fetched.highWatermark)
      this.provenMs = Math.max(this.provenMs, askedMs)
    this.#highWatermark = fetched.highWatermark
    if (!this.hasHead) {
      this.#openFrom(floor)
      this.#skippedRecords += this.#recordsBeforeHead
      if (Number.isNaN(this.#firstTimestampMs)) this.#firstTimestampMs = this.#headTimestampMs
    }
    if (this.hasHead) this.waived = false
    return true
  }

  /**
   * Notes down where in the cursor's buffer the keys of the records lie that come next, start and end of each; returns how
   * many. Each record is looked at once; there are none while the last ones that were looked at are still to come.
   */
  lookAhead(keys: Int32Array): number {
    const batch = this.#queue[this.#current]?.batch
    if (batch === undefined) return 0
    const scout = this.#scout
    let count = 0
    try {
      if (batch !== this.#scouted) {
        this.#scouted = batch
        scout.open(batch)
      }
      if (scout.offset > this.cursor.offset) return 0
      while ((count + 1) * 2 <= keys.length && scout.next()) {
        if (scout.offset < this.cursor.offset || scout.keyStart < 0) continue
        keys[count * 2] = scout.keyStart
        keys[count * 2 + 1] = scout.keyEnd
        count++
      }
    } catch {
      // The cursor says it when it gets there.
    }
    return count
  }

  /** Takes the head: the cursor moves to the next record. */
  advance(): void {
    if (this.cursor.next()) return
    const passed = this.#queue[this.#current]
    this.#takenBytes += passed?.bytes ?? 0
    this.#passedRecords += passed?.batch.count ?? 0
    this.#current++
    this.#openFrom(0)
  }

  /** Takes the head, which is no message: it is not counted as one. */
  skip(): void {
    const isFirst = this.takenRecords === 0
    this.#skippedRecords++
    this.advance()
    if (isFirst) this.#firstTimestampMs = this.#headTimestampMs
  }

  /**
   * Whether this input, being empty, certainly has nothing that was written before a record that arrived at that tick: the
   * answer that left it empty was asked for after the record had arrived. The same answer proves nothing: a broker reads
   * its partitions one after the other, so what was written to one before a record may be missing beside it. So does an
   * answer of a leader that may not have caught up with the one before.
   */
  isDrainedFor(arrived: number): boolean {
    return arrived <= this.#drainedAsked
  }

  /** What was taken so far is not to be taken again: it is in a commit. */
  mark(): void {
    this.#pinnedBytes -= this.#takenBytes
    this.#takenBytes = 0
    for (const { answer } of this.#queue.splice(0, this.#current)) if (--answer.left === 0) answer.release()
    this.#current = 0
    if (this.#queue.length === 0) this.#pinnedBytes = 0
    this.#mark = this.position
    this.#countFromHere()
  }

  /** Back to the mark. */
  rewind(): void {
    this.#current = this.#takenBytes = 0
    this.#openFrom(this.#mark)
    this.#countFromHere()
  }

  #countFromHere(): void {
    this.#passedRecords = 0
    this.#skippedRecords = this.#recordsBeforeHead
    this.#firstTimestampMs = this.#headTimestampMs
  }

  /** In the batch under the cursor. */
  get #recordsBeforeHead(): number {
    const batch = this.hasHead ? this.#queue[this.#current]?.batch : undefined
    return batch === undefined ? 0 : batch.count - this.cursor.left - 1
  }

  get #headTimestampMs(): number {
    return this.hasHead ? this.cursor.timestampMs : NaN
  }

  #openFrom(floor: number): void {
    for (; ; this.#current++) {
      const next = this.#queue[this.#current]
      if (next === undefined) {
        this.hasHead = false
        return
      }
      this.cursor.open(next.batch)
      while (this.cursor.next()) {
        if (this.cursor.offset < floor) continue
        this.hasHead = true
        this.headArrived = next.arrived
        this.headProvenMs = next.provenMs
        return
      }
    }
  }
}
