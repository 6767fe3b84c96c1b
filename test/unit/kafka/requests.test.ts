/** The requests with a codec of our own, against kafkajs's codec of the same version where it has one. */
import { createRequire } from 'node:module'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fetchByIdOrName } from '../../../src/kafka/fetch-by-id-request.js'
import { fetchRequest } from '../../../src/kafka/fetch-request.js'
import { exchangeOf } from '../../../src/kafka/kafkajs.js'
import { offsetFetch } from '../../../src/kafka/offset-fetch-request.js'
import { produceRequest, type Produced } from '../../../src/kafka/produce-request.js'
import { LATEST, listOffsets } from '../../../src/kafka/list-offsets-request.js'
import { metadata, type MetadataAnswer } from '../../../src/kafka/metadata-request.js'
import { byTopic } from '../../../src/kafka/requests.js'
import { NO_UUID, WireReader, WireWriter } from '../../../src/kafka/wire.js'
import type { ApiVersions } from '../../../src/kafka/kafkajs.js'

const require = createRequire(import.meta.url)
interface KafkajsRequest {
  encode(): Promise<{ buffer: Buffer }>
}
const kafkajs = (path: string) =>
  require(`kafkajs/src/protocol/requests/${path}`) as ((args: object) => KafkajsRequest) & {
    decode(payload: Buffer): Promise<unknown>
  }
const joined = async (request: { encode(): readonly Uint8Array[] | Promise<readonly Uint8Array[]> }): Promise<Buffer> =>
  Buffer.concat(await request.encode())

const offset = fc.maxSafeNat()
const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 200 })
const topics = <T>(partition: fc.Arbitrary<T>) =>
  fc.array(fc.record({ topic: name, partitions: fc.array(partition, { maxLength: 40 }) }), { maxLength: 5 })

test('Fetch, byte for byte', async () => {
  const leaderEpoch = fc.option(fc.nat(), { nil: undefined })
  const partition = fc.record({ partition: fc.nat(), position: offset, leaderEpoch })
  await fc.assert(
    fc.asyncProperty(topics(partition), fc.nat(), fc.nat(), fc.nat(), async (asked, maxWaitMs, maxBytes, most) => {
      const ours = fetchRequest({ maxWaitMs, maxBytes, maxBytesPerPartition: most, topics: asked })({})
      const theirs = kafkajs('fetch/v11/request')({
        replicaId: -1,
        maxWaitTime: maxWaitMs,
        minBytes: 1,
        maxBytes,
        isolationLevel: 1,
        topics: asked.map(({ topic, partitions }) => ({
          topic,
          partitions: partitions.map(({ partition: number, position, leaderEpoch: epoch = -1 }) => ({
            partition: number,
            currentLeaderEpoch: epoch,
            fetchOffset: position,
            maxBytes: most,
          })),
        })),
      })
      expect((await joined(ours)).equals((await theirs.encode()).buffer)).toBe(true)
    }),
  )
})

test("Fetch's answer: every partition with its own error, aborted transactions, raw records", async () => {
  const partition = fc.record({
    partition: fc.nat(),
    errorCode: fc.integer({ min: -1, max: 120 }),
    highWatermark: offset,
    lastStableOffset: offset,
    abortedTransactions: fc.array(
      fc.record({ producerId: fc.bigInt({ min: 0n, max: 2n ** 62n }), firstOffset: offset }),
    ),
    records: fc.uint8Array({ maxLength: 300 }),
  })
  await fc.assert(
    fc.asyncProperty(topics(partition), fc.nat({ max: 30_000 }), async (answered, errorCode) => {
      const writer = new WireWriter().int32(1_234).int16(errorCode).int32(0)
      writer.array(answered, ({ topic, partitions }) => {
        writer.string(topic).array(partitions, (one) => {
          writer.int32(one.partition).int16(one.errorCode).int64(one.highWatermark).int64(one.lastStableOffset).int64(0)
          // Without aborted transactions brokers write a null array.
          if (one.abortedTransactions.length === 0) writer.int32(-1)
          else
            writer.array(one.abortedTransactions, ({ producerId, firstOffset }) => {
              writer
                .int32(Number(producerId >> 32n))
                .int32(Number(BigInt.asIntN(32, producerId)))
                .int64(firstOffset)
            })
          writer.int32(-1).bytes(one.records)
        })
      })
      const answer = await fetchRequest({ maxWaitMs: 0, maxBytes: 0, maxBytesPerPartition: 0, topics: [] })({}).decode(
        Buffer.concat(writer.parts()),
      )
      expect([answer.throttleTimeMs, answer.errorCode]).toEqual([1_234, errorCode])
      expect(answer.partitions.map((one) => ({ ...one, records: new Uint8Array(one.records) }))).toEqual(
        answered.flatMap(({ topic, partitions }) => partitions.map((one) => ({ topic, ...one }))),
      )
    }),
  )
})

