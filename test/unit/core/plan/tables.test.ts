/** Where tables and broadcasts come in an application that is cut into tasks. */
import { describe, expect, it } from 'vitest'
import { definitionOf } from '../../../../src/api/application.js'
import { lateTables } from '../../../../src/core/plan/late-tables.js'
import { manifestBefore, reconcile } from '../../../../src/core/plan/manifest.js'
import { missingTopics, planTopics } from '../../../../src/core/plan/topic-plan.js'
import { namesOf, topologyOf, type Operator, type SubTopology } from '../../../../src/core/plan/topology.js'
import {
  application,
  broadcast,
  from,
  stateObject,
  table,
  topic,
  type Application,
  type Topic,
} from '../../../../src/index.js'
import { anySchema } from '../../../support/schemas.js'

interface Item {
  readonly id: string
  readonly of: string
}
const named = (name: string) => topic(name, { schema: anySchema<Item>(), key: (item) => item.id })
const [a, b, c, out] = [named('a'), named('b'), named('c'), named('out')]
const count = stateObject('count', () => ({ n: 0 }))
const other = stateObject('other', () => ({ n: 0 }))
const nothing = (): undefined => undefined
const both = (item: Item): Item => item
const rates = broadcast('rates', named('rates'))

const subsOf = (app: Application): readonly SubTopology[] => topologyOf(definitionOf(app)).subTopologies
const shapeOf = (app: Application) =>
  subsOf(app).map((sub) => ({
    name: sub.name,
    sources: sub.sources.map(({ topic: { name }, isRepartition }) => (isRepartition ? `${name}!` : name)),
    states: sub.states.map(({ name }) => name),
    broadcasts: sub.broadcasts.map(({ name }) => name),
  }))
const kindsOf = (operators: readonly Operator[]): unknown[] =>
  operators.map((one) => ('next' in one && one.next.length > 0 ? [one.kind, ...kindsOf(one.next)] : one.kind))

describe('a join', () => {
  it('puts the table and its reader together, the table first, whichever was declared first (invariant 1)', () => {
    const joined = table('joined', from(a))
    const app = application('app', from(b).to(count, nothing), from(b).join(joined, both).sink(out))
    expect(shapeOf(app)).toEqual([{ name: 'count', sources: ['a', 'b'], states: ['count', 'joined'], broadcasts: [] }])
  })

  it('of a stream with a table of its own topic finds what the message has just put there (invariant 1)', () => {
    const last = table('last', from(b))
    const app = application('app', from(b).join(last, both).sink(out))
    const [sub] = subsOf(app)
    expect(sub?.sources.map(({ operators }) => kindsOf(operators))).toEqual([['table', ['join', 'sink']]])
  })

  it('with a table after keyBy() is by repartition', () => {
    const joined = table(
      'joined',
      from(a).keyBy(({ of }) => of),
    )
    const app = application('app', from(b).join(joined, both).sink(out))
    expect(shapeOf(app)).toEqual([
      { name: 'a', sources: ['a'], states: [], broadcasts: [] },
      { name: 'joined', sources: ['app-a-joined-repartition!', 'b'], states: ['joined'], broadcasts: [] },
    ])
  })

  it('with a state object puts both together', () => {
    const app = application('app', from(a).to(count, nothing), from(b).join(count, both).sink(out))
    expect(shapeOf(app)).toEqual([{ name: 'count', sources: ['a', 'b'], states: ['count'], broadcasts: [] }])
  })

  it('with a broadcast puts nothing together', () => {
    const app = application(
      'app',
      from(a).join(rates, ({ of }) => of, both).sink(out),
      from(b).to(count, nothing, { reads: [rates] }),
      from(c).to(other, nothing),
    ) // prettier-ignore
    expect(shapeOf(app)).toEqual([
      { name: 'a', sources: ['a'], states: [], broadcasts: ['rates'] },
      { name: 'count', sources: ['b'], states: ['count'], broadcasts: ['rates'] },
      { name: 'other', sources: ['c'], states: ['other'], broadcasts: [] },
    ])
  })
})

