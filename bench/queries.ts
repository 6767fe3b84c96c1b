/**
 * Messages with and without questions beside them: orders at a steady rate through one worker, and, in every other stretch, questions for
 * state objects at a steady rate over HTTP. Prints the latency of both.
 *
 *     npm run -s types && node bench/dist/queries.js [--rate 1000] [--questions 1000] [--stretch-ms 20000] [--rounds 3]
 *
 * On the cluster of KAFKA_BROKERS, or on a broker of its own.
 */
import { Agent, get } from 'node:http'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { anySymbol, everySymbol, symbolName } from './input.js'
import { openCluster } from './opened-cluster.js'
import { pump } from './paced-load.js'
import { quantile } from './statistics.js'
import { SteadyLoad } from './steady-load.js'
import { delay, until } from './waiting.js'
import { WorkerProcess } from './worker.js'

const SYMBOLS = 10_000
const PARTITIONS = 8
const CONNECTIONS = 48
const WARM_UP_MS = 5_000

interface Asked {
  readonly atMs: number
  readonly tookMs: number
  readonly isRight: boolean
}

/** One question of a client that keeps its connections. */
function ask(url: string, agent: Agent): Promise<Asked> {
  const atMs = performance.now()
  return new Promise((resolve, reject) => {
    get(url, { agent }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => (text += chunk))
      response.on('error', reject)
      response.on('end', () => {
        const { state } = JSON.parse(text) as { readonly state?: unknown }
        const isRight = response.statusCode === 200 && typeof state === 'object' && state !== null
        resolve({ atMs, tookMs: performance.now() - atMs, isRight })
      })
    }).on('error', reject)
  })
}

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '1000' },
    questions: { type: 'string', default: '1000' },
    'stretch-ms': { type: 'string', default: '20000' },
    rounds: { type: 'string', default: '3' },
    consistency: { type: 'string', default: 'committed' },
  },
})
const rate = Number(values.rate)
const questions = Number(values.questions)
const stretchMs = Number(values['stretch-ms'])
const rounds = Number(values.rounds)
const { consistency } = values
const opened = await openCluster('queries')
const { cluster, brokers, directory, prefix: topicPrefix } = opened
const say = (text: string): void => void process.stdout.write(`${text}\n`)
try {
  await cluster.createTopics(
    ['market-data', 'orders', 'rejections'].map((name) => `${topicPrefix}${name}`),
    PARTITIONS,
  )
  await cluster.produce(topicPrefix, everySymbol(SYMBOLS, Date.now()))
  const main = fileURLToPath(import.meta.resolve('#potoroo/cli/main.js'))
  const application = fileURLToPath(import.meta.resolve('#potoroo/market-spread/application.js'))
  const args = ['run', application, '--brokers', brokers, '--topic-prefix', topicPrefix, '--http-port', '0']
  const command = { command: process.execPath, args: [main, ...args, '--state-dir', join(directory, 'w1')], env: {} }
  const worker = await WorkerProcess.start('w1', command, join(directory, 'w1.log'))
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
  const url = await worker.url()
  const picks = anySymbol(SYMBOLS, 3)
  const urlOf = (): string => `${url}/v1/symbol/${symbolName(picks.next().value)}?consistency=${consistency}`
  await until('it knows all symbols', async () => (await ask(urlOf(), agent)).isRight, { timeoutMs: 60_000 })
  const load = new SteadyLoad(cluster, {
    topicPrefix,
    rejections: `${topicPrefix}rejections`,
    ordersPerSecond: rate,
    symbols: SYMBOLS,
  })
  await load.start()
  await delay(WARM_UP_MS)
  const stretches: { readonly isAsked: boolean; readonly fromMs: number; readonly toMs: number }[] = []
  const asked: Asked[] = []
  // The first ones are not counted: code is compiled, in the worker and in the broker.
  for (let i = -2; i < 2 * rounds; i++) {
    const isCounted = i >= 0
    const isAsked = i % 2 !== 0
    const fromMs = performance.now()
    if (isAsked) {
      const toMs = fromMs + stretchMs
      const open: Promise<unknown>[] = []
      await pump({ perSecond: questions, stopped: () => performance.now() >= toMs }, (ids) => {
        for (const _ of ids) open.push(ask(urlOf(), agent).then((one) => isCounted && asked.push(one)))
        return Promise.resolve()
      })
      await Promise.all(open)
    } else await delay(stretchMs)
    if (isCounted) stretches.push({ isAsked, fromMs, toMs: performance.now() })
  }
  await load.stop(30_000)
  for (const isAsked of [false, true]) {
    const own = stretches.filter((one) => one.isAsked === isAsked)
    const latencies = load.orders
      .filter(({ sentMs }) => own.some(({ fromMs, toMs }) => sentMs >= fromMs && sentMs < toMs))
      .flatMap(({ latencyMs }) => latencyMs ?? [])
    const [p50, p99] = [quantile(latencies, 0.5), quantile(latencies, 0.99)]
    say(
      `messages ${isAsked ? 'with' : 'without'} questions: p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms (${String(latencies.length)} orders)`,
    )
  }
  const took = asked.map(({ tookMs }) => tookMs)
  const wrong = asked.filter(({ isRight }) => !isRight).length
  say(
    `questions, ${consistency}: p50 ${quantile(took, 0.5).toFixed(1)} ms, p99 ${quantile(took, 0.99).toFixed(1)} ms ` +
      `(${String(took.length)}, ${String(wrong)} without an answer; ${String(load.lost)} orders lost, ${String(load.repeated)} repeated)`,
  )
  await load.close()
  agent.destroy()
  await worker.end('SIGTERM')
  await cluster.removeBeginningWith(topicPrefix, [], [`${topicPrefix}market-spread`])
} finally {
  await opened.close()
}
