/**
 * What was collected, as text for Prometheus: OpenMetrics 1.0, or the format before it where a client does not ask for that.
 * Names are made as OpenTelemetry has it for all exporters, with units after them, so that a metric has the same name here and
 * where a collector has passed it on.
 *
 * https://prometheus.io/docs/specs/om/open_metrics_spec/
 * https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/
 */
import type { Attributes } from '@opentelemetry/api'
import { DataPointType, type Histogram, type MetricData, type ResourceMetrics } from '@opentelemetry/sdk-metrics'
import { METER_NAME } from '../../metrics/meter.js'

export type TextFormat = 'openmetrics' | 'plain'

export const contentTypes: Readonly<Record<TextFormat, string>> = {
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
  plain: 'text/plain; version=0.0.4; charset=utf-8',
}

/** What a request accepts. Prometheus asks for OpenMetrics, people ask for anything. */
export const formatFor = (accept: string | undefined): TextFormat =>
  accept?.includes('application/openmetrics-text') === true ? 'openmetrics' : 'plain'

export function metricsText({ scopeMetrics }: Pick<ResourceMetrics, 'scopeMetrics'>, format: TextFormat): string {
  const families = new Map<string, Family>()
  for (const { scope, metrics } of scopeMetrics)
    for (const metric of metrics) {
      const family = familyOf(metric)
      if (family === undefined) continue
      // One name of two kinds would make the whole text invalid: the first one stays.
      const there = families.get(family.name) ?? family
      if (there.type !== family.type) continue
      families.set(family.name, there)
      there.lines.push(...linesOf(metric, family, scope.name === METER_NAME ? {} : { 'otel.scope.name': scope.name }))
    }
  const texts = [...families.values()].map((family) => textOf(family, format))
  return texts.join('') + (format === 'openmetrics' ? '# EOF\n' : '')
}

interface Family {
  /** Without `_total`. */
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly unit: string
  readonly help: string
  readonly lines: string[]
}

/** Undefined for kinds that have no text. */
function familyOf(metric: MetricData): Family | undefined {
  const { descriptor } = metric
  const type = typeOf(metric)
  if (type === undefined) return undefined
  const unit = unitWords[descriptor.unit] ?? ''
  return { name: familyName(descriptor.name, descriptor.unit), type, unit, help: descriptor.description, lines: [] }
}

/** Of an instrument; a counter's samples have `_total` after it. */
export function familyName(instrument: string, unit: string): string {
  const word = unitWords[unit] ?? ''
  const bare = sanitized(instrument).replace(/_total$/, '')
  return word === '' || bare.endsWith(`_${word}`) ? bare : `${bare}_${word}`
}

function typeOf(metric: MetricData): Family['type'] | undefined {
  switch (metric.dataPointType) {
    case DataPointType.SUM:
      return metric.isMonotonic ? 'counter' : 'gauge'
    case DataPointType.GAUGE:
      return 'gauge'
    case DataPointType.HISTOGRAM:
      return 'histogram'
    default:
      return undefined
  }
}

/** Of UCUM. What stands in braces, and what is none of these, is no part of a name. */
const unitWords: Readonly<Record<string, string>> = {
  d: 'days',
  h: 'hours',
  min: 'minutes',
  s: 'seconds',
  ms: 'milliseconds',
  us: 'microseconds',
  ns: 'nanoseconds',
  By: 'bytes',
  KiBy: 'kibibytes',
  MiBy: 'mebibytes',
  GiBy: 'gibibytes',
  '%': 'percent',
}

function linesOf(metric: MetricData, { name, type }: Family, scope: Attributes): string[] {
  if (metric.dataPointType === DataPointType.HISTOGRAM)
    return metric.dataPoints.flatMap(({ attributes, value }) =>
      histogramLines(name, labelsOf({ ...attributes, ...scope }), value),
    )
  if (metric.dataPointType === DataPointType.EXPONENTIAL_HISTOGRAM) return []
  const sample = type === 'counter' ? `${name}_total` : name
  return metric.dataPoints.map(({ attributes, value }) => line(sample, labelsOf({ ...attributes, ...scope }), value))
}

function histogramLines(name: string, labels: readonly string[], { buckets, count, sum = 0 }: Histogram): string[] {
  let below = 0
  const lines = buckets.boundaries.map((boundary, i) => {
    below += buckets.counts[i] ?? 0
    return line(`${name}_bucket`, [...labels, `le="${boundaryText(boundary)}"`], below)
  })
  return [
    ...lines,
    line(`${name}_bucket`, [...labels, 'le="+Inf"'], count),
    line(`${name}_sum`, labels, sum),
    line(`${name}_count`, labels, count),
  ]
}

function textOf({ name, type, unit, help, lines }: Family, format: TextFormat): string {
  const isOpen = format === 'openmetrics'
  // Before OpenMetrics, a counter's name had its ending everywhere.
  const named = !isOpen && type === 'counter' ? `${name}_total` : name
  const about = [`# TYPE ${named} ${type}`, ...(isOpen && unit !== '' ? [`# UNIT ${named} ${unit}`] : [])]
  if (help !== '') about.push(`# HELP ${named} ${isOpen ? escaped(help) : escapedBreaks(help)}`)
  return [...about, ...lines].map((text) => `${text}\n`).join('')
}

const line = (name: string, labels: readonly string[], value: number): string =>
  `${name}${labels.length === 0 ? '' : `{${labels.join(',')}}`} ${numberText(value)}`

/** Two attributes may become one label: then it has the values of both, as the specification wants it. */
function labelsOf(attributes: Attributes): string[] {
  const values = new Map<string, string>()
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined) continue
    const label = sanitized(key)
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    const before = values.get(label)
    values.set(label, before === undefined ? text : `${before};${text}`)
  }
  return [...values].map(([label, value]) => `${label}="${escaped(value)}"`)
}

/** As a name of Prometheus'. */
export function sanitized(name: string): string {
  const plain = name.replace(/[^a-zA-Z0-9_]+/g, '_').replace(/_{2,}/g, '_')
  return /^[0-9]/.test(plain) ? `_${plain}` : plain
}

const escapedBreaks = (text: string): string => text.replace(/\\/g, '\\\\').replace(/\n/g, '\\n')
const escaped = (text: string): string => escapedBreaks(text).replace(/"/g, '\\"')

function numberText(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf'
  return String(value)
}

/** As OpenMetrics writes them: a boundary is a label, and 1 and 1.0 would be two. */
const boundaryText = (boundary: number): string =>
  Number.isInteger(boundary) && Math.abs(boundary) < 1e15 ? `${String(boundary)}.0` : String(boundary)
