/** Word count, which is examples/word-count on Potoroo: a backlog of lines as fast as it goes, and disk use under load. */
import { fileURLToPath } from 'node:url'
import { counts, lines as source } from '#potoroo/examples/word-count/application.js'
import type { OutgoingRecord } from '#potoroo/kafka/idempotent-producer.js'
import { alternate, type BenchContext } from './benchmark.js'
import type { Panel } from './charts/bars.js'
import { comparison, panelOf } from './comparison.js'
import type { Application, Contender } from './contenders.js'
import { DiskWatch } from './disk-watch.js'
import { cpuFor, peakMemory, perSecond, RunningRate } from './figures.js'
import { CountCheck, Lines, WORDS_COME, WORDS_PER_LINE } from './lines.js'
import { readAll } from './output-reader.js'
import { pump } from './paced-load.js'
import { mebibytes, type Table, wholeNumber } from './report.js'
import { describeVariant, type Run, type Variant, withVariant } from './routing-variants.js'
import type { Settings } from './settings.js'
import { delay } from './waiting.js'

const FILE = fileURLToPath(import.meta.resolve('#potoroo/examples/word-count/application.js'))
const TIMEOUT_MS = 1_800_000
const LINES_PER_REQUEST = 2000
const LOOK_MS = 1000

export interface WordsVariant extends Variant {
  /** Whether it writes every count of a word, and not the last one of several alone. */
  readonly everyUpdate: boolean
}

/** `caching`: of Kafka Streams' store. */
export const wordsVariant = (name: string, title: string, contender: Contender, caching: boolean): WordsVariant => {
  const application: Application = {
    source: source.name,
    sink: counts.name,
    potoroo: { file: FILE },
    kafkaStreams: { arguments: ['topology=words', `caching=${caching}`], repartitions: ['total'] },
  }
  return { name, title, contender, application, everyUpdate: !caching }
}

interface Round {
  /** From the worker's start until everything is committed. */
  readonly wallMs: number
  readonly linesPerSecond: number
  readonly wordsPerSecond: number
  /** From its first commit on: without what starting takes. */
  readonly runningWordsPerSecond: number
  readonly cpuMicrosPerWord: number
  readonly peakBytes: number
  readonly outputs: number
  readonly wrong: number
}

export interface BacklogFindings {
  readonly method: readonly string[]
  readonly tables: readonly Table[]
  readonly panels: readonly Panel[]
  readonly measured: unknown
  readonly right: boolean
}

export async function routingBacklog(
  context: BenchContext,
  settings: Settings['routing'],
  variants: readonly WordsVariant[],
): Promise<BacklogFindings> {
  const { cluster, namePrefix, say } = context
  const { rounds, partitions, lines: count, distinctWords } = settings
  const prefix = `${namePrefix}words-`
  const topic = `${prefix}${source.name}`
  await cluster.createTopics([topic], partitions)
  try {
    say(`routing: writing ${wholeNumber(count)} lines of ${WORDS_PER_LINE} words`)
    const lines = new Lines(distinctWords, 5)
    await cluster.withProducerTo(topic, async (send, inTopic) => {
      for (let from = 0; from < count; from += LINES_PER_REQUEST) {
        const ids = Array.from({ length: Math.min(LINES_PER_REQUEST, count - from) }, (_, i) => from + i)
        await send(ids.map((id) => recordOf(lines, id, inTopic)))
      }
    })
    const expected = lines.counts()
    const results = await alternate(variants, rounds, async (variant, round) => {
      const result = await withVariant(context, variant, { prefix, partitions }, (run) =>
        runRound(context, run, count, (check) => check.wrong(expected, variant.everyUpdate)),
      )
      const rate = `${wholeNumber(result.wordsPerSecond)} words/s, ${result.cpuMicrosPerWord.toFixed(2)} µs CPU per word`
      say(`routing: word count, ${variant.title}, round ${round + 1}: ${rate}, ${mebibytes(result.peakBytes)} MiB`)
      return result
    })
    return {
      method: [
        `Backlog: ${wholeNumber(count)} lines of ${WORDS_PER_LINE} words without keys on ${partitions} partitions, ${wholeNumber(expected.size)} distinct words, ${WORDS_COME}; written once, read by all, from the start of the worker's process until its group has committed the last line and the last word. Median (lowest to highest) of ${rounds} alternating rounds. CPU: user and system time of the worker, of all its threads. Memory: anonymous, at its peak.`,
        "Every count of a word goes to the sink, one for each word that comes; Kafka Streams does so without a cache in front of its store, and then writes every count to its changelog, too, where Potoroo writes the last one of a commit. With the cache it writes the last one of a commit to both, and fewer outputs: that is less work than Potoroo's.",
        ...variants.map((variant) => describeVariant(variant, variant.everyUpdate ? ', every update' : '')),
      ],
      tables: [
        comparison('Word count from a backlog', results, Object.values(figures), [
          { name: 'outputs', of: ({ outputs }) => outputs },
          { name: 'words miscounted', of: ({ wrong }) => wrong },
        ]),
      ],
      panels: [
        panelOf('Word count from a backlog', 'thousand words/s', results, (round) => round.wordsPerSecond / 1000),
        panelOf('CPU of the worker', 'µs per word', results, (round) => round.cpuMicrosPerWord),
      ],
      measured: results.map((result) => ({ contender: result.contender.name, rounds: result.rounds })),
      right: results.every((result) => result.rounds.every(({ wrong }) => wrong === 0)),
    }
  } finally {
    await cluster.remove([topic], [])
  }
}

