/** Metrics of this process, kept by OpenTelemetry's SDK until somebody asks for them. */
import { metrics, type Meter } from '@opentelemetry/api'
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics'
import { globalMeter, METER_NAME } from '../../metrics/meter.js'
import { metricsText, type TextFormat } from './text-format.js'

/** What was collected so short ago is told again: who asks all the time costs messages no more than that. */
const FRESH_MS = 250
/** Series of one instrument. A worker has as many lags as partitions. */
const MAX_SERIES = 20_000

export interface Collecting {
  /** Where a worker is to count. */
  readonly meters: readonly Meter[]
  text(format: TextFormat): Promise<string>
  stop(): void
}

/**
 * The application's own instruments are collected, too, where it has set up no SDK by itself. To be called before it is loaded,
 * once in a process.
 */
export async function startCollecting(): Promise<Collecting> {
  const reader = new Reader()
  const provider = new MeterProvider({ readers: [reader] })
  // It may have one by `node --import`: then the worker counts for both.
  const isOurs = metrics.setGlobalMeterProvider(provider)
  const others = isOurs ? undefined : await globalMeter()
  const recent = new Recent(() => reader.collect(), FRESH_MS)
  return {
    meters: [provider.getMeter(METER_NAME), ...(others === undefined ? [] : [others])],
    text: async (format) => metricsText((await recent.value()).resourceMetrics, format),
    stop: () => {
      if (isOurs) metrics.disable()
    },
  }
}

class Reader extends MetricReader {
  constructor() {
    super({ cardinalitySelector: () => MAX_SERIES })
  }
  protected override onShutdown(): Promise<void> {
    return Promise.resolve()
  }
  protected override onForceFlush(): Promise<void> {
    return Promise.resolve()
  }
}

/** One call for all who ask within a while. */
export class Recent<T> {
  #last: Promise<T> | undefined
  #atMs = -Infinity

  constructor(
    private readonly make: () => Promise<T>,
    private readonly freshMs: number,
    private readonly nowMs: () => number = () => performance.now(),
  ) {}

  value(): Promise<T> {
    const now = this.nowMs()
    if (this.#last !== undefined && now - this.#atMs < this.freshMs) return this.#last
    this.#atMs = now
    const last = (this.#last = this.make())
    // A failure is told to who has asked, and not again.
    last.catch(() => {
      if (this.#last === last) this.#last = undefined
    })
    return last
  }
}
