/** What a person wants to see of a running group: who owns what, how far it is, what came out. All of it read from Kafka. */
import { decodeAssignment, decodeSubscription } from '../../core/group-metadata.js'
import { plainKafka } from '../../kafka/plain.js'
import type { KafkaOptions } from '../../kafka/options.js'
import type { Rejection } from '#topics/rejections.js'
import type { Log, TopicPartition } from '../../ports/log.js'
import { describeTopic } from '../connection.js'
import { Tail } from '../tailing.js'

export interface Holding {
  readonly worker: string
  readonly tasks: readonly string[]
}

/** Who owns which tasks; undefined while the group rebalances, for then it says nothing. */
export async function holdings(kafka: KafkaOptions, group: string): Promise<readonly Holding[] | undefined> {
  const admin = plainKafka(kafka).admin()
  await admin.connect()
  try {
    const { groups } = await admin.describeGroups([group])
    const [found] = groups
    if (found?.state !== 'Stable') return undefined
    return found.members
      .map(({ memberMetadata, memberAssignment, memberId }) => ({
        worker: decodeSubscription(memberMetadata)?.worker ?? memberId,
        tasks: decodeAssignment(memberAssignment)?.active ?? [],
      }))
      .sort((a, b) => a.worker.localeCompare(b.worker))
  } finally {
    await admin.disconnect()
  }
}

export const partitionsOf = async (log: Log, topics: readonly string[]): Promise<TopicPartition[]> =>
  (
    await Promise.all(
      topics.map(async (topic) => {
        const { partitions } = await describeTopic(log, topic)
        return Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
      }),
    )
  ).flat()

export interface Lag {
  readonly done: number
  readonly left: number
}

export async function lagOf(log: Log, group: string, partitions: readonly TopicPartition[]): Promise<Lag> {
  const [ends, committed] = [await log.listOffsets(partitions, 'end'), await log.committedPositions(group, partitions)]
  const done = committed.reduce<number>((sum, position) => sum + (position ?? 0), 0)
  return { done, left: ends.reduce((sum, end) => sum + end, 0) - done }
}

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
      take: (value) => {
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
