/**
 * Transactions: one activation of a transactional id, and the one commit that may be under way in it.
 *
 * Where the brokers take version 2 of transactions (KIP-890; see `transaction-version.ts`), a commit is three requests, one
 * after the other:
 * 1. TxnOffsetCommit, where the group is to have positions: its coordinator adds it to the transaction.
 * 2. Produce, to one leader after another, which add the partitions.
 * 3. EndTxn. The answer has the epoch of the next transaction, in which every partition's sequence begins at 0.
 *
 * Sent together, they would get into each other's way: the transaction coordinator adds one thing at a time and refuses what
 * comes meanwhile, and a leader that is refused waits for 20 ms before it asks again. The first request may come while the
 * transaction before is still being ended, and be refused for that: it is TxnOffsetCommit, which is answered at once then,
 * and costs less to send again. (Who leaves positions out does so when some time has gone by: core/commit/group-offsets.ts.)
 *
 * With version 1 there are five, in three rounds, and the epoch is the activation's:
 * 1. AddPartitionsToTxn and AddOffsetsToTxn, to the transaction coordinator, together.
 * 2. Produce to each leader, and TxnOffsetCommit to the group coordinator, together.
 * 3. EndTxn.
 *
 * Invariants:
 * 1. Chunks of one partition are sent one after the other was acknowledged, so that they land in order whatever happens.
 * 2. A Produce is sent again, with the same epoch and sequence, only when the broker said that it appended nothing:
 *    NOT_ENOUGH_REPLICAS, as Kafka 4 also answers when it could not ask the transaction coordinator, and
 *    CONCURRENT_TRANSACTIONS, while the transaction before is still being ended (version 2 only). After any other failure,
 *    a lost answer among them, nothing more is sent and the transaction never ends with a commit: the next activation
 *    aborts it.
 * 3. AddPartitionsToTxn, AddOffsetsToTxn, TxnOffsetCommit and EndTxn say the same when said twice. They are repeated while
 *    the coordinator answers that it can't yet, until the deadline, which is before the transaction timeout; not after a
 *    lost answer. (An EndTxn of version 2 that was carried out already is known by its epoch, and answered as the first.)
 * 4. After a failed commit the producer takes no other.
 * 5. All requests of a transaction are of one version, which is settled before the first is sent. An activation goes from 2
 *    to 1 where a broker concerned does not take 2, and never back: in an epoch in which version 1 was used, a leader could
 *    take records for those of the transaction before, whose marker it does not have yet.
 * 6. Where a partition's end is known, records that land elsewhere fail the transaction before its end (core/commit/landing.ts).
 * 7. Who is closed with an open transaction aborts it, so that readers need not wait for its timeout: after the last of its
 *    requests was answered. With version 1, in which the epoch stays the same, not after a lost answer: a Produce that
 *    arrives after the marker would begin a transaction that nobody ends.
 * 8. Sequences begin again only with an epoch, or a producer id, that the coordinator has just given out.
 */
import { messageOf, PotorooError } from '../errors.js'
import { PLAIN_NOTE } from '../core/commit/offset-note.js'
import type { PartitionPosition, Transaction, TransactionalProducer } from '../ports/log.js'
import { leadersOf } from './admin.js'
import type { Cluster, CoordinatorKind } from './cluster.js'
import { endTxn2, nextIdentity } from './end-txn-request.js'
import { isFencing } from './error-table.js'
import { BrokerError, codes, errorName, isPassing, LinkError, toPotorooError } from './errors.js'
import { inTime } from './in-time.js'
import { PartitionWriter, ProduceRound } from './produce-round.js'
import * as requests from './requests.js'
import { byTopic, grouped, type ProducerIdentity } from './requests.js'
import type { Request } from './prepared.js'
import { retrying, type RetryOptions } from './retrying.js'
import type { TransactionVersion } from './transaction-version.js'
import { txnOffsetCommit2 } from './txn-offset-commit-request.js'

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
/** How long who is closed tries to abort its transaction. */
const ABORT_MS = 1_000
/** For how long InitProducerId is tried without a word in the log, and altogether. */
const OPENING_SAID_MS = 1_000
const OPENING_MS = 30_000
/** The part of the transaction timeout after which a commit gives up. */
const DEADLINE_SHARE = 0.8

