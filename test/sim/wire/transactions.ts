/**
 * Kafka's transaction coordinator with versions 1 and 2 of its protocol (TransactionCoordinator.scala, KIP-890). Beside
 * the one of src/memory, it knows of version 2, of producer ids that are used up, and of the error codes of each request.
 *
 *     empty ──add──▶ ongoing ──end──▶ ending ──all markers written──▶ complete ──add──▶ ongoing
 *                       └─init, timeout─▶ ending (abort, with the epoch raised)
 *
 * Invariants
 * 1. At most one epoch of a transactional id is valid. With version 2 each end of a transaction raises it, and the
 *    markers have the raised one already.
 * 2. While markers are being written, everything but their end is told CONCURRENT_TRANSACTIONS.
 * 3. An end that is said again is answered as the first time, as long as nothing else was said since: with version 2 it
 *    is known by the epoch before.
 */
import type { Timer } from '../../../src/ports/clock.js'
import type { Scheduler } from '../../../src/memory/scheduler.js'
import type { EndedTransaction } from '../../../src/memory/transactions.js'
import { errors, KafkaError } from './errors.js'

export type End = 'commit' | 'abort'
/** What a transaction can be ended on: a partition, or the offsets of a group. */
export interface Participant {
  mark(producerId: number, epoch: number, kind: End): void
}
export interface Identity {
  readonly producerId: number
  readonly epoch: number
}

interface Transactional {
  readonly transactionalId: string
  producerId: number
  /** The one before, from which a client may still ask. */
  previousProducerId: number
  epoch: number
  /** What follows when the markers of an id's last epoch are written. */
  nextProducerId: number
  version: 1 | 2
  state: 'empty' | 'ongoing' | 'ending' | 'complete'
  ending: End | undefined
  readonly participants: Set<Participant>
  /** Who was given the present epoch at the end of a transaction of version 2. */
  givenTo: string | undefined
  timeoutMs: number
  timeout: Timer | undefined
}

export interface TransactionsOptions {
  readonly scheduler: Scheduler
  /** ms until a marker is written. */
  readonly markerMs: (transactionalId: string) => number
  /** The epoch that the first activation of an id gets: near the last one, ids are used up soon. */
  readonly firstEpoch: number
  readonly onEnded: (ended: EndedTransaction) => void
}

const LAST_EPOCH = 32_767
/** Beyond 32 bits, as producer ids are numbers of 64. */
const FIRST_PRODUCER_ID = 6_000_000_000
const NONE = -1

export class Transactions {
  readonly #byName = new Map<string, Transactional>()
  readonly #byId = new Map<number, Transactional>()
  #given = 0

  constructor(private readonly options: TransactionsOptions) {}

