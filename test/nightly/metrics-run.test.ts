/**
 * Market Spread under a steady load for three minutes, with two workers: one more comes, one is killed. What the metrics say,
 * scraped each second as Prometheus does, is held against what the workers logged and against what is in Kafka; figures of the board in
 * ops/grafana are printed. POTOROO_METRICS_RUN_SECONDS is how long it takes.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, expect, test } from 'vitest'
import { table } from '../../src/cli/table.js'
import { samplesIn, Samples } from '../support/collected.js'
import { events, MarketSpreadBench, type WorkerHandle } from '../support/market-spread.js'
import { readCommitted } from '../support/read-committed.js'
import { produce } from '../support/topics.js'
import { until } from '../support/until.js'

const SECONDS = Number(process.env.POTOROO_METRICS_RUN_SECONDS ?? 180)
const EVENTS_PER_SECOND = 2_000
const SYMBOLS = 2_000
/** So many after each third of the run. */
const BAD = 5
const PARTITIONS = 8
const SCRAPE_MS = 1_000
/** A row of the table. */
const ROW_S = 15

interface Watched {
  readonly worker: WorkerHandle
  readonly url: string
  last: Samples
  isGone: boolean
}
interface Row {
  readonly atS: number
  /** All workers together, those that are gone with their last word. */
  readonly all: Samples
  readonly here: Samples
}

const bench = new MarketSpreadBench()
const watched: Watched[] = []
const rows: Row[] = []
const happened: { readonly atS: number; readonly what: string }[] = []
let beganMs = 0
const atS = (): number => (performance.now() - beganMs) / 1000

afterAll(() => bench.close())

async function add(name: string): Promise<Watched> {
  const worker = bench.worker(name, '--http-port=0', '--standbys=1')
  const { url } = JSON.parse(await worker.line(/metrics and health are served/)) as { url: string }
  const one = { worker, url, last: samplesIn(''), isGone: false }
  watched.push(one)
  return one
}
async function scrape(one: Watched): Promise<void> {
  const answer = await fetch(`${one.url}/metrics`, { headers: { accept: 'application/openmetrics-text' } })
  one.last = samplesIn(await answer.text())
}
const merged = (of: readonly Watched[]): Samples => new Samples(of.flatMap(({ last }) => last.all))
test('what the metrics say is what happened', { timeout: (SECONDS + 240) * 1000 }, async () => {
  await bench.createTopics(PARTITIONS)
  await Promise.all(['w1', 'w2'].map(add))
  await until('both are ready', async () => {
    await Promise.all(watched.map(scrape))
    return merged(watched).sum('potoroo_ready') === 2
  })
  beganMs = performance.now()
  let isOver = false
  const feeding = bench.feed(events(10_000_000, 7, SYMBOLS), () => isOver, 100, EVENTS_PER_SECOND)
  const scraping = (async () => {
    const isGoingOn = (): boolean => !isOver
    for (let next = ROW_S; isGoingOn();) {
      await delay(SCRAPE_MS)
      await Promise.all(watched.filter(({ isGone }) => !isGone).map((one) => scrape(one).catch(() => undefined)))
      if (atS() < next) continue
      next += ROW_S
      rows.push({ atS: atS(), all: merged(watched), here: merged(watched.filter(({ isGone }) => !isGone)) })
    }
  })()
  let bad = 0
  const sendBad = async (): Promise<void> => {
    // As the events about them: of a later time, they would keep orders after them until newer quotes were through.
    const timestamp = String(new Date(bench.sent.at(-1)?.message.time ?? 0).getTime())
    await produce(
      bench.topic('orders'),
      Array.from({ length: BAD }, (_, i) => ({ key: `S${String(i)}`, value: 'no JSON', timestamp })),
    )
    bad += BAD
    happened.push({ atS: atS(), what: `${String(BAD)} orders that are no JSON` })
  }

  await delay((SECONDS / 3) * 1000)
  await sendBad()
  happened.push({ atS: atS(), what: 'w3 comes' })
  const third = await add('w3')
  await until('it has tasks', () => third.last.sum('potoroo_tasks', { potoroo_task_state: 'running' }) > 0, 60_000)

  await delay(Math.max(0, (SECONDS * 2) / 3 - atS()) * 1000)
  const killed = watched.find(({ worker }) => worker.name === 'w2') ?? expect.fail('w2 was started')
  await scrape(killed)
  killed.worker.kill('SIGKILL')
  killed.isGone = true
  happened.push({ atS: atS(), what: 'w2 is killed' })
  // Later: what a worker has counted since it was scraped last dies with it.
  await sendBad()
  await delay(Math.max(0, SECONDS - atS()) * 1000)
  isOver = true
  await Promise.all([feeding, scraping])
  await bench.settled()
  const left = watched.filter(({ isGone }) => !isGone)
  await until('all of it is counted', async () => {
    await Promise.all(left.map(scrape))
    return merged(left).sum('potoroo_input_lag') === 0
  })

  const all = merged(watched)
  const logged = (message: string): number => watched.reduce((n, { worker }) => n + worker.log(message).length, 0)
  const comparison = await bench.compare()
  expect(comparison).toMatchObject({ lost: [], repeated: [] })
  const letters = await readCommitted(`${bench.group}-dead-letters`, bad)
  const consumed = all.sum('messaging_client_consumed_messages_total')
  const sentTo = (topic: string): number =>
    all.sum('messaging_client_sent_messages_total', { messaging_destination_name: topic })
  const found = [
    ['messages processed', consumed, bench.sent.length + bad, 'records of both sources'],
    [
      'rejections',
      sentTo(bench.topic('rejections')),
      comparison.right,
      'right ones of the sink, none lost or repeated',
    ],
    ['dead letters', all.sum('potoroo_dead_letters_total'), letters.length, 'records of their topic'],
    [
      'tasks that moved',
      all.sum('potoroo_hand_off_pause_seconds_count'),
      logged('task was handed over'),
      "lines of the workers' logs",
    ],
    [
      'activations',
      all.sum('potoroo_restore_duration_seconds_count'),
      logged('task is active'),
      "lines of the workers' logs",
    ],
    [
      'tasks running',
      all.sum('potoroo_tasks', { potoroo_task_state: 'running' }) -
        killed.last.sum('potoroo_tasks', { potoroo_task_state: 'running' }),
      PARTITIONS,
      'of the application',
    ],
  ] as const
  console.log(
    [
      ...happened.map(({ atS: s, what }) => `${s.toFixed(0).padStart(4)} s  ${what}`),
      '',
      table(
        [
          'at s',
          'ready',
          'running tasks',
          'messages/s',
          'rejections/s',
          'lag',
          'computing, cores',
          'commit p99 ms',
          'hand-offs',
          'dead letters',
        ],
        rows.map((row, i) => rowOf(row, rows[i - 1])),
      ),
      table(
        ['', 'metrics', 'truth', 'which is'],
        found.map((one) => [...one]),
      ),
    ].join('\n'),
  )
  // A killed worker had made what nobody scraped any more: less than a second's load, and never more than there was.
  for (const [what, said, truth] of found.slice(0, 2)) {
    expect(said, what).toBeLessThanOrEqual(truth)
    expect(truth - said, what).toBeLessThan(EVENTS_PER_SECOND)
  }
  for (const [what, said, truth] of found.slice(2)) expect(said, what).toBe(truth)
  expect(logged('a record went to the dead letters')).toBe(bad)
  // One came, and one was killed: each moves tasks, and so it is said.
  expect(found[3][1]).toBeGreaterThan(1)
  for (const { worker } of left) {
    worker.kill('SIGTERM')
    expect((await worker.exited).code).toBe(0)
  }
})

