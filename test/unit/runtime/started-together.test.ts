/** Workers that start at the same time: what one of them found missing, another has made and worked with since. */
import { describe, expect, test } from 'vitest'
import { application, definitionOf } from '../../../src/api/application.js'
import { from } from '../../../src/api/stream.js'
import { stateObject } from '../../../src/api/state-object.js'
import { topic } from '../../../src/api/topic.js'
import { topologyOf } from '../../../src/core/plan/topology.js'
import { isPotorooError } from '../../../src/errors.js'
import { MemoryCluster } from '../../../src/memory/cluster.js'
import { Scheduler } from '../../../src/memory/scheduler.js'
import { defaults } from '../../../src/runtime/options.js'
import { planTasks } from '../../../src/runtime/topics.js'
import { silentObserver } from '../../support/silent-logger.js'
import { anySchema } from '../../support/schemas.js'

interface Item {
  readonly id: string
}
const a = topic('a', { schema: anySchema<Item>(), key: ({ id }) => id })
const s = stateObject('s', () => ({ n: 0 }))
const t = stateObject('t', () => ({ n: 0 }))
const app = application(
  'app',
  from(a)
    .to(s, (_, item) => item)
    .keyBy(({ id }) => id)
    .to(t, () => undefined),
)
const [CHANGELOG, REPARTITION] = ['app-s-changelog', 'app-s-t-repartition']

/** Plans the tasks of a worker that has seen no topic but the source, `late`: what another has made and committed since. */
async function planned(late: string, makes: boolean, knownAfterMs = 0) {
  const scheduler = new Scheduler()
  const cluster = new MemoryCluster({ scheduler })
  cluster.createTopic({ name: 'a', partitions: 1 })
  const compacted = { partitions: 1, config: { 'cleanup.policy': 'compact' } }
  if (late === REPARTITION)
    for (const name of [CHANGELOG, 'app-t-changelog']) cluster.createTopic({ name, ...compacted })
  const { clock } = scheduler.process('w')
  const log = cluster.log({ process: scheduler.process('w') })
  const asked = log.committedPositions.bind(log)
  log.committedPositions = (group, partitions) => {
    // It is asked of what the missing topic is there for.
    if (partitions.some(({ topic: of }) => of === (late === REPARTITION ? REPARTITION : 'a'))) {
      cluster.setCommitted(
        group,
        partitions.map((one) => ({ ...one, position: 1 })),
      )
      if (makes)
        scheduler.after(undefined, knownAfterMs, () => {
          cluster.createTopic(late === REPARTITION ? { name: late, partitions: 1 } : { name: late, ...compacted })
        })
    }
    return asked(group, partitions)
  }
  const env = { log, observer: silentObserver, clock, stores: { directory: '' } }
  try {
    const plans = await scheduler.run(planTasks(topologyOf(definitionOf(app)), env, defaults))
    return [...plans.keys()].join()
  } catch (error) {
    return isPotorooError(error) ? error.code : String(error)
  }
}

describe.each([
  ['changelog', CHANGELOG, 'CHANGELOG_LOST'],
  ['repartition', REPARTITION, 'REPARTITION_LOST'],
])('a %s that is missing while the group has read its sources', (_, name, code) => {
  test('is there after all: another worker has made it', async () => {
    expect(await planned(name, true)).toBe('s_0,t_0')
  })
  test('is there after all, once brokers know of it', async () => {
    expect(await planned(name, true, 1_000)).toBe('s_0,t_0')
  })
  test('is lost where nobody makes it', async () => {
    expect(await planned(name, false)).toBe(code)
  })
})
