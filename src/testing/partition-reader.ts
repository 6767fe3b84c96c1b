/**
 * Follows one partition of the in-memory cluster, read-committed: as far as its transactions are decided, and no
 * further.
 */
import { RecordCursor } from '../core/records/records.js'
import type { PartitionLog } from '../memory/partition.js'

export class PartitionReader {
  #position = 0
  readonly #cursor = new RecordCursor()

  constructor(readonly partition: PartitionLog) {}

  /** Calls `take` with the cursor on each record since the last time. If it throws, that record is read again. */
  read(take: (cursor: RecordCursor) => void): void {
    const cursor = this.#cursor
    for (;;) {
      const { batches, nextPosition } = this.partition.read(this.#position, Infinity)
      for (const batch of batches) {
        cursor.open(batch)
        while (cursor.next()) {
          if (cursor.offset < this.#position) continue
          take(cursor)
          this.#position = cursor.offset + 1
        }
      }
      if (nextPosition <= this.#position) return
      this.#position = nextPosition
    }
  }
}
