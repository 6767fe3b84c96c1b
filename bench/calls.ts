/**
 * `npm run bench:calls -- [--messages 200000] [--rate 200] [--seconds 20] [--only backlog|throughput|latency]`: what calls cost. One worker in a
 * process of its own, on the cluster that KAFKA_BROKERS names, or on a local one.
 *
 * Throughput: a backlog that is there before the worker starts, in 8 partitions, 32 calls at once in each: how much of what the overlap
 * allows is done. What it allows is 8 x 32 calls under way, each of them for as long as it takes and no longer: 25,600 a second of calls that
 * take 10 ms. So many is more than the broker and one event loop do on two cores, whatever the messages are for; calls of 100 ms, 2,560 a
 * second, show what the overlap alone costs. Each result is held against what was sent, and has to come once.
 *
 * Latency, under a steady load: from handing a message to the producer until a read-committed reader has what comes of it, without a call, with
 * one, and with one between two computations on a state object.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { partitionOf } from '#potoroo/core/plan/partitioner.js'
import { CALL_VARIABLE, OVERLAP_VARIABLE, SHAPE_VARIABLE, type Ask, type Shape } from './called-application.js'
import type { Cluster } from './cluster.js'
import { openCluster } from './opened-cluster.js'
import { OutputReader } from './output-reader.js'
import { quantile } from './statistics.js'
import { delay, until } from './waiting.js'
import { WorkerProcess } from './worker.js'

const CALL_MS = 10
const LONG_CALL_MS = 100
const OVERLAP = 32
const PARTITIONS = 8
const KEYS = 10_000
const PER_REQUEST = 5_000
const START_MS = 60_000
const OUTSTANDING_MS = 300_000
const APPLICATION = fileURLToPath(new URL('./called-application.js', import.meta.url))
const say = (line: string): void => void process.stdout.write(`${line}\n`)

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '200000' },
    rate: { type: 'string', default: '200' },
    seconds: { type: 'string', default: '20' },
    only: { type: 'string' },
    /** Of the throughput with calls of 10 ms. */
    rounds: { type: 'string', default: '1' },
    /** The worker writes a profile of its processor time there. */
    profile: { type: 'string' },
  },
})

/** What a worker does, on topics of its own. */
interface Run {
  readonly cluster: Cluster
  readonly send: (asks: readonly Ask[]) => Promise<void>
  readonly output: string
  start(): Promise<WorkerProcess>
}

async function withTopics<T>(
  cluster: Cluster,
  brokers: string,
  { shape, callMs }: { readonly shape: Shape; readonly callMs: number },
  use: (run: Run) => Promise<T>,
): Promise<T> {
  const prefix = `bench-calls-${randomBytes(4).toString('hex')}-`
  await cluster.createTopics([`${prefix}asks`, `${prefix}told`], PARTITIONS)
  const directory = await mkdtemp(join(tmpdir(), 'potoroo-bench-calls-'))
  let worker: WorkerProcess | undefined
  try {
    return await cluster.withProducerTo(`${prefix}asks`, (sendAll, partitions) => {
      const send = (all: readonly Ask[]): Promise<void> =>
        sendAll(
          all.map((ask) => {
            const key = Buffer.from(ask.key)
            return { key, value: JSON.stringify(ask), partition: partitionOf('murmur2', key, partitions) }
          }),
        )
      const start = async (): Promise<WorkerProcess> => {
        const main = fileURLToPath(import.meta.resolve('#potoroo/cli/main.js'))
        const profiled = values.profile === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', values.profile]
        const flags = ['--brokers', brokers, '--topic-prefix', prefix, '--state-dir', join(directory, 'state')]
        const args = [...profiled, main, 'run', APPLICATION, ...flags]
        const env = { [SHAPE_VARIABLE]: shape, [CALL_VARIABLE]: String(callMs), [OVERLAP_VARIABLE]: String(OVERLAP) }
        worker = await WorkerProcess.start('w1', { command: process.execPath, args, env }, join(directory, 'w1.log'))
        return worker
      }
      return use({ cluster, send, output: `${prefix}told`, start })
    })
  } finally {
    await worker?.end('SIGTERM')
    await rm(directory, { recursive: true, force: true })
    await cluster.removeBeginningWith(prefix, [], [`${prefix}called`])
  }
}

/** When each result came, by its number. Throws for one that comes twice. */
class Results {
  readonly cameMs: number[] = []
  came = 0

