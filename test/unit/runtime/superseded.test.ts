/** An activation that is over before it has begun: what a later owner has done is not to be taken for an operator's doing. */
import { expect, test } from 'vitest'
import { definitionOf } from '../../../src/api/application.js'
import { COMMIT_KEY, encodeCommitRecord } from '../../../src/core/commit-record.js'
import { RecordWriter } from '../../../src/core/records.js'
import { topologyOf } from '../../../src/core/topology.js'
import { MemoryCluster } from '../../../src/memory/cluster.js'
import { MemoryPeerNetwork } from '../../../src/memory/peers.js'
import { SeededRandom } from '../../../src/memory/random.js'
import { Scheduler } from '../../../src/memory/scheduler.js'
import { MemoryDisk } from '../../../src/memory/stores.js'
import type { Log } from '../../../src/ports/log.js'
import { activate } from '../../../src/runtime/activation.js'
import { defaults } from '../../../src/runtime/options.js'
import { planTasks } from '../../../src/runtime/topics.js'
import { simulated } from '../../sim/application.js'

const CHANGELOG = { topic: 'sim-symbol-changelog', partition: 0 }

/** An activation after which somebody does something, before the group is asked for its offsets. */
async function activation(meanwhile: (owner: Owner) => Promise<void>) {
  const scheduler = new Scheduler()
  const cluster = new MemoryCluster({ scheduler })
  for (const name of ['quotes', 'orders', 'checked', 'noted']) cluster.createTopic({ name, partitions: 1 })
  const process = scheduler.process('w')
  const log = cluster.log({ process })
  const warnings: string[] = []
  const logger = {
    debug: () => undefined,
    info: () => undefined,
    warn: (_: object, message: string): void => void warnings.push(message),
    error: () => undefined,
  }
  const plans = await scheduler.run(planTasks(topologyOf(definitionOf(simulated)), log, defaults, logger))
  const plan = plans.get('symbol_0')
  if (plan === undefined) throw new Error('no such task')

  const owner: Owner = {
    cluster,
    commit: async (position) => {
      const writer = new RecordWriter(1_000_000)
      const record = { identity: 'mine', positions: { quotes: position, orders: 0 }, by: 'other', atMs: 0 }
      writer.append(0, COMMIT_KEY, encodeCommitRecord(record))
      const producer = await log.producer(plan.transactionalId)
      await producer.commit({
        records: [{ ...CHANGELOG, chunks: writer.take() }],
        group: plan.group,
        positions: ['quotes', 'orders'].map((topic) => ({
          topic,
          partition: 0,
          position: topic === 'quotes' ? position : 0,
        })),
      })
    },
  }
  await scheduler.run(owner.commit(3))
  const asked: Log = {
    ...Object.fromEntries(['listOffsets', 'producer'].map((name) => [name, log[name as 'producer'].bind(log)])),
    committedPositions: async (group, partitions) => {
      // The changelog's end was asked for by then.
      await new Promise<void>((resolve) => process.clock.after(50, resolve))
      await meanwhile(owner)
      return log.committedPositions(group, partitions)
    },
  } as Log
  const stores = new MemoryDisk().open({ process })
  const peers = new MemoryPeerNetwork(scheduler).peers({ process })
  const env = { log: asked, stores, peers, clock: process.clock, random: new SeededRandom(1), logger }
  const outcome = activate(plan, { ...env, fetcher: log.fetcher() }, new AbortController().signal, Promise.resolve(), {
    store: undefined,
  })
  return { positions: await scheduler.run(outcome.then(({ positions }) => positions)), warnings }
}
interface Owner {
  readonly cluster: MemoryCluster
  commit(position: number): Promise<void>
}

test("offsets that a later owner committed are no operator's reset: this activation is fenced, and says nothing", async () => {
  await expect(activation((owner) => owner.commit(7))).rejects.toMatchObject({ code: 'FENCED' })
})

test("an operator's reset is honoured, with a warning", async () => {
  const { positions, warnings } = await activation(({ cluster }) => {
    cluster.setCommitted('sim', [{ topic: 'quotes', partition: 0, position: 1 }])
    return Promise.resolve()
  })
  expect(positions).toEqual([1, 0])
  expect(warnings).toEqual(["the group's offset 1 is not the committed position 3: it was reset, and is honoured"])
})