/** InitProducerId: resolves when every earlier activation is fenced and its transaction ended. */
export async function openProducer(
  cluster: Cluster,
  transactionalId: string,
  signal?: AbortSignal,
): Promise<TransactionalProducer> {
  const request = requests.initProducerId(transactionalId, cluster.settings.transactionTimeoutMs)
  const what = `opening transactional id ${transactionalId}`
  const beganMs = cluster.now()
  let isSaid = false
  const say = (error: unknown): void => {
    cluster.noteCoordinatorFailure('transaction', transactionalId, error)
    const waitedMs = Math.round(cluster.now() - beganMs)
    if (isSaid || signal?.aborted || waitedMs < OPENING_SAID_MS) return
    isSaid = true
    cluster.settings.logger.warn({ transactionalId, waitedMs, reason: messageOf(error) }, whyWaiting(error))
  }
  try {
    const { producerId, producerEpoch } = await retrying(
      cluster,
      {
        // Whoever waits starts over then, and says so in turn.
        deadline: () => beganMs + OPENING_MS,
        firstPauseMs: FIRST_PAUSE_MS,
        maxPauseMs: 10 * MAX_PAUSE_MS,
        signal,
        onFailure: say,
      },
      async () => {
        const node = await cluster.coordinator('transaction', transactionalId)
        const answer = await cluster.call(OPENING, node, request)
        if (answer.errorCode !== 0) throw new BrokerError(answer.errorCode, 'InitProducerId', 'InitProducerId')
        return answer
      },
    )
    return new KafkaProducer(cluster, { transactionalId, producerId, producerEpoch })
  } catch (error) {
    if (signal?.aborted) throw new PotorooError('REQUEST_FAILED', `${what}: giving up`, { cause: error })
    if (error instanceof BrokerError && error.kind === 'fenced')
      throw new PotorooError('FENCED', `${what}: another worker opens it at the same time`, { cause: error })
    if (error instanceof BrokerError && error.errorCode === codes.INVALID_TRANSACTION_TIMEOUT) {
      const timeout = `the transaction timeout of ${String(cluster.settings.transactionTimeoutMs)} ms`
      const message = `${what}: ${timeout} is more than the brokers' transaction.max.timeout.ms`
      throw new PotorooError('INVALID_CONFIGURATION', message, { cause: error })
    }
    throw toPotorooError(error, what)
  }
}

const whyWaiting = (error: unknown): string =>
  error instanceof BrokerError && error.errorCode === codes.CONCURRENT_TRANSACTIONS
    ? 'waiting for the last transaction of this id to end, which takes as long as a partition that it wrote to has no ' +
      'leader (kafka-topics --describe --unavailable-partitions)'
    : 'waiting for the transaction coordinator'

/** What one commit has to do. */
interface Work {
  readonly written: Transaction['records']
  readonly group: string
  readonly positions: readonly PartitionPosition[]
  readonly deadline: number
}
type Produce = () => Promise<void>

class KafkaProducer implements TransactionalProducer {
  readonly #lanes: { readonly control: string; readonly produce: string }
  readonly #writers = new Map<string, PartitionWriter>()
  #state: 'idle' | 'committing' | 'failed' | 'closed' = 'idle'
  #identity: ProducerIdentity
  #endingMs = 0
  /** What brokers have room for beside the group's offsets, as far as is known. */
  #keptOfNotes: 'all' | 'plain' | 'nothing' = 'all'
  /** Until it is found that a broker does not take it. */
  #version: TransactionVersion = 2
  /** Whether something of the transaction was sent, and its end was not answered. */
  #isOpen = false
  /** A request of it may be under way still. */
  #lostAnswer = false
  /** The commit under way, or the last one. Never rejects. */
  #commits: Promise<unknown> = Promise.resolve()
  #closing: Promise<void> | undefined

