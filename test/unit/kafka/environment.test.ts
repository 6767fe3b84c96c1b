import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { isPotorooError } from '../../../src/errors.js'
import { connectionFromEnvironment } from '../../../src/kafka/environment.js'

let folder = ''
const file = (name: string): string => join(folder, name)
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'potoroo-'))
  for (const name of ['ca', 'cert', 'key']) writeFileSync(file(name), `${name} in PEM`)
})
afterAll(() => {
  rmSync(folder, { recursive: true })
})

test('nothing set: no brokers, no TLS, no SASL', () => {
  expect(connectionFromEnvironment({})).toEqual({ brokers: [], ssl: undefined, sasl: undefined })
  const empty = { KAFKA_BROKERS: '', KAFKA_SSL: '', KAFKA_SSL_CA: '', KAFKA_SASL_MECHANISM: '' }
  expect(connectionFromEnvironment(empty)).toEqual({ brokers: [], ssl: undefined, sasl: undefined })
})

test('brokers, also by IPv6 address', () => {
  const { brokers } = connectionFromEnvironment({ KAFKA_BROKERS: ' a:9092, b.example.com:1 ,[::1]:65535,' })
  expect(brokers).toEqual(['a:9092', 'b.example.com:1', '[::1]:65535'])
})

test('TLS: by itself, with a certificate authority, with a client certificate', () => {
  expect(connectionFromEnvironment({ KAFKA_SSL: 'TRUE' }).ssl).toBe(true)
  expect(connectionFromEnvironment({ KAFKA_SSL: 'false' }).ssl).toBeUndefined()
  expect(connectionFromEnvironment({ KAFKA_SSL_CA: file('ca') }).ssl).toEqual({ ca: 'ca in PEM' })
  const all = { KAFKA_SSL: 'true', KAFKA_SSL_CA: file('ca'), KAFKA_SSL_CERT: file('cert'), KAFKA_SSL_KEY: file('key') }
  expect(connectionFromEnvironment(all).ssl).toEqual({ ca: 'ca in PEM', cert: 'cert in PEM', key: 'key in PEM' })
})

test('SASL, whatever the case of its mechanism', () => {
  const env = { KAFKA_SASL_USERNAME: 'u', KAFKA_SASL_PASSWORD: 'p' }
  for (const mechanism of ['plain', 'scram-sha-256', 'scram-sha-512']) {
    const { sasl } = connectionFromEnvironment({ ...env, KAFKA_SASL_MECHANISM: mechanism.toUpperCase() })
    expect(sasl).toEqual({ mechanism, username: 'u', password: 'p' })
  }
})

test.each([
  ['kafka://localhost:9092', 'write host:port, without kafka://'],
  ['PLAINTEXT://localhost:9092', 'write host:port, without PLAINTEXT://'],
  ['SASL_SSL://localhost:9092', 'write host:port, without SASL_SSL://, and set KAFKA_SSL=true'],
  ['localhost', 'write host:port, as in localhost:9092'],
  ['::1:9092', 'and an IPv6 address in brackets, as in [::1]:9092'],
  ['fe80::1', 'and an IPv6 address in brackets, as in [::1]:9092'],
])('%s is not an address, and how to write it is said', (address, advice) => {
  expect(() => connectionFromEnvironment({ KAFKA_BROKERS: address })).toThrow(advice)
})

test.each([
  ['a:1,b:2', ['a:1', 'b:2']],
  [' a:1 , b:2 ', ['a:1', 'b:2']],
  ['a:1 b:2', ['a:1', 'b:2']],
  ['a:1,,b:2,', ['a:1', 'b:2']],
  ['[::1]:9092', ['[::1]:9092']],
  ['[fe80::1%eth0]:1', ['[fe80::1%eth0]:1']],
  ['  ', []],
])('%j names %j', (list, brokers) => {
  expect(connectionFromEnvironment({ KAFKA_BROKERS: list }).brokers).toEqual(brokers)
})

test.each<[string, Record<string, string>]>([
  ['KAFKA_BROKERS', { KAFKA_BROKERS: 'localhost' }],
  ['KAFKA_BROKERS', { KAFKA_BROKERS: 'localhost:99999' }],
  ['KAFKA_BROKERS', { KAFKA_BROKERS: 'http://localhost:9092' }],
  ['KAFKA_SSL', { KAFKA_SSL: 'yes' }],
  ['KAFKA_SSL_CA', { KAFKA_SSL_CA: '/does/not/exist' }],
  ['KAFKA_SSL', { KAFKA_SSL: 'false', KAFKA_SSL_CA: import.meta.filename }],
  ['KAFKA_SSL_KEY', { KAFKA_SSL_CERT: import.meta.filename }],
  ['KAFKA_SSL_CERT', { KAFKA_SSL_KEY: import.meta.filename }],
  ['KAFKA_SASL_MECHANISM', { KAFKA_SASL_MECHANISM: 'gssapi' }],
  ['KAFKA_SASL_MECHANISM', { KAFKA_SASL_USERNAME: 'u' }],
  ['KAFKA_SASL_USERNAME', { KAFKA_SASL_MECHANISM: 'plain', KAFKA_SASL_PASSWORD: 'p' }],
  ['KAFKA_SASL_PASSWORD', { KAFKA_SASL_MECHANISM: 'plain', KAFKA_SASL_USERNAME: 'u' }],
])('what is wrong with %s is said, case %#', (variable, env) => {
  const parse = (): unknown => connectionFromEnvironment(env)
  expect(parse).toThrow(expect.objectContaining({ code: 'INVALID_CONFIGURATION' }))
  expect(parse).toThrow(variable)
})

test('rubbish in any of them is taken or refused by name, and no password is told', () => {
  const rubbish = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('true', 'false', 'plain', ' ', 'a:1', 'a:1,b', import.meta.filename)) // prettier-ignore
  const names = ['KAFKA_BROKERS', 'KAFKA_SSL', 'KAFKA_SSL_CA', 'KAFKA_SSL_CERT', 'KAFKA_SSL_KEY', 'KAFKA_SASL_MECHANISM', 'KAFKA_SASL_USERNAME'] as const // prettier-ignore
  const variables = fc.record(Object.fromEntries(names.map((name) => [name, rubbish])), { requiredKeys: [] })
  fc.assert(
    fc.property(variables, (environment) => {
      const password = 'pa55word, which nobody draws'
      try {
        const { brokers } = connectionFromEnvironment({ ...environment, KAFKA_SASL_PASSWORD: password })
        for (const broker of brokers) expect(broker).toMatch(/^[^/@\s]+:\d+$/)
      } catch (error) {
        expect(isPotorooError(error, 'INVALID_CONFIGURATION')).toBe(true)
        expect(names.some((name) => String(error).includes(name))).toBe(true)
        expect(String(error)).not.toContain(password)
      }
    }),
    { numRuns: 1000 },
  )
})
