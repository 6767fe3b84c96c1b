/**
 * Records as bytes: the records section of a record batch (format v2, KIP-98), uncompressed, read through a cursor and
 * written through a writer, with no object per record.
 *
 *     Record => Length Attributes TimestampDelta OffsetDelta KeyLength Key ValueLength Value HeadersCount [Header]
 *       Length, TimestampDelta, OffsetDelta, KeyLength, ValueLength, HeadersCount => zigzag varint (varlong for the timestamp)
 *       Attributes => int8 (unused)
 *       Header => KeyLength Key ValueLength Value
 */

/** Bytes of a batch before its records section. A writer leaves them free, so that a batch is sealed in place. */
export const BATCH_HEADER_BYTES = 61

/** One batch's records as they lie in the log. Batches of aborted transactions and control batches never become one. */
export interface RecordBatch {
  /** Offset of the record with offset delta 0. */
  readonly baseOffset: number
  readonly baseTimestampMs: number
  /** The time of every record when the topic is LogAppendTime; -1 when records bring their own (CreateTime). */
  readonly appendTimeMs: number
  readonly count: number
  /** The records section is bytes[start, end). */
  readonly bytes: Buffer
  readonly start: number
  readonly end: number
}

/** Records on their way to one partition: one batch. The records section is bytes[BATCH_HEADER_BYTES, end). */
export interface RecordChunk {
  readonly bytes: Buffer
  readonly end: number
  readonly count: number
  readonly baseTimestampMs: number
  readonly maxTimestampMs: number
}

export interface RecordHeader {
  readonly key: string
  readonly value: Uint8Array | null
}
