/**
 * A rolling deployment on a real broker: workers of two versions of an application in one group, of which the newer has a
 * state object, a sub-topology and a repartition more, and changes the manifest while the older ones work.
 */
import { afterEach, expect, it, vi } from 'vitest'
import { application, from, stateObject, startWorker, topic, type RunningWorker } from '../../src/index.js'
import { testBrokers, uniqueName } from '../support/broker.js'
import { readCommitted } from '../support/read-committed.js'
import { anySchema } from '../support/schemas.js'
import { silentLogger } from '../support/silent-logger.js'
import { temporaryFolder } from '../support/temporary.js'
import { createTopics, produce } from '../support/topics.js'
import { until } from '../support/until.js'

vi.setConfig({ testTimeout: 120_000 })

interface Item {
  readonly id: number
  readonly key: string
}
const next = (state: { n: number }, { id, key }: Item) => ({ id, key, n: ++state.n })
const KEYS = Array.from({ length: 20 }, (_, i) => `k${String(i)}`)
const TASKS = 4

const running: RunningWorker[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((worker) => worker.stop()))
})

it('old and new workers side by side lose, repeat and forget nothing', async () => {
  const name = uniqueName('rolling')
  const [orders, sums, totals] = ['orders', 'sums', 'totals'].map((one) =>
    topic(`${name}-${one}`, { schema: anySchema<Item>(), key: ({ key }) => key }),
  )
  if (!orders || !sums || !totals) return expect.unreachable()
  const topics = [orders, sums, totals].map((one) => ({ name: one.name, partitions: TASKS }))
  await createTopics(topics)
  const sum = stateObject('sum', () => ({ n: 0 }))
  const total = stateObject('total', () => ({ n: 0 }))
  const ofOrders = () => from(orders).to(sum, next).sink(sums)
  const older = application(name, ofOrders())
  const newer = application(
    name,
    from(orders)
      .keyBy(({ key }) => key)
      .to(total, next)
      .sink(totals),
    ofOrders(),
  )
  const folder = temporaryFolder()
  const start = async (worker: string, app: typeof older): Promise<RunningWorker> => {
    const started = await startWorker(app, {
      brokers: testBrokers(),
      name: worker,
      stateDir: `${folder}/${worker}`,
      replicationFactor: 1,
      logger: silentLogger,
    })
    running.push(started)
    return started
  }
  let sent = 0
  const send = async (rounds: number): Promise<void> => {
    for (let round = 0; round < rounds; round++)
      await produce(
        orders.name,
        KEYS.map((key) => ({ key, value: JSON.stringify({ id: ++sent, key }) })),
      )
  }
  const tasksOf = (workers: readonly RunningWorker[]): string[] => workers.flatMap(({ active }) => active).sort()
  const all = (...subTopologies: readonly string[]): string[] =>
    subTopologies.flatMap((sub) => Array.from({ length: TASKS }, (_, p) => `${sub}_${String(p)}`)).sort()
  const have = (workers: readonly RunningWorker[], tasks: readonly string[]): Promise<unknown> =>
    until(`${workers.map((one) => one.name).join(' and ')} have ${tasks.join(', ')}`, () => {
      return tasksOf(workers).join() === tasks.join()
    })

  const [old1, old2] = [await start('old-1', older), await start('old-2', older)]
  await send(5)
  await have([old1, old2], all('sum'))
  await readCommitted(sums.name, sent)
  const before = sent
  const new1 = await start('new-1', newer)
  // It writes to a repartition now, so the sub-topology of `sum` is another one.
  await have([new1], all('sum', 'total'))
  expect(tasksOf([old1, old2])).toEqual([])
  await old1.stop()
  const again = await start('old-1', older)
  await send(5)
  expect(tasksOf([again, old2])).toEqual([])
  const new2 = await start('new-2', newer)
  await send(5)
  await until('both share each sub-topology', () =>
    [new1, new2].every(({ active }) =>
      ['sum', 'total'].every((sub) => active.filter((task) => task.startsWith(sub)).length === TASKS / 2),
    ),
  )
  await Promise.all([again.stop(), old2.stop()])
  await send(5)

  const check = async (of: string, count: number): Promise<void> => {
    const results = (await readCommitted(of, count)).map(
      ({ value }) => JSON.parse(String(value)) as Item & { n: number },
    )
    expect(new Set(results.map(({ id }) => id)).size).toBe(count)
    for (const key of KEYS) {
      const own = results.filter((result) => result.key === key)
      expect(own.map(({ n }) => n)).toEqual(own.map((_, i) => i + 1))
    }
  }
  await check(sums.name, sent)
  // All that new workers took has gone through the repartition.
  await check(totals.name, sent - before)
})
