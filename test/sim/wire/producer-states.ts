/**
 * What one partition remembers of each producer, as Kafka's ProducerStateManager does (ProducerAppendInfo.java).
 *
 * Invariants
 * 1. An epoch below the one seen last is refused, from then on for good; a marker brings an epoch, too.
 * 2. Within an epoch sequences go on without a gap, from 0. One of the last five batches, said again, is answered as the
 *    first time and not written.
 */
import { errors, KafkaError } from './errors.js'

interface Batch {
  readonly firstSequence: number
  readonly lastSequence: number
  readonly baseOffset: number
}
interface ProducerState {
  readonly epoch: number
  readonly batches: readonly Batch[]
}

const KEPT_BATCHES = 5
const SEQUENCES = 2 ** 31
const none: ProducerState = { epoch: -1, batches: [] }

export class ProducerStates {
  readonly #states = new Map<number, ProducerState>()

  /** Throws INVALID_PRODUCER_EPOCH. */
  checkEpoch(producerId: number, epoch: number): void {
    const state = this.#of(producerId)
    if (epoch < state.epoch)
      throw new KafkaError(errors.INVALID_PRODUCER_EPOCH, `epoch ${String(epoch)} after ${String(state.epoch)}`)
  }

  /** The offset of a batch that is there already; undefined: it may be appended. Throws KafkaError. */
  check(producerId: number, epoch: number, firstSequence: number, count: number): number | undefined {
    this.checkEpoch(producerId, epoch)
    const state = this.#of(producerId)
    const lastSequence = (firstSequence + count - 1) % SEQUENCES
    const batches = epoch === state.epoch ? state.batches : []
    const same = batches.find((one) => one.firstSequence === firstSequence && one.lastSequence === lastSequence)
    if (same !== undefined) return same.baseOffset
    // Of a producer that is not known here, any sequence is taken.
    if (state.epoch < 0) return undefined
    const last = batches.at(-1)
    const due = last === undefined ? 0 : (last.lastSequence + 1) % SEQUENCES
    if (firstSequence === due) return undefined
    const what = `sequence ${String(firstSequence)} of epoch ${String(epoch)}, due was ${String(due)}`
    throw new KafkaError(errors.OUT_OF_ORDER_SEQUENCE_NUMBER, what)
  }

  appended(producerId: number, epoch: number, firstSequence: number, count: number, baseOffset: number): void {
    const state = this.#of(producerId)
    const before = epoch === state.epoch ? state.batches : []
    const batch = { firstSequence, lastSequence: (firstSequence + count - 1) % SEQUENCES, baseOffset }
    this.#states.set(producerId, { epoch, batches: [...before, batch].slice(-KEPT_BATCHES) })
  }

  marked(producerId: number, epoch: number): void {
    const state = this.#of(producerId)
    if (epoch > state.epoch) this.#states.set(producerId, { epoch, batches: [] })
  }

  #of(producerId: number): ProducerState {
    return this.#states.get(producerId) ?? none
  }
}
