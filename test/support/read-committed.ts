/** What a read-committed reader sees of a topic, with keys and headers: through Potoroo's own fetcher, whose tests stand elsewhere. */
import { createKafkaLog } from '../../src/kafka/log.js'
import { systemClock } from '../../src/system.js'
import { testBrokers } from './broker.js'
import { RecordingInput } from './recording-input.js'
import type { ReadRecord } from './records.js'
import { until } from './until.js'

export interface ReadMessage extends ReadRecord {
  readonly partition: number
}

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }

/** Resolves once `count` records were read and every partition was read to its end. Rejects when there are more. */
export async function readCommitted(
  topic: string,
  count: number,
  {
    timeoutMs = 30_000,
    brokers = testBrokers(),
  }: { readonly timeoutMs?: number; readonly brokers?: readonly string[] } = {},
): Promise<ReadMessage[]> {
  const log = createKafkaLog({ brokers, clientId: 'test-reader', logger: silent, clock: systemClock })
  await log.connect()
  try {
    const info = (await log.describeTopics([topic])).get(topic)
    if (info === undefined) throw new Error(`no topic ${topic}`)
    const fetcher = log.fetcher()
    const readers = Array.from({ length: info.partitions }, (_, partition) => new RecordingInput(topic, partition))
    for (const reader of readers) fetcher.add(reader)
    const read = (): ReadMessage[] =>
      readers.flatMap(({ partition, records }) => records.map((record) => ({ partition, ...record })))
    await until(
      `${String(count)} records in ${topic}`,
      () => {
        for (const { failures } of readers) for (const failure of failures) throw failure
        return readers.reduce((n, { records }) => n + records.length, 0) >= count && readers.every(({ atEnd }) => atEnd)
      },
      timeoutMs,
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}: ${String(read().length)} are there`)
    })
    await fetcher.close()
    if (read().length > count) throw new Error(`${String(read().length)} records in ${topic}, not ${String(count)}`)
    return read()
  } finally {
    await log.close()
  }
}
