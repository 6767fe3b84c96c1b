/** What one client knows of leaders: as of when it asked last, and never older than what it knew before (KIP-320). */
import { BrokerError, isBrokerError } from './broker-error.js'
import { partitionKey } from './network.js'
import type { Brokers } from './brokers.js'
import type { Leadership } from './leaders.js'
import type { TopicPartition } from '../ports/log.js'

export class LeaderCache {
  readonly #known = new Map<string, Leadership>()
  /** Of each partition, of each topic that had its name, the newest epoch seen. */
  readonly #newest = new Map<string, number>()

  constructor(
    private readonly cluster: Brokers,
    private readonly client: string,
  ) {}

  /** Throws BrokerError while only a leader is told that is known to be replaced. */
  of(partition: TopicPartition): Leadership {
    const key = partitionKey(partition)
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const { topicId, ...told } = this.cluster.leaderTold(partition, this.client)
    const id = `${String(topicId)} ${key}`
    if (told.epoch < (this.#newest.get(id) ?? 0))
      throw new BrokerError('NOT_LEADER_OR_FOLLOWER', `${key}: old metadata`)
    this.#newest.set(id, told.epoch)
    this.#known.set(key, told)
    return told
  }

  forget(partition: TopicPartition): void {
    this.#known.delete(partitionKey(partition))
  }

  /** After a failure: asks again if it may be that another leads now. */
  noteFailure(partition: TopicPartition, error: unknown): void {
    if (isBrokerError(error, ...moved)) this.forget(partition)
  }
}

const moved = ['CONNECTION_LOST', 'NOT_LEADER_OR_FOLLOWER', 'FENCED_LEADER_EPOCH', 'UNKNOWN_LEADER_EPOCH'] as const
