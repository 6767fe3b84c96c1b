/**
 * Kafka's transaction coordinator.
 *
 *     empty ──add──▶ ongoing ──end──▶ ending ──all markers written──▶ empty
 *                       └─init, timeout─▶ ending (abort, with the epoch raised)
 *
 * Invariants
 * 1. At most one epoch of a transactional id is valid; every request of an older one is refused for good.
 * 2. `init` of a new activation answers only when the transaction of the one before has ended, its markers written.
 *    The old epoch is refused from the first try of `init` on.
 * 3. A transaction that is decided stays decided; its markers come one by one, after the answer to the one who ended it.
 * 4. A request of a transaction that was not begun with that partition or group is refused: what is under way still
 *    when its transaction ends changes nothing any more (KIP-890).
 * 5. With version 2 a partition or a group that takes something is added by that (`include`), and the end of a transaction
 *    gives out the epoch of the next one (`endAndContinue`): nothing of one can come to count for another. Where epochs run out,
 *    it gives out another producer id, at epoch 0.
 *
 * Which answer is given when, Kafka's `TransactionCoordinator` decides (`endTransaction`, `handleAddPartitionsToTransaction`).
 */
import { BrokerError } from './broker-error.js'
import type { Scheduler } from './scheduler.js'
import type { Timer } from '../ports/clock.js'

/** What a transaction can be ended on: one partition, or the offsets of one group. */
export interface Participant {
  mark(producerId: number, kind: 'commit' | 'abort'): void
}

interface Transactional {
  readonly transactionalId: string
  producerId: number
  /** Before epochs ran out. */
  formerProducerId: number
  /** That of the transaction that is ending, or has ended last. */
  endingProducerId: number
  epoch: number
  state: 'empty' | 'ongoing' | 'ending'
  /** How the last transaction of this epoch ended, or is ending. */
  ending: 'commit' | 'abort' | undefined
  readonly participants: Set<Participant>
  /** Those whose marker is to be written still; by the coordinator of this number, counted up as coordinators move. */
  unmarked: Set<Participant>
  coordinator: number
  timeoutMs: number
  timeout: Timer | undefined
}

export interface ProducerIdentity {
  readonly producerId: number
  readonly epoch: number
}

/** A transaction that ended, for tests and simulations to look at. */
export interface EndedTransaction {
  readonly transactionalId: string
  readonly epoch: number
  readonly kind: 'commit' | 'abort'
  readonly atMs: number
}

export interface TransactionOptions {
  readonly scheduler: Scheduler
  /** ms until a marker is written. */
  readonly markerMs: (transactionalId: string) => number
  /** The last epoch of a producer id; default 32,766, as Kafka has it. */
  readonly maxEpoch?: number | undefined
  readonly onEnded?: ((ended: EndedTransaction) => void) | undefined
}

export class TransactionCoordinator {
  readonly #byName = new Map<string, Transactional>()
  readonly #byId = new Map<number, Transactional>()
  readonly #maxEpoch: number

  constructor(private readonly options: TransactionOptions) {
    this.#maxEpoch = options.maxEpoch ?? 32_766
  }

  /** InitProducerId. */
  init(transactionalId: string, timeoutMs: number): ProducerIdentity {
    let transactional = this.#byName.get(transactionalId)
    if (transactional === undefined) {
      transactional = {
        transactionalId,
        producerId: -1,
        endingProducerId: -1,
        formerProducerId: -1,
        epoch: -1,
        state: 'empty',
        ending: undefined,
        participants: new Set(),
        unmarked: new Set(),
        coordinator: 0,
        timeoutMs,
        timeout: undefined,
      }
      this.#byName.set(transactionalId, transactional)
      this.#newProducerId(transactional)
    }
    if (transactional.state === 'ongoing') this.#abortAndFence(transactional)
    if (transactional.state !== 'empty') throw new BrokerError('CONCURRENT_TRANSACTIONS', transactionalId)
    this.#nextEpoch(transactional)
    transactional.ending = undefined
    transactional.timeoutMs = timeoutMs
    return { producerId: transactional.producerId, epoch: transactional.epoch }
  }

  /** AddPartitionsToTxn and AddOffsetsToTxn. */
  add(identity: ProducerIdentity, participants: readonly Participant[]): void {
    const transactional = this.#current(identity)
    if (transactional.state === 'ending')
      throw new BrokerError('CONCURRENT_TRANSACTIONS', transactional.transactionalId)
    for (const participant of participants) transactional.participants.add(participant)
    if (transactional.state === 'ongoing') return
    transactional.state = 'ongoing'
    transactional.timeout = this.options.scheduler.after(undefined, transactional.timeoutMs, () => {
      this.#abortAndFence(transactional)
    })
  }

  /** What a partition or a group asks before it takes something of a transaction. */
  verify(identity: ProducerIdentity, participant: Participant): void {
    const transactional = this.#current(identity)
    if (transactional.state === 'ongoing' && transactional.participants.has(participant)) return
    throw new BrokerError('INVALID_TXN_STATE', `${transactional.transactionalId} has no open transaction there`)
  }

