/** What every `Log` has to do: these cases hold for the real Kafka and for the one in memory alike. */
import { expect, test } from 'vitest'
import { PLAIN_NOTE } from '../../src/core/commit/offset-note.js'
import { isPotorooError, messageOf } from '../../src/errors.js'
import { eventually, sleep, type World, type Worlds } from './world.js'
import { RecordingInput } from '../support/recording-input.js'
import { chunksOf, recordsFrom, type TestRecord } from '../support/records.js'
import { RecordsRefused, type Log, type TopicPartition, type TransactionalProducer } from '../../src/ports/log.js'

const codeOf = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise
    return 'none'
  } catch (error) {
    return isPotorooError(error) ? error.code : String(error)
  }
}

async function topicOf(world: World, log: Log, partitions = 1, config: Record<string, string> = {}): Promise<string> {
  const name = world.name('topic')
  await log.createTopics([{ name, partitions, config }])
  return name
}

const write = (producer: TransactionalProducer, to: TopicPartition, first: number, count: number) =>
  producer.commit({ records: [{ ...to, chunks: chunksOf(recordsFrom(first, count)) }], group: '', positions: [] })

const values = (first: number, count: number): (string | null)[] => recordsFrom(first, count).map(({ value }) => value)

/** A transaction that has written these records and is not ended: its second part is too large, so the commit fails. */
async function leaveOpen(
  world: World,
  producer: TransactionalProducer,
  to: TopicPartition,
  small: string,
): Promise<void> {
  const tooLarge = chunksOf([{ key: 'k', value: 'x'.repeat(5_000) }])
  const records = [
    { ...to, chunks: chunksOf(recordsFrom(900, 2)) },
    { topic: small, partition: 0, chunks: tooLarge },
  ]
  expect(await codeOf(producer.commit({ records, group: '', positions: [] }))).toBe('RECORD_TOO_LARGE')
  await sleep(world.clock, 1)
}

