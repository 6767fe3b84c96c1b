/**
 * Record batches (format v2, KIP-98): sealed before they are produced, and taken out of what a fetch brought.
 *
 *     RecordBatch => BaseOffset Length PartitionLeaderEpoch Magic CRC Attributes LastOffsetDelta BaseTimestamp
 *                    MaxTimestamp ProducerId ProducerEpoch BaseSequence Count Records
 *       BaseOffset, BaseTimestamp, MaxTimestamp, ProducerId => int64
 *       Length, PartitionLeaderEpoch, LastOffsetDelta, BaseSequence, Count => int32
 *       Magic => int8    CRC => uint32, CRC-32C of everything after it    ProducerEpoch => int16
 *       Attributes => int16: codec (3 bits), LogAppendTime, transactional, control, delete horizon
 *
 * The base timestamp of a batch with a delete horizon (KIP-534) is that horizon; records still count from it.
 */
import { crc32c } from '@node-rs/crc32'
import { BATCH_HEADER_BYTES, RecordCursor, type RecordBatch, type RecordChunk } from '../core/records/records.js'
import { PotorooError, messageOf } from '../errors.js'
import { NO_COMPRESSION, decompress } from './compression.js'

/** Where the fields lie. Magic lies there in the older formats, too. */
const at = {
  baseOffset: 0,
  length: 8,
  partitionLeaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  count: 57,
} as const
/** Base offset and length, which the length does not count. */
const FRAME_BYTES = at.partitionLeaderEpoch
const MAGIC = 2
const CODEC_MASK = 0x07
const LOG_APPEND_TIME = 0x08
const TRANSACTIONAL = 0x10
const CONTROL = 0x20
const ABORT_MARKER = 0
/** Behind this much of decompressed batches, the rest of an answer is left for the next fetch: its 16 MiB may become 100 times as much. */
const ENOUGH_DECOMPRESSED_BYTES = 64 * 1024 * 1024
/** Beyond this it is no time (70,000 years); keeping to it leaves sums with deltas exact. */
const MAX_TIME_MS = 2 ** 51

export interface Seal {
  /** -1 without a transaction. */
  readonly producerId: bigint | number
  readonly producerEpoch: number
  /** The sequence of the chunk's first record. */
  readonly firstSequence: number
  readonly transactional: boolean
}

/** Fills in the header in front of the chunk's records. The batch is a view of the chunk's memory; may be called again. */
export function sealBatch(chunk: RecordChunk, seal: Seal): Buffer {
  const batch = chunk.bytes.subarray(0, chunk.end)
  writeInt64(batch, at.baseOffset, 0)
  batch.writeInt32BE(chunk.end - FRAME_BYTES, at.length)
  batch.writeInt32BE(0, at.partitionLeaderEpoch) // the broker's to set
  batch[at.magic] = MAGIC
  batch.writeInt16BE(seal.transactional ? TRANSACTIONAL : 0, at.attributes)
  batch.writeInt32BE(chunk.count - 1, at.lastOffsetDelta)
  writeInt64(batch, at.baseTimestamp, chunk.baseTimestampMs)
  writeInt64(batch, at.maxTimestamp, chunk.maxTimestampMs)
  batch.writeBigInt64BE(BigInt(seal.producerId), at.producerId)
  batch.writeInt16BE(seal.producerEpoch, at.producerEpoch)
  batch.writeInt32BE(seal.firstSequence, at.baseSequence)
  batch.writeInt32BE(chunk.count, at.count)
  batch.writeUInt32BE(crc32c(batch.subarray(at.attributes)), at.crc)
  return batch
}

/** As a fetch response lists them: the transaction began there, and was aborted by a marker further on. */
export interface AbortedTransaction {
  readonly producerId: bigint
  readonly firstOffset: number
}

export interface BatchesRead {
  /** Those with records that a read-committed reader at `position` may see; the first may begin below `position`. */
  readonly batches: RecordBatch[]
  /** Behind the last whole batch, whatever it was; `position` when there is none. */
  readonly nextPosition: number
  /** Bytes of memory that `batches` pin. */
  readonly bytes: number
}

