/**
 * How a worker starts and ends: told to stop at any moment, with a logger that throws, with something that fails on the
 * way. A rejection that nobody handles fails the test run, too.
 */
import { describe, expect, test } from 'vitest'
import { definitionOf } from '../../../src/api/application.js'
import { MemoryCluster } from '../../../src/memory/cluster.js'
import { noFaults } from '../../../src/memory/faults.js'
import { MemoryPeerNetwork } from '../../../src/memory/peers.js'
import { SeededRandom } from '../../../src/memory/random.js'
import { Scheduler } from '../../../src/memory/scheduler.js'
import { MemoryDisk } from '../../../src/memory/stores.js'
import type { Logger } from '../../../src/ports/logger.js'
import { defaults, type Ports } from '../../../src/runtime/options.js'
import { Worker } from '../../../src/runtime/worker.js'
import { APPLICATION, simulated } from '../../sim/application.js'
import { silentLogger } from '../../support/silent-logger.js'

class TestWorkers {
  readonly scheduler = new Scheduler()
  readonly cluster = new MemoryCluster({ scheduler: this.scheduler, faults: noFaults })
  readonly #network = new MemoryPeerNetwork(this.scheduler)

  constructor() {
    for (const name of ['quotes', 'orders', 'checked', 'noted']) this.cluster.createTopic({ name, partitions: 2 })
  }

  worker(name: string, change: (ports: Ports) => Partial<Ports> = () => ({})): Worker {
    const process = this.scheduler.process(name)
    const ports: Ports = {
      log: this.cluster.log({ process }),
      stores: new MemoryDisk().open({ process }),
      peers: this.#network.peers({ process, address: name }),
      clock: process.clock,
      random: new SeededRandom(1),
      logger: silentLogger,
    }
    return new Worker(definitionOf(simulated), { ...defaults, name }, { ...ports, ...change(ports) })
  }

  get members(): number {
    return this.cluster.describeGroup(APPLICATION).members.length
  }
}

/** As a promise that says how it went. */
const outcomeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'resolved',
    (error: unknown) => String(error),
  )

describe('a worker that is told to stop while it starts', () => {
  // Every 0.1 ms of a start, and a while after it.
  const moments = Array.from({ length: 60 }, (_, i) => i / 10)

  test('starts no more, resolves, and leaves no member behind that others would wait for', async () => {
    const left: string[] = []
    for (const afterMs of moments) {
      const world = new TestWorkers()
      const { scheduler } = world
      await scheduler.run(world.worker('w0').start())
      await scheduler.advance(1_000)
      const worker = world.worker('w1')
      const started = outcomeOf(worker.start())
      await scheduler.advance(afterMs)
      await scheduler.run(worker.stop(), 5_000)
      const outcomes = await scheduler.run(Promise.all([started, outcomeOf(worker.ended)]))
      if (outcomes.join() !== 'resolved,resolved') left.push(`after ${String(afterMs)} ms: ${outcomes.join()}`)
      // Nobody is waited for when another one joins.
      await scheduler.run(world.worker('w2').start())
      const beganMs = scheduler.elapsedMs
      const isSettled = () => world.members === 2 && world.cluster.describeGroup(APPLICATION).state === 'stable'
      await scheduler.until(isSettled, 120_000)
      const tookMs = scheduler.elapsedMs - beganMs
      if (tookMs > 1_000) left.push(`after ${String(afterMs)} ms: the next one waits ${String(tookMs)} ms for it`)
    }
    expect(left).toEqual([])
  })

  test('and before it starts, never does', async () => {
    const world = new TestWorkers()
    const worker = world.worker('w1')
    await world.scheduler.run(worker.stop())
    expect(await world.scheduler.run(outcomeOf(worker.start()))).toBe('resolved')
    await world.scheduler.advance(10_000)
    expect(world.members).toBe(0)
  })
})

test('a second stop does not cut the first one short', async () => {
  const world = new TestWorkers()
  const { scheduler } = world
  const [one, two] = [world.worker('w1'), world.worker('w2')]
  for (const worker of [one, two]) {
    await scheduler.run(worker.start())
    await scheduler.advance(20_000)
  }
  expect([one.active.length, two.active.length]).toEqual([1, 1])
  const stopped = Promise.all([one.stop(), one.stop()])
  // Its task is handed over before it goes.
  await scheduler.until(() => two.active.length === 2)
  await scheduler.run(stopped, 60_000)
  expect(world.members).toBe(1)
})

describe('a logger that throws, or rejects,', () => {
  const fail = (): never => {
    throw new Error('the logger failed')
  }
  // As an asynchronous function would, where the types ask for none.
  const reject = (): unknown => Promise.reject(new Error('the logger failed'))

  test.each([
    ['throws', fail],
    ['rejects', reject],
  ])('%s: stops nothing, and nothing of it is left unhandled', async (_, method) => {
    const world = new TestWorkers()
    const { scheduler } = world
    const logger: Logger = { debug: method, info: method, warn: method, error: method }
    const worker = world.worker('w1', () => ({ logger }))
    await scheduler.run(worker.start())
    await scheduler.until(() => worker.active.length === 2)
    await scheduler.run(worker.stop(), 60_000)
    expect(await outcomeOf(worker.ended)).toBe('resolved')
  })
})

describe('what fails on the way to the end', () => {
  const broken = new Error('broken')
  const failing = (): Promise<never> => Promise.reject(broken)

  test.each<[string, (ports: Ports) => Partial<Ports>]>([
    ['peers', ({ peers }) => ({ peers: { ...bound(peers), close: failing } })],
    ['log', ({ log }) => ({ log: { ...bound(log), close: failing } })],
    ['stores', ({ stores }) => ({ stores: { ...bound(stores), close: failing } })],
    [
      'peers, at once',
      ({ peers }) => ({
        peers: {
          ...bound(peers),
          close: () => {
            throw broken
          },
        },
      }),
    ],
  ])('(%s) keeps nothing else from being closed, and `ended` from nothing', async (_, change) => {
    const world = new TestWorkers()
    const { scheduler } = world
    const worker = world.worker('w1', change)
    await scheduler.run(worker.start())
    await scheduler.until(() => worker.active.length === 2)
    await scheduler.run(worker.stop(), 60_000)
    expect(await outcomeOf(worker.ended)).toBe('resolved')
    expect(world.members).toBe(0)
  })
})

test('a transition that fails ends the worker, which says so, and is no unhandled rejection', async () => {
  const world = new TestWorkers()
  const { scheduler } = world
  // Nothing that is called there throws by its contract: this one breaks it.
  let isBroken = false
  const worker = world.worker('w1', ({ log }) => ({
    log: {
      ...bound(log),
      fetcher: () => {
        const fetcher = log.fetcher()
        const remove: typeof fetcher.remove = (input) => {
          if (isBroken) throw new Error('broken')
          fetcher.remove(input)
        }
        return { ...bound(fetcher), remove }
      },
    },
  }))
  await scheduler.run(worker.start())
  await scheduler.until(() => worker.active.length === 2)
  isBroken = true
  await scheduler.run(world.worker('w2').start())
  expect(await scheduler.run(outcomeOf(worker.ended), 60_000)).toMatch(/broken/)
})

/** Its methods as properties, to put others beside. */
function bound<T extends object>(port: T): T {
  const names = Object.getOwnPropertyNames(Object.getPrototypeOf(port)).filter((name) => name !== 'constructor')
  const methods = names.map((name) => {
    const method: unknown = Reflect.get(port, name)
    return [name, typeof method === 'function' ? (method.bind(port) as unknown) : method] as const
  })
  return Object.fromEntries(methods) as T
}
