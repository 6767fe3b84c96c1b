/** When a standby tells the group that it is warm (standby, invariant 3). */
import { expect, test, vi } from 'vitest'
import { definitionOf } from '../../../src/api/application.js'
import { topologyOf } from '../../../src/core/plan/topology.js'
import { PotorooError } from '../../../src/errors.js'
import { MemoryCluster } from '../../../src/memory/cluster.js'
import { MemoryPeerNetwork } from '../../../src/memory/peers.js'
import { SeededRandom } from '../../../src/memory/random.js'
import { Scheduler } from '../../../src/memory/scheduler.js'
import { MemoryDisk } from '../../../src/memory/stores.js'
import type { FetchInput } from '../../../src/ports/log.js'
import { defaults } from '../../../src/runtime/options.js'
import { Standby } from '../../../src/runtime/standby.js'
import { planTasks } from '../../../src/runtime/topics.js'
import { simulated } from '../../sim/application.js'
import { fetchedOf } from '../../support/records.js'
import { silentObserver } from '../../support/silent-logger.js'

/** A standby that counts as warm up to 10 records behind, and is as many behind as the test says. */
async function standby() {
  const scheduler = new Scheduler()
  const cluster = new MemoryCluster({ scheduler })
  for (const name of ['quotes', 'orders', 'checked', 'noted']) cluster.createTopic({ name, partitions: 1 })
  const process = scheduler.process('w')
  const log = cluster.log({ process })
  const plans = await scheduler.run(
    planTasks(
      topologyOf(definitionOf(simulated)),
      { log, observer: silentObserver, clock: process.clock, stores: { directory: '/memory' } },
      defaults,
    ),
  )
  const plan = plans.get('symbol_0')
  if (plan === undefined) throw new Error('no such task')
  const inputs = new Set<FetchInput>()
  let told = 0
  const one = new Standby(
    plan,
    {
      log,
      stores: new MemoryDisk().open({ process }),
      peers: new MemoryPeerNetwork(scheduler).peers({ process }),
      clock: process.clock,
      random: new SeededRandom(1),
      observer: silentObserver,
      fetcher: {
        add: (input) => inputs.add(input),
        remove: (input) => inputs.delete(input),
        wake: () => undefined,
        close: () => Promise.resolve(),
      },
      warmLag: 10,
      warm: () => told++,
      fatal: (error) => {
        throw error
      },
    },
    undefined,
  )
  one.start()
  await scheduler.until(() => inputs.size === 1)
  return {
    one,
    scheduler,
    inputs,
    is: (lag: number): void => {
      for (const input of inputs) input.deliver(fetchedOf([], { nextPosition: 0, lastStableOffset: lag }))
    },
    told: (): number => told,
  }
}

test('a standby that the group waits for tells it once, whenever it becomes warm', async () => {
  const { one, is, told } = await standby()
  one.awaited = true
  is(11)
  expect(told()).toBe(0)
  is(10)
  expect(told()).toBe(1)
  is(0)
  expect(told()).toBe(1)
  expect(one.untold).toBe(true)
  is(11)
  expect(one.untold).toBe(false)
  is(0)
  expect(told()).toBe(2)
  one.report()
  expect(one.untold).toBe(false)
  is(11)
  is(0)
  expect(told()).toBe(2)
})

test('one that the group does not wait for tells nothing, until the group does', async () => {
  const { one, is, told } = await standby()
  one.awaited = false
  is(0)
  expect(told()).toBe(0)
  one.awaited = true
  expect(told()).toBe(1)
})

test('one that had fallen behind when the group asked tells it again', async () => {
  const { one, is, told } = await standby()
  one.awaited = true
  is(0)
  expect(told()).toBe(1)
  is(500)
  expect(one.report()).toBe(500)
  one.awaited = true
  expect(told()).toBe(1)
  is(3)
  expect(told()).toBe(2)
  expect(one.report()).toBe(3)
  one.awaited = true
  expect(told()).toBe(2)
})

test('one whose reading fails again and again keeps nothing of the readers that failed', async () => {
  const [added, removed] = [
    vi.spyOn(AbortSignal.prototype, 'addEventListener'),
    vi.spyOn(AbortSignal.prototype, 'removeEventListener'),
  ]
  try {
    const { one, scheduler, inputs } = await standby()
    const before = added.mock.calls.length - removed.mock.calls.length
    for (let i = 0; i < 5; i++) {
      for (const input of [...inputs]) input.failed(new PotorooError('CORRUPT_BATCH', 'again'))
      expect(inputs.size).toBe(0)
      await scheduler.until(() => inputs.size === 1)
    }
    expect(added.mock.calls.length - removed.mock.calls.length).toBe(before)
    await scheduler.run(one.close())
    expect(inputs.size).toBe(0)
  } finally {
    added.mockRestore()
    removed.mockRestore()
  }
})
