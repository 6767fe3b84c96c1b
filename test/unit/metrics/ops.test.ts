/**
 * What comes out of running workers: every metric of the table, and whatever the board and the alerts in ops/ ask for. Workers
 * run on ports in memory; what does not happen to them is told to one.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parser } from '@prometheus-io/lezer-promql'
import { beforeAll, describe, expect, test } from 'vitest'
import { parse as parseYaml } from 'yaml'
import { familyName } from '../../../src/cli/http/text-format.js'
import { application } from '../../../src/api/application.js'
import { from } from '../../../src/api/stream.js'
import { stateObject } from '../../../src/api/state-object.js'
import { topic } from '../../../src/api/topic.js'
import {
  attributes,
  commonAttributes,
  instruments,
  taskStates,
  type Instrument,
} from '../../../src/metrics/instruments.js'
import type { RuntimeEvent } from '../../../src/ports/observer.js'
import { TestMetrics, type Samples } from '../../support/collected.js'
import { ROOT } from '../../support/documents.js'
import { MemoryWorkers } from '../../support/memory-workers.js'
import { anySchema } from '../../support/schemas.js'

interface Reading {
  readonly device: string
  readonly site: string
  readonly fails?: boolean
}
const readings = topic('readings', { schema: anySchema<Reading>(), key: ({ device }) => device })
const sums = topic('sums', { schema: anySchema<{ site: string; n: number }>(), key: ({ site }) => site })
const site = stateObject('site', () => ({ n: 0 }))
// What has no time has no lag of it: here one has, the other has not.
const device = stateObject('device', () => ({ n: 0 }), { ttlMs: 86_400_000 })
const plant = application(
  'plant',
  from(readings)
    .to(device, (state, one) => {
      state.n++
      if (one.fails === true) throw new Error('on purpose')
      return one
    })
    .keyBy((one) => one.site)
    .to(site, (state, one) => ({ site: one.site, n: ++state.n }))
    .sink(sums),
)

const REPARTITION = 'plant-device-site-repartition'

/** What does not happen where all is well. */
const rare: readonly RuntimeEvent[] = [
  { kind: 'commit-failed', task: 'device_0', tookMs: 1, messages: 1, code: 'TRANSACTION_FAILED', error: '' },
  { kind: 'task-again', task: 'device_0', code: 'TRANSACTION_FAILED', error: '', retryInMs: 1 },
  { kind: 'slow-message', task: 'device_0', topic: 'readings', partition: 0, offset: 1, tookMs: 2000 },
  { kind: 'source-waived', task: 'device_0', topic: 'readings', partition: 0, position: 1, waitedMs: 60_000 },
  { kind: 'store-set-aside', task: 'device_0', why: '', snapshotBytes: undefined },
  { kind: 'codec-waits', topic: 'readings', use: 'read', code: 'REGISTRY_UNREACHABLE', error: '', waitedMs: 0 },
  { kind: 'nan-stored', task: 'device_0', state: 'device', field: 'n', key: 'a' },
  { kind: 'purge-failed', topics: [REPARTITION], error: '' },
  { kind: 'queried', state: 'device', what: 'get', outcome: 'answered', tookMs: 3 },
  { kind: 'calls-attempted', task: 'device_0', attempts: [{ outcome: 'succeeded', tookMs: 1 }] },
  { kind: 'windows', task: 'device_0', windows: 'minute', late: 'drop', closed: 1, lateByRecords: 1, lateByClock: 1 },
]
const MESSAGES = 40

let out: Samples
let workers: MemoryWorkers

beforeAll(async () => {
  const sdk = new TestMetrics()
  workers = new MemoryWorkers({
    application: plant,
    topics: ['readings', 'sums'],
    partitions: 2,
    runtime: { standbys: 1, purge: { lookMs: 100, records: 1, afterMs: 100 } },
    meter: sdk.meter,
  })
  await workers.start('w1')
  for (let i = 0; i < MESSAGES; i++)
    workers.append('readings', `d${String(i)}`, {
      device: `d${String(i)}`,
      site: `s${String(i % 7)}`,
      fails: i % 10 === 9,
    })
  await workers.rest()
  await workers.start('w2')
  await workers.rest()
  // What a hand-over ends with is the first message on the new owner.
  for (let i = 0; i < MESSAGES; i++)
    workers.append('readings', `d${String(i)}`, { device: `d${String(i)}`, site: `s${String(i % 7)}` })
  await workers.rest()
  for (const event of rare) workers.tell('w1', event)
  out = await sdk.samples()
})

