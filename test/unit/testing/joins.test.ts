/** Tables, joins and broadcasts on the real runtime, in memory. */
import { describe, expect, it } from 'vitest'
import { application, broadcast, from, merge, stateObject, table, topic, type Application } from '../../../src/index.js'
import { anySchema } from '../../support/schemas.js'
import { failsWith, start } from './support.js'

interface Customer {
  readonly id: string
  readonly tier: string
  readonly tags?: Map<string, number>
}
interface Order {
  readonly id: string
  readonly customer: string
  readonly currency?: string
}
interface Enriched {
  readonly id: string
  readonly tier?: string | undefined
  readonly eur?: number | undefined
}
const customers = topic('customers', { schema: anySchema<Customer>(), key: ({ id }) => id })
const orders = topic('orders', { schema: anySchema<Order>(), key: ({ customer }) => customer })
const loose = topic('loose', { schema: anySchema<Order>(), key: ({ id }) => id })
const rates = topic('rates', {
  schema: anySchema<{ currency: string; eur: number }>(),
  key: ({ currency }) => currency,
})
const enriched = topic('enriched', { schema: anySchema<Enriched>(), key: ({ id }) => id })

const outer = ({ id }: Order, customer: Readonly<Customer> | undefined): Enriched => ({ id, tier: customer?.tier })
const order = (id: string, customer: string): Order => ({ id, customer })

