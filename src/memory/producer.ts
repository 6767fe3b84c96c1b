/**
 * The transactional producer of one activation: the requests that a Kafka transaction is made of, each of which can be
 * lost, delayed or answered for nothing.
 *
 * Order, with version 1 of transactions
 * 1. AddPartitionsToTxn and AddOffsetsToTxn.
 * 2. Produce, per partition a chunk after the one before was acknowledged; TxnOffsetCommit meanwhile.
 * 3. EndTxn.
 * and with version 2, where brokers add to the transaction what they take of it (src/kafka/transactions.ts says why so)
 * 1. TxnOffsetCommit.
 * 2. Produce, to one leader after another.
 * 3. EndTxn, whose answer has the epoch of the next transaction. In it sequences begin at 0.
 * Only what the broker surely has not done is sent again; everything else ends this activation.
 */
import { PotorooError, isPotorooError, messageOf } from '../errors.js'
import { Landing } from '../core/commit/landing.js'
import { PLAIN_NOTE } from '../core/commit/offset-note.js'
import { isBrokerError, type BrokerErrorCode } from './broker-error.js'
import { partitionKey } from './network.js'
import { retrying, sleep } from './waiting.js'
import type { Api } from './faults.js'
import type { Brokers } from './brokers.js'
import type { LeaderCache } from './leader-cache.js'
import type { Connections } from './network.js'
import type { ProducerIdentity } from './transactions.js'
import type { Clock } from '../ports/clock.js'
import { RecordsRefused, type TopicPartition, type Transaction, type TransactionalProducer } from '../ports/log.js'

export interface MemoryProducerOptions {
  readonly cluster: Brokers
  readonly connections: Connections
  readonly leaders: LeaderCache
  readonly clock: Clock
  readonly transactionalId: string
  readonly identity: ProducerIdentity
  readonly transactionTimeoutMs: number
  readonly requestTimeoutMs: number
}

/** What one commit has to do. */
interface Work extends Transaction {
  /** Behind the last record of each. */
  readonly ends: Map<Transaction['records'][number], number>
}
const ABORT_MS = 1_000

export class MemoryProducer implements TransactionalProducer {
  #committing = false
  #endingMs = 0
  #isOpen = false
  #lostAnswer = false
  #isAborting = false
  #commits: Promise<unknown> = Promise.resolve()
  #failure: PotorooError | undefined
  #identity: ProducerIdentity
  /** Of the next record, by partition; each begins at 0. */
  readonly #sequences = new Map<string, number>()

  constructor(private readonly options: MemoryProducerOptions) {
    this.#identity = options.identity
  }

  get isFirst(): boolean {
    return this.options.identity.epoch === 0
  }

  get endingMs(): number {
    return this.#endingMs
  }

  commit(transaction: Transaction): Promise<readonly number[]> {
    const committing = this.#commit(transaction)
    this.#commits = committing.catch(() => undefined)
    return committing
  }

  async #commit(transaction: Transaction): Promise<readonly number[]> {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#committing) throw new PotorooError('INTERNAL', 'commits of one transactional id overlap')
    const { group, positions } = transaction
    const records = transaction.records.filter(({ chunks }) => chunks.length > 0)
    if (records.length === 0 && positions.length === 0) return transaction.records.map(() => 0)
    this.#committing = this.#isOpen = true
    try {
      const work: Work = { records, group, positions, ends: new Map() }
      await (this.options.cluster.transactionVersion === 1 ? this.#inThreeRounds(work) : this.#oneByOne(work))
      this.#isOpen = false
      return transaction.records.map((to) => work.ends.get(to) ?? 0)
    } catch (error) {
      if (isBrokerError(error, 'CONNECTION_LOST')) this.#lostAnswer = true
      this.#failure ??= this.#failed(error)
      throw this.#failure
    } finally {
      this.#committing = false
    }
  }

