/** How to reach Kafka, and the figures that the Kafka layer works with. */
import type { OnReadOpts } from 'node:net'
import type { Duplex } from 'node:stream'
import { createSecureContext, type ConnectionOptions } from 'node:tls'
import { messageOf, PotorooError } from '../errors.js'
import type { Clock } from '../ports/clock.js'
import type { Logger } from '../ports/logger.js'

export interface SaslOptions {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
  readonly username: string
  readonly password: string
}

/** What is used of a socket: a stream of bytes. */
export type ByteSocket = Duplex & { unref(): unknown }

export type SocketFactory = (options: {
  readonly host: string
  readonly port: number
  readonly ssl: ConnectionOptions | undefined
  /** Where what comes is to go: the socket has no 'data'. */
  readonly onread: OnReadOpts
  readonly onConnect: () => void
}) => ByteSocket

/** What the command line, the environment or an embedding program says about the brokers. */
export interface BrokerConnection {
  /** `host:port`, of any brokers of the cluster; one that answers is enough. */
  readonly brokers: readonly string[]
  readonly ssl?: boolean | ConnectionOptions | undefined
  readonly sasl?: SaslOptions | undefined
}

export interface KafkaOptions extends BrokerConnection {
  /** Kafka's `client.id`: how the brokers' logs and quotas name this process. */
  readonly clientId: string
  readonly logger: Logger
  readonly clock: Clock
  /** How long `connect` tries. Default 10,000. */
  readonly connectTimeoutMs?: number
  /**
   * Kafka's `transaction.timeout.ms`: after a worker dies, its open transaction holds read-committed readers back for so
   * long. Shorter, and a slow broker makes commits fail. Default 10,000.
   */
  readonly transactionTimeoutMs?: number
  /** A connection on which an answer takes longer is given up. Long polls and joins add their own time. Default 10,000. */
  readonly requestTimeoutMs?: number
  readonly fetch?: {
    /** How long a fetch lingers at a broker that has nothing new. Default 100. */
    readonly maxWaitMs?: number
    /** Bound of one answer. Default 16 MiB. */
    readonly maxBytes?: number
    /** Bound of one partition's part of an answer; a single larger batch still comes. Default 1 MiB. */
    readonly maxBytesPerPartition?: number
  }
  /** Makes the sockets; for tests that inject faults, and for a network in memory. */
  readonly socketFactory?: SocketFactory
}

/** The options with their defaults. Throws INVALID_CONFIGURATION for certificates and keys that are none. */
export const settingsOf = (options: KafkaOptions) => ({
  ...options,
  ssl: checkedTls(options.ssl),
  connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
  transactionTimeoutMs: options.transactionTimeoutMs ?? 10_000,
  requestTimeoutMs: options.requestTimeoutMs ?? 10_000,
  fetch: {
    maxWaitMs: options.fetch?.maxWaitMs ?? 100,
    maxBytes: options.fetch?.maxBytes ?? 16 * 1024 * 1024,
    maxBytesPerPartition: options.fetch?.maxBytesPerPartition ?? 1024 * 1024,
  },
})
/** The same, if it can be used. Throws INVALID_CONFIGURATION. */
export function checkedTls(ssl: BrokerConnection['ssl']): BrokerConnection['ssl'] {
  try {
    if (typeof ssl === 'object') createSecureContext(ssl)
  } catch (cause) {
    throw new PotorooError('INVALID_CONFIGURATION', `TLS can't be used as configured: ${messageOf(cause)}`, { cause })
  }
  return ssl
}

export type KafkaSettings = ReturnType<typeof settingsOf>
