import net from 'node:net'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { expect, onTestFinished, test, vi } from 'vitest'
import type * as Kafkajs from 'kafkajs'
import { testBrokers, uniqueName } from '../support/broker.js'
import { testLog } from '../support/kafka-log.js'
import { newTopic, openLog, openProxied, readAll } from '../support/open-logs.js'
import { api } from '../support/proxy.js'
import { chunksOf, recordsFrom } from '../support/records.js'
import { until } from '../support/until.js'

test('no broker: every address is named, with its reason', async () => {
  const { log } = testLog({ brokers: ['127.0.0.1:1', 'localhost:2'], connectTimeoutMs: 300 })
  const connecting = log.connect()
  await expect(connecting).rejects.toMatchObject({ code: 'BROKER_UNREACHABLE' })
  await expect(connecting).rejects.toThrow(
    /within 0\.3 s: 127\.0\.0\.1:1 \(.*ECONNREFUSED.*\), localhost:2 \(.*ECONNREFUSED/,
  )
  await log.close()
})

test('one broker of those configured is enough', async () => {
  const { log } = await openLog({ brokers: ['127.0.0.1:1', ...testBrokers()] })
  expect(await log.describeTopics(['none'])).toEqual(new Map())
})

test.each([
  [
    'hangs up at once makes a hint at TLS and SASL',
    (socket: net.Socket) => socket.destroy(),
    'does it expect TLS or SASL',
  ],
  [
    'speaks HTTP is no broker',
    (socket: net.Socket) => socket.write('HTTP/1.1 400 Bad Request'),
    'that is not a Kafka broker',
  ],
])('something that %s', async (_, connected, reason) => {
  const server = net.createServer((socket) => {
    socket.on('error', () => undefined)
    connected(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const { port } = server.address() as net.AddressInfo
  const { log } = testLog({ brokers: [`127.0.0.1:${String(port)}`], connectTimeoutMs: 200 })
  await expect(log.connect()).rejects.toThrow(reason)
  await log.close()
})

test('what is asked in one turn of the event loop is sent with one write', async () => {
  const { log: other, proxy } = await openProxied()
  await other.close()
  const sockets: net.Socket[] = []
  const { log } = await openLog({
    socketFactory: (args) => {
      const socket = proxy.socketFactory(args)
      sockets.push(socket)
      return socket
    },
  })
  const writes = sockets.flatMap((socket) => [vi.spyOn(socket, '_write'), vi.spyOn(socket, '_writev')])
  const before = proxy.seen.length
  await Promise.all(['none', 'nothing', 'nobody'].map((name) => log.describeTopics([name])))
  expect(proxy.seen.length - before).toBe(3)
  expect(writes.reduce((sum, { mock }) => sum + mock.calls.length, 0)).toBe(1)
})

test('a broker that comes up while it is tried is found', async () => {
  const { log: other, proxy } = await openProxied()
  await other.close()
  proxy.down = true
  const { log, lines } = testLog({ socketFactory: proxy.socketFactory })
  const connecting = log.connect()
  await until('it was tried', () => lines.some(({ level }) => level === 'info'))
  proxy.down = false
  await connecting
  await log.close()
})

const sasl = { mechanism: 'plain', username: 'alice', password: 'wrong' } as const

test('a wrong password is said at once, with the user', async () => {
  const { log: other, proxy } = await openProxied()
  await other.close()
  proxy.rule = ({ apiKey }) =>
    apiKey === api.saslHandshake
      ? { kind: 'answer', body: Buffer.from('\0\0\0\0\0\x01\0\x05PLAIN', 'latin1') }
      : apiKey === api.saslAuthenticate
        ? { kind: 'answer', body: Buffer.from('\0\x3a\0\x02no\0\0\0\0\0\0\0\0\0\0\0\0', 'latin1') }
        : undefined
  const { log } = testLog({ socketFactory: proxy.socketFactory, sasl })
  const connecting = log.connect()
  await expect(connecting).rejects.toMatchObject({ code: 'AUTHENTICATION_FAILED' })
  await expect(connecting).rejects.toThrow('alice')
  await log.close()
})

test('a session that ends is followed by a new connection, without a failure', async () => {
  const { log: other, proxy } = await openProxied()
  await other.close()
  // SaslAuthenticate, version 1: ErrorCode ErrorMessage AuthBytes SessionLifetimeMs; kafkajs renews 10 s before the end.
  const answer = Buffer.from('\0\0\xff\xff\0\0\0\0\0\0\0\0\0\0\x27\x11', 'latin1')
  proxy.rule = ({ apiKey }) =>
    apiKey === api.saslHandshake
      ? { kind: 'answer', body: Buffer.from('\0\0\0\0\0\x01\0\x05PLAIN', 'latin1') }
      : apiKey === api.saslAuthenticate
        ? { kind: 'answer', body: answer }
        : undefined
  const { log } = testLog({ socketFactory: proxy.socketFactory, sasl })
  await log.connect()
  const logins = () => proxy.seen.filter(({ apiKey }) => apiKey === api.saslAuthenticate).length
  const before = logins()
  await until('it logs in again', async () => {
    await log.describeTopics(['none'])
    return logins() > before
  })
  await log.close()
})

test('an answer that does not come ends its connection, and the call is made again on another', async () => {
  const { log, proxy } = await openProxied({ requestTimeoutMs: 300 })
  let once = true
  proxy.rule = ({ apiKey }) => {
    if (apiKey !== api.metadata || !once) return undefined
    once = false
    return { kind: 'swallow' }
  }
  expect(await log.describeTopics(['none'])).toEqual(new Map())
  const asked = proxy.seen.filter(({ apiKey }) => apiKey === api.metadata).slice(-2)
  expect(asked[0]?.connection).not.toBe(asked[1]?.connection)
})

test('closing leaves nothing open, and rejects what comes', async () => {
  const { log, proxy } = await openProxied()
  const topic = await newTopic(log)
  await readAll(log, topic)
  // a new broker makes the topic of the groups first, and takes no leaving until then
  await log.committedPositions('group', [{ topic, partition: 0 }])
  await log.group('group').leave('nobody')
  await log.close()
  await expect(log.listOffsets([{ topic, partition: 0 }], 'end')).rejects.toMatchObject({ code: 'REQUEST_FAILED' })
  expect(() => log.fetcher()).not.toThrow()
  proxy.cutAll()
})

test('a kafkajs of the user, in the same process, works as it did', async () => {
  const { log } = await openLog()
  const topic = await newTopic(log)
  const producing = await log.producer(uniqueName('tx'))
  const records = [{ topic, partition: 0, chunks: chunksOf(recordsFrom(0, 2)) }]
  await producing.commit({ records, group: 'none', positions: [] })

  const { Kafka, logLevel } = createRequire(import.meta.url)('kafkajs') as typeof Kafkajs
  const kafka = new Kafka({ brokers: testBrokers(), logLevel: logLevel.NOTHING })
  const [producer, consumer] = [kafka.producer(), kafka.consumer({ groupId: uniqueName('group') })]
  await producer.connect()
  await producer.send({ topic, messages: [{ key: 'k', value: 'theirs', headers: { h: 'x' } }] })
  await producer.disconnect()
  const seen: unknown[] = []
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    eachMessage: ({ message }) => {
      seen.push([message.key?.toString(), message.value?.toString(), message.headers?.['h']?.toString()])
      return Promise.resolve()
    },
  })
  await until('it reads all', () => seen.length === 3)
  await consumer.disconnect()
  expect(seen).toEqual([
    ['k0', 'v0', undefined],
    ['k1', 'v1', undefined],
    ['k', 'theirs', 'x'],
  ])
  expect((await readAll(log, topic)).values).toEqual(['v0', 'v1', 'theirs'])
})
