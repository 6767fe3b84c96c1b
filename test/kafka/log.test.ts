import { expect, test } from 'vitest'
import { uniqueName } from '../support/broker.js'
import { newTopic, openLog } from '../support/open-logs.js'
import { RecordingInput } from '../support/recording-input.js'
import { chunksOf, recordsFrom } from '../support/records.js'
import { until } from '../support/until.js'

test('topics are created, described, and left alone when they exist', async () => {
  const { log } = await openLog()
  const name = await newTopic(log, 3, { 'cleanup.policy': 'compact', 'max.message.bytes': '2000000' })
  await log.createTopics([{ name, partitions: 8 }])
  const infos = await log.describeTopics([name, 'does-not-exist'])
  expect([...infos.keys()]).toEqual([name])
  expect(infos.get(name)).toEqual({
    name,
    id: expect.stringMatching(/^[\w-]{22}$/) as unknown,
    partitions: 3,
    maxMessageBytes: 2_000_000,
    cleanupPolicy: ['compact'],
    deleteRetentionMs: 86_400_000,
  })
  expect(await log.listOffsets([{ topic: name, partition: 2 }], 'end')).toEqual([0])
})

test('what a transaction writes is read back, and its positions are committed', async () => {
  const { log } = await openLog()
  const topic = await newTopic(log, 2)
  const group = uniqueName('group')
  const producer = await log.producer(uniqueName('tx'))
  const ends = await producer.commit({
    records: [
      { topic, partition: 0, chunks: chunksOf(recordsFrom(0, 3)) },
      { topic, partition: 1, chunks: chunksOf(recordsFrom(10, 2)) },
    ],
    group,
    positions: [{ topic, partition: 0, position: 7 }],
  })
  expect(ends).toEqual([3, 2])
  const again = await producer.commit({
    records: [{ topic, partition: 1, chunks: chunksOf(recordsFrom(12, 1)) }],
    group,
    positions: [{ topic, partition: 1, position: 9 }],
  })
  // A control record stands between the two.
  expect(again).toEqual([4])
  const both = [0, 1].map((partition) => ({ topic, partition }))
  expect(await log.committedPositions(group, [...both, { topic: 'elsewhere', partition: 0 }])).toEqual([
    7,
    9,
    undefined,
  ])
  const fetcher = log.fetcher()
  const inputs = both.map(({ partition }) => new RecordingInput(topic, partition))
  for (const input of inputs) fetcher.add(input)
  await until('both partitions are read', () => inputs.every(({ position }, i) => position === [4, 5][i]))
  expect(inputs.map(({ values }) => values)).toEqual([
    ['v0', 'v1', 'v2'],
    ['v10', 'v11', 'v12'],
  ])
  expect(inputs[0]?.answers.at(-1)?.lastStableOffset).toBe(4)
})

test('two members form a group', async () => {
  const { log } = await openLog()
  const group = uniqueName('group')
  const [a, b] = [log.group(group), log.group(group)]
  const join = { memberId: '', sessionTimeoutMs: 6000, rebalanceTimeoutMs: 3000, protocol: 'test' }
  let idA = ''
  const first = await a.join({ ...join, metadata: Buffer.from('A') }, (id) => (idA = id))
  expect(first).toMatchObject({ memberId: idA, leaderId: idA, generation: 1 })
  expect(await a.sync(first, new Map([[idA, Buffer.from('all')]]))).toEqual(Buffer.from('all'))
  await a.heartbeat(first)
  const joiningB = b.join({ ...join, metadata: Buffer.from('B') })
  await until('the group rebalances', async () => {
    try {
      await a.heartbeat(first)
      return false
    } catch (error) {
      expect(error).toMatchObject({ kind: 'rebalance-in-progress' })
      return true
    }
  })
  const secondA = await a.join({ ...join, memberId: idA, metadata: Buffer.from('A2') })
  const secondB = await joiningB
  expect(secondA.members.map(({ metadata }) => Buffer.from(metadata).toString()).sort()).toEqual(['A2', 'B'])
  expect(secondB.members).toEqual([])
  const assignments = new Map(secondA.members.map(({ memberId }) => [memberId, Buffer.from(`for ${memberId}`)]))
  const [mineA, mineB] = await Promise.all([a.sync(secondA, assignments), b.sync(secondB, new Map())])
  expect(Buffer.from(mineA).toString()).toBe(`for ${idA}`)
  expect(Buffer.from(mineB).toString()).toBe(`for ${secondB.memberId}`)
  await expect(a.heartbeat(first)).rejects.toMatchObject({ kind: 'illegal-generation' })
  await b.leave(idA)
  await b.leave(idA)
  await expect(a.heartbeat(secondA)).rejects.toMatchObject({ kind: 'unknown-member' })
})
