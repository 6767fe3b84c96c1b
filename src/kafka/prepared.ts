/** What a link sends: a request with its codec, in a version that the broker takes. */
import type { ApiVersions } from './kafkajs.js'
import type { TransactionVersion } from './transaction-version.js'

export interface Prepared<T> {
  readonly apiKey: number
  readonly apiVersion: number
  readonly apiName: string
  /** What the broker has to take at least for this request to be sent to it. Default 1. */
  readonly transactionVersion?: TransactionVersion
  /** The request after its header, in one or more parts. */
  encode(): readonly Uint8Array[] | Promise<readonly Uint8Array[]>
  decode(payload: Buffer): T | Promise<T>
}
/** What a request is called, and in which version. */
export type Api = Pick<Prepared<unknown>, 'apiKey' | 'apiVersion' | 'apiName' | 'transactionVersion'>

export const prepare = <T>(
  { apiKey, apiVersion, apiName, transactionVersion = 1 }: Api,
  encode: Prepared<T>['encode'],
  decode: Prepared<T>['decode'],
): Prepared<T> => ({ apiKey, apiVersion, apiName, transactionVersion, encode, decode })

export type Request<T> = (versions: ApiVersions) => Prepared<T>