export function logCases(worlds: Worlds): void {
  const check = (what: string, body: (world: World) => Promise<void>): void => {
    test(what, () => worlds.run(body))
  }

  check(
    'a record that its topic does not take fails the transaction, and is named; without a time it is taken',
    async (world) => {
      const log = world.log()
      await log.connect()
      const hour = String(3_600_000)
      const old = { 'message.timestamp.before.max.ms': hour, 'message.timestamp.after.max.ms': hour }
      const [bounded, compacted] = [
        await topicOf(world, log, 1, old),
        await topicOf(world, log, 1, { 'cleanup.policy': 'compact' }),
      ]
      const id = world.name('id')
      const commit = async (topic: string, record: TestRecord): Promise<unknown> => {
        const records = [{ topic, partition: 0, chunks: chunksOf([record]) }]
        try {
          return await (await log.producer(id)).commit({ records, group: '', positions: [] })
        } catch (error) {
          return isPotorooError(error) && error.cause instanceof RecordsRefused
            ? [error.code, error.message.includes(topic), error.cause.topic === topic, error.cause.what]
            : error
        }
      }
      const nowMs = world.clock.now()
      expect(await commit(bounded, { timestampMs: nowMs - 7_200_000 })).toEqual([
        'RECORD_REFUSED',
        true,
        true,
        'timestamp',
      ])
      expect(await commit(bounded, { timestampMs: nowMs + 7_200_000 })).toEqual([
        'RECORD_REFUSED',
        true,
        true,
        'timestamp',
      ])
      expect(await commit(compacted, { key: null })).toEqual(['RECORD_REFUSED', true, true, 'content'])
      // What was refused took no place in the log; the markers of transactions did.
      expect(await commit(bounded, { timestampMs: -1 })).toEqual([expect.any(Number)])
      expect(await commit(bounded, { timestampMs: nowMs })).toEqual([expect.any(Number)])
      const input = new RecordingInput(bounded, 0)
      const fetcher = log.fetcher()
      fetcher.add(input)
      await eventually(world, 'both records are read', () => input.records.length === 2)
      expect(input.records.map(({ timestampMs }) => timestampMs)).toEqual([-1, nowMs])
      await fetcher.close()
    },
  )

  check('topics that exist are described and left as they are', async (world) => {
    const log = world.log()
    await log.connect()
    const name = await topicOf(world, log, 3, { 'cleanup.policy': 'compact', 'delete.retention.ms': '1000' })
    await log.createTopics([{ name, partitions: 5 }])
    const topics = await log.describeTopics([name, world.name('absent')])
    expect([...topics.values()]).toEqual([
      {
        name,
        id: expect.stringMatching(/./) as unknown,
        partitions: 3,
        maxMessageBytes: 1_048_588,
        cleanupPolicy: ['compact'],
        deleteRetentionMs: 1000,
      },
    ])
  })

  check('what is committed is read, and positions count the markers between', async (world) => {
    const log = world.log()
    const topic = await topicOf(world, log, 2)
    const producer = await log.producer(world.name('id'))
    const both = [0, 1].map((partition) => ({ topic, partition }))
    const records = both.map((to, i) => ({ ...to, chunks: chunksOf(recordsFrom(10 * i, i + 2)) }))
    expect(await producer.commit({ records, group: '', positions: [] })).toEqual([2, 3])
    expect(await write(producer, { topic, partition: 1 }, 13, 1)).toEqual([5])
    const fetcher = log.fetcher()
    const inputs = both.map(({ partition }) => new RecordingInput(topic, partition))
    for (const input of inputs) fetcher.add(input)
    await eventually(world, 'both partitions are read', () => inputs.every(({ position }, i) => position === [3, 6][i]))
    expect(inputs.map(({ values }) => values)).toEqual([values(0, 2), values(10, 4)])
    expect(inputs[1]?.offsets).toEqual([0, 1, 2, 4])
    expect(await log.listOffsets(both, 'end')).toEqual([3, 6])
    expect(await log.listOffsets(both, 'earliest')).toEqual([0, 0])
  })

  check('chunks of one partition land in their order', async (world) => {
    const log = world.log()
    const topic = await topicOf(world, log)
    const producer = await log.producer(world.name('id'))
    const chunks = chunksOf(recordsFrom(0, 50), 200)
    expect(chunks.length).toBeGreaterThan(3)
    expect(await producer.commit({ records: [{ topic, partition: 0, chunks }], group: '', positions: [] })).toEqual([
      50,
    ])
    const input = new RecordingInput(topic, 0)
    log.fetcher().add(input)
    await eventually(world, 'all is read', () => input.position === 51)
    expect(input.values).toEqual(values(0, 50))
  })

  check('a fetch inside a batch gives the whole batch', async (world) => {
    const log = world.log()
    const topic = await topicOf(world, log)
    await write(await log.producer(world.name('id')), { topic, partition: 0 }, 0, 5)
    const input = new RecordingInput(topic, 0, 3)
    log.fetcher().add(input)
    await eventually(world, 'the rest is read', () => input.position === 6)
    expect(input.values).toEqual(values(3, 2))
    expect(input.answers[0]?.batches[0]?.baseOffset).toBe(0)
  })

  check('an empty answer comes too, and says where the log ends', async (world) => {
    const log = world.log()
    const topic = await topicOf(world, log)
    const input = new RecordingInput(topic, 0)
    log.fetcher().add(input)
    await eventually(world, 'two answers', () => input.answers.length >= 2)
    const [first, second] = input.answers
    expect(first).toMatchObject({ position: 0, nextPosition: 0, highWatermark: 0, lastStableOffset: 0, batches: [] })
    expect(first?.asked).toBeLessThan(first?.arrived ?? 0)
    expect(second?.asked).toBeGreaterThan(first?.arrived ?? 0)
  })

  check('partitions of one answer share when it arrived', async (world) => {
    const log = world.log()
    const topic = await topicOf(world, log, 6)
    const fetcher = log.fetcher()
    const inputs = recordsFrom(0, 6).map((_, partition) => new RecordingInput(topic, partition))
    for (const input of inputs) fetcher.add(input)
    await eventually(world, 'all have answers', () => inputs.every(({ answers }) => answers.length >= 3))
    const ticks = inputs.flatMap(({ answers }) => answers.map(({ arrived }) => arrived))
    expect(new Set(ticks).size).toBeLessThan(ticks.length)
  })

  check('a full input is not asked for, until it wants more and says so', async (world) => {
    const log = world.log()
    const topic = await topicOf(world, log)
    const input = new RecordingInput(topic, 0)
    const fetcher = log.fetcher()
    input.full = true
    fetcher.add(input)
    await write(await log.producer(world.name('id')), { topic, partition: 0 }, 0, 1)
    expect(input.answers).toEqual([])
    input.full = false
    fetcher.wake()
    await eventually(world, 'the record is there', () => input.values.length === 1)
    fetcher.remove(input)
    const answers = input.answers.length
    await write(await log.producer(world.name('id')), { topic, partition: 0 }, 1, 1)
    expect(input.answers.length).toBe(answers)
  })

  check('a position out of range fails the input, with both offsets', async (world) => {
    const log = world.log()
    const topic = await topicOf(world, log)
    const input = new RecordingInput(topic, 0, 77)
    log.fetcher().add(input)
    await eventually(world, 'the input fails', () => input.failures.length > 0)
    expect(input.failures).toMatchObject([{ code: 'OFFSET_OUT_OF_RANGE' }])
    expect(input.failures[0]?.message).toMatch(/77.* 0 to 0/)
  })

  check('records that were deleted leave the log start after them', async (world) => {
    const log = world.log()
    const topic = await topicOf(world, log)
    await write(await log.producer(world.name('id')), { topic, partition: 0 }, 0, 5)
    await world.deleteBefore(topic, 0, 3)
    expect(await log.listOffsets([{ topic, partition: 0 }], 'earliest')).toEqual([3])
    const [early, right] = [new RecordingInput(topic, 0, 2), new RecordingInput(topic, 0, 3)]
    log.fetcher().add(early)
    log.fetcher().add(right)
    await eventually(world, 'one fails and one reads', () => early.failures.length > 0 && right.position === 6)
    expect(early.failures).toMatchObject([{ code: 'OFFSET_OUT_OF_RANGE' }])
    expect(right.values).toEqual(values(3, 2))
  })

  check('a record too large fails the commit and names its partition', async (world) => {
    const log = world.log()
    const topic = await topicOf(world, log, 1, { 'max.message.bytes': '1000' })
    const producer = await log.producer(world.name('id'))
    const chunks = chunksOf([{ key: 'k', value: 'x'.repeat(2_000) }])
    const commit = producer.commit({ records: [{ topic, partition: 0, chunks }], group: '', positions: [] })
    const error: unknown = await commit.catch((reason: unknown) => reason)
    expect(isPotorooError(error, 'RECORD_TOO_LARGE')).toBe(true)
    expect(messageOf(error)).toContain(topic)
    expect(await codeOf(write(producer, { topic, partition: 0 }, 0, 1))).not.toBe('none')
  })

  check('an open transaction holds back what follows; its abort hides what it wrote', async (world) => {
    const log = world.log()
    const topic = await topicOf(world, log)
    const small = await topicOf(world, log, 1, { 'max.message.bytes': '1000' })
    const to = { topic, partition: 0 }
    const name = world.name('open')
    const other = await log.producer(world.name('other'))
    await write(other, to, 0, 2)
    await leaveOpen(world, await log.producer(name), to, small)
    await write(other, to, 2, 2)
    const input = new RecordingInput(topic, 0)
    log.fetcher().add(input)
    await eventually(world, 'it is read up to the open transaction', () => input.position === 3)
    expect(await log.listOffsets([to], 'end')).toEqual([8])
    expect(input.answers.at(-1)).toMatchObject({ lastStableOffset: 3 })
    expect(input.values).toEqual(values(0, 2))
    // The next activation aborts it; when `producer` resolves, that is done.
    await log.producer(name)
    await eventually(world, 'the rest is read', () => input.position === 9)
    expect(input.values).toEqual(values(0, 4))
    expect(input.offsets).toEqual([0, 1, 5, 6])
  })

  check('the transaction timeout ends what nobody ends, and fences who was slow', async (world) => {
    const log = world.log()
    const slow = world.log({ transactionTimeoutMs: 1_000 })
    const topic = await topicOf(world, log)
    const small = await topicOf(world, log, 1, { 'max.message.bytes': '1000' })
    const to = { topic, partition: 0 }
    await leaveOpen(world, await slow.producer(world.name('slow')), to, small)
    await write(await log.producer(world.name('id')), to, 0, 1)
    const input = new RecordingInput(topic, 0)
    log.fetcher().add(input)
    await eventually(world, 'the record behind is read', () => input.values.length > 0)
    expect(input.values).toEqual(values(0, 1))
  })

  check('a newer activation fences the older one', async (world) => {
    const log = world.log()
    const topic = await topicOf(world, log)
    const to = { topic, partition: 0 }
    const name = world.name('id')
    const old = await log.producer(name)
    await write(old, to, 0, 1)
    const next = await world.log().producer(name)
    expect(await codeOf(write(old, to, 100, 1))).toBe('FENCED')
    await write(next, to, 1, 1)
    expect(await codeOf(write(old, to, 100, 1))).not.toBe('none')
    const input = new RecordingInput(topic, 0)
    log.fetcher().add(input)
    await eventually(world, 'all is read', () => input.position === 4)
    expect(input.values).toEqual(values(0, 2))
  })

  check('positions are committed with the transaction', async (world) => {
    const log = world.log()
    const topic = await topicOf(world, log, 2)
    const group = world.name('group')
    const both = [0, 1].map((partition) => ({ topic, partition }))
    expect(await log.committedPositions(group, both)).toEqual([undefined, undefined])
    const producer = await log.producer(world.name('id'))
    for (let position = 1; position <= 20; position++) {
      await producer.commit({ records: [], group, positions: [{ topic, partition: 1, position }] })
    }
    expect(await log.committedPositions(group, both)).toEqual([undefined, 20])
  })

  check('what a group keeps beside a position comes with it, and goes with the topic', async (world) => {
    const log = world.log()
    const topic = await topicOf(world, log, 2)
    const group = world.name('group')
    const producer = await log.producer(world.name('id'))
    const note = '{"any":"text"}'
    const positions = [
      { topic, partition: 0, position: 3, note },
      { topic, partition: 1, position: 4 },
    ]
    await producer.commit({ records: [], group, positions })
    const offsets = () => log.committedOffsets(group, positions)
    expect(await offsets()).toEqual([
      { position: 3, note },
      { position: 4, note: PLAIN_NOTE },
    ])
    await world.deleteTopic(topic)
    await eventually(world, 'the group has forgotten it', async () =>
      (await offsets()).every((one) => one === undefined),
    )
  })

  check(
    'a topic that was recreated has another id, and whoever means the one before neither reads nor writes it',
    async (world) => {
      const log = world.log()
      const topic = await topicOf(world, log)
      const idOf = async (): Promise<string | undefined> => (await log.describeTopics([topic])).get(topic)?.id
      const former = await idOf()
      const to = { topic, topicId: former, partition: 0, chunks: chunksOf(recordsFrom(0, 3)) }
      const producer = await log.producer(world.name('id'))
      expect(await producer.commit({ records: [to], group: '', positions: [] })).toEqual([3])
      const input = new RecordingInput(topic, 0, 0, former)
      log.fetcher().add(input)
      await eventually(world, 'it is read', () => input.position === 4)
      await world.deleteTopic(topic)
      await log.createTopics([{ name: topic, partitions: 1 }])
      expect(await idOf()).not.toBe(former)
      // More than there was before, so that the position is within it.
      await write(await log.producer(world.name('id')), { topic, partition: 0 }, 100, 9)
      if (world.writesByIds)
        expect(await codeOf(producer.commit({ records: [to], group: '', positions: [] }))).toBe('TRANSACTION_FAILED')
      await eventually(world, 'the input fails', () => input.failures.length > 0)
      expect(input.failures).toEqual([expect.objectContaining({ code: 'TOPIC_REPLACED' })])
      expect(input.values).toEqual(values(0, 3))
      expect(await log.listOffsets([to], 'end')).toEqual([10])
    },
  )

  check('a call that is called off rejects', async (world) => {
    const log = world.log()
    const off = new AbortController()
    off.abort()
    expect(await codeOf(log.producer(world.name('id'), off.signal))).toBe('REQUEST_FAILED')
  })
}
