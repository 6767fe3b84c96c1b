/** Invariants: src/kafka/idempotent-producer.ts. */
import { describe, expect, test } from 'vitest'
import type { Delivery } from '../../src/kafka/idempotent-producer.js'
import { systemClock } from '../../src/system.js'
import { newTopic, openLog, readAll } from '../support/open-logs.js'
import { openProducer, openProxiedProducer } from '../support/producers.js'
import { api, type ProxiedRequest, type Rule } from '../support/proxy.js'
import { answersOf, onlyFirst } from '../support/transactions.js'

const MAX_MESSAGE_BYTES = 1_048_588
const topicOf = (name: string, maxMessageBytes = MAX_MESSAGE_BYTES) => ({ name, maxMessageBytes })
/** Values `first`, … for a partition. */
const some = (first: number, count: number, partition = 0) =>
  Array.from({ length: count }, (_, i) => ({ partition, key: `k${String(first + i)}`, value: `v${String(first + i)}` }))
const valuesOf = (first: number, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `v${String(first + i)}`)
const isProduce = ({ apiKey }: ProxiedRequest): boolean => apiKey === api.produce
/** The only batch of a Produce request that has one: its last bytes. */
const batchOf = ({ bytes }: ProxiedRequest): string => bytes.subarray(-100).toString('hex')
const all = (partition: number, acknowledged: number): Delivery => ({
  partition,
  acknowledged,
  missing: [],
  error: undefined,
})

test('records land as they are, each partition’s in their order', async () => {
  const { log } = await openLog()
  const topic = await newTopic(log, 2)
  const { producer } = await openProducer()
  const mixed = [
    { partition: 1, key: 'a', value: '1', timestampMs: 1_700_000_000_123 },
    { partition: 0, key: null, value: Buffer.from('2') },
    { partition: 1, key: Buffer.from('b'), value: null, headers: [{ key: 'h', value: Buffer.from('x') }] },
  ]
  const before = Date.now()
  expect(await producer.send(topicOf(topic), mixed)).toEqual([all(1, 2), all(0, 1)])
  expect((await readAll(log, topic, 1)).records).toMatchObject([
    { offset: 0, key: 'a', value: '1', timestampMs: 1_700_000_000_123, headers: {} },
    { offset: 1, key: 'b', value: null, headers: { h: 'x' } },
  ])
  const [other] = (await readAll(log, topic, 0)).records
  expect(other).toMatchObject({ key: null, value: '2' })
  expect(other?.timestampMs).toBeGreaterThanOrEqual(before)
  expect(other?.timestampMs).toBeLessThanOrEqual(Date.now())
})

test('nothing to send is nothing sent', async () => {
  const { producer, proxy } = await openProxiedProducer()
  expect(await producer.send(topicOf('nowhere'), [])).toEqual([])
  expect(proxy.seen.filter(isProduce)).toEqual([])
})

test('what waits for one leader goes in one request', async () => {
  const { log } = await openLog()
  const topic = await newTopic(log, 4)
  const { producer, proxy } = await openProxiedProducer()
  await producer.send(
    topicOf(topic),
    [0, 1, 2, 3].flatMap((partition) => some(0, 5, partition)),
  )
  expect(proxy.seen.filter(isProduce)).toHaveLength(1)
})

test('more than a batch takes is split, and lands in order (1)', async () => {
  const { log } = await openLog()
  const topic = await newTopic(log, 1, { 'max.message.bytes': '1000' })
  const { producer, proxy } = await openProxiedProducer()
  expect(await producer.send(topicOf(topic, 1000), some(0, 500))).toEqual([all(0, 500)])
  expect(proxy.seen.filter(isProduce).length).toBeGreaterThan(5)
  expect((await readAll(log, topic)).values).toEqual(valuesOf(0, 500))
})

test('calls may overlap: records land in the order of the calls (1)', async () => {
  const { log } = await openLog()
  const topic = await newTopic(log)
  const { producer, proxy } = await openProxiedProducer()
  proxy.rule = (request) => (isProduce(request) && request.nth % 3 === 1 ? { kind: 'lose answer' } : undefined)
  const calls = Array.from({ length: 20 }, (_, i) => producer.send(topicOf(topic), some(10 * i, 10)))
  expect(await Promise.all(calls)).toEqual(calls.map(() => [all(0, 10)]))
  expect((await readAll(log, topic)).values).toEqual(valuesOf(0, 200))
})

