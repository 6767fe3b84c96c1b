/**
 * How long it takes from a worker's start until it answers on every partition: with nothing to restore, after a clean
 * stop, after SIGKILL under load, and with its state directory gone. And how long until a second worker has its half, by
 * snapshots and by reading the changelog.
 */
import { rm } from 'node:fs/promises'
import { partitionOf } from '#potoroo/core/plan/partitioner.js'
import { isRecord, parseOr } from '#potoroo/core/json-shape.js'
import type { Rejection } from '#topics/rejections.js'
import { Arena } from './arena.js'
import { alternate, type BenchContext, type Rounds } from './benchmark.js'
import { barChart } from './charts/bars.js'
import type { Cluster } from './cluster.js'
import { barsOf, comparison, rangeText } from './comparison.js'
import { everySymbol, order, symbolName } from './input.js'
import { OutputReader } from './output-reader.js'
import { type Chart, type Findings, mebibytes, seconds, type Table, wholeNumber } from './report.js'
import type { Settings } from './settings.js'
import { spreadOf } from './statistics.js'
import { until } from './waiting.js'
import type { WorkerProcess } from './worker.js'

/** What an operator who cares about restarts sets: without it, a killed worker's session holds its successor up for 45 s. */
const TUNED = { tuned: true } as const
const TIMEOUT_MS = 900_000
/** Two workers with different ones give each other no snapshots. */
const [TOKEN, OTHER_TOKEN] = [{ POTOROO_PEER_TOKEN: 'bench' }, { POTOROO_PEER_TOKEN: 'other' }]

/** Everything in ms. */
interface Round {
  readonly nothing: number
  readonly stopped: number
  readonly killed: number
  readonly gone: number
  /** Only Potoroo has snapshots. One for each length of the changelog. */
  readonly second: readonly SecondWorker[]
  /** Of the answers, those that did not know the last quote of their symbol. */
  readonly forgotten: number
}

/** From its start until half of the tasks are its own. */
interface SecondWorker {
  /** How often each state object has changed. */
  readonly changes: number
  readonly bySnapshot: number
  readonly snapshotBytes: number
  readonly byChangelog: number
}

const steps = [
  ['nothing', 'nothing to restore'],
  ['stopped', 'after a clean stop'],
  ['killed', 'after SIGKILL under load'],
  ['gone', 'state directory gone'],
] as const

export async function restore(context: BenchContext, settings: Settings['restore']): Promise<Findings> {
  const { cluster, contenders, directory, namePrefix, say } = context
  const results = await alternate(contenders, settings.rounds, async (contender, round) => {
    const place = { topicPrefix: `${namePrefix}restore-${contender.name}-${round}-`, round }
    const arena = new Arena({ cluster, contender, place, settings: TUNED, directory })
    const run = (): Promise<Round> =>
      runRound(arena, cluster, settings, place.topicPrefix, contender.name === 'potoroo')
    const result = await arena.openWithSources(settings.partitions, run)
    const figures = steps.map(([key, title]) => `${title} ${seconds(result[key])} s`)
    say(`restore: ${contender.title}, round ${round + 1}: ${figures.join(', ')}`)
    return result
  })
  return {
    title: "Restore: from a worker's start until it answers on every partition",
    method: [
      `${wholeNumber(settings.symbols)} symbols on ${settings.partitions} partitions, one worker. An order on every partition waits for its rejection, which has to know the last quote. Median (lowest to highest) of ${settings.rounds} alternating rounds.`,
      'A second worker has an empty state directory; it counts from its start until half of the tasks, with half of the state objects, are its own. By changelog: the two workers have different tokens, and so no snapshots. The changelogs have every change of a state object: brokers compact closed segments alone, and with their default of 1 GiB none was closed.',
      ...contenders.map((contender) => `${contender.title}: ${contender.describe(TUNED)}.`),
    ],
    tables: [tableOf(results, settings), ...secondWorkerTable(results, settings)],
    charts: [chartOf(results)],
    measured: results.map(({ contender, rounds }) => ({ contender: contender.name, rounds })),
    checked: 'Every answer had to know the last quote of its symbol.',
    right: results.every(({ rounds }) => rounds.every(({ forgotten }) => forgotten === 0)),
  }
}

