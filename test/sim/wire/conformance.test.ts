/** src/kafka on brokers in memory does what it does on a real one: the cases of `test/kafka/conformance.test.ts`. */
import { describe } from 'vitest'
import { groupCases } from '../../conformance/group-cases.js'
import { logCases } from '../../conformance/log-cases.js'
import type { World, Worlds } from '../../conformance/world.js'
import { SeededRandom } from '../../../src/memory/random.js'
import { Scheduler } from '../../../src/memory/scheduler.js'
import type { Log } from '../../../src/ports/log.js'
import { silentLogger } from '../../support/silent-logger.js'
import { WireWeather, type WireClimate } from './climate.js'
import { WireCluster } from './cluster.js'

const fair: WireClimate = {
  brokers: 1,
  pieceRate: 0.3,
  stallRate: 0,
  refusedRate: 0,
  refusalRate: 0,
  hangRate: 0,
  throttleRate: 0,
  latencyMs: 0.2,
  transactions: 'version 2',
  verifies: true,
  firstEpoch: 0,
  lagMs: 0,
  loadingMs: 0,
  moves: 0,
  topicIds: true,
}

const worldsOf = (brokers: number, climate: Partial<WireClimate>): Worlds => ({
  async run(body) {
    const scheduler = new Scheduler()
    const nonsense: string[] = []
    const cluster = new WireCluster({
      scheduler,
      brokers,
      weather: new WireWeather(new SeededRandom(brokers), { ...fair, ...climate }, () => true),
      logger: () => silentLogger,
      said: () => undefined,
      nonsense: (what) => nonsense.push(what),
      troubleMs: 0,
    })
    const process = scheduler.process('test')
    const logs: Log[] = []
    let names = 0
    const world: World = {
      clock: process.clock,
      log: (options) => {
        const log = cluster.log({ process, ...options })
        logs.push(log)
        return log
      },
      name: (base) => `${base}-${String(names++)}`,
      deleteBefore: (topic, partition, offset) => {
        cluster.partition({ topic, partition }).deleteBefore(offset)
        return Promise.resolve()
      },
      deleteTopic: (topic) => {
        cluster.deleteTopic(topic)
        return Promise.resolve()
      },
      writesByIds: climate.transactions !== 'version 1',
      close: async () => {
        await Promise.all(logs.map((log) => log.close()))
      },
    }
    try {
      await scheduler.run(body(world))
      await scheduler.run(world.close())
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
