import { expect, test } from 'vitest'
import type { Log } from '../../src/ports/log.js'
import { uniqueName } from '../support/broker.js'
import { newTopic, openLog, openProxied, readAll } from '../support/open-logs.js'
import { api } from '../support/proxy.js'
import { RecordingInput } from '../support/recording-input.js'
import { chunksOf, recordsFrom } from '../support/records.js'
import { produce, produceInTransaction, withAdmin } from '../support/topics.js'
import { until } from '../support/until.js'

/** Long enough that a test which waits for it does not end in time. */
const FOREVER_MS = 600_000
const values = (first: number, count: number) => recordsFrom(first, count).map(({ value }) => value)

async function write(log: Log, topic: string, partition: number, first: number, count: number): Promise<void> {
  const producer = await log.producer(uniqueName('tx'))
  const records = [{ topic, partition, chunks: chunksOf(recordsFrom(first, count)) }]
  await producer.commit({ records, group: 'none', positions: [] })
}

function reading(log: Log, ...inputs: RecordingInput[]) {
  const fetcher = log.fetcher()
  for (const input of inputs) fetcher.add(input)
  return fetcher
}

const fetches = (requests: readonly { readonly apiKey: number }[]): number =>
  requests.filter(({ apiKey }) => apiKey === api.fetch).length

test('of two aborted transactions of different producers nothing is seen, wherever a fetch begins', async () => {
  const { log } = await openLog()
  const topic = await newTopic(log)
  await produce(topic, [{ value: 'first', partition: 0 }])
  const one = await produceInTransaction(topic, records('a1', 'a2'), uniqueName('tx'))
  const two = await produceInTransaction(topic, records('b1', 'b2'), uniqueName('tx'))
  await produce(topic, [{ value: 'between', partition: 0 }])
  await one.abort()
  await produce(topic, [{ value: 'after one', partition: 0 }])
  await two.abort()
  await produce(topic, [{ value: 'last', partition: 0, key: Buffer.from([0, 0, 0, 0]) }])
  const all = (await readAll(log, topic)).records
  expect(all.map(({ value }) => value)).toEqual(['first', 'between', 'after one', 'last'])
  const [end = 0] = await log.listOffsets([{ topic, partition: 0 }], 'end')
  expect(end).toBe(10)
  for (let from = 0; from <= end; from += 1) {
    const { records: seen, position } = await readAll(log, topic, 0, from)
    expect({ from, seen }).toEqual({ from, seen: all.filter(({ offset }) => offset >= from) })
    expect(position).toBe(end)
  }
})

test('records of an open transaction and behind it are not given, but their presence is', async () => {
  const { log } = await openLog()
  const topic = await newTopic(log)
  await produce(topic, [{ value: 'before', partition: 0 }])
  const open = await produceInTransaction(topic, records('open'), uniqueName('tx'))
  await produce(topic, [{ value: 'behind', partition: 0 }])
  const input = new RecordingInput(topic, 0)
  reading(log, input)
  await until('what is stable is read', () => input.answers.at(-1)?.nextPosition === 1)
  await until('an empty answer comes, too', () => input.answers.length >= 2)
  expect(input.answers.at(-1)).toMatchObject({ position: 1, highWatermark: 3, lastStableOffset: 1, batches: [] })
  await open.commit()
  await until('the rest comes', () => input.records.length === 3)
  expect(input.values).toEqual(['before', 'open', 'behind'])
})

test('connections that are cut lose and repeat nothing, and are said once', async () => {
  const { log, lines, proxy } = await openProxied()
  const topic = await newTopic(log, 2)
  const inputs = [new RecordingInput(topic, 0), new RecordingInput(topic, 1)]
  reading(log, ...inputs)
  let written = 0
  for (const fault of ['cut', 'lose answer', 'all'] as const) {
    await until('a fetch is under way', () => fetches(proxy.seen) > written)
    if (fault === 'all') {
      proxy.down = true
      proxy.cutAll()
      await until('the loss is said', () => said('broker is gone, trying to reach it again'))
      proxy.down = false
    } else {
      let once = true
      proxy.rule = ({ apiKey }) => {
        if (apiKey !== api.fetch || !once) return undefined
        once = false
        return { kind: fault }
      }
    }
    await produce(
      topic,
      [0, 1].flatMap((partition) => values(written, 2).map((value) => ({ partition, value }))),
    )
    written += 2
    await until('both are read', () => inputs.every(({ records: seen }) => seen.length >= written))
    await until('its return is said', () => count('is back') === count('is gone'))
    proxy.rule = undefined
  }
  expect(inputs.map((input) => input.values)).toEqual([values(0, 6), values(0, 6)])
  expect(inputs.flatMap(({ failures }) => failures)).toEqual([])
  expect(count('broker is gone')).toBeLessThanOrEqual(3)

  function said(message: string): boolean {
    return lines.some((line) => line.message === message)
  }
  function count(message: string): number {
    return lines.filter((line) => line.message.includes(message)).length
  }
})

