/** Transactions that tests commit, and what a broker may answer to their requests. */
import { WireWriter } from '../../src/kafka/wire.js'
import type { Transaction } from '../../src/ports/log.js'
import type { Rule } from './proxy.js'
import { chunksOf, recordsFrom } from './records.js'

/** Error codes. */
export const NOT_ENOUGH_REPLICAS = 19
export const CONCURRENT_TRANSACTIONS = 51
export const COORDINATOR_NOT_AVAILABLE = 15

export const positions = (topic: string, position: number) => [{ topic, partition: 0, position }]
export const values = (first: number, count: number) => recordsFrom(first, count).map(({ value }) => value)

/** So many records for partition 0, and a position. */
export function transactionOf(topic: string, group: string, first: number, count = 3): Transaction {
  const records = [{ topic, partition: 0, chunks: chunksOf(recordsFrom(first, count)) }]
  return { records, group, positions: positions(topic, first) }
}

export const onlyFirst =
  (apiKey: number, times: number, action: NonNullable<ReturnType<Rule>>): Rule =>
  (request) =>
    request.apiKey === apiKey && times-- > 0 ? action : undefined

const bytesOf = (writer: WireWriter): Buffer => Buffer.concat(writer.parts())
/** ThrottleTimeMs ErrorCode */
export const controlAnswer = (code: number): Buffer => bytesOf(new WireWriter().int32(0).int16(code))
/** ThrottleTimeMs ErrorCode ProducerId ProducerEpoch */
export const initAnswer = (code: number): Buffer => Buffer.concat([controlAnswer(code), Buffer.alloc(10, 0xff)])
/** Answers of partition 0 with this error code, as they are in each version. */
export const answersOf = {
  1: {
    produce(topic: string, code: number): Buffer {
      const writer = new WireWriter().int32(1).string(topic).int32(1)
      writer.int32(0).int16(code).int64(-1).int64(-1).int64(-1)
      return bytesOf(writer.int32(0).string(null).int32(0))
    },
    txnOffsetCommit(topic: string, code: number): Buffer {
      return bytesOf(new WireWriter().int32(0).int32(1).string(topic).int32(1).int32(0).int16(code))
    },
    endTxn: (code: number): Buffer => bytesOf(new WireWriter().int32(0).int16(code)),
  },
  2: {
    produce(topic: string, code: number): Buffer {
      const writer = new WireWriter().int8(0).int8(2).compactString(topic).int8(2)
      writer.int32(0).int16(code).int64(-1).int64(-1).int64(-1)
      return bytesOf(writer.int8(1).compactString(null).int8(0).int8(0).int32(0).int8(0))
    },
    txnOffsetCommit(topic: string, code: number): Buffer {
      const writer = new WireWriter().int8(0).int32(0).int8(2).compactString(topic).int8(2)
      return bytesOf(writer.int32(0).int16(code).int8(0).int8(0).int8(0))
    },
    endTxn: (code: number): Buffer =>
      bytesOf(new WireWriter().int8(0).int32(0).int16(code).int64(-1).int16(-1).int8(0)),
  },
}
