/** Queries on a real broker: what is told of state objects while messages come, and while workers come and die. */
import { expect, it } from 'vitest'
import {
  application,
  from,
  hours,
  intervalJoin,
  minutes,
  stateObject,
  timer,
  topic,
  tumbling,
  windowed,
} from '../../src/index.js'
import type { CliProcess } from '../support/cli.js'
import { kafkaWorkers, type KafkaWorkers } from '../support/kafka-workers.js'
import { LedgerBench } from '../support/ledger.js'
import { anySchema } from '../support/schemas.js'
import { produce } from '../support/topics.js'
import { until } from '../support/until.js'

interface Step {
  readonly id: string
  readonly n: number
}
const steps = topic('steps', { schema: anySchema<Step>(), key: ({ id }) => id })
const counter = stateObject('counter', () => ({ n: 0, sum: 0 }))
const counting = application(
  'counting',
  from(steps).to(counter, (state, { n }) => {
    state.n++
    state.sum += n
  }),
)

const others = topic('others', { schema: anySchema<Step>(), key: ({ id }) => id })
const workersOf = kafkaWorkers(['steps', 'others'], 4)
const send = (workers: KafkaWorkers, ...all: readonly Step[]): Promise<unknown> =>
  produce(
    workers.names.topic('steps'),
    all.map((step) => ({ key: step.id, value: JSON.stringify(step) })),
  )

it('answers with what is committed, whichever worker is asked', async () => {
  const workers = await workersOf(counting)
  await workers.start('w1')
  await send(workers, { id: 'a', n: 1 }, { id: 'a', n: 2 }, { id: 'b', n: 5 })
  const asked = workers.query('w1', counter)
  await until('b', async () => (await asked.get('b')).state?.n === 1)
  await until('a', async () => (await asked.get('a')).state?.n === 2)
  const found = await asked.get('a')
  expect(found).toMatchObject({ state: { n: 2, sum: 3 }, from: 'owner', worker: 'w1' })
  expect(Math.abs(found.asOf.commitMs - Date.now())).toBeLessThan(60_000)
  expect(await asked.get('a', { consistency: 'fenced' })).toMatchObject({ state: { n: 2, sum: 3 } })
  expect((await asked.get('nobody')).state).toBeUndefined()
  await workers.start('w2')
  await until('w2 has its share', () => workers.tasksOf('w2').length === 2)
  for (const worker of ['w1', 'w2'])
    for (const key of ['a', 'b', 'c', 'd', 'e', 'f'])
      expect((await workers.query(worker, counter).get(key)).state?.n, `${key} of ${worker}`).toBe({ a: 2, b: 1 }[key])
  // Both say the same of who has what, and each has some.
  const ownersBy = (worker: string) =>
    Promise.all(
      ['a', 'b', 'c', 'd', 'e', 'f'].map(async (key) => (await workers.query(worker, counter).get(key)).worker),
    )
  const owners = await ownersBy('w1')
  expect(await ownersBy('w2')).toEqual(owners)
  expect([...new Set(owners)].sort()).toEqual(['w1', 'w2'])
  const keys: string[] = []
  await until('both are stored', async () => {
    keys.length = 0
    for await (const { key } of workers.query('w2', counter).scan({ prefix: '' })) keys.push(key)
    return keys.length === 2
  })
  expect(keys).toEqual(['a', 'b'])
})

it('tells windows, timers and the open messages of interval joins as what they are, and never as they are stored', async () => {
  const minute = windowed('minute', tumbling(minutes(1)), () => ({ seen: new Set<number>() }))
  const met = intervalJoin('met', from(steps), from(others), { withinMs: minutes(1) })
  const calm = timer('calm', counter)
  const windows = application(
    'windows',
    from(steps).to(minute, ({ seen }, { n }) => void seen.add(n)),
    from(steps).to(counter, (state, { n }, context) => {
      state.n++
      state.sum += n
      context.set(calm, context.timestampMs + hours(1), String(n))
    }),
    from(calm).to(counter, () => undefined),
    met.both.to(counter, () => undefined),
  )
  const workers = await workersOf(windows)
  await workers.start('w1')
  await workers.start('w2')
  await until('each has its share', () => ['w1', 'w2'].every((worker) => workers.tasksOf(worker).length > 0))
  // In a window that has room for both, and is not over before the test is.
  const atMs = Math.floor(Date.now() / minutes(1)) * minutes(1) + minutes(3)
  await produce(
    workers.names.topic('steps'),
    [1, 2].map((n) => ({ key: 'a', value: JSON.stringify({ id: 'a', n }), timestamp: String(atMs + n) })),
  )
  for (const worker of ['w1', 'w2']) {
    const asked = workers.query(worker, minute)
    await until('both have come', async () => (await asked.get('a')).state?.[0]?.messages === 2)
    const open = { key: 'a', startMs: atMs, endMs: atMs + minutes(1), messages: 2, state: { seen: new Set([1, 2]) } }
    expect((await asked.get('a')).state).toEqual([open])
    expect((await asked.get('b')).state).toBeUndefined()
    const scanned = []
    for await (const { key, state } of asked.scan({ prefix: '' }, { consistency: 'fenced' })) scanned.push([key, state])
    expect(scanned).toEqual([['a', [open]]])
    expect(await workers.query(worker, counter).get('a')).toMatchObject({
      state: { n: 2, sum: 3 },
      timers: [1, 2].map((n) => ({ name: 'calm', id: String(n), dueMs: atMs + n + hours(1) })),
    })
    expect((await workers.query(worker, met).get('a')).state).toEqual({
      left: [1, 2].map((n) => ({ timestampMs: atMs + n, hasMet: false, message: { id: 'a', n } })),
      right: [],
    })
  }
})

