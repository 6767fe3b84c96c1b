/** How to reach Kafka, from environment variables (documented in docs/configuration.md). */
import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import { messageOf, PotorooError } from '../errors.js'
import { parseAddress } from './address.js'
import type { BrokerConnection, SaslOptions } from './options.js'

type Environment = Readonly<Record<string, string | undefined>>

const mechanisms: readonly SaslOptions['mechanism'][] = ['plain', 'scram-sha-256', 'scram-sha-512']

/** Rejects with INVALID_CONFIGURATION, which names the variable. Without KAFKA_BROKERS, `brokers` is empty. */
export function connectionFromEnvironment(environment: Environment): BrokerConnection {
  return {
    brokers: brokersOf(environment['KAFKA_BROKERS'] ?? '', 'KAFKA_BROKERS'),
    ssl: sslOf(environment),
    sasl: saslOf(environment),
  }
}

/** `host:port,host:port`, or with spaces between them; `from` is what an error calls it. */
export function brokersOf(list: string, from: string): readonly string[] {
  const brokers = list.split(/[,\s]+/).filter((broker) => broker !== '')
  for (const broker of brokers) {
    try {
      parseAddress(broker)
    } catch (error) {
      throw wrong(`${from}: ${messageOf(error)}`, error)
    }
  }
  return brokers
}

function sslOf(environment: Environment): ConnectionOptions | boolean | undefined {
  const wanted = environment['KAFKA_SSL']?.trim().toLowerCase() ?? ''
  if (!['', 'true', 'false'].includes(wanted)) throw wrong(`KAFKA_SSL is '${wanted}': write true or false`)
  const files = (['ca', 'cert', 'key'] as const).flatMap((part) => {
    const variable = `KAFKA_SSL_${part.toUpperCase()}`
    const path = environment[variable] ?? ''
    return path === '' ? [] : [[part, fileOf(variable, path)] as const]
  })
  if (files.length === 0) return wanted === 'true' ? true : undefined
  if (wanted === 'false') throw wrong('KAFKA_SSL is false, but KAFKA_SSL_CA, KAFKA_SSL_CERT or KAFKA_SSL_KEY is set')
  const parts = Object.fromEntries(files) as ConnectionOptions
  if ((parts.cert === undefined) !== (parts.key === undefined))
    throw wrong('KAFKA_SSL_CERT and KAFKA_SSL_KEY belong together: set both or neither')
  return parts
}

function fileOf(variable: string, path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw wrong(`${variable}: ${messageOf(error)}`, error)
  }
}

function saslOf(environment: Environment): SaslOptions | undefined {
  const given = environment['KAFKA_SASL_MECHANISM']?.trim().toLowerCase() ?? ''
  const username = environment['KAFKA_SASL_USERNAME'] ?? ''
  const password = environment['KAFKA_SASL_PASSWORD'] ?? ''
  if (given === '') {
    if (username === '' && password === '') return undefined
    throw wrong(`KAFKA_SASL_MECHANISM is not set, but user or password are: write ${mechanisms.join(', ')}`)
  }
  const mechanism = mechanisms.find((one) => one === given)
  if (!mechanism) throw wrong(`KAFKA_SASL_MECHANISM is '${given}': write ${mechanisms.join(', ')}`)
  for (const [variable, value] of Object.entries({ KAFKA_SASL_USERNAME: username, KAFKA_SASL_PASSWORD: password })) {
    if (value === '') throw wrong(`KAFKA_SASL_MECHANISM is ${mechanism}, but ${variable} is not set`)
  }
  return { mechanism, username, password }
}

const wrong = (message: string, cause?: unknown): PotorooError =>
  new PotorooError('INVALID_CONFIGURATION', message, { cause })
