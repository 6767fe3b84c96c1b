import { describe, expect, it } from 'vitest'
import { application, definitionOf, type Application } from '../../../src/api/application.js'
import { from, type Keyed, type Pipeline } from '../../../src/api/pipeline.js'
import { stateObject, type StateObject } from '../../../src/api/state-object.js'
import { topic } from '../../../src/api/topic.js'
import { namesOf, taskId, topologyOf } from '../../../src/core/topology.js'
import { anySchema } from '../../support/schemas.js'

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
    sources: sub.sources.map(({ topic, pipelines }) => [topic.name, ...pipelines.map(({ name }) => name)]),
    states: sub.states.map(({ name }) => name),
    sinks: sub.sinks.map(({ name }) => name),
  }))

describe('topologyOf', () => {
  it('puts pipelines apart that share nothing', () => {
    expect(shapeOf(application('app', into(from(a), s), into(from(b), t), from(c, 'plain').sink(d)))).toEqual([
      { name: 's', sources: [['a', 'a']], states: ['s'], sinks: [] },
      { name: 't', sources: [['b', 'b']], states: ['t'], sinks: [] },
      { name: 'plain', sources: [['c', 'plain']], states: [], sinks: ['d'] },
    ])
  })

  it('puts pipelines together that share a state object', () => {
    expect(shapeOf(application('app', into(from(b), s), into(from(a), s)))).toEqual([
      {
        name: 's',
        sources: [
          ['b', 'b'],
          ['a', 'a'],
        ],
        states: ['s'],
        sinks: [],
      },
    ])
  })

  it('puts pipelines together that share a source', () => {
    expect(shapeOf(application('app', from(a, 'copy').sink(d), into(from(a), s)))).toEqual([
      { name: 's', sources: [['a', 'copy', 'a']], states: ['s'], sinks: ['d'] },
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
        sources: [
          ['a', 'a', 'bridge'],
          ['b', 'b', 'back'],
        ],
        states: ['s', 't'],
        sinks: [],
      },
      { name: 'c', sources: [['c', 'c']], states: [], sinks: ['d'] },
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

it('names what Kafka holds of an application', () => {
  const names = namesOf('test.', 'app')
  expect(names.group).toBe('test.app')
  expect(names.topic('orders')).toBe('test.orders')
  expect(names.deadLetters).toBe('test.app-dead-letters')
  expect(names.changelog('s')).toBe('test.app-s-changelog')
  expect(names.transactionalId('s', 3)).toBe('test.app-s-3')
  expect(taskId('s', 3)).toBe('s_3')
})
