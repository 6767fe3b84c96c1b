/** src/kafka on brokers in memory does what it does on a real one: the cases of `test/kafka/conformance.test.ts`. */
import { describe } from 'vitest'
import { groupCases } from '../../conformance/group-cases.js'
import { logCases } from '../../conformance/log-cases.js'
import { inSimulatedWorld } from '../../conformance/simulated-world.js'
import type { Worlds } from '../../conformance/world.js'
import { SeededRandom } from '../../../src/memory/random.js'
import { Scheduler } from '../../../src/memory/scheduler.js'
import { silentLogger } from '../../support/silent-logger.js'
import { fairClimate, WireWeather, type WireClimate } from './climate.js'
import { WireCluster } from './cluster.js'

const worldsOf = (brokers: number, climate: Partial<WireClimate>): Worlds => ({
  async run(body) {
    const scheduler = new Scheduler()
    const nonsense: string[] = []
    const cluster = new WireCluster({
      scheduler,
      brokers,
      weather: new WireWeather(new SeededRandom(brokers), { ...fairClimate, ...climate }, () => true),
      logger: () => silentLogger,
      said: () => undefined,
      nonsense: (what) => nonsense.push(what),
      troubleMs: 0,
    })
    try {
      await inSimulatedWorld(scheduler, cluster, climate.transactions !== 'version 1', body)
    } finally {
      cluster.close()
    }
    if (nonsense.length > 0) throw new Error(nonsense.join('\n'))
  },
})

describe.each([1, 3])('%i brokers, transactions of version 1', (brokers) => {
  logCases(worldsOf(brokers, { transactions: 'version 1' }))
  groupCases(worldsOf(brokers, { transactions: 'version 1' }))
})
describe.each([1, 3])('%i brokers, transactions of version 2', (brokers) => {
  logCases(worldsOf(brokers, {}))
  groupCases(worldsOf(brokers, {}))
})
describe('producer ids that are used up soon', () => {
  logCases(worldsOf(1, { firstEpoch: 32_760 }))
})