test('a position out of range fails that input alone, names what there is, and changes no committed position', async () => {
  const { log } = await openLog()
  const topic = await newTopic(log, 2)
  await produce(
    topic,
    [0, 1].flatMap((partition) => values(0, 5).map((value) => ({ partition, value }))),
  )
  await withAdmin(async (admin) => {
    // Without it, kafkajs knows no leader.
    await admin.fetchTopicOffsets(topic)
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '3' }] })
  })
  const group = uniqueName('group')
  const producer = await log.producer(uniqueName('tx'))
  await producer.commit({ records: [], group, positions: [{ topic, partition: 0, position: 1 }] })
  const [low, high, fine] = [
    new RecordingInput(topic, 0, 1),
    new RecordingInput(topic, 0, 9),
    new RecordingInput(topic, 1),
  ]
  reading(log, low, fine)
  reading(log, high)
  await until('both fail', () => low.failures.length === 1 && high.failures.length === 1)
  await until('the other is read', () => fine.records.length === 5)
  expect(low.failures[0]).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' })
  expect(low.failures[0]?.message).toBe(`${topic}-0: position 1 was asked for, but the log holds 3 to 5 (exclusive)`)
  expect(high.failures[0]?.message).toContain('position 9')
  expect(low.answers).toEqual([])
  expect(await log.committedPositions(group, [{ topic, partition: 0 }])).toEqual([1])
})

test('one partition with an error does not cost the others of the same answer', async () => {
  const { log, proxy } = await openProxied()
  const topic = await newTopic(log, 2)
  await write(log, topic, 0, 0, 3)
  await write(log, topic, 1, 10, 3)
  // A commit resolves before its markers are written; through another log, whose ticks are its own.
  const { log: observer } = await openLog()
  for (const partition of [0, 1]) await readAll(observer, topic, partition)
  let changed = 0
  proxy.rule = ({ apiKey }) =>
    apiKey === api.fetch && changed === 0
      ? {
          kind: 'change answer',
          change: (body) => {
            changed = firstPartitionFails(body, 6)
          },
        }
      : undefined
  const inputs = [new RecordingInput(topic, 0), new RecordingInput(topic, 1)]
  reading(log, ...inputs)
  await until('both are read', () => inputs.every(({ position }) => position === 4))
  expect(inputs.map((input) => input.values)).toEqual([values(0, 3), values(10, 3)])
  // The first answer of all held the error of the one, and the records of the other.
  expect(changed).toBe(6)
  expect(inputs[1]?.answers[0]).toMatchObject({ asked: 1, arrived: 2, batches: [{ count: 3 }] })
  expect(inputs[0]?.answers[0]?.arrived).toBeGreaterThan(2)
})

test('all partitions of an answer arrive at one tick, also empty ones, each asked for before', async () => {
  const { log } = await openLog()
  const topic = await newTopic(log, 3)
  await write(log, topic, 1, 0, 1)
  const inputs = [0, 1, 2].map((partition) => new RecordingInput(topic, partition))
  reading(log, ...inputs)
  await until('all are answered twice', () => inputs.every(({ answers }) => answers.length >= 2))
  const ticks = inputs.map(({ answers }) => answers.slice(0, 2).map(({ asked, arrived }) => [asked, arrived]))
  expect(ticks[1]).toEqual(ticks[0])
  expect(ticks[2]).toEqual(ticks[0])
  const flat = ticks[0]?.flat() ?? []
  expect(flat).toEqual([...flat].sort((a, b) => a - b))
  expect(new Set(flat).size).toBe(4)
  expect(inputs[0]?.answers[0]).toMatchObject({ batches: [], nextPosition: 0, highWatermark: 0 })
})

test('an input that is added or woken while a fetch lingers does not wait for it', async () => {
  const { log, proxy } = await openProxied({ fetch: { maxWaitMs: FOREVER_MS } })
  const topic = await newTopic(log, 4)
  for (const partition of [1, 2]) await write(log, topic, partition, 0, 3)
  const [idle, added, woken, hurried] = [0, 1, 2, 3].map((partition) => new RecordingInput(topic, partition))
  if (!idle || !added || !woken || !hurried) throw new Error('four inputs')
  woken.full = true
  const fetcher = reading(log, idle, woken, hurried)
  await until('a fetch lingers', () => fetches(proxy.seen) === 1)
  fetcher.add(added)
  await until('the added one is read', () => added.records.length === 3)
  expect(woken.answers).toEqual([])
  woken.full = false
  fetcher.wake()
  await until('the woken one is read', () => woken.records.length === 3)
  // It is part of the fetch that lingers; its emptiness is asked for again.
  expect(hurried.answers).toEqual([])
  hurried.hurry = true
  fetcher.wake()
  await until('the hurried one is answered', () => hurried.answers.length > 0)
  hurried.hurry = false
  expect(idle.answers).toEqual([])
  await fetcher.close()
})

