/** A plan that is refused has made and written nothing: whoever runs, or comes after it, finds all as it was. */
import { expect, test } from 'vitest'
import { application, definitionOf } from '../../../src/api/application.js'
import { from, type Pipeline } from '../../../src/api/stream.js'
import { stateObject } from '../../../src/api/state-object.js'
import { topic } from '../../../src/api/topic.js'
import { topologyOf } from '../../../src/core/plan/topology.js'
import { isPotorooError } from '../../../src/errors.js'
import { MemoryCluster } from '../../../src/memory/cluster.js'
import { Scheduler } from '../../../src/memory/scheduler.js'
import { defaults } from '../../../src/runtime/options.js'
import { planTasks } from '../../../src/runtime/topics.js'
import { recordsOf } from '../../sim/views.js'
import { silentObserver } from '../../support/silent-logger.js'
import { anySchema } from '../../support/schemas.js'

interface Item {
  readonly id: string
  readonly other: string
}
const named = (name: string) => topic(name, { schema: anySchema<Item>(), key: ({ id }) => id })
const [a, b, wide] = [named('a'), named('b'), named('wide')]
const state = (name: string) => stateObject(name, () => ({ n: 0 }))
const [s, t, u] = [state('s'), state('t'), state('u')]
const into = (source: typeof a, to: typeof s): Pipeline => from(source).to(to, () => undefined)
const keyed = (source: typeof a, to: typeof s): Pipeline =>
  from(source)
    .keyBy(({ other }) => other)
    .to(to, () => undefined)

test.each<[string, readonly [Pipeline, ...Pipeline[]], string]>([
  ['connects two sub-topologies', [into(a, s), into(b, t), into(b, s)], 'TOPOLOGY_INCOMPATIBLE'],
  ['puts keyBy() before a state object', [keyed(a, s), into(b, t)], 'TOPOLOGY_INCOMPATIBLE'],
  ['reads a topic with another partition count', [into(wide, s), into(b, t), keyed(b, u)], 'CHANGELOG_UNFIT'],
  ['has sources with different ones', [into(a, s), into(wide, s), into(b, t), keyed(b, u)], 'PARTITION_COUNTS_DIFFER'],
])('one that %s', async (_, pipelines, code) => {
  const scheduler = new Scheduler()
  const cluster = new MemoryCluster({ scheduler })
  for (const [name, partitions] of [
    ['a', 2],
    ['b', 2],
    ['wide', 3],
  ] as const)
    cluster.createTopic({ name, partitions })
  const process = scheduler.process('w')
  const env = {
    log: cluster.log({ process }),
    observer: silentObserver,
    clock: process.clock,
    stores: { directory: '' },
  }
  const plan = async (...of: readonly [Pipeline, ...Pipeline[]]): Promise<string> => {
    try {
      await scheduler.run(planTasks(topologyOf(definitionOf(application('app', ...of))), env, defaults))
      // Markers are written soon after.
      await scheduler.advance(1_000)
      return 'accepted'
    } catch (error) {
      return isPotorooError(error) ? error.code : String(error)
    }
  }
  const manifest = () => recordsOf(cluster.partition({ topic: 'app-manifest', partition: 0 })).map(({ value }) => value)

  expect(await plan(into(a, s), into(b, t))).toBe('accepted')
  const before = manifest()
  expect(before).toHaveLength(1)
  expect(await plan(...pipelines)).toBe(code)
  expect(manifest()).toEqual(before)
  for (const name of ['app-u-changelog', 'app-b-u-repartition', 'app-a-s-repartition'])
    expect(cluster.describeTopic(name), name).toBeUndefined()
  expect(await plan(into(a, s), into(b, t))).toBe('accepted')
  expect(manifest()).toEqual(before)
})
