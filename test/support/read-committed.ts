/** What a read-committed reader sees of a topic, with keys and headers: through Potoroo's own fetcher, whose tests stand elsewhere. */
import { RecordCursor } from '../../src/core/records.js'
import { createKafkaLog } from '../../src/kafka/log.js'
import type { Fetched, FetchInput } from '../../src/ports/log.js'
import { systemClock } from '../../src/system.js'
import { testBrokers } from './broker.js'
import { until } from './until.js'

export interface ReadMessage {
  readonly partition: number
  readonly offset: number
  readonly key: string | null
  readonly value: string | null
  readonly headers: Readonly<Record<string, string>>
}

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }

/** Resolves once `count` records were read and every partition was read to its end. Rejects when there are more. */
export async function readCommitted(topic: string, count: number, timeoutMs = 30_000): Promise<ReadMessage[]> {
  const log = createKafkaLog({ brokers: testBrokers(), clientId: 'test-reader', logger: silent, clock: systemClock })
  await log.connect()
  try {
    const info = (await log.describeTopics([topic])).get(topic)
    if (info === undefined) throw new Error(`no topic ${topic}`)
    const fetcher = log.fetcher()
    const readers = Array.from({ length: info.partitions }, (_, partition) => new Reader(topic, partition))
    for (const reader of readers) fetcher.add(reader)
    const read = (): ReadMessage[] => readers.flatMap(({ messages }) => messages)
    await until(
      `${String(count)} records in ${topic}`,
      () => {
        for (const { failure } of readers) if (failure !== undefined) throw failure
        return read().length >= count && readers.every(({ atEnd }) => atEnd)
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

class Reader implements FetchInput {
  readonly messages: ReadMessage[] = []
  atEnd = false
  failure: Error | undefined
  #position = 0

  constructor(
    readonly topic: string,
    readonly partition: number,
  ) {}

  wanted(): number {
    return this.#position
  }
  hurried(): boolean {
    return false
  }
  failed(error: Error): void {
    this.failure = error
  }
  deliver(fetched: Fetched): void {
    if (fetched.position !== this.#position) return
    const cursor = new RecordCursor()
    for (const batch of fetched.batches) {
      cursor.open(batch)
      while (cursor.next()) {
        if (cursor.offset < this.#position) continue
        const { buffer, keyStart, keyEnd, valueStart, valueEnd, offset } = cursor
        this.messages.push({
          partition: this.partition,
          offset,
          key: keyStart < 0 ? null : buffer.toString('utf8', keyStart, keyEnd),
          value: valueStart < 0 ? null : buffer.toString('utf8', valueStart, valueEnd),
          headers: Object.fromEntries(
            cursor.headers().map(({ key, value }) => [key, Buffer.from(value ?? []).toString()]),
          ),
        })
      }
    }
    this.#position = fetched.nextPosition
    this.atEnd = this.#position >= fetched.lastStableOffset
  }
}
