/**
 * Who leads which partition, since which epoch (KIP-320), and what the leader before goes on to say.
 *
 * Invariants
 * 1. Each election has a higher epoch. A leader refuses every request of another epoch than its own; -1 is taken as any.
 * 2. A leader that was replaced and does not know it answers from its log as it was then: nothing that was acknowledged
 *    later is in it, and what it is asked to append is never acknowledged.
 * 3. The new leader knows at first only a high watermark of some time ago. It has all records that were acknowledged, shows
 *    none above it, and says OFFSET_NOT_AVAILABLE when it is asked where its log ends. What is appended takes the high
 *    watermark on.
 */
import { BrokerError } from './broker-error.js'
import { partitionKey } from './network.js'
import type { PartitionLog, ReadResult } from './partition.js'
import type { Scheduler } from './scheduler.js'
import type { TopicPartition } from '../ports/log.js'

export interface Leadership {
  readonly leader: number
  readonly epoch: number
}

export interface Move {
  readonly to: number
  /** For how long the leader before takes itself for the leader, ms. */
  readonly staleMs: number
  /** For how long every other client that asks is told the leader before, ms: it asks a broker that has not heard of it. */
  readonly spreadMs: number
  /** After how long the leader before gives up what it is asked to append, ms; at the latest when it learns of the election. */
  readonly refusesAfterMs: number
  /** For how long the new leader's high watermark lags, ms, unless something is appended. */
  readonly lagMs: number
  /** By how many batches it lags. */
  readonly hidden: number
}

/** What a broker reads from. */
export interface ServedLog {
  readonly logStart: number
  readonly logEnd: number
  readonly highWatermark: number
  readonly lastStableOffset: number
  /** False while the high watermark is known to lag. */
  readonly knowsItsEnd: boolean
  read(position: number, maxBytes: number): ReadResult
  watch(call: () => void): () => void
}

interface Former extends Leadership {
  readonly untilMs: number
  readonly refusesAfterMs: number
  readonly log: ServedLog
}
interface Moved {
  readonly current: Leadership
  /** Those that don't know that they were replaced. */
  readonly former: readonly Former[]
  /** What some are told still, until then. */
  readonly before: Leadership
  readonly beforeUntilMs: number
}

export class Leaders {
  readonly #moved = new Map<string, Moved>()

  constructor(
    private readonly scheduler: Scheduler,
    /** Who leads a partition from the beginning. */
    private readonly first: (of: TopicPartition) => number,
  ) {}

  now(of: TopicPartition): Leadership {
    return this.#moved.get(partitionKey(of))?.current ?? { leader: this.first(of), epoch: 0 }
  }

  /** What a client is told that asks. */
  told(of: TopicPartition, client: string): Leadership {
    const moved = this.#moved.get(partitionKey(of))
    if (moved === undefined) return this.now(of)
    const { current, before, beforeUntilMs } = moved
    const asksLate = this.scheduler.elapsedMs < beforeUntilMs && isOdd(client, current.epoch)
    return asksLate ? before : current
  }

  move(of: TopicPartition, log: PartitionLog, { to, staleMs, spreadMs, refusesAfterMs, lagMs, hidden }: Move): void {
    const { elapsedMs } = this.scheduler
    const before = this.now(of)
    const { former = [] } = this.#moved.get(partitionKey(of)) ?? {}
    const replaced: Former = { ...before, untilMs: elapsedMs + staleMs, refusesAfterMs, log: frozen(log) }
    this.#moved.set(partitionKey(of), {
      current: { leader: to, epoch: before.epoch + 1 },
      // A broker that leads again knows everything.
      former: [replaced, ...former].filter(({ leader, untilMs }) => leader !== to && untilMs > elapsedMs),
      before,
      beforeUntilMs: elapsedMs + spreadMs,
    })
    log.hide(hidden)
    this.scheduler.after(undefined, lagMs, () => {
      if (this.now(of).epoch === before.epoch + 1) log.catchUp()
    })
  }

  /** What that broker answers from. Throws BrokerError. `epoch`: what the client takes for the current one. */
  serving(of: TopicPartition, log: PartitionLog, broker: number, epoch: number): ServedLog {
    const current = this.now(of)
    const former = this.#former(of, broker)
    const held = current.leader === broker ? current : former
    if (held === undefined) throw new BrokerError('NOT_LEADER_OR_FOLLOWER', partitionKey(of))
    if (epoch >= 0 && epoch < held.epoch) throw new BrokerError('FENCED_LEADER_EPOCH', partitionKey(of))
    if (epoch > held.epoch) throw new BrokerError('UNKNOWN_LEADER_EPOCH', partitionKey(of))
    return held === former ? former.log : log
  }

  /** What a broker that takes itself for the leader does with records: append them, or give up after so many ms. */
  takes(of: TopicPartition, broker: number): 'records' | { readonly givesUpAfterMs: number } | undefined {
    if (this.now(of).leader === broker) return 'records'
    const former = this.#former(of, broker)
    const { elapsedMs } = this.scheduler
    return former && { givesUpAfterMs: Math.min(former.refusesAfterMs, former.untilMs - elapsedMs) }
  }

  forget(of: TopicPartition): void {
    this.#moved.delete(partitionKey(of))
  }

  #former(of: TopicPartition, broker: number): Former | undefined {
    const { former = [] } = this.#moved.get(partitionKey(of)) ?? {}
    return former.find(({ leader, untilMs }) => leader === broker && this.scheduler.elapsedMs < untilMs)
  }
}

const isOdd = (client: string, epoch: number): boolean =>
  Buffer.from(client).reduce((sum, byte) => sum + byte, epoch) % 2 === 1

/** The log as it is now, whatever is appended to it later. */
function frozen(log: PartitionLog): ServedLog {
  const { logStart, highWatermark, lastStableOffset, knowsItsEnd } = log
  return {
    logStart,
    logEnd: highWatermark,
    highWatermark,
    lastStableOffset,
    knowsItsEnd,
    read: (position, maxBytes) => log.read(position, maxBytes, lastStableOffset),
    watch: () => () => undefined,
  }
}
