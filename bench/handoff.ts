/** Latency over time while workers are added, stopped and killed. */
import { Arena } from './arena.js'
import type { BenchContext } from './benchmark.js'
import { timeline } from './charts/timeline.js'
import type { Contender } from './contenders.js'
import { everySymbol } from './input.js'
import { type Findings, wholeNumber } from './report.js'
import type { HandoffEvent, Settings } from './settings.js'
import { greatestPer, quantile, type TimedValue } from './statistics.js'
import { CHECKED, type OrderFate, SteadyLoad } from './steady-load.js'
import { delay } from './waiting.js'

const TUNED = { tuned: true } as const
const CATCH_UP_MS = 300_000
/** Longer than any session timeout. */
const OUTSTANDING_MS = 120_000
/** After the last rejection, for one that should not come. */
const AFTERMATH_MS = 1000
const STRETCH_MS = 100

const said: Readonly<Record<HandoffEvent | 'steady', string>> = {
  steady: 'steady',
  add: 'a worker is added',
  stop: 'a worker is stopped',
  kill: 'a worker is killed',
}

interface Phase {
  readonly name: keyof typeof said
  readonly fromMs: number
}

interface Run {
  readonly contender: Contender
  readonly beganMs: number
  readonly phases: readonly Phase[]
  readonly orders: readonly OrderFate[]
  readonly lost: number
  readonly repeated: number
  readonly forgotten: number
}

export async function handoff(context: BenchContext, settings: Settings['handoff']): Promise<Findings> {
  const { cluster, contenders, directory, namePrefix, say } = context
  const runs: Run[] = []
  for (const contender of contenders) {
    const place = { topicPrefix: `${namePrefix}handoff-${contender.name}-`, round: 0 }
    const arena = new Arena({ cluster, contender, place, settings: TUNED, directory })
    const run = (): Promise<Run> => runOnce(arena, contender, context, settings, place.topicPrefix)
    runs.push(await arena.openWithSources(settings.partitions, run))
  }
  for (const run of runs) {
    const phases = phaseFigures(run).map(({ name, maxMs }) => `${name} ${maxMs.toFixed(0)} ms`)
    say(
      `handoff: ${run.contender.title}: longest latency ${phases.join(', ')}; lost ${run.lost}, repeated ${run.repeated}`,
    )
  }
  return {
    title: 'Hand-off: workers come and go under load',
    method: [
      `${wholeNumber(settings.ordersPerSecond)} orders and as many quotes a second on ${wholeNumber(settings.symbols)} symbols and ${settings.partitions} partitions; every order is rejected. ${settings.workers} workers at the beginning; every ${settings.gapMs / 1000} s something happens to the worker that is there longest: SIGTERM or SIGKILL; an added worker has an empty state directory.`,
      'One run for each, one after the other. An order belongs to the phase in which its rejection came; the chart has it at the moment when it was sent.',
      ...contenders.map((contender) => `${contender.title}: ${contender.describe(TUNED)}.`),
    ],
    tables: [tableOf(runs)],
    charts: [chartOf(runs)],
    measured: runs.map((run) => ({
      contender: run.contender.name,
      phases: phaseFigures(run),
      lost: run.lost,
      repeated: run.repeated,
      forgotten: run.forgotten,
      greatestPer100Ms: overTime(run).map(({ atMs, value }) => [Math.round(atMs), Math.round(value * 10) / 10]),
    })),
    checked: CHECKED,
    right: runs.every(({ lost, repeated, forgotten }) => lost + repeated + forgotten === 0),
  }
}