describe('what is sent again is there once (2)', () => {
  test.each([
    ['its answer is lost', 'lose answer'],
    ['it is cut off', 'cut'],
  ] as const)('when %s, each third time', async (_, kind) => {
    const { log } = await openLog()
    const topic = await newTopic(log)
    const { producer, proxy } = await openProxiedProducer()
    proxy.rule = (request) => (isProduce(request) && request.nth % 3 === 1 ? { kind } : undefined)
    for (let i = 0; i < 20; i++) expect(await producer.send(topicOf(topic), some(10 * i, 10))).toEqual([all(0, 10)])
    expect((await readAll(log, topic)).values).toEqual(valuesOf(0, 200))
  })

  test.each([2, 3, 5, 6, 7, 13, 19, 20, 56])('as it was, after error code %i', async (code) => {
    const { log } = await openLog()
    const topic = await newTopic(log)
    const { producer, proxy } = await openProxiedProducer()
    await producer.send(topicOf(topic), some(0, 3))
    proxy.rule = onlyFirst(api.produce, 2, { kind: 'answer', body: answersOf[1].produce(topic, code) })
    expect(await producer.send(topicOf(topic), some(3, 3))).toEqual([all(0, 3)])
    await producer.send(topicOf(topic), some(6, 3))
    const batches = proxy.seen.filter(isProduce).map(batchOf)
    expect(batches).toHaveLength(5)
    expect(new Set(batches).size).toBe(3)
    expect((await readAll(log, topic)).values).toEqual(valuesOf(0, 9))
  })

  test('to whoever leads the partition then: that is asked again after each failure', async () => {
    const { log } = await openLog()
    const topic = await newTopic(log)
    const { producer, proxy } = await openProxiedProducer()
    await producer.send(topicOf(topic), some(0, 3))
    const asked = (): number => proxy.seen.filter(({ apiKey }) => apiKey === api.metadata).length
    const before = asked()
    // NOT_LEADER_OR_FOLLOWER
    proxy.rule = onlyFirst(api.produce, 2, { kind: 'answer', body: answersOf[1].produce(topic, 6) })
    await producer.send(topicOf(topic), some(3, 3))
    await producer.send(topicOf(topic), some(6, 3))
    expect(asked() - before).toBe(2)
  })

  test('DUPLICATE_SEQUENCE_NUMBER acknowledges it', async () => {
    const { log } = await openLog()
    const topic = await newTopic(log)
    const { producer, proxy } = await openProxiedProducer()
    const lost = onlyFirst(api.produce, 1, { kind: 'lose answer' })
    const duplicate = onlyFirst(api.produce, 1, { kind: 'answer', body: answersOf[1].produce(topic, 46) })
    proxy.rule = (request) => lost(request) ?? duplicate(request)
    expect(await producer.send(topicOf(topic), some(0, 3))).toEqual([all(0, 3)])
    expect(await producer.send(topicOf(topic), some(3, 3))).toEqual([all(0, 3)])
    expect((await readAll(log, topic)).values).toEqual(valuesOf(0, 6))
  })
})

describe('a batch that was refused leaves its sequence to the next one (3)', () => {
  test.each([
    [10, 'RECORD_TOO_LARGE'],
    [18, 'RECORD_TOO_LARGE'],
    [32, 'RECORD_REFUSED'],
    [44, 'RECORD_REFUSED'],
    [87, 'RECORD_REFUSED'],
    [29, 'NOT_AUTHORIZED'],
  ])('error code %i is %s', async (code, expected) => {
    const { log } = await openLog()
    const topic = await newTopic(log)
    const { producer, proxy } = await openProxiedProducer()
    await producer.send(topicOf(topic), some(0, 3))
    proxy.rule = onlyFirst(api.produce, 1, { kind: 'answer', body: answersOf[1].produce(topic, code) })
    const refused = some(3, 3)
    expect(await producer.send(topicOf(topic), refused)).toEqual([
      {
        partition: 0,
        acknowledged: 0,
        missing: refused,
        error: expect.objectContaining({ code: expected }) as unknown,
      },
    ])
    expect(await producer.send(topicOf(topic), some(6, 3))).toEqual([all(0, 3)])
    expect((await readAll(log, topic)).values).toEqual([...valuesOf(0, 3), ...valuesOf(6, 3)])
  })

  test('so does one for which there were never enough replicas', async () => {
    const { log } = await openLog()
    const topic = await newTopic(log)
    const { producer, proxy } = await openProxiedProducer({ deliveryTimeoutMs: 100 })
    proxy.rule = (request) =>
      isProduce(request) ? { kind: 'answer', body: answersOf[1].produce(topic, 19) } : undefined
    const [failed] = await producer.send(topicOf(topic), some(0, 3))
    expect(failed).toMatchObject({ acknowledged: 0, error: { code: 'REQUEST_FAILED' } })
    expect(failed?.error?.message).toMatch(/NOT_ENOUGH_REPLICAS/)
    expect(failed?.error?.message).not.toMatch(/unknown/)
    proxy.rule = undefined
    expect(await producer.send(topicOf(topic), some(3, 3))).toEqual([all(0, 3)])
    expect((await readAll(log, topic)).values).toEqual(valuesOf(3, 3))
  })

  test('a record that fits no batch is refused here, and those before it are written', async () => {
    const { log } = await openLog()
    const topic = await newTopic(log, 1, { 'max.message.bytes': '1000' })
    const { producer } = await openProducer()
    const large = { partition: 0, key: 'large', value: 'x'.repeat(1000) }
    const records = [...some(0, 3), large, ...some(4, 3)]
    expect(await producer.send(topicOf(topic, 1000), records)).toEqual([
      {
        partition: 0,
        acknowledged: 3,
        missing: records.slice(3),
        error: expect.objectContaining({ code: 'RECORD_TOO_LARGE' }) as unknown,
      },
    ])
    expect(await producer.send(topicOf(topic, 1000), some(7, 3))).toEqual([all(0, 3)])
    expect((await readAll(log, topic)).values).toEqual([...valuesOf(0, 3), ...valuesOf(7, 3)])
  })
})

