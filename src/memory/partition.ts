/**
 * One partition's log, as a Kafka broker keeps it: batches in the order of their offsets, markers that end transactions,
 * the high watermark, the last stable offset and the log start.
 *
 * Invariants
 * 1. Offsets only rise. A marker takes one offset; what compaction or deletion took away leaves a gap.
 * 2. The last stable offset is the first offset of the oldest open transaction, or the high watermark: a read-committed
 *    reader sees what is below it, without the batches of aborted transactions.
 * 3. The high watermark is the end of the log, but for the time after an election (leaders.ts): until it catches up, or
 *    something is appended, whose acknowledgement says that it has.
 */
import { BATCH_HEADER_BYTES, RecordCursor, RecordWriter } from '../core/records/records.js'
import { Sequences } from './sequences.js'
import type { RecordBatch, RecordChunk } from '../core/records/records.js'

/** A batch as it lies in the log. */
export interface StoredBatch {
  readonly baseOffset: number
  readonly lastOffset: number
  /** -1 without a transaction. */
  readonly producerId: number
  /** As `max.message.bytes` and the bounds of a fetch count it. */
  readonly sizeBytes: number
  /** Undefined for a marker. */
  readonly records: RecordBatch | undefined
  /** What a marker says. */
  readonly marker?: 'commit' | 'abort'
  aborted: boolean
  /** Of a tombstone that compaction has seen: when it may go, on the compacting caller's clock. */
  readonly horizonMs?: number
}

export interface Compaction {
  readonly nowMs: number
  /** `delete.retention.ms`: how long a tombstone stays after compaction has first seen it. */
  readonly deleteRetentionMs: number
}

export interface ReadResult {
  readonly batches: readonly RecordBatch[]
  readonly nextPosition: number
  readonly bytes: number
}

/** A transaction that ended with an abort, from its first record to its marker. */
export interface AbortedRange {
  readonly producerId: number
  readonly firstOffset: number
  readonly markerOffset: number
}

/** A marker is a batch of one small record. */
const MARKER_BYTES = 78

export class PartitionLog {
  readonly sequences = new Sequences()
  #batches: StoredBatch[] = []
  #logStart = 0
  #end = 0
  /** A high watermark that lags; undefined: it does not. */
  #lagging: number | undefined
  /** First offset of each open transaction here, by producer. */
  readonly #open = new Map<number, number>()
  #abortedRanges: readonly AbortedRange[] = []
  readonly #watchers = new Set<() => void>()

  constructor(
    readonly topic: string,
    readonly partition: number,
  ) {}

  get logStart(): number {
    return this.#logStart
  }

  get logEnd(): number {
    return this.#end
  }

  get highWatermark(): number {
    return this.#lagging ?? this.#end
  }

  get knowsItsEnd(): boolean {
    return this.#lagging === undefined
  }

  /** Takes the high watermark back by so many batches, as a new leader has it. */
  hide(batches: number): void {
    const first = this.#batches[this.#batches.length - batches]
    if (batches > 0) this.#lagging = Math.min(this.highWatermark, first?.baseOffset ?? this.#logStart)
  }

