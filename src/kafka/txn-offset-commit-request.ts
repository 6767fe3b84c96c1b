/**
 * TxnOffsetCommit, version 5, with which the broker adds the group to a transaction of version 2. kafkajs knows versions up
 * to 1, those of version 1.
 *
 *     Request => Tags TransactionalId GroupId ProducerId ProducerEpoch GenerationId MemberId GroupInstanceId [Topic] Tags
 *       Topic => Name [Partition Offset LeaderEpoch Metadata Tags] Tags
 *     Response => Tags ThrottleTimeMs [Topic] Tags
 *       Topic => Name [Partition ErrorCode Tags] Tags
 */
import { readTopics, writeTopics } from './compact-topics.js'
import { prepare, type Request } from './prepared.js'
import type { ProducerIdentity, TopicGroup, TxnOffsetCommitAnswer } from './requests.js'
import { version2 } from './transaction-version.js'
import { WireReader, WireWriter } from './wire.js'

type Topics = readonly TopicGroup<{
  readonly partition: number
  readonly offset: number
  readonly metadata?: string
}>[]

/** Without a generation: the transactional id is the fence. */
const NO_GENERATION = -1
const NO_LEADER_EPOCH = -1

export const txnOffsetCommit2 =
  (producer: ProducerIdentity, group: string, topics: Topics): Request<TxnOffsetCommitAnswer> =>
  () =>
    prepare(version2.txnOffsetCommit, () => encode(producer, group, topics), decode)

function encode(producer: ProducerIdentity, group: string, topics: Topics): readonly Uint8Array[] {
  const { transactionalId, producerId, producerEpoch } = producer
  // The first byte ends the header, which has tagged fields in this version.
  const writer = new WireWriter().unsignedVarint(0).compactString(transactionalId).compactString(group)
  writer.int64(producerId).int16(producerEpoch).int32(NO_GENERATION).compactString('').compactString(null)
  writeTopics(writer, topics, ({ partition, offset, metadata }) => {
    writer
      .int32(partition)
      .int64(offset)
      .int32(NO_LEADER_EPOCH)
      .compactString(metadata ?? '')
      .unsignedVarint(0)
  })
  return writer.unsignedVarint(0).parts()
}

function decode(payload: Buffer): TxnOffsetCommitAnswer {
  const reader = new WireReader(payload)
  reader.tags()
  reader.int32()
  return { topics: readTopics(reader, () => ({ partition: reader.int32(), errorCode: reader.int16() })) }
}
