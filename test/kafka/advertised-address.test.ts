/** Brokers that give an address for themselves that can't be reached from here: `kafka:9092` from a compose file, say. */
import { once } from 'node:events'
import net from 'node:net'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { freePorts } from '../../src/broker/free-ports.js'
import { startBroker, type LocalBroker } from '../../src/broker/local-broker.js'
import { systemClock } from '../../src/system.js'
import { testBrokers, uniqueName } from '../support/broker.js'
import { runCli, startCli } from '../support/cli.js'
import { kafkaVersion } from '../support/kafka-version.js'
import { APPLICATION } from '../support/market-spread.js'
import { newTopic, openLog } from '../support/open-logs.js'
import { api, startProxy } from '../support/proxy.js'
import { silentLogger } from '../support/silent-logger.js'
import { temporaryFolder } from '../support/temporary.js'

/** Every command that talks to brokers. */
const commands: readonly (readonly [string, readonly string[]])[] = [
  ['run', ['run', APPLICATION, '--state-dir', temporaryFolder()]],
  ['run --workers', ['run', APPLICATION, '--workers', '2', '--state-dir', temporaryFolder()]],
  ['topics', ['topics', APPLICATION]],
  ['produce', ['produce', 'orders']],
  ['tail', ['tail', 'orders']],
  ['status', ['status', APPLICATION]],
  ['status --watch', ['status', APPLICATION, '--watch']],
  ['demo', ['demo', '--seconds', '1']],
]