test('Produce: what kafkajs would write around the same batches', async () => {
  const partition = fc.record({ partition: fc.nat(), batch: fc.uint8Array({ maxLength: 2000 }) })
  await fc.assert(
    fc.asyncProperty(fc.option(name), fc.nat(), topics(partition), async (transactionalId, timeoutMs, written) => {
      const encoded = await joined(produceRequest({ transactionalId, timeoutMs, topics: written }, 1)({}))
      const reader = new WireReader(encoded)
      expect([reader.string(), reader.int16(), reader.int32()]).toEqual([transactionalId, -1, timeoutMs])
      const read = reader.array(() => {
        const topic = reader.string()
        const partitions = reader.array(() => ({ partition: reader.int32(), batch: new Uint8Array(reader.bytes()) }))
        return { topic, partitions }
      })
      expect(read).toEqual(written)
    }),
  )
  const theirs = kafkajs('produce/v7/request')({ acks: -1, timeout: 9, transactionalId: 'tx', topicData: [] })
  const ours = produceRequest({ transactionalId: 'tx', timeoutMs: 9, topics: [] }, 1)({})
  expect(await joined(ours)).toEqual((await theirs.encode()).buffer)
})

test.each([1, 2] as const)(
  "Produce's answer names the partition that failed, and its records, version %i",
  async (version) => {
    const recordErrors = [
      { index: 3, message: 'no key' },
      { index: 70_000, message: null },
    ]
    const answers = [
      { topic: 'a', partition: 1, errorCode: 0, baseOffset: 2 ** 40, recordErrors: [], message: null },
      { topic: 'a', partition: 2, errorCode: 87, baseOffset: -1, recordErrors, message: 'two are bad' },
      { topic: 'b', partition: 0, errorCode: 0, baseOffset: 0, recordErrors: [], message: null },
    ]
    const payload = Buffer.concat((version === 1 ? plain(answers) : compact(answers)).parts())
    const request = produceRequest({ transactionalId: null, timeoutMs: 0, topics: [] }, version)({})
    expect(request.apiVersion).toBe(version === 1 ? 8 : 12)
    expect(await request.decode(payload)).toEqual({ partitions: answers, throttleTimeMs: 1_234 })
  },
)

function plain(answers: readonly Produced[]): WireWriter {
  const writer = new WireWriter()
  const topics = byTopic(answers, (one) => one)
  writer.array(topics, ({ topic, partitions }) => {
    writer.string(topic).array(partitions, ({ partition, errorCode, baseOffset, recordErrors, message }) => {
      writer.int32(partition).int16(errorCode).int64(baseOffset).int64(-1).int64(0)
      writer.array(recordErrors, ({ index, message: words }) => writer.int32(index).string(words))
      writer.string(message)
    })
  })
  return writer.int32(1_234)
}

