import { expect, test } from 'vitest'
import { RecordWriter, type RecordChunk } from '../../../src/core/records/records.js'
import { PartitionWriter } from '../../../src/kafka/produce-round.js'

const identity = { transactionalId: 'tx', producerId: '5000000000', producerEpoch: 3 }
// Offsets in a record batch's header.
const EPOCH = 51
const SEQUENCE = 53

function chunk(count = 1): RecordChunk {
  const writer = new RecordWriter(1000)
  writer.append(0, 'k', 'v')
  const [one] = writer.take()
  if (!one) throw new Error('one chunk')
  return { ...one, count }
}
const sequenceOf = (batch: Buffer | undefined): number | undefined => batch?.readInt32BE(SEQUENCE)

test('sequences go on from batch to batch and from commit to commit', () => {
  const writer = new PartitionWriter('t', 0)
  writer.queue([chunk(10), chunk(5)])
  const first = writer.next(identity)
  expect([sequenceOf(first), first?.readInt16BE(EPOCH), first?.readBigInt64BE(43)]).toEqual([0, 3, 5_000_000_000n])
  writer.acknowledged(100)
  expect(sequenceOf(writer.next(identity))).toBe(10)
  writer.acknowledged(110)
  expect(writer.next(identity)).toBeUndefined()
  expect(writer.end).toBe(115)
  writer.queue([chunk()])
  expect(sequenceOf(writer.next(identity))).toBe(15)
})

test('what was not acknowledged is the same when it is asked for again', () => {
  const writer = new PartitionWriter('t', 0)
  writer.queue([chunk(2), chunk(3)])
  expect(writer.next(identity)).toBe(writer.next(identity))
})

test('sequences begin again at 0 behind 2^31 - 1', () => {
  const writer = new PartitionWriter('t', 0)
  writer.queue([chunk(2 ** 31 - 2), chunk(4), chunk(1)])
  writer.acknowledged(0)
  expect(sequenceOf(writer.next(identity))).toBe(2 ** 31 - 2)
  writer.acknowledged(0)
  expect(sequenceOf(writer.next(identity))).toBe(2)
})

test('sequences begin again at 0 with a new epoch, but not while something waits to be sent', () => {
  const writer = new PartitionWriter('t', 0)
  writer.queue([chunk(10), chunk(5)])
  writer.next(identity)
  writer.acknowledged(0)
  expect(() => {
    writer.restart()
  }).toThrow('t-0')
  expect(sequenceOf(writer.next(identity))).toBe(10)
  writer.acknowledged(10)
  writer.restart()
  writer.queue([chunk()])
  const next = writer.next({ ...identity, producerEpoch: 4 })
  expect([sequenceOf(next), next?.readInt16BE(EPOCH)]).toEqual([0, 4])
})

test('a partition is not written twice at once', () => {
  const writer = new PartitionWriter('t', 0)
  writer.queue([chunk()])
  expect(() => {
    writer.queue([chunk()])
  }).toThrow('t-0')
})
