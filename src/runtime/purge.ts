/**
 * Deletes what was processed from repartition topics: they keep nothing by age, because what is unread must never go (KAFKA-6535),
 * so their readers remove what is behind them (DeleteRecords). One for a worker.
 *
 * Invariants
 * 1. A partition is purged up to a position of a commit that was acknowledged, and never further. A fenced owner's last
 *    acknowledged position is at most that of its successor, so it can't purge too far, however late it comes.
 * 2. By timer, also when nothing is committed any more: a partition that goes quiet ends up empty, also where its owner
 *    changes meanwhile. The position that a task begins at is that of an acknowledged commit.
 * 3. No more than needed: a partition's turn comes when so many records, or records for so long, have gathered.
 */
import { isPotorooError, messageOf } from '../errors.js'
import type { Timer } from '../ports/clock.js'
import type { PartitionPosition } from '../ports/log.js'
import { defaults, type ObservedPorts, type PurgePace } from './options.js'

interface Gathered {
  /** Of the last acknowledged commit. */
  at: PartitionPosition
  /** The first position acknowledged here: below it, another worker may have purged. */
  readonly from: number
  /** Purged up to here; what was purged before this worker had the partition is not known. */
  purged: number
  /** Since when there is something to purge; undefined: nothing. */
  sinceMs: number | undefined
}

export class Purge {
  readonly #partitions = new Map<string, Gathered>()
  #timer: Timer | undefined
  #stopped = false

  constructor(
    private readonly ports: Pick<ObservedPorts, 'log' | 'clock' | 'observer'>,
    private readonly pace: PurgePace = defaults.purge,
  ) {}

  /** A commit with this position was acknowledged, or a task begins at it. */
  acknowledged(at: PartitionPosition): void {
    const name = `${at.topic}-${String(at.partition)}`
    let gathered = this.#partitions.get(name)
    if (gathered === undefined)
      this.#partitions.set(name, (gathered = { at, from: at.position, purged: 0, sinceMs: undefined }))
    // A task that starts there has read nothing yet.
    if (at.position === 0) return
    if (at.position > gathered.at.position) gathered.at = at
    if (gathered.at.position > gathered.purged) gathered.sinceMs ??= this.ports.clock.monotonic()
    if (!this.#stopped) this.#timer ??= this.ports.clock.after(this.pace.lookMs, () => void this.#look())
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  async #look(): Promise<void> {
    const { clock } = this.ports
    const now = clock.monotonic()
    const due = [...this.#partitions.values()].filter(
      ({ at, purged, sinceMs = Infinity }) =>
        at.position - purged >= this.pace.records || now - sinceMs >= this.pace.afterMs,
    )
    if (due.length > 0) await this.#purge(due.map((gathered) => ({ gathered, at: gathered.at })))
    const anyLeft = [...this.#partitions.values()].some(({ sinceMs }) => sinceMs !== undefined)
    this.#timer = anyLeft && !this.#isStopped() ? clock.after(this.pace.lookMs, () => void this.#look()) : undefined
  }

  async #purge(due: readonly { readonly gathered: Gathered; readonly at: PartitionPosition }[]): Promise<void> {
    const { log, clock, observer } = this.ports
    try {
      await log.deleteRecords(due.map(({ at }) => at))
      for (const { gathered, at } of due) {
        const { topic, partition, position } = at
        const records = position - Math.max(gathered.purged, gathered.from)
        observer.observe({ kind: 'purged', topic, partition, position, records })
        gathered.purged = at.position
        gathered.sinceMs = gathered.at.position > at.position ? clock.monotonic() : undefined
      }
    } catch (error) {
      const topics = [...new Set(due.map(({ at }) => at.topic))]
      if (isPotorooError(error, 'NOT_AUTHORIZED')) {
        this.#stopped = true
        observer.observe({ kind: 'purge-forbidden', topics, error: error.message })
        return
      }
      // The next turn tries again; unresponsive brokers are reported by those that need them.
      observer.observe({ kind: 'purge-failed', topics, error: messageOf(error) })
    }
  }

  // A method, so that the compiler forgets what it knew before an await.
  #isStopped(): boolean {
    return this.#stopped
  }
}