  get names(): readonly string[] {
    return [...this.#byName.keys()]
  }

  /** InitProducerId. Throws CONCURRENT_TRANSACTIONS until the transaction of the activation before has ended. */
  init(transactionalId: string, timeoutMs: number): Identity {
    const one = this.#byName.get(transactionalId) ?? this.#make(transactionalId)
    if (one.state === 'ongoing') this.#abortAndFence(one)
    if (one.state === 'ending') throw new KafkaError(errors.CONCURRENT_TRANSACTIONS)
    if (one.epoch >= LAST_EPOCH - 1) this.#giveProducerId(one, this.#newProducerId())
    else one.epoch++
    one.state = 'empty'
    one.givenTo = undefined
    one.timeoutMs = timeoutMs
    return { producerId: one.producerId, epoch: one.epoch }
  }

  /** AddPartitionsToTxn and AddOffsetsToTxn, and what Produce and TxnOffsetCommit of version 2 do by themselves. */
  add(transactionalId: string, identity: Identity, participants: readonly Participant[], version: 1 | 2): void {
    const one = this.#named(transactionalId)
    if (one.state === 'ending') throw new KafkaError(errors.CONCURRENT_TRANSACTIONS)
    checkIdentity(one, identity)
    for (const participant of participants) one.participants.add(participant)
    if (one.state === 'ongoing') return
    one.version = version
    one.state = 'ongoing'
    one.timeout = this.options.scheduler.after(undefined, one.timeoutMs, () => {
      this.#abortAndFence(one)
    })
  }

  /** What a leader asks before it takes something of version 1 (KIP-890, its first part). */
  verify(transactionalId: string, identity: Identity, participant: Participant): void {
    const one = this.#named(transactionalId)
    checkIdentity(one, identity)
    if (one.state === 'ending') throw new KafkaError(errors.CONCURRENT_TRANSACTIONS)
    if (one.state !== 'ongoing' || !one.participants.has(participant))
      throw new KafkaError(errors.INVALID_TXN_STATE, `${transactionalId} has no open transaction there`)
  }

  /**
   * Whether the client has got another epoch since, at the end of its last transaction: then it is to use that. (Where
   * another activation fenced it, it could not know.)
   */
  gaveAnother(client: string, transactionalId: string, { producerId, epoch }: Identity): boolean {
    const one = this.#byName.get(transactionalId)
    if (one?.givenTo !== client) return false
    return one.producerId === producerId ? one.epoch > epoch : one.previousProducerId === producerId
  }

  /** EndTxn of that client, in the version of the request. Returns what the next transaction is sent under. */
  end(client: string, transactionalId: string, identity: Identity, kind: End, version: 1 | 2): Identity {
    const one = this.#named(transactionalId)
    const usedUp =
      one.previousProducerId === identity.producerId && identity.epoch === LAST_EPOCH - 1 && one.epoch === 0
    const again = one.version === 2 && (one.epoch === identity.epoch + 1 || usedUp)
    if (one.producerId !== identity.producerId && !usedUp) throw new KafkaError(errors.INVALID_PRODUCER_ID_MAPPING)
    const isEnded = one.state === 'ending' || one.state === 'complete'
    if (one.version === 2 && isEnded ? !again : identity.epoch !== one.epoch)
      throw new KafkaError(errors.PRODUCER_FENCED, `epoch ${String(identity.epoch)} of ${String(one.epoch)}`)
    if (one.state === 'ending') throw new KafkaError(errors.CONCURRENT_TRANSACTIONS)
    if (one.state === 'complete' && one.ending === kind) return { producerId: one.producerId, epoch: one.epoch }
    if (one.state !== 'ongoing') throw new KafkaError(errors.INVALID_TXN_STATE, one.state)
    if (version === 2) {
      if (one.epoch >= LAST_EPOCH - 1) one.nextProducerId = this.#newProducerId()
      one.epoch++
    }
    one.version = version
    one.givenTo = version === 2 ? client : undefined
    this.#end(one, kind)
    return one.nextProducerId === NONE
      ? { producerId: one.producerId, epoch: one.epoch }
      : { producerId: one.nextProducerId, epoch: 0 }
  }

  /** True from the moment at which a commit is decided, until all of its markers are written. */
  isCommitting(producerId: number): boolean {
    const one = this.#byId.get(producerId)
    return one?.state === 'ending' && one.ending === 'commit'
  }

  #named(transactionalId: string): Transactional {
    const one = this.#byName.get(transactionalId)
    if (one === undefined) throw new KafkaError(errors.INVALID_PRODUCER_ID_MAPPING, transactionalId)
    return one
  }

  #make(transactionalId: string): Transactional {
    const one: Transactional = {
      transactionalId,
      producerId: this.#newProducerId(),
      previousProducerId: NONE,
      epoch: this.options.firstEpoch - 1,
      nextProducerId: NONE,
      version: 1,
      state: 'empty',
      ending: undefined,
      participants: new Set(),
      givenTo: undefined,
      timeoutMs: 0,
      timeout: undefined,
    }
    this.#byName.set(transactionalId, one)
    this.#byId.set(one.producerId, one)
    return one
  }

  #newProducerId(): number {
    return FIRST_PRODUCER_ID + this.#given++
  }

  #giveProducerId(one: Transactional, producerId: number): void {
    one.previousProducerId = one.producerId
    one.producerId = producerId
    one.nextProducerId = NONE
    one.epoch = 0
    this.#byId.set(producerId, one)
  }

  #abortAndFence(one: Transactional): void {
    one.epoch++
    one.givenTo = undefined
    this.#end(one, 'abort')
  }

  #end(one: Transactional, kind: End): void {
    const { transactionalId, producerId, epoch } = one
    const { scheduler, markerMs, onEnded } = this.options
    one.timeout?.cancel()
    one.timeout = undefined
    one.state = 'ending'
    one.ending = kind
    onEnded({ transactionalId, epoch, kind, atMs: scheduler.elapsedMs })
    for (const participant of one.participants) {
      scheduler.after(undefined, markerMs(transactionalId), () => {
        participant.mark(producerId, epoch, kind)
        one.participants.delete(participant)
        if (one.participants.size > 0) return
        one.state = 'complete'
        if (one.nextProducerId !== NONE) this.#giveProducerId(one, one.nextProducerId)
      })
    }
  }
}

function checkIdentity(one: Transactional, { producerId, epoch }: Identity): void {
  if (one.producerId !== producerId) throw new KafkaError(errors.INVALID_PRODUCER_ID_MAPPING, String(producerId))
  if (one.epoch !== epoch)
    throw new KafkaError(errors.PRODUCER_FENCED, `epoch ${String(epoch)} of ${String(one.epoch)}`)
}
