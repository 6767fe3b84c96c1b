/**
 * Hand-off in bigger steps, under load: several workers at once, some of which die, or whose broker does. Nothing is lost
 * or repeated, and the group comes to rest: shares balanced, and no more rebalances than there were steps to take. The
 * broker is this file's own.
 */
import { afterEach, beforeAll, expect, it, vi } from 'vitest'
import type { StatusReport } from '../../src/cli/status/report.js'
import { runCli } from '../support/cli.js'
import { APPLICATION, events, MarketSpreadBench, type LogLine, type WorkerHandle } from '../support/market-spread.js'
import { OwnBroker } from '../support/own-broker.js'
import { withAdmin } from '../support/topics.js'
import { until } from '../support/until.js'

const TASKS = 8
const SYMBOLS = 2000
const EVENTS_PER_SECOND = 1500
/** So many that a group which rebalances again and again is seen to do so: a rebalance takes less than a second of load. */
const EVENTS_AT_REST = 1500

// What a step waits for has limits of its own, which say what it was.
vi.setConfig({ testTimeout: 180_000 })

const broker = new OwnBroker()
beforeAll(() => broker.start())

let bench: MarketSpreadBench
afterEach(async () => {
  await bench.close()
})

const assignments = (worker: WorkerHandle): LogLine[] => worker.log('tasks assigned')
const listOf = (line: LogLine | undefined, field: 'active' | 'standby'): readonly string[] =>
  (line?.[field] ?? []) as readonly string[]
const generationOf = (line: LogLine | undefined): number => Number(line?.['generation'] ?? -1)

/** Highest generation of the group that any of them, alive or not, has seen. */
const latest = (workers: readonly WorkerHandle[]): number =>
  Math.max(...workers.flatMap((worker) => assignments(worker).map(generationOf)))

/** Whether all are in one generation, share the tasks evenly, and warm up for nothing more. */
function isBalanced(workers: readonly WorkerHandle[]): boolean {
  const lines = workers.map((worker) => assignments(worker).at(-1))
  const shares = lines.map((line) => listOf(line, 'active').length)
  return (
    new Set(lines.map(generationOf)).size === 1 &&
    new Set(lines.flatMap((line) => listOf(line, 'active'))).size === TASKS &&
    Math.max(...shares) - Math.min(...shares) <= 1 &&
    lines.every((line) => listOf(line, 'standby').length === 0)
  )
}

const lastWords = ({ name, stdout, stderr }: WorkerHandle): string =>
  `${name} ended:\n${[...stdout.slice(-3), ...stderr].join('\n')}`

class Scene {
  /** In the order of their starts, those that have ended among them. */
  readonly all: WorkerHandle[] = []

  get running(): readonly WorkerHandle[] {
    return this.all.filter((worker) => worker.running())
  }

  start(name: string): WorkerHandle {
    const worker = bench.worker(name)
    this.all.push(worker)
    return worker
  }

  async stop(worker: WorkerHandle): Promise<void> {
    worker.kill('SIGTERM')
    expect((await worker.exited).code, worker.stdout.at(-1)).toBe(0)
  }

  /** Resolves when the running ones have come to rest and stay there while load goes on. */
  async atRest(): Promise<void> {
    const { running } = this
    await withAdmin(
      (admin) =>
        until(
          'the tasks are shared evenly, and the group is theirs alone',
          async () => {
            for (const worker of running) if (!worker.running()) throw new Error(lastWords(worker))
            if (!isBalanced(running)) return false
            const [group] = (await admin.describeGroups([bench.group])).groups
            return group?.state === 'Stable' && group.members.length === running.length
          },
          60_000,
        ),
      [broker.brokers],
    )
    // The group may be ahead of what its members have logged: not of those that have gone on with every task since.
    await bench.caughtUp()
    const generation = latest(this.all)
    const before = bench.sent.length
    await until('more load', () => bench.sent.length >= before + EVENTS_AT_REST)
    await bench.caughtUp()
    expect(latest(this.all), 'the generation, at rest').toBe(generation)
    expect(isBalanced(running)).toBe(true)
  }

