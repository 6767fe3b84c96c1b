/**
 * Going back to an older version of an application for good, and forward again: what both have goes on, each message once;
 * what only the newer one has stays as it is meanwhile.
 */
import { describe, expect, it } from 'vitest'
import { definitionOf } from '../../../src/api/application.js'
import { topologyOf } from '../../../src/core/plan/topology.js'
import { application, from, merge, stateObject, topic, type Application, type Pipeline } from '../../../src/index.js'
import { isPotorooError } from '../../../src/errors.js'
import { planRollBack } from '../../../src/runtime/roll-back.js'
import { MemoryWorkers } from '../../support/memory-workers.js'
import { anySchema } from '../../support/schemas.js'

interface Item {
  readonly id: number
  readonly key: string
}
interface Result extends Item {
  readonly n: number
}
const items = (name: string) => topic(name, { schema: anySchema<Item>(), key: ({ key }) => key })
const results = (name: string) => topic(name, { schema: anySchema<Result>(), key: ({ key }) => key })
const [orders, payments] = [items('orders'), items('payments')]
const [sums, counts] = [results('sums'), results('counts')]
const sum = stateObject('sum', () => ({ n: 0 }))
const count = stateObject('count', () => ({ n: 0 }))
const next = (state: { n: number }, { id, key }: Item): Result => ({ id, key, n: ++state.n })

const shop = (...pipelines: readonly [Pipeline, ...Pipeline[]]): Application => application('shop', ...pipelines)
const older = shop(from(orders).to(sum, next).sink(sums))
/** A source and a state object more. */
const newer = shop(
  merge(from(orders), from(payments)).to(sum, next).sink(sums),
  from(orders).to(count, next).sink(counts),
)

const KEYS = ['a', 'b', 'c', 'd', 'e', 'f']

class Shop extends MemoryWorkers {
  readonly sent = new Map<string, Item[]>([
    ['orders', []],
    ['payments', []],
  ])
  #id = 0

  constructor() {
    super({ application: older, topics: ['orders', 'payments', 'sums', 'counts'], partitions: 2 })
  }

  /** Messages of each key, in both topics, until all is processed that can be. */
  async pass(): Promise<void> {
    for (let round = 0; round < 4; round++) {
      for (const [name, all] of this.sent)
        for (const key of KEYS) {
          const item = { id: ++this.#id, key }
          all.push(item)
          this.append(name, key, item)
        }
      await this.scheduler.advance(500)
    }
    await this.rest()
  }

  rollBack(to: Application): Promise<string> {
    const process = this.scheduler.process('operator')
    const env = { log: this.cluster.log({ process }), clock: process.clock }
    return this.scheduler.run(
      planRollBack(topologyOf(definitionOf(to)), this.names, env)
        .then(async ({ outdated, run }) => {
          await run(new AbortController().signal)
          return outdated.map(({ name }) => name).join()
        })
        .catch((error: unknown) => (isPotorooError(error) ? error.code : String(error))),
    )
  }

  ids(name: string): number[] {
    return this.#results(name)
      .map(({ id }) => id)
      .sort((a, b) => a - b)
  }
  idsOf(...sources: readonly string[]): number[] {
    return sources.flatMap((name) => (this.sent.get(name) ?? []).map(({ id }) => id)).sort((a, b) => a - b)
  }
  /** Numbers that the state object gave the results of each key: each once. */
  requireNumbered(name: string): void {
    for (const key of KEYS) {
      const numbers = this.#results(name).flatMap((one) => (one.key === key ? [one.n] : []))
      expect(numbers, `${name} of ${key}`).toEqual(numbers.map((_, i) => i + 1))
    }
  }
  #results(name: string): Result[] {
    return this.records(name).map(({ value }) => JSON.parse(value) as Result)
  }
  get manifests(): number {
    return this.records('shop-manifest').length
  }
}

/** The older version, then workers of the newer one, which have all tasks. */
async function deployed(): Promise<Shop> {
  const world = new Shop()
  await world.start('old-1', older)
  await world.pass()
  await world.start('new-1', newer)
  await world.pass()
  expect(world.active('new-1')).toEqual(['sum_0', 'sum_1'])
  return world
}

