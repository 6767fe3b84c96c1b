/**
 * Rolling deployments: workers of two versions of an application side by side, in both directions. What both have goes on as
 * if there were one version; what only one has is processed without a gap once that one has begun (assignor.ts, rule 14).
 */
import { describe, expect, it } from 'vitest'
import { application, from, merge, stateObject, topic, type Application, type Pipeline } from '../../../src/index.js'
import { definitionOf } from '../../../src/api/application.js'
import { decodeCommitRecord, isCommitKey } from '../../../src/core/commit/commit-record.js'
import { partitionOf } from '../../../src/core/plan/partitioner.js'
import { decodeManifest } from '../../../src/core/plan/manifest.js'
import { topologyOf } from '../../../src/core/plan/topology.js'
import { defaults } from '../../../src/runtime/options.js'
import { planTasks } from '../../../src/runtime/topics.js'
import { MemoryWorkers } from '../../support/memory-workers.js'
import { PartitionView } from '../../sim/views.js'
import { silentObserver } from '../../support/silent-logger.js'
import { anySchema } from '../../support/schemas.js'

interface Item {
  readonly id: number
  readonly key: string
}
interface Result extends Item {
  readonly n: number
}
const source = (name: string) => topic(name, { schema: anySchema<Item>(), key: ({ key }) => key })
const [orders, payments] = [source('orders'), source('payments')]
const sink = (name: string) => topic(name, { schema: anySchema<Result>(), key: ({ key }) => key })
const [sums, counts, totals] = [sink('sums'), sink('counts'), sink('totals')]
const sum = stateObject('sum', () => ({ n: 0 }))
const count = stateObject('count', () => ({ n: 0 }))
const total = stateObject('total', () => ({ n: 0 }))

const PARTITIONS = 4
const KEYS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l']
const next = (state: { n: number }, { id, key }: Item): Result => ({ id, key, n: ++state.n })

const ofOrders = (): Pipeline => from(orders).to(sum, next).sink(sums)
const inOtherWords = (): Pipeline =>
  from(orders)
    .filter(() => true)
    .to(sum, (state, item) => ({ ...item, n: (state.n += 1) }))
    .sink(sums)
const counted = (): Pipeline => from(orders).to(count, next).sink(counts)
const withPayments = (): Pipeline => merge(from(orders), from(payments)).to(sum, next).sink(sums)
const ofPayments = (): Pipeline => from(payments).to(total, next).sink(totals)
const rekeyed = (): Pipeline =>
  from(orders)
    .keyBy(({ key }) => key)
    .to(total, next)
    .sink(totals)
const version = (...pipelines: readonly [Pipeline, ...Pipeline[]]): Application => application('shop', ...pipelines)

interface Change {
  readonly what: string
  readonly first: Application
  readonly second: Application
  /** Sub-topologies of both, under the names that they get in Kafka when this version is the first. */
  readonly subTopologies: readonly [readonly string[], readonly string[]]
  /** Whether the first of them is another one then, of which old workers must not continue with what new ones have done. */
  readonly isOther: boolean
  /** Of the results of the state object `total`. */
  readonly totalsOf?: 'orders'
  readonly mixes?: true
}
/** One version, and another one to which one can go from it and back. */
const changes: readonly Change[] = [
  {
    what: 'other code',
    first: version(ofOrders()),
    second: version(inOtherWords()),
    subTopologies: [['sum'], ['sum']],
    isOther: false,
  },
  {
    what: 'pipelines in another order',
    first: version(ofOrders(), ofPayments()),
    second: version(ofPayments(), ofOrders()),
    subTopologies: [
      ['sum', 'total'],
      ['sum', 'total'],
    ],
    isOther: false,
  },
  {
    what: 'a state object on a known source, declared in front',
    first: version(ofOrders()),
    second: version(counted(), ofOrders()),
    subTopologies: [['sum'], ['sum']],
    isOther: true,
  },
  {
    what: 'a source for a known state object',
    first: version(ofOrders()),
    second: version(withPayments()),
    subTopologies: [['sum'], ['sum']],
    isOther: true,
    mixes: true,
  },
  {
    what: 'a sub-topology',
    first: version(ofOrders()),
    second: version(ofOrders(), ofPayments()),
    subTopologies: [['sum'], ['sum', 'total']],
    isOther: false,
  },
  {
    what: 'a sub-topology after a repartition',
    first: version(ofOrders()),
    second: version(ofOrders(), rekeyed()),
    subTopologies: [['sum'], ['sum', 'total']],
    isOther: true,
    totalsOf: 'orders',
  },
]
const backwards = (change: Change): Change => {
  const { what, first, second, subTopologies } = change
  const [before, after] = subTopologies
  // A sub-topology keeps the name that it has first.
  const named = (names: readonly string[]): readonly string[] =>
    what.endsWith('in front') ? names.map((name) => name.replace('sum', 'count')) : names
  return {
    ...change,
    what: `${what}, taken away`,
    first: second,
    second: first,
    subTopologies: [named(after), named(before)],
  }
}
const directions = [...changes, ...changes.map(backwards)].map((change) => [change.what, change] as const)