describe.each([
  ['a name that nobody knows', () => Promise.resolve('kafka.invalid:9092'), 'getaddrinfo E[A-Z_]+ kafka\\.invalid'],
  [
    'a port where nobody listens',
    async () => `127.0.0.1:${String((await freePorts(1))[0])}`,
    'connect ECONNREFUSED 127\\.0\\.0\\.1:\\d+',
  ],
])('a broker advertises %s', (_, address, reason) => {
  let broker: LocalBroker
  let advertised = ''
  beforeAll(async () => {
    advertised = await address()
    const properties = { 'advertised.listeners': `PLAINTEXT://${advertised}` }
    broker = await startBroker({ version: kafkaVersion, logger: silentLogger, heap: '512m', properties })
  })
  afterAll(() => broker.stop('SIGKILL'))

  test('every command ends, and says who gave which address, and what to do', async () => {
    const said = new RegExp(
      `ADVERTISED_ADDRESS_UNREACHABLE: no broker could be reached within \\d+ s: broker ${broker.brokers} advertises ` +
        `${advertised} \\(which can't be reached from here: .*${reason}\\)\\. Set the broker's advertised.listeners`,
    )
    const ends = commands.map(async ([name, args]) => {
      const { code, stdout, stderr } = await runCli(args, { env: { KAFKA_BROKERS: broker.brokers } })
      expect({ name, code, said: [...stdout, ...stderr].join('\n') }).toEqual({
        name,
        code: 4,
        said: expect.stringMatching(said) as unknown,
      })
    })
    await Promise.all(ends)
  })

  test('a worker says so before it gives up', async () => {
    const cli = startCli(['run', APPLICATION, '--state-dir', temporaryFolder()], {
      env: { KAFKA_BROKERS: broker.brokers },
    })
    await cli.line(/"tried":"broker [\d.:]+ advertises .*"no broker answers yet, still trying"/)
    cli.kill('SIGKILL')
    await cli.exited
  })
})

test('a broker that can’t be reached later on: what waits for it says so, and who gave which address', async () => {
  const proxy = await startProxy(testBrokers()[0] ?? '')
  onTestFinished(() => proxy.close())
  const port = Number(testBrokers()[0]?.split(':')[1])
  const { log, lines } = await openLog({
    // Ten times as fast as the timers.
    clock: { ...systemClock, monotonic: () => performance.now() * 10 },
    requestTimeoutMs: 600_000,
    socketFactory: (to) =>
      to.host === 'kafka.inv' ? net.connect({ host: to.host, port: to.port }, to.onConnect) : proxy.socketFactory(to),
  })
  const topic = await newTopic(log)
  // Answers to Metadata give another host for the broker, one that is as long.
  const change = (body: Buffer): void => {
    body.write('kafka.inv', body.indexOf('127.0.0.1'))
  }
  proxy.rule = ({ apiKey }) => (apiKey === api.metadata ? { kind: 'change answer', change } : undefined)
  await log.describeTopics([topic])
  await expect(log.listOffsets([{ topic, partition: 0 }], 'end')).rejects.toMatchObject({ code: 'REQUEST_FAILED' })
  expect(lines.filter(({ level }) => level === 'warn')).toEqual([
    {
      level: 'warn',
      message: `offsets of ${topic}-0: no answer yet, still trying`,
      fields: {
        reason: expect.stringMatching(
          new RegExp(
            `^broker 1 advertises kafka\\.inv:${String(port)}, which can't be reached from here \\(getaddrinfo E`,
          ),
        ) as unknown,
      },
    },
  ])
})

describe('every way of writing an address works in every command', () => {
  /** Passes on what comes on the IPv6 loopback. */
  async function onIpv6(): Promise<number> {
    const port = Number(testBrokers()[0]?.split(':')[1])
    const relay = net.createServer((socket) => {
      const upstream = net.connect({ host: '127.0.0.1', port })
      for (const end of [socket, upstream]) end.on('error', () => undefined)
      socket.pipe(upstream).pipe(socket)
    })
    relay.listen(0, '::1')
    await once(relay, 'listening')
    onTestFinished(() => void relay.close())
    return (relay.address() as net.AddressInfo).port
  }
  const broker = (): string => testBrokers()[0] ?? ''
  const forms: readonly (readonly [string, () => string | Promise<string>])[] = [
    ['localhost:9092', () => broker().replace('127.0.0.1', 'localhost')],
    ['[::1]:9092', async () => `[::1]:${String(await onIpv6())}`],
    ['several, of which the first is down', () => `127.0.0.1:1,${broker()}`],
    ['several with spaces and an empty one', () => ` 127.0.0.1:1 ,, ${broker()} `],
    ['several with spaces only', () => `127.0.0.1:1 ${broker()}`],
  ]

  test.each(forms)('%s, in KAFKA_BROKERS and in --brokers', { timeout: 180_000 }, async (_, form) => {
    const brokers = await form()
    const prefix = `${uniqueName('form')}-`
    const quote = JSON.stringify({ symbol: 'A', bid: 1, offer: 2, time: '2026-01-01T00:00:00.000Z' })
    const name = `${prefix}market-data`
    for (const [i, way] of ['KAFKA_BROKERS', '--brokers'].entries()) {
      const run = async (args: readonly string[], input = '') => {
        const [flags, env] = way === '--brokers' ? [['--brokers', brokers], {}] : [[], { KAFKA_BROKERS: brokers }]
        const { code, stdout, stderr } = await runCli([...args, ...flags], { env, input })
        expect({ code, stderr }, stdout.join('\n')).toEqual({ code: 0, stderr: [] })
        return stdout
      }
      await run(['topics', APPLICATION, '--topic-prefix', prefix])
      expect(await run(['produce', 'market-data', '--topic-prefix', prefix], quote)).toEqual([
        `1 record produced to ${name}`,
      ])
      expect(await run(['tail', name, '--from-beginning', '--until-end'])).toEqual(
        Array.from({ length: i + 1 }, () => quote),
      )
      expect((await run(['status', APPLICATION, '--topic-prefix', prefix])).join('\n')).toContain('no workers')
    }
    const worker = startCli(['run', APPLICATION, '--state-dir', temporaryFolder(), '--topic-prefix', prefix], {
      env: { KAFKA_BROKERS: brokers },
    })
    await worker.line(/task is active/)
    worker.kill('SIGTERM')
    expect(await worker.exited).toMatchObject({ code: 0 })
  })

  test.each([
    ['kafka://127.0.0.1:9092', 'write host:port, without kafka://'],
    ['SASL_SSL://127.0.0.1:9092', 'write host:port, without SASL_SSL://, and set KAFKA_SSL=true'],
    ['localhost', 'write host:port, as in localhost:9092'],
    ['::1:9092', 'an IPv6 address in brackets, as in [::1]:9092'],
    ['localhost:99999', 'write host:port'],
    [',', '--brokers names no broker'],
  ])('%s is refused by each of them', { timeout: 180_000 }, async (brokers, advice) => {
    const refusals = commands.map(async ([name, args]) => {
      const { code, stderr } = await runCli([...args, '--brokers', brokers])
      expect({ name, code, said: stderr.join('\n') }).toEqual({
        name,
        code: 2,
        said: expect.stringContaining(advice) as unknown,
      })
    })
    await Promise.all(refusals)
  })
})