describe('an older version', () => {
  it('gets the tasks, one worker after the other, once it was made the newest, and a newer worker gets none back', async () => {
    const world = await deployed()
    expect(await world.rollBack(older)).toBe('sum')
    // Who runs continues with what it has; the older workers have to be started again.
    await world.pass()
    expect(world.active('new-1')).toEqual(['sum_0', 'sum_1'])
    await world.stop('old-1')
    await world.start('old-1', older)
    await world.pass()
    expect([world.active('old-1'), world.active('new-1')]).toEqual([['sum_0', 'sum_1'], []])
    world.kill('old-1')
    await world.pass()
    expect(world.active('new-1')).toEqual([])
    expect(new Set(world.said('the task is suspended here').map(({ worker, code }) => [worker, code].join()))).toEqual(
      new Set(['new-1,TOPOLOGY_OUTDATED']),
    )
    await world.stop('new-1')
    await world.start('old-1', older)
    await world.pass()
    const ofOrders = new Set(world.idsOf('orders'))
    expect(world.ids('sums').filter((id) => ofOrders.has(id))).toEqual([...ofOrders])
    world.requireNumbered('sums')
    world.requireNumbered('counts')
  })

  it('leaves what only the newer one has as it is: back again, that reads its sources on from where it was', async () => {
    const world = await deployed()
    await world.stop('old-1')
    await world.stop('new-1')
    expect(await world.rollBack(older)).toBe('sum')
    const before = world.ids('counts')
    await world.start('old-1', older)
    await world.pass()
    const meanwhile = new Set(world.ids('sums'))
    expect(world.ids('counts')).toEqual(before)
    await world.stop('old-1')

    // By itself it does not come back.
    await world.start('new-1', newer)
    await world.pass()
    expect(world.active('new-1')).toEqual([])
    await world.stop('new-1')
    expect(await world.rollBack(newer)).toBe('sum')
    await world.start('new-1', newer)
    await world.pass()
    expect(world.endOf('new-1')).toBeUndefined()
    // Each order and each payment once: also those that came while nobody read them.
    const firstPayment = Math.min(...world.ids('sums').filter((id) => world.idsOf('payments').includes(id)))
    expect(world.ids('sums')).toEqual(
      [...new Set([...world.idsOf('orders'), ...world.idsOf('payments').filter((id) => id >= firstPayment)])].sort(
        (a, b) => a - b,
      ),
    )
    world.requireNumbered('sums')
    // What the older one processed has no count, and all else has one.
    world.requireNumbered('counts')
    const missed = world.idsOf('orders').filter((id) => !world.ids('counts').includes(id))
    expect(missed.every((id) => id < Math.min(...before) || meanwhile.has(id))).toBe(true)
  })
})

describe('rolling back', () => {
  it('changes nothing where the version is the newest, or where there is none yet', async () => {
    const world = await deployed()
    const { manifests } = world
    expect(await world.rollBack(newer)).toBe('')
    expect(world.manifests).toBe(manifests)
    expect(await new Shop().rollBack(older)).toBe('')
  })

  it('is refused where the version could not go on: what is stored it does not know, or it is incompatible', async () => {
    const world = await deployed()
    const upgraded = stateObject('sum', () => ({ n: 0 }), { upgrades: [(stored: { n: number }) => ({ n: stored.n })] })
    const both = merge(from(orders), from(payments)).to(upgraded, next).sink(sums)
    await world.start('new-2', shop(both, from(orders).to(count, next).sink(counts)))
    await world.pass()
    const { manifests } = world
    expect(await world.rollBack(older)).toBe('STATE_NEWER')
    const rekeyed = from(payments)
      .keyBy(({ key }) => key)
      .to(sum, next)
      .sink(sums)
    expect(await world.rollBack(shop(rekeyed))).toBe('TOPOLOGY_INCOMPATIBLE')
    expect(world.manifests).toBe(manifests)
  })
})