/** Sampled: somebody dies or joins, and everybody joins again. */
const A_REBALANCE_MS = 1000

class Deployment {
  readonly workers: MemoryWorkers
  readonly sent = new Map<string, Item[]>([
    ['orders', []],
    ['payments', []],
  ])
  /** Workers that are there, and the sub-topologies that they run. */
  readonly running = new Map<string, readonly string[]>()
  /** By task: since when nobody has it, in virtual time. */
  readonly #idleSince = new Map<string, number>()
  /** The longest time that a task was nobody's although somebody knew it, and which. */
  longestIdle = { task: '', ms: 0 }
  #id = 0

  constructor({ first }: Pick<Change, 'first'>) {
    this.workers = new MemoryWorkers({
      application: first,
      topics: ['orders', 'payments', 'sums', 'counts', 'totals'],
      partitions: PARTITIONS,
      runtime: { sessionTimeoutMs: 6000 },
    })
  }

  /** Messages come all the time, on all partitions. Ends when all is processed that can be. */
  async pass(seconds = 5): Promise<void> {
    for (let round = 0; round < seconds * 4; round++) {
      for (const [name, items] of this.sent)
        for (const key of KEYS) {
          const item = { id: ++this.#id, key }
          items.push(item)
          this.workers.append(name, key, item)
        }
      await this.workers.scheduler.advance(250)
      this.#look()
    }
  }

  async start(name: string, app: Application, subTopologies: readonly string[]): Promise<void> {
    await this.workers.start(name, app)
    this.running.set(name, subTopologies)
  }
  async stop(name: string): Promise<void> {
    await this.workers.stop(name)
    this.running.delete(name)
  }
  kill(name: string): void {
    this.workers.kill(name)
    this.running.delete(name)
  }

  /** All tasks that somebody knows. */
  tasks(): string[] {
    return [...new Set([...this.running.values()].flat())].flatMap((name) =>
      Array.from({ length: PARTITIONS }, (_, p) => `${name}_${String(p)}`),
    )
  }

  #look(): void {
    const nowMs = this.workers.scheduler.nowMs
    const [owners, tasks] = [this.owners(), this.tasks()]
    for (const task of this.#idleSince.keys()) if (!tasks.includes(task)) this.#idleSince.delete(task)
    for (const task of tasks) {
      const since = this.#idleSince.get(task) ?? nowMs
      if (owners.has(task)) this.#idleSince.delete(task)
      else this.#idleSince.set(task, since)
      if (!owners.has(task) && nowMs - since > this.longestIdle.ms) this.longestIdle = { task, ms: nowMs - since }
    }
  }

  results(topic: string): Result[] {
    return this.workers.records(topic).map(({ value }) => JSON.parse(value) as Result)
  }

  owners(): Map<string, string[]> {
    const owners = new Map<string, string[]>()
    for (const name of this.running.keys())
      for (const task of this.workers.active(name)) owners.set(task, [...(owners.get(task) ?? []), name])
    return owners
  }

  /** Each message once, and in the order of its key. */
  requireAll(topic: string, sources: readonly string[]): void {
    for (const key of KEYS) {
      const results = this.results(topic).filter((result) => result.key === key)
      const due = sources.flatMap((name) => this.sent.get(name) ?? []).filter((item) => item.key === key)
      expect(results.map(({ id }) => id).sort(byNumber), `${topic} of ${key}`).toEqual(
        due.map(({ id }) => id).sort(byNumber),
      )
      expect(
        results.map(({ n }) => n),
        `nothing of ${key} was forgotten`,
      ).toEqual(due.map((_, i) => i + 1))
    }
  }

  /** From some message on each once, or up to some message: no gap, for whichever of the versions has it. */
  requireWithoutGap(topic: string, name: string): void {
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const isHere = ({ key }: Item): boolean => partitionOf('murmur2', Buffer.from(key), PARTITIONS) === partition
      const ids = this.results(topic)
        .filter(isHere)
        .map(({ id }) => id)
      const all = (this.sent.get(name) ?? []).filter(isHere).map(({ id }) => id)
      const [first, last] = [Math.min(...ids), Math.max(...ids)]
      expect([...ids].sort(byNumber), `${topic}, partition ${String(partition)}`).toEqual(
        all.filter((id) => id >= first && id <= last),
      )
    }
  }

