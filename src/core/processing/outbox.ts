/** What the messages of one commit interval put out: records per destination and partition, dead letters among them. */
import { PotorooError, type ErrorCode } from '../../errors.js'
import { RecordWriter, type RecordChunk, type RecordCursor, type RecordHeader } from '../records/records.js'

/** A topic that records go to, as it is in Kafka. */
export interface Destination {
  readonly topic: string
  /** Undefined where brokers have no ids. */
  readonly topicId?: string | undefined
  readonly partitions: number
  /** `max.message.bytes` */
  readonly maxMessageBytes: number
  /** How old records become there, by their timestamps; undefined: they stay. */
  readonly retentionMs?: number | undefined
}

export interface OutgoingRecords {
  readonly topic: string
  readonly topicId?: string | undefined
  readonly partition: number
  readonly chunks: readonly RecordChunk[]
}

export interface DeadLetter {
  readonly code: ErrorCode
  readonly message: string
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** True when it was too large for the dead letters, so that only its beginning went there. */
  readonly cut: boolean
  /** What was due, where it came of no record: then the topic is '' and the offset -1. */
  readonly due?: LetterOfDue
}

/** A timer, or the end of a state object. */
export interface LetterOfDue {
  readonly stateObject: string
  readonly key: string
  /** Undefined: its time to live has ended. */
  readonly timer?: string
  readonly id?: string
  readonly dueMs: number
}

/** What a dead letter keeps of a record that is too large for the dead letters. */
export const CUT_BYTES = 64 * 1024
/** Room for lengths, deltas and batch header beside key and value. */
const OVERHEAD_BYTES = 128

export const deadLetterHeaders = {
  topic: 'potoroo-source-topic',
  partition: 'potoroo-source-partition',
  offset: 'potoroo-source-offset',
  timestamp: 'potoroo-source-timestamp',
  code: 'potoroo-error-code',
  message: 'potoroo-error-message',
  /** Only where the value was cut: its full size in bytes. */
  fullSize: 'potoroo-full-size',
  /** Only of what was due, in the place of topic and offset: state object, timer and its id, and when it was due, ms. */
  stateObject: 'potoroo-state-object',
  timer: 'potoroo-timer',
  timerId: 'potoroo-timer-id',
  due: 'potoroo-due',
} as const

export const fits = (destination: Destination, keyBytes: number, valueBytes: number): boolean =>
  keyBytes + valueBytes + OVERHEAD_BYTES <= destination.maxMessageBytes

export class Outbox {
  readonly #writers = new Map<Destination, (RecordWriter | undefined)[]>()
  /** Bytes of records so far. */
  bytes = 0
  deadLetters: DeadLetter[] = []

  /** False: the record is too large for its destination, and was not taken. */
  add(
    to: Destination,
    partition: number,
    timestampMs: number,
    key: Uint8Array | string | null,
    value: Uint8Array | string | null,
    headers?: readonly RecordHeader[],
  ): boolean {
    const writer = this.#writer(to, partition)
    const before = writer.bytes
    if (!writer.append(timestampMs, key, value, headers)) return false
    this.bytes += writer.bytes - before
    return true
  }

