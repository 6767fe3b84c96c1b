/** A count a minute from a backlog, beside Kafka Streams' with suppress and without. */
import { fileURLToPath } from 'node:url'
import { partitionOf } from '#potoroo/core/plan/partitioner.js'
import type { OutgoingRecord } from '#potoroo/kafka/idempotent-producer.js'
import { alternate, type BenchContext } from './benchmark.js'
import { barChart } from './charts/bars.js'
import { comparison, panelOf } from './comparison.js'
import type { Application, Contender } from './contenders.js'
import { cpuFor, peakMemory, perSecond, RunningRate } from './figures.js'
import { type KeyedEvent, KeyedMinutes, keyName, type MinuteCount } from './keyed-minutes.js'
import { readAll } from './output-reader.js'
import { type Findings, mebibytes, seconds, wholeNumber } from './report.js'
import { describeVariant, type Run, type Variant, withVariant } from './routing-variants.js'
import type { Settings } from './settings.js'
import { counts, events as source, LATENESS_MS, SIZE_MS } from './windowed-application.js'

const FILE = fileURLToPath(new URL('windowed-application.js', import.meta.url))
const TIMEOUT_MS = 1_800_000
const EVENTS_PER_REQUEST = 2000
/** Of the lateness; the rest is left to the ends of windows. */
const DISORDER_MS = LATENESS_MS - 100
/** What ends all windows lies so far behind them, and before now: it opens a window of its own, which nothing closes. */
const ENDS_AFTER_MS = 2 * SIZE_MS
const ENDING = 'end-'

interface WindowsVariant extends Variant {
  readonly comes: 'once' | 'with every update'
}

interface Round {
  /** From the worker's start until everything is committed. */
  readonly wallMs: number
  readonly eventsPerSecond: number
  /** From its first commit on: without what starting takes. */
  readonly runningEventsPerSecond: number
  readonly cpuSeconds: number
  readonly cpuMicrosPerEvent: number
  readonly peakBytes: number
  readonly outputs: number
  readonly wrong: number
}

export async function windows(context: BenchContext, settings: Settings['windows']): Promise<Findings> {
  const { cluster, namePrefix, say } = context
  const { rounds, partitions, events, keys, minutes } = settings
  const variants = context.contenders.flatMap(variantsOf)
  const prefix = `${namePrefix}windows-`
  const topic = `${prefix}${source.name}`
  const endMs = Math.floor((Date.now() - ENDS_AFTER_MS) / SIZE_MS) * SIZE_MS
  const input = new KeyedMinutes({ events, keys, minutes, startMs: endMs - minutes * SIZE_MS, disorderMs: DISORDER_MS })
  await cluster.createTopics([topic], partitions)
  try {
    say(`windows: writing ${wholeNumber(events)} events of ${wholeNumber(keys)} keys`)
    await cluster.withProducerTo(topic, async (send, inTopic) => {
      let round: OutgoingRecord[] = []
      for (const event of input.events()) {
        round.push(recordOf(event, inTopic))
        if (round.length < EVENTS_PER_REQUEST) continue
        await send(round)
        round = []
      }
      await send([...round, ...endings(inTopic, endMs + ENDS_AFTER_MS)])
    })
    const results = await alternate(variants, rounds, async (variant, round) => {
      const result = await withVariant(context, variant, { prefix, partitions }, (run) =>
        runRound(context, run, input, settings, variant.comes),
      )
      const rate = `${wholeNumber(result.eventsPerSecond)} events/s, ${result.cpuMicrosPerEvent.toFixed(2)} µs CPU per event`
      say(`windows: ${variant.title}, round ${round + 1}: ${rate}, ${mebibytes(result.peakBytes)} MiB`)
      return result
    })
    const panels = [
      panelOf('Count a minute from a backlog', 'thousand events/s', results, (round) => round.eventsPerSecond / 1000),
      panelOf('CPU of the worker', 'µs per event', results, (round) => round.cpuMicrosPerEvent),
    ]
    return {
      title: 'Windows: a count a minute from a backlog',
      method: [
        `${wholeNumber(events)} events of ${wholeNumber(keys)} keys, each as likely as any, over ${minutes} minutes, up to ${DISORDER_MS} ms out of order with ${LATENESS_MS} ms of lateness (of grace), on ${partitions} partitions; ${wholeNumber(input.windows)} windows. Written once, read by all, from the start of the worker's process until it has committed the last event, one in each partition that lies behind all windows and closes them. Median (lowest to highest) of ${rounds} alternating rounds. CPU: user and system time of the worker, of all its threads. Memory: anonymous, at its peak.`,
        'Kafka Streams with suppress gives what Potoroo gives: the count of each window once, when it has closed. Without it, it gives the last count of each commit, or of what its cache has put out, as often as it changes: nobody is told which one is final.',
        ...variants.map((variant) => describeVariant(variant)),
      ],
      tables: [
        comparison('Count a minute from a backlog', results, Object.values(figures), [
          { name: 'outputs', of: ({ outputs }) => outputs },
          { name: 'windows miscounted', of: ({ wrong }) => wrong },
        ]),
      ],
      charts: [
        {
          file: 'windows.svg',
          alt: 'Throughput and CPU of a count a minute, beside Kafka Streams with suppress and without',
          svg: barChart({ title: 'A count a minute, exactly once', series: variants, panels }),
        },
      ],
      measured: results.map(({ contender, rounds: all }) => ({ contender: contender.name, rounds: all })),
      checked: 'Every count was compared with a plain calculation of the same input.',
      right: results.every(({ rounds: all }) => all.every(({ wrong }) => wrong === 0)),
    }
  } finally {
    await cluster.remove([topic], [])
  }
}