  /** Plans by which the tasks of a sub-topology were committed, in the order of their commits. */
  plans(changelog: string): number[][] {
    return Array.from({ length: PARTITIONS }, (_, partition) => {
      const plans: number[] = []
      new PartitionView(
        this.workers.cluster.partition({ topic: changelog, partition }),
        ({ buffer, keyStart, keyEnd, valueStart, valueEnd }) => {
          if (isCommitKey(buffer, keyStart, keyEnd))
            plans.push(decodeCommitRecord(buffer.subarray(valueStart, valueEnd), changelog).plan ?? 0)
        },
      ).update()
      return plans
    })
  }
}
const byNumber = (a: number, b: number): number => a - b

describe.each(directions)('%s', (_, change) => {
  it('while messages come, workers are replaced, and old ones die and start again', async () => {
    const deployment = new Deployment(change)
    const { workers } = deployment
    const [older, newer] = change.subTopologies
    for (const name of ['old-1', 'old-2']) await deployment.start(name, change.first, older)
    await deployment.pass()
    for (const name of ['new-1', 'new-2']) {
      await deployment.start(name, change.second, newer)
      await deployment.pass()
    }
    // The older version starts again, and finds what the newer one has made of the manifest.
    deployment.kill('old-2')
    await deployment.pass()
    await deployment.start('old-2', change.first, older)
    await deployment.pass()
    for (const name of ['old-1', 'old-2']) {
      await deployment.stop(name)
      await deployment.pass()
    }
    await workers.rest()

    for (const name of ['old-1', 'old-2', 'new-1', 'new-2']) expect(workers.endOf(name)).toBeUndefined()
    const owners = deployment.owners()
    expect([...owners.keys()].sort()).toEqual(deployment.tasks().sort())
    for (const [task, at] of owners) expect(at, task).toHaveLength(1)
    expect(deployment.longestIdle.ms, deployment.longestIdle.task).toBeLessThanOrEqual(A_REBALANCE_MS)
    expect(workers.said('the task is suspended here')).toEqual([])
    expect(workers.lines.filter(({ msg }) => msg.includes('does not know'))).toEqual([])

    if (change.mixes) {
      const all = deployment.results('sums').map(({ id }) => id)
      expect(new Set(all).size).toBe(all.length)
      const ofOrders = new Set(deployment.sent.get('orders')?.map(({ id }) => id))
      expect(all.filter((id) => ofOrders.has(id))).toHaveLength(ofOrders.size)
    } else deployment.requireAll('sums', ['orders'])
    deployment.requireWithoutGap('counts', 'orders')
    deployment.requireWithoutGap('totals', change.totalsOf ?? 'payments')
    for (const plans of deployment.plans(`shop-${older[0] ?? ''}-changelog`)) {
      expect(plans, 'no older plan commits behind a newer one').toEqual([...plans].sort(byNumber))
      expect(plans.at(-1), 'and it is told from an older one where it must be').toBe(change.isOther ? 1 : 0)
    }
  })
})

