/**
 * The example avro-volumes on a broker, while its registry is away and a worker is killed: what comes out is what a plain
 * calculation gives. Of whatever registry.
 */
import avsc from 'avsc'
import { expect } from 'vitest'
import { Tail } from '../../src/cli/tailing.js'
import { partitionOf } from '../../src/core/plan/partitioner.js'
import { createKafkaLog } from '../../src/kafka/log.js'
import { headerOf, schemaIdOf } from '../../src/schema-registry/wire-format.js'
import { systemClock } from '../../src/system.js'
import { deadLetterHeaders } from '../../src/core/processing/dead-letter.js'
import { ExampleBench } from './example-bench.js'
import { readCommitted } from './read-committed.js'
import { silentLogger } from './silent-logger.js'
import { produce } from './topics.js'
import { until } from './until.js'

export interface RegistryUnderTest {
  readonly url: string
  /** Resolves with the schema's id. */
  register(subject: string, schema: string): Promise<number>
  schemaOf(id: number): Promise<string>
  /** From then on nobody gets an answer. */
  away(): Promise<void>
  back(): Promise<void>
}

interface Order {
  readonly symbol: string
  readonly quantity: number
  readonly side?: 'BUY' | 'SELL'
}
interface Volume {
  readonly symbol: string
  readonly bought: number
  readonly sold: number
}

interface Status {
  readonly tasks: readonly { readonly held?: readonly { readonly topic: string; readonly why?: string }[] }[]
}

const order = (...more: readonly object[]) => ({
  type: 'record',
  name: 'Order',
  namespace: 'shop',
  fields: [{ name: 'symbol', type: 'string' }, ...more],
})
const side = { name: 'side', type: { type: 'enum', name: 'Side', symbols: ['BUY', 'SELL'] }, default: 'BUY' }
/** Versions of producers, in their order: an int becomes a long, a side comes, and then a note. */
const versions = [
  order({ name: 'quantity', type: 'int' }),
  order({ name: 'quantity', type: 'long' }, side),
  order({ name: 'quantity', type: 'long' }, side, { name: 'note', type: ['null', 'string'], default: null }),
]
const PARTITIONS = 8
const SYMBOLS = Array.from({ length: 40 }, (_, i) => `S${String(i)}`)
const HOLDS = /something needed to decode a source's records is unavailable/
const UNKNOWN_ID = 2_000_000

