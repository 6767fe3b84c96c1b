/** Three brokers with three replicas of everything, of which some are away: nothing is lost or repeated. */
import { setTimeout as delay } from 'node:timers/promises'
import { beforeAll, describe, expect, it } from 'vitest'
import { ExampleBench, type ExampleWorker } from '../support/example-bench.js'
import { balancesIn, LedgerInput, total, type Settled, withoutZeros } from '../support/ledger-example.js'
import { SeveralBrokers } from '../support/several-brokers.js'
import { until } from '../support/until.js'

/** Transfers a second, for so long as the trouble lasts. */
const TRANSFERS = 12_000
const PER_ROUND = 100
const ROUND_MS = 250

describe('a ledger in two stages, on three brokers with three replicas', () => {
  const cluster = new SeveralBrokers(3)
  beforeAll(() => cluster.start())

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
