/** A record as one line of output, with what lies beside its value. */
import { lineOf, textLineOf } from './ndjson.js'
import { printable } from './printable.js'
import type { TailRecord } from './tailing.js'

export const tailFormats = ['value', 'text', 'json'] as const
export type TailFormat = (typeof tailFormats)[number]

/** How lines are made. On a terminal, bytes that are no text would be taken for commands to it. */
export const lineFormat = (format: TailFormat, isTerminal: boolean): ((record: TailRecord) => Buffer) =>
  format === 'json'
    ? (record) => Buffer.from(`${isTerminal ? printable(jsonOf(record)) : jsonOf(record)}\n`)
    : format === 'text'
      ? (record) => Buffer.from(`${textOf(record)}\n`)
      : isTerminal
        ? ({ value }) => textLineOf(value)
        : ({ value }) => lineOf(value)

/** For people: partition:offset, time, key, headers if there are any, value; a tab between them. */
function textOf(record: TailRecord): string {
  const headers = record.headers()
  const cells = [
    `${String(record.partition)}:${String(record.offset)}`,
    timeOf(record.timestampMs),
    record.key === undefined ? '-' : shownKey(record.key),
    ...(headers.length === 0 ? [] : [headers.map(({ key, value }) => `${key}=${shownHeader(value)}`).join(' ')]),
    textLineOf(record.value).toString().slice(0, -1),
  ]
  return cells.map((cell) => printable(cell).replaceAll('\t', '\\t').replaceAll('\n', '\\n')).join('\t')
}

const shownKey = (key: Uint8Array): string => readable(key) ?? hexOf(key)
const shownHeader = (value: Uint8Array | null): string => (value === null ? 'null' : (readable(value) ?? hexOf(value)))

/**
 * One object a record. Anything that is not text has `keyHex` for `key`, `hex` for `value` of a header, and `valueHex`; a value that is JSON
 * stands in `value` with its bytes as they are, digits of large numbers among them, and other text in `valueText`.
 */
function jsonOf(record: TailRecord): string {
  const { partition, offset, timestampMs, key, value } = record
  const time = timeOf(timestampMs)
  const keyText = key && readable(key)
  const head = JSON.stringify({
    partition,
    offset,
    timestampMs,
    time: time === '-' ? null : time,
    ...(key !== undefined && keyText === undefined ? { keyHex: key.toString('hex') } : { key: keyText ?? null }),
    headers: record.headers().map(({ key: name, value: bytes }) => {
      const text = bytes === null ? null : readable(bytes)
      return bytes !== null && text === undefined
        ? { name, hex: Buffer.from(bytes).toString('hex') }
        : { name, value: text ?? null }
    }),
  })
  return `${head.slice(0, -1)},${valueOf(value)}}`
}

function valueOf(value: Buffer | undefined): string {
  if (value === undefined) return '"value":null'
  const text = utf8(value)
  if (text === undefined) return `"valueHex":"${value.toString('hex')}"`
  return isJson(text) ? `"value":${text.replace(/[\r\n]/g, ' ')}` : `"valueText":${JSON.stringify(text)}`
}

/** A record's timestamp may be anything; beyond what a Date holds, and -1, it is none. */
const timeOf = (ms: number): string => {
  const date = new Date(ms)
  return ms < 0 || Number.isNaN(date.getTime()) ? '-' : date.toISOString()
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function utf8(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes)
  } catch {
    return undefined
  }
}

/** Text that can be seen; a number in four bytes may be UTF-8 and tells nobody anything. */
const readable = (bytes: Uint8Array): string | undefined => {
  const text = utf8(bytes)
  return text === undefined || /[\p{Cc}\p{Cn}]/u.test(text) ? undefined : text
}

const hexOf = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString('hex')}`

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
