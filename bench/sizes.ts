/** What the size of messages and of state objects costs: one worker works off a backlog, as in throughput.ts. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadApplication } from '#potoroo/cli/application.js'
import { partitionOf } from '#potoroo/core/plan/partitioner.js'
import { topicNames } from '#potoroo/core/plan/topic-plan.js'
import { namesOf, topologyOf } from '#potoroo/core/plan/topology.js'
import type { OutgoingRecord } from '#potoroo/kafka/idempotent-producer.js'
import type { BenchContext } from './benchmark.js'
import type { Cluster } from './cluster.js'
import { RunningRate } from './figures.js'
import { symbolName } from './input.js'
import { readAll } from './output-reader.js'
import { type Findings, mebibytes, wholeNumber } from './report.js'
import type { Settings } from './settings.js'
import { messages, MESSAGES_PER_TOTAL, STATE_BYTES_VARIABLE, totals } from './sized-application.js'
import { until } from './waiting.js'
import { WorkerProcess } from './worker.js'

const APPLICATION = fileURLToPath(new URL('./sized-application.js', import.meta.url))
const MAIN = fileURLToPath(import.meta.resolve('#potoroo/cli/main.js'))
const TIMEOUT_MS = 900_000
const LOOK_MS = 50
const REQUEST_BYTES = 500_000

interface Size {
  readonly messageBytes: number
  readonly stateBytes: number
}
interface Measured extends Size {
  readonly records: number
  /** From the worker's first commit on: without what starting takes. */
  readonly recordsPerSecond: number
  readonly cpuMicrosPerRecord: number
  readonly peakBytes: number
  /** Totals that the sink should have and has not, or has twice. */
  readonly wrong: number
}

export async function sizes(context: BenchContext, settings: Settings['sizes']): Promise<Findings> {
  const { partitions, keys, records, backlogBytes } = settings
  const measured: Measured[] = []
  for (const size of settings.sizes) {
    // Whole rounds of all keys, and never more than disk and patience allow.
    const rounds = Math.max(MESSAGES_PER_TOTAL, Math.floor(Math.min(records, backlogBytes / size.messageBytes) / keys))
    const result = await runOne(context, settings, size, rounds)
    context.say(
      `sizes: messages of ${wholeNumber(size.messageBytes)} and state objects of ${wholeNumber(size.stateBytes)} bytes: ` +
        `${wholeNumber(result.recordsPerSecond)} records/s, ${result.cpuMicrosPerRecord.toFixed(2)} µs CPU per record`,
    )
    measured.push(result)
  }
  return {
    title: 'Sizes: what large messages and large state objects cost',
    method: [
      `One worker of Potoroo on a backlog, ${partitions} partitions, ${wholeNumber(keys)} keys in turn, all of them hot; every message changes the state object of its key, every tenth of a key gives an output. At most ${wholeNumber(records)} records and ${mebibytes(backlogBytes)} MiB of them. One run for each line.`,
      'A state object that changed goes to the changelog once in each commit, however many messages changed it.',
    ],
    tables: [
      {
        title: 'One worker, running (without its start)',
        columns: [
          'message, bytes',
          'state object, bytes',
          'records',
          'records/s',
          'MiB/s read',
          'µs CPU per record',
          'peak MiB',
          'wrong',
        ],
        rows: measured.map(
          ({ messageBytes, stateBytes, records, recordsPerSecond, cpuMicrosPerRecord, peakBytes, wrong }) => [
            wholeNumber(messageBytes),
            wholeNumber(stateBytes),
            wholeNumber(records),
            wholeNumber(recordsPerSecond),
            ((recordsPerSecond * messageBytes) / 2 ** 20).toFixed(1),
            cpuMicrosPerRecord.toFixed(2),
            mebibytes(peakBytes),
            wholeNumber(wrong),
          ],
        ),
      },
    ],
    charts: [],
    measured,
    checked: 'Every output had to be there, once.',
    right: measured.every(({ wrong }) => wrong === 0),
  }
}

async function runOne(
  { cluster, directory, namePrefix }: BenchContext,
  { partitions, keys }: Settings['sizes'],
  { messageBytes, stateBytes }: Size,
  rounds: number,
): Promise<Measured> {
  const prefix = `${namePrefix}sizes-${messageBytes}-${stateBytes}-`
  const { definition } = await loadApplication(APPLICATION)
  const names = namesOf(prefix, definition.name)
  const { group, topic } = names
  const [source, sink, home] = [topic(messages.name), topic(totals.name), join(directory, prefix)]
  await cluster.createTopics([source, sink], partitions)
  try {
    const records = await fill(cluster, source, { keys, rounds, messageBytes })
    const command = [MAIN, 'run', APPLICATION, '--name', 'w1', '--state-dir', home, '--topic-prefix', prefix]
    const env = { [STATE_BYTES_VARIABLE]: String(stateBytes) }
    const args = [...command, '--brokers', cluster.options.brokers.join()]
    const worker = await WorkerProcess.start('w1', { command: process.execPath, args, env }, `${home}.log`)
    const rate = new RunningRate()
    try {
      await cluster.watch(group, [source], async (look) => {
        const caughtUp = async (): Promise<boolean> => {
          worker.assertAlive()
          const { done, left } = await look()
          rate.see(done)
          return left === 0
        }
        await until(`${group} has worked off its source`, caughtUp, { timeoutMs: TIMEOUT_MS, everyMs: LOOK_MS })
      })
      const recordsPerSecond = rate.perSecond(records, worker.startedMs)
      const { cpuSeconds } = worker.usage()
      await worker.end('SIGTERM')
      return {
        messageBytes,
        stateBytes,
        records,
        recordsPerSecond,
        cpuMicrosPerRecord: (cpuSeconds * 1e6) / records,
        peakBytes: worker.peakBytes,
        wrong: await wrongTotals(cluster, sink, keys * Math.floor(rounds / MESSAGES_PER_TOTAL)),
      }
    } finally {
      await worker.end('SIGKILL')
    }
  } finally {
    await cluster.remove(topicNames(topologyOf(definition), names), [group])
    await rm(home, { recursive: true, force: true })
  }
}

/** One message for each key, and again, and again; of this size as it is in the log, its key not counted. */
async function fill(
  cluster: Cluster,
  topic: string,
  { keys, rounds, messageBytes }: { readonly keys: number; readonly rounds: number; readonly messageBytes: number },
): Promise<number> {
  const valueOf = (key: string, text: string): string => JSON.stringify({ key, text })
  const all = Array.from({ length: keys }, (_, i) => {
    const key = symbolName(i)
    return { key, value: valueOf(key, 'm'.repeat(Math.max(0, messageBytes - valueOf(key, '').length))) }
  })
  const perRequest = Math.max(1, Math.floor(REQUEST_BYTES / messageBytes))
  await cluster.withProducerTo(topic, async (send, partitions) => {
    let batch: OutgoingRecord[] = []
    for (let round = 0; round < rounds; round++)
      for (const { key, value } of all) {
        batch.push({ partition: partitionOf('murmur2', Buffer.from(key), partitions), key, value })
        if (batch.length < perRequest) continue
        await send(batch)
        batch = []
      }
    await send(batch)
  })
  return rounds * keys
}

async function wrongTotals(cluster: Cluster, sink: string, expected: number): Promise<number> {
  const seen = new Set<string>()
  let repeated = 0
  await readAll(cluster, sink, (value) => {
    const text = JSON.stringify(value)
    if (seen.has(text)) repeated++
    seen.add(text)
  })
  return repeated + Math.abs(expected - seen.size)
}
