/**
 * What the page of `potoroo ui` costs workers: messages at a steady rate through two workers and, in every other stretch, the page
 * open in one client. Prints the workers' CPU and the latency of both, and the CPU of the page's own process.
 *
 *     npm run -s bench:page -- [--rate 1000] [--stretch-ms 15000] [--rounds 4]
 *
 * On the cluster of KAFKA_BROKERS, or on a broker of its own.
 */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { everySymbol } from './input.js'
import { openCluster } from './opened-cluster.js'
import { quantile } from './statistics.js'
import { SteadyLoad } from './steady-load.js'
import { delay, until } from './waiting.js'
import { WorkerProcess } from './worker.js'

const SYMBOLS = 10_000
const PARTITIONS = 8
/** What runs often is compiled by then. */
const WARM_UP_MS = 15_000
/** Of the page's process, and of the code that answers it. */
const SETTLE_MS = 3_000

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '1000' },
    'stretch-ms': { type: 'string', default: '15000' },
    rounds: { type: 'string', default: '4' },
  },
})
const rate = Number(values.rate)
const stretchMs = Number(values['stretch-ms'])
const rounds = Number(values.rounds)

/** Reads the stream of a page as a browser does, and counts what it was told. */
class Reader {
  looks = 0
  readonly #leave = new AbortController()
  readonly #reading: Promise<void>

  constructor(url: string) {
    this.#reading = this.#read(new URL('/api/live', url)).catch((error: unknown) => {
      if (!this.#leave.signal.aborted) throw error
    })
  }

  async close(): Promise<void> {
    this.#leave.abort()
    await this.#reading
  }

  async #read(url: URL): Promise<void> {
    const response = await fetch(url, { signal: this.#leave.signal })
    const decoder = new TextDecoder()
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>)
      this.looks += decoder.decode(chunk, { stream: true }).split('event: now\n').length - 1
  }
}

interface Stretch {
  readonly isOpen: boolean
  readonly fromMs: number
  readonly toMs: number
  readonly workersCpuSeconds: number
  readonly pageCpuSeconds: number
  readonly looks: number
}

const opened = await openCluster('page')
const { cluster, brokers, directory, prefix: topicPrefix } = opened
const main = fileURLToPath(import.meta.resolve('#potoroo/cli/main.js'))
const application = fileURLToPath(import.meta.resolve('#potoroo/market-spread/application.js'))
const processes: WorkerProcess[] = []

async function start(name: string, command: string, ...options: readonly string[]): Promise<WorkerProcess> {
  const args = [main, command, application, '--brokers', brokers, '--topic-prefix', topicPrefix, ...options]
  const logFile = join(directory, `${name}-${String(processes.length)}.log`)
  const started = await WorkerProcess.start(name, { command: process.execPath, args, env: {} }, logFile)
  processes.push(started)
  return started
}

async function openPage(): Promise<{ readonly page: WorkerProcess; readonly reader: Reader }> {
  const page = await start('page', 'ui', '--port', '0')
  const urlIn = (): string | undefined => /market-spread: (http:\S+)/.exec(page.log())?.[1]
  await until('the page is served', () => urlIn() !== undefined, { timeoutMs: 60_000 })
  const reader = new Reader(urlIn() ?? '')
  await until('it tells', () => reader.looks > 1, { timeoutMs: 60_000 })
  return { page, reader }
}

try {
  await cluster.createTopics(
    ['market-data', 'orders', 'rejections'].map((name) => `${topicPrefix}${name}`),
    PARTITIONS,
  )
  await cluster.produce(topicPrefix, everySymbol(SYMBOLS, Date.now()))
  const workers = [
    await start('w1', 'run', '--state-dir', join(directory, 'w1')),
    await start('w2', 'run', '--state-dir', join(directory, 'w2')),
  ]
  const assigned = (worker: WorkerProcess): boolean => /tasks assigned/.test(worker.log())
  await until('both have tasks', () => workers.every(assigned), { timeoutMs: 60_000 })
  const cpuSeconds = (): number => workers.reduce((sum, worker) => sum + worker.usage().cpuSeconds, 0)
  // An order and a quote at a time.
  const load = new SteadyLoad(cluster, {
    topicPrefix,
    rejections: `${topicPrefix}rejections`,
    ordersPerSecond: rate / 2,
    symbols: SYMBOLS,
  })
  await load.start()
  await delay(WARM_UP_MS)
  const stretches: Stretch[] = []
  for (let i = 0; i < 2 * rounds; i++) {
    // Each is first as often as the other: closed, open, open, closed.
    const opened = (i + 1) % 4 > 1 ? await openPage() : undefined
    await delay(SETTLE_MS)
    const fromMs = performance.now()
    const before = {
      workers: cpuSeconds(),
      page: opened?.page.usage().cpuSeconds ?? 0,
      looks: opened?.reader.looks ?? 0,
    }
    await delay(stretchMs)
    for (const worker of workers) worker.assertAlive()
    stretches.push({
      isOpen: opened !== undefined,
      fromMs,
      toMs: performance.now(),
      workersCpuSeconds: cpuSeconds() - before.workers,
      pageCpuSeconds: (opened?.page.usage().cpuSeconds ?? 0) - before.page,
      looks: (opened?.reader.looks ?? 0) - before.looks,
    })
    await opened?.reader.close()
    await opened?.page.end('SIGTERM')
  }
  await load.stop(30_000)
  const share = (isOpen: boolean, of: (stretch: Stretch) => number): number => {
    const chosen = stretches.filter((one) => one.isOpen === isOpen)
    return chosen.reduce((sum, one) => sum + of(one), 0) / chosen.reduce((sum, one) => sum + one.toMs - one.fromMs, 0)
  }
  for (const isOpen of [false, true]) {
    const latencies = load.orders
      .filter(({ sentMs }) =>
        stretches.some((one) => one.isOpen === isOpen && sentMs >= one.fromMs && sentMs < one.toMs),
      )
      .flatMap(({ latencyMs }) => latencyMs ?? [])
    process.stdout.write(
      `page ${isOpen ? 'open' : 'closed'}: workers use ${(100_000 * share(isOpen, (one) => one.workersCpuSeconds)).toFixed(2)} % ` +
        `of a core; p50 ${quantile(latencies, 0.5).toFixed(1)} ms, p99 ${quantile(latencies, 0.99).toFixed(1)} ms ` +
        `(${String(latencies.length)} orders)\n`,
    )
  }
  const ratio = share(true, (one) => one.workersCpuSeconds) / share(false, (one) => one.workersCpuSeconds)
  const looksPerSecond = 1000 * share(true, (one) => one.looks)
  process.stdout.write(
    `workers' CPU with the page open: ${(100 * ratio).toFixed(1)} % of that without; the page's own process uses ` +
      `${(100_000 * share(true, (one) => one.pageCpuSeconds)).toFixed(2)} % of a core, and tells ${looksPerSecond.toFixed(2)} times a second; ` +
      `${String(load.lost)} orders lost, ${String(load.repeated)} repeated\n`,
  )
  await load.close()
  for (const worker of workers) await worker.end('SIGTERM')
  await cluster.removeBeginningWith(topicPrefix, [], [`${topicPrefix}market-spread`])
} finally {
  for (const one of processes) if (one.running) await one.end('SIGKILL')
  await opened.close()
}
