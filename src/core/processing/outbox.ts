/** What the messages of one commit interval put out: records per destination and partition, dead letters among them. */
import { PotorooError, type ErrorCode } from '../../errors.js'
import { DEFAULT_MAX_MESSAGE_BYTES, setConfig } from '../plan/topic-cures.js'
import { RecordWriter, type RecordChunk, type RecordCursor, type RecordHeader } from '../records/records.js'
import type { MetState } from '../state/state-table.js'
import {
  aboutForStreams,
  aboutHeaders,
  dueHeaders,
  fullSizeHeader,
  stateHeaders,
  wordsOf,
  type LetterOfDue,
  type RecordOrigin,
} from './dead-letter.js'
import { traceHeaders } from './passed-headers.js'

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

/** What a dead letter keeps of a record that is too large for the dead letters. */
export const CUT_BYTES = 64 * 1024
/** Room for lengths, deltas and batch header beside key and value. */
const OVERHEAD_BYTES = 128
const MAX_VARINT_BYTES = 5
/** What is said beside where a dead letter is from, and its code, is left out where a record is cut to less. */
const MIN_SPACIOUS_BYTES = 1024

export const fits = (destination: Destination, keyBytes: number, valueBytes: number, headerBytes = 0): boolean =>
  keyBytes + valueBytes + headerBytes + OVERHEAD_BYTES <= destination.maxMessageBytes

/** About, and no less than they take in a record. */
export const headersBytes = (headers: readonly RecordHeader[]): number =>
  headers.reduce((sum, { key, value }) => sum + Buffer.byteLength(key) + (value?.length ?? 0) + 2 * MAX_VARINT_BYTES, 0)

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

  /** Whether there are records for that partition. */
  has(to: Destination, partition: number): boolean {
    return (this.#writers.get(to)?.[partition]?.count ?? 0) > 0
  }

  /** A record of the runtime's own. Throws INVALID_CONFIGURATION where the topic does not take it. */
  addOwn(to: Destination, partition: number, timestampMs: number, key: Uint8Array, value: string): void {
    if (this.add(to, partition, timestampMs, key, value)) return
    throw new PotorooError(
      'INVALID_CONFIGURATION',
      `topic ${to.topic} takes records of ${String(to.maxMessageBytes)} bytes only, less than the watermarks that tasks write to it: raise its max.message.bytes`,
    )
  }

  /**
   * The record under the cursor, with its bytes as they are, or as much of them as the dead letters take. Throws
   * INVALID_CONFIGURATION when they take none at all: nothing is dropped without a trace. `met`: where the application failed,
   * the state objects that the message met.
   */
  addDeadLetter(
    to: Destination,
    topic: string,
    partition: number,
    cursor: RecordCursor,
    error: PotorooError,
    nowMs: number,
    met?: readonly MetState[],
  ): void {
    const { buffer, keyStart, keyEnd, valueStart, valueEnd, offset, timestampMs } = cursor
    const key = keyStart < 0 ? null : buffer.subarray(keyStart, keyEnd)
    const value = valueStart < 0 ? null : buffer.subarray(valueStart, valueEnd)
    const words = wordsOf(error, met !== undefined)
    const origin: RecordOrigin = { topic, partition, offset, timestampMs }
    const own = cursor.headers()
    const at = partition % to.partitions
    const least = [...own, ...aboutHeaders(origin, words)]
    const whole = [...least, ...aboutForStreams(origin, words)]
    // What is said of a record goes before the record does.
    const choices = [[...whole, ...stateHeaders(met ?? [])], [...whole, ...stateHeaders(met ?? [], 0)], least]
    let fitted = choices.some((headers) => this.add(to, at, nowMs, key, value, headers))
    const cut = !fitted
    for (let begin = Math.min(CUT_BYTES, to.maxMessageBytes >> 2); !fitted; begin >>= 1) {
      const [keyCut, valueCut] = [key?.subarray(0, begin) ?? null, value?.subarray(0, begin) ?? null]
      const isSpacious = begin >= MIN_SPACIOUS_BYTES
      fitted = this.add(to, at, nowMs, keyCut, valueCut, [
        ...(isSpacious ? traceHeaders(own) : []),
        ...aboutHeaders(origin, { ...words, message: words.message.slice(0, begin) }),
        fullSizeHeader(value?.length ?? 0),
        ...(isSpacious ? aboutForStreams(origin, words) : []),
      ])
      if (!fitted && begin === 0) throw tooNarrow(to)
    }
    this.deadLetters.push({ code: error.code, message: words.message, topic, partition, offset, cut })
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
    const { key, dueMs } = due
    const words = wordsOf(error, true)
    const about = (message: string): RecordHeader[] => [
      ...aboutHeaders({ topic: '', partition, offset: -1, timestampMs: dueMs }, { ...words, message }),
      ...dueHeaders(due),
    ]
    const at = partition % to.partitions
    const cut = !this.add(to, at, nowMs, key, value, about(words.message))
    for (let begin = Math.min(CUT_BYTES, to.maxMessageBytes >> 2), fitted = !cut; !fitted; begin >>= 1) {
      const valueCut = value?.subarray(0, begin) ?? null
      const headers = [...about(words.message.slice(0, begin)), fullSizeHeader(value?.length ?? 0)]
      fitted = this.add(to, at, nowMs, key.slice(0, begin), valueCut, headers)
      if (!fitted && begin === 0) throw tooNarrow(to)
    }
    this.deadLetters.push({ code: error.code, message: words.message, topic: '', partition, offset: -1, cut, due })
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
    `topic ${to.topic} takes records of ${String(to.maxMessageBytes)} bytes only, too few even for a dead letter without its contents`,
    {
      cure: `Raise the limit, and restart: ${setConfig(to.topic, 'max.message.bytes', DEFAULT_MAX_MESSAGE_BYTES)}`,
    },
  )
