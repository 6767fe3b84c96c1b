/** Market Spread's shape: application.ts, market.ts. One state object and a pipeline without any, on the same sources. */
import { definitionOf } from '../../../src/api/application.js'
import { simulated, type SymbolState } from '../application.js'
import { checkDeadLetters, checkNoted, checkOutputs, checkOutputsLoosely, checkStates } from '../checks.js'
import { calculate, drawMarket } from '../market.js'
import type { SimulatedApplication } from './simulated-application.js'

export const marketApplication: SimulatedApplication = {
  definition: definitionOf(simulated),
  draw: (random, { strict, stamp, keys, isRefused, ...plan }) => {
    const { written, taken } = stamp(drawMarket(random, { ...plan, symbols: keys }))
    return {
      events: written,
      deadLetters: () => calculate(taken, isRefused).deadLetters,
      check: (seen) => {
        const expected = calculate(taken, isRefused)
        const checked = seen.records('checked')
        return [
          ...(strict ? checkOutputs(expected, checked) : checkOutputsLoosely(written, expected, checked)),
          ...checkNoted(expected, seen.records('noted')),
          ...checkDeadLetters(expected, seen.deadLetters),
          ...checkStates(expected, seen.states('symbol') as ReadonlyMap<string, SymbolState>, !strict),
        ]
      },
    }
  },
}