const recordOf = (lines: Lines, id: number, partitions: number): OutgoingRecord => ({
  partition: id % partitions,
  key: null,
  value: JSON.stringify({ text: lines.next() }),
})

async function runRound(
  { cluster }: BenchContext,
  { sink, start, caughtUp }: Run,
  lines: number,
  wrong: (check: CountCheck) => number,
): Promise<Round> {
  const worker = await start()
  const rate = new RunningRate()
  await caughtUp(TIMEOUT_MS, ({ done }) => {
    rate.see(done)
  })
  const endMs = performance.now()
  const words = lines * WORDS_PER_LINE
  const runningWordsPerSecond = rate.perSecond(words, worker.startedMs)
  const { cpuSeconds } = worker.usage()
  await worker.end('SIGTERM')
  const check = await checked(cluster, sink)
  const wallMs = endMs - worker.startedMs
  return {
    wallMs,
    linesPerSecond: lines / (wallMs / 1000),
    wordsPerSecond: words / (wallMs / 1000),
    runningWordsPerSecond,
    cpuMicrosPerWord: (cpuSeconds * 1e6) / words,
    peakBytes: worker.peakBytes,
    outputs: check.outputs,
    wrong: wrong(check),
  }
}

async function checked(cluster: BenchContext['cluster'], sink: string): Promise<CountCheck> {
  const check = new CountCheck()
  await readAll(cluster, sink, (value) => {
    check.take(value as { readonly word: string; readonly n: number })
  })
  return check
}

const figures = {
  lines: perSecond('lines/s', (round: Round) => round.linesPerSecond),
  words: perSecond('words/s', (round: Round) => round.wordsPerSecond),
  running: perSecond('words/s running', (round: Round) => round.runningWordsPerSecond),
  cpu: cpuFor('word', (round: Round) => round.cpuMicrosPerWord),
  memory: peakMemory,
} as const

export interface DiskFindings {
  readonly method: readonly string[]
  readonly tables: readonly Table[]
  readonly measured: unknown
  readonly right: boolean
}

/** What the repartition topic takes on disk while lines keep coming. */
export async function routingDisk(
  context: BenchContext,
  { partitions, distinctWords, diskMinutes, diskLinesPerSecond }: Settings['routing'],
  variants: readonly WordsVariant[],
): Promise<DiskFindings> {
  const { cluster, namePrefix, say, brokerLogs } = context
  const results = []
  for (const variant of variants) {
    const prefix = `${namePrefix}disk-${variant.name}-`
    const topic = `${prefix}${source.name}`
    await cluster.createTopics([topic], partitions)
    try {
      const result = await withVariant(context, variant, { prefix, partitions }, async (run) => {
        const worker = await run.start()
        const watch = new DiskWatch(cluster, run.installed.repartitions, brokerLogs)
        const lines = new Lines(distinctWords, 6)
        const endMs = performance.now() + diskMinutes * 60_000
        let stopped = false
        const sending = cluster.withProducerTo(topic, (send, inTopic) =>
          pump({ perSecond: diskLinesPerSecond, stopped: () => stopped }, (ids) =>
            send(ids.map((id) => recordOf(lines, id, inTopic))),
          ),
        )
        sending.catch(() => undefined) // looked at below
        try {
          while (performance.now() < endMs) {
            await delay(Math.min(LOOK_MS, Math.max(0, endMs - performance.now())))
            worker.assertAlive()
            await watch.look()
          }
        } finally {
          stopped = true
        }
        await sending
        await run.caughtUp(TIMEOUT_MS)
        await watch.look()
        await worker.end('SIGTERM')
        const check = await checked(cluster, run.sink)
        return { ...watch.figures(), wrong: check.wrong(lines.counts(), variant.everyUpdate) }
      })
      say(
        `routing: disk, ${variant.title}: at most ${sizeText(result.largestBytes)} MiB of ${sizeText(result.writtenBytes)}`,
      )
      results.push({ variant, result })
    } finally {
      await cluster.remove([topic], [])
    }
  }
  const rows = results.map(({ variant, result }) => [
    variant.title,
    wholeNumber(result.writtenRecords),
    wholeNumber(result.mostRecords),
    wholeNumber(result.lastRecords),
    sizeText(result.writtenBytes),
    sizeText(result.largestBytes),
    sizeText(result.lastBytes),
    wholeNumber(result.wrong),
  ])
  return {
    method: [
      `Disk: word count under ${wholeNumber(diskLinesPerSecond)} lines of ${WORDS_PER_LINE} words a second for ${diskMinutes} minutes, looked at every second. Records are those between the first that the broker still gives and the end, ends of transactions among them. MiB are what the folders of the repartition topic's partitions take on the local broker's disk, indexes and segments that wait for their removal included; a broker removes whole segments, and never the one that is written to.`,
    ],
    tables: [
      {
        title: `Repartition topic, ${diskMinutes} minutes under load`,
        columns: [
          '',
          'records written',
          'most there',
          'there at the end',
          'MiB written',
          'largest MiB on disk',
          'MiB at the end',
          'words miscounted',
        ],
        rows,
      },
    ],
    measured: results.map(({ variant, result }) => ({ contender: variant.name, ...result })),
    right: results.every(({ result }) => result.wrong === 0),
  }
}

const sizeText = (bytes: number | undefined): string => (bytes === undefined ? 'unknown' : (bytes / 2 ** 20).toFixed(1))
