/** `potoroo run --http-port` on a real broker: what is served, while workers come and go. */
import { pathToFileURL } from 'node:url'
import { metrics } from '@opentelemetry/api'
import type { Message } from 'kafkajs'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startWorker, type Application } from '../../src/index.js'
import { freePorts } from '../../src/broker/free-ports.js'
import { exitCodes } from '../../src/errors.js'
import { startCli, type CliProcess } from '../support/cli.js'
import { testBrokers } from '../support/broker.js'
import { samplesIn, TestMetrics, type Samples } from '../support/collected.js'
import { LEDGER, LedgerBench } from '../support/ledger.js'
import { silentLogger } from '../support/silent-logger.js'
import { until } from '../support/until.js'

const FAST = ['--http-port=0', '--store-interval=50'] as const
const NO_BROKERS = '127.0.0.1:1'

async function served(worker: CliProcess): Promise<string> {
  return (JSON.parse(await worker.line(/metrics and health are served/)) as { url: string }).url
}
async function scrape(url: string): Promise<Samples> {
  const answer = await fetch(`${url}/metrics`, { headers: { accept: 'application/openmetrics-text' } })
  return samplesIn(await answer.text())
}
/** 200, or why it is not ready. */
async function readiness(url: string): Promise<string | number> {
  const answer = await fetch(`${url}/readyz`)
  const { reason } = (await answer.json()) as { reason?: string }
  return reason === undefined ? answer.status : `${String(answer.status)} ${reason}`
}

const ACCOUNTS = 20
/** One for each account, and of the last ones what fails. */
function commands(): Message[] {
  const good = Array.from({ length: ACCOUNTS }, (_, i) => ({ account: `a${String(i)}`, add: 1 }))
  const failing = Array.from({ length: 3 }, (_, i) => ({ account: `a${String(i)}`, fail: 'on purpose' }))
  return [
    ...[...good, ...failing].map((command) => ({ key: command.account, value: JSON.stringify(command) })),
    ...Array.from({ length: 2 }, (_, i) => ({ key: `a${String(i)}`, value: 'no JSON' })),
  ]
}
const COMMANDS = commands().length

