import type { SourceInput } from '../plan/topology.js'
import type { RecordCursor } from '../records/records.js'
import { recordKey } from './record-key.js'

/** The record that is being done: one object for all. */
export class CurrentRecord {
  cursor!: RecordCursor
  source!: SourceInput
  /** Of its source among the task's; -1: it is none of theirs. */
  get inputIndex(): number {
    return this.sources.indexOf(this.source)
  }
  /** Whether a state object was touched, or something put out. */
  hasEffects = false
  /** Whether the record lies where its key belongs. */
  wasChecked = false
  #message: unknown
  #key: string | undefined

  constructor(private readonly sources: readonly SourceInput[] = []) {}

  begin(source: SourceInput, cursor: RecordCursor, message: unknown): void {
    this.source = source
    this.cursor = cursor
    this.#message = message
    this.#key = undefined
    this.hasEffects = this.wasChecked = false
  }

  /** Throws KEY_MISSING, KEY_NOT_TEXT, or KEY_MISMATCH where the message's key is not the record's. */
  key(): string {
    return (this.#key ??= recordKey(this.source.topic, this.cursor, this.#message))
  }

  /** Whether the record's key is known to be this one. */
  isKey(key: string): boolean {
    return this.#key === key
  }
}
