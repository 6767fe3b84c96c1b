/** A Kafka log for tests, with inputs that write down what they are given. */
import { RecordCursor, RecordWriter, type RecordChunk } from '../../src/core/records.js'
import { createKafkaLog } from '../../src/kafka/log.js'
import type { KafkaOptions } from '../../src/kafka/options.js'
import type { Fetched, FetchInput, Log } from '../../src/ports/log.js'
import { systemClock } from '../../src/system.js'
import { testBrokers } from './broker.js'

export interface LogLine {
  readonly level: string
  readonly message: string
  readonly fields: object
}
export interface TestLog {
  readonly log: Log
  readonly lines: LogLine[]
}

export function testLog(options: Partial<KafkaOptions> = {}): TestLog {
  const lines: LogLine[] = []
  const at = (level: string) => (fields: object, message: string) => void lines.push({ level, message, fields })
  const logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  const log = createKafkaLog({ brokers: testBrokers(), clientId: 'test', logger, clock: systemClock, ...options })
  return { log, lines }
}

export interface TestRecord {
  readonly key: string | null
  readonly value: string | null
  readonly timestampMs?: number
}
/** One chunk of these records, or more where `maxBatchBytes` splits them. */
export function chunksOf(records: readonly TestRecord[], maxBatchBytes = 1_000_000): RecordChunk[] {
  const writer = new RecordWriter(maxBatchBytes)
  for (const { key, value, timestampMs = 1_700_000_000_000 } of records) writer.append(timestampMs, key, value)
  return writer.take()
}
export const recordsFrom = (first: number, count: number): TestRecord[] =>
  Array.from({ length: count }, (_, i) => ({ key: `k${String(first + i)}`, value: `v${String(first + i)}` }))

export interface ReadRecord {
  readonly offset: number
  readonly key: string | null
  readonly value: string | null
}

/** Takes all it is given from a position on. */
export class RecordingInput implements FetchInput {
  readonly records: ReadRecord[] = []
  readonly answers: Fetched[] = []
  readonly failures: Error[] = []
  full = false
  hurry = false
  readonly #cursor = new RecordCursor()

  constructor(
    readonly topic: string,
    readonly partition: number,
    public position = 0,
  ) {}

  wanted(): number | undefined {
    return this.full ? undefined : this.position
  }
  hurried(): boolean {
    return this.hurry
  }
  deliver(fetched: Fetched): void {
    if (fetched.position !== this.position) return
    this.answers.push(fetched)
    this.position = fetched.nextPosition
    const cursor = this.#cursor
    for (const batch of fetched.batches) {
      cursor.open(batch)
      while (cursor.next()) {
        if (cursor.offset < fetched.position) continue
        const text = (start: number, end: number): string | null =>
          start < 0 ? null : cursor.buffer.toString('utf8', start, end)
        this.records.push({
          offset: cursor.offset,
          key: text(cursor.keyStart, cursor.keyEnd),
          value: text(cursor.valueStart, cursor.valueEnd),
        })
      }
    }
  }
  failed(error: Error): void {
    this.failures.push(error)
  }
  get values(): (string | null)[] {
    return this.records.map(({ value }) => value)
  }
}