/**
 * Takes the whole batches out of one partition's part of a fetch response, for a read-committed reader. The last one may
 * be cut off: it is left for the next fetch. So is what would take too much memory when it is decompressed, and a batch
 * that can't be read behind others that can: they are processed, and who skips that one skips nothing else.
 *
 * Throws CORRUPT_BATCH, or UNSUPPORTED_FORMAT for topics that still hold the formats before v2.
 */
export function readBatches(
  raw: Buffer,
  position: number,
  abortedTransactions: readonly AbortedTransaction[],
): BatchesRead {
  const read: Reading = { batches: [], nextPosition: position, bytes: 0 }
  try {
    readAll(raw, position, abortedTransactions, read)
  } catch (error) {
    if (read.nextPosition === position) throw error
  }
  return read
}

interface Reading extends BatchesRead {
  nextPosition: number
  bytes: number
}

/** Into `read`, batch by batch. */
function readAll(
  raw: Buffer,
  position: number,
  abortedTransactions: readonly AbortedTransaction[],
  read: Reading,
): void {
  const aborted = abortedTransactions.length === 0 ? undefined : new AbortedProducers(abortedTransactions)
  let previousOffset = -1
  let decompressedBytes = 0
  for (let start = 0, end = 0; raw.length - start > at.magic; start = end) {
    if (decompressedBytes >= ENOUGH_DECOMPRESSED_BYTES) break
    const baseOffset = readOffset(raw, start)
    end = start + batchBytes(raw, start, baseOffset)
    if (end > raw.length) break
    verify(raw, start, end, baseOffset)
    const attributes = raw.readInt16BE(start + at.attributes)
    const lastOffsetDelta = raw.readInt32BE(start + at.lastOffsetDelta)
    if (lastOffsetDelta < 0 || baseOffset <= previousOffset) {
      const reach = `it reaches ${String(lastOffsetDelta)} offsets further`
      throw corrupt(baseOffset, `${reach}, behind offset ${String(previousOffset)}`)
    }
    const lastOffset = baseOffset + lastOffsetDelta
    previousOffset = lastOffset
    // Aborted transactions are followed below the position, too: one may reach beyond it.
    if (attributes & CONTROL) aborted?.mark(raw, start, batchOf(raw, start, end, baseOffset, attributes))
    else if (
      !(attributes & TRANSACTIONAL && aborted?.has(raw, start, baseOffset) === true) &&
      lastOffset >= position &&
      raw.readInt32BE(start + at.count) !== 0
    ) {
      const batch = batchOf(raw, start, end, baseOffset, attributes)
      read.batches.push(batch)
      if (batch.bytes === raw) read.bytes += end - start
      else {
        read.bytes += batch.bytes.length
        decompressedBytes += batch.bytes.length
      }
    }
    read.nextPosition = Math.max(read.nextPosition, lastOffset + 1)
  }
}

/**
 * Whose batches are dropped: a producer's from the first offset of its aborted transaction to its abort marker. By
 * control batches alone, never by what a record's key looks like.
 */
class AbortedProducers {
  readonly #transactions: readonly AbortedTransaction[]
  readonly #producerIds = new Set<bigint>()
  #begun = 0

  constructor(transactions: readonly AbortedTransaction[]) {
    this.#transactions = [...transactions].sort((a, b) => a.firstOffset - b.firstOffset)
  }

  has(raw: Buffer, start: number, baseOffset: number): boolean {
    this.#beginUpTo(baseOffset)
    return this.#producerIds.has(raw.readBigInt64BE(start + at.producerId))
  }

  /** Compaction leaves control batches that have no record any more: they mark nothing. */
  mark(raw: Buffer, start: number, batch: RecordBatch): void {
    this.#beginUpTo(batch.baseOffset)
    const record = new RecordCursor()
    record.open(batch)
    if (!record.next()) return
    // Key => Version Type, both int16
    if (record.keyEnd - record.keyStart < 4) throw corrupt(batch.baseOffset, 'a control record without a type')
    const type = record.buffer.readInt16BE(record.keyStart + 2)
    if (type === ABORT_MARKER) this.#producerIds.delete(raw.readBigInt64BE(start + at.producerId))
  }

