/** Dead letters as a person reads them, and as JSON. */
import { isUtf8 } from 'node:buffer'
import { inspect } from 'node:util'
import { REPARTITION_SUFFIX } from '../../api/graph.js'
import { dueText, type RecordOrigin } from '../../core/processing/dead-letter.js'
import { letterId, type LetterMark } from '../../core/processing/dead-letter-marks.js'
import type { RecordHeader } from '../../core/records/records.js'
import type { MetState } from '../../core/state/state-table.js'
import { storedFields } from '../../core/state/stored.js'
import type { Letter } from '../../runtime/dead-letters/letters.js'
import { printable, printableBytes } from '../printable.js'
import { table } from '../table.js'

export interface MarkedLetter {
  readonly letter: Letter
  /** Undefined: it is open. */
  readonly mark: LetterMark | undefined
}

/** Of a table's cell, in characters. */
const MAX_CELL = 80
/** Wider than any line that says where it is in an object. */
const WIDTH = 100

const when = (ms: number): string => (ms >= 0 && ms < 8.64e15 ? new Date(ms).toISOString() : 'unknown')
const short = (text: string): string => {
  const [line = ''] = printable(text).split('\n', 1)
  return line.length > MAX_CELL ? `${line.slice(0, MAX_CELL - 1)}…` : line
}

/** One row for each. `withState`: whether it is open, too. */
export function listText(letters: readonly MarkedLetter[], withState: boolean): string {
  const header = ['LETTER', 'WRITTEN', 'CODE', 'FROM', 'KEY', 'REASON', ...(withState ? ['STATE'] : [])]
  const rows = letters.map(({ letter, mark }) => {
    const { origin, due, code, message } = letter.block
    return [
      letterId(letter),
      when(letter.timestampMs),
      short(code),
      short(due === undefined ? `${origin.topic} ${String(origin.partition)}:${String(origin.offset)}` : dueText(due)),
      letter.key === null ? '-' : short(printableBytes(letter.key)),
      short(message),
      ...(withState ? [mark?.done ?? 'open'] : []),
    ]
  })
  return table(header, rows)
}

const originText = ({ topic, partition, offset }: RecordOrigin): string =>
  `${topic}, partition ${String(partition)}, offset ${String(offset)}`

/** Everything that is known of one. */
export function showText({ letter, mark }: MarkedLetter, topic: string): string {
  const { key, value, block } = letter
  const { origin, due, code, message, headers, states, statesLeftOut, fullSize, stacktrace } = block
  const state = mark === undefined ? 'open' : `${mark.done} ${when(mark.atMs)}`
  const cut = fullSize === undefined ? [] : [`the first ${String(value?.length ?? 0)} of ${String(fullSize)} bytes:`]
  const parts: readonly (readonly [string, readonly string[]])[] = [
    ['written', [when(letter.timestampMs)]],
    ['code', [code]],
    ['reason', message.split('\n')],
    ['from', [due === undefined ? originText(origin) : `${dueText(due)}, due ${when(due.dueMs)}`]],
    ['time', [when(origin.timestampMs)]],
    ['key', [key === null ? 'none' : printableBytes(key)]],
    ['headers', headers.map(headerText)],
    ['value', [...cut, ...valueText(origin.topic, value).split('\n')]],
    ...states.map((one): [string, string[]] => [
      'met',
      [`${one.name}${versionText(one)}, as it was before:`, ...stateText(one.packed).split('\n')],
    ]),
    ...(statesLeftOut === undefined ? [] : [['met', [`too large to be kept here (bytes): ${statesLeftOut}`]] as const]),
    ['thrown', stacktrace.includes('\n') ? stacktrace.split('\n') : []],
  ]
  const lines = parts.flatMap(([name, [first, ...others]]) =>
    first === undefined ? [] : [`${name.padEnd(9)}${first}`, ...others.map((line) => `${' '.repeat(9)}${line}`)],
  )
  return printable(
    `dead letter ${letterId(letter)} of ${topic}: ${state}\n${lines.map((line) => `${line}\n`).join('')}`,
  )
}

/** For programs: bytes that are no UTF-8 are in base64, under another name. */
export function letterJson({ letter, mark }: MarkedLetter, whole: boolean): object {
  const { key, value, block, timestampMs } = letter
  const { origin, due, code, message, headers, states, statesLeftOut, fullSize, stacktrace } = block
  return {
    letter: letterId(letter),
    writtenMs: timestampMs,
    code,
    message,
    ...(due === undefined ? { source: origin } : { due: { ...due, partition: origin.partition } }),
    ...textOrBase64('key', key),
    state: mark?.done ?? 'open',
    ...(mark === undefined ? {} : { doneMs: mark.atMs }),
    ...(whole
      ? {
          headers: headers.map((one) => ({ name: one.key, ...textOrBase64('value', one.value) })),
          ...textOrBase64('value', value),
          ...(fullSize === undefined ? {} : { valueFullBytes: fullSize }),
          stateObjects: states.map((one) => ({
            name: one.name,
            version: one.packed && storedFields(one.packed)?.version,
            packedBase64: one.packed === undefined ? null : Buffer.from(one.packed).toString('base64'),
            text: stateText(one.packed),
          })),
          ...(statesLeftOut === undefined ? {} : { stateObjectsLeftOut: statesLeftOut }),
          stacktrace,
        }
      : {}),
  }
}

/** A value as it is read, where it is text; a message on its way through a repartition by its fields. */
export function valueText(topic: string, value: Uint8Array | null): string {
  if (value === null) return 'none'
  const message = topic.endsWith(REPARTITION_SUFFIX) ? storedFields(value)?.fields : undefined
  return message !== undefined && 'm' in message ? shown(message.m) : printableBytes(value)
}

export const headerText = ({ key, value }: RecordHeader): string =>
  `${key}: ${value === null ? 'null' : printableBytes(value)}`

export const stateText = (packed: Uint8Array | undefined): string => {
  if (packed === undefined) return 'none was stored'
  const stored = storedFields(packed)
  return stored === undefined ? `${String(packed.length)} bytes that can't be read` : shown(stored.fields)
}

export const shown = (value: unknown): string =>
  inspect(value, { depth: null, breakLength: WIDTH, maxArrayLength: 1_000, maxStringLength: 100_000 })

const versionText = ({ packed }: MetState): string => {
  const version = packed === undefined ? 0 : (storedFields(packed)?.version ?? 0)
  return version === 0 ? '' : ` v${String(version)}`
}

const textOrBase64 = (name: string, bytes: Uint8Array | null): Readonly<Record<string, string | null>> => {
  if (bytes === null) return { [name]: null }
  return isUtf8(bytes)
    ? { [name]: Buffer.from(bytes).toString() }
    : { [`${name}Base64`]: Buffer.from(bytes).toString('base64') }
}
