/** Pauses between tries: each twice the one before, up to a bound. */
export class Backoff {
  #nextMs: number
  constructor(
    private readonly firstMs: number,
    private readonly maxMs: number,
  ) {
    this.#nextMs = firstMs
  }
  next(): number {
    const pause = this.#nextMs
    this.#nextMs = Math.min(pause * 2, this.maxMs)
    return pause
  }
  reset(): void {
    this.#nextMs = this.firstMs
  }
}
