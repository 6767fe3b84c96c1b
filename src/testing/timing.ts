/**
 * How long things take in a driver's world, drawn from its seed. Nothing fails on its own: the test decides about
 * failures.
 */
import type { Fate, Faults, WriteFate } from '../memory/faults.js'
import type { SeededRandom } from '../memory/random.js'

export class SeededTiming implements Faults {
  constructor(private readonly random: SeededRandom) {}

  request(): Fate {
    return { toBrokerMs: this.random.between(0.05, 1), toClientMs: this.random.between(0.05, 1) }
  }

  readMs(): number {
    return 0
  }

  markerMs(): number {
    return this.random.between(0.1, 1)
  }

  write(): WriteFate {
    return { durableAfterMs: this.random.between(0.1, 2), knownAfterMs: this.random.between(0.01, 0.1) }
  }

  openMs(): number {
    return this.random.between(0.1, 1)
  }
}
