/** A copy of the owner's store is a help only when it is used: standbys that take one while the owner goes on. */
import { expect, test } from 'vitest'
import { definitionOf } from '../../../src/api/application.js'
import { encodeCommitRecord, COMMIT_KEY } from '../../../src/core/commit/commit-record.js'
import { GatheredChanges } from '../../../src/core/state/changes.js'
import { RecordWriter } from '../../../src/core/records/records.js'
import { topologyOf } from '../../../src/core/plan/topology.js'
import { MemoryCluster } from '../../../src/memory/cluster.js'
import { MemoryPeerNetwork } from '../../../src/memory/peers.js'
import { SeededRandom } from '../../../src/memory/random.js'
import { Scheduler } from '../../../src/memory/scheduler.js'
import { MemoryDisk } from '../../../src/memory/stores.js'
import type { Snapshot } from '../../../src/ports/peers.js'
import { logObserver } from '../../../src/runtime/log-lines.js'
import { defaults } from '../../../src/runtime/options.js'
import { Standby } from '../../../src/runtime/standby.js'
import { planTasks } from '../../../src/runtime/topics.js'
import { simulated } from '../../sim/application.js'

const CHANGELOG = { topic: 'sim-symbol-changelog', partition: 0 }
const TASK = 'symbol_0'

/** A standby beside an owner that commits `whileCopied` times between the request for a copy and the copy. */
async function standbyBeside(options: { readonly whileCopied: number; readonly identityOfCopy?: string }) {
  const scheduler = new Scheduler()
  const cluster = new MemoryCluster({ scheduler })
  for (const name of ['quotes', 'orders', 'checked', 'noted']) cluster.createTopic({ name, partitions: 1 })
  const process = scheduler.process('w')
  const log = cluster.log({ process })
  const lines: { readonly message: string; readonly fields: object }[] = []
  const line = (fields: object, message: string): void => void lines.push({ message, fields })
  const observer = logObserver({ debug: () => undefined, info: line, warn: line, error: line })
  const plans = await scheduler.run(
    planTasks(
      topologyOf(definitionOf(simulated)),
      { log, observer, clock: process.clock, stores: { directory: '' } },
      defaults,
    ),
  )
  const plan = plans.get(TASK)
  if (plan === undefined) throw new Error('no such task')

  let commits = 0
  const commit = (): number => {
    const writer = new RecordWriter(1_000_000)
    writer.append(process.clock.now(), Buffer.from(`symbol\0S${String(commits++)}`), Buffer.from('state'))
    const record = { identity: 'mine', positions: { quotes: commits, orders: 0 }, by: 'owner', atMs: scheduler.nowMs }
    writer.append(process.clock.now(), COMMIT_KEY, encodeCommitRecord(record))
    return cluster.append(CHANGELOG, writer.take()) + 1
  }
  for (let i = 0; i < 30; i++) commit()

  const owner = new MemoryDisk().open({ process: scheduler.process('owner') })
  const copy = async (): Promise<Snapshot> => {
    const store = await owner.open(TASK)
    let changelogPosition = 0
    for (let i = 0; i <= options.whileCopied; i++) changelogPosition = commit()
    const changes = new GatheredChanges()
    const [key, value] = [Buffer.from('symbol\0S0'), Buffer.from('state')]
    changes.add(key, 0, key.length, value, 0, value.length)
    await store.write([changes], {
      changelogPosition,
      identity: options.identityOfCopy ?? 'mine',
      inputPositions: { quotes: commits, orders: 0 },
      atEndMs: scheduler.nowMs,
    })
    return owner.snapshot(TASK)
  }
  const standby = new Standby(
    plan,
    {
      log,
      stores: new MemoryDisk().open({ process }),
      peers: { ...new MemoryPeerNetwork(scheduler).peers({ process }), snapshot: copy },
      clock: process.clock,
      random: new SeededRandom(1),
      observer,
      fetcher: log.fetcher(),
      warmLag: 5,
      warm: () => undefined,
      fatal: (error) => {
        throw error
      },
    },
    { memberId: 'owner', address: 'owner:1' },
  )
  standby.start()
  await scheduler.until(() => standby.lag === 0)
  const holder = await scheduler.run(standby.release())
  return { holder, messages: lines.map(({ message }) => message), lines }
}

test('a copy is used though the owner went on while it was made: past the end that was listed before it', async () => {
  const { holder, messages } = await standbyBeside({ whileCopied: 3 })
  expect(messages).not.toContain('the store is set aside, and rebuilt from the changelog')
  expect(messages).toContain('took a snapshot of the store')
  expect(holder.snapshotBytes).toBeGreaterThan(0)
  expect(holder.snapshotsDiscarded).toBeUndefined()
})

test('a copy that does not fit is counted as discarded, and its bytes for nothing', async () => {
  const { holder, lines } = await standbyBeside({ whileCopied: 0, identityOfCopy: "another's" })
  expect(lines.find(({ message }) => message.startsWith('the store is set aside'))?.fields).toMatchObject({
    task: TASK,
    snapshotBytes: expect.any(Number) as number,
  })
  expect(holder.snapshotBytes).toBeUndefined()
  expect(holder.snapshotsDiscarded).toBe(1)
})