  async close(): Promise<void> {
    this.#failure ??= new PotorooError('TRANSACTION_FAILED', `${this.options.transactionalId} was let go`)
    const { clock } = this.options
    const hasEnded = await Promise.race([this.#commits.then(() => true), sleep(clock, ABORT_MS).then(() => false)])
    // A Produce under way still would begin a transaction that nobody ends: brokers before 3.6 do not refuse it.
    if (!hasEnded || !this.#isOpen || this.#lostAnswer || this.#isAborting) return
    this.#isAborting = true
    const { cluster, connections, transactionalId, requestTimeoutMs } = this.options
    const identity = this.#identity
    const broker = cluster.coordinator
    const target = { broker, api: 'endTxn', subject: transactionalId, timeoutMs: requestTimeoutMs } as const
    const aborting = cluster.network.call(connections, target, () =>
      cluster.coordinate(broker, () => {
        cluster.transactions.end(identity, 'abort')
      }),
    )
    await Promise.race([aborting.catch(() => undefined), sleep(clock, ABORT_MS)])
  }

  async #inThreeRounds({ records, group, positions, ends }: Work): Promise<void> {
    const { cluster } = this.options
    await this.#together([
      records.length > 0 && this.#addPartitions(records),
      positions.length > 0 && this.#addOffsets(group),
    ])
    await this.#together([
      ...records.map(async (to) => ends.set(to, await this.#produce(to))),
      positions.length > 0 && this.#commitOffsets(group, positions),
    ])
    await this.#timed(
      this.#control('endTxn', (identity) => {
        cluster.transactions.end(identity, 'commit')
      }),
    )
  }

  async #oneByOne({ records, group, positions, ends }: Work): Promise<void> {
    const { cluster } = this.options
    if (positions.length > 0) await this.#together([this.#commitOffsets(group, positions)])
    const { leaders } = this.options
    const byLeader = new Map<number, Transaction['records'][number][]>()
    for (const to of records) {
      const { leader } = leaders.of(to)
      const mine = byLeader.get(leader)
      if (mine === undefined) byLeader.set(leader, [to])
      else mine.push(to)
    }
    for (const mine of byLeader.values())
      await this.#together(mine.map(async (to) => ends.set(to, await this.#produce(to))))
    this.#identity = await this.#timed(
      this.#control('endTxn', (identity) => cluster.transactions.endAndContinue(identity, 'commit')),
    )
    this.#sequences.clear()
  }

  async #timed<T>(end: Promise<T>): Promise<T> {
    const beganMs = this.options.clock.monotonic()
    const answer = await end
    this.#endingMs = this.options.clock.monotonic() - beganMs
    return answer
  }

  #commitOffsets(group: string, positions: Transaction['positions']): Promise<void> {
    return this.#control('txnOffsetCommit', (identity) => {
      this.options.cluster.commitOffsets(
        identity,
        group,
        positions.map((one) => ({ ...one, note: one.note ?? PLAIN_NOTE })),
      )
    })
  }

  /** As Promise.all, but after a failure the others send nothing more, and are waited for. */
  async #together(parts: readonly unknown[]): Promise<void> {
    const ended = await Promise.allSettled(
      parts.map(async (part) => {
        try {
          await part
        } catch (error) {
          if (isBrokerError(error, 'CONNECTION_LOST')) this.#lostAnswer = true
          this.#failure ??= this.#failed(error)
          throw error
        }
      }),
    )
    for (const end of ended) if (end.status === 'rejected') throw end.reason
  }

  async #addPartitions(records: readonly TopicPartition[]): Promise<void> {
    const { cluster } = this.options
    await this.#control('addPartitionsToTxn', (identity) => {
      cluster.transactions.add(
        identity,
        records.map((to) => cluster.partition(to)),
      )
    })
  }

  async #addOffsets(group: string): Promise<void> {
    const { cluster } = this.options
    await this.#control('addOffsetsToTxn', (identity) => {
      cluster.transactions.add(identity, [cluster.offsets(group)])
    })
  }

  /** Resolves with the position after the last chunk. */
  async #produce(to: Transaction['records'][number]): Promise<number> {
    const { cluster, connections, leaders, requestTimeoutMs } = this.options
    const identity = this.#identity
    const subject = partitionKey(to)
    const landing = new Landing(to, to.end)
    let position = -1
    for (const chunk of to.chunks) {
      if (this.#failure !== undefined) throw this.#failure
      const broker = leaders.of(to).leader
      const target = { broker, api: 'produce', subject, timeoutMs: requestTimeoutMs } as const
      const sequence = this.#sequences.get(subject) ?? 0
      const offset = await retrying(this.#retries(['NOT_ENOUGH_REPLICAS', 'CONCURRENT_TRANSACTIONS']), () => {
        if (this.#failure !== undefined) throw this.#failure
        return cluster.network.send<number>(connections, target, (reply) => {
          cluster.produceAt(broker, identity, to, chunk, sequence, reply)
        })
      }).catch((error: unknown) => {
        leaders.noteFailure(to, error)
        throw refusalOf(to, error)
      })
      this.#sequences.set(subject, sequence + chunk.count)
      position = landing.landed(offset, chunk.count)
    }
    return position
  }

  async #control<T>(api: Api, work: (identity: ProducerIdentity) => T): Promise<T> {
    const { cluster, connections, transactionalId, requestTimeoutMs } = this.options
    const identity = this.#identity
    const to = { api, subject: transactionalId, timeoutMs: requestTimeoutMs }
    return retrying(
      this.#retries(['CONCURRENT_TRANSACTIONS', 'COORDINATOR_LOAD_IN_PROGRESS', 'NOT_COORDINATOR']),
      () => {
        if (this.#failure !== undefined) throw this.#failure
        const broker = cluster.coordinator
        return cluster.network.call(connections, { ...to, broker }, () =>
          cluster.coordinate(broker, () => work(identity)),
        )
      },
    )
  }

  #retries(on: readonly BrokerErrorCode[]) {
    const { clock, transactionTimeoutMs } = this.options
    return { clock, on, fromMs: 2, toMs: 50, forMs: transactionTimeoutMs * 0.8 }
  }

  #failed(error: unknown): PotorooError {
    if (isPotorooError(error)) return error
    const what = `${this.options.transactionalId}: ${messageOf(error)}`
    // With version 2, also the answer to the end of a transaction that another activation, or the timeout, has just aborted.
    const version2 = this.options.cluster.transactionVersion === 2 ? (['INVALID_TXN_STATE'] as const) : []
    if (isBrokerError(error, 'INVALID_PRODUCER_EPOCH', 'INVALID_PRODUCER_ID_MAPPING', ...version2)) {
      return new PotorooError('FENCED', what, { cause: error })
    }
    return new PotorooError('TRANSACTION_FAILED', what, { cause: error })
  }
}

/** What the broker does not take of the records; another error stays what it is. */
function refusalOf(to: TopicPartition, error: unknown): unknown {
  const what = isBrokerError(error) ? refusals[error.code] : undefined
  if (what === undefined) return error
  const { topic, partition } = to
  const message = `topic ${topic}, partition ${String(partition)}: ${messageOf(error)}`
  const cause = new RecordsRefused(topic, partition, what, messageOf(error), { cause: error })
  return new PotorooError(what === 'size' ? 'RECORD_TOO_LARGE' : 'RECORD_REFUSED', message, { cause })
}

const refusals: Partial<Record<BrokerErrorCode, RecordsRefused['what']>> = {
  MESSAGE_TOO_LARGE: 'size',
  INVALID_TIMESTAMP: 'timestamp',
  INVALID_RECORD: 'content',
}
