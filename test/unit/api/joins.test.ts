/** What applications may say of tables, broadcasts and joins, and what is made of it (`src/api/table.ts`, `broadcast.ts`, `pairs.ts`). */
import { describe, expect, it } from 'vitest'
import { application, definitionOf } from '../../../src/api/application.js'
import { repartitionsOf, topicsOf } from '../../../src/api/graph.js'
import { isPotorooError } from '../../../src/errors.js'
import {
  broadcast,
  from,
  stateObject,
  table,
  topic,
  type Application,
  type Broadcast,
  type Pipeline,
  type Table,
} from '../../../src/index.js'
import { anySchema } from '../../support/schemas.js'

interface Item {
  readonly id: string
  readonly of: string
}
const named = (name: string, options: object = {}) =>
  topic(name, { schema: anySchema<Item>(), key: (item) => item.id, ...options })
const [a, b, out] = [named('a'), named('b'), named('out')]
const lines = topic('lines', { schema: anySchema<Item>() })
const xx = named('xx', { partitioner: 'xxh64' })
const count = stateObject('count', () => ({ n: 0 }))
const tick = (state: { n: number }): { id: string; of: string } => ({ id: 'x', of: String(++state.n) })
const both = (item: Item): Item => item

const invalid = (act: () => unknown, message: RegExp): void => {
  expect(act).toThrow(
    expect.toSatisfy((error: unknown) => isPotorooError(error, 'INVALID_DEFINITION') && message.test(error.message)),
  )
}

describe('refused at definition', () => {
  const untyped = (pipeline: unknown) => pipeline as Record<'join' | 'to', (...args: unknown[]) => unknown>
  const customers = table('customers', from(a))
  const rates = broadcast('rates', a)
  const joined = (of: Table<Item>, topics = b): Pipeline => from(topics).join(of, both).sink(out)

  it.each<[string, () => unknown, RegExp]>([
    ['a table of no stream', () => table('t', a as never), /Table "t" was given an object: it has to be a stream/],
    ['a table of a stream without a key', () => table('t', from(lines) as never), /lines, which has no key/],
    ['a table with a name that is none', () => table('ä', from(a)), /name of a table/],
    ['a broadcast of no topic', () => broadcast('b', from(a) as never), /broadcast b is an object/],
    ['a broadcast of a topic without a key', () => broadcast('b', lines as never), /declared without a key/],
    ['a broadcast of no size', () => broadcast('b', a, { maxBytes: 0.5 }), /maxBytes: 0.5/],
    [
      'a join with something else',
      () => untyped(from(b)).join(a, both),
      /join\(\) of pipeline b was given is an object/,
    ],
    ['a join without a step', () => untyped(from(b)).join(customers), /step of join\(\) of pipeline b is undefined/],
    ['a join with a broadcast without a step', () => untyped(from(b)).join(rates, both), /step of join\(\)/],
    [
      'a join with a broadcast without a key',
      () => untyped(from(b)).join(rates),
      /The key of join\(\) with broadcast rates/,
    ],
    [
      'a join without a key beside the messages',
      () => untyped(from(lines)).join(customers, both),
      /no key: put keyBy\(\) before join/,
    ],
    ['an async step', () => untyped(from(b)).join(customers, async () => Promise.resolve()), /without async/],
    [
      'a computation on a table',
      () => untyped(from(b)).to(customers, both),
      /customers, which its stream alone writes/,
    ],
    ['reads that are no list', () => untyped(from(b)).to(count, tick, { reads: customers }), /has to be an array/],
    [
      'reads of a topic',
      () => untyped(from(b)).to(count, tick, { reads: [a] }),
      /computation of pipeline b reads is an object/,
    ],
    [
      'two tables of one name',
      () => application('app', joined(customers), joined(table('customers', from(b)))),
      /two state objects or tables named customers/,
    ],
    [
      'a table with the name of a state object',
      () => application('app', joined(table('count', from(a))), from(b).to(count, tick).sink(out)),
      /named count/,
    ],
    [
      'two broadcasts of one name',
      () =>
        application(
          'app',
          from(b)
            .join(rates, ({ of }) => of, both)
            .join(broadcast('rates', b), ({ of }) => of, both)
            .sink(out),
        ),
      /two broadcasts named rates/,
    ],
    [
      'a join with a state object that nothing writes',
      () => application('app', from(b).join(count, both).sink(out)),
      /reads state object count, but no computation of it writes it/,
    ],
    [
      'a read of one',
      () =>
        application(
          'app',
          from(b)
            .to(
              stateObject('other', () => ({ n: 0 })),
              tick,
              { reads: [count] },
            )
            .sink(out),
        ),
      /reads state object count/,
    ],
    [
      'keys that are partitioned in two ways',
      () => application('app', joined(customers, xx)),
      /share table customers, but topic a .*keyBy\(\) before join\(\) or table\(\)/,
    ],
  ])('%s', (_, act, message) => {
    invalid(act, message)
  })

  it('a promise, when it comes: only types can refuse it before', () => {
    const joining = untyped(from(b)).join(customers, () => Promise.resolve(1)) as { sink(topic: unknown): Pipeline }
    const app = application('app', joining.sink(out))
    const [end] = definitionOf(app).pipelines
    const step = end?.kind === 'sink' && end.upstream.kind === 'join' ? end.upstream.step : expect.fail()
    invalid(() => step({}, undefined), /gave a promise/)
  })
})

describe('what an application has of tables and broadcasts', () => {
  const rates: Broadcast<Item> = broadcast('rates', named('rates'))
  const topicsIn = (app: Application) => topicsOf(definitionOf(app)).map(({ name }) => name)

  it('is what it reads of them, with their topics', () => {
    const customers = table('customers', from(a))
    table('unused', from(named('unused')))
    const app = application(
      'app',
      from(b)
        .join(customers, both)
        .join(rates, ({ of }) => of, both)
        .sink(out),
    )
    expect(topicsIn(app)).toEqual(['a', 'b', 'rates', 'out'])
  })

  it('is what computations say that they read', () => {
    const customers = table('customers', from(a))
    const app = application(
      'app',
      from(b)
        .to(count, tick, { reads: [customers, rates] })
        .sink(out),
    )
    expect(topicsIn(app)).toEqual(['a', 'b', 'rates', 'out'])
  })

  it('has repartitions where keyBy() leads to a table or a join with one, and none for a join with a broadcast', () => {
    const customers = table(
      'customers',
      from(a).keyBy(({ of }) => of),
    )
    const app = application(
      'app',
      from(b).keyBy(({ of }) => of).join(customers, both).sink(out),
      from(named('c')).keyBy(({ of }) => of).join(rates, ({ of }) => of, both).sink(out),
    ) // prettier-ignore
    expect(repartitionsOf(definitionOf(app)).map(({ name }) => name)).toEqual(['a-customers', 'b-customers'])
  })
})
