/** What startWorker is given by programs without types: said by name, before anything is opened or connected. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { application, from, startWorker, stateObject, topic, type WorkerOptions } from '../../src/index.js'
import { anySchema } from '../support/schemas.js'
import { silentLogger } from '../support/silent-logger.js'
import { temporaryFolder } from '../support/temporary.js'

const events = topic('events', { schema: anySchema<{ key: string }>(), key: ({ key }) => key })
const app = application('app', from(events).to(stateObject('seen', () => ({})), () => undefined)) // prettier-ignore
const secret = 'pa55word'
const cycle: { self?: object } = {}
cycle.self = cycle

describe('an option that is rubbish', () => {
  it.each<[string, unknown]>([
    ['brokers', undefined],
    ['brokers', 'localhost:9092'],
    ['brokers', []],
    ['brokers', [1]],
    ['brokers', ['localhost']],
    ['brokers', ['http://localhost:9092']],
    ['brokers', ['user@localhost:9092']],
    ['brokers', ['a\0b:1']],
    ['brokers', ['localhost:0']],
    ['brokers', cycle],
    ['ssl', 'yes'],
    ['ssl', 1],
    ['sasl', secret],
    ['sasl.mechanism', { mechanism: 'gssapi', username: 'u', password: secret }],
    ['sasl.username', { mechanism: 'plain', password: secret }],
    ['sasl.password', { mechanism: 'plain', username: 'u', password: { secret } }],
    ['sasl.password', { mechanism: 'plain', username: 'u', password: '' }],
    ['peers', null],
    ['peers', 7],
    ['peers.port', { port: '7' }],
    ['peers.host', { host: 7 }],
    ['peers.token', { token: 7 }],
    ['token', { token: `${secret} ${secret}` }],
    ['peers.advertise', { advertise: [] }],
    ['host', { host: '127.0.0.1', advertise: 'a b' }],
    ['peers.maxSnapshotBytesPerSecond', { maxSnapshotBytesPerSecond: '1' }],
    ['name', 7],
    ['name', ''],
    ['name', '../x'],
    ['name', 'x'.repeat(101)],
    ['stateDir', ''],
    ['stateDir', 7],
    ['stateDir', 'a\0b'],
    ['logger', 7],
    ['logger', { debug: () => undefined }],
    ['topicPrefix', 7],
    ['topicPrefix', 'a b'],
    ['topicPrefix', '../../x'],
    ['commitIntervalMs', 0],
    ['commitIntervalMs', '20'],
    ['backlogCommitIntervalMs', NaN],
    ['maxHoldMs', -1],
    ['memoryBytes', Infinity],
    ['storeIntervalMs', -1],
    ['backlogStoreIntervalMs', 600_001],
    ['maxUnstoredBytes', -1],
    ['memory', 1],
    ['bufferBytes', 1],
    ['onError', 'ignore'],
    ['replicationFactor', 0],
    ['sessionTimeoutMs', 2 ** 53],
    ['heartbeatIntervalMs', 3000],
    ['rebalanceTimeoutMs', null],
    ['standbys', 1.5],
    ['warmLag', []],
    ['handOverTimeoutMs', cycle],
  ])('is named, and nothing was opened: %s, case %#', async (name, value) => {
    const directory = temporaryFolder()
    const [option = ''] = ['token', 'host'].includes(name) ? ['peers'] : name.split('.')
    const given = { brokers: ['127.0.0.1:1'], stateDir: join(directory, 'w'), logger: silentLogger, [option]: value }
    const error: unknown = await startWorker(app, given as WorkerOptions).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'INVALID_CONFIGURATION', message: expect.stringContaining(name) as string })
    expect(String(error)).not.toContain(secret)
    expect(readdirSync(directory)).toEqual([])
  })

  it.each([null, undefined, 7, 'x'])('is said where it stands for all of them: %j', async (options) => {
    await expect(startWorker(app, options as never)).rejects.toMatchObject({ code: 'INVALID_CONFIGURATION' })
  })

  it.each([{ cert: 'no PEM', key: 'no PEM' }, { ca: 7 }, { minVersion: 'TLSv9' }])(
    'is a certificate: %j',
    async (ssl) => {
      const options = { brokers: ['127.0.0.1:1'], stateDir: temporaryFolder(), logger: silentLogger, ssl }
      await expect(startWorker(app, options as never)).rejects.toMatchObject({
        code: 'INVALID_CONFIGURATION',
        message: expect.stringContaining('TLS') as string,
      })
    },
  )

  it.each<[string, object]>([
    ['brokers must be a list of strings, and not empty', { brokers: [] }],
    ['brokers.1 must be a string', { brokers: ['127.0.0.1:1', 7] }],
    ['ssl must be true or false, or an object', { ssl: 7 }],
    ['sasl must be an object', { sasl: secret }],
    [
      'sasl.mechanism must be plain or scram-sha-256 or scram-sha-512; sasl.username is missing; sasl.password is missing',
      { sasl: { mechanism: [secret] } },
    ],
    [
      'sasl.username must be a string, and not empty; sasl.password must be a string, and not empty',
      { sasl: { mechanism: 'plain', username: [secret], password: '' } },
    ],
    ['peers.token must be a string', { peers: { token: [secret] } }],
    ['logger must be an object', { logger: 'x' }],
    ['topicPrefix must be a string of 100 characters at most', { topicPrefix: 'x'.repeat(101) }],
    ...[0, 10_001, 1.5, '20', NaN, null].map((commitIntervalMs): [string, object] => [
      'commitIntervalMs must be a whole number, 1 to 10000',
      { commitIntervalMs },
    ]),
    ...[-1, 2 ** 53, Infinity].map((warmLag): [string, object] => [
      'warmLag must be a whole number, 0 or more',
      { warmLag },
    ]),
    ['onError must be dead-letter or stop', { onError: ['stop'] }],
    ['storeIntervalMs must be a whole number, 0 to 60000; standbys must be a whole number, 0 to 10', { standbys: 11, storeIntervalMs: -1 }], // prettier-ignore
  ])('is told with what it must be, and all that are, at once: %s', async (message, options) => {
    const given = { brokers: ['127.0.0.1:1'], logger: silentLogger, ...options }
    await expect(startWorker(app, given as WorkerOptions)).rejects.toMatchObject({
      message,
    })
  })

  it.each<object>([
    {
      ssl: true,
      topicPrefix: 'x'.repeat(100),
      commitIntervalMs: 1,
      backlogCommitIntervalMs: 10_000,
      storeIntervalMs: 0,
    },
    { ssl: { rejectUnauthorized: false }, sasl: { mechanism: 'plain', username: 'u', password: secret, other: 7 } },
    { ssl: undefined, sasl: undefined, peers: undefined, name: undefined, replicationFactor: undefined },
    { peers: {}, name: 'x'.repeat(100), onError: 'stop', replicationFactor: 100, standbys: 10, warmLag: 0 },
    { peers: { host: 'x', port: 0.5, advertise: 'x', token: '', maxSnapshotBytesPerSecond: Infinity } },
    { logger: Object.assign(() => undefined, silentLogger), warmLag: Number.MAX_SAFE_INTEGER, stateDir: 'x' },
    { sessionTimeoutMs: 1_800_000, heartbeatIntervalMs: 10, rebalanceTimeoutMs: 500, handOverTimeoutMs: 3_600_000 },
  ])('is nothing of these, beside one that is: %j', async (options) => {
    await expect(startWorker(app, { ...options, brokers: 7 } as never)).rejects.toMatchObject({
      message: 'brokers must be a list of strings, and not empty',
    })
  })
})
