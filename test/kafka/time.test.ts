/** Time on a real broker: the fraud example beside a plain calculation while workers come and die, and topics that go quiet. */
import { expect, it } from 'vitest'
import { lastCommits } from '../support/changelogs.js'
import { ExampleBench } from '../support/example-bench.js'
import { fraudAlerts, fraudPayments, type Payment } from '../support/fraud-example.js'
import { kafkaWorkers, type KafkaWorkers } from '../support/kafka-workers.js'
import { pinging } from '../support/pinging.js'
import { readCommitted } from '../support/read-committed.js'
import { produce, produceInTransaction } from '../support/topics.js'

const sorted = (values: readonly unknown[]): string[] => values.map((value) => JSON.stringify(value)).sort()

it('fraud raises the alerts that a plain calculation raises, with two workers, one added and one killed', async () => {
  const bench = new ExampleBench('fraud')
  await bench.createTopics()
  const sent: Payment[] = []
  const send = async (payments: readonly Payment[]): Promise<void> => {
    sent.push(...payments)
    const messages = payments.map(({ timestampMs, ...payment }) => ({
      key: payment.card,
      value: JSON.stringify(payment),
      timestamp: String(timestampMs),
    }))
    await produce(bench.names.topic('payments'), messages)
  }
  // What nobody was there to take: most of its probes are over when the next payment of the card comes.
  await send(fraudPayments(20, 1_200, Date.now() - 3_600_000, 2_990))
  const [first, second] = [bench.worker('w1'), bench.worker('w2')]
  await Promise.all([first, second].map((worker) => worker.line(/"task is active"/)))
  const third = bench.worker('w3')
  await send(fraudPayments(20, 200, Date.now(), 0))
  first.kill('SIGKILL')
  for (let part = 0; part < 3; part++) await send(fraudPayments(20, 200, Date.now(), 0))
  const due = fraudAlerts(sent)
  expect(due.length).toBeGreaterThan(100)
  expect(sorted(await bench.read('alerts', due.length))).toEqual(sorted(due))
  const status = await bench.command('status')
  expect(status.stdout.join('\n')).toMatch(/has everything up to.*waits for[^]*payments/)
  for (const worker of [second, third]) {
    worker.kill('SIGTERM')
    expect(await worker.exited, worker.stdout.slice(-2).join('\n')).toEqual({ code: 0, signal: null })
    expect(worker.log().filter(({ level }) => level > 40)).toEqual([])
  }
})

const WAIT_MS = 400
const LATENESS_MS = 1_000
const workersOf = kafkaWorkers(['pings', 'pongs'], 2)
async function begin(): Promise<KafkaWorkers> {
  const workers = await workersOf(pinging(WAIT_MS))
  await workers.start('w1')
  return workers
}
const messageOf = (id: string, timestampMs: number) => ({
  key: id,
  value: JSON.stringify({ id }),
  timestamp: String(timestampMs),
})

it('a timer of a topic that goes quiet fires within the lateness and two seconds', async () => {
  const { names } = await begin()
  // The first one finds all connections and transactions made.
  await produce(names.topic('pings'), [messageOf('warm', Date.now())])
  await readCommitted(names.topic('pongs'), 1)
  const tookMs: number[] = []
  for (let n = 0; n < 3; n++) {
    const sentMs = Date.now()
    await produce(names.topic('pings'), [messageOf(`p${String(n)}`, sentMs)])
    const seen = await readCommitted(names.topic('pongs'), n + 2)
    tookMs.push(Date.now() - (sentMs + WAIT_MS))
    expect(seen.find(({ key }) => key === `p${String(n)}`)?.timestampMs).toBe(sentMs + WAIT_MS)
  }
  // A second beyond the lateness is left to clocks that differ.
  expect(Math.min(...tookMs)).toBeGreaterThanOrEqual(LATENESS_MS + 1_000)
  expect(Math.max(...tookMs)).toBeLessThan(LATENESS_MS + 2_000)
  const commits = await lastCommits(names.changelog('ping'))
  expect([...commits.values()].some(({ time }) => (time?.timeMs ?? 0) > 0)).toBe(true)
})

it('a timer waits for a transaction that is open on its topic, and for what comes of it', async () => {
  const { names } = await begin()
  const sentMs = Date.now()
  await produce(names.topic('pings'), [messageOf('a', sentMs)])
  // Of the same key: it sets the timer again, and lies before it in time.
  const transaction = await produceInTransaction(
    names.topic('pings'),
    [messageOf('a', sentMs + 300)],
    `${names.group}-up`,
  )
  const isQuiet = readCommitted(names.topic('pongs'), 1, { timeoutMs: 4_000 })
  await expect(isQuiet).rejects.toThrow('0 are there')
  await transaction.commit()
  const [pong] = await readCommitted(names.topic('pongs'), 1)
  expect(pong?.timestampMs).toBe(sentMs + 300 + WAIT_MS)
})
