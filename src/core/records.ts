/**
 * Records as bytes: the records section of a record batch (format v2, KIP-98), uncompressed, read through a cursor and
 * written through a writer, with no object per record.
 *
 *     Record => Length Attributes TimestampDelta OffsetDelta KeyLength Key ValueLength Value HeadersCount [Header]
 *       Length, TimestampDelta, OffsetDelta, KeyLength, ValueLength, HeadersCount => zigzag varint (varlong for the timestamp)
 *       Attributes => int8 (unused)
 *       Header => KeyLength Key ValueLength Value
 */
import { PotorooError } from '../errors.js'

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

const EMPTY = Buffer.alloc(0)

/**
 * Steps over the records of one batch after another. One object for many batches; the fields say where in `buffer` the
 * current record lies, and are worth something only after `next()` returned true.
 *
 * Invariants
 * 1. Whatever the bytes are, a record lies within its batch's section, and `next()` ends: each step consumes bytes.
 * 2. Offsets rise from record to record, so that a position never goes backwards.
 * 3. A malformed section throws CORRUPT_BATCH, and throws it again when asked again.
 */
export class RecordCursor {
  buffer: Buffer = EMPTY
  offset = -1
  timestampMs = -1
  /** -1 where the key is null; so are the others. */
  keyStart = -1
  keyEnd = -1
  valueStart = -1
  valueEnd = -1

  #baseOffset = 0
  #baseTimestampMs = 0
  #appendTimeMs = -1
  #left = 0
  /** Where the next record starts. */
  #at = 0
  #end = 0
  #headerCount = 0
  #headersAt = 0
  /** Behind the number that `#varint` or `#varlong` read last. */
  #behind = 0

  open(batch: RecordBatch): void {
    this.buffer = batch.bytes
    this.offset = batch.baseOffset - 1
    this.#baseOffset = batch.baseOffset
    this.#baseTimestampMs = batch.baseTimestampMs
    this.#appendTimeMs = batch.appendTimeMs
    this.#left = batch.count
    this.#at = batch.start
    this.#end = batch.end
    this.#headerCount = 0
    if (batch.count < 0 || batch.start < 0 || batch.start > batch.end || batch.end > batch.bytes.length) {
      this.#left = 1
      this.#at = this.#end = 0
      this.buffer = EMPTY
      this.#corrupt(`it names ${String(batch.count)} records in bytes ${String(batch.start)} to ${String(batch.end)}`)
    }
  }

  /** Moves to the next record; false behind the last one. */
  next(): boolean {
    if (this.#left === 0) {
      if (this.#at !== this.#end) this.#corrupt('bytes are left over behind its last record')
      return false
    }
    // Positions only grow, so the last check finds whatever went beyond the record; behind the buffer, reads give 0.
    const buffer = this.buffer
    let at = this.#at
    let byte = buffer[at++] ?? 0
    let length
    if (byte < 0x80) length = (byte >>> 1) ^ -(byte & 1)
    else {
      length = this.#varint(at - 1)
      at = this.#behind
    }
    const recordEnd = at + length
    if (recordEnd > this.#end) this.#corrupt(`a record of ${String(length)} bytes`)
    at++ // attributes

    byte = buffer[at++] ?? 0
    let timestampDelta
    if (byte < 0x80) timestampDelta = (byte >>> 1) ^ -(byte & 1)
    else {
      timestampDelta = this.#varlong(at - 1)
      at = this.#behind
    }

    byte = buffer[at++] ?? 0
    let offsetDelta
    if (byte < 0x80) offsetDelta = (byte >>> 1) ^ -(byte & 1)
    else {
      offsetDelta = this.#varint(at - 1)
      at = this.#behind
    }
    const offset = this.#baseOffset + offsetDelta
    if (offset <= this.offset) this.#corrupt(`offset ${String(offset)} follows offset ${String(this.offset)}`)

    byte = buffer[at++] ?? 0
    if (byte < 0x80) length = (byte >>> 1) ^ -(byte & 1)
    else {
      length = this.#varint(at - 1)
      at = this.#behind
    }
    let keyStart = -1
    let keyEnd = -1
    if (length >= 0) {
      keyStart = at
      keyEnd = at += length
    } else if (length !== -1) this.#corrupt(`a key of ${String(length)} bytes`)

    byte = buffer[at++] ?? 0
    if (byte < 0x80) length = (byte >>> 1) ^ -(byte & 1)
    else {
      length = this.#varint(at - 1)
      at = this.#behind
    }
    let valueStart = -1
    let valueEnd = -1
    if (length >= 0) {
      valueStart = at
      valueEnd = at += length
    } else if (length !== -1) this.#corrupt(`a value of ${String(length)} bytes`)

    byte = buffer[at++] ?? 0
    let headerCount = 0
    const headersAt = at - 1
    if (byte !== 0) {
      headerCount = this.#varint(headersAt)
      at = this.#skipHeaders(headerCount, recordEnd)
    }
    if (at !== recordEnd) this.#corrupt("a record's length disagrees with what is in it")

    this.#at = recordEnd
    this.#left--
    this.#headerCount = headerCount
    this.#headersAt = headersAt
    this.offset = offset
    this.timestampMs = this.#appendTimeMs >= 0 ? this.#appendTimeMs : this.#baseTimestampMs + timestampDelta
    this.keyStart = keyStart
    this.keyEnd = keyEnd
    this.valueStart = valueStart
    this.valueEnd = valueEnd
    return true
  }

  /** The record's headers in their order. Values are views of the batch's memory. */
  headers(): RecordHeader[] {
    const headers: RecordHeader[] = []
    this.#eachHeader((keyStart, keyEnd, valueStart, valueEnd) => {
      const value = valueStart < 0 ? null : this.buffer.subarray(valueStart, valueEnd)
      headers.push({ key: this.buffer.toString('utf8', keyStart, keyEnd), value })
    })
    return headers
  }

