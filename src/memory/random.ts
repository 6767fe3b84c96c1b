/** Pseudo-random numbers that a seed reproduces: sfc32 (Chris Doty-Humphrey, PractRand), seeded through splitmix32. */
import type { Random } from '../ports/clock.js'

export class SeededRandom implements Random {
  #a: number
  #b: number
  #c: number
  #counter = 1

  constructor(seed: number) {
    let state = seed | 0
    const word = (): number => {
      state = (state + 0x9e3779b9) | 0
      let z = state ^ (state >>> 16)
      z = Math.imul(z, 0x21f0aaad)
      z ^= z >>> 15
      z = Math.imul(z, 0x735a2d97)
      return (z ^ (z >>> 15)) | 0
    }
    this.#a = word()
    this.#b = word()
    this.#c = word()
    for (let i = 0; i < 12; i++) this.#word()
  }

  next(): number {
    return this.#word() / 4_294_967_296
  }

  id(): string {
    let id = ''
    for (let i = 0; i < 4; i++) id += this.#word().toString(16).padStart(8, '0')
    return id
  }

  /** A whole number, 0 <= n < limit. */
  below(limit: number): number {
    return Math.floor(this.next() * limit)
  }

  /** Uniform in [from, to). */
  between(from: number, to: number): number {
    return from + this.next() * (to - from)
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  /** Throws RangeError for an empty array. */
  pick<T>(things: readonly T[]): T {
    const index = this.below(things.length)
    if (index >= things.length) throw new RangeError('there is nothing to pick from')
    return things[index] as T
  }

  /** Another generator: what one part of a simulation draws doesn't change what another part draws. */
  fork(): SeededRandom {
    return new SeededRandom(this.#word())
  }

  #word(): number {
    const t = (this.#a + this.#b + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + t) | 0
    return t >>> 0
  }
}
