/**
 * The whole table of error codes, request by request: what the code that sends it does when it is answered that. Each is
 * driven by a cluster that answers one request with one code forever; what it says to everything else is well.
 */
import { describe, expect, test } from 'vitest'
import { RecordWriter } from '../../../src/core/records/records.js'
import { isPotorooError } from '../../../src/errors.js'
import { committedOffsets, createTopics, describeTopics, listOffsets } from '../../../src/kafka/admin.js'
import { Cluster } from '../../../src/kafka/cluster.js'
import {
  codes,
  judgedApis,
  kindOf,
  MAX_UNEXPECTED_ANSWERS,
  type ErrorKind,
  type JudgedApi,
} from '../../../src/kafka/error-table.js'
import { KafkaFetcher } from '../../../src/kafka/fetcher.js'
import { GoneBrokers } from '../../../src/kafka/gone-brokers.js'
import { KafkaGroup } from '../../../src/kafka/group.js'
import { settingsOf } from '../../../src/kafka/options.js'
import type { Request } from '../../../src/kafka/prepared.js'
import { Sleeper } from '../../../src/kafka/sleeper.js'
import { openProducer } from '../../../src/kafka/transactions.js'
import { GroupError } from '../../../src/ports/log.js'
import { RecordingInput } from '../../support/recording-input.js'
import { silentLogger } from '../../support/silent-logger.js'
import { SwiftClock } from '../../support/swift-clock.js'

/** Younger than the table. */
const UNHEARD_OF = 9_999
const allCodes = [...Object.values(codes), UNHEARD_OF]
const nameOf = (code: number): string =>
  Object.keys(codes).find((name) => codes[name as never] === code) ?? 'error code 9999'

const versions = Object.fromEntries(
  Array.from({ length: 70 }, (_, apiKey) => [apiKey, { minVersion: 0, maxVersion: 99 }]),
)

/** One broker, 0, that leads and coordinates everything. */
class AnsweringCluster {
  readonly clock = new SwiftClock()
  readonly settings = settingsOf({ brokers: ['b:1'], clientId: 'test', logger: silentLogger, clock: this.clock })
  readonly sleeper = new Sleeper(this.clock)
  readonly closed = false
  readonly answerMemory = { giveBack: () => undefined }
  readonly gone = new GoneBrokers(silentLogger, this.sleeper, () => Promise.resolve())
  /** How often the request was sent that is answered with the code. */
  asked = 0
  /** Metadata are asked through the real thing, for what it makes of codes is what is looked at. */
  readonly #real = new Cluster(this.settings)

  constructor(
    private readonly api: JudgedApi,
    private readonly code: number,
    private readonly version: 1 | 2 = 2,
  ) {
    Object.assign(this.#real, {
      callAny: (request: Request<unknown>) => this.call('', 0, request),
      // Brokers take turns: here there is one, without a connection.
      refresh: this.refresh,
    })
  }

  now = (): number => this.clock.monotonic()
  leaderOf = (of: { topic: string; partition: number }): number | undefined =>
    this.api === 'Metadata' ? this.#real.leaderOf(of) : 0
  whyLeaderless = (of: { topic: string; partition: number }): number => this.#real.whyLeaderless(of)
  partitionsOf = (): number => 1
  addressOf = (): string => 'b:1'
  forgetTopic = (topic: string): void => {
    this.#real.forgetTopic(topic)
  }
  refresh = async (topics: readonly string[]): Promise<void> => {
    await this.#real.metadataOf(topics)
  }
  epochOf = (): undefined => undefined
  topicIdOf = (): undefined => undefined
  metadataOf = (topics: readonly string[]) => this.#real.metadataOf(topics)
  coordinator = (kind: 'group' | 'transaction', of: string): Promise<number> =>
    this.api === 'FindCoordinator' ? this.#real.coordinator(kind, of) : Promise.resolve(0)
  noteCoordinatorFailure = (): void => undefined
  transactionVersion = (): Promise<1 | 2> => Promise.resolve(this.version)
  closeLanes = (): void => undefined
  callAny = <T>(request: Request<T>): Promise<T> => this.call('', 0, request)
  callController = <T>(request: Request<T>): Promise<T> => this.call('', 0, request)

  async call<T>(_: string, __: number, request: Request<T>): Promise<T> {
    const { apiName } = request(versions)
    const api = (apiName === 'GroupCoordinator' ? 'FindCoordinator' : apiName) as JudgedApi
    await Promise.resolve()
    // What a lingering fetch costs.
    this.clock.pass(1)
    const errorCode = api === this.api ? this.code : 0
    if (api === this.api) this.asked++
    return answers[api](errorCode) as T
  }

  get cluster(): Cluster {
    return this as unknown as Cluster
  }
}

