/**
 * What a task does about a failure: begins again from its last commit, at once or after a while; asks its group first;
 * or stops the worker. Decisions only, and what has to be remembered for them.
 *
 * Invariants
 * 1. What can't be cured by beginning again stops the worker, unless another worker has what cures it: one of a newer version.
 * 2. The pause grows while nothing is committed in between, up to a bound; a commit makes it short again.
 * 3. Fenced, it begins again only when the group has confirmed, after the failure, that the task is this worker's: else
 *    two owners would fence each other forever.
 * 4. A store is rebuilt once for the same damage: what is found again at the same place is in the changelog, too.
 */
import { errorKinds, isPotorooError, messageOf, PotorooError, type ErrorCode } from '../../errors.js'
import { MAX_UNEXPECTED_ANSWERS, refusedAtLast } from '../in-doubt.js'

export type Remedy =
  /** `damage`: the store can't be believed, and is to be set aside. */
  | { readonly kind: 'again'; readonly error: PotorooError; readonly afterMs: number; readonly damage?: string }
  | { readonly kind: 'confirm' }
  /** Here it stands still; the worker's other tasks continue. */
  | { readonly kind: 'rest'; readonly error: PotorooError }
  | { readonly kind: 'stop'; readonly error: PotorooError }

const FIRST_BACK_OFF_MS = 50
const MAX_BACK_OFF_MS = 2000

/** Failures of a commit that would come again with the same records. */
const comesAgain: ReadonlySet<ErrorCode> = new Set(['RECORD_TOO_LARGE', 'RECORD_REFUSED', 'COMPUTATION_TOO_LONG'])

export const isOfRecords = (error: unknown): error is PotorooError =>
  isPotorooError(error) && comesAgain.has(error.code)

export class Failures {
  #backOffMs = FIRST_BACK_OFF_MS
  /** Commits in a row with an answer that nobody expects. */
  #unexpected = 0
  /** Positions of the inputs when the store was found damaged last. */
  #damagedAt: readonly number[] | undefined

  constructor(private readonly task: string) {}

  /** `positions`: of the inputs; undefined where the task was not running yet. */
  remedy(error: unknown, positions: readonly number[] | undefined): Remedy {
    if (isPotorooError(error, 'FENCED')) return { kind: 'confirm' }
    if (!isPotorooError(error)) {
      const what = `task ${this.task}: ${messageOf(error)}`
      return { kind: 'stop', error: new PotorooError('INTERNAL', what, { cause: error }) }
    }
    if (error.code === 'TOPOLOGY_OUTDATED') return { kind: 'rest', error }
    if (!errorKinds[error.code].retriable && !isOfRecords(error)) return { kind: 'stop', error }
    if (error.code === 'UNEXPECTED_ANSWER' && ++this.#unexpected >= MAX_UNEXPECTED_ANSWERS)
      return { kind: 'stop', error: refusedAtLast(error) }
    if (error.code !== 'STORE_DAMAGED') return { kind: 'again', error, afterMs: this.#nextBackOff() }
    if (positions?.every((position, i) => position <= (this.#damagedAt?.[i] ?? -1)) === true) {
      // The store was rebuilt, and came to the same message.
      const why = `${error.message} It was rebuilt from the changelog, which has the same bytes.`
      return { kind: 'stop', error: new PotorooError('STORE_DAMAGED', why, { cause: error }) }
    }
    this.#damagedAt = positions
    return { kind: 'again', error, afterMs: this.#nextBackOff(), damage: error.message }
  }

  /** A commit was acknowledged. */
  committed(): void {
    this.#backOffMs = FIRST_BACK_OFF_MS
    this.#unexpected = 0
  }

  /** The next commit will be another than the one that failed: waiting helps nobody. */
  narrowed(): void {
    this.#backOffMs = FIRST_BACK_OFF_MS
  }

  #nextBackOff(): number {
    const ms = this.#backOffMs
    this.#backOffMs = Math.min(MAX_BACK_OFF_MS, ms * 2)
    return ms
  }
}
