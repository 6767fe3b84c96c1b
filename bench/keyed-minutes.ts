/** Events of keys over some minutes, always the same for the same options, and how often each key comes in each minute. */
import { SeededRandom } from '#potoroo/memory/random.js'

export interface KeyedEvent {
  readonly key: string
  readonly timestampMs: number
}
export interface MinuteCount {
  readonly key: string
  readonly startMs: number
  readonly n: number
}

const MINUTE_MS = 60_000
const PREFIX = 'k'
export const keyName = (index: number): string => `${PREFIX}${String(index).padStart(7, '0')}`

export class KeyedMinutes {
  /** By minute and key. */
  readonly #counts: Uint32Array
  readonly #seen: Uint32Array
  readonly #last: Uint32Array
  #outputs = 0
  #strangers = 0

  constructor(
    private readonly of: {
      readonly events: number
      readonly keys: number
      readonly minutes: number
      /** Where a minute begins. */
      readonly startMs: number
      /** By so much an event may come later than others with its timestamp. */
      readonly disorderMs: number
    },
  ) {
    const size = of.keys * of.minutes
    this.#counts = new Uint32Array(size)
    this.#seen = new Uint32Array(size)
    this.#last = new Uint32Array(size)
  }

  /** Each key is as likely as any other. What is taken is counted. */
  *events(): Generator<KeyedEvent, void> {
    const { events, keys, minutes, startMs, disorderMs } = this.of
    const [which, when] = [new SeededRandom(7), new SeededRandom(8)]
    const spanMs = minutes * MINUTE_MS - disorderMs
    this.#counts.fill(0)
    for (let i = 0; i < events; i++) {
      const key = which.below(keys)
      const sinceMs = Math.floor((i * spanMs) / events) + when.below(disorderMs)
      const place = Math.floor(sinceMs / MINUTE_MS) * keys + key
      this.#counts[place] = (this.#counts[place] ?? 0) + 1
      yield { key: keyName(key), timestampMs: startMs + sinceMs }
    }
  }

  /** Of which something came. */
  get windows(): number {
    return this.#counts.reduce((sum, count) => sum + (count > 0 ? 1 : 0), 0)
  }
  get outputs(): number {
    return this.#outputs
  }

  /** A contender's outputs come from here on. */
  begin(): void {
    this.#seen.fill(0)
    this.#last.fill(0)
    this.#outputs = this.#strangers = 0
  }

  take({ key, startMs, n }: MinuteCount): void {
    this.#outputs++
    const minute = (startMs - this.of.startMs) / MINUTE_MS
    const index = key.startsWith(PREFIX) ? Number(key.slice(PREFIX.length)) : NaN
    const isHere = index >= 0 && index < this.of.keys && minute >= 0 && minute < this.of.minutes
    if (!isHere || !Number.isInteger(minute)) {
      this.#strangers++
      return
    }
    const place = minute * this.of.keys + index
    this.#seen[place] = (this.#seen[place] ?? 0) + 1
    this.#last[place] = n
  }

  /**
   * Windows that came out wrong: whose last count is another than that of the events, or, of those that come once, that came more often
   * or never; and outputs of no window that there is.
   */
  wrong(comes: 'once' | 'with every update'): number {
    let wrong = this.#strangers
    for (const [place, count] of this.#counts.entries()) {
      const seen = this.#seen[place] ?? 0
      const isOften = comes === 'once' ? seen > 1 : seen > count
      if ((this.#last[place] ?? 0) !== count || isOften || (count > 0 && seen === 0)) wrong++
    }
    return wrong
  }
}
