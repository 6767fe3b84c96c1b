/**
 * Record batches at the simulated broker: checked when they are produced, and put together when they are fetched. Fields lie
 * where src/kafka/record-batch.ts has them, too, but are written down here once more, so that one is held against the other.
 */
import { crc32c } from '@node-rs/crc32'
import { BATCH_HEADER_BYTES, type RecordChunk } from '../../../src/core/records/records.js'
import type { StoredBatch } from '../../../src/memory/partition.js'
import { errors, KafkaError } from './errors.js'

const TRANSACTIONAL = 0x10
const CONTROL = 0x20
/** Behind base offset, length, leader epoch, magic and the checksum itself: what the checksum is of. */
const CHECKED_FROM = 21

export interface ProducedBatch {
  readonly chunk: RecordChunk
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
}

/** Throws KafkaError for what a broker refuses. */
export function readProduced(batch: Buffer): ProducedBatch {
  if (batch.length < BATCH_HEADER_BYTES || batch.readInt32BE(8) !== batch.length - 12)
    throw new KafkaError(errors.CORRUPT_MESSAGE, 'a batch of another length than it says')
  if (batch.readInt8(16) !== 2) throw new KafkaError(errors.UNSUPPORTED_FOR_MESSAGE_FORMAT)
  if (batch.readUInt32BE(17) !== crc32c(batch.subarray(CHECKED_FROM)))
    throw new KafkaError(errors.CORRUPT_MESSAGE, 'a wrong checksum')
  const attributes = batch.readInt16BE(21)
  const count = batch.readInt32BE(57)
  if (attributes !== TRANSACTIONAL) throw new KafkaError(errors.INVALID_RECORD, `attributes ${String(attributes)}`)
  if (batch.readInt32BE(23) !== count - 1 || count < 1)
    throw new KafkaError(errors.INVALID_RECORD, 'its records are not counted from 0')
  return {
    chunk: {
      bytes: batch,
      end: batch.length,
      count,
      baseTimestampMs: Number(batch.readBigInt64BE(27)),
      maxTimestampMs: Number(batch.readBigInt64BE(35)),
    },
    producerId: Number(batch.readBigInt64BE(43)),
    producerEpoch: batch.readInt16BE(51),
    baseSequence: batch.readInt32BE(53),
  }
}

const stored = new WeakMap<StoredBatch, Buffer>()

/** The same bytes each time, as they lie on a disk. */
export function encodeStored(batch: StoredBatch): Buffer {
  let bytes = stored.get(batch)
  if (bytes === undefined) {
    bytes = encode(batch)
    stored.set(batch, bytes)
  }
  return bytes
}

function encode({ baseOffset, lastOffset, producerId, records, marker }: StoredBatch): Buffer {
  const section =
    records === undefined ? markerRecord(marker ?? 'commit') : records.bytes.subarray(records.start, records.end)
  const bytes = Buffer.alloc(BATCH_HEADER_BYTES + section.length)
  const attributes =
    (producerId < 0 ? 0 : TRANSACTIONAL) |
    (records === undefined ? CONTROL : 0) |
    ((records?.appendTimeMs ?? -1) < 0 ? 0 : 0x08)
  const baseTimestampMs = records?.baseTimestampMs ?? 0
  bytes.writeBigInt64BE(BigInt(baseOffset), 0)
  bytes.writeInt32BE(bytes.length - 12, 8)
  bytes.writeInt32BE(0, 12)
  bytes.writeInt8(2, 16)
  bytes.writeInt16BE(attributes, 21)
  bytes.writeInt32BE(lastOffset - baseOffset, 23)
  bytes.writeBigInt64BE(BigInt(baseTimestampMs), 27)
  bytes.writeBigInt64BE(
    BigInt(records === undefined || records.appendTimeMs < 0 ? baseTimestampMs : records.appendTimeMs),
    35,
  )
  bytes.writeBigInt64BE(BigInt(producerId), 43)
  // Neither the epoch nor the sequence is anything to a reader.
  bytes.writeInt16BE(producerId < 0 ? -1 : 0, 51)
  bytes.writeInt32BE(-1, 53)
  bytes.writeInt32BE(records?.count ?? 1, 57)
  bytes.set(section, BATCH_HEADER_BYTES)
  bytes.writeUInt32BE(crc32c(bytes.subarray(CHECKED_FROM)), 17)
  return bytes
}

/**
 *     Record => Length Attributes TimestampDelta OffsetDelta KeyLength Key ValueLength Value Headers
 *       Key => Version Type       (of a marker: int16 0, int16 0 for an abort and 1 for a commit)
 *       Value => Version CoordinatorEpoch
 */
function markerRecord(marker: 'commit' | 'abort'): Buffer {
  const key = [0, 0, 0, marker === 'commit' ? 1 : 0]
  const value = [0, 0, 0, 0, 0, 0]
  const zigZag = (n: number): number => n * 2
  const content = [0, 0, 0, zigZag(key.length), ...key, zigZag(value.length), ...value, 0]
  return Buffer.from([zigZag(content.length), ...content])
}
