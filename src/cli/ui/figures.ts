/** From one look at an application to the next: rates, and what of it the page is told. Pure. */
import { latencyBetween, latencyQuantile, type LatencyCounts } from '../../core/group/recent-latency.js'
import type { StatusReport } from '../status/report.js'
import type { Now, Sample, UiTopic } from './wire.js'

/** What counts up: from one look to the next, differences are what happened. */
export interface Counters {
  readonly atMs: number
  /** By topic: how many records of it were read. */
  readonly read: ReadonlyMap<string, number>
  /** By member id; undefined of one that did not answer. */
  readonly latency: ReadonlyMap<string, LatencyCounts | undefined>
}

export function countersOf({ atMs, tasks, workers }: StatusReport): Counters {
  const read = new Map<string, number>()
  for (const { inputs } of tasks)
    // From where nothing was read yet, reading begins at the earliest record: what is left says where that is.
    for (const { topic, committed, end, lag } of inputs)
      read.set(topic, (read.get(topic) ?? 0) + (committed ?? end - lag))
  return {
    atMs,
    read,
    latency: new Map(workers.map(({ memberId, live, latency }) => [memberId, live ? latency : undefined])),
  }
}

export function nowOf(report: StatusReport, before: Counters | undefined, deadLetters: number | null): Now {
  const { atMs, state, describedMsAgo, workers, tasks, handOffs } = report
  const counters = countersOf(report)
  const topics = report.topics.map((topic): UiTopic => ({
    ...topic,
    recordsPerSecond: rate(topic.topic, before, counters),
  }))
  const isKnown = describedMsAgo !== null
  return {
    ...{ atMs, state, describedMsAgo, topics, handOffs },
    workers: workers.map(({ active, standby, latency: _, broadcasts: __, ...worker }) => ({
      ...worker,
      active: active.length,
      standby: standby.length,
    })),
    tasks: tasks.map(({ inputs: _, ...task }) => task),
    sample: {
      ...sampleOf(report, topics, newLatency(before, counters)),
      workers: isKnown ? workers.length : null,
      deadLetters,
    },
  }
}

function sampleOf(
  { atMs, workers, tasks }: StatusReport,
  topics: readonly UiTopic[],
  latest: LatencyCounts,
): Omit<Sample, 'workers' | 'deadLetters'> {
  const sources = topics.filter(({ isRepartition }) => !isRepartition)
  const rates = sources.flatMap(({ recordsPerSecond }) => (recordsPerSecond === null ? [] : [recordsPerSecond]))
  const latencies = workers.flatMap(({ latency }) => latency)
  return {
    atMs,
    recordsPerSecond: rates.length === 0 ? null : rates.reduce((sum, one) => sum + one, 0),
    lag: tasks.reduce((sum, { lag }) => sum + (lag ?? 0), 0),
    p50Ms: latencyQuantile(latencies, 0.5) ?? null,
    p99Ms: latencyQuantile(latencies, 0.99) ?? null,
    newP50Ms: latencyQuantile(latest, 0.5) ?? null,
    newP99Ms: latencyQuantile(latest, 0.99) ?? null,
  }
}

/** Of workers of which it is known. What one has that is here for the first time came since the look before. */
function newLatency(before: Counters | undefined, now: Counters): LatencyCounts {
  if (before === undefined) return []
  return [...now.latency].flatMap(([memberId, counts]) => {
    const known = before.latency.has(memberId) ? before.latency.get(memberId) : []
    return known === undefined || counts === undefined ? [] : (latencyBetween(known, counts) ?? [])
  })
}

/** A topic that was made anew begins below where it was: then nothing is known of its rate. */
function rate(topic: string, before: Counters | undefined, now: Counters): number | null {
  const [was, is] = [before?.read.get(topic), now.read.get(topic)]
  if (before === undefined || was === undefined || is === undefined || is < was || now.atMs <= before.atMs) return null
  return ((is - was) * 1000) / (now.atMs - before.atMs)
}

/** Samples of the last ten minutes. */
export class History {
  #samples: readonly Sample[] = []

  constructor(private readonly spanMs = 600_000) {}

  get samples(): readonly Sample[] {
    return this.#samples
  }

  add(sample: Sample): void {
    this.#samples = [...this.#samples.filter(({ atMs }) => atMs > sample.atMs - this.spanMs), sample]
  }
}
