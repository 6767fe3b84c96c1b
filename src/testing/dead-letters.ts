/** Dead letters as a test reads them. */
import type { StateDefinition } from '../api/definition.js'
import { isOfDeadLetter, readDeadLetter } from '../core/processing/dead-letter.js'
import { byteString } from '../core/records/byte-string.js'
import type { RecordHeader } from '../core/records/records.js'
import { unpack } from '../core/state/packing.js'
import { PotorooError, type ErrorCode } from '../errors.js'
import type { RawRecord } from './topic-reader.js'

export interface DeadLetter {
  readonly code: ErrorCode
  /** The error message. */
  readonly error: string
  /** What was due, if it did not come from a record: then topic is '' and offset -1. */
  readonly due: DueLetter | undefined
  /** Where the record came from. */
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** The record's own timestamp. */
  readonly timestampMs: number
  /** The record's key and value, read as UTF-8; undefined if there was none. */
  readonly key: string | undefined
  readonly value: string | undefined
  /** The value's original bytes, or only the first of them if it was too large for the dead letters. */
  readonly bytes: Buffer | undefined
  /** The record's own headers, read as UTF-8, without those of the dead letter itself. */
  readonly headers: Readonly<Record<string, string>>
  /**
   * State objects and tables that the computations met, by name, as they were before the message; for a state object
   * whose ttl has ended, that object. Undefined: none was stored. Only present if a computation failed. They are
   * copies.
   */
  readonly states: Readonly<Record<string, object | undefined>>
  /** Names and sizes in bytes of those that were too large to be included: `cart 70000`. */
  readonly statesLeftOut: string | undefined
}

/** A timer, or the end of a state object or of windows. */
export interface DueLetter {
  readonly stateObject: string
  /** Undefined if the state object's ttl has ended, or windows have closed. */
  readonly timer: string | undefined
  readonly id: string | undefined
  readonly dueMs: number
}

/** `definitions`: those of the application, by name. */
export function deadLetterOf(
  { key, value, headers }: RawRecord,
  definitions: ReadonlyMap<string, StateDefinition>,
): DeadLetter {
  const block = readDeadLetter(headers)
  if (block === undefined) throw new PotorooError('INTERNAL', 'a dead letter without its headers')
  const { origin, due, code, message, states, statesLeftOut } = block
  const ofKey = key?.toString() ?? ''
  const ended = due !== undefined && due.timer === undefined && value !== undefined
  const met = [...states, ...(ended ? [{ name: due.stateObject, packed: value }] : [])]
  return {
    due: due && { stateObject: due.stateObject, timer: due.timer, id: due.id, dueMs: due.dueMs },
    code: code as ErrorCode,
    error: message,
    ...origin,
    key: key?.toString(),
    value: value?.toString(),
    bytes: value,
    headers: textHeaders(block.headers.filter(({ key: name }) => !isOfDeadLetter(name))),
    states: Object.fromEntries(met.map(({ name, packed }) => [name, stateOf(definitions.get(name), packed, ofKey)])),
    statesLeftOut,
  }
}

const stateOf = (
  definition: StateDefinition | undefined,
  packed: Uint8Array | undefined,
  key: string,
): object | undefined =>
  definition === undefined || packed === undefined
    ? undefined
    : unpack(definition, byteString(Buffer.from(packed)), key)

/** If several headers have the same name, the last one counts. */
export const textHeaders = (headers: readonly RecordHeader[]): Record<string, string> =>
  Object.fromEntries(
    headers.flatMap(({ key, value }) => (value === null ? [] : [[key, Buffer.from(value).toString()]])),
  )
