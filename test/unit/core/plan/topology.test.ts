import { describe, expect, it } from 'vitest'
import { application, definitionOf, type Application } from '../../../../src/api/application.js'
import { from, merge, type Keyed, type Pipeline } from '../../../../src/api/stream.js'
import { stateObject, type StateObject } from '../../../../src/api/state-object.js'
import { topic } from '../../../../src/api/topic.js'
import { namesOf, taskId, topologyOf, type Operator } from '../../../../src/core/plan/topology.js'
import { anySchema } from '../../../support/schemas.js'

interface Item {
  id: string
}
const named = (name: string) => topic(name, { schema: anySchema<Item>(), key: (item) => item.id })
const state = (name: string) => stateObject(name, () => ({ n: 0 }))
const [a, b, c, d] = [named('a'), named('b'), named('c'), named('d')]
const [s, t] = [state('s'), state('t')]
const into = (stream: Keyed<Item>, target: StateObject<{ n: number }>): Pipeline => stream.to(target, () => undefined)

const shapeOf = (app: Application) =>
  topologyOf(definitionOf(app)).subTopologies.map((sub) => ({
    name: sub.name,
    sources: sub.sources.map(({ topic }) => topic.name),
    states: sub.states.map(({ name }) => name),
    sinks: sub.sinks.map(({ name }) => name),
  }))

describe('topologyOf', () => {
  it('puts pipelines apart that share nothing', () => {
    expect(shapeOf(application('app', into(from(a), s), into(from(b), t), from(c, 'plain').sink(d)))).toEqual([
      { name: 's', sources: ['a'], states: ['s'], sinks: [] },
      { name: 't', sources: ['b'], states: ['t'], sinks: [] },
      { name: 'plain', sources: ['c'], states: [], sinks: ['d'] },
    ])
  })

  it('puts pipelines together that share a state object', () => {
    expect(shapeOf(application('app', into(from(b), s), into(from(a), s)))).toEqual([
      {
        name: 's',
        sources: ['b', 'a'],
        states: ['s'],
        sinks: [],
      },
    ])
  })

  it('puts pipelines together that share a source', () => {
    expect(shapeOf(application('app', from(a, 'copy').sink(d), into(from(a), s)))).toEqual([
      { name: 's', sources: ['a'], states: ['s'], sinks: ['d'] },
    ])
  })

  it('joins groups that a later pipeline connects, in the order of declaration', () => {
    const app = application(
      'app',
      into(from(a), s),
      from(c).sink(d),
      into(from(b), t),
      into(from(a, 'bridge'), t),
      into(from(b, 'back'), s),
    )
    expect(shapeOf(app)).toEqual([
      {
        name: 's',
        sources: ['a', 'b'],
        states: ['s', 't'],
        sinks: [],
      },
      { name: 'c', sources: ['c'], states: [], sinks: ['d'] },
    ])
  })

  it('does not join a pipeline with one that reads its sink', () => {
    expect(shapeOf(application('app', from(a).sink(b), into(from(b), s))).map(({ name }) => name)).toEqual(['a', 's'])
  })

  it('keeps names when a pipeline is added in front', () => {
    const before = shapeOf(application('app', into(from(a), s)))
    const after = shapeOf(application('app', from(c).sink(d), into(from(a), s)))
    expect(after).toContainEqual(before[0])
  })
})

/** Operators as text: `filter(...)` with what is below it. */
const textOf = (operators: readonly Operator[]): string =>
  operators
    .map((one) =>
      one.kind === 'sink'
        ? `> ${one.topic.name}`
        : `${one.kind === 'compute' ? one.state.name : one.kind}(${'next' in one ? textOf(one.next) : ''})`,
    )
    .join(' ')
const cutOf = (app: Application) =>
  topologyOf(definitionOf(app)).subTopologies.map((sub) => ({
    name: sub.name,
    runs: Object.fromEntries(sub.sources.map(({ topic, operators }) => [topic.name, textOf(operators)])),
    sinks: sub.sinks.map(({ name }) => name),
  }))

