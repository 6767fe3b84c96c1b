/** Workers whose topics have codecs: what is not ready is waited for, by the partition that it concerns alone. */
import { describe, expect, test } from 'vitest'
import { application, broadcast, from, stateObject, topic, type Codec } from '../../../src/index.js'
import { PotorooError } from '../../../src/errors.js'
import { partitionOf } from '../../../src/core/plan/partitioner.js'
import { MemoryWorkers } from '../../support/memory-workers.js'
import { anySchema } from '../../support/schemas.js'

interface Message {
  readonly key: string
  readonly n: number
  /** Its schema, which has to be fetched. */
  readonly schema?: string
}
const away = () => Promise.reject(new PotorooError('REGISTRY_UNREACHABLE', 'it is away'))
const WAITS = 'the codec of a topic is not ready: the worker waits for it before it starts'
const HOLDS = "something needed to decode a source's records is unavailable: they wait, and other partitions continue"
const GOES_ON = "what a source's records need is available: reading continues"

/** JSON, of which each record needs its schema. */
class SlowCodec implements Codec<Message> {
  readonly name = 'slow JSON'
  readonly there = new Set<string>()
  isOpen = true
  readonly opened: string[] = []
  failure: (() => Promise<never>) | undefined

  decode(bytes: Buffer): Message {
    const message = JSON.parse(bytes.toString()) as Message
    if (message.schema !== undefined && !this.there.has(message.schema)) throw new Error('its schema is not there')
    return message
  }
  encode(message: Message): string {
    return JSON.stringify(message)
  }
  async open(of: string, use: string): Promise<void> {
    this.opened.push(`${use} ${of}`)
    await (this.isOpen ? undefined : (this.failure ?? away)())
  }
  prepare(bytes: Buffer): Promise<unknown> | undefined {
    const { schema } = JSON.parse(bytes.toString()) as Message
    return schema === undefined || this.there.has(schema) ? undefined : (this.failure ?? away)()
  }
}

const sums = stateObject('sums', () => ({ n: 0 }))
const plain = topic('plain', { schema: anySchema<Message>(), key: ({ key }) => key })
const summed = topic('summed', { schema: anySchema<Message>(), key: ({ key }) => key })

function bench(codec: SlowCodec, partitions = 1) {
  const coded = topic('coded', { codec, key: ({ key }) => key })
  const add = (state: { n: number }, { key, n }: Message): Message => ({ key, n: (state.n += n) })
  const app = application('app', from(coded).to(sums, add).sink(summed), from(plain).to(sums, add).sink(summed))
  return new MemoryWorkers({ application: app, topics: ['coded', 'plain', 'summed'], partitions })
}
const results = (workers: MemoryWorkers): unknown[] =>
  workers.records('summed').map(({ value }) => (JSON.parse(value) as Message).n)

describe('at the start', () => {
  test('a codec is opened once for each topic and use', async () => {
    const codec = new SlowCodec()
    const workers = bench(codec)
    await workers.start('w1')
    expect(codec.opened).toEqual(['read coded'])
  })

  test('one that is not ready is waited for, and said; nothing is made in Kafka meanwhile', async () => {
    const codec = new SlowCodec()
    codec.isOpen = false
    const workers = bench(codec)
    const starting = workers.start('w1')
    workers.scheduler.after(undefined, 45_000, () => {
      expect(workers.cluster.describeTopic(workers.names.deadLetters)).toBeUndefined()
      codec.isOpen = true
    })
    await starting
    await workers.rest()
    expect(workers.endOf('w1')).toBeUndefined()
    expect(workers.active('w1')).toEqual(['sums_0'])
    expect(workers.said(WAITS)).toMatchObject([
      { level: 'warn', topic: 'coded', use: 'read', code: 'REGISTRY_UNREACHABLE', waitedMs: 0 },
      { topic: 'coded' },
    ])
  })

  test('one that never will be ends the worker', async () => {
    const codec = new SlowCodec()
    codec.isOpen = false
    codec.failure = () => Promise.reject(new PotorooError('DEPENDENCY_MISSING', 'npm install avsc'))
    const workers = bench(codec)
    await workers.start('w1')
    expect(workers.endOf('w1')?.code).toBe('DEPENDENCY_MISSING')
  })

  test('a worker that is told to stop meanwhile does', async () => {
    const codec = new SlowCodec()
    codec.isOpen = false
    const workers = bench(codec)
    const starting = workers.start('w1')
    workers.scheduler.after(undefined, 10_000, () => void workers.stopSoon('w1'))
    await starting
    expect([workers.endOf('w1'), workers.active('w1')]).toEqual([undefined, []])
  })
})

