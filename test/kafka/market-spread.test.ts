/** Market Spread on a real broker, through the command line, as a user runs it. */
import { afterEach, describe, expect, it } from 'vitest'
import { expectAllRejections } from '../support/all-rejections.js'
import { runCli } from '../support/cli.js'
import { seededRandom } from '../support/random.js'
import { events, MarketSpreadBench, type WorkerHandle } from '../support/market-spread.js'

const ACTIVE = 'task is active'
let bench: MarketSpreadBench
afterEach(async () => {
  await bench.close()
})

describe('Market Spread', () => {
  it('gives every rejection once, from produce to tail', async () => {
    bench = new MarketSpreadBench()
    await bench.createTopics()
    const worker = bench.worker('w1')
    const all = [...events(1500, 7)]
    // All quotes, then all orders: as a user would load files.
    for (const topic of ['market-data', 'orders'] as const) {
      const mine = all.filter((event) => event.topic === topic)
      const input = mine.map(({ message }) => JSON.stringify(message)).join('\n')
      const produced = await runCli(['produce', topic, '--topic-prefix', bench.prefix], { input })
      expect(produced.code, produced.stderr.join('\n')).toBe(0)
      bench.sent.push(...mine)
    }
    await bench.settled()
    await expectAllRejections(bench, 20)
    worker.kill('SIGTERM')
    expect(await worker.exited).toEqual({ code: 0, signal: null })
    expect(worker.log().at(-1)?.msg).toBe('worker stopped')
  })

  it('takes records in the order of their timestamps when it works off a backlog', async () => {
    bench = new MarketSpreadBench()
    await bench.createTopics()
    await bench.feed(events(5000, 11))
    const worker = bench.worker('w1')
    await bench.settled()
    expect(await bench.compare()).toMatchObject({ lost: [], repeated: [] })
    worker.kill('SIGTERM')
    await worker.exited
  })

  it('loses and repeats nothing while workers join, stop and are killed', async () => {
    bench = new MarketSpreadBench()
    await bench.createTopics(6)
    const [first, second] = [bench.worker('w1'), bench.worker('w2')]
    await first.line(/task is active/)
    let fed = false
    const feeding = bench.feed(events(30_000, 5), () => fed)
    await second.line(/task is active/)
    const third = bench.worker('w3')
    await third.line(/task is active/)
    second.kill('SIGKILL')
    await third.line(/"gained":\["symbol/)
    first.kill('SIGTERM')
    expect((await first.exited).code).toBe(0)
    await feeding
    fed = true
    await bench.settled()
    expect(await bench.compare()).toMatchObject({ lost: [], repeated: [] })
    third.kill('SIGTERM')
    expect((await third.exited).code).toBe(0)
  })

  it('survives being killed 20 times, replays only the tail, and wipes nothing', { timeout: 180_000 }, async () => {
    bench = new MarketSpreadBench()
    await bench.createTopics(2)
    // State that a full replay would have to read again: a tail is much less.
    await bench.feed(events(20_000, 1, 5000))
    let worker = bench.worker('w1')
    await bench.settled()
    // A clean stop, so that the store has all of it before the first kill.
    worker.kill('SIGTERM')
    await worker.exited
    worker = bench.worker('w1')
    let stop = false
    const feeding = bench.feed(events(1_000_000, 2, 5000), () => stop, 100, 2000)
    const seed = Date.now() % 1_000_000
    console.log(`kill test, seed ${String(seed)}`)
    const random = seededRandom(seed)
    for (let kill = 1; kill <= 20; kill++) {
      await moments(random, worker)
      worker.kill('SIGKILL')
      await worker.exited
      worker = bench.worker('w1')
      await worker.line(/symbol_0.*task is active/)
      await worker.line(/symbol_1.*task is active/)
      for (const line of worker.log(ACTIVE)) {
        expect(line['rebuilt']).toBe(false)
        // The store is about a second of work behind, and right after a kill that second's work is all that came meanwhile.
        // A full replay would begin at 0.
        const { replayed, replayedFrom } = line
        expect(Number(replayed), JSON.stringify(line)).toBeLessThan(Number(replayedFrom))
      }
      expect(worker.log().filter(({ msg }) => msg.includes('set aside'))).toEqual([])
    }
    stop = true
    await feeding
    await bench.settled()
    await expectAllRejections(bench)
    worker.kill('SIGTERM')
    expect((await worker.exited).code).toBe(0)
  })
})

/** A random moment under load: so many further log lines or commits can't be seen from outside, so it is time. */
const moments = (random: () => number, worker: WorkerHandle): Promise<void> =>
  new Promise((resolve, reject) => {
    setTimeout(() => {
      if (worker.running()) resolve()
      else
        reject(new Error(`the worker ended by itself:\n${[...worker.stdout.slice(-3), ...worker.stderr].join('\n')}`))
    }, random() * 600)
  })