const partition = (errorCode: number) => ({ topic: 't', partitions: [{ partition: 0, errorCode, offset: '5' }] })
const answers: Record<JudgedApi, (errorCode: number) => unknown> = {
  Produce: (errorCode) => ({
    partitions: [{ topic: 't', partition: 0, errorCode, baseOffset: 0, recordErrors: [], message: null }],
  }),
  Fetch: (errorCode) => ({
    bytes: Buffer.alloc(0),
    errorCode: 0,
    partitions: [
      {
        topic: 't',
        partition: 0,
        errorCode,
        highWatermark: 5,
        lastStableOffset: 5,
        abortedTransactions: [],
        records: Buffer.alloc(0),
      },
    ],
  }),
  ListOffsets: (errorCode) => ({
    throttleTimeMs: 0,
    partitions: [{ topic: 't', partition: 0, errorCode, offset: 5 }],
  }),
  Metadata: (errorCode) => ({
    brokers: [{ nodeId: 0, host: 'b', port: 1 }],
    controllerId: 0,
    topicMetadata: [
      {
        topic: 't',
        topicErrorCode: errorCode,
        partitionMetadata: errorCode === 0 ? [{ partitionErrorCode: 0, partitionId: 0, leader: 0 }] : [],
      },
    ],
  }),
  OffsetFetch: (errorCode) => ({ errorCode, partitions: [{ topic: 't', partition: 0, offset: 5, errorCode: 0 }] }),
  FindCoordinator: (errorCode) => ({ errorCode, coordinator: { nodeId: 0 } }),
  JoinGroup: (errorCode) => ({
    errorCode,
    generationId: 1,
    groupProtocol: 'p',
    leaderId: 'm',
    memberId: 'm',
    members: [],
  }),
  SyncGroup: (errorCode) => ({ errorCode, memberAssignment: Buffer.alloc(0) }),
  Heartbeat: (errorCode) => ({ errorCode }),
  LeaveGroup: (errorCode) => ({ errorCode }),
  CreateTopics: (errorCode) => ({ topicErrors: [{ topic: 't', errorCode, errorMessage: null }] }),
  InitProducerId: (errorCode) => ({ errorCode, producerId: '7', producerEpoch: 1 }),
  AddPartitionsToTxn: (errorCode) => ({ errors: [{ topic: 't', partitionErrors: [{ partition: 0, errorCode }] }] }),
  AddOffsetsToTxn: (errorCode) => ({ errorCode }),
  EndTxn: (errorCode) => ({ errorCode, producerId: '7', producerEpoch: 2 }),
  TxnOffsetCommit: (errorCode) => ({ topics: [partition(errorCode)] }),
  DescribeConfigs: (errorCode) => ({
    resources: [{ errorCode, errorMessage: null, resourceName: 't', configEntries: [] }],
  }),
}

const here = [{ topic: 't', partition: 0 }]
const chunks = () => {
  const writer = new RecordWriter(1_000)
  writer.append(0, 'k', 'v')
  return writer.take()
}
const member = { memberId: 'm', generation: 1 }
const join = { memberId: 'm', sessionTimeoutMs: 1, rebalanceTimeoutMs: 1, protocol: 'p', metadata: new Uint8Array() }
const commit = async (cluster: AnsweringCluster): Promise<unknown> =>
  (await openProducer(cluster.cluster, 'tx')).commit({
    records: [{ topic: 't', partition: 0, chunks: chunks() }],
    group: 'g',
    positions: [{ topic: 't', partition: 0, position: 1 }],
  })
const fetch = (cluster: AnsweringCluster): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const input = new RecordingInput('t', 0)
    const fetcher = new KafkaFetcher(
      cluster.cluster,
      1,
      () => 0,
      () => undefined,
    )
    input.failed = reject
    const deliver = input.deliver.bind(input)
    input.deliver = (fetched) => {
      deliver(fetched)
      resolve('delivered')
      void fetcher.close()
    }
    fetcher.add(input)
    // Longer than a broker takes to start again.
    cluster.clock.after(60_000, () => {
      void fetcher.close()
      reject(new Error('it tries on'))
    })
  })
