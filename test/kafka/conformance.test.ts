/** The same cases as `test/unit/memory/conformance.test.ts`, on a real broker. */
import { testLog } from '../support/kafka-log.js'
import { knowsTransactionVersion } from '../support/kafka-version.js'
import { uniqueName } from '../support/broker.js'
import { withAdmin } from '../support/topics.js'
import { until } from '../support/until.js'
import { groupCases } from '../conformance/group-cases.js'
import { logCases } from '../conformance/log-cases.js'
import { operatorCases } from '../conformance/operator-cases.js'
import { systemClock } from '../../src/system.js'
import type { World, Worlds } from '../conformance/world.js'
import type { Log } from '../../src/ports/log.js'

const worlds: Worlds = {
  async run(body) {
    const logs: Log[] = []
    const world: World = {
      clock: systemClock,
      log: (options) => {
        const { log } = testLog(options)
        logs.push(log)
        return log
      },
      name: uniqueName,
      deleteBefore: (topic, partition, offset) =>
        withAdmin(async (admin) => {
          // kafkajs knows no leader of a topic that it hasn't asked for.
          await admin.fetchTopicOffsets(topic)
          await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(offset) }] })
        }),
      deleteTopic: (topic) =>
        withAdmin(async (admin) => {
          await admin.deleteTopics({ topics: [topic] })
          await until('the topic is gone', async () => !(await admin.listTopics()).includes(topic))
        }),
      writesByIds: knowsTransactionVersion,
      close: async () => {
        await Promise.all(logs.map((log) => log.close()))
      },
    }
    try {
      await body(world)
    } finally {
      await world.close()
    }
  },
}

logCases(worlds)
operatorCases(worlds)
groupCases(worlds)
