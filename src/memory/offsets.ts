/** Committed positions of consumer groups. Those of an open transaction are pending: seen by nobody before its commit. */

export class GroupOffsets {
  readonly #committed = new Map<string, number>()
  /** Partitions whose position was set by hand. */
  readonly #byHand = new Set<string>()
  /** By producer, then by partition. */
  readonly #pending = new Map<number, Map<string, number>>()

  get(partition: string): number | undefined {
    return this.#committed.get(partition)
  }

  set(partition: string, position: number): void {
    this.#committed.set(partition, position)
    this.#byHand.add(partition)
  }

  isInTransaction(partition: string): boolean {
    return this.#committed.has(partition) && !this.#byHand.has(partition)
  }

  /** What is pending stays so. */
  clear(): void {
    this.#committed.clear()
  }

  isPending(partition: string): boolean {
    for (const positions of this.#pending.values()) if (positions.has(partition)) return true
    return false
  }

  pend(producerId: number, positions: ReadonlyMap<string, number>): void {
    const pending = this.#pending.get(producerId)
    if (pending === undefined) this.#pending.set(producerId, new Map(positions))
    else for (const [partition, position] of positions) pending.set(partition, position)
  }

  mark(producerId: number, kind: 'commit' | 'abort'): void {
    if (kind === 'commit') {
      for (const [partition, position] of this.#pending.get(producerId) ?? []) {
        this.#committed.set(partition, position)
        this.#byHand.delete(partition)
      }
    }
    this.#pending.delete(producerId)
  }
}
