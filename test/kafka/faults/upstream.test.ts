/**
 * What comes from upstream: transactions with aborts between them, transactions that stay open, every codec of Kafka's
 * Java client, partitions that are added, topics that are recreated.
 */
import { afterEach, expect, it } from 'vitest'
import { compare, rejectionsOf, type Event } from '../../../src/market-spread/calculation.js'
import { roundsOf } from '../../../src/market-spread/rounds.js'
import { expectAllRejections } from '../../support/all-rejections.js'
import { events, MarketSpreadBench } from '../../support/market-spread.js'
import { uniqueName } from '../../support/broker.js'
import { produceInTransaction, withAdmin } from '../../support/topics.js'
import { until } from '../../support/until.js'

let bench: MarketSpreadBench
afterEach(async () => {
  await bench.close()
})

const messageOf = ({ message }: Event) => ({
  key: message.symbol,
  value: JSON.stringify(message),
  timestamp: String(new Date(message.time).getTime()),
})

it.each(['gzip', 'snappy', 'lz4', 'zstd'])('input that the broker compressed with %s', async (codec) => {
  // A topic with a codec of its own makes the broker write each batch again, with Kafka's Java code.
  const config = { 'compression.type': codec }
  bench = new MarketSpreadBench({ config: { 'market-data': config, orders: config } })
  await bench.createTopics(2)
  await bench.feed(events(3000, 3))
  const worker = bench.worker('w1')
  await bench.settled()
  await expectAllRejections(bench, 20)
  worker.kill('SIGTERM')
  expect((await worker.exited).code).toBe(0)
})

it('of several transactional producers, no aborted record reaches a computation', async () => {
  bench = new MarketSpreadBench()
  await bench.createTopics(2)
  const worker = bench.worker('w1')
  const ids = [1, 2, 3].map(() => uniqueName('upstream'))
  let round = 0
  for (const { quotes, orders } of roundsOf(events(1200, 8), 200)) {
    const id = ids[round++ % ids.length] ?? ''
    for (const part of [quotes, orders]) {
      const [first] = part
      if (first === undefined) continue
      const mine = part.map(messageOf)
      // Prices that would change every decision after them, and bytes that no schema takes.
      const wrong = part.map(({ message }) => ({ ...message, bid: 1, offer: 100 }))
      const aborted = await produceInTransaction(
        bench.topic(first.topic),
        mine.flatMap(({ key }, i) => [
          { key, value: JSON.stringify(wrong[i]) },
          { key, value: 'aborted' },
        ]),
        `${id}-aborted`,
      )
      const right = await produceInTransaction(bench.topic(first.topic), mine, id)
      await aborted.abort()
      await right.commit()
      bench.sent.push(...part)
    }
  }
  expect(round).toBeGreaterThan(5)
  await bench.settled()
  await expectAllRejections(bench, 20)
  expect(worker.log('a record went to the dead letters')).toEqual([])
  worker.kill('SIGTERM')
  expect((await worker.exited).code).toBe(0)
})

it('a transaction left open holds back what follows it on its partition alone, and the worker says for what it waits', async () => {
  bench = new MarketSpreadBench()
  await bench.createTopics(2)
  const worker = bench.worker('w1')
  await bench.feed(events(1000, 9))
  await bench.settled()
  const [open] = [...events(1, 10)]
  if (open === undefined) throw new Error('no event')
  const topic = bench.topic(open.topic)
  const transaction = await produceInTransaction(topic, [{ ...messageOf(open), partition: 1 }], uniqueName('open'))
  const before = bench.sent.length
  await bench.feed(events(1000, 11))
  const line = await until('the worker says for what it waits', () => worker.log(OPEN)[0])
  expect(line).toMatchObject({ level: 40, task: 'symbol_1', topic, partition: 1 })
  expect(line['waitedMs']).toBeGreaterThanOrEqual(5000)
  expect(line['records']).toBeGreaterThan(1)
  // Everything else was worked off; what follows the transaction was not.
  await withAdmin(async (admin) => {
    for (const name of ['market-data', 'orders']) {
      const [ends, committed] = await Promise.all([
        admin.fetchTopicOffsets(bench.topic(name)),
        admin.fetchOffsets({ groupId: bench.group, topics: [bench.topic(name)] }),
      ])
      for (const { partition, high } of ends) {
        const position = Number(committed[0]?.partitions.find((p) => p.partition === partition)?.offset)
        if (bench.topic(name) === topic && partition === 1) expect(position).toBe(line['position'])
        else expect(position).toBe(Number(high))
      }
    }
  })
  await transaction.abort()
  await bench.settled()
  expect(bench.sent.length).toBe(before + 1000)
  expect(worker.log(OPEN)).toHaveLength(1)
  await until(
    'the worker says that it continues',
    () => worker.log('the transaction has ended: the source continues')[0],
  )
  worker.kill('SIGTERM')
  expect((await worker.exited).code).toBe(0)
})

