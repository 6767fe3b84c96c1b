/** Records that a real broker refuses: what is wrong with one must not hold up the others, nor its task forever. */
import { expect, it } from 'vitest'
import { deadLetterHeaders } from '../../src/core/processing/dead-letter.js'
import { exitCodes } from '../../src/errors.js'
import { alterTopic } from '../support/alter-topic.js'
import { LedgerBench } from '../support/ledger.js'

const HOUR_MS = 3_600_000
/** In the log's order, as `bench.send` places them, each with a time of its own. */
const command = (add: number, timestampMs: number) => ({
  key: 'a',
  value: JSON.stringify({ account: 'a', add }),
  timestamp: String(timestampMs),
})

it('an output whose timestamp the sink refuses goes to the dead letters, and the messages beside it continue', async () => {
  const bench = new LedgerBench()
  await bench.createTopics({ balances: { 'message.timestamp.before.max.ms': String(HOUR_MS) } })
  const nowMs = Date.now()
  await bench.send(command(10, nowMs - 2 * HOUR_MS), command(1, nowMs - 2), command(2, nowMs - 1))
  const worker = bench.worker()
  expect(await bench.balances(2)).toEqual([1, 3])
  const [letter] = await bench.read('ledger-dead-letters', 1)
  expect(letter?.headers).toMatchObject({
    [deadLetterHeaders.code]: 'RECORD_REFUSED',
    [deadLetterHeaders.offset]: '0',
  })
  expect(letter?.headers[deadLetterHeaders.message]).toMatch(
    new RegExp(`topic ${bench.topic('balances')}, partition 0, key 'a': .*INVALID_TIMESTAMP.*out of range`),
  )
  expect(await worker.line(/a record went to the dead letters/)).toMatch(/"offset":0/)
  worker.kill('SIGTERM')
  expect((await worker.exited).code).toBe(0)
})

it('where onError is stop, the worker ends, and names the message and what refused its output', async () => {
  const bench = new LedgerBench()
  await bench.createTopics({ balances: { 'message.timestamp.before.max.ms': String(HOUR_MS) } })
  const nowMs = Date.now()
  await bench.send(command(1, nowMs - 2), command(10, nowMs - 2 * HOUR_MS))
  const worker = bench.worker('w1', '--on-error', 'stop')
  expect((await worker.exited).code).toBe(exitCodes.stoppedByOnError)
  const last = worker.stdout.at(-1) ?? ''
  expect(last).toContain(`${bench.topic('commands')}, partition 0, offset 1: RECORD_REFUSED`)
  expect(await bench.balances(1)).toEqual([1])
})

it('dead letters that are refused themselves end the worker instead of holding its task up forever', async () => {
  const bench = new LedgerBench()
  await bench.createTopics()
  const first = bench.worker()
  await bench.send({ add: 1 })
  expect(await bench.balances(1)).toEqual([1])
  // Until here the worker knows that it takes a dead letter of any size.
  await alterTopic(bench.topic('ledger-dead-letters'), { 'max.message.bytes': '100' })
  await bench.send({ add: 10, fail: 'on purpose' })
  expect((await first.exited).code).toBe(exitCodes.failure)
  const last = first.stdout.at(-1) ?? ''
  expect(last).toContain('REQUEST_REFUSED')
  expect(last).toContain(`${bench.topic('commands')}, partition 0, offset 1 can't be skipped`)
  expect(last).toContain(`topic ${bench.topic('ledger-dead-letters')}, partition 0`)
  // Started again, it knows that dead letters of no size are taken: a supervisor does not start it once more.
  const second = bench.worker()
  expect((await second.exited).code).toBe(exitCodes.usage)
  expect(second.stdout.at(-1)).toMatch(/INVALID_CONFIGURATION.*too few even for a dead letter without its contents/)
  expect(await bench.balances(1)).toEqual([1])
})

it('a worker whose clock is two hours ahead works, and says so once; put right, it gives records its time again', async () => {
  const bench = new LedgerBench()
  await bench.createTopics()
  await bench.send({ add: 1 }, { add: 10, fail: 'on purpose' }, { add: 2 })
  const worker = bench.workerWith({ env: { NODE_OPTIONS: '--import ./test/fixtures/clock-ahead.mjs' } }, 'w1')
  expect(await bench.balances(2)).toEqual([1, 3])
  const changelog = bench.topic('ledger-ledger-changelog')
  const said = worker.stdout.filter((line) => line.includes("rejects this worker's timestamps"))
  expect(said).toHaveLength(1)
  expect(said[0]).toMatch(new RegExp(`"topic":"${changelog}".*should be within`))
  const [letter] = await bench.read('ledger-dead-letters', 1)
  expect([letter?.timestampMs, letter?.headers[deadLetterHeaders.code]]).toEqual([-1, 'COMPUTATION_FAILED'])
  worker.kill('SIGUSR2')
  await bench.send({ add: 10, fail: 'again' })
  const [, later] = await bench.read('ledger-dead-letters', 2)
  expect(Math.abs(Number(later?.timestampMs) - Date.now())).toBeLessThan(60_000)
  worker.kill('SIGTERM')
  expect((await worker.exited).code).toBe(0)
  // Whoever replays the changelog takes records without a time, too.
  const other = bench.worker('w2')
  await bench.send({ add: 4 })
  expect(await bench.balances(3)).toEqual([1, 3, 7])
  other.kill('SIGTERM')
  expect((await other.exited).code).toBe(0)
})
