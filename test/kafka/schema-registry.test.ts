/** Avro on a broker, with a registry that goes away and comes back: test/nightly has the same with a real one. */
import avsc from 'avsc'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { application, broadcast, from, startWorker, topic } from '../../src/index.js'
import { headerOf } from '../../src/schema-registry/wire-format.js'
import { schemaRegistry } from '../../src/schema-registry/index.js'
import { testBrokers, uniqueName } from '../support/broker.js'
import { runAvroVolumes } from '../support/avro-volumes-run.js'
import { ExampleBench } from '../support/example-bench.js'
import { readCommitted } from '../support/read-committed.js'
import { TestRegistry } from '../support/schema-registry.js'
import { anySchema } from '../support/schemas.js'
import { silentLogger } from '../support/silent-logger.js'
import { temporaryFolder } from '../support/temporary.js'
import { createTopics, produce } from '../support/topics.js'
import { until } from '../support/until.js'

let registry: TestRegistry
beforeEach(async () => {
  registry = await new TestRegistry().start()
  process.env['SCHEMA_REGISTRY_URL'] = registry.url
})
afterEach(async () => {
  delete process.env['SCHEMA_REGISTRY_URL']
  await registry.stop()
})

it('while the registry is away, what needs it waits, and nothing is lost, repeated or condemned', () =>
  runAvroVolumes({
    url: registry.url,
    register: (subject, schema) => registry.register(subject, schema),
    schemaOf: async (id) => ((await registry.schemas.byId(id)) as { text: string }).text,
    away: () => registry.stop(),
    back: async () => {
      await registry.start()
    },
  }))

it('a worker whose registry refuses it ends, with what it said, and its position stays', async () => {
  const id = await registry.register('orders-value', '"string"')
  const bench = new ExampleBench('avro-volumes')
  await bench.createTopics()
  registry.instead = (request) =>
    request.startsWith('GET') ? { status: 401, json: { error_code: 401, message: 'Unauthorized' } } : undefined
  const worker = bench.worker('w1')
  await worker.line(/"task is active"/)
  await produce(bench.names.topic('orders'), [{ key: 'a', value: Buffer.of(0, 0, 0, 0, id, 2, 97) }])
  expect((await worker.exited).code).toBe(4)
  expect([...worker.stdout, ...worker.stderr].join('\n')).toMatch(/REGISTRY_REFUSED.*401: Unauthorized/)
})

interface Rate {
  readonly currency: string
  readonly rate: number
}
/** Versions of a schema: each has a field more. */
const rateSchema = (version: number) => ({
  type: 'record',
  name: 'Rate',
  fields: [
    { name: 'currency', type: 'string' },
    { name: 'rate', type: 'double' },
    ...Array.from({ length: version }, (_, i) => ({ name: `note${String(i)}`, type: 'string', default: '' })),
  ],
})

it('a broadcast of Avro: messages that read it wait while the registry is away, and a record without a value deletes', async () => {
  const name = uniqueName('broadcast')
  const [rates, orders, prices] = [`${name}-rates`, `${name}-orders`, `${name}-prices`]
  await createTopics([{ name: rates, config: { 'cleanup.policy': 'compact' } }, { name: orders }, { name: prices }])
  const register = (version: number): Promise<number> =>
    registry.register(`${rates}-value`, JSON.stringify(rateSchema(version)))
  const say = async (version: number, id: number, rate: number): Promise<void> => {
    const notes = Object.fromEntries(Array.from({ length: version }, (_, i) => [`note${String(i)}`, '']))
    const type = avsc.Type.forSchema(rateSchema(version) as avsc.Schema)
    const value = Buffer.concat([headerOf(id), type.toBuffer({ currency: 'EUR', rate, ...notes })])
    await produce(rates, [{ key: 'EUR', value }])
  }
  const ask = (): Promise<void> => produce(orders, [{ key: 'a', value: JSON.stringify({ id: 'a' }) }])
  const found = async (count: number): Promise<(number | null)[]> =>
    (await readCommitted(prices, count)).map(({ value }) => (JSON.parse(value ?? '') as { rate: number | null }).rate)

  const codec = schemaRegistry({ url: registry.url }).avro<Rate>()
  const rate = broadcast('rate', topic(rates, { codec, key: ({ currency }) => currency, tombstones: 'message' }))
  const asked = topic(orders, { schema: anySchema<{ id: string }>(), key: ({ id }) => id })
  const told = topic(prices, { schema: anySchema<{ id: string; rate: number | null }>(), key: ({ id }) => id })
  const priced = from(asked).join(
    rate,
    () => 'EUR',
    ({ id }, entry) => ({ id, rate: entry?.rate ?? null }),
  )

  await say(0, await register(0), 1.5)
  const said: string[] = []
  const logger = { ...silentLogger, warn: (_: object, text: string) => void said.push(text) }
  const options = { brokers: testBrokers(), stateDir: temporaryFolder(), logger }
  const worker = await startWorker(application(name, priced.sink(told)), options)
  await ask()
  expect(await found(1)).toEqual([1.5])
  const id = await register(1)
  await registry.stop()
  await say(1, id, 2.5)
  await ask()
  await until('it says that it waits', () =>
    said.some((text) => /something needed to decode a broadcast's records/.test(text)),
  )
  expect(await found(1)).toEqual([1.5])
  await registry.start()
  expect(await found(2)).toEqual([1.5, 2.5])
  await produce(rates, [{ key: 'EUR', value: null }])
  await ask()
  expect(await found(3)).toEqual([1.5, 2.5, null])
  await worker.stop()
})