describe('a table', () => {
  const customer = table('customer', from(customers))
  const app = application('shop', from(orders).join(customer, outer).sink(enriched))

  it('has the last message of each key, whatever is declared first, and a record without a value deletes it', async () => {
    const driver = await start({ partitions: 3 }, app)
    await driver.pipe(orders, order('1', 'a'))
    await driver.pipe(customers, { id: 'a', tier: 'basic' })
    await driver.pipe(orders, order('2', 'a'))
    await driver.pipe(customers, [
      { id: 'a', tier: 'gold' },
      { id: 'b', tier: 'basic' },
    ])
    await driver.pipe(orders, [order('3', 'a'), order('4', 'b')])
    await driver.settle()
    expect(driver.states(customer)).toEqual(
      new Map([
        ['a', { id: 'a', tier: 'gold' }],
        ['b', { id: 'b', tier: 'basic' }],
      ]),
    )
    await driver.pipeRaw(customers, { key: 'a', value: null })
    await driver.pipe(orders, order('5', 'a'))
    await driver.settle()
    expect(driver.read(enriched).sort((x, y) => Number(x.id) - Number(y.id))).toEqual([
      { id: '1' },
      { id: '2', tier: 'basic' },
      { id: '3', tier: 'gold' },
      { id: '4', tier: 'basic' },
      { id: '5' },
    ])
    expect([...driver.states(customer).keys()]).toEqual(['b'])
    expect(driver.readDeadLetters()).toEqual([])
  })

  it('comes first where timestamps are the same, also when its records come later', async () => {
    const driver = await start({}, app)
    await driver.pipe(customers, { id: 'a', tier: 'gold' }, { timestampMs: 1_704_067_200_500 })
    await driver.pipe(orders, order('1', 'a'), { timestampMs: 1_704_067_200_500 })
    await driver.pipe(orders, order('2', 'a'), { timestampMs: 1_704_067_200_499 })
    await driver.settle()
    expect(driver.read(enriched).find(({ id }) => id === '1')).toEqual({ id: '1', tier: 'gold' })
  })

  it('is in the changelog like a state object: crashes, other workers and setState() change nothing', async () => {
    const driver = await start({ partitions: 4, workers: 2 }, app)
    await driver.pipe(
      customers,
      Array.from({ length: 40 }, (_, n) => ({ id: `c${String(n)}`, tier: `t${String(n)}` })),
    )
    await driver.settle()
    driver.crash()
    await driver.restart()
    await driver.addWorker()
    await driver.setState(customer, 'c7', { id: 'c7', tier: 'set' })
    await driver.setState(customer, 'c8', undefined)
    await driver.pipe(
      orders,
      Array.from({ length: 40 }, (_, n) => order(String(n), `c${String(n)}`)),
    )
    await driver.settle()
    const tiers = new Map(driver.read(enriched).map(({ id, tier }) => [id, tier]))
    expect(tiers.size).toBe(40)
    for (const [id, tier] of tiers) expect(tier).toBe(id === '7' ? 'set' : id === '8' ? undefined : `t${id}`)
  })

  it('is of any stream: steps may make null of a message, and other keys go by repartition', async () => {
    const live = table(
      'live',
      merge(
        from(customers).map((one) => (one.tier === 'gone' ? null : one)),
        from(loose)
          .keyBy(({ customer: id }) => id)
          .map(({ id, customer: of }) => (id === '' ? null : { id: of, tier: id })),
      ),
    )
    const driver = await start({ partitions: 2 }, application('shop', from(orders).join(live, outer).sink(enriched)))
    await driver.pipe(customers, [
      { id: 'a', tier: 'gold' },
      { id: 'b', tier: 'gold' },
    ])
    await driver.settle()
    await driver.pipe(customers, { id: 'a', tier: 'gone' })
    await driver.pipe(loose, { id: 'silver', customer: 'b' })
    await driver.settle()
    expect(driver.states(live)).toEqual(new Map([['b', { id: 'b', tier: 'silver' }]]))
  })

  it("sends what it can't keep to the dead letters, and keeps what it had", async () => {
    const strange = table(
      'strange',
      from(customers).map((one): Customer => {
        if (one.tier === 'undefined') return undefined as never
        if (one.tier === 'array') return [] as never
        if (one.tier === 'function') return { ...one, tags: (() => 1) as never }
        return one
      }),
    )
    const driver = await start({}, application('shop', from(orders).join(strange, outer).sink(enriched)))
    for (const tier of ['plain', 'undefined', 'array', 'function']) await driver.pipe(customers, { id: 'a', tier })
    // Behind a step, a record without a value is none of the table's.
    await driver.pipeRaw(customers, { key: 'a', value: null })
    await driver.settle()
    expect(driver.readDeadLetters().map(({ code }) => code)).toEqual([
      'STATE_NOT_PACKABLE',
      'STATE_NOT_PACKABLE',
      'STATE_NOT_PACKABLE',
      'VALUE_NULL',
    ])
    expect(driver.state(strange, 'a')).toEqual({ id: 'a', tier: 'plain' })
  })

  it('does not take a record without a value whose key lies elsewhere, and others of its topic do not see one', async () => {
    const seen = stateObject('seen', () => ({ n: 0 }))
    const two = application('two', from(customers).to(seen, (state) => {
        state.n++
      }), from(orders).join(customer, outer).sink(enriched)) // prettier-ignore
    const driver = await start({ partitions: 3 }, two)
    await driver.pipe(customers, { id: 'a', tier: 'gold' })
    for (const partition of [0, 1, 2]) await driver.pipeRaw(customers, { key: 'zzz', value: null, partition })
    await driver.settle()
    expect(driver.readDeadLetters().map(({ code }) => code)).toEqual(['WRONG_PARTITION', 'WRONG_PARTITION'])
    expect(driver.states(seen)).toEqual(new Map([['a', { n: 1 }]]))
  })

  it('keeps Maps and Dates, too, beside entries without any', async () => {
    const tagged = table(
      'tagged',
      from(customers).map((one): Customer => (one.tier === 'plain' ? one : { ...one, tags: new Map([[one.tier, 1]]) })),
    )
    const driver = await start({}, application('shop', from(orders).join(tagged, outer).sink(enriched)))
    for (const tier of ['gold', 'plain', 'silver', 'plain', 'gold']) await driver.pipe(customers, { id: tier, tier })
    await driver.settle()
    expect(driver.states(tagged)).toEqual(
      new Map<string, Customer>([
        ['gold', { id: 'gold', tier: 'gold', tags: new Map([['gold', 1]]) }],
        ['plain', { id: 'plain', tier: 'plain' }],
        ['silver', { id: 'silver', tier: 'silver', tags: new Map([['silver', 1]]) }],
      ]),
    )
  })

  it('keeps what came, whatever becomes of the message on its other ways', async () => {
    const mutating = application(
      'mutating',
      from(orders).join(customer, outer).sink(enriched),
      from(customers)
        .map((one) => ({ id: Object.assign(one, { tier: 'spoilt' }).id }))
        .filter(() => false)
        .sink(enriched),
    )
    const driver = await start({}, mutating)
    await driver.pipe(customers, { id: 'a', tier: 'gold' })
    await driver.settle()
    expect(driver.state(customer, 'a')).toEqual({ id: 'a', tier: 'gold' })
  })
})