function compact(answers: readonly Produced[]): WireWriter {
  const writer = new WireWriter().unsignedVarint(0)
  const topics = byTopic(answers, (one) => one)
  writer.compactArray(topics, ({ topic, partitions }) => {
    writer
      .compactString(topic)
      .compactArray(partitions, ({ partition, errorCode, baseOffset, recordErrors, message }) => {
        writer.int32(partition).int16(errorCode).int64(baseOffset).int64(-1).int64(0)
        writer.compactArray(recordErrors, ({ index, message: words }) =>
          writer.int32(index).compactString(words).unsignedVarint(0),
        )
        writer.compactString(message).unsignedVarint(0)
      })
    writer.unsignedVarint(0)
  })
  return writer.int32(1_234).unsignedVarint(0)
}

test('OffsetFetch asks for stable offsets only', async () => {
  const request = offsetFetch('grp', [{ topic: 'tp', partitions: [1, 258] }])({})
  const hex = ['00', '04677270', '02', '037470', '03', '00000001', '00000102', '00', '01', '00'].join('')
  expect((await joined(request)).toString('hex')).toBe(hex)
  expect(request).toMatchObject({ apiKey: 9, apiVersion: 7 })
})

test("OffsetFetch's answer, with tagged fields that are not known here", async () => {
  const writer = new WireWriter().unsignedVarint(1).unsignedVarint(300).unsignedVarint(2).int16(7).int32(0)
  writer.compactArray(['tp'], (topic) => {
    writer.compactString(topic).compactArray([0, 1], (partition) => {
      writer
        .int32(partition)
        .int64(partition === 0 ? 2 ** 45 + 1 : -1)
        .int32(-1)
      writer
        .compactString(partition === 0 ? 'potoroo' : null)
        .int16(partition === 0 ? 0 : 88)
        .unsignedVarint(0)
    })
    writer.unsignedVarint(0)
  })
  const payload = Buffer.concat(writer.int16(0).unsignedVarint(0).parts())
  expect(await offsetFetch('g', [])({}).decode(payload)).toEqual({
    throttleTimeMs: 0,
    errorCode: 0,
    partitions: [
      { topic: 'tp', partition: 0, offset: 2 ** 45 + 1, metadata: 'potoroo', errorCode: 0 },
      { topic: 'tp', partition: 1, offset: -1, metadata: '', errorCode: 88 },
    ],
  })
})

test('ListOffsets of version 5, byte for byte but for the epoch, and the older one where a broker takes no other', async () => {
  const asked = topics(fc.record({ partition: fc.nat(), leaderEpoch: fc.option(fc.nat(), { nil: undefined }) }))
  await fc.assert(
    fc.asyncProperty(asked, async (some) => {
      const ours = await joined(listOffsets(some, LATEST)({ 2: { minVersion: 1, maxVersion: 11 } }))
      const theirs = await kafkajs('listOffsets/v3/request')({
        replicaId: -1,
        isolationLevel: 0,
        topics: some.map(({ topic, partitions }) => ({
          topic,
          partitions: partitions.map(({ partition }) => ({ partition, timestamp: -1 })),
        })),
      }).encode()
      // Each partition has an epoch more, between its number and the time.
      const epochs = some.flatMap(({ partitions }) => partitions.map(({ leaderEpoch = -1 }) => leaderEpoch))
      expect(ours.length).toBe(theirs.buffer.length + 4 * epochs.length)
      const reader = new WireReader(ours)
      reader.int32()
      reader.int8()
      const read = reader.array(() => {
        const topic = reader.string()
        const partitions = reader.array(() => ({
          partition: reader.int32(),
          epoch: reader.int32(),
          at: reader.int64(),
        }))
        return { topic, partitions }
      })
      expect(read).toEqual(
        some.map(({ topic, partitions }) => ({
          topic,
          partitions: partitions.map(({ partition, leaderEpoch = -1 }) => ({ partition, epoch: leaderEpoch, at: -1 })),
        })),
      )
      const older = listOffsets(some, LATEST)({ 2: { minVersion: 0, maxVersion: 4 } })
      expect([older.apiVersion, (await joined(older)).equals(theirs.buffer)]).toEqual([3, true])
    }),
  )
})

