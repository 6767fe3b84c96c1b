/** What came out of Market Spread, read from Kafka. */
import type { Rejection } from '#topics/rejections.js'
import type { Log, TopicPartition } from '../../ports/log.js'
import { describeTopic } from '../connection.js'
import { Tail } from '../tailing.js'

export const partitionsOf = async (log: Log, topics: readonly string[]): Promise<TopicPartition[]> =>
  (
    await Promise.all(
      topics.map(async (topic) => {
        const { partitions } = await describeTopic(log, topic)
        return Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
      }),
    )
  ).flat()

/** Reads rejections as they are committed. `until` resolves once everything below the end of that moment was read. */
export class Rejections {
  readonly seen: Rejection[] = []
  readonly #next: number[]

  constructor(
    private readonly log: Log,
    private readonly partitions: readonly TopicPartition[],
  ) {
    this.#next = partitions.map(() => 0)
  }

  async readToEnd(): Promise<void> {
    const ends = await this.log.listOffsets(this.partitions, 'end')
    const [first] = this.partitions
    if (first === undefined) return
    const fetcher = this.log.fetcher()
    const ranges = this.partitions.map(({ partition }, i) => ({
      partition,
      position: this.#next[i] ?? 0,
      end: ends[i],
    }))
    const tail = new Tail(fetcher, first.topic, ranges, {
      ready: () => true,
      take: ({ value }) => {
        this.seen.push(JSON.parse(String(value)) as Rejection)
        return true
      },
    })
    try {
      await tail.done
      ends.forEach((end, i) => (this.#next[i] = end))
    } finally {
      tail.close()
      await fetcher.close()
    }
  }
}