const ofGroup = (cluster: AnsweringCluster): KafkaGroup => new KafkaGroup(cluster.cluster, 'g', 1)

/** What sends the request. */
const callers: Record<JudgedApi, (cluster: AnsweringCluster) => Promise<unknown>> = {
  Produce: commit,
  InitProducerId: commit,
  AddPartitionsToTxn: commit,
  AddOffsetsToTxn: commit,
  TxnOffsetCommit: commit,
  EndTxn: commit,
  Fetch: fetch,
  Metadata: fetch,
  ListOffsets: ({ cluster }) => listOffsets(cluster, here, 'end'),
  OffsetFetch: ({ cluster }) => committedOffsets(cluster, 'g', here),
  FindCoordinator: ({ cluster }) => committedOffsets(cluster, 'g', here),
  CreateTopics: ({ cluster }) => createTopics(cluster, [{ name: 't', partitions: 1 }]),
  DescribeConfigs: ({ cluster }) => describeTopics(cluster, ['t']),
  JoinGroup: (cluster) => ofGroup(cluster).join(join),
  SyncGroup: (cluster) => ofGroup(cluster).sync(member, new Map()),
  Heartbeat: (cluster) => ofGroup(cluster).heartbeat(member),
  LeaveGroup: (cluster) => ofGroup(cluster).leave('m'),
}

const groupApis: ReadonlySet<JudgedApi> = new Set(['JoinGroup', 'SyncGroup', 'Heartbeat', 'LeaveGroup'])
const commitApis: ReadonlySet<JudgedApi> = new Set([
  'Produce',
  'AddPartitionsToTxn',
  'AddOffsetsToTxn',
  'TxnOffsetCommit',
  'EndTxn',
])
const fetchApis: ReadonlySet<JudgedApi> = new Set(['Fetch', 'Metadata'])

/** What the caller is to end with: a code of PotorooError, a kind of GroupError, or what it says of itself. */
function due(api: JudgedApi, code: number, kind: ErrorKind): string {
  const special = specials[api]?.[nameOf(code)]
  if (kind === 'special') return special ?? 'it must be said what this is'
  if (special !== undefined) return special
  if (groupApis.has(api))
    return kind === 'unexpected' ? 'unexpected' : kind === 'refused' || kind === 'denied' ? 'refused' : 'unavailable'
  if (kind === 'denied') return 'NOT_AUTHORIZED'
  if (kind === 'refused') return api === 'CreateTopics' ? 'INVALID_CONFIGURATION' : 'REQUEST_REFUSED'
  if (kind === 'unexpected') return commitApis.has(api) ? 'UNEXPECTED_ANSWER' : 'REQUEST_REFUSED'
  if (kind === 'fenced') return 'FENCED'
  if (kind === 'record') return 'RECORD_REFUSED'
  if (fetchApis.has(api)) return 'it tries on'
  return commitApis.has(api) ? 'TRANSACTION_FAILED' : 'REQUEST_FAILED'
}
/** Codes that mean something of their own to one request. */
const specials: Partial<Record<JudgedApi, Readonly<Record<string, string>>>> = {
  Produce: { MESSAGE_TOO_LARGE: 'RECORD_TOO_LARGE', RECORD_LIST_TOO_LARGE: 'RECORD_TOO_LARGE' },
  Fetch: {
    OFFSET_OUT_OF_RANGE: 'OFFSET_OUT_OF_RANGE',
    CORRUPT_MESSAGE: 'CORRUPT_BATCH',
    UNKNOWN_TOPIC_OR_PARTITION: 'TOPIC_MISSING',
    UNKNOWN_TOPIC_ID: 'TOPIC_MISSING',
    INCONSISTENT_TOPIC_ID: 'TOPIC_MISSING',
  },
  Metadata: {
    UNKNOWN_TOPIC_OR_PARTITION: 'TOPIC_MISSING',
    LEADER_NOT_AVAILABLE: 'TOPIC_MISSING',
    UNKNOWN_TOPIC_ID: 'TOPIC_MISSING',
    INCONSISTENT_TOPIC_ID: 'TOPIC_MISSING',
  },
  OffsetFetch: { UNSTABLE_OFFSET_COMMIT: 'it tries on' },
  // To whoever asks for the coordinator, it is as to OffsetFetch.
  FindCoordinator: { UNSTABLE_OFFSET_COMMIT: 'it tries on' },
  ListOffsets: { UNKNOWN_TOPIC_OR_PARTITION: 'TOPIC_MISSING' },
  CreateTopics: { TOPIC_ALREADY_EXISTS: 'it is well' },
  InitProducerId: { INVALID_TRANSACTION_TIMEOUT: 'INVALID_CONFIGURATION' },
  TxnOffsetCommit: { UNKNOWN_MEMBER_ID: 'TRANSACTION_FAILED' },
  JoinGroup: {
    REBALANCE_IN_PROGRESS: 'rebalance-in-progress',
    UNKNOWN_MEMBER_ID: 'unknown-member',
    ILLEGAL_GENERATION: 'illegal-generation',
    INCONSISTENT_GROUP_PROTOCOL: 'inconsistent-protocol',
    INVALID_SESSION_TIMEOUT: 'refused',
    MEMBER_ID_REQUIRED: 'refused',
  },
  SyncGroup: {
    REBALANCE_IN_PROGRESS: 'rebalance-in-progress',
    UNKNOWN_MEMBER_ID: 'unknown-member',
    ILLEGAL_GENERATION: 'illegal-generation',
    INCONSISTENT_GROUP_PROTOCOL: 'inconsistent-protocol',
  },
  Heartbeat: {
    REBALANCE_IN_PROGRESS: 'rebalance-in-progress',
    UNKNOWN_MEMBER_ID: 'unknown-member',
    ILLEGAL_GENERATION: 'illegal-generation',
    INCONSISTENT_GROUP_PROTOCOL: 'inconsistent-protocol',
  },
  LeaveGroup: {
    REBALANCE_IN_PROGRESS: 'rebalance-in-progress',
    UNKNOWN_MEMBER_ID: 'it is well',
    ILLEGAL_GENERATION: 'illegal-generation',
    INCONSISTENT_GROUP_PROTOCOL: 'inconsistent-protocol',
  },
}