test('an input that wants nothing is not asked for, and the fetcher rests', async () => {
  const { log, proxy } = await openProxied()
  const topic = await newTopic(log)
  await write(log, topic, 0, 0, 2)
  const input = new RecordingInput(topic, 0)
  const filling = new (class extends RecordingInput {
    override deliver(fetched: Parameters<RecordingInput['deliver']>[0]): void {
      super.deliver(fetched)
      this.full = true
    }
  })(topic, 0)
  const fetcher = reading(log, filling)
  await until('it is full', () => filling.full)
  const before = fetches(proxy.seen)
  await readAll(log, topic)
  // That reader's own fetches aside, none was sent.
  const lane = proxy.seen.find(({ apiKey }) => apiKey === api.fetch)?.connection
  expect(proxy.seen.filter(({ apiKey, connection }) => apiKey === api.fetch && connection === lane)).toHaveLength(
    before,
  )
  await write(log, topic, 0, 2, 2)
  await until('it continues', () => {
    filling.full = false
    fetcher.wake()
    return filling.records.length === 4
  })
  fetcher.remove(filling)
  fetcher.add(input)
  await until('another input takes over', () => input.records.length === 4)
  expect(filling.records).toHaveLength(4)
})

test('batches larger than the bounds come, and none of the inputs starves', async () => {
  const { log } = await openLog({ fetch: { maxBytesPerPartition: 1000, maxBytes: 2000 } })
  const topic = await newTopic(log, 4)
  const producer = await log.producer(uniqueName('tx'))
  const large = (count: number) =>
    recordsFrom(0, count).flatMap(({ key, value }) => chunksOf([{ key, value: `${value} ${'x'.repeat(20_000)}` }]))
  const counts = [20, 2, 2, 2]
  const written = counts.map((count, partition) => ({ topic, partition, chunks: large(count) }))
  await producer.commit({ records: written, group: 'none', positions: [] })
  const inputs = counts.map((_, partition) => new RecordingInput(topic, partition))
  reading(log, ...inputs)
  await until('all are read', () => inputs.every(({ records: seen }, i) => seen.length === counts[i]))
  inputs.forEach((input, i) => {
    expect(input.values.map((value) => value?.split(' ')[0])).toEqual(values(0, counts[i] ?? 0))
  })
  const gave = inputs.map(({ answers }) => answers.filter(({ batches }) => batches.length > 0).map((a) => a.arrived))
  const lastOfLong = gave[0]?.at(-1) ?? 0
  for (const short of gave.slice(1)) expect(short.at(-1)).toBeLessThan(lastOfLong)
})

test('an input that was removed is not called any more, though its fetch is under way', async () => {
  const { log, proxy } = await openProxied({ fetch: { maxWaitMs: FOREVER_MS } })
  const topic = await newTopic(log)
  const [removed, other] = [new RecordingInput(topic, 0), new RecordingInput(topic, 0)]
  const fetcher = reading(log, removed)
  await until('a fetch lingers', () => fetches(proxy.seen) === 1)
  fetcher.remove(removed)
  fetcher.add(other)
  for (const n of [1, 2, 3]) {
    await write(log, topic, 0, n, 1)
    await until('the other is read', () => other.records.length === n)
  }
  expect(removed.answers).toEqual([])
})

test('a topic that is not there is waited for, and then missing', async () => {
  // A clock that runs twenty times as fast: the wait is 10 s.
  const { log } = await openLog({
    requestTimeoutMs: 100_000,
    clock: {
      now: () => Date.now(),
      monotonic: () => performance.now() * 20,
      after: (ms, call) => {
        const timer = setTimeout(call, ms / 20)
        return {
          cancel: () => {
            clearTimeout(timer)
          },
        }
      },
      soon: (call) => {
        setImmediate(call)
      },
    },
  })
  const late = uniqueName('late')
  const [missing, coming] = [new RecordingInput(uniqueName('missing'), 0), new RecordingInput(late, 0)]
  reading(log, missing, coming)
  await log.createTopics([{ name: late, partitions: 1 }])
  await until('the late topic is read', () => coming.answers.length > 0)
  await until('the missing one is said', () => missing.failures.length > 0)
  expect(missing.failures).toMatchObject([{ code: 'TOPIC_MISSING' }])
  expect(coming.failures).toEqual([])
})

test('a fetcher closes at once, while its fetches linger, and others continue', async () => {
  const { log } = await openLog({ fetch: { maxWaitMs: FOREVER_MS } })
  const topic = await newTopic(log)
  const [closed, other] = [new RecordingInput(topic, 0), new RecordingInput(topic, 0)]
  const fetcher = reading(log, closed)
  reading(log, other)
  await fetcher.close()
  await write(log, topic, 0, 0, 1)
  await until('the other is read', () => other.records.length === 1)
  expect(closed.records).toEqual([])
  expect(closed.failures).toEqual([])
})

const records = (...all: string[]) => all.map((value) => ({ value, partition: 0 }))

/** Sets the error code of the first partition in a Fetch answer (version 11), and returns it. */
function firstPartitionFails(body: Buffer, code: number): number {
  const nameLength = body.readInt16BE(14)
  body.writeInt16BE(code, 14 + 2 + nameLength + 4 + 4)
  return code
}