async function runRound(
  arena: Arena,
  cluster: Cluster,
  { symbols, partitions, loadedMs, changes }: Settings['restore'],
  topicPrefix: string,
  hasSnapshots: boolean,
): Promise<Round> {
  const probe = await Probe.open(cluster, arena, topicPrefix, partitions, symbols)
  const quotes = (count: number): Promise<void> => cluster.produce(topicPrefix, everySymbol(count, Date.now()))
  const restart = async (): Promise<{ worker: WorkerProcess; tookMs: number }> => {
    const worker = await arena.start('w1', TOKEN)
    return { worker, tookMs: (await probe.answered(true)) - worker.startedMs }
  }
  try {
    const first = await arena.start('w1', TOKEN)
    const nothing = (await probe.answered(false)) - first.startedMs
    await quotes(symbols)
    await arena.caughtUp(TIMEOUT_MS)
    await first.end('SIGTERM')

    const stopped = await restart()
    const loaded = quotes(Math.min(symbols, 100_000))
    await arena.pass(loadedMs)
    await stopped.worker.end('SIGKILL')
    await loaded

    const killed = await restart()
    await arena.caughtUp(TIMEOUT_MS)
    await killed.worker.end('SIGTERM')

    await rm(arena.stateDir('w1'), { recursive: true, force: true })
    const gone = await restart()
    const second: SecondWorker[] = []
    let changed = 1
    for (const count of hasSnapshots ? changes : []) {
      for (; changed < count; changed++) await cluster.produce(topicPrefix, everySymbol(symbols, Date.now(), changed))
      await arena.caughtUp(TIMEOUT_MS)
      second.push({ changes: count, ...(await secondWorker(arena, partitions, String(count))) })
    }
    await gone.worker.end('SIGTERM')
    return {
      nothing,
      stopped: stopped.tookMs,
      killed: killed.tookMs,
      gone: gone.tookMs,
      second,
      forgotten: probe.forgotten,
    }
  } finally {
    await probe.close()
  }
}

/** `label`: for names that no worker before had, and so no state directory. */
async function secondWorker(arena: Arena, partitions: number, label: string): Promise<Omit<SecondWorker, 'changes'>> {
  const half = Math.floor(partitions / 2)
  const run = async (name: string, token: typeof TOKEN): Promise<{ tookMs: number; snapshotBytes: number }> => {
    const worker = await arena.start(name, token)
    const owns = (): boolean => {
      arena.assertAlive()
      return logLines(worker).filter(({ msg }) => msg === 'task is active').length >= half
    }
    await until(`worker ${name} owns ${half} tasks`, owns, { timeoutMs: TIMEOUT_MS })
    const tookMs = performance.now() - worker.startedMs
    const copied = logLines(worker).filter(({ msg }) => msg === 'took a snapshot of the store')
    await worker.end('SIGTERM')
    return { tookMs, snapshotBytes: copied.reduce((sum, { bytes }) => sum + Number(bytes), 0) }
  }
  const bySnapshot = await run(`snapshot-${label}`, TOKEN)
  const byChangelog = await run(`changelog-${label}`, OTHER_TOKEN)
  if (byChangelog.snapshotBytes > 0) throw new Error('a worker with another token was given a snapshot')
  return {
    bySnapshot: bySnapshot.tookMs,
    snapshotBytes: bySnapshot.snapshotBytes,
    byChangelog: byChangelog.tookMs,
  }
}

const logLines = (worker: WorkerProcess): Record<string, unknown>[] =>
  worker
    .log()
    .split('\n')
    .map((line) => parseOr((): unknown => JSON.parse(line)))
    .filter(isRecord)

/** Asks every partition for a rejection. */
class Probe {
  readonly #answers = new Map<string, number>()
  #asked = 0
  #expectPrices = false
  #forgotten = 0

