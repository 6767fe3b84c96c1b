/** The requests that the simulated broker takes, in which versions, and what the simulation calls them. */
import type { Api } from '../../../src/memory/faults.js'
import { Reader } from './bytes.js'

export interface ApiInfo {
  readonly key: number
  readonly name: string
  /** What faults are drawn for: those in memory have names of their own. */
  readonly api: Api
  readonly minVersion: number
  readonly maxVersion: number
  /** The first flexible version (KIP-482). */
  readonly flexibleFrom: number
  /** `maxVersion` of brokers that don't know transactions of version 2. */
  readonly olderMaxVersion?: number
  /** `maxVersion` of brokers that have no topic ids. */
  readonly maxVersionWithoutIds?: number
}

const api = (
  key: number,
  name: string,
  as: Api,
  [minVersion, maxVersion]: readonly [number, number],
  flexibleFrom: number,
  { older, withoutIds }: { readonly older?: number; readonly withoutIds?: number } = {},
): ApiInfo => ({
  key,
  name,
  api: as,
  minVersion,
  maxVersion,
  flexibleFrom,
  ...(older === undefined ? {} : { olderMaxVersion: older }),
  ...(withoutIds === undefined ? {} : { maxVersionWithoutIds: withoutIds }),
})

/** The highest versions are those that src/kafka sends: a broker answers in the version of the request. */
export const apis: readonly ApiInfo[] = [
  api(0, 'Produce', 'produce', [3, 13], 9, { older: 11, withoutIds: 12 }),
  api(1, 'Fetch', 'fetch', [4, 13], 12, { withoutIds: 11 }),
  api(2, 'ListOffsets', 'listOffsets', [2, 3], 6),
  api(3, 'Metadata', 'describeTopics', [5, 12], 9, { withoutIds: 6 }),
  api(9, 'OffsetFetch', 'offsetFetch', [7, 7], 6),
  api(10, 'FindCoordinator', 'ping', [1, 2], 3),
  api(11, 'JoinGroup', 'joinGroup', [5, 5], 6),
  api(12, 'Heartbeat', 'heartbeat', [3, 3], 4),
  api(13, 'LeaveGroup', 'leaveGroup', [3, 3], 4),
  api(14, 'SyncGroup', 'syncGroup', [3, 3], 4),
  api(18, 'ApiVersions', 'ping', [0, 3], 3),
  api(19, 'CreateTopics', 'createTopics', [2, 3], 5),
  api(21, 'DeleteRecords', 'deleteRecords', [0, 1], 2),
  api(22, 'InitProducerId', 'initProducerId', [0, 1], 2),
  api(24, 'AddPartitionsToTxn', 'addPartitionsToTxn', [0, 1], 3),
  api(25, 'AddOffsetsToTxn', 'addOffsetsToTxn', [0, 1], 3),
  api(26, 'EndTxn', 'endTxn', [0, 5], 3, { older: 4 }),
  api(28, 'TxnOffsetCommit', 'txnOffsetCommit', [0, 5], 3, { older: 4 }),
  api(32, 'DescribeConfigs', 'describeTopics', [1, 2], 4),
]
const byKey = new Map(apis.map((one) => [one.key, one]))

export interface RequestFrame {
  readonly info: ApiInfo
  readonly version: number
  readonly correlationId: number
  readonly clientId: string
  readonly body: Reader
}

/**
 *     Header => ApiKey ApiVersion CorrelationId ClientId Tags (in flexible versions)
 *
 * Throws RangeError for what is no request that this broker takes.
 */
export function readRequest(frame: Buffer): RequestFrame {
  const reader = new Reader(frame)
  const [key, version, correlationId] = [reader.int16(), reader.int16(), reader.int32()]
  const info = byKey.get(key)
  // An ApiVersions request of a version that is not known is answered in version 0.
  if (info === undefined || ((version < info.minVersion || version > info.maxVersion) && info.name !== 'ApiVersions'))
    throw new RangeError(
      `the simulated broker takes no ${info?.name ?? `request ${String(key)}`} of version ${String(version)}`,
    )
  const clientId = reader.nullableString() ?? ''
  const body = reader.as(version >= info.flexibleFrom)
  body.tags()
  return { info, version, correlationId, clientId, body }
}

/** The transactional id or the group, which these requests begin with. */
const named: ReadonlySet<Api> = new Set<Api>([
  'produce',
  'offsetFetch',
  'joinGroup',
  'heartbeat',
  'leaveGroup',
  'syncGroup',
  'initProducerId',
  'addPartitionsToTxn',
  'addOffsetsToTxn',
  'endTxn',
  'txnOffsetCommit',
])

/** What a request is about, for the trace. Reads the frame for itself. */
export function subjectOf(frame: Buffer): string {
  const { info, body } = readRequest(frame)
  return named.has(info.api) ? (body.nullableString() ?? '') : info.name
}