  /** Version 2: what a partition or a group asks before it takes something of a transaction, which may begin by that. */
  include(identity: ProducerIdentity, participant: Participant): void {
    this.add(identity, [participant])
  }

  /** EndTxn of version 2. Said again, it is answered as the first time: the epoch tells it from the end of the next one. */
  endAndContinue(identity: ProducerIdentity, kind: 'commit' | 'abort'): ProducerIdentity {
    const transactional = this.#known(identity)
    const { producerId, epoch, formerProducerId, state, ending, transactionalId } = transactional
    const isNext =
      producerId === identity.producerId
        ? epoch === identity.epoch + 1
        : formerProducerId === identity.producerId && identity.epoch === this.#maxEpoch && epoch === 0
    const isSaidAgain = isNext && state !== 'ongoing' && ending !== undefined
    if (!isSaidAgain) this.#current(identity)
    if (state === 'ongoing') {
      this.#end(transactional, kind, () => {
        this.#nextEpoch(transactional)
      })
      return { producerId: transactional.producerId, epoch: transactional.epoch }
    }
    if (!isSaidAgain || ending !== kind) throw new BrokerError('INVALID_TXN_STATE', transactionalId)
    if (state === 'ending') throw new BrokerError('CONCURRENT_TRANSACTIONS', transactionalId)
    return { producerId, epoch }
  }

  /** EndTxn. Said again after the end, as nothing else was said since, it is answered as the first time. */
  end(identity: ProducerIdentity, kind: 'commit' | 'abort'): void {
    const transactional = this.#current(identity)
    if (transactional.state === 'ending')
      throw new BrokerError('CONCURRENT_TRANSACTIONS', transactional.transactionalId)
    if (transactional.state === 'empty' && transactional.ending === kind) return
    if (transactional.state === 'empty') throw new BrokerError('INVALID_TXN_STATE', transactional.transactionalId)
    this.#end(transactional, kind)
  }

  /** True from the moment at which a commit is decided, until all of its markers are written. */
  isCommitting(producerId: number): boolean {
    const transactional = this.#byId.get(producerId)
    return transactional?.state === 'ending' && transactional.ending === 'commit'
  }

  #known({ producerId }: ProducerIdentity): Transactional {
    const transactional = this.#byId.get(producerId)
    if (transactional === undefined) throw new BrokerError('INVALID_PRODUCER_ID_MAPPING', String(producerId))
    return transactional
  }

  #current(identity: ProducerIdentity): Transactional {
    const transactional = this.#known(identity)
    const { producerId, epoch } = identity
    if (transactional.producerId !== producerId)
      throw new BrokerError('INVALID_PRODUCER_ID_MAPPING', `${String(producerId)} has no epochs left`)
    if (transactional.epoch !== epoch) {
      throw new BrokerError(
        'INVALID_PRODUCER_EPOCH',
        `${transactional.transactionalId} is at epoch ${String(transactional.epoch)}, the request at ${String(epoch)}`,
      )
    }
    return transactional
  }

  #nextEpoch(transactional: Transactional): void {
    if (transactional.epoch >= this.#maxEpoch) this.#newProducerId(transactional)
    else transactional.epoch++
  }

  #newProducerId(transactional: Transactional): void {
    const isFirst = transactional.producerId < 0
    transactional.formerProducerId = transactional.producerId
    transactional.producerId = this.#byId.size + 1000
    transactional.epoch = isFirst ? -1 : 0
    this.#byId.set(transactional.producerId, transactional)
  }

  #abortAndFence(transactional: Transactional): void {
    transactional.epoch++
    this.#end(transactional, 'abort')
  }

  #end(transactional: Transactional, kind: 'commit' | 'abort', goOn: () => void = () => undefined): void {
    const { transactionalId, epoch } = transactional
    transactional.timeout?.cancel()
    transactional.timeout = undefined
    transactional.state = 'ending'
    transactional.ending = kind
    // What is ended was written under this one; what comes next may be under another.
    transactional.endingProducerId = transactional.producerId
    goOn()
    this.options.onEnded?.({ transactionalId, epoch, kind, atMs: this.options.scheduler.elapsedMs })
    this.#sendMarkers(transactional, kind)
  }

  /** Another broker coordinates: it does not know which markers were written, and writes them all. */
  failOver(): void {
    for (const transactional of this.#byName.values())
      if (transactional.state === 'ending' && transactional.ending !== undefined)
        this.#sendMarkers(transactional, transactional.ending)
  }

  #sendMarkers(transactional: Transactional, kind: 'commit' | 'abort'): void {
    const { transactionalId, endingProducerId: producerId, participants } = transactional
    const coordinator = ++transactional.coordinator
    transactional.unmarked = new Set(participants)
    for (const participant of participants) {
      this.options.scheduler.after(undefined, this.options.markerMs(transactionalId), () => {
        // A marker of a coordinator that was replaced is refused.
        if (transactional.coordinator !== coordinator) return
        participant.mark(producerId, kind)
        transactional.unmarked.delete(participant)
        if (transactional.unmarked.size > 0) return
        participants.clear()
        transactional.state = 'empty'
      })
    }
  }
}
