/** The cluster in memory does what the real one does; `test/kafka/conformance.test.ts` runs the same cases there. */
import { describe } from 'vitest'
import { MemoryCluster } from '../../../src/memory/cluster.js'
import { Scheduler } from '../../../src/memory/scheduler.js'
import { groupCases } from '../../conformance/group-cases.js'
import { logCases } from '../../conformance/log-cases.js'
import { operatorCases } from '../../conformance/operator-cases.js'
import { inSimulatedWorld } from '../../conformance/simulated-world.js'
import type { Worlds } from '../../conformance/world.js'

const worldsOf = (brokers: number, transactionVersion: 1 | 2): Worlds => ({
  async run(body) {
    const scheduler = new Scheduler()
    const cluster = new MemoryCluster({ scheduler, brokers, transactionVersion })
    await inSimulatedWorld(scheduler, cluster, true, body)
  },
})

describe.each([1, 3])('%i brokers', (brokers) => {
  describe.each([1, 2] as const)('transactions of version %i', (version) => {
    logCases(worldsOf(brokers, version))
    operatorCases(worldsOf(brokers, version))
  })
  groupCases(worldsOf(brokers, 1))
})