  catchUp(): void {
    if (this.#lagging === undefined) return
    this.#lagging = undefined
    this.#changed()
  }

  get lastStableOffset(): number {
    return Math.min(this.highWatermark, this.decidedBelow)
  }

  /** The last stable offset, whatever the high watermark. */
  get decidedBelow(): number {
    let offset = this.#end
    for (const first of this.#open.values()) offset = Math.min(offset, first)
    return offset
  }

  /** Appends one batch, of an open transaction when a producer is named. Returns its first offset. */
  append(chunk: RecordChunk, options: { readonly producerId?: number; readonly appendTimeMs?: number } = {}): number {
    const producerId = options.producerId ?? -1
    const baseOffset = this.#end
    // A copy, as the network makes one: the sender's memory is the sender's.
    const bytes = Buffer.from(chunk.bytes.subarray(BATCH_HEADER_BYTES, chunk.end))
    this.#batches.push({
      baseOffset,
      lastOffset: baseOffset + chunk.count - 1,
      producerId,
      sizeBytes: chunk.end,
      records: {
        baseOffset,
        baseTimestampMs: chunk.baseTimestampMs,
        appendTimeMs: options.appendTimeMs ?? -1,
        count: chunk.count,
        bytes,
        start: 0,
        end: bytes.length,
      },
      aborted: false,
    })
    this.#end += chunk.count
    this.#lagging = undefined
    if (producerId >= 0 && !this.#open.has(producerId)) this.#open.set(producerId, baseOffset)
    this.#changed()
    return baseOffset
  }

  /** Ends the producer's transaction here. The marker is written also where the producer has written nothing. */
  mark(producerId: number, kind: 'commit' | 'abort'): void {
    const first = this.#open.get(producerId)
    if (first !== undefined && kind === 'abort') {
      for (let i = this.#indexOf(first); i < this.#batches.length; i++) {
        const batch = this.#batches[i]
        if (batch !== undefined && batch.producerId === producerId && batch.records !== undefined) batch.aborted = true
      }
    }
    this.#open.delete(producerId)
    const offset = this.#end++
    this.#lagging = undefined
    if (first !== undefined && kind === 'abort')
      this.#abortedRanges = [...this.#abortedRanges, { producerId, firstOffset: first, markerOffset: offset }]
    this.#batches.push({
      baseOffset: offset,
      lastOffset: offset,
      producerId,
      sizeBytes: MARKER_BYTES,
      records: undefined,
      marker: kind,
      aborted: false,
    })
    this.#changed()
  }

  /** The first record of that time or a later one; undefined: there is none. */
  offsetAt(timeMs: number): number | undefined {
    const cursor = new RecordCursor()
    for (const { records, lastOffset } of this.#batches) {
      if (records === undefined || lastOffset < this.#logStart) continue
      cursor.open(records)
      while (cursor.next()) if (cursor.offset >= this.#logStart && cursor.timestampMs >= timeMs) return cursor.offset
    }
    return undefined
  }

  /** Reads read-committed: whole batches from the one that holds `position`, at least one however large it is. */
  read(position: number, maxBytes: number, limit = this.lastStableOffset): ReadResult {
    const batches: RecordBatch[] = []
    let nextPosition = position
    let sizeBytes = 0
    let bytes = 0
    for (let i = this.#indexOf(position); i < this.#batches.length; i++) {
      const batch = this.#batches[i]
      if (batch === undefined || batch.baseOffset >= limit) break
      if (sizeBytes > 0 && sizeBytes + batch.sizeBytes > maxBytes) break
      sizeBytes += batch.sizeBytes
      nextPosition = batch.lastOffset + 1
      if (batch.records === undefined || batch.aborted) continue
      batches.push(batch.records)
      bytes += batch.sizeBytes
    }
    return { batches, nextPosition, bytes }
  }

  /**
   * What a broker sends to a read-committed reader, who has to filter it: all batches below the last stable offset, from
   * the one that holds `position`, markers and aborted ones among them.
   */
  stored(position: number): readonly StoredBatch[] {
    const from = this.#indexOf(position)
    let to = from
    const limit = this.lastStableOffset
    while ((this.#batches[to]?.baseOffset ?? limit) < limit) to++
    return this.#batches.slice(from, to)
  }

  /** Those that reach into [from, to), in the order of their markers. */
  abortedIn(from: number, to: number): readonly AbortedRange[] {
    return this.#abortedRanges.filter(({ firstOffset, markerOffset }) => markerOffset >= from && firstOffset < to)
  }

  /**
   * What has become of the record at an offset. `open`, with the producer: its transaction has no marker here yet.
   */
  fateOf(offset: number): 'committed' | 'aborted' | 'absent' | { readonly open: number } {
    const batch = this.#batches[this.#indexOf(offset)]
    if (batch === undefined || batch.baseOffset > offset || batch.records === undefined) return 'absent'
    if (batch.aborted) return 'aborted'
    const first = this.#open.get(batch.producerId)
    return first !== undefined && first <= offset ? { open: batch.producerId } : 'committed'
  }

  /** What an unclean election does: a leader is elected that lacks what was acknowledged from this offset on. */
  truncate(offset: number): void {
    this.#batches = this.#batches.filter(({ lastOffset }) => lastOffset < offset)
    this.#end = Math.min(this.#end, offset)
    for (const [producer, first] of this.#open) if (first >= this.#end) this.#open.delete(producer)
    this.#lagging = undefined
  }

  /** Moves the log start, as DeleteRecords and retention do. A batch that holds the new start stays whole. */
  deleteBefore(offset: number): void {
    this.#logStart = Math.max(this.#logStart, Math.min(offset, this.#end))
    this.#batches = this.#batches.slice(this.#indexOf(this.#logStart))
    this.#changed()
  }

  /**
   * Compaction of what lies below the last stable offset: of each key the last committed record stays. The last batch
   * there stays in any case, as Kafka never compacts the segment that is written to.
   */
  compact({ nowMs, deleteRetentionMs }: Compaction): void {
    // The batch before the last stable offset stays: a reader has to find something that takes it there.
    const stable = this.#batches.filter((batch) => batch.lastOffset < this.lastStableOffset).length
    const cleaned = this.#batches.slice(0, Math.max(0, stable - 1))
    const rest = this.#batches.slice(cleaned.length)
    const last = new Map<string, number>()
    eachRecord(this.#batches.slice(0, stable), (cursor, key) => last.set(key, cursor.offset))
    const kept: StoredBatch[] = []
    eachRecord(cleaned, (cursor, key, { horizonMs = nowMs + deleteRetentionMs }) => {
      if (last.get(key) !== cursor.offset) return
      const isTombstone = cursor.valueStart < 0
      if (isTombstone && horizonMs <= nowMs) return
      kept.push(alone(cursor, isTombstone ? { horizonMs } : {}))
    })
    this.#batches = [...kept, ...rest]
    // With what was aborted, its marker went: who waited for that would take nothing of the producer any more.
    const firstOfRest = rest[0]?.baseOffset ?? this.#end
    this.#abortedRanges = this.#abortedRanges.filter(({ markerOffset }) => markerOffset >= firstOfRest)
    this.#changed()
  }

  /** Calls whenever there may be more to read, until it is rolled back by the function returned. */
  watch(call: () => void): () => void {
    this.#watchers.add(call)
    return () => {
      this.#watchers.delete(call)
    }
  }

  #changed(): void {
    for (const call of [...this.#watchers]) call()
  }

  /** The first batch that ends at or behind the offset. */
  #indexOf(offset: number): number {
    let low = 0
    let high = this.#batches.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#batches[middle]?.lastOffset ?? 0) < offset) low = middle + 1
      else high = middle
    }
    return low
  }
}

function eachRecord(
  batches: readonly StoredBatch[],
  visit: (cursor: RecordCursor, key: string, batch: StoredBatch) => void,
): void {
  const cursor = new RecordCursor()
  for (const batch of batches) {
    const { records, aborted } = batch
    if (records === undefined || aborted) continue
    cursor.open(records)
    while (cursor.next()) {
      if (cursor.keyStart < 0) throw new RangeError('a compacted topic holds no record without a key')
      visit(cursor, cursor.buffer.toString('latin1', cursor.keyStart, cursor.keyEnd), batch)
    }
  }
}

/** The cursor's record as a batch of its own, at its offset. */
function alone(cursor: RecordCursor, more: { readonly horizonMs?: number }): StoredBatch {
  const key = cursor.buffer.subarray(cursor.keyStart, cursor.keyEnd)
  const value = cursor.valueStart < 0 ? null : cursor.buffer.subarray(cursor.valueStart, cursor.valueEnd)
  const writer = new RecordWriter(Infinity)
  writer.append(cursor.timestampMs, key, value, cursor.headers())
  const [chunk] = writer.take()
  if (chunk === undefined) throw new RangeError('one record makes one chunk')
  const { bytes, end, baseTimestampMs } = chunk
  return {
    baseOffset: cursor.offset,
    lastOffset: cursor.offset,
    producerId: -1,
    sizeBytes: end,
    records: {
      baseOffset: cursor.offset,
      baseTimestampMs,
      appendTimeMs: -1,
      count: 1,
      bytes,
      start: BATCH_HEADER_BYTES,
      end,
    },
    aborted: false,
    ...more,
  }
}