  async status(): Promise<StatusReport> {
    const { stdout } = await runCli(['status', APPLICATION, '--topic-prefix', bench.prefix, '--json'], {
      env: { KAFKA_BROKERS: broker.brokers },
    })
    return JSON.parse(stdout[0] ?? '') as StatusReport
  }
}

/** Steps under load, from one worker that has all tasks and their state; then everything has to have come out, once. */
async function underLoad(steps: (scene: Scene, first: WorkerHandle) => Promise<void>): Promise<void> {
  bench = new MarketSpreadBench({ brokers: broker.brokers })
  await bench.createTopics(TASKS)
  const seed = Date.now() % 1_000_000
  await bench.feed(events(4 * SYMBOLS, seed, SYMBOLS))
  const scene = new Scene()
  const first = scene.start('w1')
  await bench.settled()
  let stop = false
  const feeding = bench.feed(events(10_000_000, seed + 1, SYMBOLS), () => stop, 50, EVENTS_PER_SECOND)
  // Its failure is the test's, when it is awaited.
  feeding.catch(() => undefined)
  try {
    await steps(scene, first)
  } finally {
    stop = true
    await feeding
  }
  await bench.settled()
  const comparison = await bench.compare()
  expect(comparison, `seed ${String(seed)}`).toMatchObject({ lost: [], repeated: [] })
  expect(comparison.right).toBeGreaterThan(100)
  const complaints = scene.all.flatMap((worker) => worker.log().filter(({ level }) => level > 40))
  expect(complaints).toEqual([])
  for (const worker of scene.running) worker.kill('SIGTERM')
  for (const worker of scene.running) expect((await worker.exited).code).toBe(0)
}

/** Tasks that were handed over to any of these while their owner lived. */
const handOffs = (workers: readonly WorkerHandle[]): LogLine[] =>
  workers.flatMap((worker) => worker.log('task was handed over'))

/** Strikes while a joiner warms up. It may be too quick for that, or this process too slow: then there is another one. */
async function strikeJoiner(
  scene: Scene,
  strike: (joiner: WorkerHandle) => Promise<void>,
  undo: () => Promise<void> = () => Promise.resolve(),
): Promise<WorkerHandle> {
  for (let n = 2; n < 7; n++) {
    const joiner = scene.start(`w${String(n)}`)
    await until('it is given tasks', () => assignments(joiner).some((line) => listOf(line, 'standby').length > 0))
    await strike(joiner)
    if (joiner.log('task is active').length === 0) return joiner
    await undo()
    joiner.kill('SIGKILL')
    await joiner.exited
    await scene.atRest()
  }
  throw new Error('no joiner was struck while it warmed up')
}

/** Calls it, and gives what happened meanwhile: tasks that were handed over, and generations of the group. */
async function counted(scene: Scene, call: () => Promise<void>): Promise<{ moved: LogLine[]; generations: number }> {
  const [generation, before] = [latest(scene.all), new Set(handOffs(scene.all).map(nameOf))]
  await call()
  return {
    moved: handOffs(scene.all).filter((line) => !before.has(nameOf(line))),
    generations: latest(scene.all) - generation,
  }
}
const nameOf = (line: LogLine): string => `${String(line['task'])} ${String(line['atMs'])}`

