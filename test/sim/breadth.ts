/**
 * What else a world may be: which application runs, how brokers do transactions, which timestamps records have. Drawn apart from
 * everything else, so that a world that draws nothing of it is what it was before there was any.
 */
import { ledgerApplication } from './applications/ledger-application.js'
import { marketApplication } from './applications/market-application.js'
import { relayApplication } from './applications/relay-application.js'
import type { MemoryClusterOptions } from '../../src/memory/cluster.js'
import type { SeededRandom } from '../../src/memory/random.js'
import type { SimulatedApplication } from './applications/simulated-application.js'
import type { TimestampKind } from './timestamps.js'

export interface Breadth {
  readonly application: SimulatedApplication
  readonly timestamps: TimestampKind
  /** Machines lose power, and their clocks are set. */
  readonly machines: boolean
  readonly transactions: Pick<MemoryClusterOptions, 'transactionVersion' | 'maxEpoch'>
}

/** `given`: an application instead of one of those that are drawn. */
export function drawBreadth(random: SeededRandom, given?: SimulatedApplication): Breadth {
  const drawn = random.pick([
    ...Array.from({ length: 6 }, () => marketApplication),
    relayApplication,
    ledgerApplication,
    ledgerApplication,
  ])
  return {
    application: given ?? drawn,
    timestamps: random.chance(0.2) ? 'odd' : 'plain',
    // Epochs that run out all the time, now and then.
    transactions: random.chance(0.5)
      ? { transactionVersion: 2, maxEpoch: random.pick([2, 10, 32_766]) }
      : { transactionVersion: 1 },
    machines: random.chance(0.3),
  }
}
