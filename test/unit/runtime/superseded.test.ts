/** An activation that is over before it has begun: what a later owner has done is not to be taken for an operator's doing. */
import { expect, test } from 'vitest'
import { definitionOf } from '../../../src/api/application.js'
import { COMMIT_KEY, encodeCommitRecord } from '../../../src/core/commit/commit-record.js'
import { RecordWriter } from '../../../src/core/records/records.js'
import { topologyOf } from '../../../src/core/plan/topology.js'
import { MemoryCluster } from '../../../src/memory/cluster.js'
import { MemoryPeerNetwork } from '../../../src/memory/peers.js'
import { SeededRandom } from '../../../src/memory/random.js'
import { Scheduler } from '../../../src/memory/scheduler.js'
import { MemoryDisk } from '../../../src/memory/stores.js'
import type { Log } from '../../../src/ports/log.js'
import { activate } from '../../../src/runtime/activation.js'
import { logObserver } from '../../../src/runtime/log-lines.js'
import { defaults } from '../../../src/runtime/options.js'
import { planTasks } from '../../../src/runtime/topics.js'
import { simulated } from '../../sim/application.js'

const CHANGELOG = { topic: 'sim-symbol-changelog', partition: 0 }

/** An activation, and what somebody does between two of its questions: for the changelog's end, and for the group's offsets. */
async function activation(
  first: 'end' | 'offsets',
  meanwhile: (owner: Owner) => Promise<void>,
): Promise<{ readonly positions: readonly number[]; readonly warnings: readonly string[] }> {
  const scheduler = new Scheduler()
  const cluster = new MemoryCluster({ scheduler })
  for (const name of ['quotes', 'orders', 'checked', 'noted']) cluster.createTopic({ name, partitions: 1 })
  const process = scheduler.process('w')
  const log = cluster.log({ process })
  const warnings: string[] = []
  const observer = logObserver({
    debug: () => undefined,
    info: () => undefined,
    warn: (_: object, message: string): void => void warnings.push(message),
    error: () => undefined,
  })
  const plans = await scheduler.run(
    planTasks(
      topologyOf(definitionOf(simulated)),
      { log, observer, clock: process.clock, stores: { directory: '' } },
      defaults,
    ),
  )
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
  let done: Promise<void> | undefined
  /** The other question is answered by then. */
  const later = async (): Promise<void> => {
    await new Promise<void>((resolve) => process.clock.after(50, resolve))
    await (done ??= meanwhile(owner))
  }
  const asked: Log = {
    ...log,
    producer: (id) => log.producer(id),
    listOffsets: async (partitions, which) => {
      if (first === 'offsets') await later()
      return log.listOffsets(partitions, which)
    },
    committedOffsets: async (group, partitions) => {
      if (first === 'end') await later()
      return log.committedOffsets(group, partitions)
    },
  }
  const stores = new MemoryDisk().open({ process })
  const peers = new MemoryPeerNetwork(scheduler).peers({ process })
  const env = { log: asked, stores, peers, clock: process.clock, random: new SeededRandom(1), observer }
  const outcome = activate(
    plan,
    { ...env, fetcher: log.fetcher() },
    new AbortController().signal,
    Promise.resolve(),
    { store: undefined },
    0,
  )
  return { positions: await scheduler.run(outcome.then(({ positions }) => positions)), warnings }
}
interface Owner {
  readonly cluster: MemoryCluster
  commit(position: number): Promise<void>
}

test("offsets that a later owner committed are no operator's reset: this activation is fenced, and says nothing", async () => {
  await expect(activation('end', (owner) => owner.commit(7))).rejects.toMatchObject({ code: 'FENCED' })
})

test('nor are those from before what a later owner committed, which was restored', async () => {
  expect(await activation('offsets', (owner) => owner.commit(7))).toEqual({ positions: [7, 0], warnings: [] })
})

test("an operator's reset is honoured, with a warning", async () => {
  const { positions, warnings } = await activation('end', ({ cluster }) => {
    cluster.setCommitted('sim', [{ topic: 'quotes', partition: 0, position: 1 }])
    return Promise.resolve()
  })
  expect(positions).toEqual([1, 0])
  expect(warnings).toEqual([
    "the group's offset 1 is not the committed position 3: it was reset, so the worker starts there",
  ])
})
