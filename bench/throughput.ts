/** How fast one worker works off a backlog, exactly once, and what it costs. */
import { partitionsOf, Rejections } from '#potoroo/cli/demo/rejections.js'
import { compare, rejectionsOf } from '#potoroo/market-spread/calculation.js'
import type { Rejection } from '#topics/rejections.js'
import { Arena, SOURCES } from './arena.js'
import { alternate, type BenchContext, type Rounds } from './benchmark.js'
import { barChart, type Panel } from './charts/bars.js'
import type { Cluster } from './cluster.js'
import { barsOf, comparison } from './comparison.js'
import type { Contender } from './contenders.js'
import { cpuFor, peakMemory, RunningRate } from './figures.js'
import { backlog } from './input.js'
import { type Chart, type Findings, mebibytes, type Table, wholeNumber } from './report.js'
import type { Settings } from './settings.js'

const TIMEOUT_MS = 900_000
const PLAIN = { tuned: false } as const

interface Round {
  /** From the worker's start to the commit of the last record. */
  readonly wallMs: number
  readonly recordsPerSecond: number
  /** From its first commit on: without what starting takes. */
  readonly runningRecordsPerSecond: number
  readonly cpuMicrosPerRecord: number
  readonly peakBytes: number
  readonly right: number
  readonly lost: number
  readonly repeated: number
}

interface Scenario {
  readonly symbols: number
  readonly results: readonly Rounds<Round>[]
}

export async function throughput(context: BenchContext, settings: Settings['throughput']): Promise<Findings> {
  const scenarios: Scenario[] = []
  for (const symbols of settings.symbols) scenarios.push(await runScenario(context, settings, symbols))
  const all = scenarios.flatMap(({ results }) => results.flatMap(({ rounds }) => rounds))
  return {
    title: 'Throughput: one worker works off a backlog',
    method: [
      `${wholeNumber(settings.records)} records, ten quotes to an order, on ${settings.partitions} partitions, in a random order of symbols; written once, read by both, from the start of the worker's process to the commit of the last record.`,
      `Median (lowest to highest) of ${settings.rounds} alternating rounds. CPU: user and system time of the worker, of all its threads. Memory: anonymous, at its peak.`,
      ...context.contenders.map((contender) => `${contender.title}: ${contender.describe(PLAIN)}.`),
    ],
    tables: scenarios.map(tableOf),
    charts: [chartOf(scenarios, context.contenders)],
    measured: scenarios.map(({ symbols, results }) => ({
      symbols,
      results: results.map(({ contender, rounds }) => ({ contender: contender.name, rounds })),
    })),
    checked: 'Every rejection was compared with a plain calculation of the same input.',
    right: all.every(({ lost, repeated }) => lost + repeated === 0),
  }
}

async function runScenario(
  { cluster, contenders, directory, namePrefix, say }: BenchContext,
  { records, partitions, rounds }: Settings['throughput'],
  symbols: number,
): Promise<Scenario> {
  const topicPrefix = `${namePrefix}${symbols}-`
  const sources = SOURCES.map((name) => `${topicPrefix}${name}`)
  // One ms of record time for each, up to now: no record is from the future, none so old that Kafka deletes it.
  const startMs = Date.now() - records
  await cluster.createTopics(sources, partitions)
  try {
    say(`throughput: writing ${wholeNumber(records)} records of ${wholeNumber(symbols)} symbols`)
    await cluster.produce(topicPrefix, backlog(records, symbols, startMs))
    const expected = [...rejectionsOf(backlog(records, symbols, startMs))]
    const results = await alternate(contenders, rounds, async (contender, round) => {
      const place = { topicPrefix, round }
      const arena = new Arena({ cluster, contender, place, settings: PLAIN, directory })
      const result = await arena.open(partitions, () => runRound(arena, cluster, records, expected))
      const rate = `${wholeNumber(result.recordsPerSecond)} records/s, ${result.cpuMicrosPerRecord.toFixed(2)} µs CPU per record`
      say(`  ${contender.title}, round ${round + 1}: ${rate}, ${mebibytes(result.peakBytes)} MiB`)
      return result
    })
    return { symbols, results }
  } finally {
    await cluster.remove(sources, [])
  }
}

async function runRound(
  arena: Arena,
  cluster: Cluster,
  records: number,
  expected: readonly Rejection[],
): Promise<Round> {
  const worker = await arena.start('w1')
  const rate = new RunningRate()
  await arena.caughtUp(TIMEOUT_MS, ({ done }) => {
    rate.see(done)
  })
  const endMs = performance.now()
  const runningRecordsPerSecond = rate.perSecond(records, worker.startedMs)
  const { cpuSeconds } = worker.usage()
  await worker.end('SIGTERM')
  const came = new Rejections(cluster.log, await partitionsOf(cluster.log, [arena.names.rejections]))
  await came.readToEnd()
  const { right, lost, repeated } = compare(expected, came.seen)
  const wallMs = endMs - worker.startedMs
  return {
    wallMs,
    recordsPerSecond: records / (wallMs / 1000),
    runningRecordsPerSecond,
    cpuMicrosPerRecord: (cpuSeconds * 1e6) / records,
    peakBytes: worker.peakBytes,
    right,
    lost: lost.length,
    repeated: repeated.length,
  }
}

const figures = {
  wall: {
    name: 'records/s with start-up',
    of: (round: Round) => round.recordsPerSecond,
    text: wholeNumber,
    better: 'more',
  },
  running: {
    name: 'records/s running',
    of: (round: Round) => round.runningRecordsPerSecond,
    text: wholeNumber,
    better: 'more',
  },
  cpu: cpuFor('record', (round: Round) => round.cpuMicrosPerRecord),
  memory: peakMemory,
} as const

const tableOf = ({ symbols, results }: Scenario): Table =>
  comparison(nameOf(symbols), results, Object.values(figures), [
    { name: 'rejections', of: ({ right }) => right },
    { name: 'lost', of: ({ lost }) => lost },
    { name: 'wrong or repeated', of: ({ repeated }) => repeated },
  ])

const nameOf = (symbols: number): string => `${wholeNumber(symbols)} symbols`

function chartOf(scenarios: readonly Scenario[], contenders: readonly Contender[]): Chart {
  const panel = (title: string, unit: string, of: (round: Round) => number): Panel => ({
    title,
    unit,
    groups: scenarios.map(({ symbols, results }) => ({ label: nameOf(symbols), bars: barsOf(results, of) })),
  })
  return {
    file: 'throughput.svg',
    alt: 'Records per second, CPU per record and peak memory of one worker, beside Kafka Streams',
    svg: barChart({
      title: 'One worker on a backlog, exactly once',
      series: contenders,
      panels: [
        panel('Throughput with start-up', 'thousand records/s', (round) => figures.wall.of(round) / 1000),
        panel('CPU of the worker', 'µs per record', figures.cpu.of),
        panel('Peak anonymous memory', 'MiB', (round) => figures.memory.of(round) / 2 ** 20),
      ],
    }),
  }
}
