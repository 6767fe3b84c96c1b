/**
 * Which protocol of transactions a broker takes. Version 2 (KIP-890) needs three requests instead of five: Produce and
 * TxnOffsetCommit add the partition and the group to the transaction by themselves, and EndTxn hands out the epoch of the
 * next transaction, so that nothing of one can come to count for another.
 *
 * That a broker knows these requests does not mean that it may be sent them: the cluster must have finalized its feature
 * `transaction.version` at 2. Both are read when a connection is opened. An upgrade is noticed by connections made later.
 * After a downgrade, requests of version 2 are still carried out by brokers that know them (they go by the request's
 * version), and brokers that don't had to be restarted for that, which ends their connections.
 */
import type { ApiVersions } from './kafkajs.js'

export type TransactionVersion = 1 | 2

/** The requests of version 2: a lower version of one of them is of version 1. */
export const version2 = {
  produce: { apiKey: 0, apiVersion: 12, apiName: 'Produce', transactionVersion: 2 },
  txnOffsetCommit: { apiKey: 28, apiVersion: 5, apiName: 'TxnOffsetCommit', transactionVersion: 2 },
  endTxn: { apiKey: 26, apiVersion: 5, apiName: 'EndTxn', transactionVersion: 2 },
} as const

/** `finalized`: the levels of the cluster's features. */
export function transactionVersionOf(
  versions: ApiVersions,
  finalized: ReadonlyMap<string, number>,
): TransactionVersion {
  const taken = Object.values(version2).every(({ apiKey, apiVersion }) => {
    const range = versions[apiKey]
    return range !== undefined && range.minVersion <= apiVersion && apiVersion <= range.maxVersion
  })
  return taken && (finalized.get('transaction.version') ?? 0) >= 2 ? 2 : 1
}
