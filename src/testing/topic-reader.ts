/**
 * The records of a topic, in the order in which a test expects them: within a partition as they are stored, across
 * partitions by timestamp. Outputs carry the timestamp of the message that caused them.
 */
import type { RecordCursor, RecordHeader } from '../core/records/records.js'
import type { PartitionLog } from '../memory/partition.js'
import { PartitionReader } from './partition-reader.js'

/** A record as bytes. */
export interface RawRecord {
  readonly partition: number
  readonly offset: number
  readonly timestampMs: number
  readonly key: Buffer | undefined
  readonly value: Buffer | undefined
  readonly headers: readonly RecordHeader[]
}

export class TopicReader {
  readonly #partitions: readonly { readonly reader: PartitionReader; readonly waiting: RawRecord[] }[]

  constructor(partitions: readonly PartitionLog[]) {
    this.#partitions = partitions.map((partition) => ({ reader: new PartitionReader(partition), waiting: [] }))
  }

  /** What was committed since the last call, as returned by `decode`. If that throws, nothing counts as read. */
  take<T>(decode: (record: RawRecord) => T): T[] {
    for (const { reader, waiting } of this.#partitions)
      reader.read((cursor) => waiting.push(rawRecord(cursor, reader.partition.partition)))
    const taken = inOrder(this.#partitions.map(({ waiting }) => waiting)).map(decode)
    for (const { waiting } of this.#partitions) waiting.length = 0
    return taken
  }
}

/**
 * Merged by timestamp, ties by partition; records of one partition never overtake each other, whatever their
 * timestamps.
 */
function inOrder(partitions: readonly (readonly RawRecord[])[]): RawRecord[] {
  const ranked = partitions.flatMap((records) => {
    let rank = -Infinity
    return records.map((record) => ({ record, rank: (rank = Math.max(rank, record.timestampMs)) }))
  })
  // Array.sort is stable.
  return ranked.sort((a, b) => a.rank - b.rank).map(({ record }) => record)
}

/** A copy: the cursor's memory belongs to the log. */
function rawRecord(cursor: RecordCursor, partition: number): RawRecord {
  const { buffer, keyStart, keyEnd, valueStart, valueEnd, offset, timestampMs } = cursor
  const copy = (start: number, end: number): Buffer | undefined =>
    start < 0 ? undefined : Buffer.from(buffer.subarray(start, end))
  return {
    partition,
    offset,
    timestampMs,
    key: copy(keyStart, keyEnd),
    value: copy(valueStart, valueEnd),
    headers: cursor.headers().map(({ key, value }) => ({ key, value: value === null ? null : Buffer.from(value) })),
  }
}
