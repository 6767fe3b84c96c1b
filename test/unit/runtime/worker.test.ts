/** Workers of one group on brokers in memory, under virtual time: when they rebalance, and what they give each other. */
import { describe, expect, test } from 'vitest'
import { application as app, definitionOf, type Application } from '../../../src/api/application.js'
import { from } from '../../../src/api/stream.js'
import { stateObject } from '../../../src/api/state-object.js'
import { topic } from '../../../src/api/topic.js'
import { partitionOf } from '../../../src/core/plan/partitioner.js'
import { RecordWriter } from '../../../src/core/records/records.js'
import type { HandOff, WorkerStatus } from '../../../src/core/group/worker-status.js'
import { messageOf } from '../../../src/errors.js'
import { MemoryCluster } from '../../../src/memory/cluster.js'
import { noFaults, type Faults, type RequestInfo } from '../../../src/memory/faults.js'
import { MemoryPeerNetwork } from '../../../src/memory/peers.js'
import { SeededRandom } from '../../../src/memory/random.js'
import { Scheduler, type SimulatedProcess } from '../../../src/memory/scheduler.js'
import { MemoryDisk } from '../../../src/memory/stores.js'
import type { Peers } from '../../../src/ports/peers.js'
import { defaults, type RuntimeOptions } from '../../../src/runtime/options.js'
import { Worker } from '../../../src/runtime/worker.js'
import { APPLICATION, simulated } from '../../sim/application.js'
import { recordsOf } from '../../sim/views.js'
import { anySchema } from '../../support/schemas.js'
import { silentLogger } from '../../support/silent-logger.js'

/** Longer than whatever a group does by itself: its sessions end within 6 s. */
const LONG_MS = 20_000

class TestGroup {
  readonly scheduler = new Scheduler()
  readonly cluster: MemoryCluster
  readonly #network = new MemoryPeerNetwork(this.scheduler)
  readonly #onlooker: Peers

  constructor(
    private readonly partitions: number,
    private readonly options: Partial<RuntimeOptions> = {},
    private readonly faults: Faults = noFaults,
    private readonly application: Application = simulated,
    private readonly fetch: { readonly maxBytesPerPartition?: number } = {},
  ) {
    this.cluster = new MemoryCluster({ scheduler: this.scheduler, faults })
    for (const name of ['quotes', 'orders', 'checked', 'noted']) this.cluster.createTopic({ name, partitions })
    this.#onlooker = this.#network.peers({ process: this.scheduler.process('onlooker') })
  }

  /** What stopped workers. */
  readonly failures: unknown[] = []
  readonly workers = new Map<string, Worker>()
  readonly disks = new Map<string, MemoryDisk>()

  async start(name: string, application = this.application): Promise<SimulatedProcess> {
    const { scheduler, faults } = this
    const process = scheduler.process(name)
    const disk = new MemoryDisk()
    this.disks.set(name, disk)
    const worker = new Worker(
      definitionOf(application),
      { ...defaults, ...this.options, name },
      {
        log: this.cluster.log({ process, ...this.fetch }),
        stores: disk.open({ process, faults }),
        peers: this.#network.peers({ process, address: name, faults }),
        clock: process.clock,
        random: new SeededRandom(1),
        logger: silentLogger,
      },
    )
    worker.ended.catch((error: unknown) => this.failures.push(error))
    this.workers.set(name, worker)
    await scheduler.run(worker.start())
    return process
  }

  async stop(name: string): Promise<void> {
    await this.scheduler.run(this.workers.get(name)?.stop() ?? Promise.resolve(), LONG_MS)
  }

  /** As the worker itself tells whoever asks. */
  handOffs(name: string): readonly HandOff[] {
    return this.#network.listeners.get(name)?.service.status().handOffs ?? []
  }

  order(symbol: string): void {
    const id = `${symbol} at ${String(this.scheduler.nowMs)}`
    this.append('orders', symbol, { id, symbol, account: 'a', kind: 'plain' })
  }

  append(topic: string, key: string, message: object): void {
    const writer = new RecordWriter(1_000_000)
    writer.append(Math.floor(this.scheduler.nowMs), key, JSON.stringify(message))
    this.cluster.append({ topic, partition: partitionOf('murmur2', Buffer.from(key), this.partitions) }, writer.take())
  }

