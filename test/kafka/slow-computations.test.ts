/** Computations that hold the event loop up, on a real broker: some for longer than a session, some forever. */
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { deadLetterHeaders } from '../../src/core/processing/dead-letter.js'
import { exitCodes } from '../../src/errors.js'
import { uniqueName } from '../support/broker.js'
import { startCli, type CliProcess } from '../support/cli.js'
import { temporaryDirectory } from '../support/market-spread.js'
import { readCommitted } from '../support/read-committed.js'
import { createTopics, produce } from '../support/topics.js'

/** Longer than the session timeout of 6 s. */
const SLOW_MS = 8_000

class SlowBench {
  readonly prefix = `${uniqueName('slow')}-`
  readonly directory = temporaryDirectory()

  async createTopics(partitions: number): Promise<void> {
    await createTopics(['work', 'done'].map((name) => ({ name: `${this.prefix}${name}`, partitions })))
  }

  worker(name: string, ...flags: readonly string[]): CliProcess {
    const own = ['--name', name, '--state-dir', join(this.directory, name), '--topic-prefix', this.prefix]
    return startCli(['run', 'test/fixtures/slow.mjs', ...own, ...flags])
  }

  async send(...messages: readonly { readonly id: string; readonly ms?: number; readonly forever?: true }[]) {
    const records = messages.map((message) => ({ key: message.id, value: JSON.stringify(message) }))
    await produce(`${this.prefix}work`, records)
  }

  async done(count: number, timeoutMs: number): Promise<string[]> {
    const messages = await readCommitted(`${this.prefix}done`, count, { timeoutMs })
    return messages.map(({ value }) => value ?? '').sort()
  }
}

const linesOf = ({ stdout }: CliProcess, pattern: RegExp): string[] => stdout.filter((line) => pattern.test(line))
const result = (id: string, count: number): string => JSON.stringify({ id, count })
const stopped = async (...workers: readonly CliProcess[]): Promise<void> => {
  for (const worker of workers) worker.kill('SIGTERM')
  for (const worker of workers) expect((await worker.exited).code).toBe(0)
}

describe('a message that is computed for longer than the session timeout', { timeout: 120_000 }, () => {
  test('is computed once, by the worker that has it, and those after it follow', async () => {
    const bench = new SlowBench()
    await bench.createTopics(2)
    const workers = [bench.worker('w1'), bench.worker('w2')]
    await Promise.all(workers.map((worker) => worker.line(/task is active/)))
    await bench.send({ id: 'a', ms: SLOW_MS }, { id: 'b' }, { id: 'c' }, { id: 'd' }, { id: 'a' })
    const due = [result('a', 1), result('a', 2), result('b', 1), result('c', 1), result('d', 1)]
    expect(await bench.done(due.length, 60_000)).toEqual(due)
    const held = workers.flatMap((worker) => linesOf(worker, /a computation blocked the event loop/))
    expect(held).toHaveLength(1)
    expect(held[0]).toMatch(/"topic":"[^"]*work","partition":\d,"offset":0,"tookMs":(8|9)\d\d\d\b/)
    expect(
      workers.flatMap((worker) => linesOf(worker, /fenced|forgotten this worker|restarts from its last commit/)),
    ).toEqual([])
    await stopped(...workers)
  })

  test('and joins of others meanwhile, leave it where it is', async () => {
    const bench = new SlowBench()
    await bench.createTopics(2)
    const first = bench.worker('w1')
    await first.line(/task is active/)
    await bench.send({ id: 'a', ms: SLOW_MS }, { id: 'a', ms: SLOW_MS }, { id: 'a' })
    await first.line(/a computation blocked the event loop/, 40_000)
    const second = bench.worker('w2')
    const due = [1, 2, 3].map((count) => result('a', count))
    expect(await bench.done(due.length, 90_000)).toEqual(due)
    expect([first, second].flatMap((worker) => linesOf(worker, /a computation blocked the event loop/))).toHaveLength(2)
    await stopped(first, second)
  })
})

describe('a computation that does not end', { timeout: 120_000 }, () => {
  const endless = [{ id: 'a' }, { id: 'a', forever: true }, { id: 'a' }] as const

  test('is ended after the bound, its message is a dead letter, and the worker continues', async () => {
    const bench = new SlowBench()
    await bench.createTopics(1)
    const worker = bench.worker('w1', '--max-computation', '3000')
    await bench.send(...endless)
    expect(await bench.done(2, 60_000)).toEqual([result('a', 1), result('a', 2)])
    const [letter] = await readCommitted(`${bench.prefix}slow-dead-letters`, 1)
    expect(letter?.headers[deadLetterHeaders.code]).toBe('COMPUTATION_TOO_LONG')
    expect(letter?.headers[deadLetterHeaders.offset]).toBe('1')
    // With what the message met: { count: 1 }, packed.
    expect(letter?.headers['potoroo-state.counted']).toMatch(/count\u0001$/)
    await stopped(worker)
  })

  test('stops the worker where that was chosen, which names the message', async () => {
    const bench = new SlowBench()
    await bench.createTopics(1)
    const worker = bench.worker('w1', '--max-computation', '3000', '--on-error', 'stop')
    await bench.send(...endless)
    expect((await worker.exited).code).toBe(exitCodes.stoppedByOnError)
    expect(worker.stdout.at(-1)).toMatch(/STOPPED_BY_ON_ERROR.*work, partition 0, offset 1: COMPUTATION_TOO_LONG/)
    expect(await bench.done(1, 30_000)).toEqual([result('a', 1)])
  })
})