describe('what is read', () => {
  const account = stateObject('account', () => ({ n: 0, list: [] as number[] }))
  const note = stateObject('note', () => ({ seen: 0 }))
  const customer = table('customer', from(customers))

  it('is as it is now, within a message and before any commit, and a copy: what is done to it is not stored', async () => {
    const app = application(
      'reading',
      from(orders)
        .to(
          account,
          (state, { id }, context) => {
            state.n++
            const own = context.read(account) as { n: number; list: number[] }
            own.n = 100
            own.list.push(1)
            return { id, own: context.read(account)?.n, other: context.read(note)?.seen }
          },
          { reads: [customer] },
        )
        .to(note, (state, message, context) => {
          state.seen++
          const read = context.read(account) as { n: number; list: number[] }
          read.list.push(2)
          const entry = context.read(customer) as { tier: string } | undefined
          if (entry !== undefined) entry.tier = 'spoilt'
          return { ...message, n: read.n, tier: context.read(customer)?.tier }
        })
        .map(({ id, own, other, n, tier }) => ({ id, tier: [own, other, n, tier].map(String).join(' ') }))
        .sink(enriched),
    )
    const driver = await start({}, app)
    await driver.pipe(customers, { id: 'a', tier: 'gold' })
    await driver.pipe(orders, [order('1', 'a'), order('2', 'a'), order('3', 'b')])
    await driver.settle()
    expect(driver.read(enriched)).toEqual([
      { id: '1', tier: '1 undefined 1 gold' },
      { id: '2', tier: '2 1 2 gold' },
      { id: '3', tier: '1 undefined 1 undefined' },
    ])
    expect(driver.state(account, 'a')).toEqual({ n: 2, list: [] })
    expect(driver.state(customer, 'a')).toEqual({ id: 'a', tier: 'gold' })
    driver.crash()
    await driver.restart()
    await driver.pipe(orders, order('4', 'a'))
    await driver.settle()
    expect(driver.read(enriched)).toEqual([{ id: '4', tier: '3 2 3 gold' }])
  })

  it('is undefined where it is as it would begin, wherever commits are', async () => {
    const app = application(
      'beginning',
      from(customers).to(note, (state, { tier }, context) => {
        if (tier === 'forget') context.forget()
        else state.seen = Number(tier)
      }),
      from(orders)
        .join(note, ({ id }, entry) => ({ id, tier: entry && String(entry.seen) }))
        .sink(enriched),
    )
    for (const settles of [false, true]) {
      const driver = await start({}, app)
      const steps = ['0', '5', '0', '5', 'forget', '0']
      for (const [i, tier] of steps.entries()) {
        await driver.pipe(customers, { id: 'a', tier })
        if (settles) await driver.settle()
        await driver.pipe(orders, order(String(i), 'a'))
        if (settles) await driver.settle()
      }
      await driver.settle()
      expect(driver.read(enriched).map(({ tier }) => tier)).toEqual([
        undefined,
        '5',
        undefined,
        '5',
        undefined,
        undefined,
      ])
    }
  })

  it('stops the worker where it is not kept there, and says what to write', async () => {
    const app = application(
      'apart',
      from(orders)
        .to(account, (_, { id }, context) => ({ id, tier: context.read(customer)?.tier }))
        .sink(enriched),
      from(loose).join(customer, outer).sink(enriched),
    )
    const driver = await start({}, app)
    await driver.pipe(orders, order('1', 'a'))
    await expect(driver.settle()).rejects.toEqual(
      failsWith('INVALID_DEFINITION', '.to(state, compute, { reads: [customer] })'),
    )
  })

  it('is rolled back with a message that fails, and so is what goes into a table', async () => {
    const tabled = table(
      'tabled',
      from(orders).to(account, (state, one) => {
        state.n++
        return { id: one.customer, tier: one.id }
      }),
    )
    const app = application(
      'failing',
      from(orders)
        .join(tabled, ({ id }, entry) => {
          if (id === 'throws') throw new Error('no')
          return { id, tier: entry?.tier }
        })
        .sink(enriched),
    )
    const driver = await start({}, app)
    await driver.pipe(orders, [order('1', 'a'), order('throws', 'a'), order('2', 'a'), order('throws', 'b')])
    await driver.settle()
    expect(driver.read(enriched)).toEqual([
      { id: '1', tier: '1' },
      { id: '2', tier: '2' },
    ])
    expect(driver.state(account, 'a')).toMatchObject({ n: 2 })
    expect(driver.state(tabled, 'a')).toEqual({ id: 'a', tier: '2' })
    expect(driver.state(tabled, 'b')).toBeUndefined()
    expect(driver.readDeadLetters()).toHaveLength(2)
  })
})