export async function runAvroVolumes(registry: RegistryUnderTest): Promise<void> {
  const bench = new ExampleBench('avro-volumes')
  const topic = bench.names.topic('orders')
  // Of all orders that the application is to count, in their order.
  const taken: Order[] = []
  const ids = [0, 0, 0]
  const register = async (version: number): Promise<void> => {
    ids[version] = await registry.register('orders-value', JSON.stringify(versions[version]))
  }
  const valueOf = (one: Order, version: number): Buffer =>
    Buffer.concat([
      headerOf(ids[version] ?? 0),
      avsc.Type.forSchema(versions[version] as avsc.Schema).toBuffer({ note: null, side: 'BUY', ...one }),
    ])
  const send = async (version: number, orders: readonly Order[]): Promise<void> => {
    taken.push(...orders)
    await produce(
      topic,
      orders.map((one) => ({ key: one.symbol, value: valueOf(one, version) })),
    )
  }
  const orders = (symbols: readonly string[], quantity: number): Order[] =>
    symbols.map((symbol, i) => ({ symbol, quantity: quantity + i, side: i % 3 === 0 ? 'SELL' : 'BUY' }))

  await register(0)
  await register(1)
  await bench.createTopics()
  const workers = [bench.worker('w1'), bench.worker('w2')]
  await Promise.all(workers.map((worker) => worker.line(/"task is active"/)))
  await send(
    0,
    orders(SYMBOLS, 1).map(({ symbol, quantity }) => ({ symbol, quantity })),
  )
  await send(1, orders(SYMBOLS, 1_000))
  await produce(topic, [
    { key: 'S0', value: Buffer.concat([headerOf(UNKNOWN_ID), Buffer.of(0)]) },
    { key: 'S0', value: '{"symbol":"S0","quantity":1}' },
  ])
  expect((await volumesOf(bench, registry, taken.length)).sort()).toEqual(expected(taken).sort())

  // A version comes that no worker has seen, and the registry is away.
  await register(2)
  await registry.away()
  const held = partitionOf('murmur2', Buffer.from('S0'), PARTITIONS)
  const onHeld = (symbol: string): boolean => partitionOf('murmur2', Buffer.from(symbol), PARTITIONS) === held
  await send(2, orders(SYMBOLS.filter(onHeld), 10_000))
  await send(1, orders(SYMBOLS, 20_000))
  await Promise.race(workers.map((worker) => worker.line(HOLDS)))
  await until('`potoroo status` shows it', async () => {
    const { tasks } = JSON.parse((await bench.command('status', '--json')).stdout.join('')) as Status
    return tasks.some(({ held = [] }) => held.some((one) => one.topic === topic && /registry/i.test(one.why ?? '')))
  })
  expect((await bench.command('status')).stdout.join('\n')).toContain(`what decoding ${topic} needs`)
  // All but that partition's go on.
  const others = taken.filter(({ symbol }, i) => i < 2 * SYMBOLS.length || !onHeld(symbol))
  await volumesOf(bench, registry, others.length)

  // Who joins waits for the registry; who had the partition is killed, and who gets it waits, too.
  const joiner = bench.worker('w3')
  await joiner.line(/the codec of a topic is not ready/)
  const owner = workers.find((worker) => worker.log().some(({ msg }) => HOLDS.test(msg)))
  owner?.kill('SIGKILL')
  const other = workers.find((worker) => worker !== owner)
  await other?.line(HOLDS)
  await registry.back()
  await joiner.line(/"task is active"/)
  await send(2, orders(SYMBOLS, 30_000))
  const volumes = await volumesOf(bench, registry, taken.length)
  expect(volumes.sort()).toEqual(expected(taken).sort())
  const letters = await readCommitted(bench.names.deadLetters, 2)
  expect(letters.map(({ headers }) => headers[deadLetterHeaders.code]).sort()).toEqual([
    'NOT_DECODABLE',
    'SCHEMA_UNKNOWN',
  ])
  for (const worker of [joiner, other]) {
    worker?.kill('SIGTERM')
    expect(await worker?.exited).toEqual({ code: 0, signal: null })
  }
  // And nothing came after.
  expect((await volumesOf(bench, registry, taken.length)).sort()).toEqual(expected(taken).sort())
}

/** One for each order. */
function expected(orders: readonly Order[]): string[] {
  const volumes = new Map<string, Volume>()
  return orders.map(({ symbol, quantity, side: which = 'BUY' }) => {
    const { bought, sold } = volumes.get(symbol) ?? { bought: 0, sold: 0 }
    const volume =
      which === 'BUY' ? { symbol, bought: bought + quantity, sold } : { symbol, bought, sold: sold + quantity }
    volumes.set(symbol, volume)
    return JSON.stringify(volume)
  })
}

/** So many, read as any reader of Avro would. Fails when more are there. */
async function volumesOf(bench: ExampleBench, registry: RegistryUnderTest, count: number): Promise<string[]> {
  const topic = bench.names.topic('volumes')
  // Waits for them, and counts them.
  await readCommitted(topic, count, { timeoutMs: 60_000 })
  const values: Buffer[] = []
  const log = createKafkaLog({ brokers: bench.brokers, clientId: 'test', logger: silentLogger, clock: systemClock })
  await log.connect()
  const fetcher = log.fetcher()
  const partitions = Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition }))
  const ends = await log.listOffsets(partitions, 'end')
  const ranges = partitions.map(({ partition }) => ({ partition, position: 0, end: ends[partition] }))
  const tail = new Tail(fetcher, topic, ranges, {
    ready: () => true,
    take: ({ value }) => {
      values.push(Buffer.from(value ?? ''))
      return true
    },
  })
  await tail.done
  await fetcher.close()
  await log.close()
  const id = schemaIdOf(values[0] ?? Buffer.alloc(0)) ?? 0
  types.set(id, types.get(id) ?? avsc.Type.forSchema(JSON.parse(await registry.schemaOf(id)) as avsc.Schema))
  return values.map((value) => {
    expect(schemaIdOf(value)).toBe(id)
    const { symbol, bought, sold } = types.get(id)?.fromBuffer(value.subarray(5)) as Volume
    return JSON.stringify({ symbol, bought, sold })
  })
}
const types = new Map<number, avsc.Type>()