  /**
   * The record under the cursor, with its bytes as they are, or as much of them as the dead letters take. Throws
   * INVALID_CONFIGURATION when they take none at all: nothing is dropped without a trace.
   */
  addDeadLetter(
    to: Destination,
    topic: string,
    partition: number,
    cursor: RecordCursor,
    error: PotorooError,
    nowMs: number,
  ): void {
    const { buffer, keyStart, keyEnd, valueStart, valueEnd, offset } = cursor
    const key = keyStart < 0 ? null : buffer.subarray(keyStart, keyEnd)
    const value = valueStart < 0 ? null : buffer.subarray(valueStart, valueEnd)
    const message = error.message.slice(0, 1000)
    const about = (words: string): RecordHeader[] => [
      header(deadLetterHeaders.topic, topic),
      header(deadLetterHeaders.partition, String(partition)),
      header(deadLetterHeaders.offset, String(offset)),
      header(deadLetterHeaders.timestamp, String(cursor.timestampMs)),
      header(deadLetterHeaders.code, error.code),
      header(deadLetterHeaders.message, words),
    ]
    const at = partition % to.partitions
    const cut = !this.add(to, at, nowMs, key, value, [...cursor.headers(), ...about(message)])
    const fullSize = header(deadLetterHeaders.fullSize, String(value?.length ?? 0))
    for (let begin = Math.min(CUT_BYTES, to.maxMessageBytes >> 2), fitted = !cut; !fitted; begin >>= 1) {
      const [keyCut, valueCut] = [key?.subarray(0, begin) ?? null, value?.subarray(0, begin) ?? null]
      fitted = this.add(to, at, nowMs, keyCut, valueCut, [...about(message.slice(0, begin)), fullSize])
      if (!fitted && begin === 0) throw tooNarrow(to)
    }
    this.deadLetters.push({ code: error.code, message, topic, partition, offset, cut })
  }

  /**
   * What was due and can't be done, under its key. `value`: of a state object that has ended, what is stored of it; as much of it
   * as the dead letters take. Throws as `addDeadLetter`.
   */
  addDueLetter(
    to: Destination,
    partition: number,
    due: LetterOfDue,
    value: Uint8Array | null,
    error: PotorooError,
    nowMs: number,
  ): void {
    const message = error.message.slice(0, 1000)
    const { stateObject, key, timer, id, dueMs } = due
    const about = (words: string): RecordHeader[] => [
      header(deadLetterHeaders.partition, String(partition)),
      header(deadLetterHeaders.timestamp, String(dueMs)),
      header(deadLetterHeaders.code, error.code),
      header(deadLetterHeaders.message, words),
      header(deadLetterHeaders.stateObject, stateObject),
      ...(timer === undefined ? [] : [header(deadLetterHeaders.timer, timer)]),
      ...(id === undefined ? [] : [header(deadLetterHeaders.timerId, id)]),
      header(deadLetterHeaders.due, String(dueMs)),
    ]
    const at = partition % to.partitions
    const cut = !this.add(to, at, nowMs, key, value, about(message))
    const fullSize = header(deadLetterHeaders.fullSize, String(value?.length ?? 0))
    for (let begin = Math.min(CUT_BYTES, to.maxMessageBytes >> 2), fitted = !cut; !fitted; begin >>= 1) {
      const valueCut = value?.subarray(0, begin) ?? null
      fitted = this.add(to, at, nowMs, key.slice(0, begin), valueCut, [...about(message.slice(0, begin)), fullSize])
      if (!fitted && begin === 0) throw tooNarrow(to)
    }
    this.deadLetters.push({ code: error.code, message, topic: '', partition, offset: -1, cut, due })
  }

  /** Everything, and empties itself. */
  take(): OutgoingRecords[] {
    const records: OutgoingRecords[] = []
    for (const [{ topic, topicId }, writers] of this.#writers)
      for (const [partition, writer] of writers.entries())
        if (writer !== undefined && writer.count > 0) records.push({ topic, topicId, partition, chunks: writer.take() })
    this.discard()
    return records
  }

  discard(): void {
    for (const writers of this.#writers.values()) for (const writer of writers) writer?.discard()
    this.bytes = 0
    this.deadLetters = []
  }

  #writer(to: Destination, partition: number): RecordWriter {
    let writers = this.#writers.get(to)
    if (writers === undefined) this.#writers.set(to, (writers = []))
    return (writers[partition] ??= new RecordWriter(to.maxMessageBytes))
  }
}

/** Not of the record: with any other it would be the same. */
const tooNarrow = (to: Destination): PotorooError =>
  new PotorooError(
    'INVALID_CONFIGURATION',
    `topic ${to.topic} takes records of ${String(to.maxMessageBytes)} bytes only, not even a dead letter without its contents: raise its max.message.bytes`,
  )

const header = (key: string, value: string): RecordHeader => ({ key, value: Buffer.from(value) })
