/**
 * Transactions: one activation of a transactional id, and the one commit that may be under way in it.
 *
 * A commit takes three rounds:
 * 1. AddPartitionsToTxn and AddOffsetsToTxn, to the transaction coordinator, together.
 * 2. Produce to each leader, and TxnOffsetCommit to the group coordinator, together.
 * 3. EndTxn.
 *
 * Invariants:
 * 1. Chunks of one partition are sent one after the other was acknowledged, so that they land in order whatever happens.
 * 2. A Produce is sent again, with the same sequence, only when the broker said that it appended nothing
 *    (NOT_ENOUGH_REPLICAS; Kafka 4 answers so while it verifies the transaction). After any other failure, a lost answer
 *    among them, nothing more is sent and the transaction never ends with a commit: the next activation aborts it.
 * 3. The requests of 1., TxnOffsetCommit and EndTxn say the same when said twice, and are repeated until the deadline,
 *    which is before the transaction timeout.
 * 4. After a failed commit the producer takes no other.
 */
import { messageOf, PotorooError } from '../errors.js'
import type { PartitionPosition, Transaction, TransactionalProducer } from '../ports/log.js'
import { leadersOf } from './admin.js'
import type { Cluster, CoordinatorKind } from './cluster.js'
import { BrokerError, codes, errorName, isAuthorizationCode, isPassing, LinkError, toPotorooError } from './errors.js'
import { PartitionWriter, ProduceRound } from './produce-round.js'
import * as requests from './requests.js'
import { byTopic, type ProducerIdentity } from './requests.js'
import { retrying } from './retrying.js'

/**
 * Brokers work off one connection's requests one after another: with all tasks on one, a commit would wait for those of
 * the others, and longer the farther away the brokers' replicas are. Requests of one transactional id stay on one.
 */
const CONNECTIONS = 4
/** InitProducerId is not to queue behind the commits of tasks that are active already. */
const OPENING = 'activations'
/** Control requests that meet the end of the last transaction are a matter of a few ms. */
const FIRST_PAUSE_MS = 2
const MAX_PAUSE_MS = 50
/** The part of the transaction timeout after which a commit gives up. */
const DEADLINE_SHARE = 0.8

const fencing: ReadonlySet<number> = new Set([
  codes.INVALID_PRODUCER_EPOCH,
  codes.PRODUCER_FENCED,
  codes.INVALID_PRODUCER_ID_MAPPING,
])

/** InitProducerId: resolves when every earlier activation is fenced and its transaction ended. */
export async function openProducer(
  cluster: Cluster,
  transactionalId: string,
  signal?: AbortSignal,
): Promise<TransactionalProducer> {
  const request = requests.initProducerId(transactionalId, cluster.settings.transactionTimeoutMs)
  const what = `opening transactional id ${transactionalId}`
  try {
    const { producerId, producerEpoch } = await retrying(
      cluster,
      {
        deadline: () => Infinity,
        firstPauseMs: FIRST_PAUSE_MS,
        maxPauseMs: 10 * MAX_PAUSE_MS,
        signal,
        onFailure: (error) => {
          cluster.noteCoordinatorFailure('transaction', transactionalId, error)
        },
      },
      async () => {
        const node = await cluster.coordinator('transaction', transactionalId)
        const answer = await cluster.call(OPENING, node, request)
        if (answer.errorCode !== 0) throw new BrokerError(answer.errorCode, what)
        return answer
      },
    )
    return new KafkaProducer(cluster, { transactionalId, producerId, producerEpoch })
  } catch (error) {
    if (signal?.aborted) throw new PotorooError('REQUEST_FAILED', `${what}: given up`, { cause: error })
    if (error instanceof BrokerError && fencing.has(error.errorCode))
      throw new PotorooError('FENCED', `${what}: another worker opens it at the same time`, { cause: error })
    if (error instanceof BrokerError && error.errorCode === codes.INVALID_TRANSACTION_TIMEOUT) {
      const timeout = `the transaction timeout of ${String(cluster.settings.transactionTimeoutMs)} ms`
      const message = `${what}: ${timeout} is more than the brokers' transaction.max.timeout.ms`
      throw new PotorooError('INVALID_CONFIGURATION', message, { cause: error })
    }
    throw toPotorooError(error, what)
  }
}

class KafkaProducer implements TransactionalProducer {
  readonly #lanes: { readonly control: string; readonly produce: string }
  readonly #writers = new Map<string, PartitionWriter>()
  #state: 'idle' | 'committing' | 'failed' | 'closed' = 'idle'

