/** Metrics of a test: an SDK of its own, and what it has collected. */
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics'
import type { Meter } from '@opentelemetry/api'
import { metricsText } from '../../src/cli/http/text-format.js'
import { METER_NAME } from '../../src/metrics/meter.js'

class TestReader extends MetricReader {
  protected override onForceFlush(): Promise<void> {
    return Promise.resolve()
  }
  protected override onShutdown(): Promise<void> {
    return Promise.resolve()
  }
}

export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export class TestMetrics {
  readonly #reader = new TestReader()
  readonly #provider = new MeterProvider({ readers: [this.#reader] })

  get meter(): Meter {
    return this.#provider.getMeter(METER_NAME)
  }
  /** Somebody else's. */
  meterOf(name: string): Meter {
    return this.#provider.getMeter(name)
  }

  async text(format: 'openmetrics' | 'plain' = 'openmetrics'): Promise<string> {
    const { resourceMetrics, errors } = await this.#reader.collect()
    if (errors.length > 0) throw new Error('not all was collected', { cause: errors[0] })
    return metricsText(resourceMetrics, format)
  }

  async samples(): Promise<Samples> {
    return samplesIn(await this.text())
  }
}

/** Of text in Prometheus' format. Throws where a line is neither a sample nor a comment. */
export function samplesIn(text: string): Samples {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Samples(
    lines.map((line) => {
      const [, name = '', labels = '', value = ''] =
        /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/.exec(line) ?? refuse(line)
      return { name, labels: labelsIn(labels), value: value === '+Inf' ? Infinity : Number(value) }
    }),
  )
}

function labelsIn(text: string): Record<string, string> {
  const labels: Record<string, string> = {}
  let rest = text
  while (rest !== '') {
    const [all, name = '', value = ''] =
      /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)/.exec(rest) ?? refuse(text)
    if (name in labels) refuse(text)
    labels[name] = value.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped))
    rest = rest.slice(all.length)
  }
  return labels
}

function refuse(text: string): never {
  throw new Error(`no sample: ${text}`)
}

export class Samples {
  constructor(readonly all: readonly Sample[]) {}

  of(name: string, labels: Readonly<Record<string, string>> = {}): readonly Sample[] {
    const wanted = Object.entries(labels)
    return this.all.filter(
      (sample) => sample.name === name && wanted.every(([key, value]) => sample.labels[key] === value),
    )
  }

  /** Of the one series that fits; undefined where there is none. */
  value(name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
    const found = this.of(name, labels)
    if (found.length > 1) throw new Error(`${name} has ${String(found.length)} series`)
    return found[0]?.value
  }

  /** By the value of a label. */
  by(label: string, name: string): Record<string, number> {
    return Object.fromEntries(this.of(name).map(({ labels, value }) => [labels[label] ?? '', value]))
  }

  sum(name: string, labels: Readonly<Record<string, string>> = {}): number {
    return this.of(name, labels).reduce((all, { value }) => all + value, 0)
  }
}
