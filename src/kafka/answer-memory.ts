/**
 * Memory of large answers, used again. Each would else be an allocation beside the JavaScript heap that lives until the
 * garbage collector comes for it: it came four times a second under a backlog, each time for the whole heap.
 *
 * Invariants
 * 1. Memory is lent to one answer at a time. Whoever gives it back does so once: by the second time another may have it.
 * 2. What is never given back is the garbage collector's: nothing here refers to it.
 * 3. Each answer is a Buffer of its own: who has noted what was in one does not take another for it (json-scanner.ts).
 */

/** Smaller ones cost nothing that counts. */
const MIN_LENT_BYTES = 64 * 1024
/** So that answers of about the same size can have each other's. */
const STEP_BYTES = 256 * 1024
/** An answer keeps all of what it gets: memory so many times as large at most. */
const MAX_WASTE = 4
/** What lies here unused, at most: one answer of the largest size that is asked for, and some smaller ones. */
const MAX_FREE_BYTES = 24 * 1024 * 1024

export class AnswerMemory {
  readonly #free = new Set<ArrayBufferLike>()
  #freeBytes = 0
  readonly #lent = new WeakSet<ArrayBufferLike>()

  /** For an answer of so many bytes; what was there before is still there. */
  take(bytes: number): Buffer {
    if (bytes < MIN_LENT_BYTES) return Buffer.allocUnsafe(bytes)
    let best: ArrayBufferLike | undefined
    for (const memory of this.#free)
      if (memory.byteLength >= bytes && memory.byteLength < (best?.byteLength ?? bytes * MAX_WASTE)) best = memory
    if (best !== undefined && this.#free.delete(best)) this.#freeBytes -= best.byteLength
    best ??= Buffer.allocUnsafeSlow(Math.ceil(bytes / STEP_BYTES) * STEP_BYTES).buffer
    this.#lent.add(best)
    return Buffer.from(best, 0, bytes)
  }

  /** Nobody reads the answer any more, or anything that is a view of it. */
  giveBack(answer: Buffer): void {
    const memory = answer.buffer
    if (!this.#lent.delete(memory) || this.#freeBytes + memory.byteLength > MAX_FREE_BYTES) return
    this.#free.add(memory)
    this.#freeBytes += memory.byteLength
  }
}
