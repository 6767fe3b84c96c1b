/** The Produce requests of one commit. See the invariants of `transactions.ts`. */
import { PotorooError } from '../errors.js'
import { Landing } from '../core/commit/landing.js'
import type { RecordChunk } from '../core/records/records.js'
import { nameOf } from './admin.js'
import { Backoff } from './backoff.js'
import type { Cluster } from './cluster.js'
import { BrokerError } from './errors.js'
import { produceRequest, type Produced } from './produce-request.js'
import { sealBatch } from './record-batch.js'
import { refusalOf } from './refusal.js'
import { byTopic, type ProducerIdentity } from './requests.js'
import type { TransactionVersion } from './transaction-version.js'

/** Bound of one request; the brokers' is 100 MiB (`socket.request.max.bytes`). One chunk goes however large it is. */
const MAX_REQUEST_BYTES = 8 * 1024 * 1024
const SEQUENCES = 2 ** 31

/** Where the event loop was held up beyond the deadline, the transaction may live still: brokers decide that. */
const LEAST_TIMEOUT_MS = 1000

/** One partition in one activation: its sequence goes on from commit to commit, for as long as the epoch stays. */
export class PartitionWriter {
  #sequence = 0
  #chunks: readonly RecordChunk[] = []
  #sent = 0
  #sealed: Buffer | undefined
  #landing = new Landing(this, undefined)
  /** The position after the last record written. */
  end = 0

  constructor(
    readonly topic: string,
    readonly partition: number,
    /** Of the topic that is meant, where it is known. */
    readonly topicId?: string,
  ) {}

  /** `end`: where the partition ends, if nobody else writes there. */
  queue(chunks: readonly RecordChunk[], end?: number): void {
    if (this.#chunks.length > this.#sent)
      throw new PotorooError('INTERNAL', `${nameOf(this)} is written to twice at the same time`)
    this.#chunks = chunks
    this.#sent = 0
    this.#landing = new Landing(this, end)
  }

  /** For a new epoch: every partition's sequence begins again. */
  restart(): void {
    if (this.#chunks.length > this.#sent)
      throw new PotorooError('INTERNAL', `${nameOf(this)} changes its epoch halfway`)
    this.#sequence = 0
  }

  /** The next batch to be sent, the same until it is acknowledged. */
  next({ producerId, producerEpoch }: ProducerIdentity): Buffer | undefined {
    const chunk = this.#chunks[this.#sent]
    if (!chunk) return undefined
    this.#sealed ??= sealBatch(chunk, {
      producerId: BigInt(producerId),
      producerEpoch,
      firstSequence: this.#sequence,
      transactional: true,
    })
    return this.#sealed
  }

  /** What `next` gave last. */
  get chunk(): RecordChunk | undefined {
    return this.#chunks[this.#sent]
  }

  /** Throws LandedElsewhere. */
  acknowledged(baseOffset: number): void {
    const count = this.#chunks[this.#sent]?.count ?? 0
    this.#sent += 1
    this.#sealed = undefined
    this.#sequence = (this.#sequence + count) % SEQUENCES
    this.end = this.#landing.landed(baseOffset, count)
    if (this.#sent === this.#chunks.length) {
      this.#chunks = []
      this.#sent = 0
    }
  }
}

interface Chosen {
  readonly topic: string
  readonly topicId: string | undefined
  readonly partition: number
  readonly batch: Buffer
}

export class ProduceRound {
  constructor(
    private readonly cluster: Cluster,
    private readonly lane: string,
    private readonly identity: ProducerIdentity,
    private readonly version: TransactionVersion,
    private readonly deadline: number,
    /** False once another part of the commit failed: what is sent from then on would be aborted. */
    private readonly goesOn: () => boolean,
  ) {}

  /** All that is queued for one leader: one request at a time, each with the next chunk of as many partitions as fit. */
  async send(leader: number, writers: readonly PartitionWriter[]): Promise<void> {
    const backoff = new Backoff(2, 50)
    const byName = new Map(writers.map((writer) => [nameOf(writer), writer]))
    for (;;) {
      const batches = this.#choose(writers)
      if (batches.length === 0 || !this.goesOn()) return
      const answers = await this.#request(leader, batches)
      if (answers.length < batches.length)
        throw new BrokerError(-1, 'the answer to a Produce leaves out partitions', 'Produce')
      const refused = this.#take(byName, answers)
      if (!refused) {
        backoff.reset()
        continue
      }
      const pause = backoff.next()
      if (this.cluster.now() + pause > this.deadline) throw refused
      await this.cluster.sleeper.sleep(pause)
    }
  }

  #choose(writers: readonly PartitionWriter[]): Chosen[] {
    const chosen: Chosen[] = []
    let bytes = 0
    for (const writer of writers) {
      const batch = writer.next(this.identity)
      if (!batch || (bytes > 0 && bytes + batch.length > MAX_REQUEST_BYTES)) continue
      bytes += batch.length
      chosen.push({ topic: writer.topic, topicId: writer.topicId, partition: writer.partition, batch })
    }
    return chosen
  }

  async #request(leader: number, batches: readonly Chosen[]): Promise<readonly Produced[]> {
    const timeoutMs = Math.max(LEAST_TIMEOUT_MS, Math.round(this.deadline - this.cluster.now()))
    const { transactionalId } = this.identity
    const topics = byTopic(batches, ({ partition, batch }) => ({ partition, batch }))
    const topicIds = new Map(batches.map(({ topic, topicId }) => [topic, topicId]))
    const request = produceRequest({ transactionalId, timeoutMs, topics, topicIds }, this.version)
    return (await this.cluster.call(this.lane, leader, request, timeoutMs)).partitions
  }

  /** Returns the refusal if some are to be sent again as they are. */
  #take(writers: ReadonlyMap<string, PartitionWriter>, answers: readonly Produced[]): BrokerError | undefined {
    let refused: BrokerError | undefined
    for (const answer of answers) {
      const writer = writers.get(nameOf(answer))
      if (answer.errorCode === 0) {
        writer?.acknowledged(answer.baseOffset)
        continue
      }
      const error = new BrokerError(answer.errorCode, `writing to ${nameOf(answer)}`, 'Produce')
      if (error.kind === 'record') throw refusalOf(answer, writer?.chunk)
      if (error.kind !== 'again') throw error
      refused = error
    }
    return refused
  }
}
