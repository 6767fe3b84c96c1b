/**
 * Dead letters as records: the record that failed, as it was, and behind its own headers a block of ours that says where it
 * came from, why it failed, and what state objects it met. Pure.
 *
 * Invariants
 * 1. The block begins with `potoroo-source-topic`, and nothing stands after it: what is in front of the last header of that
 *    name is the record's own, be it of the same names.
 * 2. Whatever was thrown, the block can be made: getters that throw, and texts without end, are not let near it.
 */
import { messageOf, PotorooError } from '../../errors.js'
import type { RecordHeader } from '../records/records.js'
import type { MetState } from '../state/state-table.js'

export const deadLetterHeaders = {
  topic: 'potoroo-source-topic',
  partition: 'potoroo-source-partition',
  offset: 'potoroo-source-offset',
  timestamp: 'potoroo-source-timestamp',
  code: 'potoroo-error-code',
  message: 'potoroo-error-message',
  /** Only where the value was cut: its full size in bytes. */
  fullSize: 'potoroo-full-size',
  /** State objects that were too large, `<name> <bytes>` each, with commas. */
  statesLeftOut: 'potoroo-states-left-out',
  /** Only of what was due: then the topic is '' and the offset -1. State object, timer and its id, and when it was due, ms. */
  stateObject: 'potoroo-state-object',
  timer: 'potoroo-timer',
  timerId: 'potoroo-timer-id',
  due: 'potoroo-due',
  /** Only where windows have closed: 'closed'. */
  windows: 'potoroo-windows',
} as const

/** Followed by the state object's name. Its packed bytes before the message; null where none was stored. */
const STATE_PREFIX = 'potoroo-state.'

/** As Kafka Streams names them (KIP-1034). All are text. */
export const streamsHeaders = {
  exception: '__streams.errors.exception',
  message: '__streams.errors.message',
  stacktrace: '__streams.errors.stacktrace',
  topic: '__streams.errors.topic',
  partition: '__streams.errors.partition',
  offset: '__streams.errors.offset',
} as const

/** Of what was thrown, in characters. */
const MAX_MESSAGE = 1_000
const MAX_STACK = 4_000
/** Of all state objects of a dead letter together. */
export const MAX_STATE_BYTES = 64 * 1024

/** Whether a header of that name may be of a dead letter's block. */
export const isOfDeadLetter = (name: string): boolean =>
  name.startsWith('potoroo-') || name.startsWith('__streams.errors.')

/** Where a record came from. */
export interface RecordOrigin {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestampMs: number
}

/** What was due: a timer, or the end of a state object or of windows. */
export interface DueOrigin {
  readonly stateObject: string
  /** Undefined: its time to live has ended. */
  readonly timer?: string
  readonly id?: string
  /** Windows have closed. */
  readonly windows?: true
  readonly dueMs: number
}
export interface LetterOfDue extends DueOrigin {
  readonly key: string
}

/** For whoever reads what became of it. */
export const dueText = ({ stateObject, timer, id, windows }: DueOrigin): string =>
  timer === undefined
    ? `the end of ${windows === true ? 'windows' : 'state object'} ${stateObject}`
    : `timer ${timer} of state object ${stateObject}${id === undefined || id === '' ? '' : `, id '${id}'`}`

/** Behind the beginning of the block. */
export const dueHeaders = ({ stateObject, timer, id, windows, dueMs }: DueOrigin): RecordHeader[] => [
  header(deadLetterHeaders.stateObject, stateObject),
  ...(timer === undefined ? [] : [header(deadLetterHeaders.timer, timer)]),
  ...(id === undefined ? [] : [header(deadLetterHeaders.timerId, id)]),
  ...(windows === undefined ? [] : [header(deadLetterHeaders.windows, 'closed')]),
  header(deadLetterHeaders.due, String(dueMs)),
]

/** What is said of an error. */
export interface Words {
  readonly code: string
  readonly message: string
  /** With what was thrown by name, as Java's Throwable.toString(). */
  readonly exception: string
  readonly stacktrace: string
}

/** `withStack`: of what the application threw. Of bad input there is nothing to see in it. */
export function wordsOf(error: PotorooError, withStack: boolean): Words {
  const { code, cause } = error
  const message = error.message.slice(0, MAX_MESSAGE)
  const thrown = withStack && cause instanceof Error && !(cause instanceof PotorooError) ? cause : undefined
  const name = thrown === undefined ? '' : textOf(() => thrown.name).slice(0, 100)
  const said = thrown === undefined ? message : messageOf(thrown).slice(0, MAX_MESSAGE)
  const exception = `${name === '' ? code : name}: ${said}`
  const stack = thrown === undefined ? '' : textOf(() => thrown.stack).slice(0, MAX_STACK)
  return { code, message, exception, stacktrace: stack === '' ? exception : stack }
}

