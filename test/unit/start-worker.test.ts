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
})
