/**
 * The broker goes away under load, and comes back: restarted, killed, or there but without an answer. Workers wait, say so
 * once, and continue; every rejection comes out, once. Each test has a broker of its own, so that one can wait in silence
 * while another is at work.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { beforeAll, expect, it } from 'vitest'
import { expectAllRejections } from '../../support/all-rejections.js'
import { events, MarketSpreadBench } from '../../support/market-spread.js'
import { OwnBroker } from '../../support/own-broker.js'
import { until } from '../../support/until.js'

/** Longer than the session timeout of a worker (6 s), the timeout of its transactions (10 s), and that of requests. */
const SILENCE_MS = 30_000
const EVENTS_PER_SECOND = 2000

const COORDINATOR = 'waiting for the transaction coordinator'
const LAST_TRANSACTION = 'waiting for the last transaction of this id to end'
const NO_ANSWER = 'no answer yet, still trying'
const GONE = 'broker is gone, trying to reach it again'
const BACK = 'broker is back'
const UNREACHABLE = 'the group cannot be reached: trying again'
const GROUP_BACK = 'the group answers again'

const restarted = new OwnBroker()
const silent = new OwnBroker()
beforeAll(() => Promise.all([restarted.start(), silent.start()]))

/** Load before, while, and after the broker is away; resolves when all of it was worked off. */
async function under(broker: OwnBroker, fault: () => Promise<void>): Promise<void> {
  const bench = new MarketSpreadBench({ brokers: broker.brokers })
  try {
    await survives(bench, fault)
  } finally {
    await bench.close()
  }
}

async function survives(bench: MarketSpreadBench, fault: () => Promise<void>): Promise<void> {
  await bench.createTopics(2)
  await bench.feed(events(2000, 1))
  const worker = bench.worker('w1')
  await bench.caughtUp()
  let stop = false
  const feeding = bench.feed(events(1_000_000, 2), () => stop, 100, EVENTS_PER_SECOND)
  // Its failure is the test's, when it is awaited.
  feeding.catch(() => undefined)
  try {
    const before = bench.sent.length
    await until('load is on', () => bench.sent.length > before + 1000)
    await fault()
    await bench.caughtUp()
  } finally {
    stop = true
    await feeding
  }
  await bench.settled()
  await expectAllRejections(bench, 50)
  const complaints = worker.log().filter(({ level }) => level >= 40)
  expect(complaints.filter(({ level }) => level > 40)).toEqual([])
  // Said once by whoever notices: the fetcher, the group; and by tasks whose commits it broke off, which then wait.
  // So does a task that waits for its coordinator, and the look whether topics are still those that they were.
  const isForCoordinator = ({ msg }: { readonly msg: string }): boolean =>
    msg === COORDINATOR || msg.startsWith(LAST_TRANSACTION)
  const isWaiting = (line: { readonly msg: string }): boolean => isForCoordinator(line) || line.msg.endsWith(NO_ANSWER)
  const waiting = complaints.filter(isWaiting)
  expect(waiting.filter(isForCoordinator).length).toBeLessThanOrEqual(2)
  expect(waiting.filter((line) => !isForCoordinator(line)).length).toBeLessThanOrEqual(1)
  const said = complaints.filter((line) => line['task'] === undefined && !isWaiting(line)).map(({ msg }) => msg)
  expect([...said].sort()).toEqual([GONE, UNREACHABLE].filter((message) => said.includes(message)))
  expect(said).not.toEqual([])
  for (const task of ['symbol_0', 'symbol_1'])
    expect(complaints.filter((line) => line['task'] === task).length, task).toBeLessThanOrEqual(2)
  // What worked until now needs no advice on how to connect.
  expect(worker.log(GONE).filter(({ reason }) => String(reason).includes('TLS'))).toEqual([])
  await until(
    'it says that all is well again',
    () =>
      worker.log(BACK).length === worker.log(GONE).length &&
      worker.log(GROUP_BACK).length === worker.log(UNREACHABLE).length,
  )
  worker.kill('SIGTERM')
  expect(await worker.exited).toEqual({ code: 0, signal: null })
  expect(worker.stderr).toEqual([])
}

it.concurrent('a broker that is restarted under load', { timeout: 120_000 }, async () => {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const)
    await under(restarted, async () => {
      await restarted.stop(signal)
      await restarted.start()
    })
})

it.concurrent(
  'a broker that does not answer for 30 s, longer than everything waits',
  { timeout: 120_000 },
  async () => {
    await under(silent, async () => {
      silent.signal('SIGSTOP')
      await delay(SILENCE_MS)
      silent.signal('SIGCONT')
    })
  },
)
