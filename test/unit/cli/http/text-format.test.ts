/** What /metrics writes, read by the rules of its formats. */
import { expect, test } from 'vitest'
import { formatFor } from '../../../../src/cli/http/text-format.js'
import { TestMetrics, samplesIn } from '../../../support/collected.js'

async function textOf(format: 'openmetrics' | 'plain'): Promise<string> {
  const metrics = new TestMetrics()
  const { meter } = metrics
  meter.createCounter('made.up', { unit: '{thing}', description: 'Things' }).add(3, { 'a.b': 'x' })
  meter.createCounter('read.bytes', { unit: 'By' }).add(7)
  meter.createUpDownCounter('open').add(2)
  const waited = meter.createHistogram('waited', { unit: 's', advice: { explicitBucketBoundaries: [0.5, 1, 2] } })
  for (const seconds of [0.1, 0.5, 1.5, 9]) waited.record(seconds)
  return metrics.text(format)
}

test('OpenMetrics: units behind names, counters by their family, and an end', async () => {
  expect(await textOf('openmetrics')).toBe(
    `# TYPE made_up counter
# HELP made_up Things
made_up_total{a_b="x"} 3
# TYPE read_bytes counter
# UNIT read_bytes bytes
read_bytes_total 7
# TYPE open gauge
open 2
# TYPE waited_seconds histogram
# UNIT waited_seconds seconds
waited_seconds_bucket{le="0.5"} 2
waited_seconds_bucket{le="1.0"} 2
waited_seconds_bucket{le="2.0"} 3
waited_seconds_bucket{le="+Inf"} 4
waited_seconds_sum 11.1
waited_seconds_count 4
# EOF
`,
  )
})

test('the format before it: counters have their ending everywhere, and there are no units', async () => {
  const text = await textOf('plain')
  expect(text).toContain('# TYPE made_up_total counter\n# HELP made_up_total Things\nmade_up_total{a_b="x"} 3\n')
  expect(text).not.toMatch(/# UNIT|# EOF/)
})

test('whatever labels and descriptions hold, each line is one sample, and gives back what it held', async () => {
  const metrics = new TestMetrics()
  const odd = 'back\\slash "quoted"\nnext, a="b"} 7 \u{1f998}'
  metrics.meter.createCounter('odd', { description: odd }).add(1, { odd, '9th': 'digit', 'ü.x': 'letter', n: 5 })
  const text = await metrics.text()
  expect(samplesIn(text).all).toEqual([
    { name: 'odd_total', labels: { odd, _9th: 'digit', _x: 'letter', n: '5' }, value: 1 },
  ])
  // Type, help, sample, end.
  expect(text.trimEnd().split('\n')).toHaveLength(4)
})

test('attributes that become one label are kept in it, and no name stands twice in a line', async () => {
  const metrics = new TestMetrics()
  metrics.meter.createCounter('c').add(1, { 'a.b': '1', a_b: '2' })
  expect((await metrics.samples()).all[0]?.labels).toEqual({ a_b: '1;2' })
})

test('one name of two kinds stands there once: a text with both would be refused as a whole', async () => {
  const metrics = new TestMetrics()
  metrics.meter.createCounter('same').add(1)
  metrics.meterOf('other').createGauge('same').record(2)
  metrics.meterOf('third').createCounter('same').add(4)
  const text = await metrics.text()
  expect(text.match(/# TYPE same /g)).toHaveLength(1)
  expect(samplesIn(text).all).toEqual([
    { name: 'same_total', labels: {}, value: 1 },
    { name: 'same_total', labels: { otel_scope_name: 'third' }, value: 4 },
  ])
})

test('numbers that are none', async () => {
  const metrics = new TestMetrics()
  const gauge = metrics.meter.createGauge('g')
  for (const [which, value] of Object.entries({ a: Infinity, b: -Infinity, c: NaN })) gauge.record(value, { which })
  expect((await metrics.text()).match(/^g\{.*$/gm)).toEqual([
    'g{which="a"} +Inf',
    'g{which="b"} -Inf',
    'g{which="c"} NaN',
  ])
})

test('OpenMetrics for who asks for it', () => {
  expect(formatFor('application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.2')).toBe('openmetrics')
  expect(formatFor('*/*')).toBe('plain')
  expect(formatFor(undefined)).toBe('plain')
})
