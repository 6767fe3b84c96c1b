import { partitionOf } from '../../core/plan/partitioner.js'
import type { OutgoingRecord } from '../../kafka/idempotent-producer.js'
import type { Event } from '../../market-spread/calculation.js'

/**
 * Events of one topic as records: each on its symbol's partition, with the event's time as its own. `partitionOf` of
 * murmur2 must be loaded.
 */
export const recordsOf = (events: readonly Event[], partitions: number): readonly OutgoingRecord[] =>
  events.map(({ message }) => {
    const key = Buffer.from(message.symbol)
    return {
      partition: partitionOf('murmur2', key, partitions),
      key,
      value: JSON.stringify(message),
      timestampMs: typeof message.time === 'number' ? message.time : Date.parse(message.time),
    }
  })