describe('a partition whose last batch may be written takes no more (4)', () => {
  const unanswered = (): Rule => (request) => (isProduce(request) ? { kind: 'lose answer' } : undefined)

  test('when no answer came in time: it says so, in every call', async () => {
    const { log } = await openLog()
    const topic = await newTopic(log)
    const { producer, proxy } = await openProxiedProducer({ deliveryTimeoutMs: 100 })
    proxy.rule = unanswered()
    const records = some(0, 3)
    const [failed] = await producer.send(topicOf(topic), records)
    expect(failed).toMatchObject({ acknowledged: 0, missing: records, error: { code: 'REQUEST_FAILED' } })
    expect(failed?.error?.message).toMatch(/whether the last batch was written is unknown/)
    proxy.rule = undefined
    const sentBefore = proxy.seen.filter(isProduce).length
    const [again] = await producer.send(topicOf(topic), some(3, 3))
    expect(again).toMatchObject({ acknowledged: 0, error: failed?.error })
    expect(proxy.seen.filter(isProduce)).toHaveLength(sentBefore)
  })

  test.each([
    [45, /OUT_OF_ORDER_SEQUENCE_NUMBER.*records are lost/],
    [59, /UNKNOWN_PRODUCER_ID.*records are lost/],
  ])('when its leader lost what it had acknowledged (error code %i), the others continue', async (code, message) => {
    const { log } = await openLog()
    const topic = await newTopic(log, 2)
    const { producer, proxy } = await openProxiedProducer()
    proxy.rule = onlyFirst(api.produce, 1, { kind: 'answer', body: answersOf[1].produce(topic, code) })
    const [failed] = await producer.send(topicOf(topic), some(0, 3))
    expect(failed).toMatchObject({ acknowledged: 0, error: { code: 'REQUEST_FAILED' } })
    expect(failed?.error?.message).toMatch(message)
    const deliveries = await producer.send(topicOf(topic), [...some(3, 3), ...some(6, 3, 1)])
    expect(deliveries).toMatchObject([{ partition: 0, acknowledged: 0, error: failed?.error }, all(1, 3)])
  })
})

test('a partition that is not taken is said after 2 s, once', async () => {
  const { log } = await openLog()
  const topic = await newTopic(log)
  // Ten times as fast as the timers.
  const clock = { ...systemClock, monotonic: () => performance.now() * 10 }
  const { producer, proxy, lines } = await openProxiedProducer({ clock, requestTimeoutMs: 600_000 })
  const since = performance.now()
  proxy.rule = (request) =>
    isProduce(request) && performance.now() - since < 1_000
      ? { kind: 'answer', body: answersOf[1].produce(topic, 6) }
      : undefined
  expect(await producer.send(topicOf(topic), some(0, 3))).toEqual([all(0, 3)])
  expect(lines.filter(({ level }) => level === 'warn')).toEqual([
    {
      level: 'warn',
      message: 'the brokers have not acknowledged records yet, still trying',
      fields: { topic, partition: 0, reason: expect.stringContaining('NOT_LEADER') as unknown },
    },
  ])
})

test('a topic that is not there is missing, once it was waited for', async () => {
  const { producer } = await openProducer({ deliveryTimeoutMs: 200 })
  const [failed] = await producer.send(topicOf('nowhere-at-all'), some(0, 1))
  expect(failed).toMatchObject({ acknowledged: 0, error: { code: 'TOPIC_MISSING' } })
})

test('closing gives up what is on the way', async () => {
  const { log } = await openLog()
  const topic = await newTopic(log)
  const { producer, proxy } = await openProxiedProducer()
  proxy.rule = (request) => (isProduce(request) ? { kind: 'swallow' } : undefined)
  const sending = producer.send(topicOf(topic), some(0, 1))
  await producer.close()
  expect(await sending).toMatchObject([{ acknowledged: 0, error: { code: 'REQUEST_FAILED' } }])
})

test('no broker is an error at the opening', async () => {
  await expect(openProducer({ brokers: ['127.0.0.1:1'], connectTimeoutMs: 100 })).rejects.toMatchObject({
    code: 'BROKER_UNREACHABLE',
  })
})