async function runOnce(
  arena: Arena,
  contender: Contender,
  { cluster, say }: BenchContext,
  { symbols, ordersPerSecond, workers, events, gapMs, warmUpMs }: Settings['handoff'],
  topicPrefix: string,
): Promise<Run> {
  await cluster.produce(topicPrefix, everySymbol(symbols, Date.now()))
  let started = 0
  const add = async (): Promise<void> => {
    await arena.start(`w${++started}`)
  }
  while (started < workers) await add()
  await arena.caughtUp(CATCH_UP_MS)
  const { rejections } = arena.names
  const load = new SteadyLoad(cluster, { topicPrefix, rejections, ordersPerSecond, symbols })
  const ends: Promise<void>[] = []
  try {
    await load.start()
    await arena.pass(warmUpMs)
    const beganMs = performance.now()
    const phases: Phase[] = [{ name: 'steady', fromMs: 0 }]
    await arena.pass(gapMs)
    for (const event of events) {
      say(`handoff: ${contender.title}: ${said[event]}`)
      phases.push({ name: event, fromMs: performance.now() - beganMs })
      const [oldest] = arena.alive
      if (event === 'add') await add()
      else if (oldest !== undefined) ends.push(oldest.end(event === 'stop' ? 'SIGTERM' : 'SIGKILL'))
      await arena.pass(gapMs)
    }
    await load.stop(OUTSTANDING_MS)
    await delay(AFTERMATH_MS)
    await Promise.all(ends)
    const orders = load.orders.filter(({ sentMs }) => sentMs >= beganMs)
    const { lost, repeated, forgotten } = load
    return { contender, beganMs, phases, orders, lost, repeated, forgotten }
  } finally {
    await load.close()
    await Promise.allSettled(ends)
  }
}

const timesOf = ({ orders, beganMs }: Run): TimedValue[] =>
  orders.flatMap(({ sentMs, latencyMs }) =>
    latencyMs === undefined ? [] : { atMs: sentMs - beganMs, value: latencyMs },
  )

const overTime = (run: Run): TimedValue[] => greatestPer(STRETCH_MS, timesOf(run))

function phaseFigures(run: Run) {
  const times = timesOf(run)
  return run.phases.map(({ name, fromMs }, i) => {
    const toMs = run.phases[i + 1]?.fromMs ?? Infinity
    // What was under way when something happened has met it, too.
    const came = times.filter(({ atMs, value }) => atMs + value >= fromMs && atMs + value < toMs)
    const latencies = came.map(({ value }) => value)
    return {
      name,
      atMs: Math.round(fromMs),
      orders: latencies.length,
      p50Ms: quantile(latencies, 0.5),
      p99Ms: quantile(latencies, 0.99),
      maxMs: quantile(latencies, 1),
    }
  })
}

function tableOf(runs: readonly Run[]) {
  const phases = runs[0]?.phases ?? []
  return {
    title: 'Longest latency of a rejection in ms (p50, p99)',
    columns: ['', ...phases.map(({ name }) => said[name]), 'orders', 'lost', 'repeated', 'without prices'],
    rows: runs.map((run) => [
      run.contender.title,
      ...phaseFigures(run).map(
        ({ p50Ms, p99Ms, maxMs }) => `${wholeNumber(maxMs)} (${wholeNumber(p50Ms)}, ${wholeNumber(p99Ms)})`,
      ),
      ...[run.orders.length, run.lost, run.repeated, run.forgotten].map(wholeNumber),
    ]),
  }
}

const chartOf = (runs: readonly Run[]) => ({
  file: 'handoff.svg',
  alt: 'Latency over time while a worker is added, one is stopped and one is killed, beside Kafka Streams',
  svg: timeline({
    title: 'Latency while workers come and go, exactly once',
    quantity: `longest latency of a rejection, in ms, of the orders of every ${STRETCH_MS} ms`,
    lines: runs.map((run) => ({
      name: run.contender.name,
      title: run.contender.name === 'kafka-streams' ? `${run.contender.title}, tuned` : run.contender.title,
      points: overTime(run).map(({ atMs, value }) => ({ atSeconds: atMs / 1000, value })),
    })),
    // They happen at the same times, but for some ms.
    marks: (runs[0]?.phases ?? [])
      .slice(1)
      .map(({ name, fromMs }) => ({ atSeconds: fromMs / 1000, label: said[name] })),
  }),
})
