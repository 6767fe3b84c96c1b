/** `npm run bench`: see README.md beside this file. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Argument, Command, InvalidArgumentError, Option } from 'commander'
import { wholeNumber } from '#potoroo/cli/options.js'
import { messageOf } from '#potoroo/errors.js'
import type { BenchContext } from './benchmark.js'
import { type Contender, type ContenderName, kafkaStreams, potoroo } from './contenders.js'
import { handoff } from './handoff.js'
import { latency } from './latency.js'
import { openCluster } from './opened-cluster.js'
import { buildPeer, PeerMissing } from './peer.js'
import { asMarkdown, asText, type Findings, machineLine, notMeasured, type Report } from './report.js'
import { restore } from './restore.js'
import { routing } from './routing.js'
import { scaling } from './scaling.js'
import {
  type BenchmarkName,
  benchmarks,
  full,
  type HandoffEvent,
  handoffEvents,
  type RoutingPart,
  routingParts,
  type Settings,
  short,
} from './settings.js'
import { sizes } from './sizes.js'
import { lookAround } from './surroundings.js'
import { throughput } from './throughput.js'
import { windows } from './windows.js'

interface Flags {
  readonly short?: boolean
  readonly only?: ContenderName
  readonly results?: string
  readonly rounds?: number
  readonly records?: number
  readonly symbols?: readonly number[]
  readonly partitions?: number
  readonly rate?: number
  readonly events?: readonly HandoffEvent[]
  readonly gap?: number
  readonly parts?: readonly RoutingPart[]
  readonly minutes?: number
  readonly potorooFlags: string
  readonly streamsProperties: string
}

const RESULTS = fileURLToPath(new URL('../results', import.meta.url))

const run: Readonly<Record<BenchmarkName, (context: BenchContext, settings: Settings) => Promise<Findings>>> = {
  throughput: (context, settings) => throughput(context, settings.throughput),
  latency: (context, settings) => latency(context, settings.latency),
  restore: (context, settings) => restore(context, settings.restore),
  handoff: (context, settings) => handoff(context, settings.handoff),
  sizes: (context, settings) => sizes(context, settings.sizes),
  routing: (context, settings) => routing(context, settings.routing),
  windows: (context, settings) => windows(context, settings.windows),
  scaling: (context, settings) => scaling(context, settings.scaling),
}

const list =
  <T>(one: (text: string) => T) =>
  (text: string): T[] =>
    text.split(',').map(one)

function eventOf(text: string): HandoffEvent {
  const found = handoffEvents.find((event) => event === text)
  if (found === undefined) throw new InvalidArgumentError(`${text} is none of ${handoffEvents.join(', ')}.`)
  return found
}

function partOf(text: string): RoutingPart {
  const found = routingParts.find((part) => part === text)
  if (found === undefined) throw new InvalidArgumentError(`${text} is none of ${routingParts.join(', ')}.`)
  return found
}

const program = new Command('bench')
  .description(
    'Measures Market Spread and others on Potoroo and on Kafka Streams, in turns. On the brokers of KAFKA_BROKERS, which should have ' +
      'nothing else to do, or on a local one that it starts.',
  )
  .addArgument(new Argument('<what>').choices([...benchmarks, 'all']))
  .option('--short', 'tiny input: shows that it works, and measures nothing')
  .addOption(new Option('--only <contender>', 'without the other').choices(['potoroo', 'kafka-streams']))
  .option('--results <dir>', 'where results are written (default: bench/results; with --short: nowhere)')
  .option('--rounds <n>', 'of each contender, in turns', wholeNumber(1))
  .option('--records <n>', 'of the backlog; of routing, lines; of windows, events', wholeNumber(1000))
  .option(
    '--symbols <n,...>',
    'state objects, or keys; throughput takes several, the others the first',
    list(wholeNumber(10)),
  )
  .option('--partitions <n>', 'of every topic', wholeNumber(1, 1000))
  .option('--rate <n>', 'orders per second, and as many quotes; of routing, messages', wholeNumber(1))
  .option('--events <event,...>', `what happens during hand-off: ${handoffEvents.join(', ')}`, list(eventOf))
  .option('--gap <s>', 'from one of them to the next', wholeNumber(1))
  .option('--parts <part,...>', `of routing: ${routingParts.join(', ')}`, list(partOf))
  .option('--minutes <n>', 'for which routing looks at disk use', wholeNumber(1))
  .option('--potoroo-flags <flags>', "more flags for 'potoroo run'", '')
  .option('--streams-properties <name=value ...>', 'settings of Kafka Streams, put over those of the benchmark', '')
  .action(main)

/** Rejects when something could not be measured. A rejection that was lost or repeated makes the exit code 1. */
async function main(what: BenchmarkName | 'all', flags: Flags): Promise<void> {
  if (process.platform !== 'linux')
    throw new Error('CPU and memory of the workers are read from /proc: this needs Linux')
  const say = (line: string): void => console.error(line)
  const opened = await openCluster('all', () => {
    say('starting a local Kafka')
  })
  try {
    const { cluster, brokers, brokerLogs, directory, prefix: namePrefix } = opened
    const { contenders, java } = await findContenders(brokers, flags, say)
    const surroundings = await lookAround(java, brokerLogs === undefined ? 'given' : 'local')
    say(`on ${machineLine(surroundings)}`)
    const context = { cluster, contenders, directory, brokerLogs, namePrefix, say }
    const settings = settingsOf(flags)
    for (const name of what === 'all' ? benchmarks : [what]) {
      const findings = await run[name](context, settings)
      console.log(asText(findings))
      if (!findings.right) process.exitCode = 1
      const report = { name, atIso: new Date().toISOString(), surroundings, settings: settings[name], ...findings }
      const results = flags.results ?? (flags.short === true ? undefined : RESULTS)
      if (results !== undefined) await writeResults(results, report)
    }
    console.log(`not measured:\n${notMeasured.map((line) => `  ${line}\n`).join('')}`)
  } finally {
    await opened.close()
  }
}