  readonly isFirst: boolean

  constructor(
    private readonly cluster: Cluster,
    identity: ProducerIdentity,
  ) {
    this.#identity = identity
    this.isFirst = identity.producerEpoch === 0
    const connection = String(connectionOf(identity.transactionalId))
    this.#lanes = { control: `transactions-${connection}`, produce: `produce-${connection}` }
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
    if (this.#state !== 'idle') {
      const message = `${this.#name} can't commit: it is ${this.#state}`
      throw new PotorooError(this.#state === 'committing' ? 'INTERNAL' : 'TRANSACTION_FAILED', message)
    }
    const { records, positions, group } = transaction
    const written = records.filter(({ chunks }) => chunks.length > 0)
    if (written.length === 0 && positions.length === 0) return records.map(() => 0)
    this.#state = 'committing'
    const withDeadline = (): Work => {
      const deadline = this.cluster.now() + this.cluster.settings.transactionTimeoutMs * DEADLINE_SHARE
      return { written, group, positions, deadline }
    }
    try {
      const [leaders] = await this.#together([this.#settle(withDeadline())])
      // The transaction begins here, however long brokers took nothing.
      const work = withDeadline()
      const produces = this.#produces(work, leaders)
      this.#isOpen = true
      await (this.#version === 1 ? this.#inThreeRounds(work, produces) : this.#oneByOne(work, produces))
      this.#isOpen = false
      if (this.#isCommitting()) this.#state = 'idle'
      return records.map((entry) => (entry.chunks.length > 0 ? this.#writer(entry).end : 0))
    } catch (error) {
      if (this.#isCommitting()) this.#state = 'failed'
      throw this.#failure(error, transaction)
    }
  }

  close(): Promise<void> {
    this.#state = 'closed'
    const { clock } = this.cluster.settings
    const untilMs = this.cluster.now() + ABORT_MS
    const late = (): Error => new LinkError('no answer in time')
    return (this.#closing ??= inTime(clock, ABORT_MS, this.#abort(untilMs), late).catch((error: unknown) => {
      this.cluster.settings.logger.debug({ error: messageOf(error) }, `${this.#name}: its transaction is not aborted`)
    }))
  }

  /** Nothing of it is begun when the time is over. */
  async #abort(untilMs: number): Promise<void> {
    await this.#commits
    if (!this.#isOpen || this.cluster.closed || (this.#version === 1 && this.#lostAnswer)) return
    if (this.cluster.now() >= untilMs) return
    const { transactionalId } = this.#identity
    const encoder = this.#version === 1 ? requests.endTxn : endTxn2
    const request: Request<{ readonly errorCode: number }> = encoder(this.#identity, false)
    await retrying(this.cluster, this.#patience(untilMs), async () => {
      const node = await this.cluster.coordinator('transaction', transactionalId)
      const { errorCode } = await this.cluster.call(this.#lanes.control, node, request)
      if (errorCode !== 0) throw new BrokerError(errorCode, 'aborting the transaction', 'EndTxn')
    })
  }

  #isCommitting(): boolean {
    return this.#state === 'committing'
  }

  get #name(): string {
    return `transactional id ${this.#identity.transactionalId}`
  }

  // the two ways

  async #inThreeRounds(work: Work, produces: readonly Produce[]): Promise<void> {
    const { positions, written } = work
    await this.#together([
      written.length > 0 ? this.#addPartitions(work) : undefined,
      positions.length > 0 ? this.#addOffsets(work) : undefined,
    ])
    await this.#together([
      ...produces.map((produce) => produce()),
      ...(positions.length > 0 ? [this.#commitOffsets(work)] : []),
    ])
    await this.#timed(this.#end(work))
  }

