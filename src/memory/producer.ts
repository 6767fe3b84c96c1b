/**
 * The transactional producer of one activation: the requests that a Kafka transaction is made of, each of which can be
 * lost, delayed or answered in vain.
 *
 * Order
 * 1. AddPartitionsToTxn and AddOffsetsToTxn.
 * 2. Produce, per partition a chunk after the one before was acknowledged; TxnOffsetCommit meanwhile.
 * 3. EndTxn.
 * Only what the broker surely has not done is sent again; everything else ends this activation.
 */
import { PotorooError, isPotorooError, messageOf } from '../errors.js'
import { isBrokerError } from './broker-error.js'
import { partitionKey } from './network.js'
import { retrying } from './waiting.js'
import type { Api } from './faults.js'
import type { Brokers } from './brokers.js'
import type { Connections } from './network.js'
import type { ProducerIdentity } from './transactions.js'
import type { Clock } from '../ports/clock.js'
import type { TopicPartition, Transaction, TransactionalProducer } from '../ports/log.js'

export interface MemoryProducerOptions {
  readonly cluster: Brokers
  readonly connections: Connections
  readonly clock: Clock
  readonly transactionalId: string
  readonly identity: ProducerIdentity
  readonly transactionTimeoutMs: number
  readonly requestTimeoutMs: number
}

export class MemoryProducer implements TransactionalProducer {
  #committing = false
  #endingMs = 0
  #failure: PotorooError | undefined

  constructor(private readonly options: MemoryProducerOptions) {}

  get isFirst(): boolean {
    return this.options.identity.epoch === 0
  }

  get endingMs(): number {
    return this.#endingMs
  }

  async commit(transaction: Transaction): Promise<readonly number[]> {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#committing) throw new PotorooError('INTERNAL', 'commits of one transactional id overlap')
    const { group, positions } = transaction
    const records = transaction.records.filter(({ chunks }) => chunks.length > 0)
    if (records.length === 0 && positions.length === 0) return transaction.records.map(() => 0)
    this.#committing = true
    try {
      const { cluster, identity } = this.options
      const ends = new Map<Transaction['records'][number], number>()
      await this.#together([
        records.length > 0 && this.#addPartitions(records),
        positions.length > 0 && this.#addOffsets(group),
      ])
      await this.#together([
        ...records.map(async (to) => ends.set(to, await this.#produce(to))),
        positions.length > 0 &&
          this.#control('txnOffsetCommit', () => {
            cluster.commitOffsets(identity, group, positions)
          }),
      ])
      const beganMs = this.options.clock.monotonic()
      await this.#control('endTxn', () => {
        cluster.transactions.end(identity, 'commit')
      })
      this.#endingMs = this.options.clock.monotonic() - beganMs
      return transaction.records.map((to) => ends.get(to) ?? 0)
    } catch (error) {
      this.#failure ??= this.#failed(error)
      throw this.#failure
    } finally {
      this.#committing = false
    }
  }

  close(): void {
    this.#failure ??= new PotorooError('TRANSACTION_FAILED', `${this.options.transactionalId} was let go`)
  }

  /** As Promise.all, but after a failure the others send nothing more, and are waited for. */
  async #together(parts: readonly unknown[]): Promise<void> {
    const ended = await Promise.allSettled(
      parts.map(async (part) => {
        try {
          await part
        } catch (error) {
          this.#failure ??= this.#failed(error)
          throw error
        }
      }),
    )
    for (const end of ended) if (end.status === 'rejected') throw end.reason
  }

  async #addPartitions(records: readonly TopicPartition[]): Promise<void> {
    const { cluster, identity } = this.options
    await this.#control('addPartitionsToTxn', () => {
      cluster.transactions.add(
        identity,
        records.map((to) => cluster.partition(to)),
      )
    })
  }

  async #addOffsets(group: string): Promise<void> {
    const { cluster, identity } = this.options
    await this.#control('addOffsetsToTxn', () => {
      cluster.transactions.add(identity, [cluster.offsets(group)])
    })
  }

  /** Resolves with the position behind the last chunk. */
  async #produce(to: Transaction['records'][number]): Promise<number> {
    const { cluster, connections, identity, requestTimeoutMs } = this.options
    const subject = partitionKey(to)
    let position = -1
    for (const chunk of to.chunks) {
      if (this.#failure !== undefined) throw this.#failure
      const target = { broker: cluster.leaderOf(to), api: 'produce', subject, timeoutMs: requestTimeoutMs } as const
      const offset = await retrying(this.#retries(['NOT_ENOUGH_REPLICAS']), () =>
        cluster.network.call(connections, target, () => cluster.produce(identity, to, chunk)),
      )
      position = offset + chunk.count
    }
    return position
  }

  async #control(api: Api, work: () => void): Promise<void> {
    const { cluster, connections, transactionalId, requestTimeoutMs } = this.options
    const target = { broker: cluster.coordinator, api, subject: transactionalId, timeoutMs: requestTimeoutMs }
    await retrying(this.#retries(['CONCURRENT_TRANSACTIONS', 'COORDINATOR_LOAD_IN_PROGRESS']), () => {
      if (this.#failure !== undefined) throw this.#failure
      return cluster.network.call(connections, target, work)
    })
  }

  #retries(on: readonly ('CONCURRENT_TRANSACTIONS' | 'COORDINATOR_LOAD_IN_PROGRESS' | 'NOT_ENOUGH_REPLICAS')[]) {
    const { clock, transactionTimeoutMs } = this.options
    return { clock, on, fromMs: 2, toMs: 50, forMs: transactionTimeoutMs * 0.8 }
  }

  #failed(error: unknown): PotorooError {
    if (isPotorooError(error)) return error
    const what = `${this.options.transactionalId}: ${messageOf(error)}`
    if (isBrokerError(error, 'INVALID_PRODUCER_EPOCH', 'INVALID_PRODUCER_ID_MAPPING')) {
      return new PotorooError('FENCED', what, { cause: error })
    }
    if (isBrokerError(error, 'MESSAGE_TOO_LARGE')) return new PotorooError('RECORD_TOO_LARGE', what, { cause: error })
    return new PotorooError('TRANSACTION_FAILED', what, { cause: error })
  }
}
