/** How long a message takes through one, two and three computations, each after the first by another key. */
import { fileURLToPath } from 'node:url'
import { partitionOf } from '#potoroo/core/plan/partitioner.js'
import { SeededRandom } from '#potoroo/memory/random.js'
import { alternate, type BenchContext, type Rounds } from './benchmark.js'
import type { Panel } from './charts/bars.js'
import { barsOf, comparison } from './comparison.js'
import type { Application, Contender } from './contenders.js'
import { peakMemory, underLoad } from './figures.js'
import { OutputReader } from './output-reader.js'
import { PacedLoad } from './paced-load.js'
import { type Table, wholeNumber } from './report.js'
import { describeVariant, type Run, type Variant, withVariant } from './routing-variants.js'
import type { Settings } from './settings.js'
import { type Counted, keyNames, type Message, messages, outputs, STAGES_VARIABLE } from './staged-application.js'
import { quantile } from './statistics.js'
import { delay, until } from './waiting.js'

const FILE = fileURLToPath(new URL('./staged-application.js', import.meta.url))
const START_MS = 120_000
const OUTSTANDING_MS = 30_000

interface Round {
  readonly p50Ms: number
  readonly p99Ms: number
  /** Of one core. */
  readonly cpuPercent: number
  readonly peakBytes: number
  readonly messages: number
  readonly lost: number
  readonly repeated: number
  /** Keys of any stage whose highest count is not that of its messages: state was lost, or has a message twice. */
  readonly miscounted: number
}

interface Scenario {
  readonly stages: number
  readonly results: readonly Rounds<Round>[]
}

export interface LatencyFindings {
  readonly method: readonly string[]
  readonly tables: readonly Table[]
  readonly panel: Panel
  readonly measured: unknown
  readonly right: boolean
}

export type LatencyVariant = (stages: number, partitions: number) => Variant

/** Of this contender, with this number of stages. */
export const stagedVariant =
  (name: string, title: string, contender: Contender): LatencyVariant =>
  (stages, partitions) => ({ name, title, contender, application: applicationOf(stages, partitions) })

const applicationOf = (stages: number, partitions: number): Application => ({
  source: messages.name,
  sink: outputs.name,
  potoroo: { file: FILE, env: { [STAGES_VARIABLE]: String(stages) } },
  kafkaStreams: {
    arguments: ['topology=stages', `stages=${stages}`, `partitions=${partitions}`],
    repartitions: Array.from({ length: stages - 1 }, (_, i) => `stage-${i + 2}`),
  },
})

export async function routingLatency(
  context: BenchContext,
  settings: Settings['routing'],
  variants: readonly LatencyVariant[],
): Promise<LatencyFindings> {
  const { partitions, rounds, stages: counts, keys, messagesPerSecond, warmUpMs, measuredMs } = settings
  const scenarios: Scenario[] = []
  const uncounted: Round[] = []
  for (const [i, stages] of counts.entries()) {
    const ours = variants.map((variant) => variant(stages, partitions))
    const once = async (variant: Variant, round: number): Promise<Round> => {
      const prefix = `${context.namePrefix}stages-${stages}-${variant.name}-${round}-`
      const result = await runRound(context, settings, stages, variant, prefix)
      const figures = `p50 ${result.p50Ms.toFixed(1)} ms, p99 ${result.p99Ms.toFixed(1)} ms`
      const which = round < 0 ? 'not counted' : `round ${round + 1}`
      const cpu = `${result.cpuPercent.toFixed(0)} % of a core`
      context.say(`routing: ${titleOf(stages)}, ${variant.title}, ${which}: ${figures}, ${cpu}`)
      return result
    }
    // A broker's JVM compiles for a minute or two.
    if (i === 0)
      for (const result of await alternate(ours, 1, (variant) => once(variant, -1))) uncounted.push(...result.rounds)
    scenarios.push({ stages, results: await alternate(ours, rounds, once) })
  }
  const all = [...uncounted, ...scenarios.flatMap(({ results }) => results.flatMap((result) => result.rounds))]
  return {
    method: [
      `Latency: ${wholeNumber(messagesPerSecond)} messages a second on ${wholeNumber(keys)} keys a stage and ${partitions} partitions, one worker. The first stage counts by the source's key, each further one by another key, after a repartition topic; each message gives one output. From handing the message to the producer to having its output in a read-committed reader. ${measuredMs / 1000} s after ${warmUpMs / 1000} s of warm-up; median (lowest to highest) of ${rounds} alternating rounds, after one of each that is not counted.`,
      ...variants.map((variant) => describeVariant(variant(1, partitions))),
    ],
    tables: scenarios.map(({ stages, results }) =>
      comparison(`Latency of ${titleOf(stages)}`, results, Object.values(figures), [
        { name: 'messages', of: (round) => round.messages },
        { name: 'lost', of: ({ lost }) => lost },
        { name: 'repeated', of: ({ repeated }) => repeated },
        { name: 'keys miscounted', of: ({ miscounted }) => miscounted },
      ]),
    ),
    panel: {
      title: 'Latency, p50',
      unit: 'ms',
      groups: scenarios.map(({ stages, results }) => ({
        label: titleOf(stages),
        bars: barsOf(results, figures.p50.of),
      })),
    },
    measured: scenarios.map(({ stages, results }) => ({
      stages,
      results: results.map((result) => ({ contender: result.contender.name, rounds: result.rounds })),
    })),
    right: all.every(({ lost, repeated, miscounted }) => lost + repeated + miscounted === 0),
  }
}

