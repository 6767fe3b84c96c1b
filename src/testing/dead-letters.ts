/** Dead letters as a test reads them. */
import { deadLetterHeaders, isOfDeadLetter } from '../core/processing/dead-letter.js'
import type { ErrorCode } from '../errors.js'
import type { RawRecord } from './topic-reader.js'

export interface DeadLetter {
  readonly code: ErrorCode
  /** What went wrong, in words. */
  readonly error: string
  /** Of what was due, where it came of no record: then topic is '' and offset -1. */
  readonly due: DueLetter | undefined
  /** Where the record came from. */
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** The record's own timestamp. */
  readonly timestampMs: number
  /** The record's key and value, read as UTF-8; undefined where there was none. */
  readonly key: string | undefined
  readonly value: string | undefined
  /** The value's bytes as they were, or the first of them where it was too large for the dead letters. */
  readonly bytes: Buffer | undefined
  /** The record's own headers, read as UTF-8. */
  readonly headers: Readonly<Record<string, string>>
}

/** A timer, or the end of a state object or of windows. */
export interface DueLetter {
  readonly stateObject: string
  /** Undefined: the state object's time to live has ended, or windows have closed. */
  readonly timer: string | undefined
  readonly id: string | undefined
  readonly dueMs: number
}

export function deadLetterOf({ key, value, headers }: RawRecord): DeadLetter {
  const text = (name: string): string => headers.get(name)?.toString() ?? ''
  const stateObject = headers.get(deadLetterHeaders.stateObject)
  return {
    due: stateObject && {
      stateObject: stateObject.toString(),
      timer: headers.get(deadLetterHeaders.timer)?.toString(),
      id: headers.get(deadLetterHeaders.timerId)?.toString(),
      dueMs: Number(text(deadLetterHeaders.due)),
    },
    code: text(deadLetterHeaders.code) as ErrorCode,
    error: text(deadLetterHeaders.message),
    topic: text(deadLetterHeaders.topic),
    partition: Number(text(deadLetterHeaders.partition)),
    offset: stateObject === undefined ? Number(text(deadLetterHeaders.offset)) : -1,
    timestampMs: Number(text(deadLetterHeaders.timestamp)),
    key: key?.toString(),
    value: value?.toString(),
    bytes: value,
    headers: textHeaders(headers, (name) => !isOfDeadLetter(name)),
  }
}

export const textHeaders = (
  headers: ReadonlyMap<string, Buffer>,
  keep: (name: string) => boolean = () => true,
): Record<string, string> =>
  Object.fromEntries([...headers].filter(([name]) => keep(name)).map(([name, value]) => [name, value.toString()]))
