/**
 * Produce, version 7, of sealed batches, which are sent from where they lie. kafkajs's own encoder makes the batches
 * itself, and its `parse` doesn't say which partition failed.
 *
 *     Request => TransactionalId Acks TimeoutMs [Topic]
 *       Topic => Name [Partition Records]
 *     Response => [Topic] ThrottleTimeMs
 *       Topic => Name [Partition ErrorCode BaseOffset LogAppendTimeMs LogStartOffset]
 */
import type { TopicPartition } from '../ports/log.js'
import type { Request } from './link.js'
import type { TopicGroup } from './requests.js'
import { WireReader, WireWriter } from './wire.js'

export interface ProduceArgs {
  readonly transactionalId: string | null
  /** How long the broker waits for its replicas. */
  readonly timeoutMs: number
  readonly topics: readonly TopicGroup<{ readonly partition: number; readonly batch: Uint8Array }>[]
}
export interface Produced extends TopicPartition {
  readonly errorCode: number
  readonly baseOffset: number
}

const ALL_REPLICAS = -1

export const produceRequest =
  (args: ProduceArgs): Request<readonly Produced[]> =>
  () => ({ apiKey: 0, apiVersion: 7, apiName: 'Produce', encode: () => encode(args), decode })

function encode({ transactionalId, timeoutMs, topics }: ProduceArgs): readonly Uint8Array[] {
  const writer = new WireWriter().string(transactionalId).int16(ALL_REPLICAS).int32(timeoutMs)
  writer.array(topics, ({ topic, partitions }) => {
    writer.string(topic).array(partitions, ({ partition, batch }) => {
      writer.int32(partition).bytes(batch)
    })
  })
  return writer.parts()
}

function decode(payload: Buffer): readonly Produced[] {
  const reader = new WireReader(payload)
  const topics = reader.array(() => {
    const topic = reader.string() ?? ''
    return reader.array(() => {
      const partition = reader.int32()
      const errorCode = reader.int16()
      const baseOffset = reader.int64()
      reader.bigint64()
      reader.bigint64()
      return { topic, partition, errorCode, baseOffset }
    })
  })
  return topics.flat()
}
