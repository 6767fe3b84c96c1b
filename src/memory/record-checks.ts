/** What a simulated broker looks at before it takes a batch: LogValidator's checks, as far as somebody configured them. */
import { BATCH_HEADER_BYTES, RecordCursor, type RecordChunk } from '../core/records/records.js'
import type { TopicPartition } from '../ports/log.js'
import { BrokerError } from './broker-error.js'

/** A rule of a gateway in front of the brokers; what is wrong with the record under the cursor, or undefined. */
export type RecordPolicy = (to: TopicPartition, cursor: RecordCursor) => string | undefined

const NO_TIME = -1

/** The whole batch is refused, as Kafka does, when one record of it is. */
export function checkRecords(
  to: TopicPartition,
  chunk: RecordChunk,
  config: Readonly<Record<string, string>>,
  nowMs: number,
  policy: RecordPolicy | undefined,
): void {
  const isCreateTime = config['message.timestamp.type'] !== 'LogAppendTime'
  const beforeMs = boundOf(config['message.timestamp.before.max.ms'])
  const afterMs = boundOf(config['message.timestamp.after.max.ms'])
  const hasBounds = isCreateTime && (beforeMs < Infinity || afterMs < Infinity)
  const needsKeys = config['cleanup.policy']?.includes('compact') ?? false
  if (!hasBounds && !needsKeys && policy === undefined) return
  const cursor = new RecordCursor()
  const { bytes, end, count, baseTimestampMs } = chunk
  cursor.open({ baseOffset: 0, baseTimestampMs, appendTimeMs: -1, count, bytes, start: BATCH_HEADER_BYTES, end })
  while (cursor.next()) {
    const aheadMs = cursor.timestampMs - nowMs
    if (needsKeys && cursor.keyStart < 0) throw new BrokerError('INVALID_RECORD', 'a compacted topic takes no null key')
    if (hasBounds && cursor.timestampMs !== NO_TIME && (aheadMs > afterMs || -aheadMs > beforeMs))
      throw new BrokerError('INVALID_TIMESTAMP', `${String(cursor.timestampMs)} is out of range`)
    const wrong = policy?.(to, cursor)
    if (wrong !== undefined) throw new BrokerError('INVALID_RECORD', wrong)
  }
}

const boundOf = (text: string | undefined): number => (text === undefined ? Infinity : Number(text))
