/** Invariants of src/metrics/worker-metrics.ts, on an SDK of the test's own. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { metrics } from '@opentelemetry/api'
import { expect, test } from 'vitest'
import { globalMeter } from '../../../src/metrics/meter.js'
import { WorkerMetrics } from '../../../src/metrics/worker-metrics.js'
import type { TaskFigures, WorkerFigures } from '../../../src/ports/figures.js'
import type { RuntimeEvent } from '../../../src/ports/observer.js'
import { TestMetrics, type Samples } from '../../support/collected.js'
import { until } from '../../support/until.js'

const NOTHING: WorkerFigures = { subTopologies: [], tasks: [], standbys: [] }

function measuring(figures: () => WorkerFigures = () => NOTHING, isReady = () => true) {
  const sdk = new TestMetrics()
  const worker = new WorkerMetrics(sdk.meter, { application: 'app', worker: 'w1', figures, isReady })
  const after = (...events: RuntimeEvent[]): Promise<Samples> => {
    for (const event of events) worker.observe(event)
    return sdk.samples()
  }
  return { sdk, worker, after }
}

const committed = {
  kind: 'committed',
  task: 'sym_bol_3',
  tookMs: 20,
  messages: 5,
  outputs: 2,
  deadLetters: 1,
  bytes: 5_000,
  computedMs: 3,
  beganAtMs: 9_990,
  traced: [],
  atMs: 10_000,
  from: [
    { topic: 'quotes', messages: 4, firstTimestampMs: 9_980 },
    { topic: 'orders', messages: 1, firstTimestampMs: 4_000 },
  ],
  to: [
    { topic: 'rejections', records: 2 },
    { topic: 'app-dead-letters', records: 1 },
  ],
} as const satisfies RuntimeEvent

const running = (lags: Readonly<Record<string, number>>, objects = 0): TaskFigures => ({
  task: 'symbol_0',
  subTopology: 'symbol',
  state: 'running',
  isOutdated: false,
  running: {
    inputs: Object.entries(lags).map(([topic, lag]) => ({ topic, partition: 0, lag })),
    held: [],
    state: { objects, bytes: objects * 100, unstoredBytes: objects },
    store: { objects: objects * 10, bytes: objects * 1000 },
  },
})

test('a commit counts its messages and records by topic, and what it took by sub-topology', async () => {
  const all = await measuring().after(committed, committed)
  const topic = (name: string) => ({
    messaging_destination_name: name,
    messaging_system: 'kafka',
    potoroo_worker: 'w1',
  })
  expect(all.value('messaging_client_consumed_messages_total', topic('quotes'))).toBe(8)
  expect(all.value('messaging_client_consumed_messages_total', topic('orders'))).toBe(2)
  expect(all.value('messaging_client_sent_messages_total', topic('rejections'))).toBe(4)
  expect(all.value('messaging_client_sent_messages_total', topic('app-dead-letters'))).toBe(2)
  const sub = { potoroo_sub_topology: 'sym_bol', potoroo_application: 'app' }
  expect(all.value('potoroo_commit_duration_seconds_sum', sub)).toBe(0.04)
  expect(all.value('potoroo_commit_size_bytes_bucket', { ...sub, le: '4096.0' })).toBe(0)
  expect(all.value('potoroo_commit_size_bytes_bucket', { ...sub, le: '16384.0' })).toBe(2)
  expect(all.value('messaging_process_duration_seconds_sum', sub)).toBe(0.006)
  expect(all.value('potoroo_message_latency_seconds_sum', topic('quotes'))).toBeCloseTo(0.04)
  expect(all.value('potoroo_message_latency_seconds_sum', topic('orders'))).toBe(12)
})

test('a producer whose clock is ahead, and one that gives no time, make no nonsense of latency', async () => {
  const from = [
    { topic: 'ahead', messages: 1, firstTimestampMs: 20_000 },
    { topic: 'timeless', messages: 1, firstTimestampMs: -1 },
  ]
  const all = await measuring().after({ ...committed, from })
  expect(all.value('potoroo_message_latency_seconds_sum', { messaging_destination_name: 'ahead' })).toBe(0)
  expect(all.of('potoroo_message_latency_seconds_count', { messaging_destination_name: 'timeless' })).toEqual([])
})

test('what goes wrong is counted by its code', async () => {
  const letter = {
    kind: 'dead-letter',
    task: 's_0',
    message: 'm',
    topic: 't',
    partition: 0,
    offset: 1,
    cut: false,
  } as const
  const failed = { kind: 'commit-failed', task: 's_0', tookMs: 1, messages: 1, error: 'e' } as const
  const all = await measuring().after(
    { ...letter, code: 'NOT_JSON' },
    { ...letter, code: 'NOT_JSON' },
    { ...letter, code: 'KEY_MISSING' },
    { ...failed, code: 'TRANSACTION_FAILED' },
    { ...failed, code: undefined },
    { kind: 'task-again', task: 's_0', code: 'TRANSACTION_FAILED', error: 'e', retryInMs: 1 },
    { kind: 'fenced', task: 's_0' },
  )
  const byCode = (name: string) => all.by('error_type', name)
  expect(byCode('potoroo_dead_letters_total')).toEqual({ NOT_JSON: 2, KEY_MISSING: 1 })
  expect(byCode('potoroo_commit_failures_total')).toEqual({ TRANSACTION_FAILED: 1, INTERNAL: 1 })
  expect(byCode('potoroo_task_restarts_total')).toEqual({ TRANSACTION_FAILED: 1, FENCED: 1 })
})

test('what is held is a number for each sub-topology, 0 where all goes on; what is said of it is counted', async () => {
  const held = [{ topic: 'orders', waitedMs: 2_000 }]
  const [one, other] = [running({}), running({})]
  const tasks = [one, { ...other, running: other.running && { ...other.running, held } }]
  const lack = { partition: 0, position: 5, code: 'REGISTRY_UNREACHABLE', error: 'e', waitedMs: 0 } as const
  const all = await measuring(() => ({ ...NOTHING, subTopologies: ['symbol', 'other'], tasks })).after(
    { kind: 'source-holds', task: 'symbol_0', topic: 'orders', ...lack },
    { kind: 'source-holds', task: 'symbol_0', topic: 'orders', ...lack },
    { kind: 'broadcast-holds', broadcast: 'rate', topic: 'rates', ...lack },
    { kind: 'codec-waits', topic: 'sums', use: 'write', code: 'CODEC_NOT_READY', error: 'e', waitedMs: 0 },
    { kind: 'nan-stored', task: 'symbol_0', state: 'symbol', field: 'n', key: 'a' },
  )
  expect(all.by('potoroo_sub_topology', 'potoroo_inputs_held')).toEqual({ symbol: 1, other: 0 })
  expect(all.by('messaging_destination_name', 'potoroo_codec_waits_total')).toEqual({ orders: 2, rates: 1, sums: 1 })
  expect(all.value('potoroo_codec_waits_total', { error_type: 'CODEC_NOT_READY' })).toBe(1)
  expect(all.value('potoroo_state_nans_total', { potoroo_sub_topology: 'symbol' })).toBe(1)
})

test('attempts of calls are measured by how they end; what is under way, and how old the oldest is, by sub-topology', async () => {
  const [one, other] = [running({}), running({})]
  const oldest = { topic: 'trades', offset: 7, attempts: 4, waitedMs: 61_000 }
  const calls = { call: 'clearing', underWay: 3, waiting: 20, oldest }
  const tasks = [one, { ...other, running: other.running && { ...other.running, calls } }]
  const attempts = [
    { outcome: 'succeeded', tookMs: 10 },
    { outcome: 'succeeded', tookMs: 30 },
    { outcome: 'timed out', tookMs: 1000 },
  ] as const
  const all = await measuring(() => ({ ...NOTHING, subTopologies: ['symbol', 'other'], tasks })).after({
    kind: 'calls-attempted',
    task: 'symbol_0',
    attempts,
  })
  expect(all.by('potoroo_call_outcome', 'potoroo_call_duration_seconds_count')).toEqual({
    succeeded: 2,
    'timed out': 1,
  })
  expect(all.value('potoroo_call_duration_seconds_sum', { potoroo_call_outcome: 'succeeded' })).toBeCloseTo(0.04)
  expect(all.by('potoroo_sub_topology', 'potoroo_calls_under_way')).toEqual({ symbol: 3, other: 0 })
  expect(all.by('potoroo_sub_topology', 'potoroo_calls_oldest_seconds')).toEqual({ symbol: 61, other: 0 })
})

test('how far time is behind the clock is that of the slowest task, and of none that has no time', async () => {
  const lag = (timeLagMs: number | undefined) => {
    const one = running({})
    return { ...one, running: one.running && { ...one.running, timeLagMs } }
  }
  const tasks = [lag(2_500), lag(61_000), lag(undefined)]
  const all = await measuring(() => ({ ...NOTHING, subTopologies: ['symbol', 'other'], tasks })).after()
  expect(all.by('potoroo_sub_topology', 'potoroo_time_lag_seconds')).toEqual({ symbol: 61 })
})

test('what waits for a time is the sum of all tasks, and nothing is said where nothing can', async () => {
  const waiting = (count: number | undefined, subTopology = 'symbol') => {
    const one = running({})
    const store = { objects: 9, bytes: 9, waiting: count }
    return { ...one, subTopology, running: one.running && { ...one.running, store } }
  }
  const tasks = [waiting(3), waiting(4), waiting(undefined, 'other')]
  const all = await measuring(() => ({ ...NOTHING, subTopologies: ['symbol', 'other'], tasks })).after()
  expect(all.by('potoroo_sub_topology', 'potoroo_state_waiting')).toEqual({ symbol: 7 })
})

test('tasks by state: each state has its number, also 0', async () => {
  const task = { ...running({}), running: undefined }
  const figures: WorkerFigures = {
    subTopologies: ['symbol'],
    tasks: [
      running({}),
      running({}),
      { ...task, state: 'restoring' },
      { ...task, state: 'restoring', isOutdated: true },
    ],
    standbys: [{ task: 'symbol_4', subTopology: 'symbol', lag: 7 }],
  }
  const all = await measuring(() => figures).after()
  expect(all.by('potoroo_task_state', 'potoroo_tasks')).toEqual({
    created: 0,
    restoring: 1,
    running: 2,
    outdated: 1,
    standby: 1,
  })
  expect(all.value('potoroo_standby_lag')).toBe(7)
})

test('a partition that has moved away has no lag here any more (invariant 3)', async () => {
  let tasks = [running({ orders: 12, quotes: 3 }, 4)]
  const { after } = measuring(() => ({ ...NOTHING, subTopologies: ['symbol'], tasks }))
  const before = await after()
  expect(before.value('potoroo_input_lag', { messaging_destination_name: 'orders' })).toBe(12)
  expect(before.value('potoroo_state_objects', { potoroo_state_place: 'store' })).toBe(40)
  tasks = []
  const all = await after()
  expect(all.of('potoroo_input_lag').map(({ value }) => value)).toEqual([0, 0])
  expect(all.of('potoroo_state_objects').map(({ value }) => value)).toEqual([0, 0])
})

test('a restore is what is left of it, until it is done or given up', async () => {
  const { after } = measuring(() => ({ ...NOTHING, subTopologies: ['a', 'b'] }))
  const left = (all: Samples, sub: string) => all.value('potoroo_restore_left', { potoroo_sub_topology: sub })
  const half = await after(
    { kind: 'restore-progress', task: 'a_0', left: 900 },
    { kind: 'restore-progress', task: 'a_1', left: 70 },
    { kind: 'restore-progress', task: 'b_0', left: 5 },
  )
  expect([left(half, 'a'), left(half, 'b')]).toEqual([970, 5])
  const active = {
    kind: 'task-active',
    replayed: 900,
    replayedFrom: 0,
    rebuilt: false,
    tookMs: 1500,
    positions: {},
  } as const
  const done = await after(
    { ...active, task: 'a_0' },
    { kind: 'task-closed', task: 'a_1' },
    { kind: 'fenced', task: 'b_0' },
  )
  expect([left(done, 'a'), left(done, 'b')]).toEqual([0, 0])
  expect(done.value('potoroo_restore_records_total')).toBe(900)
  expect(done.value('potoroo_restore_duration_seconds_sum')).toBe(1.5)
})

test('figures that can not be had are left out, and the rest is there (invariant 2)', async () => {
  const { after } = measuring(() => {
    throw new Error('it is closing')
  })
  const all = await after(committed)
  expect(all.sum('messaging_client_consumed_messages_total')).toBe(5)
  expect(all.of('potoroo_ready')).toEqual([])
})

test('a worker that has ended is asked no more, and its counters stay', async () => {
  let asked = 0
  const { after, worker } = measuring(() => {
    asked++
    return NOTHING
  })
  await after(committed)
  worker.close()
  const all = await after()
  expect(asked).toBe(1)
  expect(all.sum('messaging_client_consumed_messages_total')).toBe(5)
})

test('a held-up event loop shows, and one that turns does not', async () => {
  const { after } = measuring()
  const beside = monitorEventLoopDelay({ resolution: 20 })
  await after()
  beside.enable()
  // From its second sample on there is something to compare with.
  await until('it is sampled', () => beside.count >= 3)
  beside.disable()
  const longest = async () => (await after()).value('potoroo_event_loop_delay_seconds', { potoroo_quantile: '1' }) ?? 0
  const until300Ms = performance.now() + 300
  while (performance.now() < until300Ms);
  // Its timers had their turn.
  await new Promise((resolve) => setTimeout(resolve, 0))
  expect(await longest()).toBeGreaterThan(0.2)
  await until('it turns again', async () => (await longest()) < 0.2)
})

test('where nobody has set up an SDK there is no meter, and nothing is counted', async () => {
  metrics.disable()
  expect(await globalMeter()).toBeUndefined()
  const sdk = new TestMetrics()
  expect(metrics.setGlobalMeterProvider({ getMeter: (name) => sdk.meterOf(name) })).toBe(true)
  try {
    expect(await globalMeter()).toBe(sdk.meter)
  } finally {
    metrics.disable()
  }
})