test("ListOffsets' answer: each partition with its own error, in both versions", async () => {
  const answer = (version: 3 | 5): Buffer => {
    const writer = new WireWriter().int32(1_234)
    writer.array(['tp'], (topic) => {
      writer.string(topic).array([0, 78], (errorCode) => {
        writer
          .int32(errorCode + 1)
          .int16(errorCode)
          .int64(-1)
          .int64(errorCode === 0 ? 2 ** 45 : -1)
        if (version === 5) writer.int32(9)
      })
    })
    return Buffer.concat(writer.parts())
  }
  const due = [
    { topic: 'tp', partition: 1, errorCode: 0, offset: 2 ** 45 },
    { topic: 'tp', partition: 79, errorCode: 78, offset: -1 },
  ]
  for (const version of [3, 5] as const) {
    const request = listOffsets([], LATEST)({ 2: { minVersion: 0, maxVersion: version } })
    expect(await request.decode(answer(version))).toMatchObject({ throttleTimeMs: 1_234, partitions: due })
  }
})

test('an answer that is cut is an error, not a wrong figure', () => {
  const payload = Buffer.concat(new WireWriter().int32(0).int16(0).int32(0).int32(3).parts())
  const decode = () =>
    fetchRequest({ maxWaitMs: 0, maxBytes: 0, maxBytesPerPartition: 0, topics: [] })({}).decode(payload)
  expect(decode).toThrow(RangeError)
})

test('a tagged field that is longer than it says is an error, and one that is shorter is passed over', () => {
  const payload = Buffer.concat(
    new WireWriter().unsignedVarint(1).unsignedVarint(7).unsignedVarint(3).int32(5).int32(6).parts(),
  )
  expect(() => {
    const reader = new WireReader(payload)
    reader.tags(() => reader.int32())
  }).toThrow(RangeError)
  const reader = new WireReader(payload)
  reader.tags(() => reader.int16())
  expect([reader.int8(), reader.int32()]).toEqual([5, 6])
})

const ID = 'Qp3fXoRrTHm0a1b2c3d4eg'

test.each([
  [10, '00'],
  [12, ''],
  [13, ''],
])('Metadata of a broker that takes versions up to %i has the ids of topics', async (maxVersion, clusterOperations) => {
  const versions = { 3: { minVersion: 0, maxVersion } }
  const request = metadata(['tp'])(versions)
  expect(request.apiVersion).toBe(Math.min(12, maxVersion))
  const hex = `0002${'00'.repeat(16)}0374700000${clusterOperations}0000`
  expect((await joined(request)).toString('hex')).toBe(hex)
  const writer = new WireWriter().unsignedVarint(0).int32(1_234)
  writer.compactArray([{ nodeId: 7, host: 'h', port: 9092 }], ({ nodeId, host, port }) => {
    writer.int32(nodeId).compactString(host).int32(port).compactString(null).unsignedVarint(0)
  })
  writer.compactString('cluster').int32(7)
  writer.compactArray([ID, 'A'.repeat(22)], (id) => {
    writer.int16(0).compactString('tp').uuid(id).int8(0)
    writer.compactArray([3], (partition) => {
      writer.int16(0).int32(partition).int32(7).int32(1)
      for (const replicas of [[7, 8], [7], []]) writer.compactArray(replicas, (replica) => writer.int32(replica))
      writer.unsignedVarint(0)
    })
    writer.int32(0).unsignedVarint(0)
  })
  if (maxVersion === 10) writer.int32(0)
  const payload = Buffer.concat(writer.unsignedVarint(0).parts())
  const topic = {
    topicErrorCode: 0,
    topic: 'tp',
    partitionMetadata: [{ partitionErrorCode: 0, partitionId: 3, leader: 7, leaderEpoch: 1 }],
  }
  expect(await request.decode(payload)).toEqual({
    throttleTimeMs: 1_234,
    brokers: [{ nodeId: 7, host: 'h', port: 9092 }],
    controllerId: 7,
    topicMetadata: [
      { ...topic, topicId: ID },
      { ...topic, topicId: undefined },
    ],
  })
})

