/** How far a group is behind on partitions that it reads. */
import type { GroupView } from '../kafka/group-view.js'
import type { Log, TopicPartition } from '../ports/log.js'

export interface InputLag extends TopicPartition {
  /** The next record to read; undefined where the group has never committed one. */
  readonly committed: number | undefined
  readonly end: number
  /** Records to the end, those that only Kafka sees among them (ends of transactions). */
  readonly lag: number
}

/** In the order given. The topics must exist. */
export async function inputLags(
  log: Pick<Log, 'listOffsets'>,
  view: Pick<GroupView, 'committed'>,
  partitions: readonly TopicPartition[],
): Promise<readonly InputLag[]> {
  // Positions first: ends that are read later are never below them.
  const committed = await view.committed(partitions)
  const ends = await log.listOffsets(partitions, 'end')
  const unread = partitions.filter((_, i) => committed[i] === undefined)
  const starts = new Map((await log.listOffsets(unread, 'earliest')).map((start, i) => [unread[i], start]))
  return partitions.map((partition, i) => {
    const position = committed[i]
    const end = ends[i] ?? 0
    return {
      topic: partition.topic,
      partition: partition.partition,
      committed: position,
      end,
      lag: Math.max(0, end - (position ?? starts.get(partition) ?? 0)),
    }
  })
}
