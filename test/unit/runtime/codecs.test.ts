/** Workers whose topics have codecs: what is not ready is waited for, by the partition that it concerns alone. */
import { describe, expect, test } from 'vitest'
import { application, from, stateObject, topic, type Codec } from '../../../src/index.js'
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
const HOLDS = "what decoding a source's records needs is not to be had: they wait here, and other partitions go on"
const GOES_ON = "what a source's records need is there: it goes on"

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
      workers.said('a source gave no answer in time: records of the others go first, whatever their timestamps'),
    ).toHaveLength(1)
  })

  test('waits anew with whoever takes its task over', async () => {
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