const OPEN = 'a producer has an open transaction: records after it on this partition of the source wait until it ends'

it('partitions that are added to a source stop the worker, which says what to do', async () => {
  bench = new MarketSpreadBench()
  await bench.createTopics(2)
  await bench.feed(events(500, 12))
  const worker = bench.worker('w1')
  await bench.settled()
  const topic = bench.topic('orders')
  await withAdmin((admin) => admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] }))
  expect((await worker.exited).code).toBe(3)
  const last = worker.log().at(-1)
  expect(last).toMatchObject({ level: 50, msg: 'worker stopped by an error', code: 'PARTITION_COUNT_CHANGED' })
  expect(last?.['error']).toContain(`${topic} has 3 partitions now, and had 2`)
  expect(last?.['cure']).toContain('create new topics')
  await expectAllRejections(bench, 20)
  // Started again it does not pretend that nothing was.
  const again = bench.worker('w1')
  expect((await again.exited).code).toBe(3)
  expect([...again.stdout, ...again.stderr].at(-1)).toContain('PARTITION_COUNTS_DIFFER')
})

it('a source that was deleted and recreated stops the worker, though it has more records; reset, it is read', async () => {
  bench = new MarketSpreadBench()
  await bench.createTopics(2)
  await bench.feed(events(500, 13))
  const worker = bench.worker('w1')
  await bench.settled()
  worker.kill('SIGTERM')
  expect((await worker.exited).code).toBe(0)
  const topic = bench.topic('orders')
  await recreate(topic)
  const before = bench.sent.splice(0)
  // Ten times as much as there was.
  await bench.feed(events(5000, 14))
  const again = bench.worker('w1')
  expect((await again.exited).code).toBe(7)
  const last = again.log().at(-1)
  expect(last).toMatchObject({ code: 'TOPIC_REPLACED', level: 50 })
  expect(last?.['error']).toMatch(/orders, partition \d: the position \d+ is of a topic of this name that was deleted/)
  expect(last?.['cure']).toContain(`--group ${bench.group} --topic ${topic} --reset-offsets --to-earliest --execute`)
  // Nothing of the new topic was taken.
  expect(await bench.rejections()).toHaveLength([...rejectionsOf(before)].length)
  const partitions = [0, 1].map((partition) => ({ partition, offset: '0' }))
  await withAdmin((admin) => admin.setOffsets({ groupId: bench.group, topic, partitions }))
  const third = bench.worker('w1')
  await bench.settled()
  const due = [...rejectionsOf([...before, ...bench.sent])]
  const { lost, repeated } = compare(due, await bench.rejections())
  expect({ lost, repeated }).toEqual({ lost: [], repeated: [] })
  third.kill('SIGTERM')
  expect((await third.exited).code).toBe(0)
  // It is the topic now.
  const fourth = bench.worker('w1')
  await bench.feed(events(500, 15))
  await bench.settled()
  fourth.kill('SIGTERM')
  expect((await fourth.exited).code).toBe(0)
})

it('a source that is deleted and recreated under a running worker stops it, and nothing of the new one is read', async () => {
  bench = new MarketSpreadBench()
  await bench.createTopics(2)
  await bench.feed(events(500, 16))
  const worker = bench.worker('w1')
  await bench.settled()
  const before = bench.sent.splice(0)
  await recreate(bench.topic('orders'))
  await bench.feed(events(5000, 17))
  expect((await worker.exited).code).toBe(7)
  expect(worker.log().at(-1)).toMatchObject({ code: 'TOPIC_REPLACED', level: 50 })
  expect(await bench.rejections()).toHaveLength([...rejectionsOf(before)].length)
})

async function recreate(topic: string): Promise<void> {
  await withAdmin(async (admin) => {
    await admin.deleteTopics({ topics: [topic] })
    await until('the topic is gone', async () => !(await admin.listTopics()).includes(topic))
    // kafkajs itself stumbles over a topic that is so new.
    await admin.createTopics({ waitForLeaders: false, topics: [{ topic, numPartitions: 2 }] })
    const partitions = (): Promise<number> =>
      admin.fetchTopicOffsets(topic).then(
        ({ length }) => length,
        () => 0,
      )
    await until('the topic is there', async () => (await partitions()) === 2)
  })
}
