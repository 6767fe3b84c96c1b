/** Lines of words for word count, always the same for the same options, and what counting them has to give. */
import { SeededRandom } from '#potoroo/memory/random.js'

export const WORDS_PER_LINE = 8
/** For reports: how often which word comes. */
export const WORDS_COME = 'the word of rank r as often as 1/r (Zipf), as in texts'

const CONSONANTS = 'bcdfghjklmnpqrstvwxz'
const VOWELS = 'aeiou'
const SYLLABLES = CONSONANTS.length * VOWELS.length

/** Of four letters or more, and another one for each rank: the frequent ones are short. */
export function wordOf(rank: number): string {
  let word = ''
  for (let rest = rank, syllables = 0; rest > 0 || syllables < 2; syllables++) {
    const syllable = rest % SYLLABLES
    word += `${CONSONANTS.charAt(Math.floor(syllable / VOWELS.length))}${VOWELS.charAt(syllable % VOWELS.length)}`
    rest = Math.floor(rest / SYLLABLES)
  }
  return word
}

/** Endless lines; it counts the words of those that were taken. */
export class Lines {
  readonly #words: readonly string[]
  /** Up to and with the rank, of 1 in all. */
  readonly #shares: Float64Array
  readonly #counts: Uint32Array
  readonly #random: SeededRandom

  constructor(distinct: number, seed: number) {
    this.#words = Array.from({ length: distinct }, (_, rank) => wordOf(rank))
    this.#shares = new Float64Array(distinct)
    this.#counts = new Uint32Array(distinct)
    this.#random = new SeededRandom(seed)
    let sum = 0
    for (let rank = 0; rank < distinct; rank++) this.#shares[rank] = sum += 1 / (rank + 1)
    for (let rank = 0; rank < distinct; rank++) this.#shares[rank] = (this.#shares[rank] ?? 0) / sum
  }

  next(): string {
    let line = ''
    for (let i = 0; i < WORDS_PER_LINE; i++) {
      const rank = this.#draw()
      this.#counts[rank] = (this.#counts[rank] ?? 0) + 1
      line += i === 0 ? (this.#words[rank] ?? '') : ` ${this.#words[rank] ?? ''}`
    }
    return line
  }

  /** Of every word that has come. */
  counts(): Map<string, number> {
    const counts = new Map<string, number>()
    for (const [rank, count] of this.#counts.entries()) if (count > 0) counts.set(this.#words[rank] ?? '', count)
    return counts
  }

  #draw(): number {
    const share = this.#random.next()
    let [low, high] = [0, this.#shares.length - 1]
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#shares[middle] ?? 1) > share) high = middle
      else low = middle + 1
    }
    return low
  }
}

/** Holds counts that came out against those that should have. */
export class CountCheck {
  readonly #seen = new Map<string, { times: number; sum: number; last: number }>()
  #outputs = 0

  take({ word, n }: { readonly word: string; readonly n: number }): void {
    this.#outputs++
    const seen = this.#seen.get(word)
    if (seen === undefined) this.#seen.set(word, { times: 1, sum: n, last: n })
    else {
      seen.times++
      seen.sum += n
      seen.last = n
    }
  }

  get outputs(): number {
    return this.#outputs
  }

  /**
   * Words that come out wrong: whose last count is another than expected, or, where every update comes out, that had not
   * each count from 1 to that once.
   */
  wrong(expected: ReadonlyMap<string, number>, everyUpdate: boolean): number {
    let wrong = 0
    for (const [word, count] of expected) {
      const { times, sum, last } = this.#seen.get(word) ?? { times: 0, sum: 0, last: 0 }
      const each = times === count && sum === (count * (count + 1)) / 2
      if (last !== count || (everyUpdate ? !each : times > count)) wrong++
    }
    for (const word of this.#seen.keys()) if (!expected.has(word)) wrong++
    return wrong
  }
}
