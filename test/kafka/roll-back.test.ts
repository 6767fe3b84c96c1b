/** Going back to an older version of an application for good, on a real broker (`potoroo roll-back`). */
import { expect, test } from 'vitest'
import { exitCodes } from '../../src/errors.js'
import { runCli, startCli } from '../support/cli.js'
import { LEDGER, LedgerBench } from '../support/ledger.js'

const COUNTING = 'test/fixtures/ledger-counting.mjs'

test('goes back to the older version, and forward again, on a broker', { timeout: 120_000 }, async () => {
  const bench = new LedgerBench()
  await bench.createTopics()
  const command = (name: string, application: string, ...flags: readonly string[]) =>
    runCli([name, application, '--topic-prefix', bench.prefix, ...flags])
  const stop = async (worker: ReturnType<LedgerBench['worker']>): Promise<void> => {
    worker.kill('SIGTERM')
    expect((await worker.exited).code).toBe(0)
  }
  const results = async (count: number): Promise<readonly unknown[]> =>
    (await bench.read('balances', count)).map(({ value }) => JSON.parse(value ?? '') as unknown)

  const first = bench.worker()
  await bench.send({ add: 1 })
  await results(1)
  await stop(first)
  const second = bench.workerOf(COUNTING)
  await bench.send({ add: 10 })
  expect((await results(2)).at(-1)).toEqual({ account: 'a', balance: 11, count: 1 })

  // Beside the newer one the older one gets nothing, and alone it stands still.
  expect((await command('topology', COUNTING, '--against')).code).toBe(0)
  const { code, stderr } = await command('topology', LEDGER, '--against')
  expect([code, stderr.join()]).toEqual([
    exitCodes.topics,
    expect.stringMatching(/^error TOPOLOGY_OUTDATED: sub-topology ledger of ledger: .*potoroo roll-back \S+ledger\S*/),
  ])
  await stop(second)
  const still = bench.worker()
  await bench.send({ add: 100 })
  await still.line(/TOPOLOGY_OUTDATED/)
  await stop(still)

  const shown = await command('roll-back', LEDGER, '--dry-run')
  expect(shown.stdout.slice(1).map((line) => line.split(/\s{2,}/))).toEqual([
    ['goes on', 'sub-topology', 'ledger', 'with workers of this version'],
    ['left behind', 'state object', 'counter', 'misses what is processed from now on'],
  ])
  const typed = startCli(['roll-back', LEDGER, '--topic-prefix', bench.prefix])
  typed.write('ledger\n', true)
  expect((await typed.exited).code).toBe(0)
  expect((await command('roll-back', LEDGER, '--yes')).stdout.join()).toContain('is the newest already')
  const third = bench.worker()
  expect((await results(3)).at(-1)).toEqual({ account: 'a', balance: 111 })
  await stop(third)

  expect((await command('topology', COUNTING, '--against')).code).toBe(exitCodes.topics)
  expect((await command('roll-back', COUNTING, '--yes')).code).toBe(0)
  const fourth = bench.workerOf(COUNTING)
  await bench.send({ add: 1000 })
  expect((await results(4)).at(-1)).toEqual({ account: 'a', balance: 1111, count: 2 })
  await stop(fourth)
})
