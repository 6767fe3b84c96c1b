/**
 * Sends batches to the leaders of their partitions: those that wait for one leader go in one request, one request to a
 * leader at a time. A broker works off the requests of a connection one after another, and acks=all makes each of them
 * wait for its replicas: many small ones would take that many times as long.
 */
import type { TopicPartition } from '../ports/log.js'
import type { Cluster } from './cluster.js'
import { BrokerError } from './errors.js'
import { produceRequest, type Produced } from './produce-request.js'
import { byTopic } from './requests.js'

/** Bound of one request; the brokers' is 100 MiB (`socket.request.max.bytes`). One batch goes however large it is. */
const MAX_REQUEST_BYTES = 8 * 1024 * 1024
const LANE = 'produce'
/** Of the time after which a connection is given up: before that the broker says that its replicas are late. */
const BROKER_SHARE = 0.8

interface Waiting extends TopicPartition {
  readonly batch: Uint8Array
  resolve(answer: Produced): void
  reject(error: unknown): void
}

export class BatchSender {
  readonly #waiting = new Map<number, Waiting[]>()

  constructor(private readonly cluster: Cluster) {}

  /** Resolves with the leader's answer, an error code or not. Rejects with LinkError when none came. */
  send(leader: number, { topic, partition }: TopicPartition, batch: Uint8Array): Promise<Produced> {
    return new Promise((resolve, reject) => {
      const mine = { topic, partition, batch, resolve, reject }
      const waiting = this.#waiting.get(leader)
      if (waiting !== undefined) {
        waiting.push(mine)
        return
      }
      this.#waiting.set(leader, [mine])
      // Whoever sends in this turn comes along.
      queueMicrotask(() => void this.#work(leader))
    })
  }

  /** While it runs, the leader has an entry in `#waiting`. Never rejects. */
  async #work(leader: number): Promise<void> {
    for (;;) {
      const waiting = this.#waiting.get(leader) ?? []
      if (waiting.length === 0) {
        this.#waiting.delete(leader)
        return
      }
      await this.#request(leader, takeUpTo(MAX_REQUEST_BYTES, waiting))
    }
  }

  async #request(leader: number, batches: readonly Waiting[]): Promise<void> {
    const topics = byTopic(batches, ({ partition, batch }) => ({ partition, batch }))
    const timeoutMs = Math.round(this.cluster.settings.requestTimeoutMs * BROKER_SHARE)
    try {
      // Version 1 of transactions, as there is none: all brokers take it.
      const request = produceRequest({ transactionalId: null, timeoutMs, topics }, 1)
      const answers = await this.cluster.call(LANE, leader, request)
      const byPartition = new Map(answers.partitions.map((answer) => [keyOf(answer), answer]))
      for (const waiting of batches) {
        const answer = byPartition.get(keyOf(waiting))
        if (answer === undefined)
          waiting.reject(new BrokerError(-1, 'the answer to a Produce leaves out partitions', 'Produce'))
        else waiting.resolve(answer)
      }
    } catch (error) {
      for (const waiting of batches) waiting.reject(error)
    }
  }
}

const keyOf = ({ topic, partition }: TopicPartition): string => `${topic} ${String(partition)}`

/** Takes the first ones out, one at least. */
function takeUpTo(maxBytes: number, waiting: Waiting[]): readonly Waiting[] {
  let bytes = 0
  let count = 0
  for (const { batch } of waiting) {
    if (count > 0 && bytes + batch.length > maxBytes) break
    bytes += batch.length
    count += 1
  }
  return waiting.splice(0, count)
}
