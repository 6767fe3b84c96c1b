/** `potoroo status` on a real broker: workers, tasks, lag and hand-offs as they are. */
import { describe, expect, it } from 'vitest'
import type { StatusReport } from '../../src/cli/status/report.js'
import { uniqueName } from '../support/broker.js'
import { runCli, startCli } from '../support/cli.js'
import { APPLICATION, events, MarketSpreadBench } from '../support/market-spread.js'
import { openLog } from '../support/open-logs.js'
import { until } from '../support/until.js'

const status = (prefix: string, ...flags: readonly string[]) =>
  runCli(['status', APPLICATION, '--topic-prefix', prefix, ...flags])

async function reportOf(prefix: string): Promise<StatusReport> {
  const { code, stdout, stderr } = await status(prefix, '--json')
  expect([code, stdout.length, stderr]).toEqual([0, 1, []])
  return JSON.parse(stdout[0] ?? '') as StatusReport
}

const reports = (lines: readonly string[]): StatusReport[] => lines.map((line) => JSON.parse(line) as StatusReport)
const held = ({ workers }: StatusReport) => workers.map(({ worker, active }) => [worker, active.length])

describe('potoroo status', () => {
  it('says that there are no workers, where there is not even a topic', async () => {
    const prefix = `${uniqueName('status')}-`
    expect(await status(prefix)).toEqual({
      code: 0,
      stdout: [`market-spread (group ${prefix}market-spread): no workers`],
      stderr: [],
    })
    expect(await reportOf(prefix)).toMatchObject({ state: 'no workers', workers: [], tasks: [] })
  })

  it('shows how a worker that was added gets its tasks, and which stay behind when all have gone', async () => {
    const bench = new MarketSpreadBench()
    await bench.createTopics(4)
    const watching = startCli(['status', APPLICATION, '--topic-prefix', bench.prefix, '--watch', '--json'])
    const first = bench.worker('w1')
    await bench.feed(events(2_000, 1))
    await bench.settled()
    expect(await reportOf(bench.prefix)).toMatchObject({
      state: 'stable',
      describedMsAgo: 0,
      workers: [{ worker: 'w1', live: true, leaving: false }],
      tasks: [0, 1, 2, 3].map((p) => ({ task: `symbol_${p}`, worker: 'w1', state: 'running', lag: 0 })),
      handOffs: [],
    })

    const second = bench.worker('w2')
    const seen = await until('both have two tasks', async () => {
      const report = await reportOf(bench.prefix)
      return JSON.stringify(held(report)) === '[["w1",2],["w2",2]]' && report
    })
    const moved = seen.tasks.filter(({ worker }) => worker === 'w2').map(({ task }) => task)
    await bench.feed(events(2_000, 2))
    await bench.settled()
    const { handOffs } = await reportOf(bench.prefix)
    expect(handOffs.map(({ task }) => task).sort()).toEqual(moved)
    const logged = second.log('task was handed over')
    for (const handOff of handOffs) {
      expect(handOff).toMatchObject({ from: 'w1', to: 'w2', reason: 'balance' })
      expect(logged).toContainEqual(expect.objectContaining(handOff))
    }

    const { stdout } = await status(bench.prefix)
    expect(stdout[0]).toBe(`market-spread (group ${bench.group}): stable, 2 workers, 4 tasks, lag 0`)
    expect(stdout).toContainEqual(expect.stringMatching(/^w2 +127\.0\.0\.1:\d+ +2 +0$/))
    expect(stdout).toContainEqual(expect.stringMatching(/^\d{4}-\S+ +symbol_\d +w1 +w2 +\d+ +\d+ +\d+ +balance$/))

    await until('the watch has seen it, too', () =>
      reports(watching.stdout).some(({ handOffs: all }) => all.length === 2),
    )
    for (const worker of [first, second]) worker.kill('SIGTERM')
    await Promise.all([first.exited, second.exited])
    await until('the watch sees them gone', () => reports(watching.stdout).at(-1)?.state === 'no workers')
    watching.kill('SIGINT')
    expect(await watching.exited).toEqual({ code: 0, signal: null })
    expect(watching.stderr).toEqual([])

    await bench.feed(events(100, 3))
    const left = await reportOf(bench.prefix)
    expect(left.state).toBe('no workers')
    expect(left.tasks.reduce((sum, { lag }) => sum + (lag ?? 0), 0)).toBe(100)
    await bench.close()
  })

  it('waits for a group that rebalances, then says so and exits with 1', async () => {
    const prefix = `${uniqueName('status')}-`
    const { log } = await openLog()
    // A member that has joined and never syncs: the group stays as it is until the rebalance timeout.
    await log.group(`${prefix}market-spread`).join({
      memberId: '',
      sessionTimeoutMs: 60_000,
      rebalanceTimeoutMs: 60_000,
      protocol: 'test',
      metadata: Buffer.alloc(10),
    })
    const { code, stdout } = await status(prefix)
    expect(code).toBe(1)
    expect(stdout).toEqual([
      `market-spread (group ${prefix}market-spread): rebalancing, so the group can't name its workers`,
    ])
    const watching = startCli(['status', APPLICATION, '--topic-prefix', prefix, '--watch', '--json'])
    expect(JSON.parse(await watching.line(/rebalancing/))).toMatchObject({ state: 'rebalancing', describedMsAgo: null })
    watching.kill('SIGTERM')
    expect(await watching.exited).toEqual({ code: 0, signal: null })
  })

  it('tells what the group knows of workers that do not let it in', async () => {
    const bench = new MarketSpreadBench()
    await bench.createTopics(2)
    const worker = startCli(
      ['run', APPLICATION, '--name', 'w1', '--state-dir', bench.directory, '--topic-prefix', bench.prefix],
      { env: { POTOROO_PEER_TOKEN: 'secret' } },
    )
    await worker.line(/tasks assigned/)
    const refused = await until('the group is stable', async () => {
      const report = await reportOf(bench.prefix)
      return report.state === 'stable' && report
    })
    expect(refused.workers).toEqual([
      expect.objectContaining({
        worker: 'w1',
        live: false,
        problem: expect.stringContaining('different token') as string,
        active: [
          { task: 'symbol_0', state: null },
          { task: 'symbol_1', state: null },
        ],
      }),
    ])
    const { stdout } = await runCli(['status', APPLICATION, '--topic-prefix', bench.prefix, '--json'], {
      env: { POTOROO_PEER_TOKEN: 'secret' },
    })
    expect(reports(stdout)[0]?.workers).toEqual([expect.objectContaining({ worker: 'w1', live: true })])
  })
})
