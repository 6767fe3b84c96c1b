/**
 * Three brokers, three replicas of everything, two of which have to have a record before it counts (min.insync.replicas=2).
 * Under load, brokers are killed, stopped and paused, leaders and replicas move: nothing is lost or repeated.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ExampleBench, type ExampleWorker } from '../support/example-bench.js'
import { balancesIn, LedgerInput, total, type Settled, withoutZeros } from '../support/ledger-example.js'
import { events, MarketSpreadBench, type WorkerHandle } from '../support/market-spread.js'
import { SeveralBrokers } from '../support/several-brokers.js'
import { withAdmin } from '../support/topics.js'
import { until } from '../support/until.js'

const cluster = new SeveralBrokers(3, {
  'min.insync.replicas': '2',
  'transaction.state.log.min.isr': '2',
  // A leader that is not the first of its replicas is moved there after a second, instead of after five minutes.
  'leader.imbalance.check.interval.seconds': '1',
})
beforeAll(() => cluster.start())

/** Longer than a worker's session (6 s), its transactions (10 s), and the brokers' own sessions last. */
const PAUSE_MS = 12_000
/** What everything that takes turns waits for at most: the brokers of this test share two cores with all else. */
const PATIENCE_MS = 120_000

interface Partition {
  readonly topic: string
  readonly partition: number
  readonly leader: number
  readonly replicas: readonly number[]
  readonly inSync: readonly number[]
}

/** Of all topics, the brokers' own among them; nothing where it can't be told at the moment. */
const partitions = (): Promise<readonly Partition[] | undefined> =>
  withAdmin(async (admin) => {
    const { topics } = await admin.fetchTopicMetadata({ topics: await admin.listTopics() })
    return topics.flatMap(({ name, partitions: all }) =>
      all.map(({ partitionId, leader, replicas, isr }) => ({
        topic: name,
        partition: partitionId,
        leader,
        replicas,
        inSync: isr,
      })),
    )
  }, cluster.brokers.split(',')).catch(() => undefined)

const allWhere = (what: string, holds: (partition: Partition) => boolean) =>
  until(what, async () => (await partitions())?.every(holds), PATIENCE_MS)

const allInSync = () => allWhere('all replicas are in sync', ({ inSync }) => inSync.length === cluster.ids.length)

/** Says which replicas each partition has, the first of which is to lead it. */
async function reassign(replicasOf: (partition: Partition) => readonly number[]): Promise<void> {
  const all = await until('the cluster says what it has', partitions, PATIENCE_MS)
  const topics = [...new Set(all.map(({ topic }) => topic))].map((topic) => ({
    topic,
    partitionAssignment: all
      .filter((one) => one.topic === topic)
      .map((one) => ({ partition: one.partition, replicas: [...replicasOf(one)] })),
  }))
  await withAdmin((admin) => admin.alterPartitionReassignments({ topics }), cluster.brokers.split(','))
}

const troubles: readonly (readonly [string, (bench: MarketSpreadBench) => Promise<void>])[] = [
  [
    'a broker is killed, and comes back',
    async (bench) => {
      await cluster.stop(1, 'SIGKILL')
      await bench.caughtUp(PATIENCE_MS)
      await cluster.startAgain(1)
    },
  ],
  [
    'a broker stands still for 12 s',
    async () => {
      cluster.signal(2, 'SIGSTOP')
      await delay(PAUSE_MS)
      cluster.signal(2, 'SIGCONT')
    },
  ],
  [
    'a broker is stopped in an orderly way, and comes back',
    async (bench) => {
      await cluster.stop(3, 'SIGTERM')
      await bench.caughtUp(PATIENCE_MS)
      await cluster.startAgain(3)
    },
  ],
  [
    'two brokers are killed at once, so that nothing can be written, and come back',
    async () => {
      await Promise.all([1, 2].map((id) => cluster.stop(id, 'SIGKILL')))
      await delay(PAUSE_MS)
      await Promise.all([1, 2].map((id) => cluster.startAgain(id)))
    },
  ],
  [
    'brokers are restarted one after the other',
    async () => {
      for (const id of cluster.ids) {
        await cluster.stop(id, 'SIGTERM')
        await cluster.startAgain(id)
        await allInSync()
      }
    },
  ],
  [
    'all leaders move, the coordinators among them',
    async () => {
      await reassign(({ replicas }) => [...replicas.slice(1), ...replicas.slice(0, 1)])
      await allWhere('the first replica leads', ({ leader, replicas }) => leader === replicas[0])
    },
  ],
  [
    'partitions lose a replica, and get it back on a broker that has to copy it all',
    async () => {
      await reassign(({ replicas }) => replicas.slice(1))
      await allWhere('there are two replicas', ({ replicas, inSync }) => replicas.length === 2 && inSync.length === 2)
      await reassign(({ replicas }) => [...cluster.ids.filter((id) => !replicas.includes(id)), ...replicas])
      await allInSync()
      await allWhere('the first replica leads', ({ leader, replicas }) => leader === replicas[0])
    },
  ],
]

