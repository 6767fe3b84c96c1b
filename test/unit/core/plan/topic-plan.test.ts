/** src/core/plan/topic-plan.ts: which topics an application needs, and what of them is created, kept, refused or lost. */
import * as z from 'zod'
import { describe, expect, test } from 'vitest'
import { application, definitionOf } from '../../../../src/api/application.js'
import { from } from '../../../../src/api/stream.js'
import { stateObject } from '../../../../src/api/state-object.js'
import { topic } from '../../../../src/api/topic.js'
import { withTopicIds, type Manifest } from '../../../../src/core/plan/manifest.js'
import { repartitionConfig } from '../../../../src/core/plan/repartition.js'
import {
  doubtfulRepartitions,
  comparedWithKafka,
  missingChangelogs,
  missingTopics,
  planTopics,
  refusal,
  topicNames,
  unfinishedReset,
  unfitTopics,
} from '../../../../src/core/plan/topic-plan.js'
import { namesOf, topologyOf } from '../../../../src/core/plan/topology.js'
import { PotorooError } from '../../../../src/errors.js'
import type { TopicInfo } from '../../../../src/ports/log.js'

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

const REPARTITION = 'shop-orders-count-repartition'
const rekeyed = (partitions = 5) =>
  definitionOf(
    application(
      'shop',
      from(make('orders', 4))
        .keyBy(({ id }) => id)
        .to(
          stateObject('count', () => ({ n: 0 }), { partitions }),
          (_state, message) => message,
        )
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

const names = namesOf('', 'shop')
const plan = (found: ReturnType<typeof there>, of = definition()) => planTopics(topologyOf(of), names, found)
const said = (problems: readonly PotorooError[]) => problems.map(({ code, message }) => [code, message])

const held = (of: ReturnType<typeof definition>, ...infos: TopicInfo[]) =>
  comparedWithKafka(topologyOf(of), names, there(...infos), undefined)

describe('planTopics', () => {
  test('creates everything as declared where nothing is there', () => {
    expect(plan(there()).map(({ role, create }) => [role, create])).toEqual([
      ['source', { name: 'quotes', partitions: 4, config: {} }],
      ['source', { name: 'orders', partitions: 4, config: { 'cleanup.policy': 'compact,delete' } }],
      ['sink', { name: 'answers', partitions: 2, config: {} }],
      ['manifest', { name: 'shop-manifest', partitions: 1, config: { 'cleanup.policy': 'compact' } }],
      ['dead letters', { name: 'shop-dead-letters', partitions: 4, config: {} }],
      ['changelog', { name: 'shop-count-changelog', partitions: 4, config: { 'cleanup.policy': 'compact' } }],
    ])
  })

  test('puts the prefix in front of every name', () => {
    const all = topicNames(topologyOf(definition()), namesOf('test-', 'shop'))
    expect(all).toHaveLength(6)
    expect(all.every((name) => name.startsWith('test-'))).toBe(true)
  })

  test('takes what is there as it is, and makes what is missing fit it (invariant 1)', () => {
    const topics = plan(there(info('quotes', 12), info('answers', 1)))
    expect(Object.fromEntries(topics.map(({ name, create }) => [name, create?.partitions]))).toEqual({
      quotes: undefined,
      orders: 12,
      answers: undefined,
      'shop-count-changelog': 12,
      'shop-dead-letters': 12,
      'shop-manifest': 1,
    })
    expect(topics[0]).toMatchObject({ declaredPartitions: 4, there: { partitions: 12 } })
  })

  test('has no changelog for an application without state', () => {
    const stateless = definitionOf(application('copy', from(make('in', 1)).sink(make('out', 1))))
    expect(topicNames(topologyOf(stateless), namesOf('', 'copy'))).toEqual([
      'copy-dead-letters',
      'copy-manifest',
      'in',
      'out',
    ])
  })

  test('has a repartition once, though it is written to as a sink is, with as many partitions as what reads it', () => {
    const topics = plan(there(info('orders', 3)), rekeyed())
    expect(topics.filter(({ name }) => name === REPARTITION)).toEqual([
      expect.objectContaining({
        role: 'repartition',
        create: { name: REPARTITION, partitions: 5, config: repartitionConfig },
      }),
    ])
  })
})

describe('refused', () => {
  test('are sources and sinks that are missing: others make them (invariant 2)', () => {
    const missing = (...infos: TopicInfo[]) => missingTopics(topologyOf(rekeyed()), names, there(...infos))?.message
    expect(missing()).toBe('no such topic: orders, answers')
    expect(missing(info('orders', 1))).toBe('no such topic: answers')
    expect(missing(info('orders', 1), info('answers', 1))).toBeUndefined()
  })

  test('are co-partitioned sources that differ, there or declared', () => {
    const unfit = (of: ReturnType<typeof definition>, ...infos: TopicInfo[]) =>
      said(unfitTopics(topologyOf(of), names, there(...infos)))
    const text = 'the sources of sub-topology count are co-partitioned, but'
    expect(unfit(definition(), info('quotes', 12), info('orders', 8))).toEqual([
      ['PARTITION_COUNTS_DIFFER', `${text} quotes has 12, orders has 8`],
    ])
    expect(unfit(definition(4, 5))).toEqual([
      ['PARTITION_COUNTS_DIFFER', `${text} quotes declares 4, orders declares 5`],
    ])
    expect(unfit(definition(4, 5), info('quotes', 12))).toEqual([])
  })

  test('is a changelog that is not compacted alone, or has another number of partitions', () => {
    const unfit = (changelog: TopicInfo) =>
      said(unfitTopics(topologyOf(definition()), names, there(info('quotes', 4), info('orders', 4), changelog)))
    expect(unfit(info('shop-count-changelog', 4, ['compact']))).toEqual([])
    expect(unfit(info('shop-count-changelog', 8, ['compact', 'delete']))).toEqual([
      ['CHANGELOG_UNFIT', expect.stringMatching(/^shop-count-changelog has cleanup.policy compact,delete: /)],
      ['CHANGELOG_UNFIT', expect.stringMatching(/^shop-count-changelog has 8 partitions, but its sources have 4: /)],
    ])
  })

  test('is an application of which a reset was begun', () => {
    const { manifest } = held(definition()).reconciled
    expect(unfinishedReset(manifest, { application: 'shop' })).toBeUndefined()
    expect(unfinishedReset({ ...manifest, resetting: true }, { application: 'shop' })?.code).toBe('RESET_UNFINISHED')
  })

  test('are several things in one error, which has their code where that is one', () => {
    const [newer, other] = [new PotorooError('STATE_NEWER', 'a'), new PotorooError('TOPOLOGY_INCOMPATIBLE', 'b')]
    expect(refusal([])).toBeUndefined()
    expect(refusal([newer])).toBe(newer)
    expect(said([refusal([newer, newer]), refusal([newer, other])].flatMap((one) => one ?? []))).toEqual([
      ['STATE_NEWER', 'a a'],
      ['TOPOLOGY_INCOMPATIBLE', 'a b'],
    ])
  })
})

describe('what may be lost (invariant 4)', () => {
  const all = [info('orders', 3), info('answers', 1)]
  const of = rekeyed()
  const { manifest } = held(of, ...all).reconciled
  const changelogs = (before: Manifest | undefined, ...infos: TopicInfo[]) =>
    missingChangelogs(topologyOf(of), names, there(...all, ...infos), before).map(
      ({ name, partitions, isInManifest }) => {
        return { name, partitions, isInManifest }
      },
    )
  const doubts = (before: Manifest | undefined, ...infos: TopicInfo[]) =>
    doubtfulRepartitions(topologyOf(of), names, there(...all, ...infos), before).map(({ doubt, partitions }) => [
      doubt,
      partitions,
    ])

  test('is a changelog that is missing, by the manifest or else by the offsets of the group', () => {
    const missing = { name: 'shop-count-changelog', partitions: 5 }
    expect(changelogs(undefined)).toEqual([{ ...missing, isInManifest: false }])
    expect(changelogs(manifest)).toEqual([{ ...missing, isInManifest: true }])
    expect(changelogs(manifest, info('shop-count-changelog', 5))).toEqual([])
  })

  test('is none where there was no state', () => {
    const stateless = {
      ...manifest,
      subTopologies: manifest.subTopologies.map((entry) => ({ ...entry, states: [] })),
    }
    expect(changelogs(stateless)).toEqual([])
  })

  test('is a repartition that is missing, or has another id than the manifest knows', () => {
    const known = withTopicIds(manifest, (name) => (name === REPARTITION ? 'id-1' : undefined))
    const withId = (id: string | undefined) => ({ ...info(REPARTITION, 5), id })
    expect(doubts(undefined)).toEqual([['unknown', 5]])
    expect(doubts(manifest)).toEqual([['missing', 5]])
    expect(doubts(known)).toEqual([['missing', 5]])
    expect(doubts(known, withId('id-1'))).toEqual([])
    expect(doubts(known, withId('id-2'))).toEqual([['replaced', 5]])
    // Brokers without ids, or a manifest from before there were any.
    expect(doubts(known, withId(undefined))).toEqual([])
    expect(doubts(manifest, withId('id-2'))).toEqual([])
  })

  test('has to have as many partitions as the manifest says, where that is another number', () => {
    const { manifest: with7 } = held(rekeyed(7), ...all).reconciled
    expect(doubts(with7)).toEqual([['missing', 7]])
  })
})