  async #oneByOne(work: Work, produces: readonly Produce[]): Promise<void> {
    if (work.positions.length > 0) await this.#together([this.#commitOffsets(work)])
    for (const produce of produces) await this.#together([produce()])
    await this.#timed(this.#endAndContinue(work))
  }

  async #timed(end: Promise<void>): Promise<void> {
    const beganMs = this.cluster.now()
    await this.#together([end])
    this.#endingMs = this.cluster.now() - beganMs
  }

  // before the transaction begins

  /**
   * Who leads the partitions, and which version all brokers concerned take. Nothing is sent that would begin it, and nobody
   * throttles the connections when it resolves: a transaction that has begun is to be ended soon.
   */
  async #settle({ written, group, positions, deadline }: Work): Promise<readonly number[]> {
    const { transactionalId } = this.#identity
    const { control, produce } = this.#lanes
    return retrying(this.cluster, this.#patience(deadline), async () => {
      if (!this.#isCommitting()) throw this.#givenUp()
      const leaders = await leadersOf(this.cluster, written)
      const coordinators = [await this.cluster.coordinator('transaction', transactionalId)]
      if (positions.length > 0) coordinators.push(await this.cluster.coordinator('group', group))
      const versions = await Promise.all([
        ...coordinators.map((node) => this.cluster.transactionVersion(control, node)),
        ...[...new Set(leaders)].map((node) => this.cluster.transactionVersion(produce, node)),
      ])
      if (versions.includes(1)) this.#version = 1
      return leaders
    })
  }

  // round 1 of three

  async #addPartitions({ written, deadline }: Work): Promise<void> {
    const topics = byTopic(written, ({ partition }) => partition)
    const request = requests.addPartitionsToTxn(this.#identity, topics)
    await this.#control('transaction', this.#identity.transactionalId, deadline, async (node) => {
      const { errors } = await this.cluster.call(this.#lanes.control, node, request)
      const failed = errors
        .flatMap(({ topic, partitionErrors }) => partitionErrors.map((one) => ({ topic, ...one })))
        .filter(({ errorCode }) => errorCode !== 0)
      // OPERATION_NOT_ATTEMPTED marks those that are well; the reason is with the others.
      const cause = failed.find(({ errorCode }) => errorCode !== codes.OPERATION_NOT_ATTEMPTED) ?? failed[0]
      if (!cause) return
      throw new BrokerError(cause.errorCode, `adding ${cause.topic}-${String(cause.partition)}`, 'AddPartitionsToTxn')
    })
  }

  async #addOffsets({ group, deadline }: Work): Promise<void> {
    const request = requests.addOffsetsToTxn(this.#identity, group)
    await this.#control('transaction', this.#identity.transactionalId, deadline, async (node) => {
      const { errorCode } = await this.cluster.call(this.#lanes.control, node, request)
      if (errorCode !== 0) throw new BrokerError(errorCode, `adding the offsets of group ${group}`, 'AddOffsetsToTxn')
    })
  }

  // round 2, or one by one

  async #commitOffsets({ group, positions, deadline }: Work): Promise<void> {
    const encoder = this.#version === 1 ? requests.txnOffsetCommit : txnOffsetCommit2
    const request = (): ReturnType<typeof txnOffsetCommit2> => {
      const topics = byTopic(positions, ({ partition, position, note = PLAIN_NOTE }) => {
        return { partition, offset: position, metadata: this.#kept(note) }
      })
      return encoder(this.#identity, group, topics)
    }
    await this.#control('group', group, deadline, async (node) => {
      let { topics: answers } = await this.cluster.call(this.#lanes.control, node, request())
      while (this.#keptOfNotes !== 'nothing' && areNotesTooLong(answers)) {
        // Notes tell more of the positions, which are right without them.
        this.#keptOfNotes = this.#keptOfNotes === 'all' ? 'plain' : 'nothing'
        this.cluster.settings.logger.info(
          { group, kept: this.#keptOfNotes },
          "offset.metadata.max.bytes leaves no room for the metadata that Potoroo stores with the group's offsets",
        )
        answers = (await this.cluster.call(this.#lanes.control, node, request())).topics
      }
      const answered = answers.reduce((sum, { partitions }) => sum + partitions.length, 0)
      if (answered < positions.length)
        throw new BrokerError(-1, 'the answer to a TxnOffsetCommit leaves out partitions', 'TxnOffsetCommit')
      for (const { topic, partitions } of answers) {
        for (const { partition, errorCode } of partitions) {
          if (errorCode === codes.UNKNOWN_MEMBER_ID) throw new PotorooError('TRANSACTION_FAILED', newProtocol(group))
          if (errorCode === 0) continue
          throw new BrokerError(errorCode, `position of ${topic}-${String(partition)}`, 'TxnOffsetCommit')
        }
      }
    })
  }

  #kept(note: string): string {
    if (this.#keptOfNotes === 'nothing') return ''
    return this.#keptOfNotes === 'all' ? note : PLAIN_NOTE
  }

  /** One for each leader; nothing is sent until it is called. */
  #produces({ written, deadline }: Work, leaders: readonly number[]): readonly Produce[] {
    if (written.length === 0) return []
    const { cluster } = this
    const goesOn = (): boolean => this.#isCommitting()
    const round = new ProduceRound(cluster, this.#lanes.produce, this.#identity, this.#version, deadline, goesOn)
    const writers = written.map((entry) => {
      const writer = this.#writer(entry)
      writer.queue(entry.chunks, entry.end)
      return writer
    })
    return [...grouped(writers, (_, i) => leaders[i] ?? -1)].map(
      ([leader, mine]) =>
        () =>
          round.send(leader, mine),
    )
  }

  #writer(entry: Transaction['records'][number]): PartitionWriter {
    const name = `${entry.topic}-${String(entry.partition)}`
    let writer = this.#writers.get(name)
    if (!writer) {
      writer = new PartitionWriter(entry.topic, entry.partition, entry.topicId)
      this.#writers.set(name, writer)
    }
    return writer
  }

  // the end

  async #end({ deadline }: Work): Promise<void> {
    const request = requests.endTxn(this.#identity, true)
    await this.#control('transaction', this.#identity.transactionalId, deadline, async (node) => {
      const { errorCode } = await this.cluster.call(this.#lanes.control, node, request)
      if (errorCode !== 0) throw new BrokerError(errorCode, 'ending the transaction', 'EndTxn')
    })
  }

  /** With version 2: everything that comes is sent under the epoch that the answer gives. */
  async #endAndContinue({ deadline }: Work): Promise<void> {
    const request = endTxn2(this.#identity, true)
    await this.#control('transaction', this.#identity.transactionalId, deadline, async (node) => {
      const answer = await this.cluster.call(this.#lanes.control, node, request)
      if (answer.errorCode !== 0) throw new BrokerError(answer.errorCode, 'ending the transaction', 'EndTxn')
      const next = nextIdentity(this.#identity, answer)
      if (!next) throw new PotorooError('TRANSACTION_FAILED', `${this.#name}: the broker gave out no new epoch`)
      this.#identity = next
      for (const writer of this.#writers.values()) writer.restart()
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
    const options = this.#patience(deadline, (error) => {
      // Kafka 4 answers so, too, while it verifies the transaction for a Produce at the same time: then nobody has moved.
      const unavailable = error instanceof BrokerError && error.errorCode === codes.COORDINATOR_NOT_AVAILABLE
      if (unavailable && ++refused === 1) return
      this.cluster.noteCoordinatorFailure(kind, of, error)
    })
    await retrying(this.cluster, options, async () => {
      if (!this.#isCommitting()) throw this.#givenUp()
      const node = await this.cluster.coordinator(kind, of)
      try {
        await attempt(node)
      } catch (error) {
        if (!(error instanceof LinkError)) throw error
        this.#lostAnswer = true
        // Not sent again: what is on the dead connection may still arrive, and would then count for the next transaction
        // of this epoch. An EndTxn that late would commit half of it. The next activation's epoch keeps it out.
        this.cluster.noteCoordinatorFailure(kind, of, error)
        throw new PotorooError('TRANSACTION_FAILED', `${this.#name}: ${error.message}`, { cause: error })
      }
    })
  }

  #givenUp(): PotorooError {
    return new PotorooError('TRANSACTION_FAILED', `${this.#name} gave up the commit`)
  }

  /** As Promise.all, but nothing goes on behind the back of a failed commit: the others stop, and are waited for. */
  async #together<T extends readonly unknown[] | []>(parts: T): Promise<{ -readonly [P in keyof T]: Awaited<T[P]> }> {
    const stopping = parts.map(async (part) => {
      try {
        return await part
      } catch (error) {
        if (error instanceof LinkError) this.#lostAnswer = true
        if (this.#isCommitting()) this.#state = 'failed'
        throw error
      }
    })
    await Promise.allSettled(stopping)
    return (await Promise.all(stopping)) as { -readonly [P in keyof T]: Awaited<T[P]> }
  }

  #patience(deadline: number, onFailure?: (error: unknown) => void): RetryOptions {
    // What became of a request with an answer that nobody expects is unknown: it is the next activation that tries again.
    return {
      deadline: () => deadline,
      firstPauseMs: FIRST_PAUSE_MS,
      maxPauseMs: MAX_PAUSE_MS,
      unexpected: 0,
      onFailure,
    }
  }

  #failure(error: unknown, { records }: Transaction): PotorooError {
    if (error instanceof PotorooError) {
      if (error.cause instanceof LinkError) for (const { topic } of records) this.cluster.forgetTopic(topic)
      return error
    }
    const what = `commit of ${this.#name}`
    // Whatever it was, the leaders may have changed.
    if (isPassing(error)) for (const { topic } of records) this.cluster.forgetTopic(topic)
    if (error instanceof LinkError)
      return new PotorooError('TRANSACTION_FAILED', `${what}: ${error.message}`, { cause: error })
    if (error instanceof BrokerError && isFencing(error.api, error.errorCode, this.#version)) {
      // It was ended by who fenced this.
      this.#isOpen = false
      return new PotorooError('FENCED', `${what}: ${errorName(error.errorCode)}`, { cause: error })
    }
    // An answer that can't be read is one that nobody expects, too.
    if (!(error instanceof BrokerError) || error.kind === 'unexpected')
      return new PotorooError('UNEXPECTED_ANSWER', `${what}: ${messageOf(error)}`, { cause: error })
    if (error.kind === 'denied' || error.kind === 'refused') return toPotorooError(error, what)
    return new PotorooError('TRANSACTION_FAILED', `${what}: ${error.message}`, { cause: error })
  }
}

const areNotesTooLong = (answers: requests.TxnOffsetCommitAnswer['topics']): boolean =>
  answers.some(({ partitions }) => partitions.some(({ errorCode }) => errorCode === codes.OFFSET_METADATA_TOO_LARGE))

/** Neighbouring partitions of a topic have different ones. */
const connectionOf = (transactionalId: string): number =>
  [...Buffer.from(transactionalId)].reduce((sum, byte) => sum + byte, 0) % CONNECTIONS

export const newProtocol = (group: string): string =>
  `group ${group} is run by the new consumer protocol (KIP-848, group.protocol=consumer), which assigns partitions ` +
  'itself: use another application name, or stop its members and delete the group'
