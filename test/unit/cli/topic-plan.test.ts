import * as z from 'zod'
import { describe, expect, test } from 'vitest'
import { application, definitionOf } from '../../../src/api/application.js'
import { from } from '../../../src/api/stream.js'
import { stateObject } from '../../../src/api/state-object.js'
import { topic } from '../../../src/api/topic.js'
import { topologyOf } from '../../../src/core/plan/topology.js'
import { planTopics, topicNames } from '../../../src/cli/topic-plan.js'
import type { TopicInfo } from '../../../src/ports/log.js'

const schema = z.object({ id: z.string() })
const make = (name: string, partitions: number, config: Record<string, string> = {}) =>
  topic(name, { schema, key: ({ id }) => id, partitions, config })
const count = stateObject('count', () => ({ n: 0 }))

const definition = (quotes = 4, orders = 4) =>
  definitionOf(
    application(
      'shop',
      from(make('quotes', quotes)).to(count, () => undefined),
      from(make('orders', orders, { 'cleanup.policy': 'compact,delete' }))
        .to(count, (_state, message) => message)
        .sink(make('answers', 2)),
    ),
  )

const info = (name: string, partitions: number, cleanupPolicy = ['delete']): TopicInfo => ({
  name,
  partitions,
  cleanupPolicy,
  maxMessageBytes: 1_000_000,
  deleteRetentionMs: 86_400_000,
})
const there = (...infos: TopicInfo[]) => new Map(infos.map((one) => [one.name, one]))

describe('planTopics', () => {
  test('creates everything as declared where nothing is there', () => {
    const { rows, problems } = planTopics(topologyOf(definition()), '', there(), 3)
    expect(problems).toEqual([])
    expect(rows.map(({ create }) => create)).toEqual([
      { name: 'quotes', partitions: 4, replicationFactor: 3, config: {} },
      { name: 'orders', partitions: 4, replicationFactor: 3, config: { 'cleanup.policy': 'compact,delete' } },
      { name: 'answers', partitions: 2, replicationFactor: 3, config: {} },
      { name: 'shop-count-changelog', partitions: 4, replicationFactor: 3, config: { 'cleanup.policy': 'compact' } },
      { name: 'shop-dead-letters', partitions: 4, replicationFactor: 3, config: {} },
    ])
  })

  test('puts the prefix in front of every name', () => {
    const names = topicNames(topologyOf(definition()), 'test-')
    expect(names).toHaveLength(5)
    expect(names.every((name) => name.startsWith('test-'))).toBe(true)
  })

  test('takes what is there as it is, and makes what is missing fit it', () => {
    const { rows, problems } = planTopics(topologyOf(definition()), '', there(info('quotes', 12), info('answers', 1)))
    expect(problems).toEqual([])
    expect(Object.fromEntries(rows.map(({ name, create }) => [name, create?.partitions]))).toEqual({
      quotes: undefined,
      orders: 12,
      answers: undefined,
      'shop-count-changelog': 12,
      'shop-dead-letters': 12,
    })
    expect(rows[0]).toMatchObject({ declaredPartitions: 4, there: { partitions: 12 } })
  })

  test('names co-partitioned sources that differ, there or declared', () => {
    const [differ] = planTopics(topologyOf(definition()), '', there(info('quotes', 12), info('orders', 8))).problems
    expect(differ).toMatchObject({ code: 'PARTITION_COUNTS_DIFFER' })
    expect(differ?.message).toContain('quotes has 12, orders has 8')
    const [declared] = planTopics(topologyOf(definition(4, 5)), '', there()).problems
    expect(declared?.message).toContain('quotes declares 4, orders declares 5')
  })

  test('names what a changelog must not be', () => {
    const sources = [info('quotes', 4), info('orders', 4)]
    const problems = (changelog: TopicInfo) =>
      planTopics(topologyOf(definition()), '', there(...sources, changelog)).problems.map(({ code, message }) => [
        code,
        message,
      ])
    expect(problems(info('shop-count-changelog', 4, ['compact']))).toEqual([])
    expect(problems(info('shop-count-changelog', 8, ['compact', 'delete']))).toEqual([
      ['CHANGELOG_UNFIT', 'shop-count-changelog has cleanup.policy compact,delete'],
      ['CHANGELOG_UNFIT', 'shop-count-changelog has 8 partitions, but its sources have 4'],
    ])
  })

  test('an application without state has no changelog', () => {
    const stateless = definitionOf(application('copy', from(make('in', 1)).sink(make('out', 1))))
    expect(topicNames(topologyOf(stateless), '')).toEqual(['in', 'out', 'copy-dead-letters'])
  })
})
