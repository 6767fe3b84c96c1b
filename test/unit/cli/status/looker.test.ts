import { describe, expect, it } from 'vitest'
import { application, definitionOf } from '../../../../src/api/application.js'
import type { ApplicationDefinition } from '../../../../src/api/definition.js'
import { from } from '../../../../src/api/stream.js'
import { stateObject } from '../../../../src/api/state-object.js'
import { topic } from '../../../../src/api/topic.js'
import { Looker } from '../../../../src/cli/status/looker.js'
import type { WorkerStatus } from '../../../../src/core/group/worker-status.js'
import { PotorooError } from '../../../../src/errors.js'
import type { GroupDescription } from '../../../../src/kafka/group-view.js'
import type { TopicInfo, TopicPartition } from '../../../../src/ports/log.js'
import type { Peer } from '../../../../src/ports/peers.js'
import { anySchema } from '../../../support/schemas.js'
import { member, says } from './support.js'

const unaborted = new AbortController().signal

interface Item {
  readonly id: string
}
const items = (name: string) => topic(name, { schema: anySchema<Item>(), key: (item) => item.id })
const count = (state: { n: number }): void => {
  state.n += 1
}
const counter = stateObject('counter', () => ({ n: 0 }))
const other = stateObject('other', () => ({ n: 0 }))
const twoSteps = definitionOf(
  application(
    'app',
    from(items('a')).to(counter, count),
    from(items('b')).to(counter, count),
    from(items('c')).to(other, count),
  ),
)

const stable = (...members: GroupDescription['members']): GroupDescription => ({ state: 'stable', members })
const rebalancing: GroupDescription = { state: 'rebalancing', members: [] }
const empty: GroupDescription = { state: 'empty', members: [] }

interface WorldOptions {
  readonly definition?: ApplicationDefinition
  /** What the group says, one after another; the last again and again. */
  readonly describes: readonly GroupDescription[]
  readonly status?: (peer: Peer) => Promise<WorkerStatus | undefined>
  /** Partition counts, by topic. */
  readonly topics?: Readonly<Record<string, number>>
  /** `topic/partition` to [earliest, committed, end]. */
  readonly positions?: Readonly<Record<string, readonly [number, number | undefined, number]>>
}

/** Time goes by only where somebody waits for it. */
function world({ definition = twoSteps, describes, status, topics = {}, positions = {} }: WorldOptions) {
  let nowMs = 0
  let described = 0
  const at = ({ topic: name, partition }: TopicPartition) => positions[`${name}/${partition}`] ?? [0, 0, 0]
  const info = (name: string): TopicInfo => ({
    name,
    partitions: topics[name] ?? 0,
    maxMessageBytes: 1,
    cleanupPolicy: [],
    deleteRetentionMs: 1,
  })
  const looker = new Looker(definition, 'x-', {
    clock: {
      now: () => 1_000_000 + nowMs,
      monotonic: () => nowMs,
      after: (ms, call) => {
        nowMs += ms
        setImmediate(call)
        return { cancel: () => undefined }
      },
      soon: setImmediate,
    },
    log: {
      describeTopics: (names) =>
        Promise.resolve(new Map(names.filter((name) => name in topics).map((name) => [name, info(name)]))),
      fetcher: () => expect.unreachable('there is no manifest to read'),
      listOffsets: (partitions, which) => Promise.resolve(partitions.map((one) => at(one)[which === 'end' ? 2 : 0])),
    },
    view: {
      describe: () => Promise.resolve(describes[Math.min(described++, describes.length - 1)] ?? empty),
      committed: (partitions) => Promise.resolve(partitions.map((one) => at(one)[1])),
    },
    peers: { status: status ?? (({ memberId }) => Promise.resolve(says(memberId.replace('-id', '')))) },
  })
  return { looker, wait: (ms: number) => (nowMs += ms), described: () => described }
}