  constructor(
    private readonly cluster: Cluster,
    private readonly identity: ProducerIdentity,
  ) {
    const connection = String(connectionOf(identity.transactionalId))
    this.#lanes = { control: `transactions-${connection}`, produce: `produce-${connection}` }
  }

  async commit(transaction: Transaction): Promise<readonly number[]> {
    if (this.#state !== 'idle') {
      const message = `${this.#name} can't commit: it is ${this.#state}`
      throw new PotorooError(this.#state === 'committing' ? 'INTERNAL' : 'TRANSACTION_FAILED', message)
    }
    const { records, positions, group } = transaction
    const written = records.filter(({ chunks }) => chunks.length > 0)
    if (written.length === 0 && positions.length === 0) return records.map(() => 0)
    this.#state = 'committing'
    const deadline = this.cluster.now() + this.cluster.settings.transactionTimeoutMs * DEADLINE_SHARE
    try {
      await this.#together([
        written.length > 0 ? this.#addPartitions(written, deadline) : undefined,
        positions.length > 0 ? this.#addOffsets(group, deadline) : undefined,
      ])
      const [ends] = await this.#together([
        this.#produce(written, deadline),
        positions.length > 0 ? this.#commitOffsets(group, positions, deadline) : undefined,
      ])
      await this.#together([this.#end(deadline)])
      if (this.#isCommitting()) this.#state = 'idle'
      return records.map((entry) => ends.get(entry) ?? 0)
    } catch (error) {
      throw this.#failure(error, transaction)
    }
  }

  close(): void {
    this.#state = 'closed'
  }

  #isCommitting(): boolean {
    return this.#state === 'committing'
  }

  get #name(): string {
    return `transactional id ${this.identity.transactionalId}`
  }

  // round 1

  async #addPartitions(written: Transaction['records'], deadline: number): Promise<void> {
    const topics = byTopic(written, ({ partition }) => partition)
    const request = requests.addPartitionsToTxn(this.identity, topics)
    await this.#control('transaction', this.identity.transactionalId, deadline, async (node) => {
      const { errors } = await this.cluster.call(this.#lanes.control, node, request)
      const failed = errors
        .flatMap(({ topic, partitionErrors }) => partitionErrors.map((one) => ({ topic, ...one })))
        .filter(({ errorCode }) => errorCode !== 0)
      // OPERATION_NOT_ATTEMPTED marks those that are well; the reason is with the others.
      const cause = failed.find(({ errorCode }) => errorCode !== OPERATION_NOT_ATTEMPTED) ?? failed[0]
      if (cause) throw new BrokerError(cause.errorCode, `adding ${cause.topic}-${String(cause.partition)}`)
    })
  }

  async #addOffsets(group: string, deadline: number): Promise<void> {
    const request = requests.addOffsetsToTxn(this.identity, group)
    await this.#control('transaction', this.identity.transactionalId, deadline, async (node) => {
      const { errorCode } = await this.cluster.call(this.#lanes.control, node, request)
      if (errorCode !== 0) throw new BrokerError(errorCode, `adding the offsets of group ${group}`)
    })
  }

  // round 2

  async #commitOffsets(group: string, positions: readonly PartitionPosition[], deadline: number): Promise<void> {
    const topics = byTopic(positions, ({ partition, position }) => ({ partition, offset: position, metadata: '' }))
    const request = requests.txnOffsetCommit(this.identity, group, topics)
    await this.#control('group', group, deadline, async (node) => {
      const { topics: answers } = await this.cluster.call(this.#lanes.control, node, request)
      for (const { topic, partitions } of answers) {
        for (const { partition, errorCode } of partitions) {
          if (errorCode === codes.UNKNOWN_MEMBER_ID) throw new PotorooError('TRANSACTION_FAILED', newProtocol(group))
          if (errorCode !== 0) throw new BrokerError(errorCode, `position of ${topic}-${String(partition)}`)
        }
      }
    })
  }

  async #produce(
    written: Transaction['records'],
    deadline: number,
  ): Promise<ReadonlyMap<Transaction['records'][number], number>> {
    const writers = new Map(written.map((entry) => [entry, this.#writer(entry)]))
    if (writers.size === 0) return new Map()
    const leaders = await retrying(this.cluster, this.#patience(deadline), () => leadersOf(this.cluster, written))
    const round = new ProduceRound(this.cluster, this.#lanes.produce, this.identity, deadline, () =>
      this.#isCommitting(),
    )
    const byLeader = new Map<number, PartitionWriter[]>()
    for (const [i, writer] of [...writers.values()].entries()) {
      const leader = leaders[i] ?? -1
      const mine = byLeader.get(leader)
      if (mine) mine.push(writer)
      else byLeader.set(leader, [writer])
    }
    await this.#together([...byLeader].map(([leader, mine]) => round.send(leader, mine)))
    return new Map([...writers].map(([entry, writer]) => [entry, writer.end]))
  }

  #writer(entry: Transaction['records'][number]): PartitionWriter {
    const name = `${entry.topic}-${String(entry.partition)}`
    let writer = this.#writers.get(name)
    if (!writer) {
      writer = new PartitionWriter(entry.topic, entry.partition)
      this.#writers.set(name, writer)
    }
    writer.queue(entry.chunks)
    return writer
  }

  // round 3

  async #end(deadline: number): Promise<void> {
    const request = requests.endTxn(this.identity, true)
    await this.#control('transaction', this.identity.transactionalId, deadline, async (node) => {
      const { errorCode } = await this.cluster.call(this.#lanes.control, node, request)
      if (errorCode !== 0) throw new BrokerError(errorCode, 'ending the transaction')
    })
  }

  // --

  async #control(
    kind: CoordinatorKind,
    of: string,
    deadline: number,
    attempt: (node: number) => Promise<void>,
  ): Promise<void> {
    let refused = 0
    const options = {
      ...this.#patience(deadline),
      onFailure: (error: unknown) => {
        // Kafka 4 answers so, too, while it verifies the transaction for a Produce at the same time: then nobody has moved.
        const unavailable = error instanceof BrokerError && error.errorCode === codes.COORDINATOR_NOT_AVAILABLE
        if (unavailable && ++refused === 1) return
        this.cluster.noteCoordinatorFailure(kind, of, error)
      },
    }
    await retrying(this.cluster, options, async () => {
      if (!this.#isCommitting()) throw new PotorooError('TRANSACTION_FAILED', `${this.#name} gave the commit up`)
      const node = await this.cluster.coordinator(kind, of)
      try {
        await attempt(node)
      } catch (error) {
        if (!(error instanceof LinkError)) throw error
        // Not sent again: what is on the dead connection may still arrive, and would then count for the next transaction
        // of this epoch. An EndTxn that late would commit half of it. The next activation's epoch keeps it out.
        this.cluster.noteCoordinatorFailure(kind, of, error)
        throw new PotorooError('TRANSACTION_FAILED', `${this.#name}: ${error.message}`, { cause: error })
      }
    })
  }

  /** As Promise.all, but nothing goes on behind the back of a failed commit: the others stop, and are waited for. */
  async #together<T extends readonly unknown[] | []>(parts: T): Promise<{ -readonly [P in keyof T]: Awaited<T[P]> }> {
    const stopping = parts.map(async (part) => {
      try {
        return await part
      } catch (error) {
        if (this.#isCommitting()) this.#state = 'failed'
        throw error
      }
    })
    await Promise.allSettled(stopping)
    return (await Promise.all(stopping)) as { -readonly [P in keyof T]: Awaited<T[P]> }
  }

  #patience(deadline: number) {
    return { deadline: () => deadline, firstPauseMs: FIRST_PAUSE_MS, maxPauseMs: MAX_PAUSE_MS, again: isPassing }
  }

  #failure(error: unknown, { records }: Transaction): PotorooError {
    if (error instanceof PotorooError) {
      if (error.cause instanceof LinkError) for (const { topic } of records) this.cluster.forgetTopic(topic)
      return error
    }
    const what = `commit of ${this.#name}`
    if (error instanceof BrokerError) {
      if (fencing.has(error.errorCode))
        return new PotorooError('FENCED', `${what}: ${errorName(error.errorCode)}`, { cause: error })
      if (isAuthorizationCode(error.errorCode))
        return new PotorooError('NOT_AUTHORIZED', `${what}: ${error.message}`, { cause: error })
    }
    // Whatever else it was, the leaders may have changed.
    if (error instanceof LinkError || isPassing(error)) for (const { topic } of records) this.cluster.forgetTopic(topic)
    return new PotorooError('TRANSACTION_FAILED', `${what}: ${messageOf(error)}`, { cause: error })
  }
}

const OPERATION_NOT_ATTEMPTED = 55

/** Neighbouring partitions of a topic have different ones. */
const connectionOf = (transactionalId: string): number =>
  [...Buffer.from(transactionalId)].reduce((sum, byte) => sum + byte, 0) % CONNECTIONS

export const newProtocol = (group: string): string =>
  `group ${group} is run by the new consumer protocol (KIP-848, group.protocol=consumer), which gives out partitions by ` +
  'itself: use another application name, or stop its members and delete the group'