it('one worker becomes four at once, and four one', async () => {
  await underLoad(async (scene, first) => {
    const joiners: WorkerHandle[] = []
    const up = await counted(scene, async () => {
      joiners.push(...['w2', 'w3', 'w4'].map((name) => scene.start(name)))
      await scene.atRest()
    })
    expect(up.moved.length).toBeGreaterThanOrEqual(6)
    // One for each that joins, and one for each task that becomes warm, unless they share them.
    expect(up.generations).toBeLessThanOrEqual(3 + up.moved.length)
    const { state, workers, tasks } = await scene.status()
    expect(state).toBe('stable')
    expect(workers.map(({ worker, live, leaving, active }) => [worker, live, leaving, active.length])).toEqual(
      ['w1', 'w2', 'w3', 'w4'].map((name) => [name, true, false, 2]),
    )
    expect(tasks.map((task) => task.state)).toEqual(Array.from({ length: TASKS }, () => 'running'))

    const down = await counted(scene, async () => {
      await Promise.all(joiners.map((worker) => scene.stop(worker)))
      await scene.atRest()
    })
    expect(down.moved.filter(({ to }) => to === 'w1')).toHaveLength(6)
    for (const { reason } of down.moved) expect(reason).toBe('owner leaves')
    expect(listOf(assignments(first).at(-1), 'active')).toHaveLength(TASKS)
    // One for each that says that it stops, one for each task that becomes warm, one for each that goes.
    expect(down.generations).toBeLessThanOrEqual(3 + down.moved.length + 3)
  })
})

it('all workers are restarted, one after the other', async () => {
  await underLoad(async (scene) => {
    scene.start('w2')
    scene.start('w3')
    await scene.atRest()
    const { moved, generations } = await counted(scene, async () => {
      for (const worker of scene.running) {
        await scene.stop(worker)
        // As soon as it runs the next one goes, whatever it has by then.
        await scene.start(worker.name).line(/"worker started"/)
      }
      await scene.atRest()
    })
    // Each of the three says that it stops, goes, and joins again; and each task that moves becomes warm.
    expect(generations).toBeLessThanOrEqual(3 * 3 + moved.length)
  })
})

it('a worker is killed while it warms up, and others do what it was to do', async () => {
  await underLoad(async (scene, first) => {
    const dead = await strikeJoiner(scene, async (joiner) => {
      joiner.kill('SIGKILL')
      await joiner.exited
    })
    const death = await counted(scene, () => scene.atRest())
    // That it is gone is one rebalance, in which nothing moves.
    expect(death.moved).toEqual([])
    expect(death.generations).toBeLessThanOrEqual(1)
    expect(listOf(assignments(first).at(-1), 'active')).toHaveLength(TASKS)
    const { moved, generations } = await counted(scene, async () => {
      scene.start(dead.name)
      scene.start('another')
      await scene.atRest()
    })
    expect(moved.length).toBeGreaterThanOrEqual(5)
    expect(generations).toBeLessThanOrEqual(2 + moved.length)
  })
})

it('two workers join in one rebalance', async () => {
  await underLoad(async (scene, first) => {
    const joiners: WorkerHandle[] = []
    const { moved, generations } = await counted(scene, async () => {
      // The group waits for it to join again, and takes in who comes meanwhile.
      first.kill('SIGSTOP')
      joiners.push(scene.start('w2'), scene.start('w3'))
      await withAdmin(
        async (admin) => {
          await until('both have asked to join', async () => {
            const [group] = (await admin.describeGroups([bench.group])).groups
            return group?.state === 'PreparingRebalance' && group.members.length === 3
          })
        },
        [broker.brokers],
      )
      first.kill('SIGCONT')
      await scene.atRest()
    })
    expect(new Set(joiners.map((worker) => generationOf(assignments(worker)[0]))).size).toBe(1)
    expect(moved).toHaveLength(5)
    for (const line of moved) expect(line).toMatchObject({ from: 'w1', reason: 'balance' })
    expect(generations).toBeLessThanOrEqual(1 + moved.length)
  })
})

it('the broker is killed and started again while a worker warms up', async () => {
  await underLoad(async (scene) => {
    const joiner = await strikeJoiner(
      scene,
      () => broker.stop('SIGKILL'),
      () => broker.start(),
    )
    await broker.start()
    await scene.atRest()
    const moved = handOffs([joiner])
    expect(moved).toHaveLength(4)
    for (const line of moved) expect(line).toMatchObject({ from: 'w1', reason: 'balance' })
  })
})