describe('a record whose schema is not there yet', () => {
  test('waits, and is processed in its order; nothing of it is a dead letter', async () => {
    const codec = new SlowCodec()
    const workers = bench(codec)
    await workers.start('w1')
    workers.append('coded', 'a', { key: 'a', n: 1, schema: 's' })
    workers.append('coded', 'a', { key: 'a', n: 10 })
    await workers.scheduler.advance(20_000)
    workers.append('plain', 'a', { key: 'a', n: 100 })
    await workers.scheduler.advance(20_000)
    expect(results(workers)).toEqual([])
    expect(workers.said(HOLDS)).toMatchObject([{ task: 'sums_0', topic: 'coded', partition: 0, position: 0 }, {}])
    codec.there.add('s')
    await workers.rest()
    expect(results(workers)).toEqual([1, 11, 111])
    expect(workers.said(GOES_ON)).toHaveLength(1)
    expect(workers.records(workers.names.deadLetters)).toEqual([])
  })

  test('keeps no other partition waiting', async () => {
    const codec = new SlowCodec()
    const workers = bench(codec, 2)
    await workers.start('w1')
    const on = (partition: number): string =>
      ['a', 'b', 'c', 'd', 'e'].find((key) => partitionOf('murmur2', Buffer.from(key), 2) === partition) ?? ''
    workers.append('coded', on(0), { key: on(0), n: 1, schema: 's' })
    workers.append('coded', on(1), { key: on(1), n: 2 })
    await workers.scheduler.advance(10_000)
    expect(results(workers)).toEqual([2])
  })

  test('holds its task back no longer than a source that gives no answer does', async () => {
    const codec = new SlowCodec()
    const workers = bench(codec)
    await workers.start('w1')
    workers.append('coded', 'a', { key: 'a', n: 1, schema: 's' })
    await workers.scheduler.advance(1_000)
    workers.append('plain', 'a', { key: 'a', n: 100 })
    await workers.scheduler.advance(70_000)
    expect(results(workers)).toEqual([100])
    expect(
      workers.said('a source gave no answer in time: records of the other sources go first, whatever their timestamps'),
    ).toHaveLength(1)
  })

  test('waits again with the next owner of its task', async () => {
    const codec = new SlowCodec()
    const workers = bench(codec)
    await workers.start('w1')
    workers.append('coded', 'a', { key: 'a', n: 1, schema: 's' })
    await workers.scheduler.advance(5_000)
    await workers.stop('w1')
    await workers.start('w2')
    await workers.scheduler.advance(5_000)
    codec.there.add('s')
    await workers.rest()
    expect(results(workers)).toEqual([1])
  })

  test('that can never be had stops the worker, with what its registry said', async () => {
    const codec = new SlowCodec()
    codec.failure = () => Promise.reject(new PotorooError('REGISTRY_REFUSED', '401'))
    const workers = bench(codec)
    await workers.start('w1')
    workers.append('coded', 'a', { key: 'a', n: 1, schema: 's' })
    await workers.rest()
    expect(workers.endOf('w1')?.code).toBe('REGISTRY_REFUSED')
    codec.there.add('s')
    await workers.start('w1')
    await workers.rest()
    expect(results(workers)).toEqual([1])
  })
})

