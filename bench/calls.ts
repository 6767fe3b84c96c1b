/**
 * `npm run bench:calls`: what calls cost. One worker on the broker that KAFKA_BROKERS names, or on a local one.
 *
 * Throughput: a backlog, calls that take 10 ms, 32 at once, 8 partitions: how much of what the overlap allows is done. Latency, under a
 * steady load: from handing a message to the producer until a read-committed reader has what comes of it, without a call, with
 * one, and with one between two computations on a state object.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import * as z from 'zod'
import { startBroker } from '#potoroo/broker/local-broker.js'
import { partitionOf } from '#potoroo/core/plan/partitioner.js'
import { application, from, startWorker, stateObject, topic, type Application } from '#potoroo/index.js'
import { systemClock } from '#potoroo/system.js'
import { Cluster } from './cluster.js'
import { OutputReader } from './output-reader.js'
import { quantile } from './statistics.js'

const CALL_MS = 10
const OVERLAP = 32
const PARTITIONS = 8
const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }
const say = (line: string): void => void process.stdout.write(`${line}\n`)

interface Ask {
  readonly key: string
  readonly n: number
}
const schema = z.object({ key: z.string(), n: z.number() })
const asks = topic('asks', { schema, key: ({ key }) => key, partitions: PARTITIONS })
const told = topic('told', { schema, key: ({ key }) => key, partitions: PARTITIONS })
const account = stateObject('account', () => ({ n: 0 }))

const outside = async (ask: Ask): Promise<Ask> => {
  await delay(CALL_MS)
  return ask
}
const options = { overlap: OVERLAP } as const
const counted = (state: { n: number }, ask: Ask): Ask => {
  state.n++
  return ask
}
const shapes: Readonly<Record<string, (name: string) => Application>> = {
  'no call': (name) => application(name, from(asks).sink(told)),
  'a call': (name) => application(name, from(asks).call('outside', outside, options).sink(told)),
  'two computations': (name) => application(name, from(asks).to(account, counted).keyBy(({ key }) => key).to(stateObject('other', () => ({ n: 0 })), counted).sink(told)), // prettier-ignore
  'a call between two computations': (name) =>
    application(
      name,
      from(asks).to(account, counted).call('outside', outside, options).to(account, counted).sink(told),
    ),
}

interface Run {
  readonly cluster: Cluster
  readonly brokers: readonly string[]
}

/** Runs a worker on topics of its own while `use` goes on. */
async function withWorker(
  { cluster, brokers }: Run,
  shape: string,
  use: (send: (asks: readonly Ask[]) => Promise<void>, output: string) => Promise<void>,
): Promise<void> {
  const name = `bench-calls-${Math.random().toString(36).slice(2)}`
  const prefix = `${name}-`
  const app = shapes[shape]?.(name)
  if (app === undefined) throw new RangeError(shape)
  await cluster.createTopics([`${prefix}asks`, `${prefix}told`], PARTITIONS)
  const stateDir = await mkdtemp(join(tmpdir(), 'potoroo-bench-calls-'))
  try {
    await cluster.withProducerTo(`${prefix}asks`, async (sendAll, partitions) => {
      const send = (all: readonly Ask[]): Promise<void> =>
        sendAll(
          all.map((ask) => {
            const key = Buffer.from(ask.key)
            return { key, value: JSON.stringify(ask), partition: partitionOf('murmur2', key, partitions) }
          }),
        )
      const worker = await startWorker(app, { brokers, name: 'w1', stateDir, topicPrefix: prefix, logger: silent })
      await use(send, `${prefix}told`)
      await worker.stop()
    })
  } finally {
    await rm(stateDir, { recursive: true, force: true })
    await cluster.removeBeginningWith(prefix, [], [`${prefix}${name}`])
  }
}

