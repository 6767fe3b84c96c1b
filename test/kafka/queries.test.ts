/** Queries on a real broker: what is told of state objects while messages come, and while workers come and die. */
import { afterEach, expect, it } from 'vitest'
import { application, from, stateObject, topic } from '../../src/index.js'
import { KafkaWorkers } from '../support/kafka-workers.js'
import { anySchema } from '../support/schemas.js'
import { createTopics, produce } from '../support/topics.js'
import { until } from '../support/until.js'

interface Step {
  readonly id: string
  readonly n: number
}
const steps = topic('steps', { schema: anySchema<Step>(), key: ({ id }) => id })
const counter = stateObject('counter', () => ({ n: 0, sum: 0 }))
const counting = application(
  'counting',
  from(steps).to(counter, (state, { n }) => {
    state.n++
    state.sum += n
  }),
)

const opened: KafkaWorkers[] = []
afterEach(async () => {
  for (const workers of opened.splice(0)) await workers.close()
})

async function onBroker(partitions = 4): Promise<KafkaWorkers> {
  const workers = new KafkaWorkers(counting)
  opened.push(workers)
  await createTopics([{ name: workers.names.topic('steps'), partitions, config: {} }])
  return workers
}
const send = (workers: KafkaWorkers, ...all: readonly Step[]): Promise<unknown> =>
  produce(
    workers.names.topic('steps'),
    all.map((step) => ({ key: step.id, value: JSON.stringify(step) })),
  )

it('answers with what is committed, whichever worker is asked', async () => {
  const workers = await onBroker()
  await workers.start('w1')
  await send(workers, { id: 'a', n: 1 }, { id: 'a', n: 2 }, { id: 'b', n: 5 })
  const asked = workers.query('w1', counter)
  await until('b', async () => (await asked.get('b')).state?.n === 1)
  await until('a', async () => (await asked.get('a')).state?.n === 2)
  const found = await asked.get('a')
  expect(found).toMatchObject({ state: { n: 2, sum: 3 }, from: 'owner' })
  expect(Math.abs(found.asOf.commitMs - Date.now())).toBeLessThan(60_000)
  expect(await asked.get('a', { consistency: 'fenced' })).toMatchObject({ state: { n: 2, sum: 3 } })
  expect((await asked.get('nobody')).state).toBeUndefined()
  await workers.start('w2')
  await until('w2 has its share', () => workers.tasksOf('w2').length === 2)
  for (const worker of ['w1', 'w2'])
    for (const key of ['a', 'b', 'c', 'd', 'e', 'f'])
      expect((await workers.query(worker, counter).get(key)).state?.n, `${key} of ${worker}`).toBe({ a: 2, b: 1 }[key])
  const keys: string[] = []
  await until('both are stored', async () => {
    keys.length = 0
    for await (const { key } of workers.query('w2', counter).scan({ prefix: '' })) keys.push(key)
    return keys.length === 2
  })
  expect(keys).toEqual(['a', 'b'])
})
