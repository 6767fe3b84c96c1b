/** What a worker finds wrong at its start: one clear line, and an exit code that says which kind. */
import { createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { exitCodes } from '../../src/errors.js'
import { APPLICATION, MarketSpreadBench } from '../support/market-spread.js'
import { LEDGER, LedgerBench } from '../support/ledger.js'
import { alterTopic } from '../support/alter-topic.js'
import { runCli, startCli } from '../support/cli.js'
import { createTopics, withAdmin } from '../support/topics.js'

const failure = (stderr: readonly string[]): string => {
  expect(stderr).toHaveLength(1)
  return stderr[0] ?? ''
}

describe('a worker that cannot start', () => {
  it('names the topics that are missing', async () => {
    const bench = new MarketSpreadBench()
    const { code, stderr } = await runCli([
      'run',
      APPLICATION,
      '--topic-prefix',
      bench.prefix,
      '--state-dir',
      bench.directory,
    ])
    expect(code).toBe(exitCodes.topics)
    expect(failure(stderr)).toContain(
      `error TOPIC_MISSING: no such topic: ${bench.topic('market-data')}, ${bench.topic('orders')}`,
    )
  })

  it('names co-partitioned topics whose partition counts differ', async () => {
    const bench = new MarketSpreadBench()
    await createTopics([
      { name: bench.topic('market-data'), partitions: 2 },
      { name: bench.topic('orders'), partitions: 3 },
      { name: bench.topic('rejections'), partitions: 1 },
    ])
    const { code, stderr } = await runCli([
      'run',
      APPLICATION,
      '--topic-prefix',
      bench.prefix,
      '--state-dir',
      bench.directory,
    ])
    expect(code).toBe(exitCodes.topics)
    expect(failure(stderr)).toMatch(/PARTITION_COUNTS_DIFFER.*market-data has 2.*orders has 3/)
  })

  it('refuses a changelog that deletes', async () => {
    const bench = new LedgerBench()
    await bench.createTopics()
    await createTopics([{ name: bench.topic('ledger-ledger-changelog'), config: { 'cleanup.policy': 'delete' } }])
    const worker = bench.worker()
    expect((await worker.exited).code).toBe(exitCodes.topics)
    const line = failure(worker.stderr)
    expect(line).toContain('CHANGELOG_UNFIT')
    // What it says is to be copied, and it cures.
    const changelog = bench.topic('ledger-ledger-changelog')
    const [, name, policy] =
      /kafka-configs --bootstrap-server \S+ --alter --entity-type topics --entity-name (\S+) --add-config cleanup\.policy=(\w+)\./.exec(
        line,
      ) ?? []
    expect([name, policy]).toEqual([changelog, 'compact'])
    await alterTopic(changelog, { 'cleanup.policy': policy ?? '' })
    await bench.send({ add: 1 })
    const cured = bench.worker()
    expect(await bench.balances(1)).toEqual([1])
    cured.kill('SIGTERM')
    expect((await cured.exited).code).toBe(exitCodes.ok)
  })

  it('stops when the changelog is gone, because the state objects are gone with it', async () => {
    const bench = new LedgerBench()
    await bench.createTopics()
    await bench.send({ add: 1 })
    const first = bench.worker()
    await bench.balances(1)
    first.kill('SIGTERM')
    await first.exited
    await withAdmin((admin) => admin.deleteTopics({ topics: [bench.topic('ledger-ledger-changelog')] }))
    const second = bench.worker()
    expect((await second.exited).code).toBe(exitCodes.positions)
    expect(failure(second.stderr)).toContain('CHANGELOG_LOST')
  })

  it('says which brokers do not answer', { timeout: 30_000 }, async () => {
    // A port that was free a moment ago.
    const port = await new Promise<number>((resolve) => {
      const server = createServer().listen(0, '127.0.0.1', () => {
        const address = server.address()
        server.close(() => {
          resolve(typeof address === 'object' && address !== null ? address.port : 0)
        })
      })
    })
    const bench = new LedgerBench()
    const { code, stderr } = await runCli([
      'run',
      LEDGER,
      '--brokers',
      `127.0.0.1:${String(port)}`,
      '--state-dir',
      bench.directory,
    ])
    expect(code).toBe(exitCodes.broker)
    expect(failure(stderr.filter((line) => line.startsWith('error')))).toContain(`127.0.0.1:${String(port)}`)
  })

  it('says which process has its state directory', async () => {
    const bench = new LedgerBench()
    await bench.createTopics()
    const first = bench.worker()
    await first.line(/task is active/)
    const second = startCli([
      'run',
      LEDGER,
      '--name',
      'w2',
      '--state-dir',
      `${bench.directory}/w1`,
      '--topic-prefix',
      bench.prefix,
    ])
    expect((await second.exited).code).toBe(exitCodes.state)
    expect(failure(second.stderr)).toMatch(new RegExp(`STATE_DIRECTORY_LOCKED.*${String(first.pid)}`))
    first.kill('SIGTERM')
    await first.exited
  })

  it('refuses an option that makes no sense', async () => {
    const { code, stderr } = await runCli(['run', LEDGER, '--commit-interval', '0'])
    expect(code).toBe(exitCodes.usage)
    expect(stderr.join('\n')).toContain('--commit-interval')
  })
})
