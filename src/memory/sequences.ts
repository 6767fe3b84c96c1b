/**
 * What a partition keeps of its producers, as Kafka's `ProducerStateManager`: by its sequence a batch that comes again is told
 * from the next one.
 *
 * 1. A batch that is among the last five of its epoch is there already: it is acknowledged, and not appended.
 * 2. The first batch of an epoch has sequence 0, each other one continues where the one before ended. Of a producer that is not
 *    known here, as in a topic that was recreated, any sequence is taken.
 */
import { BrokerError } from './broker-error.js'
import type { ProducerIdentity } from './transactions.js'

interface Batch {
  /** Sequence of its first record. */
  readonly first: number
  readonly count: number
  readonly offset: number
}

const KEPT = 5

export class Sequences {
  readonly #producers = new Map<number, { readonly epoch: number; next: number; batches: readonly Batch[] }>()

  /** The offset where the batch is already; undefined where it is to be appended. Throws BrokerError. */
  find({ producerId, epoch }: ProducerIdentity, first: number, count: number): number | undefined {
    const known = this.#producers.get(producerId)
    if (known !== undefined && epoch < known.epoch)
      throw new BrokerError('INVALID_PRODUCER_EPOCH', `${String(epoch)}, the partition is at ${String(known.epoch)}`)
    const there =
      known?.epoch === epoch ? known.batches.find((one) => one.first === first && one.count === count) : undefined
    if (there !== undefined) return there.offset
    const next = this.next({ producerId, epoch })
    if (known !== undefined && first !== next)
      throw new BrokerError('OUT_OF_ORDER_SEQUENCE_NUMBER', `${String(first)} after ${String(next)}`)
    return undefined
  }

  /** The sequence that is due. */
  next({ producerId, epoch }: ProducerIdentity): number {
    const known = this.#producers.get(producerId)
    return known?.epoch === epoch ? known.next : 0
  }

  appended({ producerId, epoch }: ProducerIdentity, batch: Batch): void {
    const known = this.#producers.get(producerId)
    const before = known?.epoch === epoch ? known.batches : []
    const next = batch.first + batch.count
    this.#producers.set(producerId, { epoch, next, batches: [...before, batch].slice(-KEPT) })
  }
}
