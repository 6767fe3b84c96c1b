/**
 * Worlds that look at time, and whose workers' clocks are behind by minutes, each life's by as much as it likes: that makes what is
 * due late, and nothing else. In the end all are put right. None is ahead: what a worker does that is alone with such a clock is
 * known to be wrong (docs/time.md), and the unit tests have what the others' clocks do about it.
 */
import { SeededRandom } from '../../src/memory/random.js'
import type { Hands } from './hands.js'

const MOST_MS = 300_000
/** Until clocks that were set forward are believed, and those of others were asked again. */
const BELIEVED_WITHIN_MS = 25_000

export class SlowClocks {
  readonly #random: SeededRandom
  readonly isOn: boolean

  /** `mayBe`: what happens there does not depend on the age of stores, which is known by clocks. */
  constructor(seed: number, mayBe: boolean) {
    this.#random = new SeededRandom(seed ^ 0x2f6b1d83)
    this.isOn = this.#random.chance(0.15) && mayBe
  }

  /** How far a worker's clock is off that starts now, ms. */
  offMs(isCalm: boolean): number {
    return this.isOn && !isCalm && this.#random.chance(0.5) ? -Math.floor(this.#random.between(1_000, MOST_MS)) : 0
  }

  putRight({ slots, say }: Pick<Hands, 'slots' | 'say'>): void {
    if (!this.isOn) return
    say(() => 'clocks are put right')
    for (const { process } of slots) process?.setWallClockOff(0)
  }

  /** By how much longer all that is due may take. */
  get restMs(): number {
    return this.isOn ? BELIEVED_WITHIN_MS : 0
  }
}