/** Resolves once so many have come, with when each did, by number. */
async function collected(
  cluster: Cluster,
  output: string,
  count: number,
  during: () => Promise<void>,
): Promise<number[]> {
  const cameMs: number[] = []
  let left = count
  const reader = await OutputReader.open(cluster, output, (value, atMs) => {
    cameMs[(value as Ask).n] = atMs
    left--
  })
  await during()
  while (left > 0) {
    reader.assertReading()
    await delay(5)
  }
  await reader.close()
  return cameMs
}

async function throughput(run: Run, shape: string, count: number): Promise<void> {
  await withWorker(run, shape, async (send, output) => {
    const all = Array.from({ length: count }, (_, n): Ask => ({ key: `k${String(n % 10_000)}`, n }))
    const sent = collected(run.cluster, output, count, async () => {
      for (let at = 0; at < count; at += 5_000) await send(all.slice(at, at + 5_000))
    })
    const cameMs = [...(await sent)].sort((a, b) => a - b)
    // Between the first and the last tenth, all partitions are busy.
    const [fromMs = NaN, toMs = NaN] = [cameMs[Math.floor(count * 0.1)], cameMs[Math.floor(count * 0.9)]]
    const perSecond = (count * 0.8) / ((toMs - fromMs) / 1000)
    const allowed = (PARTITIONS * OVERLAP * 1000) / CALL_MS
    say(
      `${shape}: ${perSecond.toFixed(0)} a second, ${((100 * perSecond) / allowed).toFixed(0)} % of the ${String(allowed)} that calls of ` +
        `${String(CALL_MS)} ms, ${String(OVERLAP)} at once in ${String(PARTITIONS)} tasks, allow`,
    )
  })
}

async function latency(run: Run, shape: string, perSecond: number, seconds: number): Promise<number> {
  let median = NaN
  await withWorker(run, shape, async (send, output) => {
    const count = perSecond * seconds
    const sentMs: number[] = []
    const cameMs = await collected(run.cluster, output, count, async () => {
      const beganMs = performance.now()
      const sending: Promise<void>[] = []
      for (let n = 0; n < count; n++) {
        const waitMs = beganMs + (n * 1000) / perSecond - performance.now()
        if (waitMs > 0) await delay(waitMs)
        sentMs[n] = performance.now()
        sending.push(send([{ key: `k${String(n % 1000)}`, n }]))
      }
      await Promise.all(sending)
    })
    // What came while the worker started is another matter.
    const took = cameMs.flatMap((ms, n) => (n < count / 4 ? [] : [ms - (sentMs[n] ?? NaN)]))
    median = quantile(took, 0.5)
    say(
      `${shape}, ${String(perSecond)} a second: p50 ${median.toFixed(1)} ms, p99 ${quantile(took, 0.99).toFixed(1)} ms`,
    )
  })
  return median
}

const [count = 200_000, perSecond = 200, seconds = 20] = process.argv.slice(2).map(Number)
const given = process.env['KAFKA_BROKERS']
const local = given === undefined ? await startBroker({ logger: silent }) : undefined
const brokers = (given ?? local?.brokers ?? '').split(',')
const cluster = await Cluster.connect({ brokers, clientId: 'bench-calls', logger: silent, clock: systemClock })
try {
  const run = { cluster, brokers }
  await throughput(run, 'a call', count)
  await throughput(run, 'a call between two computations', count)
  const [plain, called] = [
    await latency(run, 'no call', perSecond, seconds),
    await latency(run, 'a call', perSecond, seconds),
  ]
  const [staged, between] = [
    await latency(run, 'two computations', perSecond, seconds),
    await latency(run, 'a call between two computations', perSecond, seconds),
  ]
  say(
    `more than the call's own ${String(CALL_MS)} ms: ${(called - plain - CALL_MS).toFixed(1)} ms right behind a source, ` +
      `${(between - staged - CALL_MS).toFixed(1)} ms between two computations that have a repartition between them anyway, ` +
      `${(between - plain - CALL_MS).toFixed(1)} ms with all that is around it`,
  )
} finally {
  await cluster.close()
  await local?.stop()
}
