/** What a person wants to see of a running group: who owns what, how far it is, what came out. All of it read from Kafka. */
import type { GroupView } from '../../kafka/group-view.js'
import type { Rejection } from '#topics/rejections.js'
import type { Log, TopicPartition } from '../../ports/log.js'
import { describeTopic } from '../connection.js'
import { inputLags } from '../lag.js'
import { Tail } from '../tailing.js'

export interface Holding {
  readonly worker: string
  readonly tasks: readonly string[]
}

/** Who owns which tasks; undefined while the group rebalances, because then it says nothing. */
export async function holdings(view: GroupView): Promise<readonly Holding[] | undefined> {
  const { state, members } = await view.describe()
  if (state !== 'stable') return undefined
  return members
    .map(({ memberId, info, assignment }) => ({ worker: info?.worker ?? memberId, tasks: assignment?.active ?? [] }))
    .sort((a, b) => a.worker.localeCompare(b.worker))
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

export async function lagOf(log: Log, view: GroupView, partitions: readonly TopicPartition[]): Promise<Lag> {
  const inputs = await inputLags(log, view, partitions)
  return {
    done: inputs.reduce((sum, { committed }) => sum + (committed ?? 0), 0),
    left: inputs.reduce((sum, { lag }) => sum + lag, 0),
  }
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
