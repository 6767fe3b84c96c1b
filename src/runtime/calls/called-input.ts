import type { RecordBatch } from '../../core/records/records.js'
import type { CallWindow, Pending } from '../../core/processing/calls/window.js'
import type { Input } from '../../core/processing/input.js'
import type { CommittedInput } from '../task/committer.js'

/** The input of calls, as commits see it: what was taken from it is what is done, and its position the first that is not. */
export class CalledInput implements CommittedInput {
  readonly index = 0
  #done: RecordBatch[] = []
  #firstTimestampMs = NaN

  constructor(
    private readonly input: Input,
    private readonly window: Pick<CallWindow<Pending>, 'position'>,
  ) {}

  get topic(): string {
    return this.input.topic
  }
  get position(): number {
    return this.window.position(this.input.position)
  }
  /** Records from there to the end as the last fetch saw it; NaN before the first. */
  get lag(): number {
    return this.input.lag + this.input.position - this.position
  }
  get takenRecords(): number {
    return this.#done.length
  }
  get firstTimestampMs(): number {
    return this.#firstTimestampMs
  }
  get taken() {
    return { topic: this.topic, batches: this.#done, from: 0, to: Infinity }
  }

  /** The record in that batch, which has no other, is done. */
  done(record: RecordBatch): void {
    this.#done.push(record)
    const { baseTimestampMs } = record
    if (!(this.#firstTimestampMs <= baseTimestampMs)) this.#firstTimestampMs = baseTimestampMs
  }

  mark(): void {
    this.#done = []
    this.#firstTimestampMs = NaN
  }
}