  /** The value of the last header of that name (as Kafka's `lastHeader`), a view; undefined without one, or when it is null. */
  header(name: string): Uint8Array | undefined {
    if (this.#headerCount === 0) return undefined
    const wanted = Buffer.from(name)
    let found: Uint8Array | undefined
    this.#eachHeader((keyStart, keyEnd, valueStart, valueEnd) => {
      if (wanted.compare(this.buffer, keyStart, keyEnd) !== 0) return
      found = valueStart < 0 ? undefined : this.buffer.subarray(valueStart, valueEnd)
    })
    return found
  }

  /** The headers were checked when the cursor came to the record. */
  #eachHeader(visit: (keyStart: number, keyEnd: number, valueStart: number, valueEnd: number) => void): void {
    if (this.#headerCount === 0) return
    this.#varint(this.#headersAt)
    for (let left = this.#headerCount; left > 0; left--) {
      const keyBytes = this.#varint(this.#behind)
      const keyStart = this.#behind
      const valueBytes = this.#varint(keyStart + keyBytes)
      const valueStart = this.#behind
      this.#behind = valueStart + Math.max(valueBytes, 0)
      const next = this.#behind
      visit(keyStart, keyStart + keyBytes, valueBytes < 0 ? -1 : valueStart, next)
      this.#behind = next
    }
  }

  /** Checks headers that start at `#behind`; returns where they end. */
  #skipHeaders(count: number, recordEnd: number): number {
    if (count < 0) this.#corrupt(`${String(count)} headers`)
    let at = this.#behind
    for (; count > 0; count--) {
      const keyBytes = this.#varint(at)
      if (keyBytes < 0) this.#corrupt(`a header's key of ${String(keyBytes)} bytes`)
      const valueBytes = this.#varint(this.#behind + keyBytes)
      if (valueBytes < -1) this.#corrupt(`a header of ${String(valueBytes)} bytes`)
      at = this.#behind + Math.max(valueBytes, 0)
      if (at > recordEnd) this.#corrupt('a header reaches beyond its record')
    }
    return at
  }

  #varint(at: number): number {
    const buffer = this.buffer
    let byte = buffer[at++] ?? 0
    let value = byte & 0x7f
    if (byte > 0x7f) {
      byte = buffer[at++] ?? 0
      value |= (byte & 0x7f) << 7
      if (byte > 0x7f) {
        byte = buffer[at++] ?? 0
        value |= (byte & 0x7f) << 14
        if (byte > 0x7f) {
          byte = buffer[at++] ?? 0
          value |= (byte & 0x7f) << 21
          if (byte > 0x7f) {
            byte = buffer[at++] ?? 0
            if (byte > 0x0f) this.#corrupt('a number of more than 32 bits')
            value |= byte << 28
          }
        }
      }
    }
    this.#behind = at
    return (value >>> 1) ^ -(value & 1)
  }

  /** What is beyond 2^51 is no time, and kept to 2^51, so that sums stay exact. */
  #varlong(at: number): number {
    const buffer = this.buffer
    let byte = 0x80
    let low = 0
    for (let shift = 0; byte > 0x7f && shift < 28; shift += 7) {
      byte = buffer[at++] ?? 0
      low |= (byte & 0x7f) << shift
    }
    let magnitude = low >>> 1
    if (byte > 0x7f) {
      let high = 0
      for (let scale = 1; byte > 0x7f; scale *= 0x80) {
        byte = buffer[at++] ?? 0
        if (scale === 2 ** 35 && byte > 0x01) this.#corrupt('a number of more than 64 bits')
        high += (byte & 0x7f) * scale
      }
      magnitude = Math.min(magnitude + high * 2 ** 27, 2 ** 51)
    }
    this.#behind = at
    return low & 1 ? -magnitude - 1 : magnitude
  }

  #corrupt(what: string): never {
    throw new PotorooError('CORRUPT_BATCH', `the batch at offset ${String(this.#baseOffset)} is malformed: ${what}`)
  }
}

