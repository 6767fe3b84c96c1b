/** Invariants are those of time-flow.ts. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { application, definitionOf, type Application } from '../../../../src/api/application.js'
import { stateObject } from '../../../../src/api/state-object.js'
import { from, merge } from '../../../../src/api/stream.js'
import { timer } from '../../../../src/api/timer.js'
import { topic } from '../../../../src/api/topic.js'
import { isDrivenByClock, timeFlow, writersIn } from '../../../../src/core/plan/time-flow.js'
import { topologyOf, type SubTopology } from '../../../../src/core/plan/topology.js'
import { anySchema } from '../../../support/schemas.js'

interface Item {
  readonly id: string
}
const named = (name: string) => topic(name, { schema: anySchema<Item>(), key: ({ id }) => id })
const [a, b] = [named('a'), named('b')]
const plain = topic('plain', { schema: anySchema<Item>() })
const state = (name: string) => stateObject(name, () => ({ n: 0 }))
const ending = (name: string) => stateObject(name, () => ({ n: 0 }), { ttlMs: 60_000 })
const same = (_: object, item: Item): Item => item
const nothing = (): undefined => undefined
const other = ({ id }: Item): string => id.slice(1)

function shapeOf(app: Application) {
  const { subTopologies } = topologyOf(definitionOf(app))
  const flow = timeFlow(subTopologies)
  return Object.fromEntries(
    [...flow].map(([{ name, sources }, { inputs, marks }]) => [
      name,
      {
        inputs: inputs.map((input, i) => [
          sources[i]?.topic.name,
          typeof input === 'string' ? input : input.map((writer) => writer.name),
        ]),
        marks: marks.map((topic) => topic.name),
      },
    ]),
  )
}

describe('timeFlow', () => {
  it('is of those that use time and of all before them, and of nobody else (invariant 3)', () => {
    const [first, last, beside] = [state('first'), ending('last'), state('beside')]
    const stream = from(plain).keyBy(other).to(first, same)
    expect(
      shapeOf(application('app', stream.keyBy(other).to(last, nothing), from(a).keyBy(other).to(beside, nothing))),
    ).toEqual({
      plain: { inputs: [['plain', 'records']], marks: ['app-plain-first-repartition'] },
      first: { inputs: [['app-plain-first-repartition', ['plain']]], marks: ['app-first-last-repartition'] },
      last: { inputs: [['app-first-last-repartition', ['first']]], marks: [] },
    })
    expect(shapeOf(application('app', stream.keyBy(other).to(beside, nothing)))).toEqual({})
    const rings = timer('rings', beside, { clock: 'wall' })
    expect(
      shapeOf(application('app', stream.keyBy(other).to(beside, nothing), from(rings).to(beside, nothing))),
    ).toEqual({})
  })

  it('has all writers of a repartition, and topics beside it', () => {
    const [one, last] = [state('one'), ending('last')]
    const merged = merge(from(a).to(one, same), from(plain).keyBy(other, { name: 'x' }).to(state('two'), same))
    const app = application('app', merged.keyBy(other, { name: 'all' }).to(last, nothing), from(b).to(last, nothing))
    expect(shapeOf(app)).toMatchObject({
      last: {
        inputs: [
          ['app-all-repartition', ['one', 'two']],
          ['b', 'records'],
        ],
        marks: [],
      },
      one: { marks: ['app-all-repartition'] },
      two: { marks: ['app-all-repartition'] },
    })
    const { subTopologies } = topologyOf(definitionOf(app))
    const flow = timeFlow(subTopologies)
    const into = subTopologies.find(({ name }) => name === 'last')?.sources[0]?.topic
    expect(into && writersIn(flow, into).map(({ name }) => name)).toEqual(['one', 'two'])
  })

  it('leaves out the edge that closes a loop: that to what is declared first, and of a sub-topology to itself (invariant 1)', () => {
    const [book, desk] = [ending('book'), state('desk')]
    const trades = from(a).to(book, same)
    expect(
      shapeOf(application('app', trades.keyBy(other).to(desk, same).keyBy(other, { name: 'back' }).to(book, nothing))),
    ).toEqual({
      book: {
        inputs: [
          ['a', 'records'],
          ['app-back-repartition', 'none'],
        ],
        marks: [],
      },
    })
    expect(shapeOf(application('app', trades.keyBy(other, { name: 'again' }).to(book, nothing)))).toEqual({
      book: {
        inputs: [
          ['a', 'records'],
          ['app-again-repartition', 'none'],
        ],
        marks: [],
      },
    })
    const late = ending('late')
    // What lies behind the loop needs its time.
    expect(
      shapeOf(
        application(
          'app',
          trades.keyBy(other).to(desk, same).keyBy(other, { name: 'back' }).to(book, nothing),
          from(timer('t', desk)).to(desk, same).keyBy(other, { name: 'out' }).to(late, nothing),
        ),
      ),
    ).toMatchObject({
      book: {
        inputs: [
          ['a', 'records'],
          ['app-back-repartition', 'none'],
        ],
        marks: ['app-book-desk-repartition'],
      },
      desk: { inputs: [['app-book-desk-repartition', ['book']]], marks: ['app-out-repartition'] },
      late: { inputs: [['app-out-repartition', ['desk']]] },
    })
  })

  it('goes through calls, but for the edge by which results come back to what is before their call (invariant 2)', () => {
    const [book, desk] = [ending('book'), state('desk')]
    const make = (item: Item): Promise<Item> => Promise.resolve(item)
    const called = from(a).to(book, same).call('ask', make)
    expect(shapeOf(application('app', called.to(book, nothing)))).toEqual({
      book: {
        inputs: [
          ['a', 'records'],
          [expect.any(String), 'none'],
        ],
        marks: [],
      },
    })
    const late = ending('late')
    expect(shapeOf(application('app', from(b).to(late, nothing), called.to(late, nothing)))).toEqual({
      book: { inputs: [['a', 'records']], marks: ['app-book-ask-repartition'] },
      ask: { inputs: [['app-book-ask-repartition', ['book']]], marks: ['app-ask-late-repartition'] },
      late: {
        inputs: [
          ['b', 'records'],
          ['app-ask-late-repartition', ['ask']],
        ],
        marks: [],
      },
    })
    expect(shapeOf(application('app', from(a).call('ask', make).to(late, nothing)))).toMatchObject({
      ask: { inputs: [['a', 'records']], marks: ['app-ask-late-repartition'] },
      late: { inputs: [['app-ask-late-repartition', ['ask']]] },
    })
    expect(Object.keys(shapeOf(application('app', called.to(desk, same).keyBy(other).to(late, nothing))))).toEqual([
      'book',
      'ask',
      'desk',
      'late',
    ])
    // Nobody after it uses time.
    expect(Object.keys(shapeOf(application('app', called.to(desk, nothing))))).toEqual(['book'])
    // Whatever is declared first, a call is not what the others of its loop wait for.
    const right = ending('right')
    const looped = merge(from(b).to(desk, same), from(timer('back', right)).to(right, same))
      .keyBy(other, { name: 'in' })
      .call('ask', make)
    expect(shapeOf(application('app', looped.to(right, nothing), from(a).to(right, nothing)))).toEqual({
      right: {
        inputs: [
          ['app-ask-right-repartition', 'none'],
          ['a', 'records'],
        ],
        marks: [],
      },
    })
    // Within a loop what lies after it has its time.
    expect(
      shapeOf(application('app', called.to(late, same).keyBy(other, { name: 'back' }).to(book, nothing))),
    ).toMatchObject({
      book: {
        inputs: [
          ['a', 'records'],
          ['app-back-repartition', 'none'],
        ],
      },
      ask: { inputs: [['app-book-ask-repartition', ['book']]] },
      late: { inputs: [['app-ask-late-repartition', ['ask']]] },
    })
  })

  it('of any graph is without loops, and each that has a time has an input that brings it (invariant 1)', () => {
    const sub = fc.record({ reads: fc.boolean(), uses: fc.boolean(), into: fc.array(fc.nat(5), { maxLength: 4 }) })
    fc.assert(
      fc.property(fc.array(sub, { minLength: 1, maxLength: 6 }), (drawn) => {
        const repartitions = drawn.map((_, i) => ({ name: `r${String(i)}`, ticks: false }))
        const subs = drawn.map(({ reads, uses, into }, i): SubTopology => {
          const isWritten = drawn.some((one) => one.into.includes(i))
          const topics = [
            // As in any application, messages come from somewhere.
            ...(reads || i === 0 ? [{ topic: { name: `t${String(i)}`, ticks: true }, isRepartition: false }] : []),
            ...(isWritten ? [{ topic: repartitions[i], isRepartition: true }] : []),
          ]
          return {
            name: `s${String(i)}`,
            sources: topics,
            sinks: [...new Set(into)].flatMap((at) => repartitions[at] ?? []),
            states: [{ ttlMs: uses ? 1_000 : undefined }],
            timed: [],
          } as unknown as SubTopology
        })
        // Those that nothing leads to but themselves are in no application.
        const fed = new Set(subs.filter(({ sources }) => sources.some(({ isRepartition }) => !isRepartition)))
        for (const one of fed)
          for (const reader of subs) if (reader.sources.some(({ topic }) => one.sinks.includes(topic))) fed.add(reader)
        const all = subs.filter((one) => fed.has(one))
        const flow = timeFlow(all)
        for (const [reader, { inputs }] of flow) {
          expect(inputs.some((input) => input !== 'none')).toBe(true)
          const before = new Set(inputs.flatMap((input) => (typeof input === 'string' ? [] : input)))
          for (const one of before)
            for (const input of flow.get(one)?.inputs ?? [])
              if (typeof input !== 'string') for (const w of input) before.add(w)
          expect(before.has(reader)).toBe(false)
          expect(isDrivenByClock(flow, reader)).toBe(true)
        }
        for (const one of all) if (one.states.some(({ ttlMs }) => ttlMs !== undefined)) expect(flow.has(one)).toBe(true)
      }),
    )
  })

  it('says whether the clock brings it: all topics before it have to let it', () => {
    const never = topic('never', { schema: anySchema<Item>(), key: ({ id }) => id, idle: 'never' })
    const last = ending('last')
    const app = application('app', from(never).keyBy(other).to(last, nothing))
    const { subTopologies } = topologyOf(definitionOf(app))
    expect(subTopologies.map((one) => isDrivenByClock(timeFlow(subTopologies), one))).toEqual([false, false])
  })
})
