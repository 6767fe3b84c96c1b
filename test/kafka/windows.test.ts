/** Windows on a real broker: the examples beside plain calculations while workers come and die, and a topic that goes quiet. */
import { expect, it, onTestFinished } from 'vitest'
import { application, from, topic, tumbling, windowed } from '../../src/index.js'
import { ExampleBench } from '../support/example-bench.js'
import { KafkaWorkers } from '../support/kafka-workers.js'
import { readCommitted } from '../support/read-committed.js'
import { anySchema } from '../support/schemas.js'
import { createTopics, produce } from '../support/topics.js'
import { averagesOf, clicksOf, tradesOf, visitsOf } from '../support/windows-examples.js'

const sorted = (values: readonly unknown[]): string[] => values.map((value) => JSON.stringify(value)).sort()

interface Message {
  readonly timestampMs: number
}

/**
 * Two workers find a backlog; what is under way comes in parts, meanwhile a third one comes, and the first is killed. It is of the near
 * future, for it is to be written no later than its time. What comes last, of keys of its own on every partition, brings time behind the end
 * of all windows before it.
 */
async function live<M extends Message>(
  example: string,
  source: string,
  backlog: readonly M[],
  under: readonly M[],
  ending: readonly M[],
  keyOf: (message: M) => string,
  seen: (bench: ExampleBench) => Promise<void>,
): Promise<void> {
  const bench = new ExampleBench(example)
  await bench.createTopics()
  const send = (part: readonly M[]): Promise<unknown> =>
    produce(
      bench.names.topic(source),
      part.map((message) => {
        const { timestampMs, ...value } = message
        return { key: keyOf(message), value: JSON.stringify(value), timestamp: String(timestampMs) }
      }),
    )
  const third = Math.ceil(under.length / 3)
  await send(backlog)
  const [first, second] = [bench.worker('w1'), bench.worker('w2')]
  await Promise.all([first, second].map((worker) => worker.line(/"task is active"/)))
  await send(under.slice(0, third))
  const added = bench.worker('w3')
  await send(under.slice(third, 2 * third))
  first.kill('SIGKILL')
  await send([...under.slice(2 * third), ...ending])
  await seen(bench)
  const status = await bench.command('status')
  expect(status.stdout.join('\n')).toMatch(/has everything up to.*next due +waiting +late/)
  for (const worker of [second, added]) {
    worker.kill('SIGTERM')
    expect(await worker.exited, worker.stdout.slice(-2).join('\n')).toEqual({ code: 0, signal: null })
    expect(worker.log().filter(({ level }) => level > 40)).toEqual([])
  }
}

const isEqual =
  (topicName: string, due: readonly unknown[]) =>
  async (bench: ExampleBench): Promise<void> => {
    expect(sorted(await bench.read(topicName, due.length))).toEqual(sorted(due))
  }

it('sessions are those of a plain calculation, each once, with two workers, one added and one killed', async () => {
  const nowMs = Date.now()
  const backlog = clicksOf(40, 900, nowMs - 900 * 30_000, 30_000)
  const under = clicksOf(40, 300, nowMs + 120_000, 5_000)
  // No later than an hour: brokers refuse that.
  const timestampMs = nowMs + 3_480_000
  const ending = Array.from({ length: 100 }, (_, i) => ({ user: `end-${String(i)}`, page: '', timestampMs }))
  const due = visitsOf([...backlog, ...under], 1_800_000)
  expect(due.length).toBeGreaterThan(150)
  await live('sessions', 'clicks', backlog, under, ending, ({ user }) => user, isEqual('visits', due))
})

it('moving averages are those of a plain calculation, each once, with two workers, one added and one killed', async () => {
  const nowMs = Date.now()
  const backlog = tradesOf(20, 600, nowMs - 600 * 1_000, 1_000)
  const under = tradesOf(20, 600, nowMs + 120_000, 500)
  // Of their own windows, the first ends a minute later: the clock does not get there.
  const timestampMs = Math.ceil(nowMs / 60_000) * 60_000 + 1_800_000
  const ending = Array.from({ length: 100 }, (_, i) => ({ symbol: `end-${String(i)}`, cents: 0, timestampMs }))
  const due = averagesOf([...backlog, ...under], 300_000, 60_000)
  expect(due.length).toBeGreaterThan(300)
  await live('moving-averages', 'trades', backlog, under, ending, ({ symbol }) => symbol, isEqual('averages', due))
})

const LATENESS_MS = 1_000
const SIZE_MS = 2_000

it('the last window of a topic that goes quiet closes within the lateness and two seconds', async () => {
  const pings = topic('pings', { schema: anySchema<{ id: string }>(), key: ({ id }) => id, latenessMs: LATENESS_MS })
  const counts = topic('counts', { schema: anySchema<{ id: string; n: number }>(), key: ({ id }) => id })
  const count = windowed('count', tumbling(SIZE_MS), () => ({ n: 0 }))
  const workers = new KafkaWorkers(
    application(
      'pinging',
      from(pings).to(count, (state) => {
        state.n++
      }),
      from(count.closed)
        .map(({ key, state: { n } }) => ({ id: key, n }))
        .sink(counts),
    ),
  )
  onTestFinished(() => workers.close())
  const { names } = workers
  await createTopics(['pings', 'counts'].map((name) => ({ name: names.topic(name), partitions: 2 })))
  await workers.start('w1')
  const send = (id: string, timestampMs: number): Promise<unknown> =>
    produce(names.topic('pings'), [{ key: id, value: JSON.stringify({ id }), timestamp: String(timestampMs) }])
  // The first one finds all connections and transactions made.
  await send('warm', Date.now())
  await readCommitted(names.topic('counts'), 1)
  for (let n = 0; n < 2; n++) {
    const sentMs = Date.now()
    const endMs = Math.floor(sentMs / SIZE_MS) * SIZE_MS + SIZE_MS
    await send(`p${String(n)}`, sentMs)
    const seen = await readCommitted(names.topic('counts'), n + 2)
    const tookMs = Date.now() - endMs
    // A second beyond the lateness is left to clocks that differ.
    expect(tookMs).toBeGreaterThanOrEqual(LATENESS_MS + 1_000)
    expect(tookMs).toBeLessThan(LATENESS_MS + 2_000)
    expect(seen.find(({ key }) => key === `p${String(n)}`)?.timestampMs).toBe(endMs - 1)
  }
})