describe('a look at an application', () => {
  it('finds the inputs of every task, as they are named in Kafka', async () => {
    const { looker } = world({
      describes: [empty],
      topics: { 'x-a': 2, 'x-b': 2, 'x-c': 1, c: 7 },
      positions: { 'x-a/0': [0, 10, 15], 'x-b/0': [4, undefined, 6], 'x-a/1': [0, 3, 3], 'x-c/0': [0, 9, 8] },
    })
    const { tasks, group } = await looker.look(0, unaborted)
    expect(group).toBe('x-app')
    expect(tasks.map(({ task, lag }) => [task, lag])).toEqual([
      ['counter_0', 7],
      ['counter_1', 0],
      ['other_0', 0],
    ])
    expect(tasks[0]?.inputs).toEqual([
      { topic: 'x-a', partition: 0, committed: 10, end: 15, lag: 5 },
      { topic: 'x-b', partition: 0, committed: null, end: 6, lag: 2 },
    ])
  })

  it('finds the tasks of all sub-topologies, and what is unread of the repartitions between them', async () => {
    const steps = definitionOf(
      application(
        'app',
        from(items('a'))
          .keyBy(({ id }) => id)
          .to(counter, count),
        from(items('c')).to(other, count),
      ),
    )
    const { looker } = world({
      definition: steps,
      describes: [empty],
      topics: { 'x-a': 2, 'x-app-a-counter-repartition': 2, 'x-c': 1 },
      positions: {
        'x-app-a-counter-repartition/0': [5, 6, 10],
        'x-app-a-counter-repartition/1': [0, undefined, 3],
        'x-c/0': [0, 1, 2],
      },
    })
    const { tasks, topics } = await looker.look(0, unaborted)
    expect(tasks.map(({ task, lag }) => [task, lag])).toEqual([
      ['a_0', 0],
      ['a_1', 0],
      ['counter_0', 4],
      ['counter_1', 3],
      ['other_0', 1],
    ])
    expect(topics).toEqual([
      { topic: 'x-a', isRepartition: false, partitions: 2, lag: 0, mostLag: 0 },
      { topic: 'x-app-a-counter-repartition', isRepartition: true, partitions: 2, lag: 7, mostLag: 4 },
      { topic: 'x-c', isRepartition: false, partitions: 1, lag: 1, mostLag: 1 },
    ])
  })

  it('finds nothing where nothing is, without an error', async () => {
    expect(await world({ describes: [empty] }).looker.look(0, unaborted)).toEqual({
      application: 'app',
      group: 'x-app',
      atMs: 1_000_000,
      state: 'no workers',
      describedMsAgo: 0,
      workers: [],
      tasks: [],
      topics: [],
      handOffs: [],
    })
  })

  it('waits for a group that rebalances', async () => {
    const { looker, described } = world({ describes: [rebalancing, rebalancing, stable(member('w1'))] })
    const { state, workers } = await looker.look(5_000, unaborted)
    expect([state, workers.length, described()]).toEqual(['stable', 1, 3])
  })

  it('waits no longer than it is told, and then says so', async () => {
    const { looker, described } = world({ describes: [rebalancing] })
    expect(await looker.look(5_000, unaborted)).toMatchObject({
      state: 'rebalancing',
      describedMsAgo: null,
      workers: [],
      atMs: 1_005_000,
    })
    expect(described()).toBe(51)
  })

  it('keeps what a group said last while it rebalances, and asks those workers', async () => {
    const { looker, wait } = world({ describes: [stable(member('w1')), rebalancing, empty, rebalancing] })
    await looker.look(0, unaborted)
    wait(1_500)
    expect(await looker.look(0, unaborted)).toMatchObject({
      state: 'rebalancing',
      describedMsAgo: 1_500,
      workers: [{ worker: 'w1', live: true }],
    })
    expect(await looker.look(0, unaborted)).toMatchObject({ state: 'no workers', describedMsAgo: 0, workers: [] })
    expect(await looker.look(0, unaborted)).toMatchObject({ state: 'rebalancing', workers: [] })
  })

  it('tells why a worker did not answer', async () => {
    const unreachable = new PotorooError('PEER_UNREACHABLE', 'nobody there')
    const plain = member('w4')
    const { looker } = world({
      describes: [
        stable(
          member('w1'),
          member('w2'),
          { ...member('w3'), info: undefined },
          { ...plain, info: { v: 1, worker: 'w4', active: [], standby: {}, leaving: false } },
        ),
      ],
      status: ({ memberId }) => (memberId === 'w1-id' ? Promise.reject(unreachable) : Promise.resolve(undefined)),
    })
    const { workers } = await looker.look(0, unaborted)
    expect(workers.map(({ live }) => live)).toEqual([false, false, false, false])
    expect(workers.map(({ problem }) => problem)).toEqual([
      'nobody there',
      'another worker, or another version, answers at its address',
      'it is not a Potoroo worker, or runs another version',
      'it has no address',
    ])
  })

  it('can be called off, while it asks and while it waits', async () => {
    const stop = new AbortController()
    const asking = world({
      describes: [stable(member('w1'))],
      status: () => {
        stop.abort(new Error('enough'))
        return Promise.reject(new PotorooError('PEER_UNREACHABLE', 'nobody there'))
      },
    })
    await expect(asking.looker.look(0, stop.signal)).rejects.toThrow('enough')
    await expect(world({ describes: [rebalancing] }).looker.look(60_000, stop.signal)).rejects.toThrow('enough')
  })
})
