/** The cluster in memory does what the real one does; `test/kafka/conformance.test.ts` runs the same cases there. */
import { describe } from 'vitest'
import { MemoryCluster } from '../../../src/memory/cluster.js'
import { Scheduler } from '../../../src/memory/scheduler.js'
import { groupCases } from '../../conformance/group-cases.js'
import { logCases } from '../../conformance/log-cases.js'
import type { World, Worlds } from '../../conformance/world.js'
import type { Log } from '../../../src/ports/log.js'

const worldsOf = (brokers: number, transactionVersion: 1 | 2): Worlds => ({
  async run(body) {
    const scheduler = new Scheduler()
    const cluster = new MemoryCluster({ scheduler, brokers, transactionVersion })
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
      writesByIds: true,
      close: async () => {
        await Promise.all(logs.map((log) => log.close()))
      },
    }
    await scheduler.run(body(world))
    await scheduler.run(world.close())
  },
})

describe.each([1, 3])('%i brokers', (brokers) => {
  describe.each([1, 2] as const)('transactions of version %i', (version) => {
    logCases(worldsOf(brokers, version))
  })
  groupCases(worldsOf(brokers, 1))
})
