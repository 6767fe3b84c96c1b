/** Committed positions of consumer groups. Those of an open transaction are pending: seen by nobody before its commit. */
import type { CommittedOffset } from '../ports/log.js'

export class GroupOffsets {
  readonly #committed = new Map<string, CommittedOffset>()
  /** By producer, then by partition. */
  readonly #pending = new Map<number, Map<string, CommittedOffset>>()

  get(partition: string): number | undefined {
    return this.#committed.get(partition)?.position
  }

  committed(partition: string): CommittedOffset | undefined {
    return this.#committed.get(partition)
  }

  /** Without a note, as the tools of operators do. */
  set(partition: string, position: number): void {
    this.#committed.set(partition, { position, note: '' })
  }

  /** What is pending stays so. */
  clear(): void {
    this.#committed.clear()
  }

  delete(partition: string): void {
    this.#committed.delete(partition)
  }

  isPending(partition: string): boolean {
    for (const positions of this.#pending.values()) if (positions.has(partition)) return true
    return false
  }

  pend(producerId: number, positions: ReadonlyMap<string, CommittedOffset>): void {
    const pending = this.#pending.get(producerId)
    if (pending === undefined) this.#pending.set(producerId, new Map(positions))
    else for (const [partition, position] of positions) pending.set(partition, position)
  }

  mark(producerId: number, kind: 'commit' | 'abort'): void {
    if (kind === 'commit') {
      for (const [partition, position] of this.#pending.get(producerId) ?? []) this.#committed.set(partition, position)
    }
    this.#pending.delete(producerId)
  }
}
