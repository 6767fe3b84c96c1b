/** Bad input and failing computations on a real broker: dead letters, or a stop, and nothing lost. */
import { describe, expect, it } from 'vitest'
import { deadLetterHeaders } from '../../src/core/processing/dead-letter.js'
import { partitionOf } from '../../src/core/plan/partitioner.js'
import { exitCodes } from '../../src/errors.js'
import { LedgerBench } from '../support/ledger.js'
import { until } from '../support/until.js'

const codesOf = (letters: readonly { readonly headers: Readonly<Record<string, string>> }[]) =>
  letters.map(({ headers }) => headers[deadLetterHeaders.code])

describe('bad input', () => {
  it('goes to the dead letters as it is, and the worker continues', async () => {
    const bench = new LedgerBench()
    await bench.createTopics()
    const worker = bench.worker()
    const trace = { trace: '42' }
    await bench.send(
      { add: 1 },
      { key: 'a', value: '{"account":', headers: trace },
      { key: 'a', value: '{"account":7}' },
      { key: null, value: '{"account":"a"}', partition: 0 },
      { key: 'b', value: '{"account":"a"}', partition: 0 },
      { key: 'a', value: null },
      { add: 10 },
    )
    expect(await bench.balances(2)).toEqual([1, 11])
    const letters = await bench.read('ledger-dead-letters', 5)
    expect(codesOf(letters)).toEqual(['NOT_JSON', 'SCHEMA_MISMATCH', 'KEY_MISSING', 'KEY_MISMATCH', 'VALUE_NULL'])
    expect(letters[0]).toMatchObject({
      key: 'a',
      value: '{"account":',
      headers: {
        ...trace,
        [deadLetterHeaders.topic]: bench.topic('commands'),
        [deadLetterHeaders.partition]: '0',
        [deadLetterHeaders.offset]: '1',
      },
    })
    worker.kill('SIGTERM')
    expect((await worker.exited).code).toBe(0)
  })

  it('a record on another partition than its key belongs on goes there, with what its producers must set', async () => {
    const bench = new LedgerBench()
    await bench.createTopics({}, 4)
    const worker = bench.worker()
    await bench.send(...[0, 1, 2, 3].map((partition) => ({ key: 'a', value: '{"account":"a","add":1}', partition })))
    expect(await bench.balances(1)).toEqual([1])
    const letters = await bench.read('ledger-dead-letters', 3)
    expect(new Set(codesOf(letters))).toEqual(new Set(['WRONG_PARTITION']))
    expect(letters[0]?.headers[deadLetterHeaders.message]).toMatch(/murmur2_random/)
    worker.kill('SIGTERM')
    await worker.exited
  })

  it('a record too large for the dead letters goes there as its beginning, and its position is logged', async () => {
    const bench = new LedgerBench()
    await bench.createTopics({ commands: { 'max.message.bytes': '3000000' } })
    const worker = bench.worker()
    const value = `{"account":"a","x":"${'x'.repeat(2_000_000)}`
    await bench.send({ key: 'a', value }, { add: 3 })
    expect(await bench.balances(1)).toEqual([3])
    const [letter] = await bench.read('ledger-dead-letters', 1)
    expect(letter?.value).toBe(value.slice(0, 64 * 1024))
    expect(letter?.headers[deadLetterHeaders.fullSize]).toBe(String(value.length))
    expect(await worker.line(/too large for the dead-letter topic/)).toMatch(/"offset":0/)
    worker.kill('SIGTERM')
    await worker.exited
  })

  it('a batch that becomes more than memory holds its own task back, and no other', async () => {
    const bench = new LedgerBench()
    await bench.createTopics({}, 2)
    const { testKafka } = await import('../support/topics.js')
    const { CompressionTypes } = (await import('kafkajs')).default
    const producer = testKafka().producer()
    await producer.connect()
    await producer.send({
      topic: bench.topic('commands'),
      compression: CompressionTypes.GZIP,
      // The broker sees 260 kB.
      messages: [{ key: 'a', value: Buffer.alloc(257 * 1024 * 1024, ' '), partition: 0 }],
    })
    await producer.disconnect()
    const worker = bench.worker()
    expect(await worker.line(/CORRUPT_BATCH/)).toMatch(
      new RegExp(`${bench.topic('commands')}.*the batch at offset 0 .* the limit is 268435456`),
    )
    const other = ['a', 'b', 'c', 'd'].find((key) => partitionOf('murmur2', Buffer.from(key), 2) === 1) ?? ''
    await bench.send({ key: other, value: JSON.stringify({ account: other, add: 1 }) })
    const [balance] = await bench.read('balances', 1)
    expect(balance?.value).toMatch(/"balance":1/)
    worker.kill('SIGTERM')
    expect((await worker.exited).code).toBe(0)
  })

  it("a batch that can't be read is skipped as docs/reprocessing.md says, and nothing else is", async () => {
    const bench = new LedgerBench()
    await bench.createTopics()
    const { testKafka, withAdmin } = await import('../support/topics.js')
    const { CompressionTypes } = (await import('kafkajs')).default
    const topic = bench.topic('commands')
    await bench.send({ add: 1 }, { add: 2 })
    const producer = testKafka().producer()
    await producer.connect()
    const lost = { key: 'a', value: '{"account":"a","add":100}' }
    const messages = [lost, { key: 'a', value: Buffer.alloc(257 * 1024 * 1024, ' ') }]
    await producer.send({ topic, compression: CompressionTypes.GZIP, messages })
    await producer.disconnect()
    await bench.send({ add: 10 })
    const worker = bench.worker()
    const said = new RegExp(`${topic}-0: the batch at offset (\\d+) .*what follows it begins at offset (\\d+)`)
    const [, at, next = ''] = said.exec(await worker.line(/CORRUPT_BATCH/)) ?? []
    expect([at, next]).toEqual(['2', '4'])
    // 1. Until the group's position is the batch's.
    const position = (): Promise<string | undefined> =>
      withAdmin(async (admin) => {
        const [found] = await admin.fetchOffsets({ groupId: bench.group, topics: [topic] })
        return found?.partitions[0]?.offset
      })
    await until('what is in front of it is done', async () => (await position()) === at)
    expect(await bench.balances(2)).toEqual([1, 3])
    // 2.
    worker.kill('SIGTERM')
    expect((await worker.exited).code).toBe(0)
    // 3. What kafka-consumer-groups asks the coordinator for.
    await withAdmin((admin) =>
      admin.setOffsets({ groupId: bench.group, topic, partitions: [{ partition: 0, offset: next }] }),
    )
    // 4.
    const again = bench.worker()
    expect(await again.line(/it was reset, so the worker starts there/)).toMatch(
      /offset 4 is not the committed position 2/,
    )
    expect(await bench.balances(3)).toEqual([1, 3, 13])
    again.kill('SIGTERM')
    expect((await again.exited).code).toBe(0)
  })

  it('a computation that throws leaves its state object as it was; so does a state object too large for the changelog', async () => {
    const bench = new LedgerBench()
    await bench.createTopics()
    const worker = bench.worker()
    await bench.send({ add: 1 }, { add: 10, fail: 'on purpose' }, { add: 1 }, { add: 100, note: 2_000_000 }, { add: 1 })
    expect(await bench.balances(3)).toEqual([1, 2, 3])
    const letters = await bench.read('ledger-dead-letters', 2)
    expect(codesOf(letters)).toEqual(['COMPUTATION_FAILED', 'RECORD_TOO_LARGE'])
    expect(letters[0]?.headers[deadLetterHeaders.message]).toBe('on purpose')
    worker.kill('SIGTERM')
    await worker.exited
  })

  it('stops where that was chosen: the last line says where and why, and nothing is lost', async () => {
    const bench = new LedgerBench()
    await bench.createTopics()
    await bench.send({ add: 1 }, { add: 10, fail: 'on purpose' }, { add: 1 })
    const worker = bench.worker('w1', '--on-error', 'stop')
    expect((await worker.exited).code).toBe(exitCodes.stoppedByOnError)
    const last = worker.stdout.at(-1) ?? ''
    expect(last).toContain('STOPPED_BY_ON_ERROR')
    expect(last).toContain(`${bench.topic('commands')}, partition 0, offset 1: COMPUTATION_FAILED: on purpose`)
    // The same command, now to the dead letters: everything is there, once.
    const next = bench.worker('w1')
    expect(await bench.balances(2)).toEqual([1, 2])
    next.kill('SIGTERM')
    await next.exited
  })

  it('finds the record that makes every commit fail, when the topic takes less than it did at the start', async () => {
    const bench = new LedgerBench()
    await bench.createTopics()
    const worker = bench.worker()
    await bench.send({ add: 1 })
    expect(await bench.balances(1)).toEqual([1])
    const { withAdmin } = await import('../support/topics.js')
    const { ConfigResourceTypes } = (await import('kafkajs')).default
    await withAdmin((admin) =>
      admin.alterConfigs({
        validateOnly: false,
        resources: [
          {
            type: ConfigResourceTypes.TOPIC,
            name: bench.topic('ledger-ledger-changelog'),
            configEntries: [
              { name: 'cleanup.policy', value: 'compact' },
              { name: 'max.message.bytes', value: '20000' },
            ],
          },
        ],
      }),
    )
    await bench.send({ add: 1 }, { add: 100, note: 50_000 }, { add: 1 })
    expect(await bench.balances(3)).toEqual([1, 2, 3])
    const letters = await bench.read('ledger-dead-letters', 1)
    expect(codesOf(letters)).toEqual(['RECORD_TOO_LARGE'])
    worker.kill('SIGTERM')
    expect((await worker.exited).code).toBe(0)
  })
})
