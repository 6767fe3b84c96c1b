/** Options that several commands share, and how their values are read. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { CONSISTENCIES, consistencyOf } from '../core/query/question.js'
import type { RecordHeader } from '../core/records/records.js'
import type { WholeNumberOption } from '../runtime/option-table.js'

export interface ConnectionFlags {
  readonly brokers?: string
}

export const withConnection = (command: Command): Command =>
  command.option('--brokers <host:port,...>', 'where Kafka is (default: KAFKA_BROKERS, else 127.0.0.1:9092)')

export const withTopicPrefix = (command: Command): Command =>
  command.option('--topic-prefix <prefix>', 'put in front of every name in Kafka', topicPrefix, '')

export const connectionHelp = `
TLS and SASL come from the environment:
  KAFKA_SSL=true, KAFKA_SSL_CA, KAFKA_SSL_CERT, KAFKA_SSL_KEY (paths of PEM files)
  KAFKA_SASL_MECHANISM (plain, scram-sha-256, scram-sha-512), KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD`

/** A whole number from min to max. */
export const wholeNumber =
  (min: number, max = Number.MAX_SAFE_INTEGER) =>
  (text: string): number => {
    const value = /^\d+$/.test(text) ? Number(text) : NaN
    if (value >= min && value <= max) return value
    throw new InvalidArgumentError(
      max === Number.MAX_SAFE_INTEGER
        ? `It has to be a whole number, ${String(min)} or more.`
        : `It has to be a whole number from ${String(min)} to ${String(max)}.`,
    )
  }

/** An option of a worker, with the bounds and the default that it has everywhere. */
export function numberOption(option: WholeNumberOption & { readonly flag: string }): Option {
  const { flag, unit, help, least, most, default: value } = option
  const name = `${flag} <${unit === 'ms' ? 'ms' : 'n'}>`
  if (value === undefined)
    return new Option(name, `${help} (default: the broker's)`).argParser(wholeNumber(least, most))
  return new Option(name, help).argParser(wholeNumber(least, most)).default(value)
}

export const MAX_PORT = 65_535
export const port = wholeNumber(0, MAX_PORT)

const unitBytes = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 } as const

/** Bytes, or 512m, 1.5g and the like (KiB, MiB, GiB), from min on. */
export const size =
  (min: number) =>
  (text: string): number => {
    const [, number, unit] = /^(\d+(?:\.\d+)?)([kmg]?)(?:i?b)?$/i.exec(text) ?? []
    const value = Math.floor(Number(number) * unitBytes[(unit ?? '').toLowerCase() as keyof typeof unitBytes])
    if (value >= min && Number.isSafeInteger(value)) return value
    throw new InvalidArgumentError(`It has to be a size, ${String(min / unitBytes.m)}m or more: 512m, 2g.`)
  }

/** As Java's -Xmx takes it. */
export function javaSize(text: string): string {
  if (/^[1-9]\d{0,9}[kmg]?$/i.test(text)) return text
  throw new InvalidArgumentError('It has to be a size as Java takes it: 512m, 1g.')
}

export function topicPrefix(text: string): string {
  if (/^[a-zA-Z0-9._-]{0,100}$/.test(text)) return text
  throw new InvalidArgumentError(
    "It has to be letters, digits, '.', '_' or '-', 100 at most: Kafka takes no others in names.",
  )
}

/** An empty one is mostly a variable of the shell that has nothing in it, and would be the current directory. */
/** As docs/queries.md has it. */
export function queryConsistency(text: string): string {
  if (consistencyOf(text) !== undefined) return text
  throw new InvalidArgumentError(`It has to be ${CONSISTENCIES}.`)
}

export function path(text: string): string {
  if (text.trim() !== '') return text
  throw new InvalidArgumentError('It has to be a path.')
}

/** An empty one would be all of this machine's addresses. */
export function listenHost(text: string): string {
  if (text.trim() !== '') return text
  throw new InvalidArgumentError('It has to be a host or an address to listen on: 127.0.0.1, 0.0.0.0.')
}

export function topicName(text: string): string {
  if (/^[a-zA-Z0-9._-]{1,249}$/.test(text)) return text
  throw new InvalidArgumentError("It has to be a topic's name: 1 to 249 letters, digits, '.', '_' or '-'.")
}

/** Becomes part of paths, and of names in Kafka. */
export function workerName(text: string): string {
  if (/^[a-zA-Z0-9._-]{1,100}$/.test(text)) return text
  throw new InvalidArgumentError("It has to be 1 to 100 letters, digits, '.', '_' or '-'.")
}

/** `name=value`, collected over several uses of the option. */
export function setting(text: string, before: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('It has to be name=value.')
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) }
}

/** `name=value` of a record's header, collected over several uses of the option; the same name may come again. */
export function recordHeader(text: string, before: readonly RecordHeader[] = []): readonly RecordHeader[] {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('It has to be name=value.')
  return [...before, { key: text.slice(0, at), value: Buffer.from(text.slice(at + 1)) }]
}

/** `field`, or `field.field` for one in another. */
export function fieldPath(text: string): readonly string[] {
  const names = text.split('.')
  if (names.every((name) => name.trim() !== '')) return names
  throw new InvalidArgumentError('It has to be the name of a field, or names with dots between them: order.placedAt.')
}