const urlOf = async (worker: CliProcess): Promise<string> => {
  const line = JSON.parse(await worker.line(/metrics and health are served/)) as { readonly url: string }
  return line.url
}
interface Account {
  readonly key: string
  readonly state: { readonly balance: number } | null
  readonly asOf: { readonly changelogPosition: number }
}

it('asked continuously, any worker answers for any key, while workers are added, stopped and killed', async () => {
  const bench = new LedgerBench()
  await bench.createTopics({}, 8)
  const accounts = Array.from({ length: 40 }, (_, i) => `account-${String(i)}`)
  /** Told to a producer, and acknowledged to it. */
  const [sent, written] = [new Map<string, number>(), new Map<string, number>()]
  const urls = new Map<string, string>()
  const start = async (name: string): Promise<CliProcess> => {
    const worker = bench.worker(name, '--http-port', '0')
    const url = await urlOf(worker)
    await worker.line(/"task is active"/)
    urls.set(name, url)
    return worker
  }
  const workers = await Promise.all(['w1', 'w2', 'w3'].map(start))
  await until('all are ready', async () => {
    const ready = await Promise.all([...urls.values()].map(async (url) => (await fetch(`${url}/readyz`)).ok))
    return ready.every(Boolean)
  })

  const over = new AbortController()
  const problems: string[] = []
  const seen = new Map<string, number>()
  let [answers, longestMs] = [0, 0]
  const feeding = (async () => {
    while (!over.signal.aborted) {
      const batch = accounts.filter((_, i) => i % 4 === answers % 4)
      for (const account of batch) sent.set(account, (sent.get(account) ?? 0) + 1)
      await bench.send(...batch.map((account) => ({ key: account, value: JSON.stringify({ account, add: 1 }) })))
      for (const account of batch) written.set(account, (written.get(account) ?? 0) + 1)
    }
  })()
  const ask = async (client: number): Promise<void> => {
    for (let i = client; !over.signal.aborted; i++) {
      const key = accounts[(i * 7) % accounts.length] ?? ''
      const consistency = (['committed', 'fenced', '2000'] as const)[i % 3] ?? 'committed'
      const names = [...urls.keys()]
      const name = names[i % names.length] ?? ''
      const before = seen.get(key) ?? 0
      const begunMs = performance.now()
      try {
        const response = await fetch(`${urls.get(name) ?? ''}/v1/ledger/${key}?consistency=${consistency}`)
        const tookMs = performance.now() - begunMs
        const found = (await response.json()) as Account
        // Whoever was asked when it was told to go, or was killed, may not have had the time: another one is asked.
        if (!response.ok && !urls.has(name)) continue
        answers++
        longestMs = Math.max(longestMs, tookMs)
        const balance = found.state?.balance ?? 0
        if (!response.ok) problems.push(`${name} gave no answer for ${key}: ${JSON.stringify(found)}`)
        if (balance > (sent.get(key) ?? 0)) problems.push(`${key} has ${String(balance)}, which was never sent`)
        // Linearizable: what anybody was told before the question is in the answer.
        if (consistency === 'fenced' && balance < before)
          problems.push(`${key} went back from ${String(before)} to ${String(balance)}`)
        if (consistency !== '2000') seen.set(key, Math.max(seen.get(key) ?? 0, balance))
      } catch (error) {
        if (urls.has(name)) problems.push(`${name} gave no answer for ${key}: ${String(error)}`)
      }
    }
  }
  const asking = [0, 1, 2, 3].map(ask)
  const gone = async (name: string, signal: NodeJS.Signals): Promise<void> => {
    urls.delete(name)
    const worker = workers[Number(name.slice(1)) - 1]
    worker?.kill(signal)
    await worker?.exited
  }
  workers.push(await start('w4'))
  await gone('w1', 'SIGTERM')
  await gone('w2', 'SIGKILL')
  workers.push(await start('w5'))
  await gone('w3', 'SIGKILL')
  const enough = answers + 500
  await until('they go on answering', () => answers > enough)
  over.abort()
  await Promise.all([feeding, ...asking])
  expect(problems.slice(0, 5)).toEqual([])
  console.log(`${String(answers)} answers, none failed; the longest wait was ${longestMs.toFixed(0)} ms`)
  for (const url of urls.values())
    for (const account of accounts)
      await until(`${account} has all`, async () => {
        const response = await fetch(`${url}/v1/ledger/${account}`)
        const { state } = (await response.json()) as Account
        return state?.balance === written.get(account)
      })
})