test('topics are read and written by their ids where all of them are known and the broker takes it', () => {
  const versions = { 0: { minVersion: 3, maxVersion: 13 }, 1: { minVersion: 4, maxVersion: 18 } }
  const of = (topic: string) => [
    { topic, partitions: [{ partition: 0, position: 5, leaderEpoch: 1, batch: new Uint8Array(0) }] },
  ]
  const topicIds = new Map([['tp', ID]])
  const fetchOf = (topic: string, taken: ApiVersions) =>
    fetchByIdOrName({ maxWaitMs: 0, maxBytes: 0, maxBytesPerPartition: 0, topics: of(topic), topicIds })(taken)
      .apiVersion
  const produceOf = (topic: string, taken: ApiVersions) =>
    produceRequest({ transactionalId: 't', timeoutMs: 0, topics: of(topic), topicIds }, 2)(taken).apiVersion
  expect([fetchOf('tp', versions), produceOf('tp', versions)]).toEqual([13, 13])
  expect([fetchOf('another', versions), produceOf('another', versions)]).toEqual([11, 12])
  const older = { 0: { minVersion: 0, maxVersion: 12 }, 1: { minVersion: 0, maxVersion: 12 } }
  expect([fetchOf('tp', older), produceOf('tp', older)]).toEqual([11, 12])
})

test("Fetch's answer by ids: the names that were asked for, and for how long the broker throttles", async () => {
  const asked = [{ topic: 'tp', partitions: [{ partition: 3, position: 5, leaderEpoch: undefined }] }]
  const args = { maxWaitMs: 0, maxBytes: 0, maxBytesPerPartition: 0, topics: asked, topicIds: new Map([['tp', ID]]) }
  const writer = new WireWriter().unsignedVarint(0).int32(1_234).int16(0).int32(0)
  writer.compactArray([ID], (id) => {
    writer.uuid(id).compactArray([3], (partition) => {
      writer.int32(partition).int16(0).int64(9).int64(8).int64(0)
      writer.compactArray([7], (producer) => {
        writer.int64(producer).int64(6).unsignedVarint(0)
      })
      writer
        .int32(-1)
        .compactBytes(new Uint8Array([1, 2]))
        .unsignedVarint(0)
    })
    writer.unsignedVarint(0)
  })
  const payload = Buffer.concat(writer.unsignedVarint(0).parts())
  const request = fetchByIdOrName(args)({ 1: { minVersion: 4, maxVersion: 18 } })
  const abortedTransactions = [{ producerId: 7n, firstOffset: 6 }]
  expect(await request.decode(payload)).toMatchObject({
    throttleTimeMs: 1_234,
    errorCode: 0,
    partitions: [
      {
        topic: 'tp',
        partition: 3,
        errorCode: 0,
        highWatermark: 9,
        lastStableOffset: 8,
        abortedTransactions,
        records: Buffer.from([1, 2]),
      },
    ],
  })
})

test('metadata of no topic is not metadata of all topics, in any version', async () => {
  for (const maxVersion of [6, 7, 11, 13]) {
    const versions = { 3: { minVersion: 0, maxVersion } }
    const [none, some] = await Promise.all([joined(metadata([])(versions)), joined(metadata(['t'])(versions))])
    // An array of no topics: its length is 0, or 1 where lengths are one more than they are (0 would be null: all topics).
    const length = maxVersion < 9 ? none.readInt32BE(0) : none.readUInt8(1) - 1
    expect([maxVersion, length]).toEqual([maxVersion, 0])
    expect(some.length).toBeGreaterThan(none.length)
  }
  const theirs = await exchangeOf('Metadata', { topics: [] }, { 3: { minVersion: 0, maxVersion: 6 } }).request.encode()
  expect(theirs.buffer.readInt32BE(0)).toBe(-1)
})

