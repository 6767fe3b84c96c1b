/**
 * Cuts what a broker sends into answers. The socket reads to where an answer is to lie: one of some MB would else be put
 * together from chunks of 64 KiB, each an allocation of its own outside of the heap, for which V8 collects garbage.
 *
 *     Frame => Size Answer        (Size: int32, the answer's bytes)
 *
 * Invariants
 * 1. There is always room, and never more than the answer under way needs: what comes after it is read to the scratch.
 * 2. An answer that was handed on has memory of its own. Nothing is written to it until whoever has it gives it back.
 */

/** Enough for what most answers are. What is longer is read to its own place from here on. */
const SCRATCH_BYTES = 16 * 1024
/** No broker answers more. Something else that listens at its port may seem to: 'HTTP' is 1.2 GB, an alert of TLS 352 MB. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024
const SIZE_BYTES = 4

export class Frames {
  readonly #scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES)
  /** Bytes in the scratch. */
  #scratched = 0
  /** The answer under way, once its size is known and more of it is to come. */
  #answer: Buffer | undefined
  /** Bytes in the answer. */
  #filled = 0

  constructor(
    /** Memory for an answer of so many bytes. */
    private readonly take: (bytes: number) => Buffer,
    private readonly answered: (answer: Buffer) => void,
    /** Told of a size that none has; nothing that follows it can be read. */
    private readonly refused: (bytes: number) => void,
  ) {}

  /** Where to read next. */
  room(): Buffer {
    return this.#answer === undefined ? this.#scratch.subarray(this.#scratched) : this.#answer.subarray(this.#filled)
  }

  /** So many bytes were read there. */
  took(count: number): void {
    const answer = this.#answer
    if (answer === undefined) {
      this.#scratched += count
      this.#cut()
      return
    }
    this.#filled += count
    if (this.#filled < answer.length) return
    this.#answer = undefined
    this.answered(answer)
  }

  #cut(): void {
    const scratch = this.#scratch
    const end = this.#scratched
    this.#scratched = 0
    let at = 0
    while (end - at >= SIZE_BYTES) {
      const size = scratch.readInt32BE(at)
      if (size < 0 || size > MAX_ANSWER_BYTES) {
        this.refused(size)
        return
      }
      at += SIZE_BYTES
      const answer = this.take(size)
      const there = scratch.copy(answer, 0, at, Math.min(at + size, end))
      at += there
      if (there === size) this.answered(answer)
      else {
        this.#answer = answer
        this.#filled = there
      }
    }
    scratch.copyWithin(0, at, end)
    this.#scratched = end - at
  }
}
