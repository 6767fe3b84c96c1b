/** How long the rejection of an order takes under a steady load, and what the worker needs for it. */
import { Arena } from './arena.js'
import { alternate, type BenchContext, type Rounds } from './benchmark.js'
import { barChart } from './charts/bars.js'
import type { Cluster } from './cluster.js'
import { barsOf, comparison } from './comparison.js'
import type { Contender } from './contenders.js'
import { peakMemory, underLoad } from './figures.js'
import { everySymbol } from './input.js'
import { type Chart, type Findings, type Table, wholeNumber } from './report.js'
import type { Settings } from './settings.js'
import { quantile } from './statistics.js'
import { CHECKED, SteadyLoad } from './steady-load.js'

const PLAIN = { tuned: false } as const
const CATCH_UP_MS = 300_000
const OUTSTANDING_MS = 30_000

interface Round {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  /** Of one core. */
  readonly cpuPercent: number
  readonly peakBytes: number
  readonly orders: number
  readonly lost: number
  readonly repeated: number
  readonly forgotten: number
}

export async function latency(context: BenchContext, settings: Settings['latency']): Promise<Findings> {
  const { cluster, contenders, directory, namePrefix, say } = context
  const once = async (contender: Contender, round: number): Promise<Round> => {
    const place = { topicPrefix: `${namePrefix}latency-${contender.name}-${round}-`, round }
    const arena = new Arena({ cluster, contender, place, settings: PLAIN, directory })
    const result = await arena.openWithSources(settings.partitions, () =>
      runRound(arena, cluster, settings, place.topicPrefix),
    )
    const figures = `p50 ${result.p50Ms.toFixed(1)} ms, p99 ${result.p99Ms.toFixed(1)} ms`
    const which = round < 0 ? 'not counted' : `round ${round + 1}`
    say(`latency: ${contender.title}, ${which}: ${figures}, ${result.cpuPercent.toFixed(0)} % of a core`)
    return result
  }
  // A broker's JVM compiles for a minute or two.
  const uncounted = await alternate(contenders, 1, (contender) => once(contender, -1))
  const results = await alternate(contenders, settings.rounds, once)
  return {
    title: 'Latency: one worker under a steady load',
    method: [
      `${wholeNumber(settings.ordersPerSecond)} orders and as many quotes a second on ${wholeNumber(settings.symbols)} symbols and ${settings.partitions} partitions; every order is rejected. Latency: from handing the order to the producer to having its rejection in a read-committed reader.`,
      `${settings.measuredMs / 1000} s after ${settings.warmUpMs / 1000} s of warm-up; median (lowest to highest) of ${settings.rounds} alternating rounds, after one of each that is not counted.`,
      ...contenders.map((contender) => `${contender.title}: ${contender.describe(PLAIN)}.`),
    ],
    tables: [tableOf(results)],
    charts: [chartOf(results)],
    measured: results.map(({ contender, rounds }) => ({ contender: contender.name, rounds })),
    checked: CHECKED,
    right: [...uncounted, ...results].every(({ rounds }) =>
      rounds.every(({ lost, repeated, forgotten }) => lost + repeated + forgotten === 0),
    ),
  }
}

async function runRound(
  arena: Arena,
  cluster: Cluster,
  { symbols, ordersPerSecond, warmUpMs, measuredMs }: Settings['latency'],
  topicPrefix: string,
): Promise<Round> {
  await cluster.produce(topicPrefix, everySymbol(symbols, Date.now()))
  const worker = await arena.start('w1')
  await arena.caughtUp(CATCH_UP_MS)
  const { rejections } = arena.names
  const load = new SteadyLoad(cluster, { topicPrefix, rejections, ordersPerSecond, symbols })
  try {
    await load.start()
    await arena.pass(warmUpMs)
    const fromMs = performance.now()
    const before = worker.usage()
    await arena.pass(measuredMs)
    const toMs = performance.now()
    const after = worker.usage()
    await load.stop(OUTSTANDING_MS)
    const measured = load.orders.filter(({ sentMs }) => sentMs >= fromMs && sentMs < toMs)
    const latencies = measured.flatMap(({ latencyMs }) => latencyMs ?? [])
    return {
      p50Ms: quantile(latencies, 0.5),
      p99Ms: quantile(latencies, 0.99),
      maxMs: quantile(latencies, 1),
      cpuPercent: ((after.cpuSeconds - before.cpuSeconds) / ((toMs - fromMs) / 1000)) * 100,
      peakBytes: worker.peakBytes,
      orders: load.orders.length,
      lost: load.lost,
      repeated: load.repeated,
      forgotten: load.forgotten,
    }
  } finally {
    await load.close()
    await worker.end('SIGTERM')
  }
}

const figures = {
  p50: underLoad.p50,
  p99: underLoad.p99,
  longest: { name: 'longest, ms', of: (round: Round) => round.maxMs, text: wholeNumber, better: 'less' },
  cpu: underLoad.cpu,
  memory: peakMemory,
} as const

const tableOf = (results: readonly Rounds<Round>[]): Table =>
  comparison('Latency of rejections', results, Object.values(figures), [
    { name: 'orders', of: ({ orders }) => orders },
    { name: 'lost', of: ({ lost }) => lost },
    { name: 'repeated', of: ({ repeated }) => repeated },
    { name: 'without prices', of: ({ forgotten }) => forgotten },
  ])

const chartOf = (results: readonly Rounds<Round>[]): Chart => ({
  file: 'latency.svg',
  alt: 'Latency of rejections and CPU of one worker under a steady load, beside Kafka Streams',
  svg: barChart({
    title: 'One worker under a steady load, exactly once',
    series: results.map(({ contender }) => contender),
    panels: [
      {
        title: 'Latency of a rejection',
        unit: 'ms',
        groups: [
          { label: 'p50', bars: barsOf(results, figures.p50.of) },
          { label: 'p99', bars: barsOf(results, figures.p99.of) },
        ],
      },
      {
        title: 'CPU of the worker',
        unit: '% of a core',
        groups: [{ label: '', bars: barsOf(results, figures.cpu.of) }],
      },
    ],
  }),
})