  async reading<T>({ cluster, output }: Run, use: () => Promise<T>): Promise<T> {
    const reader = await OutputReader.open(cluster, output, (value, atMs) => {
      const { n } = value as Ask
      if (this.cameMs[n] !== undefined) throw new Error(`result ${String(n)} has come twice`)
      this.cameMs[n] = atMs
      this.came++
    })
    try {
      const used = use()
      await Promise.race([used, this.#failure(reader, used)])
      return await used
    } finally {
      await reader.close()
    }
  }

  async #failure(reader: OutputReader, used: Promise<unknown>): Promise<void> {
    const state = { isOver: false }
    const over = (): void => void (state.isOver = true)
    used.then(over, over)
    while (!state.isOver) {
      reader.assertReading()
      await delay(50)
    }
  }
}

async function throughput(
  cluster: Cluster,
  brokers: string,
  shape: Shape,
  callMs: number,
  count: number,
): Promise<void> {
  await withTopics(cluster, brokers, { shape, callMs }, async (run) => {
    const all = Array.from({ length: count }, (_, n): Ask => ({ key: `k${String(n % KEYS)}`, n }))
    for (let at = 0; at < count; at += PER_REQUEST) await run.send(all.slice(at, at + PER_REQUEST))
    const results = new Results()
    await results.reading(run, async () => {
      const worker = await run.start()
      const reached = async (share: number): Promise<{ readonly atMs: number; readonly cpuSeconds: number }> => {
        await until(
          `${String(100 * share)} % are done`,
          () => {
            worker.assertAlive()
            return results.came >= share * count
          },
          { timeoutMs: START_MS + OUTSTANDING_MS, everyMs: 5 },
        )
        return { atMs: performance.now(), cpuSeconds: worker.usage().cpuSeconds }
      }
      // Before, code is compiled; behind, not all partitions are busy.
      const [from, to] = [await reached(0.2), await reached(0.9)]
      await reached(1)
      const done = 0.7 * count
      const perSecond = done / ((to.atMs - from.atMs) / 1000)
      const allowed = (PARTITIONS * OVERLAP * 1000) / callMs
      say(
        `${shape}, ${String(callMs)} ms each: ${perSecond.toFixed(0)} a second, ${((100 * perSecond) / allowed).toFixed(0)} % of the ` +
          `${String(allowed)} that ${String(OVERLAP)} at once in ${String(PARTITIONS)} tasks allow, ` +
          `${((1e6 * (to.cpuSeconds - from.cpuSeconds)) / done).toFixed(1)} µs of the worker's processor time each`,
      )
    })
  })
}

async function latency(cluster: Cluster, brokers: string, shape: Shape): Promise<number> {
  const [perSecond, seconds] = [Number(values.rate), Number(values.seconds)]
  return withTopics(cluster, brokers, { shape, callMs: CALL_MS }, async (run) => {
    const results = new Results()
    const sentMs: number[] = []
    let sent = 0
    const send = (): Promise<void> => {
      const n = sent++
      sentMs[n] = performance.now()
      return run.send([{ key: `k${String(n % 1000)}`, n }])
    }
    const all = (): Promise<void> =>
      until('all results are there', () => results.came === sent, { timeoutMs: OUTSTANDING_MS, everyMs: 5 })
    return results.reading(run, async () => {
      await run.start()
      await send()
      await until('the worker works', () => results.came === 1, { timeoutMs: START_MS })
      const beganMs = performance.now()
      const sending: Promise<void>[] = []
      const [first, count] = [sent, perSecond * seconds]
      for (let i = 0; i < count; i++) {
        const waitMs = beganMs + (i * 1000) / perSecond - performance.now()
        if (waitMs > 0) await delay(waitMs)
        sending.push(send())
      }
      await Promise.all(sending)
      await all()
      // In the first quarter code is compiled yet.
      const took = results.cameMs.flatMap((ms, n) => (n < first + count / 4 ? [] : [ms - (sentMs[n] ?? NaN)]))
      const median = quantile(took, 0.5)
      say(
        `${shape}, ${String(perSecond)} a second: p50 ${median.toFixed(1)} ms, p99 ${quantile(took, 0.99).toFixed(1)} ms`,
      )
      return median
    })
  })
}

const opened = await openCluster('calls')
const { cluster, brokers } = opened
try {
  if (values.only !== 'latency') {
    const count = Number(values.messages)
    for (let round = 0; round < Number(values.rounds); round++)
      await throughput(cluster, brokers, 'one call', CALL_MS, count)
    if (values.only !== 'backlog') {
      await throughput(cluster, brokers, 'one call', LONG_CALL_MS, Math.ceil((count * CALL_MS) / LONG_CALL_MS))
      await throughput(cluster, brokers, 'a call between two', CALL_MS, count)
    }
  }
  if (values.only === undefined || values.only === 'latency') {
    const [plain, called] = [await latency(cluster, brokers, 'none'), await latency(cluster, brokers, 'one call')]
    const [staged, between] = [
      await latency(cluster, brokers, 'two computations'),
      await latency(cluster, brokers, 'a call between two'),
    ]
    say(
      `more than the call's own ${String(CALL_MS)} ms: ${(called - plain - CALL_MS).toFixed(1)} ms right behind a source, ` +
        `${(between - staged - CALL_MS).toFixed(1)} ms between two computations that have a repartition between them anyway, ` +
        `${(between - plain - CALL_MS).toFixed(1)} ms with all that is around it`,
    )
  }
} finally {
  await opened.close()
}