  get generation(): number {
    return this.cluster.describeGroup(APPLICATION).generation
  }

  async status(name: string): Promise<WorkerStatus | undefined> {
    const memberId = this.memberOf(name)
    return this.scheduler.run(this.#onlooker.status({ memberId, address: name }, new AbortController().signal))
  }

  async snapshotOf(name: string, task: string): Promise<number | undefined> {
    const peer = { memberId: this.memberOf(name), address: name }
    return (await this.scheduler.run(this.#onlooker.snapshot(peer, task, new AbortController().signal)))?.bytes
  }

  memberOf(name: string): string {
    return this.#network.listeners.get(name)?.service.memberId() ?? ''
  }

  async loads(...names: readonly string[]): Promise<(readonly [active: number, standby: number])[]> {
    const loads: (readonly [number, number])[] = []
    for (const name of names) {
      const status = await this.status(name)
      loads.push([status?.active.length ?? 0, status?.standby.length ?? 0])
    }
    return loads
  }
}

/** Not a task's: the manifest is written under a transactional id of its own. */
const isOfManifest = (subject: string): boolean => subject.endsWith('-manifest')

test("becoming active asks for the group's positions after fencing, and while the changelog is read", async () => {
  const asked: { readonly api: string; readonly subject: string; readonly atMs: number }[] = []
  const faults: Faults = {
    ...noFaults,
    request: (request) => {
      asked.push({ api: request.api, subject: request.subject, atMs: group.scheduler.nowMs })
      const isSlow = request.api === 'listOffsets' || request.api === 'initProducerId'
      return { toBrokerMs: 0.2, toClientMs: isSlow ? 100 : 0.2 }
    },
  }
  const group = new TestGroup(1, {}, faults)
  await group.start('w1')
  await group.scheduler.advance(LONG_MS)
  const fenced = asked.find(({ api, subject }) => api === 'initProducerId' && !isOfManifest(subject))
  const after = asked.filter(({ atMs }) => atMs > (fenced?.atMs ?? Infinity))
  const positions = after.find(({ api }) => api === 'offsetFetch')
  const end = after.find(({ api }) => api === 'listOffsets')
  expect(positions?.atMs).toBeGreaterThan((fenced?.atMs ?? Infinity) + 100)
  expect(positions?.atMs).toBeLessThan((end?.atMs ?? -Infinity) + 100)
})

test('what ends a backlog is committed after the interval without one, though a timer was set before', async () => {
  const commits: number[] = []
  const faults: Faults = {
    ...noFaults,
    request: ({ api, subject }) => {
      if (api === 'endTxn' && !isOfManifest(subject)) commits.push(group.scheduler.nowMs)
      return { toBrokerMs: 0.2, toClientMs: api === 'fetch' ? 5 : 0.2 }
    },
  }
  const options = { commitIntervalMs: 50, backlogCommitIntervalMs: 5_000 }
  // an answer brings one order: the first is committed at once, after the second a timer is set, the third is the last
  const group = new TestGroup(1, options, faults, simulated, { maxBytesPerPartition: 1 })
  for (const symbol of ['A', 'B', 'C']) group.order(symbol)
  await group.start('w1')
  await group.scheduler.advance(LONG_MS)
  const [first = NaN, second = NaN, third = NaN, ...others] = commits
  expect(others).toEqual([])
  // It brings the group's offsets, which the second one left: when there was no transaction for 100 ms.
  expect(third - second).toBeCloseTo(100, -1)
  // The commits of tasks that keep up are due at multiples of the interval: the second one is at the next.
  expect(second - first).toBeGreaterThan(0)
  expect(second - first).toBeLessThan(60)
})

/** What a worker asks brokers in memory for, and when. */
function requestsOf(group: () => TestGroup, endTxnMs = 0.2) {
  const asked: { readonly api: string; readonly atMs: number }[] = []
  const faults: Faults = {
    ...noFaults,
    request: ({ api }) => {
      asked.push({ api, atMs: group().scheduler.nowMs })
      return { toBrokerMs: 0.2, toClientMs: api === 'endTxn' ? endTxnMs : 0.2 }
    },
  }
  const timesOf = (api: string, sinceMs: number): readonly number[] =>
    asked.filter((one) => one.api === api && one.atMs >= sinceMs).map(({ atMs }) => atMs)
  return { faults, timesOf }
}

test('tasks that keep up commit at the same moments', async () => {
  const { faults, timesOf } = requestsOf(() => group)
  const group: TestGroup = new TestGroup(4, { commitIntervalMs: 50, storeIntervalMs: 60_000 }, faults)
  await group.start('w1')
  await group.scheduler.advance(LONG_MS)
  const startMs = group.scheduler.nowMs
  for (let i = 0; i < 200; i++) {
    group.order(`S${String(i)}`)
    await group.scheduler.advance(3.5)
  }
  // 13 multiples of 50 ms have gone by; a task that had nothing to do for so long commits at once when it has.
  const ends = timesOf('endTxn', startMs + 50)
  const moments = ends.filter((atMs, i) => atMs - (ends[i - 1] ?? 0) > 5)
  expect(ends.length).toBeGreaterThan(45)
  expect(moments.length).toBeLessThan(20)
})

describe("the group's offsets", () => {
  const tp = { topic: 'orders', partition: 0 }
  const busyMs = 1600
  const options = { commitIntervalMs: 10 }

  /** A worker that was given an order every 5 ms. */
  async function busyGroup(endTxnMs?: number) {
    const { faults, timesOf } = requestsOf(() => group, endTxnMs)
    const group: TestGroup = new TestGroup(1, options, faults)
    const process = await group.start('w1')
    await group.scheduler.advance(LONG_MS)
    const startMs = group.scheduler.nowMs
    for (let i = 0; i < busyMs / 5; i++) {
      group.order(`S${String(i % 7)}`)
      await group.scheduler.advance(5)
    }
    return { group, process, orders: busyMs / 5, commits: (api: string) => timesOf(api, startMs).length }
  }

  test('go with few of the transactions of a busy task, and are there when it has become idle', async () => {
    const { group, orders, commits } = await busyGroup()
    expect(commits('endTxn')).toBeGreaterThan(120)
    expect(commits('txnOffsetCommit')).toBeGreaterThanOrEqual(3)
    expect(commits('txnOffsetCommit')).toBeLessThan(7)
    await group.scheduler.advance(110)
    expect(group.cluster.committed(APPLICATION, tp)).toBe(orders)
    const ended = commits('endTxn')
    await group.scheduler.advance(LONG_MS)
    expect(commits('endTxn')).toBe(ended)
  })

  test('go with every transaction that follows while the one before it may still be ending', async () => {
    const { commits } = await busyGroup(20)
    expect(commits('endTxn')).toBeGreaterThan(60)
    // the first one comes after a time without any
    expect(commits('txnOffsetCommit')).toBeGreaterThanOrEqual(commits('endTxn') - 1)
  })

  test('are there at once when a worker stops', async () => {
    const { group, orders } = await busyGroup()
    await group.stop('w1')
    expect(group.cluster.committed(APPLICATION, tp)).toBe(orders)
  })

  test('that are behind when a worker is killed are no reason to do anything again', async () => {
    const { group, process, orders } = await busyGroup()
    const behind = group.cluster.committed(APPLICATION, tp) ?? NaN
    expect(behind).toBeLessThan(orders)
    process.kill()
    await group.start('w2')
    await group.scheduler.advance(LONG_MS)
    expect(recordsOf(group.cluster.partition({ topic: 'checked', partition: 0 })).length).toBe(orders)
    expect(group.cluster.committed(APPLICATION, tp)).toBe(orders)
    expect(group.failures).toEqual([])
  })
})

test('what a source gave before it ran dry is committed soon, though it has more', async () => {
  const commits: number[] = []
  let fetches = 0
  const faults: Faults = {
    ...noFaults,
    request: ({ api, subject }) => {
      if (api === 'endTxn' && !isOfManifest(subject)) commits.push(group.scheduler.nowMs - startMs)
      // the third order takes four seconds
      const isSlow = api === 'fetch' && commits.length === 1 && ++fetches > 4
      return { toBrokerMs: 0.2, toClientMs: isSlow ? 4_000 : 0.2 }
    },
  }
  const options = { commitIntervalMs: 50, backlogCommitIntervalMs: 5_000 }
  const group = new TestGroup(1, options, faults, simulated, { maxBytesPerPartition: 1 })
  for (let i = 0; i < 30; i++) group.order(`S${String(i)}`)
  const startMs = group.scheduler.nowMs
  await group.start('w1')
  await group.scheduler.advance(1_000)
  // the first at once, and what came before the source ran dry
  expect(commits.length).toBe(2)
  expect(commits[1]).toBeLessThan(300)
  await group.scheduler.advance(LONG_MS)
})

describe('the store', () => {
  /** When it was written, ms after the start of a worker that has 40 orders to work off in 4 s: one comes in each 100 ms. */
  const writesIn = async (options: Partial<RuntimeOptions>): Promise<number[]> => {
    const writes: number[] = []
    const faults: Faults = {
      ...noFaults,
      request: (request) => ({ toBrokerMs: 0.2, toClientMs: request.api === 'fetch' ? 100 : 0.2 }),
      write: (write) => {
        writes.push(group.scheduler.nowMs - startMs)
        return noFaults.write(write)
      },
    }
    const intervals = { storeIntervalMs: 200, backlogCommitIntervalMs: 100 }
    const group = new TestGroup(1, { ...intervals, ...options }, faults, simulated, { maxBytesPerPartition: 1 })
    for (let i = 0; i < 40; i++) group.order(`S${String(i)}`)
    const startMs = group.scheduler.nowMs
    await group.start('w1')
    await group.scheduler.advance(LONG_MS)
    return writes
  }

  test('waits while there is a backlog, and is written soon after it', async () => {
    const [first, ...others] = await writesIn({})
    expect(first).toBeGreaterThan(3_900)
    expect(first).toBeLessThan(4_600)
    expect(others.length).toBeLessThan(2)
  })

  test('waits for as long as it was told to, and not shorter than without a backlog', async () => {
    const seldom = await writesIn({ storeIntervalMs: 500, backlogStoreIntervalMs: 1_200 })
    // three during the backlog, one soon after it, and one for the order that came last
    expect(seldom.length).toBe(5)
    expect(seldom.filter((ms) => ms < 3_900).length).toBe(3)
    // not by the timer that was set during the backlog
    expect(seldom.at(-1)).toBeGreaterThan(3_900)
    expect(seldom.at(-1)).toBeLessThan(4_700)
    const often = await writesIn({ backlogStoreIntervalMs: 0 })
    expect(often.length).toBeGreaterThan(12)
    expect(often.length).toBeLessThan(25)
  })

  test('waits until what was fetched at once is processed, though the source has no more', async () => {
    const writes: number[] = []
    const { faults, timesOf } = requestsOf(() => group, 500)
    const write: Faults['write'] = (info) => {
      writes.push(group.scheduler.nowMs)
      return faults.write(info)
    }
    const options = { storeIntervalMs: 200, bufferBytes: 1024 * 1024 }
    const group: TestGroup = new TestGroup(1, options, { ...faults, write })
    // one fetch brings them all; half a MiB is to be committed before more is taken
    for (let i = 0; i < 60; i++) group.order(String(i).padEnd(10_000, 'x'))
    await group.start('w1')
    await group.scheduler.advance(LONG_MS)
    const commits = timesOf('endTxn', 0)
    expect(commits.length).toBeGreaterThan(1)
    expect(writes.length).toBe(1)
    expect(writes[0]).toBeGreaterThan(Math.max(...commits))
  })

  test('is written when much waits', async () => {
    expect((await writesIn({ maxUnstoredBytes: 1 })).length).toBeGreaterThan(30)
  })
})

describe('a rebalance', () => {
  test('is asked for by a standby that takes over when it is warm, and by no other (standby, invariant 3)', async () => {
    const group = new TestGroup(1, { standbys: 1 })
    await group.start('w1')
    group.order('A')
    await group.scheduler.advance(LONG_MS)
    expect(group.generation).toBe(1)
    await group.start('w2')
    await group.scheduler.advance(LONG_MS)
    // The task stays where it is: w2 only follows it, and is warm since long.
    expect((await group.status('w2'))?.standby).toEqual([{ task: 'symbol_0', lag: 0 }])
    expect(group.generation).toBe(2)
  })

  test.each([
    [0, 2],
    [1, 2],
  ])('with %i standbys, a joiner gets its share by %i of them', async (standbys, steps) => {
    const group = new TestGroup(4, { standbys })
    await group.start('w1')
    for (const symbol of ['A', 'B', 'C', 'D', 'E', 'F']) group.order(symbol)
    await group.scheduler.advance(LONG_MS)
    const before = group.generation
    await group.start('w2')
    await group.scheduler.advance(LONG_MS)
    expect(await group.loads('w1', 'w2')).toEqual([
      [2, 2 * standbys],
      [2, 2 * standbys],
    ])
    expect(group.generation).toBe(before + steps)
  })

  test('is not asked for while another worker has yet to learn which tasks it got in the last one', async () => {
    // One is slow to fetch its assignments; the other becomes warm at all times around that.
    for (let openMs = 100; openMs < 1500; openMs += 50) {
      const faults: Faults = {
        ...noFaults,
        openMs: ({ process }) => (process === 'w3' ? openMs : 0.5),
        request: (request) => {
          const isLate = request.process === 'w2' && request.api === 'syncGroup'
          return { ...noFaults.request(request), toBrokerMs: isLate ? 300 : 0.2 }
        },
      }
      const group = new TestGroup(3, {}, faults)
      await group.start('w1')
      const symbols = ['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H']
      for (const symbol of symbols) group.order(symbol)
      await group.scheduler.advance(LONG_MS)
      await group.start('w2')
      await group.start('w3')
      await group.scheduler.advance(LONG_MS)
      for (const symbol of symbols) group.order(symbol)
      await group.scheduler.advance(LONG_MS)
      const came = [...group.handOffs('w2'), ...group.handOffs('w3')]
      expect(
        came.map(({ reason }) => reason),
        `opened in ${String(openMs)} ms`,
      ).toEqual(['balance', 'balance'])
    }
  })

  test('is done once for a death, though one peer is told that the dead one has left long after the others', async () => {
    const isLate = ({ process, api }: RequestInfo): boolean => process === 'w1' && api === 'leaveGroup'
    const late: Faults = {
      ...noFaults,
      request: (request) => ({ ...noFaults.request(request), toClientMs: isLate(request) ? 3000 : 0.2 }),
    }
    const group = new TestGroup(4, {}, late)
    await group.start('w1')
    await group.start('w2')
    await group.start('w3')
    const dying = await group.start('w4')
    await group.scheduler.advance(LONG_MS)
    expect(await group.loads('w1', 'w2', 'w3', 'w4')).toEqual([
      [1, 0],
      [1, 0],
      [1, 0],
      [1, 0],
    ])
    const before = group.generation
    dying.kill()
    await group.scheduler.advance(LONG_MS)
    const loads = await group.loads('w1', 'w2', 'w3')
    expect(loads.map(([active]) => active).sort()).toEqual([1, 1, 2])
    expect(group.generation).toBe(before + 1)
  })
})

describe('a worker that stops', () => {
  test.each([
    ['which it asks', 400, false],
    ["which it can't reach", 200, true],
  ])('leaves when the others have the tasks that it had, %s', async (_, syncMs, unreachable) => {
    let stopping = false
    const faults: Faults = {
      ...noFaults,
      request: (request) => {
        const { process, api } = request
        if (unreachable && api === 'peerConnect') return { toBrokerMs: 0.2, toClientMs: 0.2, fault: 'request-lost' }
        const isLate = stopping && process === 'w2' && api === 'syncGroup'
        return { ...noFaults.request(request), toBrokerMs: isLate ? syncMs : 0.2 }
      },
    }
    const group = new TestGroup(2, {}, faults)
    await group.start('w1')
    await group.start('w2')
    await group.scheduler.advance(LONG_MS)
    stopping = true
    await group.stop('w1')
    const symbols = ['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H']
    for (const symbol of symbols) group.order(symbol)
    await group.scheduler.advance(LONG_MS)
    // One when it came, for balance.
    expect(
      group
        .handOffs('w2')
        .map(({ from, reason }) => [from, reason])
        .sort(),
    ).toEqual([
      ['w1', 'balance'],
      ['w1', 'owner leaves'],
    ])
  })
})

test('a worker whose disk takes nothing from its standbys stops, so that the group waits for another one', async () => {
  let full = true
  const faults: Faults = {
    ...noFaults,
    write: (write) => ({ ...noFaults.write(write), fails: write.process === 'w2' && full }),
  }
  const group = new TestGroup(2, {}, faults)
  await group.start('w1')
  for (const symbol of ['A', 'B', 'C', 'D']) group.order(symbol)
  await group.scheduler.advance(LONG_MS)
  await group.start('w2')
  await group.scheduler.advance(LONG_MS)
  expect(group.failures).toMatchObject([{ code: 'STORE_FAILED' }])
  expect(await group.loads('w1')).toEqual([[2, 0]])
  full = false
  await group.start('w2')
  await group.scheduler.advance(LONG_MS)
  expect(await group.loads('w1', 'w2')).toEqual([
    [1, 0],
    [1, 0],
  ])
})

describe('partitions that are added to a source', () => {
  interface Scene {
    readonly group: TestGroup
    /** Processes whose questions about topics are not answered. */
    readonly blind: Set<string>
    readonly asked: string[]
    readonly processes: ReadonlyMap<string, SimulatedProcess>
  }
  /** Three workers at rest; the first to come leads. */
  async function three(): Promise<Scene> {
    const blind = new Set<string>()
    const asked: string[] = []
    const faults: Faults = {
      ...noFaults,
      request: (request) => {
        const asks = request.api === 'describeTopics'
        if (asks) asked.push(request.process)
        return {
          ...noFaults.request(request),
          ...(asks && blind.has(request.process) ? { fault: 'request-lost' } : {}),
        }
      },
    }
    const group = new TestGroup(2, {}, faults)
    const processes = new Map<string, SimulatedProcess>()
    for (const name of ['w1', 'w2', 'w3']) processes.set(name, await group.start(name))
    await group.scheduler.advance(LONG_MS)
    asked.length = 0
    return { group, blind, asked, processes }
  }
  const changed = { code: 'PARTITION_COUNT_CHANGED' }
  /** The leader looks after 2.5 s, the others as long after the rebalance. */
  const NOTICED_MS = 5500

  test('are looked for by the leader alone, and by the others when the group has rebalanced', async () => {
    const { group, asked } = await three()
    await group.scheduler.advance(60_000)
    expect(new Set(asked)).toEqual(new Set(['w1']))
    expect(asked.length).toBeGreaterThan(20)
    asked.length = 0
    await group.stop('w3')
    await group.scheduler.advance(LONG_MS)
    expect(asked.filter((name) => name === 'w2')).toHaveLength(1)
  })

  test('stop all workers soon', async () => {
    const { group } = await three()
    group.cluster.addPartitions('orders', 3)
    await group.scheduler.advance(NOTICED_MS)
    expect(group.failures).toMatchObject([changed, changed, changed])
  })

  test.each([0, 1000, 10_000])('stop those who are left when the leader dies, %i ms before', async (ms) => {
    const { group, processes } = await three()
    processes.get('w1')?.kill()
    await group.scheduler.advance(ms)
    group.cluster.addPartitions('quotes', 3)
    await group.scheduler.advance(NOTICED_MS)
    expect(group.failures).toMatchObject([changed, changed])
  })

  test('stop those who are left when the leader dies soon after', async () => {
    const { group, processes } = await three()
    group.cluster.addPartitions('orders', 3)
    processes.get('w1')?.kill()
    await group.scheduler.advance(NOTICED_MS)
    expect(group.failures).toMatchObject([changed, changed])
  })

  test('are noticed after a rebalance by all but a leader that gets no answer, and by that one when it gets one', async () => {
    const { group, blind } = await three()
    blind.add('w1')
    group.cluster.addPartitions('orders', 3)
    await group.scheduler.advance(LONG_MS)
    expect(group.failures).toEqual([])
    await group.stop('w3')
    await group.scheduler.advance(NOTICED_MS)
    expect(group.failures).toMatchObject([changed])
    blind.clear()
    await group.scheduler.advance(LONG_MS)
    expect(group.failures).toMatchObject([changed, changed])
  })

  test('are asked about after a rebalance until there is an answer', async () => {
    const { group, blind } = await three()
    for (const name of ['w1', 'w2']) blind.add(name)
    group.cluster.addPartitions('orders', 3)
    await group.stop('w3')
    await group.scheduler.advance(2 * LONG_MS)
    expect(group.failures).toEqual([])
    blind.delete('w2')
    await group.scheduler.advance(LONG_MS)
    expect(group.failures).toMatchObject([changed])
  })

  test('are noticed at last though nothing rebalances, and the leader gets no answer', async () => {
    const { group, blind } = await three()
    blind.add('w1')
    group.cluster.addPartitions('orders', 3)
    await group.scheduler.advance(310_000)
    expect(group.failures).toMatchObject([changed, changed])
  })
})

describe('the store of an idle task', () => {
  test('is said to be at the end of its changelog only while the group has it here', async () => {
    let away = false
    const faults: Faults = {
      ...noFaults,
      request: (request) => ({ ...noFaults.request(request), ...(away ? { fault: 'request-lost' } : {}) }),
    }
    const group = new TestGroup(1, {}, faults)
    await group.start('w1')
    group.order('A')
    await group.scheduler.advance(LONG_MS)
    const atEndMs = (): number => group.disks.get('w1')?.look('symbol_0').meta?.atEndMs ?? 0
    // It is said every 10 minutes.
    const awhileMs = 700_000
    const first = atEndMs()
    await group.scheduler.advance(awhileMs)
    expect(atEndMs() - first).toBeGreaterThan(awhileMs / 2)
    away = true
    const last = group.scheduler.nowMs
    await group.scheduler.advance(awhileMs)
    expect(atEndMs()).toBeLessThan(last)
    expect((await group.status('w1'))?.active).toEqual([{ task: 'symbol_0', state: 'running' }])
  })
})

describe('a snapshot', () => {
  test('is given of a store that has a position; of another one the changelog says more', async () => {
    const slowDisk: Faults = { ...noFaults, write: () => ({ durableAfterMs: LONG_MS, knownAfterMs: 0 }) }
    const group = new TestGroup(1, {}, slowDisk)
    await group.start('w1')
    group.order('A')
    await group.scheduler.advance(LONG_MS / 2)
    expect((await group.status('w1'))?.active).toEqual([{ task: 'symbol_0', state: 'running' }])
    expect(group.cluster.partition({ topic: 'sim-symbol-changelog', partition: 0 }).highWatermark).toBeGreaterThan(1)
    expect(await group.snapshotOf('w1', 'symbol_0')).toBeUndefined()
    await group.scheduler.advance(LONG_MS)
    expect(await group.snapshotOf('w1', 'symbol_0')).toBeGreaterThan(0)
    expect(await group.snapshotOf('w1', 'symbol_1')).toBeUndefined()
  })
})

describe('two applications whose names join to the same', () => {
  const input = topic('input', { schema: anySchema<{ readonly key: string }>(), key: ({ key }) => key })
  const named = (application: string, state: string) => {
    const seen = stateObject(state, () => ({ times: 0 }))
    return app(
      application,
      from(input).to(seen, (state) => {
        state.times++
      }),
    )
  }
  const [one, other] = [named('a', 'b-c'), named('a-b', 'c')]

  test('do not share a changelog: the second is told, and the first goes on', async () => {
    const group = new TestGroup(1, {}, noFaults, one)
    group.cluster.createTopic({ name: 'input', partitions: 1 })
    const send = (): void => group.append('input', 'k', { key: 'k' })
    await group.start('w1')
    send()
    await group.scheduler.advance(1000)
    await group.start('w2', other)
    await group.scheduler.advance(LONG_MS)
    expect(group.failures).toMatchObject([{ code: 'CHANGELOG_UNFIT' }])
    expect(messageOf(group.failures[0])).toMatch(
      /^a-b-c-changelog is the changelog of application a with state object b-c, and would also be that of application a-b with state object c/,
    )
    send()
    await group.scheduler.advance(1000)
    expect((await group.status('w1'))?.active).toEqual([{ task: 'b-c_0', state: 'running' }])
    const written = recordsOf(group.cluster.partition({ topic: 'a-b-c-changelog', partition: 0 }))
    expect(written.filter(({ key }) => key === 'b-c\0k')).toHaveLength(2)
    expect(written.filter(({ key }) => key === 'c\0k')).toEqual([])
  })
})
