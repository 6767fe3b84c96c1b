/**
 * One worker's metrics: an observer of what happens, and an answer to whoever collects. Instruments come from a meter of
 * OpenTelemetry's API, and what becomes of them is the business of the SDK behind it.
 *
 * Invariants
 * 1. Nothing is done for a message: what is counted is counted with a commit, or rarer.
 * 2. Nothing throws: a figure that can't be had is left out.
 * 3. A series that was once there stays, as SDKs keep the last value of each: where this worker has nothing any more, it is 0.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Attributes, BatchObservableResult, Counter, Histogram, Meter, ObservableGauge } from '@opentelemetry/api'
import { subTopologyInId } from '../core/plan/topology.js'
import type { WorkerFigures } from '../ports/figures.js'
import type { Observer, RuntimeEvent } from '../ports/observer.js'
import {
  attributes,
  commonAttributes,
  instruments,
  taskStates,
  type Attribute,
  type Instrument,
  type InstrumentName,
} from './instruments.js'

export interface MeasuredWorker {
  readonly application: string
  readonly worker: string
  isReady(): boolean
  figures(): WorkerFigures
}

type NamesOf<K extends Instrument['kind']> = {
  [N in InstrumentName]: (typeof instruments)[N]['kind'] extends K ? N : never
}[InstrumentName]
type Values = Partial<Readonly<Record<Attribute, string>>>

const DELAY_RESOLUTION_MS = 20
const NS_PER_S = 1e9
const quantiles = [0.5, 0.99] as const

export class WorkerMetrics implements Observer {
  readonly #counters: Readonly<Record<NamesOf<'counter'>, Counter>>
  readonly #histograms: Readonly<Record<NamesOf<'histogram'>, Histogram>>
  readonly #gauges: Readonly<Record<NamesOf<'observed gauge'>, ObservableGauge>>
  readonly #common: Attributes
  /** Made once for each series: what happens often says the same again and again. */
  readonly #attributes = new Map<string, Attributes>()
  /** Changelog records that are left, by task. */
  readonly #restoring = new Map<string, number>()
  /** Partitions whose lag was told. */
  readonly #lags = new Map<string, Attributes>()
  readonly #delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS })

  constructor(
    private readonly meter: Meter,
    private readonly measured: MeasuredWorker,
  ) {
    this.#common = {
      [commonAttributes.application]: measured.application,
      [commonAttributes.worker]: measured.worker,
      [commonAttributes.system]: 'kafka',
    }
    this.#counters = made('counter', ({ name, unit, help }) => meter.createCounter(name, { unit, description: help }))
    this.#histograms = made('histogram', ({ name, unit, help, buckets = [] }) =>
      meter.createHistogram(name, { unit, description: help, advice: { explicitBucketBoundaries: [...buckets] } }),
    )
    this.#gauges = made('observed gauge', ({ name, unit, help }) =>
      meter.createObservableGauge(name, { unit, description: help }),
    )
    this.#delay.enable()
    meter.addBatchObservableCallback(this.#collect, Object.values(this.#gauges))
  }

  /** The worker has ended: it is asked no more. */
  close(): void {
    this.meter.removeBatchObservableCallback(this.#collect, Object.values(this.#gauges))
    this.#delay.disable()
  }

  observe(event: RuntimeEvent): void {
    const counters = this.#counters
    const histograms = this.#histograms
    switch (event.kind) {
      case 'committed': {
        const { task, from, to, atMs } = event
        const ofSubTopology = this.#with({ subTopology: subTopologyInId(task) })
        histograms.commitDuration.record(event.tookMs / 1000, ofSubTopology)
        histograms.commitSize.record(event.bytes, ofSubTopology)
        if (event.messages > 0) histograms.processing.record(event.computedMs / 1000, ofSubTopology)
        for (const { topic, messages, firstTimestampMs } of from) {
          const ofTopic = this.#with({ topic })
          counters.consumed.add(messages, ofTopic)
          // Clocks of producers may be ahead.
          if (firstTimestampMs >= 0) histograms.latency.record(Math.max(0, atMs - firstTimestampMs) / 1000, ofTopic)
        }
        for (const { topic, records } of to) counters.sent.add(records, this.#with({ topic }))
        return
      }
      case 'commit-failed':
        counters.commitFailures.add(
          1,
          this.#with({ subTopology: subTopologyInId(event.task), error: codeOf(event.code) }),
        )
        return
      case 'dead-letter':
        counters.deadLetters.add(1, this.#with({ topic: event.topic, error: event.code }))
        return
      case 'windows': {
        const { windows, closed, late, lateByRecords, lateByClock } = event
        if (closed > 0) counters.windowsClosed.add(closed, this.#with({ windows }))
        const lateOutcome = late === 'drop' ? 'dropped' : 'dead letter'
        if (lateByRecords > 0)
          counters.windowsLate.add(lateByRecords, this.#with({ windows, lateOutcome, lateBy: 'records' }))
        if (lateByClock > 0)
          counters.windowsLate.add(lateByClock, this.#with({ windows, lateOutcome, lateBy: 'clock' }))
        return
      }
      case 'slow-message':
        counters.slow.add(1, this.#with({ subTopology: subTopologyInId(event.task) }))
        return
      case 'source-waived':
        counters.waived.add(1, this.#with({ topic: event.topic }))
        return
      case 'codec-waits':
      case 'source-holds':
      case 'broadcast-holds':
        counters.codecWaits.add(1, this.#with({ topic: event.topic, error: event.code }))
        return
      case 'nan-stored':
        counters.nans.add(1, this.#with({ subTopology: subTopologyInId(event.task) }))
        return
      case 'tasks-assigned':
        counters.rebalances.add(1, this.#with({}))
        return
      case 'handed-over':
        histograms.handOffPause.record(event.pauseMs / 1000, this.#with({ reason: event.reason }))
        return
      case 'restore-progress':
        this.#restoring.set(event.task, event.left)
        return
      case 'task-active': {
        const ofSubTopology = this.#with({ subTopology: subTopologyInId(event.task) })
        this.#restoring.delete(event.task)
        histograms.restore.record(event.tookMs / 1000, ofSubTopology)
        counters.restored.add(event.replayed, ofSubTopology)
        return
      }
      case 'task-again':
        this.#restarted(event.task, event.code)
        return
      case 'fenced':
        this.#restarted(event.task, 'FENCED')
        return
      case 'task-closed':
      case 'task-outdated':
        this.#restoring.delete(event.task)
        return
      case 'calls-attempted': {
        const subTopology = subTopologyInId(event.task)
        for (const { outcome, tookMs } of event.attempts)
          histograms.callDuration.record(tookMs / 1000, this.#with({ subTopology, outcome }))
        return
      }
      case 'store-written':
        histograms.storeWrite.record(event.tookMs / 1000, this.#with({ subTopology: subTopologyInId(event.task) }))
        return
      case 'store-set-aside':
        counters.setAside.add(1, this.#with({ subTopology: subTopologyInId(event.task) }))
        return
      case 'queried': {
        const { state, what: query, outcome: queryOutcome } = event
        histograms.queries.record(event.tookMs / 1000, this.#with({ state, query, queryOutcome }))
        return
      }
      case 'purged':
        counters.purged.add(event.records, this.#with({ topic: event.topic }))
        return
      case 'purge-failed':
      case 'purge-forbidden':
        for (const topic of event.topics) counters.purgeFailures.add(1, this.#with({ topic }))
    }
  }

  #restarted(task: string, code: string): void {
    this.#restoring.delete(task)
    this.#counters.restarts.add(1, this.#with({ subTopology: subTopologyInId(task), error: code }))
  }

  #with(values: Values): Attributes {
    const key = JSON.stringify(values)
    let found = this.#attributes.get(key)
    if (found === undefined) this.#attributes.set(key, (found = this.#attributesOf(values)))
    return found
  }

  #attributesOf(values: Values): Attributes {
    const named = Object.entries(values).map(([name, value]) => [attributes[name as Attribute], value] as const)
    return { ...this.#common, ...Object.fromEntries(named) }
  }

  /** Invariant 2. A property, for it is told to go by its identity. */
  readonly #collect = (result: BatchObservableResult): void => {
    try {
      this.#observeAll(result, this.measured.figures())
    } catch {
      // Whatever is shutting down has no figures any more.
    }
  }

  #observeAll(result: BatchObservableResult, figures: WorkerFigures): void {
    const gauges = this.#gauges
    const of = (name: NamesOf<'observed gauge'>, value: number, values: Values = {}): void => {
      result.observe(gauges[name], value, this.#with(values))
    }
    of('ready', this.measured.isReady() ? 1 : 0)
    const states = figures.tasks.map(({ state, isOutdated }) => (isOutdated ? 'outdated' : state))
    for (const taskState of taskStates) {
      const count = states.filter((state) => state === taskState).length
      of('tasks', taskState === 'standby' ? figures.standbys.length : count, { taskState })
    }
    for (const subTopology of figures.subTopologies) this.#observeSubTopology(subTopology, figures, of)
    this.#observeLags(result, figures)
    for (const quantile of quantiles)
      of('eventLoop', delayS(this.#delay.percentile(quantile * 100)), { quantile: String(quantile) })
    of('eventLoop', delayS(this.#delay.max), { quantile: '1' })
    this.#delay.reset()
  }

  #observeSubTopology(
    subTopology: string,
    figures: WorkerFigures,
    of: (name: NamesOf<'observed gauge'>, value: number, values: Values) => void,
  ): void {
    const own = { subTopology }
    const running = figures.tasks.flatMap((task) =>
      task.subTopology === subTopology && task.running !== undefined ? [task.running] : [],
    )
    const lags = figures.standbys.flatMap((standby) => (standby.subTopology === subTopology ? [standby.lag ?? 0] : []))
    of('held', sum(running.map(({ held }) => held.length)), own)
    of('callsUnderWay', sum(running.map(({ calls }) => calls?.underWay ?? 0)), own)
    of('callsOldest', Math.max(0, ...running.map(({ calls }) => calls?.oldest?.waitedMs ?? 0)) / 1000, own)
    const behind = running.flatMap(({ timeLagMs }) => timeLagMs ?? [])
    if (behind.length > 0) of('timeLag', Math.max(...behind) / 1000, own)
    of('stateObjects', sum(running.map(({ state }) => state.objects)), { ...own, place: 'memory' })
    of('stateObjects', sum(running.map(({ store }) => store?.objects ?? 0)), { ...own, place: 'store' })
    const waiting = running.flatMap(({ store }) => store?.waiting ?? [])
    if (waiting.length > 0) of('waiting', sum(waiting), own)
    of('stateSize', sum(running.map(({ state }) => state.bytes)), { ...own, place: 'memory' })
    of('stateSize', sum(running.map(({ store }) => store?.bytes ?? 0)), { ...own, place: 'store' })
    of('unstored', sum(running.map(({ state }) => state.unstoredBytes)), own)
    of('standbyLag', Math.max(0, ...lags), own)
    const left = [...this.#restoring].filter(([task]) => subTopologyInId(task) === subTopology)
    of('restoreLeft', sum(left.map(([, records]) => records)), own)
  }

  /** Invariant 3 */
  #observeLags(result: BatchObservableResult, { tasks }: WorkerFigures): void {
    const now = new Map<string, number>()
    for (const { topic, partition, lag } of tasks.flatMap(({ running }) => running?.inputs ?? [])) {
      const key = `${topic} ${String(partition)}`
      now.set(key, lag)
      if (!this.#lags.has(key)) this.#lags.set(key, this.#attributesOf({ topic, partition: String(partition) }))
    }
    for (const [key, series] of this.#lags) result.observe(this.#gauges.lag, now.get(key) ?? 0, series)
  }
}

function made<K extends Instrument['kind'], I>(
  kind: K,
  make: (instrument: Instrument) => I,
): Readonly<Record<NamesOf<K>, I>> {
  const named = Object.entries(instruments as Readonly<Record<string, Instrument>>)
    .filter(([, instrument]) => instrument.kind === kind)
    .map(([name, instrument]) => [name, make(instrument)] as const)
  return Object.fromEntries(named) as Record<NamesOf<K>, I>
}

/** Node counts from one sample to the next, so that a loop which was never late has the resolution; NaN before the first. */
const delayS = (ns: number): number =>
  Math.max(0, (Number.isFinite(ns) ? ns : 0) / NS_PER_S - DELAY_RESOLUTION_MS / 1000)

const codeOf = (code: string | undefined): string => code ?? 'INTERNAL'

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0)
