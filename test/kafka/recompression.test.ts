/**
 * A topic with a codec of its own makes the broker take a batch apart, check every record of it, and write it again with
 * Kafka's Java codec: what comes back shows that it reads what is written here, and the other way round.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { RecordCursor, RecordWriter, type RecordBatch, type RecordHeader } from '../../src/core/records/records.js'
import { Cluster } from '../../src/kafka/cluster.js'
import { fetchRequest } from '../../src/kafka/fetch-request.js'
import { settingsOf } from '../../src/kafka/options.js'
import { produceRequest } from '../../src/kafka/produce-request.js'
import { readBatches, sealBatch, type BatchesRead } from '../../src/kafka/record-batch.js'
import { systemClock } from '../../src/system.js'
import { testBrokers, uniqueName } from '../support/broker.js'
import { silentLogger } from '../support/silent-logger.js'
import { createTopics } from '../support/topics.js'

interface Plain {
  readonly timestampMs: number
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly RecordHeader[]
}
const NOW_MS = Date.now()
const records: readonly Plain[] = [
  { timestampMs: NOW_MS, key: 'AAPL', value: '{"bid":1.5}', headers: [] },
  { timestampMs: NOW_MS - 86_400_000, key: null, value: null, headers: [{ key: 'none', value: null }] },
  { timestampMs: 1, key: '', value: '', headers: ['1', '2'].map((v) => ({ key: 'größe', value: Buffer.from(v) })) },
  // More than one block of every codec.
  ...Array.from({ length: 2000 }, (_, i) => ({
    timestampMs: NOW_MS + i,
    key: `k${String(i % 7)}`,
    value: i % 5 === 0 ? '€'.repeat(i % 300) : `${'text '.repeat(30)}${String(i)}`,
    headers: [],
  })),
]

const cluster = new Cluster(
  settingsOf({ brokers: testBrokers(), clientId: 'test', logger: silentLogger, clock: systemClock }),
)
beforeAll(() => cluster.connect())
afterAll(() => cluster.close())

function recordsOf(batches: readonly RecordBatch[]): (Plain & { offset: number })[] {
  const cursor = new RecordCursor()
  return batches.flatMap((batch) => {
    const read: (Plain & { offset: number })[] = []
    cursor.open(batch)
    while (cursor.next()) {
      const { offset, timestampMs, buffer, keyStart, keyEnd, valueStart, valueEnd } = cursor
      const key = keyStart < 0 ? null : buffer.toString('utf8', keyStart, keyEnd)
      const value = valueStart < 0 ? null : buffer.toString('utf8', valueStart, valueEnd)
      read.push({ offset, timestampMs, key, value, headers: cursor.headers() })
    }
    return read
  })
}

async function throughBroker(config: Readonly<Record<string, string>>): Promise<{ raw: Buffer; read: BatchesRead }> {
  const topic = uniqueName('recompressed')
  await createTopics([{ name: topic, config }])
  await cluster.refresh([topic])
  const leader = cluster.leaderOf({ topic, partition: 0 }) ?? -1
  const writer = new RecordWriter(1_000_000)
  for (const { timestampMs, key, value, headers } of records) writer.append(timestampMs, key, value, headers)
  const [chunk, ...others] = writer.take()
  if (chunk === undefined || others.length > 0) throw new Error('not one chunk')
  const batch = sealBatch(chunk, { producerId: -1, producerEpoch: -1, firstSequence: -1, transactional: false })
  const written = [{ topic, partitions: [{ partition: 0, batch }] }]
  const produce = produceRequest({ transactionalId: null, timeoutMs: 5_000, topics: written }, 1)
  const { partitions } = await cluster.call('test', leader, produce)
  expect(partitions.map(({ errorCode }) => errorCode)).toEqual([0])
  const fetch = fetchRequest({
    maxWaitMs: 5_000,
    maxBytes: 10_000_000,
    maxBytesPerPartition: 10_000_000,
    topics: [{ topic, partitions: [{ partition: 0, position: 0, leaderEpoch: undefined }] }],
  })
  const [answer] = (await cluster.call('test', leader, fetch)).partitions
  if (answer === undefined) throw new Error('no answer')
  return { raw: answer.records, read: readBatches(answer.records, 0, answer.abortedTransactions) }
}

test.each([
  ['uncompressed', 0],
  ['gzip', 1],
  ['snappy', 2],
  ['lz4', 3],
  ['zstd', 4],
])('%s', async (codec, attributes) => {
  const { raw, read } = await throughBroker({ 'compression.type': codec })
  expect(raw.readInt16BE(21)).toBe(attributes)
  expect(recordsOf(read.batches)).toEqual(records.map((record, offset) => ({ offset, ...record })))
  expect(read.nextPosition).toBe(records.length)
})

test('the time of a topic with LogAppendTime is the time of every record', async () => {
  const { raw, read } = await throughBroker({ 'message.timestamp.type': 'LogAppendTime' })
  const times = new Set(recordsOf(read.batches).map(({ timestampMs }) => timestampMs))
  expect([...times]).toEqual([Number(raw.readBigInt64BE(35))])
})
