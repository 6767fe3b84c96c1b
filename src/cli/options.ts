/** Options that several commands share, and how their values are read. */
import { type Command, InvalidArgumentError } from 'commander'

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
  if (/^[a-zA-Z0-9._-]*$/.test(text)) return text
  throw new InvalidArgumentError('Kafka takes letters, digits, ., _ and - in names.')
}

/** `name=value`, collected over several uses of the option. */
export function setting(text: string, before: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('It has to be name=value.')
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) }
}
