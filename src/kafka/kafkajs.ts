/**
 * The door to kafkajs's insides: everything that reaches below its public API goes through here.
 *
 * Workers take two things of kafkajs: its connection (sockets, TLS, SASL) and its encoders and decoders of requests. Answers
 * are cut apart by `Frames`, but for those of SASL. Requests are sent by `Link`, answers are judged by error code here and not
 * by kafkajs's `parse`, which drops a whole answer when one partition of it has an error. Nothing of kafkajs is replaced or
 * changed, so that a kafkajs which the user's own code loads in the same process stays as it is.
 */
import { createRequire } from 'node:module'
import type { ConnectionOptions } from 'node:tls'
import { PotorooError } from '../errors.js'
import type { ByteSocket, SaslOptions, SocketFactory } from './options.js'

const KNOWN_VERSION = '2.2.4'

export type ApiVersions = Readonly<Record<number, { readonly minVersion: number; readonly maxVersion: number }>>

export interface RequestEntry {
  readonly correlationId: number
  resolve(answer: { correlationId: number; entry: RequestEntry; size: number; payload: Buffer }): void
  reject(error: Error): void
}
export interface PushedRequest {
  readonly entry: RequestEntry
  readonly requestTimeout: number | null
  sendRequest(): void
}

/** What kafkajs's connection asks of its queue of requests; `InFlight` takes the queue's place. */
export interface RequestQueue {
  push(request: PushedRequest): void
  fulfillRequest(answer: { correlationId: number; payload: Buffer; size: number }): void
  rejectAll(error: Error): void
  waitForPendingRequests(): Promise<void>
  maybeThrottle(ms: number | null): void
  scheduleRequestTimeoutCheck(): void
  destroy(): void
}

export interface KafkajsLogger {
  namespace(name: string): KafkajsLogger
  debug(message: string, extra?: object): void
  info(message: string, extra?: object): void
  warn(message: string, extra?: object): void
  error(message: string, extra?: object): void
}

export interface KafkajsConnection {
  requestQueue: RequestQueue
  readonly socket?: ByteSocket
  connect(): Promise<true>
  authenticate(): Promise<void>
  isConnected(): boolean
  isAuthenticated(): boolean
  nextCorrelationId(): number
  /** What came on the socket. */
  processData(bytes: Buffer): void
  setVersions(versions: ApiVersions): void
  setSupportAuthenticationProtocol(supported: boolean): void
}
interface ConnectionOptionsOfKafkajs {
  readonly host: string
  readonly port: number
  readonly clientId: string
  readonly ssl: ConnectionOptions | undefined
  readonly sasl: SaslOptions | undefined
  readonly socketFactory: (options: Omit<Parameters<SocketFactory>[0], 'onread'>) => ByteSocket
  readonly connectionTimeout: number
  readonly requestTimeout: number
  readonly enforceRequestTimeout: boolean
  readonly logger: KafkajsLogger
}

interface Exchange {
  readonly request: {
    readonly apiKey: number
    readonly apiVersion: number
    readonly apiName: string
    encode(): Promise<{ readonly buffer: Buffer }>
  }
  readonly response: { decode(payload: Buffer): Promise<unknown> }
}
interface Definition {
  readonly versions: readonly string[]
  protocol(choice: { version: number }): (args: object) => Exchange
}
export type ApiName =
  | 'ApiVersions'
  | 'Metadata'
  | 'GroupCoordinator'
  | 'ListOffsets'
  | 'JoinGroup'
  | 'SyncGroup'
  | 'Heartbeat'
  | 'LeaveGroup'
  | 'InitProducerId'
  | 'AddPartitionsToTxn'
  | 'AddOffsetsToTxn'
  | 'TxnOffsetCommit'
  | 'EndTxn'
  | 'DescribeConfigs'
  | 'CreateTopics'
  | 'DeleteTopics'
  | 'DescribeGroups'
  | 'DeleteGroups'
  | 'DeleteRecords'

const require = createRequire(import.meta.url)
const load = (path: string): unknown => require(`kafkajs/${path}`) as unknown

const { version } = load('package.json') as { version: string }
if (version !== KNOWN_VERSION) {
  throw new PotorooError(
    'INTERNAL',
    `kafkajs ${version} is installed, but Potoroo only knows the internals of ${KNOWN_VERSION}`,
  )
}

export const Connection = load('src/network/connection') as new (
  options: ConnectionOptionsOfKafkajs,
) => KafkajsConnection

const { requests } = load('src/protocol/requests') as { requests: Readonly<Record<ApiName, Definition>> }
export const apiKeys = load('src/protocol/requests/apiKeys') as Readonly<Record<string, number>>
export const { errorCodes } = load('src/protocol/error') as {
  errorCodes: readonly { readonly code: number; readonly type: string; readonly message: string }[]
}

/** kafkajs's exchange for a request, in the newest version that both it and the broker know. */
export function exchangeOf(name: ApiName, args: object, versions: ApiVersions | undefined): Exchange {
  const definition = requests[name]
  const known = definition.versions.map(Number)
  const offered = versions?.[apiKeys[name] ?? -1]
  const usable = known.filter((v) => (offered ? v >= offered.minVersion && v <= offered.maxVersion : true))
  if (usable.length === 0 || (versions && !offered)) {
    throw new PotorooError(
      'REQUEST_FAILED',
      `the broker does not support any version of ${name} requests that Potoroo knows`,
    )
  }
  return definition.protocol({ version: Math.max(...usable) })(args)
}