const titleOf = (stages: number): string => `${stages} ${stages === 1 ? 'stage' : 'stages'}`

async function runRound(
  context: BenchContext,
  settings: Settings['routing'],
  stages: number,
  variant: Variant,
  prefix: string,
): Promise<Round> {
  const { partitions } = settings
  const source = `${prefix}${messages.name}`
  await context.cluster.createTopics([source], partitions)
  try {
    return await withVariant(context, variant, { prefix, partitions }, (run) => measure(context, settings, stages, run))
  } finally {
    await context.cluster.remove([source], [])
  }
}

async function measure(
  { cluster }: BenchContext,
  { keys, messagesPerSecond, warmUpMs, measuredMs }: Settings['routing'],
  stages: number,
  { source, sink, start }: Run,
): Promise<Round> {
  const worker = await start()
  const pass = async (ms: number): Promise<void> => {
    await delay(ms)
    worker.assertAlive()
  }
  const counts = new Counts()
  const message = messageMaker(keys)
  const load = new PacedLoad({
    perSecond: messagesPerSecond,
    sending: (use) =>
      cluster.withProducerTo(source, (send, partitions) =>
        use((ids) =>
          send(
            ids.map((id) => {
              const made = message(id)
              counts.sent(made)
              const key = Buffer.from(made.first)
              return { partition: partitionOf('murmur2', key, partitions), key, value: JSON.stringify(made) }
            }),
          ),
        ),
      ),
    reading: (take) =>
      OutputReader.open(cluster, sink, (value, atMs) => {
        const output = value as Counted
        take(output.id, atMs)
        counts.arrived(output)
      }),
  })
  try {
    await load.start()
    const answers = (): boolean => {
      worker.assertAlive()
      return load.arrived > 0
    }
    await until('an output came', answers, { timeoutMs: START_MS })
    await pass(warmUpMs)
    const fromMs = performance.now()
    const before = worker.usage()
    await pass(measuredMs)
    const toMs = performance.now()
    const after = worker.usage()
    await load.stop(OUTSTANDING_MS)
    const measured = load.fates.filter(({ sentMs }) => sentMs >= fromMs && sentMs < toMs)
    const latencies = measured.flatMap(({ latencyMs }) => latencyMs ?? [])
    return {
      p50Ms: quantile(latencies, 0.5),
      p99Ms: quantile(latencies, 0.99),
      cpuPercent: ((after.cpuSeconds - before.cpuSeconds) / ((toMs - fromMs) / 1000)) * 100,
      peakBytes: worker.peakBytes,
      messages: load.fates.length,
      lost: load.lost,
      repeated: load.repeated,
      miscounted: counts.wrong(stages),
    }
  } finally {
    await load.close()
    await worker.end('SIGTERM')
  }
}

/** Each key of each message is as likely as any, whatever the others are. */
function messageMaker(keys: number): (id: number) => Message {
  const random = new SeededRandom(11)
  const key = (stage: string): string => `${stage}${random.below(keys)}`
  return (id) => ({ id, first: key('a'), second: key('b'), third: key('c') })
}

/** Of each stage's keys: how many messages had it, and the highest count that came out. */
class Counts {
  readonly #sent = keyNames.map(() => new Map<string, number>())
  readonly #highest = keyNames.map(() => new Map<string, number>())

  sent(message: Message): void {
    for (const [stage, name] of keyNames.entries()) {
      const counts = this.#sent[stage]
      counts?.set(message[name], (counts.get(message[name]) ?? 0) + 1)
    }
  }

  arrived(output: Counted): void {
    for (const [stage, name] of keyNames.entries()) {
      const count = output[`${name}Count`]
      const highest = this.#highest[stage]
      if (count !== undefined) highest?.set(output[name], Math.max(count, highest.get(output[name]) ?? 0))
    }
  }

  /** Keys of the first so many stages. */
  wrong(stages: number): number {
    let wrong = 0
    for (const [stage, sent] of this.#sent.slice(0, stages).entries())
      for (const [key, count] of sent) if (this.#highest[stage]?.get(key) !== count) wrong++
    return wrong
  }
}

const figures = {
  p50: underLoad.p50,
  p99: underLoad.p99,
  cpu: underLoad.cpu,
  memory: peakMemory,
} as const
