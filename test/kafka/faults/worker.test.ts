/** A worker's own trouble: somebody takes its transactional ids, or there is more input than memory. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { KafkaJSProtocolError } from 'kafkajs'
import { afterEach, expect, it } from 'vitest'
import { expectAllRejections } from '../../support/all-rejections.js'
import { startCli } from '../../support/cli.js'
import { LEDGER, LedgerBench } from '../../support/ledger.js'
import { events, MarketSpreadBench } from '../../support/market-spread.js'
import { testKafka } from '../../support/topics.js'
import { until } from '../../support/until.js'

/** INVALID_PRODUCER_EPOCH */
const FENCED = 47

let bench: MarketSpreadBench | undefined
afterEach(async () => {
  await bench?.close()
})

it('a foreign producer that takes the transactional ids under load fences nobody for good', async () => {
  bench = new MarketSpreadBench()
  await bench.createTopics(2)
  await bench.feed(events(1000, 31))
  const worker = bench.worker('w1')
  await bench.settled()
  let stop = false
  const feeding = bench.feed(events(1_000_000, 32), () => stop, 50, 1000)
  feeding.catch(() => undefined)
  try {
    for (let round = 1; round <= 3; round++)
      for (const task of ['symbol_0', 'symbol_1']) {
        const times = worker.log('task is active').filter((line) => line['task'] === task).length
        const transactionalId = `${bench.prefix}market-spread-${task.replace('_', '-')}`
        const foreign = testKafka().producer({ transactionalId, idempotent: true, maxInFlightRequests: 1 })
        await foreign.connect()
        // InitProducerId: the task's epoch is over. What is left open here is ended when the task takes over again, which
        // it may have done by now.
        const transaction = await foreign.transaction()
        await transaction
          .send({ topic: bench.topic('rejections'), messages: [{ key: 'x', value: 'foreign' }] })
          .catch((error: unknown) => {
            if (!(error instanceof KafkaJSProtocolError && error.code === FENCED)) throw error
          })
        await until(
          `${task} is fenced, and active again`,
          () => worker.log('task is active').filter((line) => line['task'] === task).length > times,
        )
        await foreign.disconnect()
      }
  } finally {
    stop = true
    await feeding
  }
  await bench.settled()
  expect(worker.log('fenced: another activation of this task started').length).toBeGreaterThanOrEqual(6)
  await expectAllRejections(bench)
  worker.kill('SIGTERM')
  expect((await worker.exited).code).toBe(0)
})

it('a clock that jumps back by an hour, and forward again, changes nothing', async () => {
  bench = new MarketSpreadBench({ env: { NODE_OPTIONS: '--import ./test/fixtures/clock-back.mjs' } })
  await bench.createTopics(2)
  await bench.feed(events(1000, 33))
  const worker = bench.worker('w1')
  await bench.settled()
  worker.kill('SIGUSR2')
  await bench.feed(events(1000, 34))
  await bench.settled()
  worker.kill('SIGTERM')
  expect((await worker.exited).code).toBe(0)
  const times = worker.log().map(({ time }) => Number(time))
  expect(times[0]).toBeGreaterThan(Number(times.at(-1)) + 3_000_000)
  // It starts again with a store that was written an hour ago, and then with one that will be written in an hour.
  for (const jump of [false, true]) {
    const next = bench.worker('w1')
    await next.line(/symbol_0.*task is active/)
    await next.line(/symbol_1.*task is active/)
    if (jump) next.kill('SIGUSR2')
    await bench.feed(events(500, 35))
    await bench.settled()
    expect(next.log().filter(({ level }) => level >= 40)).toEqual([])
    expect(next.log('task is active').map(({ rebuilt }) => rebuilt)).toEqual([false, false])
    next.kill('SIGTERM')
    expect((await next.exited).code).toBe(0)
  }
  await expectAllRejections(bench)
})

const BACKLOG_BYTES = 160 * 1024 * 1024
const VALUE_BYTES = 1000
/**
 * JavaScript's heap. Beside it: fetched records (8 MiB for each input by default), Node itself (some 60 MiB), what LMDB maps,
 * and what the allocator keeps.
 */
const HEAP_MIB = 96
const BOUND_MIB = 310

it('memory stays bounded under a backlog that is larger than it', { timeout: 120_000 }, async () => {
  const ledger = new LedgerBench()
  await ledger.createTopics({}, 4)
  const count = Math.ceil(BACKLOG_BYTES / VALUE_BYTES)
  const accounts = 20_000
  const expected = new Map<string, number>()
  const producer = testKafka().producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  // Per partition less than a broker takes in one batch.
  const perSend = 2000
  for (let sent = 0; sent < count; sent += perSend) {
    const messages = Array.from({ length: Math.min(perSend, count - sent) }, (_, i) => {
      const account = `account-${String((sent + i) % accounts)}`
      const add = sent + i
      expected.set(account, (expected.get(account) ?? 0) + add)
      return { key: account, value: JSON.stringify({ account, add, pad: 'x'.repeat(VALUE_BYTES) }) }
    })
    await producer.send({ topic: ledger.topic('commands'), messages })
  }
  await producer.disconnect()
  // Commits that are not due for long: nothing but the bounds makes room.
  const seldom = ['--commit-interval', '3000', '--backlog-commit-interval', '3000']
  const place = ['--name', 'w1', '--state-dir', join(ledger.directory, 'w1'), '--topic-prefix', ledger.prefix]
  const worker = startCli(['run', LEDGER, ...place, ...seldom], {
    env: { NODE_OPTIONS: `--max-old-space-size=${String(HEAP_MIB)}` },
  })
  const balances = await ledger.read('balances', count)
  const last = new Map(
    balances.map(({ value }) => {
      const { account, balance } = JSON.parse(value ?? '') as { account: string; balance: number }
      return [account, balance]
    }),
  )
  expect(last).toEqual(expected)
  const peakMib =
    Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${String(worker.pid)}/status`, 'utf8'))?.[1]) / 1024
  console.log(`a backlog of ${String(BACKLOG_BYTES >> 20)} MiB took ${peakMib.toFixed(0)} MiB at most`)
  expect(peakMib).toBeLessThan(BOUND_MIB)
  worker.kill('SIGTERM')
  expect(await worker.exited).toEqual({ code: 0, signal: null })
  expect(worker.stderr).toEqual([])
})