test.each([
  [13, 12],
  [12, 12],
  [11, 10],
  [9, 7],
  [7, 7],
  [6, 6],
])('Metadata to a broker that takes version %i is of version %i', (maxVersion, sent) => {
  expect(metadata(['t'])({ 3: { minVersion: 0, maxVersion } }).apiVersion).toBe(sent)
})

test('Metadata of version 7, byte for byte but for what kafkajs has not', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(name, { minLength: 1, maxLength: 5 }), async (names) => {
      const ours = metadata(names)({ 3: { minVersion: 0, maxVersion: 7 } })
      const theirs = await kafkajs('metadata/v6/request')({ topics: names, allowAutoTopicCreation: false }).encode()
      expect((await joined(ours)).equals(theirs.buffer)).toBe(true)
    }),
  )
})

test.each([7, 10, 12])("Metadata's answer of version %i: leaders, epochs, ids", async (version) => {
  const isFlexible = version > 7
  const broker = fc.record({ nodeId: fc.nat(), host: name, port: fc.nat() })
  const partition = fc.record({
    partitionErrorCode: fc.integer({ min: -1, max: 120 }),
    partitionId: fc.nat(),
    leader: fc.integer({ min: -1 }),
    leaderEpoch: fc.option(fc.nat(), { nil: undefined }),
  })
  const id = fc.option(
    fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('base64url')),
    { nil: undefined },
  )
  const topic = fc.record({
    topicErrorCode: fc.integer({ min: -1, max: 120 }),
    topic: name,
    topicId: isFlexible ? id : fc.constant(undefined),
    partitionMetadata: fc.array(partition, { maxLength: 20 }),
  })
  const answer = fc.record({
    throttleTimeMs: fc.nat(),
    brokers: fc.array(broker, { maxLength: 5 }),
    controllerId: fc.nat(),
    topicMetadata: fc.array(topic, { maxLength: 5 }),
  })
  const encode = ({ throttleTimeMs = 0, brokers, controllerId, topicMetadata }: MetadataAnswer): Buffer => {
    const writer = new WireWriter()
    const array = <T>(items: readonly T[], write: (item: T) => void): void => {
      if (isFlexible) writer.compactArray(items, write)
      else writer.array(items, write)
    }
    const text = (value: string | null): WireWriter => (isFlexible ? writer.compactString(value) : writer.string(value))
    // A tagged field of a later day, which is passed over.
    const tags = (): void => {
      if (isFlexible) writer.unsignedVarint(1).unsignedVarint(9).unsignedVarint(2).int16(7)
    }
    tags()
    writer.int32(throttleTimeMs)
    array(brokers, ({ nodeId, host, port }) => {
      writer.int32(nodeId)
      text(host).int32(port)
      text(null)
      tags()
    })
    text('cluster').int32(controllerId)
    array(topicMetadata, ({ topicErrorCode, topic: named, topicId, partitionMetadata }) => {
      writer.int16(topicErrorCode)
      text(named)
      if (isFlexible) writer.uuid(topicId ?? NO_UUID)
      writer.int8(0)
      array(partitionMetadata, ({ partitionErrorCode, partitionId, leader, leaderEpoch = -1 }) => {
        writer.int16(partitionErrorCode).int32(partitionId).int32(leader).int32(leaderEpoch)
        for (const nodes of [[1, 2, 3], [1], []]) array(nodes, (node) => writer.int32(node))
        tags()
      })
      if (isFlexible) writer.int32(0)
      tags()
    })
    if (version === 10) writer.int32(0)
    tags()
    return Buffer.concat(writer.parts())
  }
  await fc.assert(
    fc.asyncProperty(answer, async (given) => {
      const request = metadata([])({ 3: { minVersion: 0, maxVersion: version } })
      expect(await request.decode(encode(given))).toEqual(given)
    }),
  )
})

test('a request that the broker does not take in any version known here is an error', () => {
  expect(() => exchangeOf('Metadata', {}, { 3: { minVersion: 90, maxVersion: 99 } })).toThrow('Metadata')
  expect(() => exchangeOf('Metadata', {}, {})).toThrow('Metadata')
})