describe('the graph is cut', () => {
  const lines = topic('lines', { schema: anySchema<Item>() })
  const other = (item: Item): string => `${item.id}!`

  it('at keyBy() where a computation stands after it, and nowhere else', () => {
    const app = application(
      'app',
      from(lines)
        .filter(Boolean)
        .keyBy(other)
        .map((item) => item)
        .to(s, (_, item) => item)
        .to(t, (_, item) => item)
        .sink(d),
      from(a).keyBy(other).sink(b),
    )
    expect(cutOf(app)).toEqual([
      { name: 'lines', runs: { lines: 'filter(> app-lines-s-repartition)' }, sinks: ['app-lines-s-repartition'] },
      { name: 's', runs: { 'app-lines-s-repartition': 'map(s(t(> d)))' }, sinks: ['d'] },
      { name: 'a', runs: { a: '> b' }, sinks: ['b'] },
    ])
  })

  it('and what is before a branch stands there once', () => {
    const stream = from(a).map((item) => item)
    const app = application(
      'app',
      stream.to(s, (_, item) => item).sink(c),
      stream.sink(d),
      stream.keyBy(other).to(t, () => undefined),
    )
    expect(cutOf(app)).toEqual([
      {
        name: 's',
        runs: { a: 'map(s(> c) > d > app-a-t-repartition)' },
        sinks: ['c', 'd', 'app-a-t-repartition'],
      },
      { name: 't', runs: { 'app-a-t-repartition': 't()' }, sinks: [] },
    ])
  })

  it('what several streams are merged into stands below each of them', () => {
    const merged = merge(
      from(a).filter(() => true),
      from(b),
      from(a).map((item) => item),
    )
    expect(cutOf(application('app', merged.to(s, (_, item) => item).sink(d)))).toEqual([
      { name: 's', runs: { a: 'filter(s(> d)) map(s(> d))', b: 's(> d)' }, sinks: ['d'] },
    ])
  })

  it('a repartition lies beside the topics of the state object that it leads to, and is partitioned like them', () => {
    const hashed = topic('hashed', { schema: anySchema<Item>(), key: (item) => item.id, partitioner: 'xxh64' })
    const app = application(
      'app',
      from(lines)
        .keyBy(other)
        .to(s, (_, item) => item)
        .to(t, () => undefined),
      into(from(hashed), t),
    )
    const [, sub] = topologyOf(definitionOf(app)).subTopologies
    expect(sub?.sources.map(({ topic, isRepartition }) => [topic.name, isRepartition, topic.partitioner])).toEqual([
      ['app-lines-s-repartition', true, 'xxh64'],
      ['hashed', false, 'xxh64'],
    ])
  })

  it('and may feed itself', () => {
    const app = application(
      'app',
      from(a)
        .to(s, (_, item) => item)
        .keyBy(other)
        .to(s, () => undefined),
    )
    expect(cutOf(app)).toEqual([
      {
        name: 's',
        runs: { a: 's(> app-s-s-repartition)', 'app-s-s-repartition': 's()' },
        sinks: ['app-s-s-repartition'],
      },
    ])
  })
})

it('names what Kafka holds of an application', () => {
  const names = namesOf('test.', 'app')
  expect(names.group).toBe('test.app')
  expect(names.topic('orders')).toBe('test.orders')
  expect(names.deadLetters).toBe('test.app-dead-letters')
  expect(names.changelog('s')).toBe('test.app-s-changelog')
  expect(names.transactionalId('s', 3)).toBe('test.app-s-3')
  expect(taskId('s', 3)).toBe('s_3')
})

describe('the depth of a sub-topology', () => {
  const depthsOf = (...pipelines: readonly [Pipeline, ...Pipeline[]]) =>
    Object.fromEntries(
      topologyOf(definitionOf(application('app', ...pipelines))).subTopologies.map(({ name, depth }) => [name, depth]),
    )
  const [u, v] = [state('u'), state('v')]
  const through = (stream: Keyed<Item>, target: StateObject<{ n: number }>): Keyed<Item> =>
    stream.to(target, (_, item) => item).keyBy(({ id }) => id)

  it('is how many stages lie before it, on the longest way', () => {
    const long = through(through(from(a), s), t)
    expect(depthsOf(into(through(from(b), v), u), into(long, u))).toEqual({ v: 0, s: 0, t: 1, u: 2 })
  })

  it('counts a topic that is sink and source as a stage', () => {
    expect(depthsOf(from(b).sink(c), into(from(c), t))).toEqual({ b: 0, t: 1 })
  })

  it('counts a loop once, from where it is entered', () => {
    const entered = through(from(a), s)
    // What is declared first is not where it is entered.
    expect(depthsOf(into(through(from(d), u), t), from(b).sink(d), into(entered, u))).toEqual({
      b: 0,
      u: 1,
      t: 2,
      s: 0,
    })
    expect(depthsOf(from(c).sink(d), from(d).sink(c), from(a).sink(c))).toEqual({ c: 1, d: 2, a: 0 })
  })

  it('does not count what a sub-topology writes to itself', () => {
    expect(depthsOf(into(through(from(a), s), s))).toEqual({ s: 0 })
  })
})