  private constructor(
    private readonly cluster: Cluster,
    private readonly arena: Arena,
    private readonly topicPrefix: string,
    /** Indexes of symbols, one on each partition. */
    private readonly symbols: readonly number[],
    private reader?: OutputReader,
  ) {}

  static async open(
    cluster: Cluster,
    arena: Arena,
    topicPrefix: string,
    partitions: number,
    symbols: number,
  ): Promise<Probe> {
    const found = new Map<number, number>()
    for (let i = 0; i < symbols && found.size < partitions; i++) {
      const partition = partitionOf('murmur2', Buffer.from(symbolName(i)), partitions)
      if (!found.has(partition)) found.set(partition, i)
    }
    const probe = new Probe(cluster, arena, topicPrefix, [...found.values()])
    probe.reader = await OutputReader.open(cluster, arena.names.rejections, (value, atMs) => {
      const rejection = value as Rejection
      probe.#answers.set(rejection.orderId, atMs)
      if (probe.#expectPrices && rejection.bid === 0) probe.#forgotten++
    })
    return probe
  }

  get forgotten(): number {
    return this.#forgotten
  }

  /** Resolves with when the last answer came. `expectPrices`: every symbol has had a quote. */
  async answered(expectPrices: boolean): Promise<number> {
    this.#expectPrices = expectPrices
    const ids = this.symbols.map(() => `probe-${++this.#asked}`)
    const orders = this.symbols.map((symbol, i) => order(ids[i] ?? '', symbol, Date.now()))
    await this.cluster.withProducer(this.topicPrefix, (send) => send(orders))
    const all = (): boolean => {
      this.arena.assertAlive()
      this.reader?.assertReading()
      return ids.every((id) => this.#answers.has(id))
    }
    await until('an order on every partition is answered', all, { timeoutMs: TIMEOUT_MS, everyMs: 5 })
    return Math.max(...ids.map((id) => this.#answers.get(id) ?? NaN))
  }

  async close(): Promise<void> {
    await this.reader?.close()
  }
}

const tableOf = (results: readonly Rounds<Round>[], { symbols }: Settings['restore']): Table =>
  comparison(
    `Seconds until the worker answers, ${wholeNumber(symbols)} state objects`,
    results,
    steps.map(([key, name]) => ({ name, of: (round) => round[key], text: seconds, better: 'less' })),
    [{ name: 'without prices', of: ({ forgotten }) => forgotten }],
  )

function secondWorkerTable(results: readonly Rounds<Round>[], { symbols, changes }: Settings['restore']): Table[] {
  const title = `Seconds until a second worker owns half of the tasks, ${wholeNumber(symbols / 2)} state objects`
  const rows = results.flatMap(({ contender, rounds }) =>
    changes.flatMap((count) => {
      const measured = rounds.flatMap(({ second }) => second.find((one) => one.changes === count) ?? [])
      if (measured.length === 0) return []
      const bySnapshot = measured.map((one) => one.bySnapshot)
      const byChangelog = measured.map((one) => one.byChangelog)
      const copied = spreadOf(measured.map(({ snapshotBytes }) => snapshotBytes)).median
      const ratio = spreadOf(byChangelog).median / spreadOf(bySnapshot).median
      return [
        [
          contender.title,
          wholeNumber(count),
          rangeText(bySnapshot, seconds),
          mebibytes(copied),
          rangeText(byChangelog, seconds),
          `${ratio.toFixed(1)} ×`,
        ],
      ]
    }),
  )
  const columns = ['', 'changes of each', 'by snapshot', 'MiB copied', 'by changelog', 'ratio']
  return rows.length === 0 ? [] : [{ title, columns, rows }]
}

const chartOf = (results: readonly Rounds<Round>[]): Chart => ({
  file: 'restore.svg',
  alt: "Seconds from a worker's start until it answers on every partition, beside Kafka Streams",
  svg: barChart({
    title: "From a worker's start until it answers on every partition",
    series: results.map(({ contender }) => contender),
    panels: [
      {
        title: 'Time to the first answers',
        unit: 'seconds',
        groups: steps.map(([key, label]) => ({ label, bars: barsOf(results, (round) => round[key] / 1000) })),
      },
    ],
  }),
})