async function outcome(api: JudgedApi, cluster: AnsweringCluster): Promise<{ what: string; text: string }> {
  const giveUp = new Promise<string>((resolve) =>
    cluster.clock.after(120_000, () => {
      resolve('it tries on')
    }),
  )
  try {
    const ended = await Promise.race([callers[api](cluster).then(() => 'it is well'), giveUp])
    return { what: ended, text: '' }
  } catch (error) {
    if (error instanceof GroupError) return { what: error.kind, text: error.message }
    if (isPotorooError(error)) return { what: error.code, text: error.message }
    return { what: String(error).replace(/^Error: /, ''), text: '' }
  }
}

const versionsOf = (api: JudgedApi): readonly (1 | 2)[] =>
  api === 'AddPartitionsToTxn' || api === 'AddOffsetsToTxn' ? [1] : commitApis.has(api) ? [1, 2] : [2]

describe.each(judgedApis)('%s', (api) => {
  test.each(versionsOf(api))('every code is taken as the table says, transactions of version %i', async (version) => {
    for (const code of allCodes) {
      const cluster = new AnsweringCluster(api, code, version)
      const { what, text } = await outcome(api, cluster)
      const isFencedLate = version === 2 && commitApis.has(api) && code === codes.INVALID_TXN_STATE
      const expected = isFencedLate ? 'FENCED' : due(api, code, kindOf(api, code))
      expect(what, `${nameOf(code)}: ${text}`).toBe(expected)
      if (
        text !== '' &&
        !/OUT_OF_RANGE|CORRUPT|MISSING|new consumer protocol|opens it at the same time|transaction timeout/.test(
          `${what} ${text}`,
        )
      )
        expect(text).toContain(nameOf(code))
      if (kindOf(api, code) === 'unexpected') expect(cluster.asked).toBeLessThanOrEqual(MAX_UNEXPECTED_ANSWERS)
    }
  })
})

test('the names and numbers are those of Kafka: none is left out below the last one', () => {
  const numbers = Object.values(codes).sort((a, b) => a - b)
  expect(numbers).toEqual([-1, ...Array.from({ length: 133 }, (_, i) => i + 1)])
})
