/** Avro on a broker, with a registry that goes away and comes back: test/nightly has the same with a real one. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { runAvroVolumes } from '../support/avro-volumes-run.js'
import { ExampleBench } from '../support/example-bench.js'
import { TestRegistry } from '../support/schema-registry.js'

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
  const { produce } = await import('../support/topics.js')
  await produce(bench.names.topic('orders'), [{ key: 'a', value: Buffer.of(0, 0, 0, 0, id, 2, 97) }])
  expect((await worker.exited).code).toBe(4)
  expect([...worker.stdout, ...worker.stderr].join('\n')).toMatch(/REGISTRY_REFUSED.*401: Unauthorized/)
})
