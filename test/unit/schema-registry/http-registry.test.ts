/** What a registry answers, and what is made of it: waited for, refused, or of the record alone. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { schemaRegistry } from '../../../src/schema-registry/index.js'
import { Schemas, UNKNOWN } from '../../../src/schema-registry/schemas.js'
import { HttpRegistry } from '../../../src/schema-registry/http-registry.js'
import { MemoryRegistry } from '../../../src/schema-registry/memory-registry.js'
import { TestRegistry } from '../../support/schema-registry.js'
import { until } from '../../support/until.js'
import { failureOf, OpenedCodec } from './support.js'

let registry: TestRegistry
beforeEach(async () => {
  registry = await new TestRegistry().start()
})
afterEach(() => registry.stop())

const schema = { type: 'record', name: 'Thing', fields: [{ name: 'n', type: 'int' }] }
const text = JSON.stringify(schema)
const open = () => schemaRegistry({ url: registry.url })
const value = (id: number, payload = '0e'): Buffer =>
  Buffer.from(`00${id.toString(16).padStart(8, '0')}${payload}`, 'hex')
const client = (timeoutMs = 1_000, urls = [registry.url]) => new HttpRegistry({ urls, headers: {}, timeoutMs })

describe('writing', () => {
  it('finds the id of the declared schema, and registers nothing', async () => {
    await registry.register('others', '"string"')
    await registry.register('things-value', text)
    const codec = await OpenedCodec.open(open().avro({ schema }), 'write')
    expect(codec.encode({ n: 7 })).toEqual(value(2))
    expect(registry.asked).toEqual(['POST /subjects/things-value'])
  })

  it('does not begin with a schema that is not registered, and says how it can be', async () => {
    const error = await failureOf(() => OpenedCodec.open(open().avro({ schema }), 'write'))
    expect([error.code, error.message, error.cure]).toEqual([
      'SCHEMA_UNKNOWN',
      expect.stringContaining('does not have the declared schema under subject things-value'),
      expect.stringContaining('register: true'),
    ])
  })

  it('registers it where it is told to', async () => {
    const codec = await OpenedCodec.open(open().avro({ schema, register: true, subject: 'mine' }), 'write')
    expect(codec.encode({ n: 7 })).toEqual(value(1))
    expect(registry.asked).toEqual(['POST /subjects/mine/versions'])
  })

  it('takes the latest version where none is declared', async () => {
    await registry.register('things-value', '"string"')
    await registry.register('things-value', text)
    const codec = await OpenedCodec.open(open().avro(), 'write')
    expect(codec.encode({ n: 7 })).toEqual(value(2))
    const other = open().avro({ subject: (topic) => `${topic}-other` })
    expect((await failureOf(() => OpenedCodec.open(other, 'write'))).message).toContain('under subject things-other')
  })
})

describe('reading', () => {
  it('asks for each schema once', async () => {
    await registry.register('things-value', text)
    const codec = await OpenedCodec.open(open().avro(), 'read')
    for (const n of [1, 2, 3]) expect(await codec.decode(value(1, `0${String(2 * n)}`))).toEqual({ n })
    expect(registry.asked).toEqual(['GET /schemas/ids/1'])
  })

  it('an id that the registry does not know condemns the record, after it was asked for again', async () => {
    const codec = await OpenedCodec.open(open().avro(), 'read')
    const error = await failureOf(() => codec.decode(value(7)))
    expect([error.code, error.message]).toEqual([
      'SCHEMA_UNKNOWN',
      `A record was written with schema 7, which the schema registry at ${registry.url} does not have.`,
    ])
    expect(registry.asked).toEqual(['GET /schemas/ids/7', 'GET /schemas/ids/7', 'GET /schemas/ids/7'])
  })

  it('an id that appears between the first time and the last is known', async () => {
    registry.instead = () =>
      registry.asked.length < 3 ? { status: 404, json: { error_code: 40403, message: 'not yet' } } : undefined
    await registry.register('things-value', text)
    const codec = await OpenedCodec.open(open().avro(), 'read')
    expect(await codec.decode(value(1))).toEqual({ n: 7 })
  })

  it('an unknown id is asked for again some time later', async () => {
    let nowMs = 0
    const schemas = new Schemas(client(), () => nowMs)
    const ask = async (id: number) => schemas.missing(id)?.catch(() => undefined)
    for (let i = 0; i < 3; i++) await ask(1)
    expect([schemas.get(1), schemas.missing(1)]).toEqual([UNKNOWN, undefined])
    await registry.register('things-value', text)
    nowMs = 30_000
    await ask(1)
    expect(schemas.get(1)).toMatchObject({ text })
  })

  it('there is a bound to how many unknown ids are remembered', async () => {
    const schemas = new Schemas(new MemoryRegistry())
    for (let id = 1; id < 1_100; id++) await schemas.missing(id)?.catch(() => undefined)
    expect([schemas.get(1), schemas.get(1_099)]).toEqual([undefined, UNKNOWN])
  })

  it.each([
    ['a type that nobody knows', { status: 200, json: { schema: '<a/>', schemaType: 'XML' } }],
    ['an id that it takes for no id', { status: 422, json: { error_code: 42201, message: 'no id' } }],
    [
      'a reference to nothing',
      { status: 200, json: { schema: text, references: [{ name: 'a', subject: 'gone', version: 3 }] } },
    ],
    ['no schema of Avro', { status: 200, json: { schema: '{"type":"recrod"}' } }],
  ])('%s condemns the record, and stops nobody', async (_, answer) => {
    registry.instead = (request) => (request.includes('/schemas/ids/') ? answer : undefined)
    const codec = await OpenedCodec.open(open().avro(), 'read')
    expect((await failureOf(() => codec.decode(value(7)))).code).toBe('NOT_DECODABLE')
  })
})

describe('a registry', () => {
  it.each([
    ['that fails', { status: 503, json: { error_code: 50302, message: 'no leader' } }, /answered 503: no leader/],
    ['that has too much to do', { status: 429, json: 'slow down' }, /answered 429: slow down/],
    ['that is silent', 'nothing' as const, /no answer to GET .* within 50 ms/],
  ])('%s is waited for', async (_, answer, message) => {
    registry.instead = () => answer
    const error = await failureOf(() => client(50).byId(1))
    expect([error.code, error.retriable, error.message]).toEqual([
      'REGISTRY_UNREACHABLE',
      true,
      expect.stringMatching(message),
    ])
  })

  it('that is away is waited for, and found again', async () => {
    await registry.register('things-value', text)
    await registry.stop()
    const error = await failureOf(() => client().byId(1))
    expect([error.code, error.message]).toEqual(['REGISTRY_UNREACHABLE', expect.stringContaining('ECONNREFUSED')])
    await registry.start()
    expect(await client().byId(1)).toMatchObject({ text })
  })

  it('of several urls is asked by the next one', async () => {
    await registry.register('things-value', text)
    const away = await new TestRegistry().start()
    await away.stop()
    expect(await client(1_000, [away.url, registry.url]).byId(1)).toMatchObject({ text })
  })

  it.each([
    [
      'that wants other credentials',
      { status: 401, json: { error_code: 401, message: 'Unauthorized' } },
      /401: Unauthorized/,
    ],
    ['that is none, but a web page', { status: 404, json: '<html>no such page</html>' }, /404: <html>/],
    [
      'that is another service',
      { status: 404, json: { error_code: 404, message: 'HTTP 404 Not Found' } },
      /404: HTTP 404/,
    ],
    ['that answers with a page', { status: 200, json: '<html>welcome</html>' }, /is it a registry\?/],
  ])('%s is refused, and no record is condemned for it', async (_, answer, message) => {
    registry.instead = () => answer
    const error = await failureOf(() => client().byId(1))
    expect([error.code, error.retriable, error.message]).toEqual([
      'REGISTRY_REFUSED',
      false,
      expect.stringMatching(message),
    ])
  })

  it('gets the credentials, which stand in no message', async () => {
    const seen: unknown[] = []
    registry.instead = (_, headers) => {
      seen.push(headers.authorization)
      return { status: 401, json: { error_code: 401, message: 'no' } }
    }
    const { url } = registry
    for (const options of [
      { url, username: 'ann', password: 'sesame' },
      { url, token: 'sesame' },
    ]) {
      const codec = schemaRegistry(options).avro()
      const error = await failureOf(() => OpenedCodec.open(codec, 'write'))
      expect(error.message).not.toMatch(/sesame|YW5uOn/)
    }
    expect(seen).toEqual([`Basic ${Buffer.from('ann:sesame').toString('base64')}`, 'Bearer sesame'])
  })

  it('is asked by no more than eight requests at a time', async () => {
    // the first are answered when there are eight of them
    registry.before = () => until('eight requests', () => registry.mostAtOnce >= 8)
    const asking = client(10_000)
    await Promise.all(Array.from({ length: 100 }, (_, id) => asking.byId(id + 1)))
    expect([registry.asked.length, registry.mostAtOnce]).toEqual([100, 8])
  })
})

it.each([
  [{ url: 'localhost:8081' }, /url is not an http or https URL/],
  [{ url: 'http://ann:sesame@localhost' }, /credentials/],
  [{ url: [] }, /url is empty/],
  [{ url: 'http://a', username: 'ann' }, /set both username and password/],
  [{ url: 'http://a', timeoutMs: 0 }, /timeoutMs is 0/],
])('options that are wrong are refused: %j', async (options, message) => {
  const error = await failureOf(() => schemaRegistry(options))
  expect([error.code, error.message]).toEqual(['INVALID_CONFIGURATION', expect.stringMatching(message)])
  expect(error.message).not.toContain('sesame')
})
