import type { Delivery, OutgoingRecord } from '../../src/kafka/idempotent-producer.js'

/** What a producer says when brokers take everything. */
export function acknowledging<R extends OutgoingRecord>(records: readonly R[]): Delivery<R>[] {
  const counts = new Map<number, number>()
  for (const { partition } of records) counts.set(partition, (counts.get(partition) ?? 0) + 1)
  return [...counts].map(([partition, acknowledged]) => ({ partition, acknowledged, missing: [], error: undefined }))
}