it('what a computation says that it reads is kept with its state object', () => {
  const read = table('read', from(a))
  const app = application('app', from(b).to(count, nothing, { reads: [read, other] }), from(c).to(other, nothing))
  expect(shapeOf(app)).toEqual([
    { name: 'count', sources: ['a', 'b', 'c'], states: ['read', 'count', 'other'], broadcasts: [] },
  ])
})

it('topics of broadcasts have the partitions that they declare, and are for others to make', () => {
  const small = broadcast('small', topic('small', { schema: anySchema<Item>(), key: ({ id }) => id, partitions: 3 }))
  const app = application(
    'app',
    from(b)
      .join(small, ({ of }) => of, both)
      .sink(out),
  )
  const topology = topologyOf(definitionOf(app))
  const names = namesOf('x-', 'app')
  const planned = planTopics(topology, names, new Map())
  expect(planned.map(({ name, role, declaredPartitions }) => [name, role, declaredPartitions])).toContainEqual([
    'x-small',
    'broadcast',
    3,
  ])
  expect(missingTopics(topology, names, new Map())?.message).toBe('no such topic: x-b, x-small, x-out')
})

describe('the manifest', () => {
  const counts = (app: Application) => new Map(subsOf(app).map((sub) => [sub, 4]))
  const changed = (before: Application, after: Application) => {
    const [then, now] = [before, after].map((app) => topologyOf(definitionOf(app))) as [
      ReturnType<typeof topologyOf>,
      ReturnType<typeof topologyOf>,
    ]
    const of = (topology: typeof then) => new Map(topology.subTopologies.map((sub) => [sub, 4]))
    return reconcile(reconcile(undefined, then, of(then)).manifest, now, of(now))
  }
  const apart = application('app', from(a).to(count, nothing), from(b).to(other, nothing))

  it('takes a table and a join that are new', () => {
    const after = application('app', from(a).to(count, nothing), from(a).join(table('t', from(c)), both).sink(out), from(b).to(other, nothing)) // prettier-ignore
    expect(changed(apart, after)).toMatchObject({
      problems: [],
      topology: { subTopologies: [{ name: 'count' }, { name: 'other' }] },
      changes: expect.arrayContaining([
        { kind: 'created', what: 'state object', name: 't' },
        { kind: 'created', what: 'source', name: 'c' },
      ]) as unknown,
    })
  })

  it('refuses a join that would make one of two sub-topologies', () => {
    const after = application('app', from(a).to(count, nothing), from(b).to(other, nothing), from(b).join(count, both).sink(out)) // prettier-ignore
    expect(changed(apart, after).problems.map(({ code }) => code)).toEqual(['TOPOLOGY_INCOMPATIBLE'])
    const named = application('app', from(a).to(count, nothing), from(b).to(other, nothing, { reads: [count] }))
    expect(changed(apart, named).problems.map(({ code }) => code)).toEqual(['TOPOLOGY_INCOMPATIBLE'])
  })

  it('tells of tables that come late: their topics were read before', () => {
    const late = (after: Application) => {
      const then = topologyOf(definitionOf(apart))
      const manifest = reconcile(undefined, then, counts(apart)).manifest
      const { topology } = reconcile(manifest, topologyOf(definitionOf(after)), counts(after))
      return lateTables(topology, manifest)
    }
    const joined = (of: Topic<Item>) => {
      const steps = table(
        't',
        from(of).filter(() => true),
      )
      return application('app', from(a).to(count, nothing), from(a).join(steps, both).sink(out))
    }
    expect(late(joined(a))).toEqual([{ table: 't', topic: 'a' }])
    expect(late(joined(c))).toEqual([])
    expect(late(apart)).toEqual([])
    expect(lateTables(topologyOf(definitionOf(joined(a))), undefined)).toEqual([])
  })

  it('has nothing of broadcasts', () => {
    const after = application('app', from(a).to(count, nothing, { reads: [rates] }), from(b).to(other, nothing))
    expect(changed(apart, after).changes.every(({ kind }) => kind === 'kept')).toBe(true)
    expect(manifestBefore(topologyOf(definitionOf(after)), new Set(), counts(after))).toBeUndefined()
  })
})