  #beginUpTo(offset: number): void {
    for (; ; this.#begun++) {
      const next = this.#transactions[this.#begun]
      if (next === undefined || next.firstOffset > offset) return
      this.#producerIds.add(next.producerId)
    }
  }
}

function batchOf(raw: Buffer, start: number, end: number, baseOffset: number, attributes: number): RecordBatch {
  const codec = attributes & CODEC_MASK
  const section = start + BATCH_HEADER_BYTES
  let content: Pick<RecordBatch, 'bytes' | 'start' | 'end'> = { bytes: raw, start: section, end }
  if (codec !== NO_COMPRESSION) {
    const bytes = decompressed(codec, raw, start, end, baseOffset)
    content = { bytes, start: 0, end: bytes.length }
  }
  const baseTimestampMs = readTimeMs(raw, start + at.baseTimestamp)
  const appendTimeMs = attributes & LOG_APPEND_TIME ? readTimeMs(raw, start + at.maxTimestamp) : -1
  return { baseOffset, baseTimestampMs, appendTimeMs, count: raw.readInt32BE(start + at.count), ...content }
}

function decompressed(codec: number, raw: Buffer, start: number, end: number, baseOffset: number): Buffer {
  try {
    return decompress(codec, raw.subarray(start + BATCH_HEADER_BYTES, end))
  } catch (error) {
    if (error instanceof PotorooError) throw error
    // The header can be believed: its checksum is right. Who skips the batch needs to know where to.
    const next = baseOffset + raw.readInt32BE(start + at.lastOffsetDelta) + 1
    const why = `it can't be decompressed: ${messageOf(error)}; what follows it begins at offset ${String(next)}`
    throw corrupt(baseOffset, why, error)
  }
}

/** Says how long a batch is, of which at least the magic is there. */
function batchBytes(raw: Buffer, start: number, baseOffset: number): number {
  const magic = raw[start + at.magic]
  if (magic !== MAGIC) {
    throw new PotorooError(
      'UNSUPPORTED_FORMAT',
      `offset ${String(baseOffset)} is in message format ${String(magic)}, but only record batch format 2 is read`,
    )
  }
  const length = raw.readInt32BE(start + at.length)
  if (length < BATCH_HEADER_BYTES - FRAME_BYTES) throw corrupt(baseOffset, `a length of ${String(length)} bytes`)
  return FRAME_BYTES + length
}

function verify(raw: Buffer, start: number, end: number, baseOffset: number): void {
  const said = raw.readUInt32BE(start + at.crc)
  const is = crc32c(raw.subarray(start + at.attributes, end))
  if (said !== is)
    throw corrupt(baseOffset, `its CRC-32C is ${is.toString(16)}, but the batch says ${said.toString(16)}`)
}

function readOffset(raw: Buffer, start: number): number {
  const offset = raw.readInt32BE(start) * 2 ** 32 + raw.readUInt32BE(start + 4)
  // Behind the highest one that a batch from here can reach, offsets have to be exact, too.
  if (offset > Number.MAX_SAFE_INTEGER - 2 ** 31) throw corrupt(offset, 'there is no such offset')
  return offset
}

function readTimeMs(raw: Buffer, start: number): number {
  const timeMs = raw.readInt32BE(start) * 2 ** 32 + raw.readUInt32BE(start + 4)
  return Math.max(-MAX_TIME_MS, Math.min(timeMs, MAX_TIME_MS))
}

function writeInt64(batch: Buffer, start: number, value: number): void {
  batch.writeInt32BE(Math.floor(value / 2 ** 32), start)
  batch.writeUInt32BE(value >>> 0, start + 4)
}

const corrupt = (baseOffset: number, what: string, cause?: unknown): PotorooError =>
  new PotorooError('CORRUPT_BATCH', `the batch at offset ${String(baseOffset)} is damaged: ${what}`, { cause })