describe('of workers that run', () => {
  test('every metric of the table comes out, with the attributes that it names', () => {
    const label = (attribute: string): string => attribute.replaceAll('.', '_')
    for (const instrument of Object.values(instruments as Readonly<Record<string, Instrument>>)) {
      const { name, kind, unit } = instrument
      const ending = kind === 'counter' ? '_total' : kind === 'histogram' ? '_count' : ''
      const found = out.of(familyName(name, unit) + ending)
      expect(found.length, name).toBeGreaterThan(0)
      const labels = [...Object.values(commonAttributes), ...instrument.attributes.map((one) => attributes[one])].map(
        label,
      )
      for (const sample of found) expect(Object.keys(sample.labels).sort(), name).toEqual(labels.sort())
    }
  })

  test('numbers are those of what happened', () => {
    const consumed = (topic: string) =>
      out.sum('messaging_client_consumed_messages_total', { messaging_destination_name: topic })
    const sent = (topic: string) =>
      out.sum('messaging_client_sent_messages_total', { messaging_destination_name: topic })
    expect(consumed('readings')).toBe(2 * MESSAGES)
    const letters = MESSAGES / 10
    expect(out.sum('potoroo_dead_letters_total', { error_type: 'COMPUTATION_FAILED' })).toBe(letters)
    expect(sent('plant-dead-letters')).toBe(letters)
    expect(sent(REPARTITION)).toBe(2 * MESSAGES - letters)
    expect(consumed(REPARTITION)).toBe(2 * MESSAGES - letters)
    expect(sent('sums')).toBe(2 * MESSAGES - letters)
    expect(out.sum('potoroo_input_lag')).toBe(0)
    // Two sub-topologies with two partitions each, and a standby for each.
    expect(out.sum('potoroo_tasks', { potoroo_task_state: 'running' })).toBe(4)
    expect(out.sum('potoroo_tasks', { potoroo_task_state: 'standby' })).toBe(4)
    for (const worker of ['w1', 'w2']) expect(out.value('potoroo_ready', { potoroo_worker: worker })).toBe(1)
    expect(out.sum('potoroo_hand_off_pause_seconds_count')).toBe(2)
    expect(out.sum('potoroo_state_objects', { potoroo_state_place: 'store', potoroo_sub_topology: 'device' })).toBe(
      MESSAGES,
    )
    expect(out.of('potoroo_time_lag_seconds').map(({ labels }) => labels.potoroo_sub_topology)).toEqual([
      'device',
      'device',
    ])
    expect(out.sum('potoroo_purge_records_total')).toBeGreaterThan(0)
    expect(out.sum('potoroo_restore_left')).toBe(0)
  })
})

interface Asked {
  readonly name: string
  /** By label: the value that it is compared with, where that is one. */
  readonly labels: ReadonlyMap<string, string | undefined>
}

/** Selectors in an expression, and labels that it groups by. Throws where it is none. */
function askedBy(expression: string): { readonly selectors: readonly Asked[]; readonly grouped: readonly string[] } {
  // Grafana's variables, before it is Prometheus's.
  const text = expression.replaceAll('$__rate_interval', '5m').replaceAll('$application', 'plant')
  const selectors: { name: string; labels: Map<string, string | undefined> }[] = []
  const grouped: string[] = []
  parser.parse(text).iterate({
    enter: (node) => {
      const own = text.slice(node.from, node.to)
      if (node.type.isError) throw new Error(`not PromQL at ${String(node.from)}: ${text}`)
      if (node.name === 'VectorSelector') selectors.push({ name: '', labels: new Map() })
      const last = selectors.at(-1)
      if (node.name === 'Identifier' && node.matchContext(['VectorSelector']) && last !== undefined) last.name = own
      if (node.name === 'UnquotedLabelMatcher') {
        const [, label = '', operator, value] = /^(\w+)\s*(=~|!~|!=|=)\s*"(.*)"$/.exec(own) ?? []
        last?.labels.set(label, operator === '=' ? value : undefined)
      }
      if (node.name === 'LabelName' && node.matchContext(['GroupingLabels'])) grouped.push(own)
    },
  })
  return { selectors, grouped }
}

