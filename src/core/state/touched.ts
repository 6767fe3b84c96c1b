/** What messages of a commit interval touched of the state objects of a task. */
import { NOWHERE } from './state-memory.js'

/** A record is no live one, or nothing was noted down of it. */
export const NONE = -1

/** What messages of an interval touched, by number; four numbers each. */
export class Touched {
  #words = new Int32Array(4 * 16)
  count = 0

  add(place: number): number {
    const index = this.count++
    if (index * 4 >= this.#words.length) {
      const grown = new Int32Array(this.#words.length * 2)
      grown.set(this.#words)
      this.#words = grown
    }
    this.#words[index * 4] = place
    this.#words[index * 4 + 1] = this.#words[index * 4 + 2] = NONE
    this.#words[index * 4 + 3] = 0
    return index
  }

  /** In memory. */
  place(index: number): number {
    return this.#words[index * 4] ?? NOWHERE
  }
  /** Its number among the live ones, or NONE. */
  live(index: number): number {
    return this.#words[index * 4 + 1] ?? NONE
  }
  /** The number of what was noted down, or NONE. */
  noted(index: number): number {
    return this.#words[index * 4 + 2] ?? NONE
  }
  /** How often its value in memory was put. */
  puts(index: number): number {
    return this.#words[index * 4 + 3] ?? 0
  }
  setPlace(index: number, place: number): void {
    this.#words[index * 4] = place
  }
  setLive(index: number, live: number): void {
    this.#words[index * 4 + 1] = live
  }
  setNoted(index: number, noted: number): void {
    this.#words[index * 4 + 2] = noted
  }
  countPut(index: number): void {
    this.#words[index * 4 + 3] = this.puts(index) + 1
  }
}
