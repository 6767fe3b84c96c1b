/** A real schema registry (Apicurio, by the API of Confluent's): what it gives, refuses and does not know. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Codec } from '../../src/index.js'
import { schemaRegistry } from '../../src/schema-registry/index.js'
import { Apicurio } from '../support/apicurio.js'
import { runAvroVolumes } from '../support/avro-volumes-run.js'
import { failureOf, OpenedCodec } from '../unit/schema-registry/support.js'

let apicurio: Apicurio
beforeAll(async () => {
  apicurio = await Apicurio.start()
  process.env['SCHEMA_REGISTRY_URL'] = apicurio.url
}, 300_000)
afterAll(() => apicurio.stop())

const avroSchema = { type: 'record', name: 'Thing', fields: [{ name: 'text', type: 'string' }] }
const protoSchema = 'syntax = "proto3";\npackage things;\n\nmessage Thing {\n  string text = 1;\n}\n'
const jsonSchema = { type: 'object', properties: { text: { type: 'string' } } }
const registry = () => schemaRegistry({ url: apicurio.url })

describe.each<[string, string, (written: boolean) => Codec<unknown>]>([
  [
    'Avro',
    'avro-things',
    (w) => registry().avro(w ? { schema: avroSchema, register: true, subject: 'avro-things' } : {}),
  ],
  [
    'Protobuf',
    'proto-things',
    (w) => registry().protobuf(w ? { schema: protoSchema, register: true, subject: 'proto-things' } : {}),
  ],
  [
    'JSON',
    'json-things',
    (w) => registry().json(w ? { schema: jsonSchema, register: true, subject: 'json-things' } : {}),
  ],
])('%s', (_, subject, codecOf) => {
  it('what was written is read by another process, and what is registered is found again', async () => {
    const writing = await OpenedCodec.open(codecOf(true), 'write')
    const value = writing.encode({ text: 'äöü' })
    const reading = await OpenedCodec.open(codecOf(false), 'read')
    expect(await reading.decode(value)).toEqual({ text: 'äöü' })
    const again = await OpenedCodec.open(codecOf(true), 'write')
    expect(again.encode({ text: 'äöü' })).toEqual(value)
    expect(subject).not.toBe('')
  })
})

it('the declared schema is looked up, and the latest is taken where none is', async () => {
  await apicurio.register('lookup', JSON.stringify(avroSchema))
  const declared = registry().avro({ schema: avroSchema, subject: 'lookup' })
  const latest = registry().avro({ subject: 'lookup' })
  const values = [declared, latest].map(async (codec) => (await OpenedCodec.open(codec, 'write')).encode({ text: 'a' }))
  const [first, second] = await Promise.all(values)
  expect(first).toEqual(second)
})

it('schemas with references are read', async () => {
  await apicurio.register(
    'line',
    JSON.stringify({ type: 'record', name: 'Line', namespace: 'shop', fields: [{ name: 'n', type: 'long' }] }),
  )
  const cart = {
    type: 'record',
    name: 'Cart',
    fields: [{ name: 'lines', type: { type: 'array', items: 'shop.Line' } }],
  }
  const references = [{ name: 'shop.Line', subject: 'line', version: 1 }]
  const writing = await OpenedCodec.open(
    registry().avro({ schema: cart, references, register: true, subject: 'cart' }),
    'write',
  )
  const reading = await OpenedCodec.open(registry().avro(), 'read')
  expect(await reading.decode(writing.encode({ lines: [{ n: 7 }] }))).toEqual({ lines: [{ n: 7 }] })
})

it('an id, a subject and a schema that it does not have are told from a registry that is none', async () => {
  const reading = await OpenedCodec.open(registry().avro(), 'read')
  expect((await failureOf(() => reading.decode(Buffer.from('007fffffff02', 'hex')))).code).toBe('SCHEMA_UNKNOWN')
  for (const codec of [
    registry().avro({ subject: 'nobody' }),
    registry().avro({ schema: avroSchema, subject: 'nobody' }),
  ])
    expect((await failureOf(() => OpenedCodec.open(codec, 'write'))).code).toBe('SCHEMA_UNKNOWN')
  const wrongPath = schemaRegistry({ url: apicurio.url.replace('ccompat', 'nothing') })
  const wrong = await OpenedCodec.open(wrongPath.avro(), 'read')
  expect((await failureOf(() => wrong.decode(Buffer.from('000000000102', 'hex')))).code).toBe('REGISTRY_REFUSED')
})

it('one that answers nothing for a while is waited for, on a broker', () => runAvroVolumes(apicurio))