describe('a join', () => {
  it('with a state object gives what computations have made of it; nothing continues where the step gives nothing', async () => {
    const total = stateObject('total', () => ({ n: 0 }))
    const app = application(
      'inner',
      from(customers).to(total, (state) => {
        state.n++
      }),
      from(orders)
        .join(total, ({ id }, entry) =>
          entry === undefined ? undefined : Array.from({ length: entry.n }, (_, i) => ({ id: `${id}.${String(i)}` })),
        )
        .sink(enriched),
    )
    const driver = await start({}, app)
    const customer: Customer = { id: 'a', tier: '' }
    await driver.pipe(orders, order('1', 'a'))
    await driver.pipe(customers, [customer, customer])
    await driver.pipe(orders, order('2', 'a'))
    await driver.settle()
    expect(driver.read(enriched)).toEqual([{ id: '2.0' }, { id: '2.1' }])
  })

  it('of keys that lie elsewhere goes by repartition: with one partition and with several it is the same', async () => {
    const customer = table('customer', from(customers))
    const app = application(
      'keyed',
      from(loose)
        .keyBy(({ customer: id }) => id)
        .join(customer, outer)
        .sink(enriched),
    )
    for (const partitions of [1, 5]) {
      const driver = await start({ partitions, workers: 2 }, app)
      await driver.pipe(
        customers,
        Array.from({ length: 9 }, (_, n) => ({ id: `c${String(n)}`, tier: `t${String(n)}` })),
      )
      await driver.settle()
      await driver.pipe(
        loose,
        Array.from({ length: 30 }, (_, n) => order(String(n), `c${String(n % 10)}`)),
      )
      await driver.settle()
      const tiers = driver.read(enriched).map(({ id, tier }) => `${id} ${String(tier)}`)
      const due = Array.from({ length: 30 }, (_, n) => `${String(n)} ${n % 10 === 9 ? 'undefined' : `t${String(n % 10)}`}`) // prettier-ignore
      expect(tiers.sort()).toEqual(due.sort())
    }
  })
})