describe('Market Spread', () => {
  let bench: MarketSpreadBench
  let workers: readonly WorkerHandle[] = []
  let seed = 0
  let right = 0

  beforeAll(async () => {
    bench = new MarketSpreadBench({ brokers: cluster.brokers })
    await bench.createTopics(6)
    workers = ['w1', 'w2'].map((name) => bench.worker(name))
    await Promise.all(workers.map((worker) => worker.line(/"worker started"/, 60_000)))
  })
  afterAll(() => bench.close())

  it.each(troubles)('%s: each rejection comes out, once', { timeout: 400_000 }, async (_, trouble) => {
    await allInSync()
    const before = bench.sent.length
    let stop = false
    seed += 1
    const feeding = bench.feed(events(1_000_000, seed, 2000), () => stop, 50, 1000)
    // Its failure is the test's, when it is awaited.
    feeding.catch(() => undefined)
    try {
      await until('load is on', () => bench.sent.length > before + 1000, PATIENCE_MS)
      await trouble(bench)
      await bench.caughtUp(PATIENCE_MS)
    } finally {
      stop = true
      await feeding
    }
    await bench.settled(PATIENCE_MS)
    const comparison = await bench.compare()
    expect(comparison).toMatchObject({ lost: [], repeated: [] })
    expect(comparison.right).toBeGreaterThan(right)
    right = comparison.right
    for (const worker of workers) expect(worker.running(), worker.stdout.slice(-3).join('\n')).toBe(true)
  })

  it('the workers have lived through all of it, and end well', async () => {
    console.log(`${bench.sent.length.toLocaleString('en')} events, ${right.toLocaleString('en')} rejections`)
    for (const worker of workers) worker.kill('SIGTERM')
    for (const worker of workers)
      expect(await worker.exited, worker.stdout.slice(-3).join('\n')).toEqual({ code: 0, signal: null })
  })
})

/** Transfers a second, for so long as the trouble lasts. */
const TRANSFERS = 12_000
const PER_ROUND = 100
const ROUND_MS = 250

describe('a ledger in two stages', () => {
  it(
    'keeps its sum, and settles each transfer once, while brokers and workers are killed',
    { timeout: 300_000 },
    async () => {
      const ledger = new ExampleBench('ledger', { brokers: cluster.brokers, replicationFactor: 3 })
      await ledger.createTopics()
      const input = new LedgerInput(200, TRANSFERS, true)
      await input.sendDeposits(ledger)
      const workers = new Map<string, ExampleWorker>()
      const start = async (name: string): Promise<void> => {
        const worker = ledger.worker(name)
        workers.set(name, worker)
        await worker.line(/"worker started"/, 60_000)
      }
      const kill = async (name: string): Promise<void> => {
        const worker = workers.get(name)
        worker?.kill('SIGKILL')
        await worker?.exited
      }
      await Promise.all(['w1', 'w2'].map(start))
      const began = performance.now()
      let sent = 0
      const feeding = (async () => {
        for (; sent < TRANSFERS; sent += PER_ROUND) {
          await input.sendTransfers(ledger, sent, sent + PER_ROUND)
          const aheadMs = (sent / PER_ROUND) * ROUND_MS - (performance.now() - began)
          if (aheadMs > 0) await delay(aheadMs)
        }
      })()
      // Its failure is the test's, when it is awaited.
      feeding.catch(() => undefined)
      const at = (transfers: number) => until(`${String(transfers)} transfers`, () => sent >= transfers, 120_000)
      await at(1000)
      await cluster.stop(1, 'SIGKILL')
      await at(2500)
      await kill('w1')
      await at(4000)
      await cluster.startAgain(1)
      await start('w1')
      await at(6000)
      await cluster.stop(2, 'SIGKILL')
      await kill('w2')
      await start('w3')
      await at(9000)
      await cluster.startAgain(2)
      await feeding
      const settled = await ledger.read<Settled>('settled', TRANSFERS, 120_000)
      const tookMs = performance.now() - began
      for (const worker of workers.values()) worker.kill('SIGTERM')
      for (const [name, worker] of workers)
        if (name !== 'w2')
          expect(await worker.exited, worker.stdout.slice(-3).join('\n')).toEqual({ code: 0, signal: null })
      const balances = await balancesIn(ledger)
      console.log(
        `${String(TRANSFERS)} transfers in ${(tookMs / 1000).toFixed(1)} s, ${String(input.paidIn)} paid in, ${String(total(balances))} there, ` +
          `${String(settled.filter(({ status }) => status === 'refused').length)} refused`,
      )
      expect(settled.map(({ id }) => id).sort()).toEqual(input.transfers.map(({ id }) => id).sort())
      expect(total(balances)).toBe(input.paidIn)
      expect(Math.min(...balances.values())).toBeGreaterThanOrEqual(0)
      expect(withoutZeros(balances)).toEqual(withoutZeros(input.balances(settled)))
    },
  )
})
