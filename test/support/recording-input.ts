/** An input that writes down what it is given. */
import { RecordCursor } from '../../src/core/records/records.js'
import type { Fetched, FetchInput } from '../../src/ports/log.js'
import { textRecord, type ReadRecord } from './records.js'

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
    readonly topicId?: string,
  ) {}

  get values(): (string | null)[] {
    return this.records.map(({ value }) => value)
  }

  get offsets(): number[] {
    return this.records.map(({ offset }) => offset)
  }

  /** Of what a read-committed reader may see. */
  get atEnd(): boolean {
    return this.position >= (this.answers.at(-1)?.lastStableOffset ?? Infinity)
  }

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
      while (cursor.next()) if (cursor.offset >= fetched.position) this.records.push(textRecord(cursor))
    }
  }

  failed(error: Error): void {
    this.failures.push(error)
  }
}