/** Chunks start with that much memory, or as much as the chunk before had. */
const FIRST_BUFFER_BYTES = 4096
/** The optimistic write of a text that turns out not to be ASCII needs room to show itself: see `writeText`. */
const SLACK_BYTES = 16
/** Up to here a loop is faster than a call of the native code. */
const SHORT_BYTES = 32

/**
 * Writes records into chunks, of which each becomes one batch.
 *
 * Invariants
 * 1. No batch, its header of 61 bytes included, is larger than `maxBatchBytes`.
 * 2. `append` writes the whole record, or nothing.
 * 3. Memory that was handed over is not written again.
 */
export class RecordWriter {
  #buffer: Buffer = EMPTY
  #end = BATCH_HEADER_BYTES
  #inChunk = 0
  #baseTimestampMs = 0
  #maxTimestampMs = 0
  #closed: RecordChunk[] = []
  #closedBytes = 0
  #closedCount = 0
  #nextBufferBytes = FIRST_BUFFER_BYTES

  constructor(private readonly maxBatchBytes: number) {}

  /** The size of the batch that has this record alone: what `append` holds against `maxBatchBytes`. */
  static bytesAlone(
    key: Uint8Array | string | null,
    value: Uint8Array | string | null,
    headers?: readonly RecordHeader[],
  ): number {
    return batchAlone(bytesOf(key), bytesOf(value), sizeOfHeaders(headers))
  }

  get count(): number {
    return this.#closedCount + this.#inChunk
  }

  /** The size of all batches together. */
  get bytes(): number {
    return this.#closedBytes + (this.#inChunk === 0 ? 0 : this.#end)
  }

  /** False: this record alone would make a batch larger than `maxBatchBytes`; nothing was appended. */
  append(
    timestampMs: number,
    key: Uint8Array | string | null,
    value: Uint8Array | string | null,
    headers?: readonly RecordHeader[],
  ): boolean {
    if (!Number.isSafeInteger(timestampMs)) {
      throw new PotorooError('INTERNAL', `a record's timestamp is whole milliseconds, not ${String(timestampMs)}`)
    }
    const headersBytes = headers === undefined || headers.length === 0 ? 1 : sizeOfHeaders(headers)
    // Texts are taken for ASCII first, of which the size is known without looking at it. A chunk is closed for exact sizes
    // only: a record that no chunk can hold must not close one.
    const keyBytes = key === null ? -1 : key.length
    const valueBytes = value === null ? -1 : value.length
    if (
      this.#inChunk > 0 &&
      this.#makeRoom(this.#endWith(timestampMs, keyBytes, valueBytes, headersBytes)) &&
      this.#write(timestampMs, key, keyBytes, value, valueBytes, headers, headersBytes)
    ) {
      return true
    }
    const exactKeyBytes = bytesOf(key)
    const exactValueBytes = bytesOf(value)
    if (
      this.#inChunk === 0 ||
      !this.#makeRoom(this.#endWith(timestampMs, exactKeyBytes, exactValueBytes, headersBytes))
    ) {
      const alone = batchAlone(exactKeyBytes, exactValueBytes, headersBytes)
      if (alone > this.maxBatchBytes) return false
      this.#close()
      this.#baseTimestampMs = timestampMs
      this.#maxTimestampMs = timestampMs
      this.#makeRoom(alone)
    }
    return this.#write(timestampMs, key, exactKeyBytes, value, exactValueBytes, headers, headersBytes)
  }