function variantsOf(contender: Contender): readonly WindowsVariant[] {
  const { name, title } = contender
  const application = (isSuppressed: boolean): Application => ({
    source: source.name,
    sink: counts.name,
    potoroo: { file: FILE },
    kafkaStreams: {
      program: 'WindowedCount',
      arguments: [`sizeMs=${SIZE_MS}`, `graceMs=${LATENESS_MS}`, `suppress=${isSuppressed}`],
      repartitions: [],
    },
  })
  if (name === 'potoroo') return [{ name, title, contender, application: application(true), comes: 'once' }]
  const suppressed = { name: `${name}-suppress`, title: `${title}, suppress`, application: application(true) }
  const updates = { name: `${name}-updates`, title: `${title}, updates`, application: application(false) }
  return [
    { ...suppressed, contender, comes: 'once' },
    { ...updates, contender, comes: 'with every update' },
  ]
}

const recordOf = ({ key, timestampMs }: KeyedEvent, partitions: number): OutgoingRecord => ({
  partition: partitionOf('murmur2', Buffer.from(key), partitions),
  key,
  value: JSON.stringify({ key }),
  timestampMs,
})

/** An event for each partition, of a key that lies there. */
function endings(partitions: number, timestampMs: number): OutgoingRecord[] {
  const found = new Map<number, OutgoingRecord>()
  for (let i = 0; found.size < partitions; i++) {
    const record = recordOf({ key: `${ENDING}${keyName(i)}`, timestampMs }, partitions)
    if (!found.has(record.partition)) found.set(record.partition, record)
  }
  return [...found.values()]
}

async function runRound(
  { cluster }: BenchContext,
  { sink, start, caughtUp }: Run,
  input: KeyedMinutes,
  { events }: Settings['windows'],
  comes: WindowsVariant['comes'],
): Promise<Round> {
  const worker = await start()
  const rate = new RunningRate()
  await caughtUp(TIMEOUT_MS, ({ done }) => {
    rate.see(done)
  })
  const wallMs = performance.now() - worker.startedMs
  const runningEventsPerSecond = rate.perSecond(events, worker.startedMs)
  const { cpuSeconds } = worker.usage()
  await worker.end('SIGTERM')
  input.begin()
  await readAll(cluster, sink, (value) => {
    const count = value as MinuteCount
    if (!count.key.startsWith(ENDING)) input.take(count)
  })
  return {
    wallMs,
    eventsPerSecond: events / (wallMs / 1000),
    runningEventsPerSecond,
    cpuSeconds,
    cpuMicrosPerEvent: (cpuSeconds * 1e6) / events,
    peakBytes: worker.peakBytes,
    outputs: input.outputs,
    wrong: input.wrong(comes),
  }
}

const figures = {
  wall: { name: 's', of: (round: Round) => round.wallMs, text: seconds, better: 'less' },
  cpuSeconds: {
    name: 's of CPU',
    of: (round: Round) => round.cpuSeconds,
    text: (value: number) => value.toFixed(2),
    better: 'less',
  },
  events: perSecond('events/s', (round: Round) => round.eventsPerSecond),
  running: perSecond('events/s running', (round: Round) => round.runningEventsPerSecond),
  cpu: cpuFor('event', (round: Round) => round.cpuMicrosPerEvent),
  memory: peakMemory,
} as const
