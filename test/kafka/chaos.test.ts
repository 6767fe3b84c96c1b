/**
 * Workers come and go at random under load, and nobody downstream notices: every rejection comes out, once. The seed is
 * printed; POTOROO_CHAOS_SEED=<seed> draws the same events again (not the same moments), POTOROO_CHAOS_EVENTS=<n> how many.
 */
import { afterEach, describe, expect, it } from 'vitest'
import { events, MarketSpreadBench, type WorkerHandle } from '../support/market-spread.js'
import { seededRandom } from '../support/random.js'
import { until } from '../support/until.js'

/** How often something happens to a worker; .ci/nightly has more happen. */
const EVENTS = Number(process.env.POTOROO_CHAOS_EVENTS ?? 8)
const MAX_WORKERS = 3
const SYMBOLS = 2000

let opened: MarketSpreadBench | undefined
afterEach(async () => {
  await opened?.close()
  opened = undefined
})

describe('hand-off', () => {
  it('goes unnoticed downstream, whatever happens to the workers', { timeout: 60_000 + 30_000 * EVENTS }, async () => {
    const seed = Number(process.env.POTOROO_CHAOS_SEED ?? Date.now() % 1_000_000)
    console.log(`chaos seed ${String(seed)}`)
    const random = seededRandom(seed)
    const bench = (opened = new MarketSpreadBench())
    await bench.createTopics(8)
    await bench.feed(events(4 * SYMBOLS, seed, SYMBOLS))
    const workers: WorkerHandle[] = []
    let started = 0
    const add = async (name = `w${String(++started)}`): Promise<void> => {
      const worker = bench.worker(name)
      workers.push(worker)
      await worker.line(/"worker started"/)
    }
    const take = (): WorkerHandle => {
      const [worker] = workers.splice(Math.floor(random() * workers.length), 1)
      if (worker === undefined) throw new Error('no worker')
      return worker
    }
    await add()
    await bench.caughtUp()
    let stop = false
    const feeding = bench.feed(events(1_000_000, seed + 1, SYMBOLS), () => stop, 50, 1500)
    const done: string[] = []
    try {
      for (let i = 0; i < EVENTS; i++) {
        const choices =
          workers.length < 2
            ? ['add']
            : workers.length < MAX_WORKERS
              ? ['add', 'stop', 'kill', 'restart', 'pause']
              : ['stop', 'kill', 'restart', 'pause']
        const what = choices[Math.floor(random() * choices.length)] ?? 'add'
        done.push(what)
        if (what === 'add') await add()
        else {
          const worker = take()
          if (what === 'kill') worker.kill('SIGKILL')
          else if (what === 'pause') {
            // Longer than the session timeout: the others continue without it, and what it was doing is discarded.
            worker.kill('SIGSTOP')
            await bench.caughtUp()
            worker.kill('SIGCONT')
            workers.push(worker)
          } else {
            worker.kill('SIGTERM')
            expect((await worker.exited).code, [worker.stdout.at(-1), ...worker.stderr].join('\n')).toBe(0)
            if (what === 'restart') await add(worker.name)
          }
        }
        await bench.caughtUp()
        for (const worker of workers) expect(worker.running(), worker.stdout.slice(-3).join('\n')).toBe(true)
      }
    } finally {
      stop = true
      await feeding
    }
    await bench.settled()
    const comparison = await bench.compare()
    expect(comparison, `seed ${String(seed)}: ${done.join(', ')}`).toMatchObject({ lost: [], repeated: [] })
    expect(comparison.right).toBeGreaterThan(100)
    // All at once: nobody waits for somebody to hand over to.
    for (const worker of workers) worker.kill('SIGTERM')
    for (const worker of workers) {
      expect((await worker.exited).code).toBe(0)
      expect(worker.log().filter(({ msg }) => msg.startsWith('not everything was handed over'))).toEqual([])
    }
  })

  it('moves a task only to a worker that is warm for it, and says so in one line', async () => {
    const bench = (opened = new MarketSpreadBench())
    await bench.createTopics(4)
    await bench.feed(events(5000, 3, 1000))
    const first = bench.worker('w1')
    await bench.settled()
    const second = bench.worker('w2')
    let stop = false
    const feeding = bench.feed(events(1_000_000, 4, 1000), () => stop, 50, 1000)
    const handOffs = await until('two hand-offs', () => {
      const lines = second.log('task was handed over')
      return lines.length === 2 && lines
    })
    for (const line of handOffs) {
      expect(line).toMatchObject({ from: 'w1', to: 'w2', reason: 'balance' })
      expect(line['pauseMs']).toBeGreaterThanOrEqual(0)
    }
    // It followed the changelog before it was given anything: what was left to replay is the tail.
    const assigned = second.log('tasks assigned')
    expect(assigned[0]).toMatchObject({ active: [], standby: ['symbol_2', 'symbol_3'] })
    for (const line of second.log('task is active')) expect(line['replayed']).toBeLessThan(1000)
    first.kill('SIGTERM')
    expect((await first.exited).code).toBe(0)
    await until('the stopped worker has handed over', () => second.log('task was handed over').length === 4)
    expect(second.log('task was handed over').at(-1)).toMatchObject({ reason: 'owner leaves' })
    stop = true
    await feeding
    await bench.settled()
    expect(await bench.compare()).toMatchObject({ lost: [], repeated: [] })
    second.kill('SIGTERM')
    await second.exited
  })
})