async function findContenders(
  brokers: string,
  { only, potorooFlags, streamsProperties }: Flags,
  say: (line: string) => void,
): Promise<{ readonly contenders: readonly Contender[]; readonly java: string | undefined }> {
  const contenders: Contender[] = []
  let java: string | undefined
  if (only !== 'kafka-streams') contenders.push(await potoroo(brokers, words(potorooFlags)))
  if (only !== 'potoroo')
    try {
      const peer = await buildPeer(process.env)
      java = peer.java
      contenders.push(kafkaStreams(brokers, peer, words(streamsProperties)))
    } catch (error) {
      if (!(error instanceof PeerMissing) || only === 'kafka-streams') throw error
      say(`WITHOUT KAFKA STREAMS, which can't be built here: ${error.message}`)
    }
  return { contenders, java }
}

function settingsOf(flags: Flags): Settings {
  const { throughput, latency, restore, handoff, sizes, routing, windows, scaling } =
    flags.short === true ? short : full
  const { symbols: several, rounds, partitions, rate: ordersPerSecond } = flags
  const symbols = several?.[0]
  const gapMs = flags.gap === undefined ? undefined : flags.gap * 1000
  return {
    throughput: { ...throughput, ...defined({ rounds, partitions, records: flags.records, symbols: several }) },
    latency: { ...latency, ...defined({ rounds, partitions, symbols, ordersPerSecond }) },
    restore: { ...restore, ...defined({ rounds, partitions, symbols }) },
    handoff: { ...handoff, ...defined({ partitions, symbols, ordersPerSecond, gapMs, events: flags.events }) },
    sizes: { ...sizes, ...defined({ partitions, records: flags.records }) },
    routing: {
      ...routing,
      ...defined({ rounds, partitions, parts: flags.parts, diskMinutes: flags.minutes }),
      ...defined({ lines: flags.records, messagesPerSecond: ordersPerSecond }),
    },
    windows: { ...windows, ...defined({ rounds, partitions, events: flags.records, keys: symbols }) },
    scaling,
  }
}

type Defined<T> = { readonly [Key in keyof T]?: Exclude<T[Key], undefined> }
/** What was not given does not hide a default. */
const defined = <T extends object>(options: T): Defined<T> =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Defined<T>

/** Its figures and pictures, and the page of all results that are there. */
async function writeResults(
  directory: string,
  report: Omit<Report, 'charts'> & Pick<Findings, 'charts'>,
): Promise<void> {
  const { name, charts } = report
  await mkdir(directory, { recursive: true })
  for (const { file, svg } of charts) await writeFile(join(directory, file), svg)
  const written = { ...report, charts: charts.map(({ file, alt }) => ({ file, alt })) }
  await writeFile(join(directory, `${name}.json`), `${JSON.stringify(written, undefined, 2)}\n`)
  const all = await Promise.all(
    benchmarks.map(async (other) => {
      const text = await readFile(join(directory, `${other}.json`), 'utf8').catch(() => undefined)
      return text === undefined ? [] : [JSON.parse(text) as Report]
    }),
  )
  await writeFile(join(directory, 'README.md'), asMarkdown(all.flat()))
  console.error(`written to ${join(directory, `${name}.json`)}`)
}

const words = (text: string): string[] => text.split(/\s+/).filter((word) => word !== '')

// Its children end with it, brokers and workers among them: see src/broker/launcher.ts.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
try {
  await program.parseAsync()
} catch (error) {
  console.error(`error: ${messageOf(error)}`)
  process.exitCode = 1
}