describe('a worker of the older version', () => {
  const older = version(ofOrders(), ofPayments())
  const newer = version(counted(), ofOrders(), ofPayments())
  const both = ['sum', 'total']

  it('lets those tasks stand still that the newer one has begun, until it is there again; its others continue', async () => {
    const deployment = new Deployment({ first: older })
    const { workers } = deployment
    await deployment.start('old-1', older, both)
    await deployment.pass(2)
    await deployment.start('new-1', newer, both)
    await deployment.pass()
    deployment.kill('new-1')
    const before = deployment.results('sums').length
    await deployment.pass(10)
    expect(
      new Set(workers.said('the task is suspended here').map(({ worker, task, code }) => [worker, task, code].join())),
    ).toEqual(new Set([0, 1, 2, 3].map((p) => `old-1,sum_${String(p)},TOPOLOGY_OUTDATED`)))
    expect(workers.endOf('old-1')).toBeUndefined()
    expect(workers.active('old-1')).toEqual(['total_0', 'total_1', 'total_2', 'total_3'])
    const meanwhile = deployment.results('sums').length - before
    expect(meanwhile, 'no more than what new-1 did last').toBeLessThan(KEYS.length * 4)
    deployment.requireAll('totals', ['payments'])

    await deployment.start('new-1', newer, both)
    await deployment.pass()
    await workers.rest()
    deployment.requireAll('sums', ['orders'])
    deployment.requireWithoutGap('counts', 'orders')
    expect(deployment.results('counts').at(-1)?.id).toBe(deployment.results('sums').at(-1)?.id)
  })

  it('continues with what the newer one has not begun yet, when that one is gone', async () => {
    const deployment = new Deployment({ first: older })
    await deployment.start('old-1', older, both)
    await deployment.pass(2)
    await deployment.workers.start('new-1', newer)
    deployment.workers.kill('new-1')
    await deployment.pass(10)
    await deployment.workers.rest()
    expect(deployment.workers.said('the topology has changed').at(-1)?.worker).toBe('new-1')
    expect(deployment.workers.said('the task is suspended here')).toEqual([])
    deployment.requireAll('sums', ['orders'])
  })
})

it('versions that change the manifest at the same time all plan by what it is in the end', async () => {
  const versions = [version(ofOrders()), version(counted(), ofOrders()), version(withPayments(), rekeyed())]
  const orders = new Set<string>()
  for (let turn = 0; turn < 27; turn++) {
    const { workers } = new Deployment({ first: version(ofOrders()) })
    const { scheduler, cluster } = workers
    const planned = versions.map(async (app, i) => {
      const process = scheduler.process(`w${String(i)}`)
      const log = cluster.log({ process })
      await log.connect()
      // Whoever comes first, and how far, is another matter each time.
      await new Promise<void>((resolve) => process.clock.after((Math.floor(turn / 3 ** i) % 3) * 7, resolve))
      const env = { log, clock: process.clock, observer: silentObserver, stores: { directory: '' } }
      return planTasks(topologyOf(definitionOf(app)), env, defaults)
    })
    const plans = await scheduler.run(Promise.all(planned))
    await workers.rest()
    const manifest = decodeManifest(Buffer.from(workers.records('shop-manifest').at(-1)?.value ?? ''), 'here')
    // The first one decides on the name.
    const [name = ''] = manifest.subTopologies.map((one) => one.name).filter((one) => one !== 'total')
    const listed = manifest.subTopologies.find((one) => one.name === name)?.plans ?? []
    expect(listed).toHaveLength(versions.length)
    for (const one of plans) {
      const { version: own, changelog } = one.get(`${name}_0`) ?? expect.unreachable()
      expect(listed[own.number]).toBe(own.hash)
      expect(changelog?.topic).toBe(`shop-${name}-changelog`)
    }
    orders.add(plans.map((one) => one.get(`${name}_0`)?.version.number).join())
  }
  expect(orders.size, 'each may be the first').toBeGreaterThan(2)
})
