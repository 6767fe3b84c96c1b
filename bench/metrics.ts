/**
 * What metrics cost throughput: one worker works off the same backlog, in pairs of runs, with metrics served and read each second, and
 * without. Prints each pair and the median of their ratios.
 *
 *     npm run -s bench:metrics -- [--records 2000000] [--pairs 6]
 *
 * On the cluster of KAFKA_BROKERS, or on a broker of its own.
 */
import { parseArgs } from 'node:util'
import { Arena, SOURCES } from './arena.js'
import { potoroo } from './contenders.js'
import { RunningRate } from './figures.js'
import { backlog } from './input.js'
import { openCluster } from './opened-cluster.js'
import { spreadOf } from './statistics.js'

const SYMBOLS = 2_000
const PARTITIONS = 8
const SCRAPE_MS = 1_000
const TIMEOUT_MS = 300_000

const { values } = parseArgs({
  options: { records: { type: 'string', default: '2000000' }, pairs: { type: 'string', default: '6' } },
})
const records = Number(values.records)
const pairs = Number(values.pairs)

const opened = await openCluster('metrics')
const { cluster, brokers, directory, prefix: topicPrefix } = opened
const sources = SOURCES.map((name) => `${topicPrefix}${name}`)
const without = await potoroo(brokers, [])
const withMetrics = without.withSettings(['--http-port', '0'])

interface Run {
  readonly recordsPerSecond: number
  readonly cpuMicros: number
  readonly scrapes: number
}

/** Each has a log of its own. */
let round = 0

async function run(isServed: boolean): Promise<Run> {
  const contender = isServed ? withMetrics : without
  const arena = new Arena({
    cluster,
    contender,
    place: { topicPrefix, round: round++ },
    settings: { tuned: false },
    directory,
  })
  return arena.open(PARTITIONS, async () => {
    const worker = await arena.start('w1')
    const url = isServed ? await worker.url() : undefined
    let scrapes = 0
    const scraper =
      url === undefined
        ? undefined
        : setInterval(() => {
            void fetch(`${url}/metrics`)
              .then((response) => response.text())
              .then((text) => {
                if (text.includes('potoroo_tasks')) scrapes++
              })
          }, SCRAPE_MS)
    const rate = new RunningRate()
    await arena.caughtUp(TIMEOUT_MS, ({ done }) => {
      rate.see(done)
    })
    const recordsPerSecond = rate.perSecond(records, worker.startedMs)
    const { cpuSeconds } = worker.usage()
    clearInterval(scraper)
    await worker.end('SIGTERM')
    if (isServed && scrapes === 0) throw new Error('nobody read the metrics')
    return { recordsPerSecond, cpuMicros: (cpuSeconds * 1e6) / records, scrapes }
  })
}

const percent = (ratio: number): string => `${(100 * ratio).toFixed(1)} %`
try {
  await cluster.createTopics(sources, PARTITIONS)
  await cluster.produce(topicPrefix, backlog(records, SYMBOLS, Date.now() - records))
  await run(false)
  const ratios: { readonly rate: number; readonly cpu: number }[] = []
  for (let i = 0; i < pairs; i++) {
    // Each is first as often as the other.
    const order = i % 2 === 0 ? [false, true] : [true, false]
    const runs = new Map<boolean, Run>()
    for (const isServed of order) runs.set(isServed, await run(isServed))
    const [off, on] = [runs.get(false), runs.get(true)]
    if (off === undefined || on === undefined) throw new Error('a run is missing')
    const ratio = { rate: on.recordsPerSecond / off.recordsPerSecond, cpu: on.cpuMicros / off.cpuMicros }
    ratios.push(ratio)
    process.stdout.write(
      `pair ${String(i + 1)}: ${String(Math.round(off.recordsPerSecond))} records/s and ${off.cpuMicros.toFixed(2)} µs CPU without, ` +
        `${String(Math.round(on.recordsPerSecond))} and ${on.cpuMicros.toFixed(2)} with (${String(on.scrapes)} scrapes): ` +
        `${percent(ratio.rate)} of the throughput, ${percent(ratio.cpu)} of the CPU\n`,
    )
  }
  for (const [what, of] of [
    ['throughput', ({ rate }: { readonly rate: number }) => rate],
    ['CPU', ({ cpu }: { readonly cpu: number }) => cpu],
  ] as const) {
    const { median, low, high } = spreadOf(ratios.map(of))
    process.stdout.write(
      `${what} with metrics, of that without: ${percent(median)} (${percent(low)} to ${percent(high)})\n`,
    )
  }
} finally {
  await cluster.remove(sources, [])
  await opened.close()
}