function check(where: string, expression: string): void {
  const { selectors, grouped } = askedBy(expression)
  expect(selectors.length, where).toBeGreaterThan(0)
  const known = new Set<string>()
  for (const { name, labels } of selectors) {
    const found = out.of(name)
    expect(found.length, `${where}: ${name}`).toBeGreaterThan(0)
    const has = new Set(found.flatMap((sample) => Object.keys(sample.labels)))
    for (const label of has) known.add(label)
    for (const [label, value] of labels) {
      expect(has, `${where}: ${name}`).toContain(label)
      if (value === undefined) continue
      const values = [
        ...found.map((sample) => sample.labels[label]),
        ...(label === 'potoroo_task_state' ? taskStates : []),
      ]
      expect(values, `${where}: ${name}{${label}}`).toContain(value)
    }
  }
  for (const label of grouped) expect(known, where).toContain(label)
}

describe('ops/prometheus/alerts.yml', () => {
  const rules = readRules()
  test.each(rules)('$alert asks for what there is', ({ alert, expr, annotations }) => {
    check(alert, expr)
    const labels = Object.values(annotations)
      .flatMap((text) => [...text.matchAll(/\$labels\.(\w+)/g)])
      .map(([, label = '']) => label)
    const { selectors, grouped } = askedBy(expr)
    const given =
      grouped.length > 0
        ? grouped
        : selectors.flatMap(({ name }) => out.of(name).flatMap((one) => Object.keys(one.labels)))
    for (const label of labels) expect(given, `${alert}: $labels.${label}`).toContain(label)
  })
  test('has a name for each', () => {
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length)
    expect(rules.length).toBeGreaterThan(10)
  })
})

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly annotations: Readonly<Record<string, string>>
}
function readRules(): Rule[] {
  const text = readFileSync(join(ROOT, 'ops/prometheus/alerts.yml'), 'utf8')
  return (parseYaml(text) as { groups: { rules: Rule[] }[] }).groups.flatMap(({ rules }) => rules)
}

interface Board {
  readonly panels: readonly {
    readonly title: string
    readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[]
  }[]
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] }
}

describe('ops/grafana/potoroo.json', () => {
  const board = JSON.parse(readFileSync(join(ROOT, 'ops/grafana/potoroo.json'), 'utf8')) as Board
  const queries = board.panels.flatMap(({ title, targets = [] }) => targets.map((target) => ({ title, ...target })))

  test.each(queries)('$title: $expr', ({ title, expr, legendFormat }) => {
    check(title, expr)
    const { grouped } = askedBy(expr)
    for (const [, label = ''] of legendFormat.matchAll(/\{\{(\w+)\}\}/g))
      expect(grouped, `${title}: legend`).toContain(label)
  })

  test('shows every metric of the table', () => {
    const shown = queries.map(({ expr }) => expr).join('\n')
    const missing = Object.values(instruments).filter(({ name, unit }) => !shown.includes(familyName(name, unit)))
    expect(missing).toEqual([])
  })

  test('its variables ask for what there is', () => {
    const asked = board.templating.list.flatMap(({ definition }) => (definition === undefined ? [] : [definition]))
    for (const definition of asked) {
      const [, name = '', label = ''] = /^label_values\((\w+), (\w+)\)$/.exec(definition) ?? []
      expect(
        out.of(name).every(({ labels }) => label in labels),
        definition,
      ).toBe(true)
      expect(out.of(name).length).toBeGreaterThan(0)
    }
    expect(asked.length).toBeGreaterThan(0)
  })
})
