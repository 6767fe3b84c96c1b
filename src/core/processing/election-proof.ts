/**
 * Whether an empty answer of a partition's leader shows that nothing is there. A leader that was elected a moment ago knows
 * only a high watermark of some time ago: it shows nothing above, though that was acknowledged by the leader before. It has
 * caught up once it says where its log ends; until then it answers OFFSET_NOT_AVAILABLE (KIP-207).
 *
 * Invariants
 * 1. An answer is proof only if its fetch was sent after a leader of the same epoch had said where its log ends.
 * 2. The leader is asked only while somebody waits for the proof, once for each epoch.
 */

/** Epochs are counted from 0: the first leader has no log of another to catch up with. */
const FIRST_EPOCH = 0

export class ElectionProof {
  #provenEpoch = FIRST_EPOCH
  #isAsking = false

  /** Whether the answer to a fetch that is sent now is proof. `epoch`: the leader's; undefined where brokers don't say. */
  holds(epoch: number | undefined): boolean {
    return epoch === undefined || epoch <= FIRST_EPOCH || epoch === this.#provenEpoch
  }

  /** Whether the leader is to be asked now where its log ends: then `answered` or `failed` has to be called. */
  begin(epoch: number | undefined): boolean {
    if (this.#isAsking || this.holds(epoch)) return false
    this.#isAsking = true
    return true
  }

  answered(epoch: number): void {
    this.#isAsking = false
    this.#provenEpoch = epoch
  }

  failed(): void {
    this.#isAsking = false
  }
}