/** The beginning of the block. */
export const aboutHeaders = (origin: RecordOrigin, { code, message }: Words): RecordHeader[] => [
  header(deadLetterHeaders.topic, origin.topic),
  header(deadLetterHeaders.partition, String(origin.partition)),
  header(deadLetterHeaders.offset, String(origin.offset)),
  header(deadLetterHeaders.timestamp, String(origin.timestampMs)),
  header(deadLetterHeaders.code, code),
  header(deadLetterHeaders.message, message),
]

/** The same for tools that know Kafka Streams. */
export const aboutForStreams = (origin: RecordOrigin, words: Words): RecordHeader[] => [
  header(streamsHeaders.exception, words.exception),
  header(streamsHeaders.message, words.message),
  header(streamsHeaders.stacktrace, words.stacktrace),
  header(streamsHeaders.topic, origin.topic),
  header(streamsHeaders.partition, String(origin.partition)),
  header(streamsHeaders.offset, String(origin.offset)),
]

/** Those that are small enough, up to so many bytes together, and which are not. */
export function stateHeaders(states: readonly MetState[], maxBytes = MAX_STATE_BYTES): RecordHeader[] {
  let left = maxBytes
  const leftOut: string[] = []
  const headers = states.flatMap(({ name, packed }): RecordHeader[] => {
    const bytes = packed?.length ?? 0
    if (bytes > left) {
      leftOut.push(`${name} ${String(bytes)}`)
      return []
    }
    left -= bytes
    return [{ key: `${STATE_PREFIX}${name}`, value: packed ?? null }]
  })
  return leftOut.length === 0 ? headers : [...headers, header(deadLetterHeaders.statesLeftOut, leftOut.join(', '))]
}

export const fullSizeHeader = (bytes: number): RecordHeader => header(deadLetterHeaders.fullSize, String(bytes))

/** What a dead letter's headers say. */
export interface DeadLetterBlock {
  /** The record's own headers. */
  readonly headers: readonly RecordHeader[]
  /** Of what was due: no topic (''), and offset -1. */
  readonly origin: RecordOrigin
  /** What was due; undefined for a record. */
  readonly due: DueOrigin | undefined
  /** '' where it has none. */
  readonly code: string
  readonly message: string
  readonly stacktrace: string
  /** In the order in which the message met them. */
  readonly states: readonly MetState[]
  /** Of state objects that were too large: as text, with their sizes. */
  readonly statesLeftOut: string | undefined
  /** Bytes of the value, where only its beginning is there. */
  readonly fullSize: number | undefined
}

/** Undefined where the headers are none of a dead letter's. */
export function readDeadLetter(headers: readonly RecordHeader[]): DeadLetterBlock | undefined {
  const begin = headers.findLastIndex(({ key }) => key === deadLetterHeaders.topic)
  if (begin < 0) return undefined
  const block = headers.slice(begin)
  const found = (name: string): string | undefined => {
    const value = block.find(({ key }) => key === name)?.value
    return value === undefined || value === null ? undefined : Buffer.from(value).toString()
  }
  const number = (name: string): number | undefined => {
    const text = found(name)
    return text !== undefined && /^-?\d{1,16}$/.test(text) ? Number(text) : undefined
  }
  const [topic, partition, offset] = [
    found(deadLetterHeaders.topic),
    number(deadLetterHeaders.partition),
    number(deadLetterHeaders.offset),
  ]
  if (topic === undefined || partition === undefined || offset === undefined || partition < 0) return undefined
  const [stateObject, timer, id, dueMs] = [
    found(deadLetterHeaders.stateObject),
    found(deadLetterHeaders.timer),
    found(deadLetterHeaders.timerId),
    number(deadLetterHeaders.due),
  ]
  const due =
    stateObject === undefined || dueMs === undefined
      ? undefined
      : {
          stateObject,
          dueMs,
          ...(timer === undefined ? {} : { timer }),
          ...(id === undefined ? {} : { id }),
          ...(found(deadLetterHeaders.windows) === undefined ? {} : { windows: true as const }),
        }
  if (offset < 0 && due === undefined) return undefined
  return {
    headers: headers.slice(0, begin),
    origin: { topic, partition, offset, timestampMs: number(deadLetterHeaders.timestamp) ?? -1 },
    due,
    code: found(deadLetterHeaders.code) ?? '',
    message: found(deadLetterHeaders.message) ?? '',
    stacktrace: found(streamsHeaders.stacktrace) ?? '',
    states: block.flatMap(({ key, value }) =>
      key.startsWith(STATE_PREFIX) ? [{ name: key.slice(STATE_PREFIX.length), packed: value ?? undefined }] : [],
    ),
    statesLeftOut: found(deadLetterHeaders.statesLeftOut),
    fullSize: number(deadLetterHeaders.fullSize),
  }
}

const header = (key: string, value: string): RecordHeader => ({ key, value: Buffer.from(value) })

/** '' for anything that is not text, or throws when it is asked for. */
function textOf(read: () => unknown): string {
  try {
    const text = read()
    return typeof text === 'string' ? text : ''
  } catch {
    return ''
  }
}