function rowOf({ atS: at, all, here }: Row, before: Row | undefined): (string | number)[] {
  const since = (name: string, labels = {}): number => all.sum(name, labels) - (before?.all.sum(name, labels) ?? 0)
  const perSecond = (name: string, labels = {}): string => (since(name, labels) / (at - (before?.atS ?? 0))).toFixed(0)
  const running = here.of('potoroo_tasks', { potoroo_task_state: 'running' })
  return [
    at.toFixed(0),
    here.sum('potoroo_ready'),
    running.map(({ labels, value }) => `${labels.potoroo_worker ?? ''}: ${String(value)}`).join(', '),
    perSecond('messaging_client_consumed_messages_total'),
    perSecond('messaging_client_sent_messages_total', { messaging_destination_name: bench.topic('rejections') }),
    here.sum('potoroo_input_lag'),
    (since('messaging_process_duration_seconds_sum') / (at - (before?.atS ?? 0))).toFixed(2),
    quantileMs(0.99, 'potoroo_commit_duration_seconds', all, before?.all),
    all.sum('potoroo_hand_off_pause_seconds_count'),
    all.sum('potoroo_dead_letters_total'),
  ]
}

/** As Prometheus's histogram_quantile over what came since: within a bucket, values lie evenly. */
function quantileMs(quantile: number, name: string, all: Samples, before: Samples | undefined): string {
  const counts = new Map<number, number>()
  for (const [samples, sign] of [
    [all, 1],
    [before ?? new Samples([]), -1],
  ] as const)
    for (const { labels, value } of samples.of(`${name}_bucket`)) {
      const le = labels.le === '+Inf' ? Infinity : Number(labels.le)
      counts.set(le, (counts.get(le) ?? 0) + sign * value)
    }
  const buckets = [...counts].sort(([a], [b]) => a - b)
  const rank = quantile * (buckets.at(-1)?.[1] ?? 0)
  const at = buckets.findIndex(([, count]) => count >= rank)
  const [le = NaN, count = NaN] = buckets[at] ?? []
  const [lower, below] = at > 0 ? (buckets[at - 1] ?? [0, 0]) : [0, 0]
  const seconds = le === Infinity ? lower : lower + ((le - lower) * (rank - below)) / Math.max(1, count - below)
  return (seconds * 1000).toFixed(0)
}