describe('a broadcast', () => {
  const rate = broadcast('rate', rates)
  const convert = ({ id }: Order, entry: Readonly<{ eur: number }> | undefined): Enriched => ({ id, eur: entry?.eur })
  const app: Application = application(
    'shop',
    from(loose)
      .join(rate, ({ currency = '' }) => currency, convert)
      .sink(enriched),
  )
  const paid = (id: string, currency: string): Order => ({ id, customer: 'x', currency })

  it('is read by any key, on every worker, and has all that was written before the message', async () => {
    const driver = await start({ partitions: 4, workers: 3 }, app)
    for (let n = 0; n < 20; n++) {
      await driver.pipe(rates, { currency: `c${String(n % 3)}`, eur: n })
      await driver.pipe(loose, paid(String(n), `c${String(n % 3)}`))
      if (n === 8) driver.crash('worker-1')
      if (n === 12) await driver.restart('worker-1')
    }
    await driver.settle()
    // What the last one was at that time, or a newer one.
    for (const { id, eur } of driver.read(enriched)) {
      expect(eur).toBeGreaterThanOrEqual(Number(id))
      expect((eur ?? 0) % 3).toBe(Number(id) % 3)
    }
    expect(driver.readDeadLetters()).toEqual([])
  })

  it('forgets what a record without a value deletes, and looks nothing up where there is nothing', async () => {
    const driver = await start({}, app)
    await driver.pipe(rates, { currency: 'USD', eur: 2 })
    await driver.pipe(loose, [paid('1', 'USD'), paid('2', 'GBP')])
    await driver.settle()
    await driver.pipeRaw(rates, { key: 'USD', value: null })
    await driver.pipe(loose, paid('3', 'USD'))
    await driver.settle()
    expect(driver.read(enriched)).toEqual([{ id: '1', eur: 2 }, { id: '2' }, { id: '3' }])
  })

  it('can be looked up in a computation that names it, and a copy is got', async () => {
    const total = stateObject('total', () => ({ eur: 0 }))
    const summing = (reads: boolean) =>
      application(
        'summing',
        from(loose)
          .to(
            total,
            (state, { id, currency = '' }, context) => {
              const found = context.lookup(rate, currency) as { eur: number } | undefined
              state.eur += found?.eur ?? 0
              if (found !== undefined) found.eur = 1000
              return { id, eur: state.eur }
            },
            reads ? { reads: [rate] } : {},
          )
          .sink(enriched),
        from(orders).join(rate, ({ id }) => id, convert).sink(enriched),
      ) // prettier-ignore
    const driver = await start({}, summing(true))
    await driver.pipe(rates, { currency: 'USD', eur: 2 })
    await driver.pipe(loose, [paid('1', 'USD'), paid('1', 'USD')])
    await driver.settle()
    expect(driver.read(enriched)).toEqual([
      { id: '1', eur: 2 },
      { id: '1', eur: 4 },
    ])
    const other = await start({}, summing(false))
    await other.pipe(loose, paid('1', 'USD'))
    await expect(other.settle()).rejects.toEqual(failsWith('INVALID_DEFINITION', '{ reads: [rate] }'))
  })

  it("passes over what it can't take, says so on each worker, and keeps what it had", async () => {
    const lines: string[] = []
    const say = (fields: object, message: string): void => void lines.push(`${message} ${JSON.stringify(fields)}`)
    const logger = { debug: () => undefined, info: () => undefined, warn: say, error: say }
    const driver = await start({ logger }, app)
    await driver.pipe(rates, { currency: 'USD', eur: 2 })
    await driver.pipeRaw(rates, [
      { key: 'USD', value: 'no json' },
      { key: null, value: '{"currency":"USD","eur":3}' },
      { key: 'USD', value: '{"currency":"GBP","eur":4}' },
    ])
    await driver.pipe(loose, paid('1', 'USD'))
    await driver.settle()
    expect(driver.read(enriched)).toEqual([{ id: '1', eur: 2 }])
    expect(lines.filter((line) => line.startsWith('a record of a broadcast'))).toHaveLength(3)
    for (const code of ['NOT_JSON', 'KEY_MISSING', 'KEY_MISMATCH']) expect(lines.join('\n')).toContain(code)
  })

  it('that is larger than it may be stops the worker, with the number', async () => {
    const small = broadcast('small', rates, { maxBytes: 1000 })
    const driver = await start({}, application('small', from(loose).join(small, ({ id }) => id, convert).sink(enriched))) // prettier-ignore
    await driver.pipe(
      rates,
      Array.from({ length: 20 }, (_, n) => ({ currency: `c${String(n)}`, eur: n })),
    )
    await driver.pipe(loose, paid('1', 'USD'))
    await expect(driver.settle()).rejects.toEqual(failsWith('BROADCAST_TOO_LARGE', '1000 bytes: with'))
  })
})
