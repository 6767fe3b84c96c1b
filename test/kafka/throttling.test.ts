/** Quotas of a real broker: it answers at once, and reads nothing more from the connection for a while. */
import { expect, test } from 'vitest'
import { uniqueName } from '../support/broker.js'
import { newTopic, openProxied, readAll } from '../support/open-logs.js'
import { api } from '../support/proxy.js'
import { setQuota } from '../support/quotas.js'
import { chunksOf, recordsFrom } from '../support/records.js'

const BYTES_PER_S = 20_000
/** By Kafka's default, quotas are of what was sent in ten seconds: some five seconds for this much. */
const PAD = 'x'.repeat(1_000)
const RECORDS = 300

test(
  'a commit after one that is over the quota waits its time, and is not done again',
  { timeout: 60_000 },
  async () => {
    const clientId = uniqueName('throttled')
    await setQuota(clientId, 'producer_byte_rate', BYTES_PER_S)
    // Less than the broker mutes the connection: what took its silence for the end of it would give up, twice.
    const { log, lines, proxy } = await openProxied({ clientId, requestTimeoutMs: 1_000, transactionTimeoutMs: 3_000 })
    const topic = await newTopic(log)
    const producer = await log.producer(uniqueName('tx'))
    const commit = (count: number, pad: string) =>
      producer.commit({
        records: [
          { topic, partition: 0, chunks: chunksOf(recordsFrom(0, count).map(({ key }) => ({ key, value: pad }))) },
        ],
        group: uniqueName('group'),
        positions: [],
      })
    await commit(RECORDS, PAD)
    const connections = new Set(proxy.seen.map(({ connection }) => connection)).size
    const beganMs = performance.now()
    for (let i = 0; i < 3; i += 1) await commit(1, '')
    expect(performance.now() - beganMs).toBeGreaterThan(2_500)
    expect(new Set(proxy.seen.map(({ connection }) => connection)).size).toBe(connections)
    expect(proxy.seen.filter(({ apiKey }) => apiKey === api.initProducerId)).toHaveLength(1)
    const said = lines.filter(({ level, message }) => level === 'warn' && message.startsWith('throttled'))
    expect(said).toHaveLength(1)
    expect(JSON.stringify(said[0]?.fields)).toMatch(/^\{"broker":"[^"]+:\d+","api":"Produce","throttledMs":\d+\}$/)
    expect((await readAll(log, topic)).values).toHaveLength(RECORDS + 3)
  },
)

const fetches = 'fetches over the quota wait, and nothing is taken for a broker that is gone'

test.each(['names', 'ids'])(`${fetches}: topics by their %s`, { timeout: 60_000 }, async (by) => {
  const clientId = uniqueName('throttled')
  const { log, lines } = await openProxied({ clientId, requestTimeoutMs: 1_000 })
  const topic = await newTopic(log)
  const producer = await log.producer(uniqueName('tx'))
  const records = recordsFrom(0, RECORDS).map(({ key }) => ({ key, value: PAD }))
  for (let i = 0; i < 2; i += 1)
    await producer.commit({
      records: [{ topic, partition: 0, chunks: chunksOf(records) }],
      group: 'none',
      positions: [],
    })
  await setQuota(clientId, 'consumer_byte_rate', 3 * BYTES_PER_S)
  const topicId = by === 'ids' ? (await log.describeTopics([topic])).get(topic)?.id : undefined
  expect(topicId !== undefined).toBe(by === 'ids')
  for (let i = 0; i < 2; i += 1) expect((await readAll(log, topic, 0, 0, topicId)).values).toHaveLength(2 * RECORDS)
  const warned = lines.filter(({ level }) => level === 'warn').map(({ message }) => message)
  expect(warned).toEqual([expect.stringMatching(/^throttled/)])
})