describe('a broadcast of a topic with a codec', () => {
  const BROADCAST_HOLDS =
    "something needed to decode a broadcast's records is unavailable: they wait, and so do messages that read the broadcast"
  const BROADCAST_GOES_ON = "what a broadcast's records need is available: reading continues"

  /** Messages of 'plain' take the number that the broadcast has of their key, or 0; those of 'apart' read nothing. */
  function reading(codec: SlowCodec) {
    const coded = topic('coded', { codec, key: ({ key }) => key, tombstones: 'message' })
    const apart = topic('apart', { schema: anySchema<Message>(), key: ({ key }) => key })
    const numbers = broadcast('numbers', coded)
    const found = from(plain).join(
      numbers,
      ({ key }) => key,
      ({ key }, entry): Message => ({ key, n: entry?.n ?? 0 }),
    )
    const same = (_: object, message: Message): Message => message
    const app = application('app', found.sink(summed), from(apart).to(sums, same).sink(summed))
    return new MemoryWorkers({ application: app, topics: ['coded', 'plain', 'apart', 'summed'] })
  }
  const asks = (workers: MemoryWorkers): void => {
    workers.append('plain', 'a', { key: 'a', n: 0 })
  }

  test('has what the codec reads, the last of each key; a record without a value deletes', async () => {
    const codec = new SlowCodec()
    const workers = reading(codec)
    workers.append('coded', 'a', { key: 'a', n: 1 })
    workers.append('coded', 'a', { key: 'a', n: 2 })
    await workers.start('w1')
    expect(codec.opened).toEqual(['read coded'])
    asks(workers)
    await workers.rest()
    workers.append('coded', 'a', null)
    asks(workers)
    await workers.rest()
    workers.append('coded', 'a', { key: 'a', n: 3 })
    asks(workers)
    await workers.rest()
    expect(results(workers)).toEqual([2, 0, 3])
  })

  test('keeps the worker from its tasks while what it needs is away at the start, and says so', async () => {
    const codec = new SlowCodec()
    const workers = reading(codec)
    workers.append('coded', 'a', { key: 'a', n: 1, schema: 's' })
    const starting = workers.start('w1')
    workers.scheduler.after(undefined, 45_000, () => {
      expect(workers.readiness('w1')).toMatchObject({ reason: 'starting' })
      codec.there.add('s')
    })
    await starting
    asks(workers)
    await workers.rest()
    expect(results(workers)).toEqual([1])
    expect(workers.said(BROADCAST_HOLDS)).toMatchObject([
      { level: 'warn', broadcast: 'numbers', topic: 'coded', position: 0, code: 'REGISTRY_UNREACHABLE', waitedMs: 0 },
      {},
    ])
    expect(workers.said(BROADCAST_GOES_ON)).toHaveLength(1)
  })

  test('holds the messages that read it while it waits, and no others; that is said, and shown', async () => {
    const codec = new SlowCodec()
    const workers = reading(codec)
    await workers.start('w1')
    asks(workers)
    await workers.rest()
    expect([results(workers), workers.held('w1')]).toEqual([[0], []])
    workers.append('coded', 'a', { key: 'a', n: 7, schema: 's' })
    asks(workers)
    workers.append('apart', 'a', { key: 'a', n: 100 })
    await workers.scheduler.advance(20_000)
    expect(results(workers)).toEqual([0, 100])
    expect(workers.held('w1')).toMatchObject([{ topic: 'coded', broadcast: 'numbers', why: 'it is away' }])
    expect(workers.lines.filter(({ msg }) => /messages wait for a broadcast/.test(msg))).toEqual([])
    codec.there.add('s')
    await workers.rest()
    expect(results(workers)).toEqual([0, 100, 7])
    expect(workers.held('w1')).toEqual([])
  })

  test('ends the worker where it can never be read, and continues where it is told to stop meanwhile', async () => {
    const codec = new SlowCodec()
    const workers = reading(codec)
    workers.append('coded', 'a', { key: 'a', n: 1, schema: 's' })
    const starting = workers.start('w1')
    workers.scheduler.after(undefined, 10_000, () => void workers.stopSoon('w1'))
    await starting
    expect([workers.endOf('w1'), workers.active('w1')]).toEqual([undefined, []])
    codec.failure = () => Promise.reject(new PotorooError('REGISTRY_REFUSED', '401'))
    await workers.start('w2')
    expect(workers.endOf('w2')?.code).toBe('REGISTRY_REFUSED')
  })

  test('passes over what is no plain object, and says so', async () => {
    const codec = new SlowCodec()
    const workers = reading(codec)
    workers.append('coded', 'a', { key: 'a', n: 1 })
    workers.append('coded', 'a', [1])
    await workers.start('w1')
    asks(workers)
    await workers.rest()
    expect(results(workers)).toEqual([1])
    const refused = 'a record of a broadcast was rejected: its key keeps its old entry, on every worker'
    expect(workers.said(refused)).toMatchObject([{ code: 'STATE_NOT_PACKABLE', offset: 1 }])
  })
})

test('an input that waits for its schema is held, after a second', async () => {
  const codec = new SlowCodec()
  const workers = bench(codec)
  await workers.start('w1')
  workers.append('coded', 'a', { key: 'a', n: 1, schema: 's' })
  await workers.scheduler.advance(500)
  expect(workers.held('w1')).toEqual([])
  await workers.scheduler.advance(5_000)
  expect(workers.held('w1')).toMatchObject([{ topic: 'coded', why: 'it is away' }])
  codec.there.add('s')
  await workers.rest()
  expect(workers.held('w1')).toEqual([])
})