  /** The chunks in their order; the writer is empty then. */
  take(): RecordChunk[] {
    this.#close()
    const chunks = this.#closed
    this.discard()
    return chunks
  }

  discard(): void {
    this.#buffer = EMPTY
    this.#end = BATCH_HEADER_BYTES
    this.#inChunk = 0
    this.#closed = []
    this.#closedBytes = 0
    this.#closedCount = 0
  }

  #close(): void {
    if (this.#inChunk === 0) return
    this.#closed.push({
      bytes: this.#buffer,
      end: this.#end,
      count: this.#inChunk,
      baseTimestampMs: this.#baseTimestampMs,
      maxTimestampMs: this.#maxTimestampMs,
    })
    this.#closedBytes += this.#end
    this.#closedCount += this.#inChunk
    this.#nextBufferBytes = Math.max(FIRST_BUFFER_BYTES, this.#end + SLACK_BYTES)
    this.#buffer = EMPTY
    this.#end = BATCH_HEADER_BYTES
    this.#inChunk = 0
  }

  /** Where the chunk would end with that record behind its last one. */
  #endWith(timestampMs: number, keyBytes: number, valueBytes: number, headersBytes: number): number {
    const body =
      1 +
      sizeOfVarlong(timestampMs - this.#baseTimestampMs) +
      sizeOfVarint(this.#inChunk) +
      sizeOfBytes(keyBytes) +
      sizeOfBytes(valueBytes) +
      headersBytes
    return this.#end + sizeOfVarint(body) + body
  }

  /** Sees to it that the chunk can reach up to there; false where it must not. */
  #makeRoom(end: number): boolean {
    if (end > this.maxBatchBytes) return false
    if (end + SLACK_BYTES > this.#buffer.length) this.#grow(end + SLACK_BYTES)
    return true
  }

  #grow(needed: number): void {
    const wanted = Math.max(this.#buffer.length * 2, this.#nextBufferBytes)
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(wanted, this.maxBatchBytes + SLACK_BYTES)))
    if (this.#inChunk > 0) this.#buffer.copy(grown, BATCH_HEADER_BYTES, BATCH_HEADER_BYTES, this.#end)
    this.#buffer = grown
  }

  /** False: a text is not as many bytes as was said; nothing was appended. */
  #write(
    timestampMs: number,
    key: Uint8Array | string | null,
    keyBytes: number,
    value: Uint8Array | string | null,
    valueBytes: number,
    headers: readonly RecordHeader[] | undefined,
    headersBytes: number,
  ): boolean {
    const buffer = this.#buffer
    const timestampDelta = timestampMs - this.#baseTimestampMs
    const body =
      1 +
      sizeOfVarlong(timestampDelta) +
      sizeOfVarint(this.#inChunk) +
      sizeOfBytes(keyBytes) +
      sizeOfBytes(valueBytes) +
      headersBytes
    let at = writeVarint(buffer, this.#end, body)
    buffer[at++] = 0 // attributes
    at = writeVarlong(buffer, at, timestampDelta)
    at = writeVarint(buffer, at, this.#inChunk)
    at = writeVarint(buffer, at, keyBytes)
    if (key !== null) {
      if (!writeContent(buffer, at, key, keyBytes)) return false
      at += keyBytes
    }
    at = writeVarint(buffer, at, valueBytes)
    if (value !== null) {
      if (!writeContent(buffer, at, value, valueBytes)) return false
      at += valueBytes
    }
    if (headers === undefined || headers.length === 0) buffer[at++] = 0
    else at = writeHeaders(buffer, at, headers)
    this.#end = at
    this.#inChunk++
    if (timestampMs > this.#maxTimestampMs) this.#maxTimestampMs = timestampMs
    return true
  }
}

/** The size of a batch with one record. */
function batchAlone(keyBytes: number, valueBytes: number, headersBytes: number): number {
  const body = 3 + sizeOfBytes(keyBytes) + sizeOfBytes(valueBytes) + headersBytes
  return BATCH_HEADER_BYTES + sizeOfVarint(body) + body
}

/** -1 for null, as it is written. */
function bytesOf(content: Uint8Array | string | null): number {
  if (content === null) return -1
  return typeof content === 'string' ? Buffer.byteLength(content) : content.length
}

/** The size of content with its length in front of it. */
function sizeOfBytes(length: number): number {
  return length < 0 ? 1 : sizeOfVarint(length) + length
}

function sizeOfVarint(value: number): number {
  const zigzag = ((value << 1) ^ (value >> 31)) >>> 0
  if (zigzag < 0x80) return 1
  if (zigzag < 0x4000) return 2
  if (zigzag < 0x20_0000) return 3
  return zigzag < 0x1000_0000 ? 4 : 5
}

function sizeOfVarlong(value: number): number {
  if (value === (value | 0)) return sizeOfVarint(value)
  let size = 5
  for (let rest = Math.floor(magnitudeOf(value) / 2 ** 34); rest > 0; rest = Math.floor(rest / 0x80)) size++
  return size
}

/** Zigzag of a large number is twice that, plus its sign. */
function magnitudeOf(value: number): number {
  return value < 0 ? -value - 1 : value
}

function writeVarint(buffer: Buffer, at: number, value: number): number {
  let rest = ((value << 1) ^ (value >> 31)) >>> 0
  while (rest > 0x7f) {
    buffer[at++] = rest | 0x80
    rest >>>= 7
  }
  buffer[at++] = rest
  return at
}

function writeVarlong(buffer: Buffer, at: number, value: number): number {
  if (value === (value | 0)) return writeVarint(buffer, at, value)
  const magnitude = magnitudeOf(value)
  let rest = Math.floor(magnitude / 0x40)
  buffer[at++] = ((magnitude % 0x40) << 1) | (value < 0 ? 0x81 : 0x80)
  while (rest > 0x7f) {
    buffer[at++] = (rest % 0x80) | 0x80
    rest = Math.floor(rest / 0x80)
  }
  buffer[at++] = rest
  return at
}

function writeContent(buffer: Buffer, at: number, content: Uint8Array | string, bytes: number): boolean {
  if (typeof content === 'string') return writeText(buffer, at, content, bytes)
  if (bytes > SHORT_BYTES) buffer.set(content, at)
  else for (let i = 0; i < bytes; i++) buffer[at + i] = content[i] ?? 0
  return true
}

/**
 * Returns whether the text is that many bytes of UTF-8. A text of n UTF-16 units is n bytes when it is ASCII, and more
 * otherwise, so a write that may use a few bytes more tells the two apart.
 */
function writeText(buffer: Buffer, at: number, text: string, bytes: number): boolean {
  if (bytes !== text.length || bytes > SHORT_BYTES) return buffer.write(text, at, bytes + 4, 'utf8') === bytes
  for (let i = 0; i < bytes; i++) {
    const unit = text.charCodeAt(i)
    if (unit > 0x7f) return false
    buffer[at + i] = unit
  }
  return true
}

function sizeOfHeaders(headers: readonly RecordHeader[] | undefined): number {
  if (headers === undefined) return 1
  let size = sizeOfVarint(headers.length)
  for (const { key, value } of headers) size += sizeOfBytes(bytesOf(key)) + sizeOfBytes(bytesOf(value))
  return size
}

function writeHeaders(buffer: Buffer, at: number, headers: readonly RecordHeader[]): number {
  at = writeVarint(buffer, at, headers.length)
  for (const { key, value } of headers) {
    const keyBytes = bytesOf(key)
    at = writeVarint(buffer, at, keyBytes)
    buffer.write(key, at, keyBytes, 'utf8')
    at = writeVarint(buffer, at + keyBytes, bytesOf(value))
    if (value !== null) {
      buffer.set(value, at)
      at += value.length
    }
  }
  return at
}