describe('metrics and health', { timeout: 120_000 }, () => {
  test('two workers, one added and one killed: what is counted is what happened', async () => {
    const bench = new LedgerBench()
    await bench.createTopics({}, 4)
    const first = bench.worker('w1', ...FAST)
    const one = await served(first)
    await until('the first is ready', async () => (await readiness(one)) === 200)
    const running = async (url: string) => (await scrape(url)).value('potoroo_tasks', { potoroo_task_state: 'running' })
    expect(await running(one)).toBe(4)

    const consumed = async (...urls: string[]): Promise<number> => {
      const all = await Promise.all(urls.map(scrape))
      return all.reduce((sum, samples) => sum + samples.sum('messaging_client_consumed_messages_total'), 0)
    }
    await bench.send(...commands())
    await until('all are committed', async () => (await consumed(one)) >= COMMANDS)
    const alone = await scrape(one)
    expect(
      alone.value('messaging_client_consumed_messages_total', { messaging_destination_name: bench.topic('commands') }),
    ).toBe(COMMANDS)
    expect(
      alone.value('messaging_client_sent_messages_total', { messaging_destination_name: bench.topic('balances') }),
    ).toBe(ACCOUNTS)
    const letters = (samples: Samples) => samples.by('error_type', 'potoroo_dead_letters_total')
    expect(letters(alone)).toEqual({ COMPUTATION_FAILED: 3, NOT_JSON: 2 })
    // Once for each commit that had messages.
    const computed = alone.value('messaging_process_duration_seconds_count')
    expect(computed).toBeGreaterThan(0)
    expect(alone.value('potoroo_message_latency_seconds_count')).toBe(computed)

    const second = bench.worker('w2', ...FAST)
    const two = await served(second)
    await until('both are ready with two tasks each', async () => {
      const states = await Promise.all([one, two].map(readiness))
      const tasks = await Promise.all([one, two].map(running))
      return states.every((state) => state === 200) && tasks.every((count) => count === 2)
    })
    await bench.send(...commands())
    await until('all are committed', async () => (await consumed(one, two)) >= 2 * COMMANDS)
    expect(await consumed(one, two)).toBe(2 * COMMANDS)
    // The state objects are on one side or the other, none on both.
    await until('all state objects are stored', async () => {
      const all = await Promise.all([one, two].map(scrape))
      return (
        all.reduce(
          (sum, samples) => sum + samples.sum('potoroo_state_objects', { potoroo_state_place: 'store' }),
          0,
        ) === ACCOUNTS
      )
    })
    const beforeDeath = await scrape(two)
    expect(beforeDeath.sum('potoroo_hand_off_pause_seconds_count')).toBeGreaterThan(0)

    second.kill('SIGKILL')
    await until('the first has all tasks again', async () => (await running(one)) === 4)
    await bench.send(...commands())
    const before = beforeDeath.sum('messaging_client_consumed_messages_total')
    await until('all are committed', async () => (await consumed(one)) + before >= 3 * COMMANDS)
    const after = await scrape(one)
    expect(after.sum('messaging_client_consumed_messages_total') + before).toBe(3 * COMMANDS)
    const [here, gone] = [letters(after), letters(beforeDeath)]
    expect([
      (here.COMPUTATION_FAILED ?? 0) + (gone.COMPUTATION_FAILED ?? 0),
      (here.NOT_JSON ?? 0) + (gone.NOT_JSON ?? 0),
    ]).toEqual([9, 6])
    await until('nothing is left', async () => (await scrape(one)).sum('potoroo_input_lag') === 0)
    expect(after.sum('potoroo_group_rebalances_total')).toBeGreaterThan(2)
    expect(await bench.balances(3 * ACCOUNTS)).toHaveLength(3 * ACCOUNTS)

    first.kill('SIGTERM')
    expect((await first.exited).code).toBe(exitCodes.ok)
  })

  test('it is served while brokers are waited for, and says that it is not ready', async () => {
    const options = { env: { KAFKA_BROKERS: NO_BROKERS } }
    const worker = new LedgerBench().workerOf('test/fixtures/own-metrics.mjs', options, 'w1', '--http-port=0')
    const url = await served(worker)
    expect((await fetch(`${url}/livez`)).status).toBe(200)
    expect(await readiness(url)).toBe('503 starting')
    // What the application counts is there as soon as it is loaded.
    await until('it is loaded', async () => (await scrape(url)).sum('own_loads_total') === 1)
    worker.kill('SIGTERM')
    expect((await worker.exited).code).toBe(exitCodes.ok)
  })

  test('in a program of its own, a worker counts for the SDK that is set up', async () => {
    const sdk = new TestMetrics()
    metrics.setGlobalMeterProvider({ getMeter: (name) => sdk.meterOf(name) })
    onTestFinished(() => {
      metrics.disable()
    })
    const bench = new LedgerBench()
    await bench.createTopics()
    const { default: ledger } = (await import(pathToFileURL(LEDGER).href)) as { default: Application }
    const worker = await startWorker(ledger, {
      brokers: testBrokers(),
      topicPrefix: bench.prefix,
      stateDir: bench.directory,
      logger: silentLogger,
    })
    await until('it is ready', () => worker.readiness.ready)
    await bench.send({ add: 1 }, { add: 2 })
    await until('both are counted', async () => {
      return (await sdk.samples()).sum('messaging_client_consumed_messages_total') === 2
    })
    await worker.stop()
    expect(worker.readiness).toMatchObject({ ready: false, reason: 'stopping' })
    // It is asked no more; what it has counted stays.
    expect((await sdk.samples()).sum('messaging_client_consumed_messages_total')).toBe(2)
  })

  test('an application that sets up an SDK in its own module has spans, in the traces of its producers', async () => {
    const bench = new LedgerBench()
    await bench.createTopics()
    const worker = bench.workerOf('test/fixtures/own-sdk.mjs')
    await worker.line(/worker started/)
    const [trace, parent] = ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7']
    const value = JSON.stringify({ account: 'a', add: 1 })
    await bench.send({ key: 'a', value, headers: { traceparent: `00-${trace}-${parent}-01` } })
    const [balance] = await bench.read('balances', 1)
    expect(balance?.headers.traceparent).toBe(`00-${trace}-${parent}-01`)
    worker.kill('SIGTERM')
    expect((await worker.exited).code).toBe(exitCodes.ok)
    const told = worker.stderr.filter((line) => line.startsWith('span '))
    const topic = bench.topic('commands')
    expect(told).toContain(`span process ${topic} of ${trace} below ${parent}`)
    expect(told.filter((line) => line.startsWith(`span process ${topic} `))).toHaveLength(2)
    expect(told.some((line) => line.startsWith('span commit ledger of'))).toBe(true)
    expect(worker.stderr).toContain('counted 1')
    expect(worker.stderr).toContain("OpenTelemetry's API: loaded")
  })

  test("where there is no SDK, OpenTelemetry's API is not loaded", async () => {
    const bench = new LedgerBench()
    await bench.createTopics()
    const worker = bench.workerOf('test/fixtures/says-telemetry.mjs')
    await bench.send({ add: 1 })
    expect(await bench.balances(1)).toEqual([1])
    worker.kill('SIGTERM')
    expect((await worker.exited).code).toBe(exitCodes.ok)
    expect(worker.stderr).toContain("OpenTelemetry's API: not loaded")
  })

  test('of several workers each has a port, and a port that is taken ends the start', async () => {
    const bench = new LedgerBench()
    await bench.createTopics({}, 2)
    const port = await twoFreePorts()
    const flags = ['--workers=2', '--name=w', `--state-dir=${bench.directory}`, `--topic-prefix=${bench.prefix}`]
    const supervisor = startCli(['run', LEDGER, ...flags, `--http-port=${String(port)}`])
    const urls = [port, port + 1].map((one) => `http://127.0.0.1:${String(one)}`)
    await Promise.all([1, 2].map(() => supervisor.line(/metrics and health are served/)))
    await until('both are ready', async () => {
      const states = await Promise.all(urls.map((url) => readiness(url).catch(() => 'nobody there')))
      return states.every((state) => state === 200)
    })
    const names = await Promise.all(
      urls.map(async (url) => (await scrape(url)).of('potoroo_ready')[0]?.labels.potoroo_worker),
    )
    expect(names).toEqual(['w-1', 'w-2'])

    const refused = bench.worker('other', `--http-port=${String(port)}`)
    expect((await refused.exited).code).toBe(exitCodes.usage)
    expect(refused.stderr).toHaveLength(1)
    expect(refused.stderr[0]).toMatch(/INVALID_CONFIGURATION.*EADDRINUSE.*--http-port/)
    supervisor.kill('SIGTERM')
    expect((await supervisor.exited).code).toBe(exitCodes.ok)
  })
})

/** Both were free a moment ago. */
async function twoFreePorts(): Promise<number> {
  for (;;) {
    const [port = 0] = await freePorts(1)
    if (port < 65_535 && (await freePorts(1, port + 1).catch(() => [])).length > 0) return port
  }
}
