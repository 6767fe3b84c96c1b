/** Records, and inputs that write down what they are given. */
import { RecordCursor, RecordWriter, type RecordChunk } from '../../src/core/records.js'
import type { Fetched, FetchInput } from '../../src/ports/log.js'

export interface TestRecord {
  readonly key: string | null
  readonly value: string | null
  readonly timestampMs?: number
}

export function chunksOf(records: readonly TestRecord[], maxBatchBytes = 1_000_000): RecordChunk[] {
  const writer = new RecordWriter(maxBatchBytes)
  for (const { key, value, timestampMs = 1_700_000_000_000 } of records) writer.append(timestampMs, key, value)
  return writer.take()
}

export const recordsFrom = (first: number, count: number): TestRecord[] =>
  Array.from({ length: count }, (_, i) => ({ key: `k${String(first + i)}`, value: `v${String(first + i)}` }))

/** Takes all it is given from a position on. */
export class RecordingInput implements FetchInput {
  readonly values: (string | null)[] = []
  readonly offsets: number[] = []
  readonly answers: Fetched[] = []
  readonly failures: Error[] = []
  full = false
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
    return false
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
        const { buffer, valueStart, valueEnd } = cursor
        this.values.push(valueStart < 0 ? null : buffer.toString('utf8', valueStart, valueEnd))
        this.offsets.push(cursor.offset)
      }
    }
  }

  failed(error: Error): void {
    this.failures.push(error)
  }
}
