/**
 * EndTxn, version 5, which ends a transaction of version 2; the answer has the producer's id and epoch for the next one.
 * kafkajs knows versions up to 1, those of version 1.
 *
 *     Request => Tags TransactionalId ProducerId ProducerEpoch Committed Tags
 *     Response => Tags ThrottleTimeMs ErrorCode ProducerId ProducerEpoch Tags
 */
import { prepare, type Request } from './prepared.js'
import type { ProducerIdentity } from './requests.js'
import { version2 } from './transaction-version.js'
import { WireReader, WireWriter } from './wire.js'

export interface EndTxnAnswer {
  readonly throttleTimeMs?: number
  readonly errorCode: number
  readonly producerId: string
  readonly producerEpoch: number
}

export const endTxn2 =
  (producer: ProducerIdentity, commit: boolean): Request<EndTxnAnswer> =>
  () =>
    prepare(version2.endTxn, () => encode(producer, commit), decode)

function encode({ transactionalId, producerId, producerEpoch }: ProducerIdentity, commit: boolean) {
  // The first byte ends the header, which has tagged fields in this version.
  const writer = new WireWriter().unsignedVarint(0).compactString(transactionalId)
  writer.int64(producerId).int16(producerEpoch)
  return writer
    .int8(commit ? 1 : 0)
    .unsignedVarint(0)
    .parts()
}

function decode(payload: Buffer): EndTxnAnswer {
  const reader = new WireReader(payload)
  reader.tags()
  const throttleTimeMs = reader.int32()
  const errorCode = reader.int16()
  const producerId = String(reader.bigint64())
  return { throttleTimeMs, errorCode, producerId, producerEpoch: reader.int16() }
}

/**
 * What the next transaction is sent under. Undefined where the answer names no later one: with the same id and epoch, whose
 * sequences would begin again, brokers would take new records for what they have already, and drop them.
 */
export function nextIdentity(now: ProducerIdentity, answer: EndTxnAnswer): ProducerIdentity | undefined {
  const { producerId, producerEpoch } = answer
  const none = producerId.startsWith('-') || producerEpoch < 0
  if (none || (producerId === now.producerId && producerEpoch <= now.producerEpoch)) return undefined
  return { transactionalId: now.transactionalId, producerId, producerEpoch }
}
