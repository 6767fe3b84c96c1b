import { PotorooError } from '../../errors.js'
import { copyBytes } from './copy-bytes.js'
import { BATCH_HEADER_BYTES, type RecordChunk, type RecordHeader } from './record-format.js'

const EMPTY = Buffer.alloc(0)
/** Chunks start with that much memory, or as much as the chunk before had, or as is expected to come. */
const FIRST_BUFFER_BYTES = 4096
/** The optimistic write of a text that turns out not to be ASCII needs room to show itself: see `writeText`. */
const SLACK_BYTES = 16
/** Up to here a loop is faster than a call of the native code. */
const SHORT_BYTES = 32

/** What a chunk is while records are written to it. */
type OpenChunk = { -readonly [Field in keyof RecordChunk]: RecordChunk[Field] }

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
  #chunk: OpenChunk | undefined
  #keyStart = 0
  #valueStart = 0

  #expectedBytes = 0

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

  /** What the record that was appended last is in: its `bytes` are another Buffer when it grows. Whole when it was taken. */
  get chunk(): RecordChunk | undefined {
    return this.#chunk
  }

  /** Where `appendPair` put the last key, and the last value, in that chunk. */
  get keyStart(): number {
    return this.#keyStart
  }
  get valueStart(): number {
    return this.#valueStart
  }

  /** About as many are coming, in all: then chunks have the memory that they need from the start. */
  expect(bytes: number): void {
    this.#expectedBytes = bytes
  }

  /**
   * False: this record alone would make a batch larger than `maxBatchBytes`; nothing was appended. Strings are written in
   * UTF-8.
   */
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
      if (!this.#beginChunk(timestampMs, batchAlone(exactKeyBytes, exactValueBytes, headersBytes))) return false
    }
    return this.#write(timestampMs, key, exactKeyBytes, value, exactValueBytes, headers, headersBytes)
  }

  /**
   * A record without headers whose key lies in bytes[keyStart, keyEnd), its value from there to `valueEnd`; below zero
   * where that is null. False as with `append`.
   */
  appendPair(timestampMs: number, bytes: Buffer, keyStart: number, keyEnd: number, valueEnd: number): boolean {
    const keyBytes = keyEnd - keyStart
    const valueBytes = valueEnd < 0 ? -1 : valueEnd - keyEnd
    if (this.#inChunk === 0 || !this.#makeRoom(this.#endWith(timestampMs, keyBytes, valueBytes, 1)))
      if (!this.#beginChunk(timestampMs, batchAlone(keyBytes, valueBytes, 1))) return false
    const buffer = this.#buffer
    let at = this.#writeHead(timestampMs, keyBytes, valueBytes, 1)
    at = this.#keyStart = writeVarint(buffer, at, keyBytes)
    at = copyBytes(bytes, keyStart, keyEnd, buffer, at)
    at = this.#valueStart = writeVarint(buffer, at, valueBytes)
    if (valueBytes > 0) at = copyBytes(bytes, keyEnd, valueEnd, buffer, at)
    buffer[at++] = 0 // headers
    this.#written(timestampMs, at)
    return true
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
    this.#chunk = undefined
    this.#end = BATCH_HEADER_BYTES
    this.#inChunk = 0
    this.#closed = []
    this.#closedBytes = 0
    this.#closedCount = 0
  }

  #close(): void {
    const chunk = this.#chunk
    if (this.#inChunk === 0 || chunk === undefined) return
    chunk.end = this.#end
    chunk.count = this.#inChunk
    chunk.maxTimestampMs = this.#maxTimestampMs
    this.#closed.push(chunk)
    this.#closedBytes += this.#end
    this.#closedCount += this.#inChunk
    this.#nextBufferBytes = Math.max(FIRST_BUFFER_BYTES, this.#end + SLACK_BYTES)
    this.#buffer = EMPTY
    this.#end = BATCH_HEADER_BYTES
    this.#inChunk = 0
  }

  /** For a record that makes a batch of `alone` bytes by itself; false where that is too large. */
  #beginChunk(timestampMs: number, alone: number): boolean {
    if (alone > this.maxBatchBytes) return false
    this.#close()
    this.#baseTimestampMs = this.#maxTimestampMs = timestampMs
    this.#chunk = { bytes: EMPTY, end: 0, count: 0, baseTimestampMs: timestampMs, maxTimestampMs: timestampMs }
    return this.#makeRoom(alone)
  }

  /** Where the chunk would end with that record after its last one. */
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
    const left = this.#expectedBytes - this.#closedBytes
    const wanted = Math.max(this.#buffer.length * 2, left > 0 ? left : this.#nextBufferBytes)
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(wanted, this.maxBatchBytes + SLACK_BYTES)))
    if (this.#inChunk > 0) this.#buffer.copy(grown, BATCH_HEADER_BYTES, BATCH_HEADER_BYTES, this.#end)
    this.#buffer = grown
    if (this.#chunk !== undefined) this.#chunk.bytes = grown
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
    let at = this.#writeHead(timestampMs, keyBytes, valueBytes, headersBytes)
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
    this.#written(timestampMs, at)
    return true
  }

  /** What is in front of the key; returns where it ends. */
  #writeHead(timestampMs: number, keyBytes: number, valueBytes: number, headersBytes: number): number {
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
    return writeVarint(buffer, at, this.#inChunk)
  }

  #written(timestampMs: number, end: number): void {
    this.#end = end
    this.#inChunk++
    if (timestampMs > this.#maxTimestampMs) this.#maxTimestampMs = timestampMs
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
  copyBytes(content, 0, bytes, buffer, at)
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
