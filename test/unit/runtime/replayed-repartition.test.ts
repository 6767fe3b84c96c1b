/** A dead letter that came from a repartition goes back there, and the computation after it continues with it, once. */
import { expect, it } from 'vitest'
import { application, from, stateObject, topic, type Application } from '../../../src/index.js'
import { finishLetters } from '../../../src/runtime/dead-letters/finish.js'
import { MemoryWorkers } from '../../support/memory-workers.js'
import { anySchema } from '../../support/schemas.js'

interface Reading {
  readonly device: string
  readonly site: string
}
const readings = topic('readings', { schema: anySchema<Reading>(), key: ({ device }) => device })
const sums = topic('sums', { schema: anySchema<{ name: string; n: number }>(), key: ({ name }) => name })
const site = stateObject('site', () => ({ n: 0 }))

const plant = (fails: (one: Reading) => boolean): Application =>
  application(
    'plant',
    from(readings)
      .keyBy((one) => one.site)
      .to(site, (state, one) => {
        state.n++
        if (fails(one)) throw new Error('on purpose')
        return { name: one.site, n: state.n }
      })
      .sink(sums),
  )

it('a dead letter of a repartition is replayed into its partition, and counts once, under its key', async () => {
  const workers = new MemoryWorkers({
    application: plant(({ device }) => device === 'broken'),
    topics: ['readings', 'sums'],
    partitions: 4,
  })
  const sites = ['north', 'south', 'east', 'west']
  for (const name of sites)
    for (const device of ['d1', 'broken', 'd2']) workers.append('readings', device, { device, site: name })
  await workers.start('w1')
  await workers.rest()
  expect(workers.records('sums')).toHaveLength(8)
  const process = workers.scheduler.process('operator')
  const env = { log: workers.cluster.log({ process }), clock: process.clock }
  const { signal } = new AbortController()
  const replay = () => workers.scheduler.run(finishLetters(env, workers.names, { how: 'replay', choice: {}, signal }))
  expect(await replay()).toMatchObject({ done: 4, refused: 0 })
  // The worker that fails at them makes new ones.
  await workers.rest()
  expect(workers.records('sums')).toHaveLength(8)
  await workers.stop('w1')
  expect(await replay()).toMatchObject({ done: 4, before: 4 })
  await workers.start(
    'w2',
    plant(() => false),
  )
  await workers.rest()
  expect(workers.endOf('w2')).toBeUndefined()
  const last = new Map(
    workers.records('sums').map(({ value }) => {
      const { name, n } = JSON.parse(value) as { name: string; n: number }
      return [name, n] as const
    }),
  )
  expect([...last].sort()).toEqual(sites.map((name) => [name, 3]).sort())
  expect(workers.records('sums')).toHaveLength(12)
})
