/** What everybody can read in the simulated cluster's topics: committed records, in their order. */
import { byteString, type ByteString } from '../../src/core/records/byte-string.js'
import { decodeCommitRecord, isCommitKey, type CommitRecord } from '../../src/core/commit/commit-record.js'
import { RecordCursor } from '../../src/core/records/records.js'
import type { PartitionLog } from '../../src/memory/partition.js'

export interface SeenRecord {
  readonly offset: number
  readonly key: string
  readonly value: string
}

/** Follows one partition, read-committed. */
export class PartitionView {
  position = 0
  readonly #cursor = new RecordCursor()

  constructor(
    private readonly partition: PartitionLog,
    private readonly take: (cursor: RecordCursor) => void,
  ) {}

  update(): void {
    for (;;) {
      const { batches, nextPosition } = this.partition.read(this.position, Infinity)
      if (nextPosition === this.position) return
      for (const batch of batches) {
        this.#cursor.open(batch)
        while (this.#cursor.next()) if (this.#cursor.offset >= this.position) this.take(this.#cursor)
      }
      this.position = nextPosition
    }
  }
}

export function recordsOf(partition: PartitionLog): SeenRecord[] {
  const records: SeenRecord[] = []
  new PartitionView(partition, ({ buffer, offset, keyStart, keyEnd, valueStart, valueEnd }) => {
    records.push({
      offset,
      key: buffer.toString('utf8', keyStart, keyEnd),
      value: buffer.toString('utf8', valueStart, valueEnd),
    })
  }).update()
  return records
}

/** What a changelog gives each key after the commit record at that position, one value after the other. */
export function valuesAfter(
  position: number,
  partition: PartitionLog,
  upTo: 'the next commit record' | 'the end',
): ReadonlyMap<ByteString, readonly unknown[]> {
  const values = new Map<ByteString, unknown[]>()
  let isOver = false
  new PartitionView(partition, ({ buffer, keyStart, keyEnd, valueStart, valueEnd, offset }) => {
    if (offset <= position || isOver) return
    if (isCommitKey(buffer, keyStart, keyEnd)) {
      isOver = upTo === 'the next commit record'
      return
    }
    const key = byteString(buffer, keyStart, keyEnd)
    const value = valueStart < 0 ? undefined : byteString(buffer, valueStart, valueEnd)
    values.set(key, [...(values.get(key) ?? []), value])
  }).update()
  return values
}

/** Follows a changelog: what a store that has all of it holds, and where its inputs stand. */
export class ChangelogView {
  readonly values = new Map<ByteString, ByteString>()
  commit: CommitRecord | undefined
  /** Position of the last commit record. */
  commitPosition = -1
  readonly problems: string[] = []
  readonly #view: PartitionView

  constructor(
    private readonly name: string,
    partition: PartitionLog,
    /** Where to stop, exclusive. */
    end = Infinity,
  ) {
    this.#view = new PartitionView(partition, (cursor) => {
      if (cursor.offset < end) this.#take(cursor)
    })
  }

  update(): void {
    this.#view.update()
  }

  #take({ buffer, keyStart, keyEnd, valueStart, valueEnd, offset }: RecordCursor): void {
    if (isCommitKey(buffer, keyStart, keyEnd)) {
      const commit = decodeCommitRecord(buffer.subarray(valueStart, valueEnd), this.name)
      const before = this.commit
      if (before !== undefined && before.identity !== commit.identity)
        this.problems.push(`${this.name}: its identity changed`)
      for (const [topic, position] of Object.entries(before?.positions ?? {}))
        if ((commit.positions[topic] ?? 0) < position)
          this.problems.push(
            `${this.name}: the position of ${topic} went back from ${String(position)} to ${String(commit.positions[topic])}`,
          )
      this.commit = commit
      this.commitPosition = offset
      return
    }
    const key = byteString(buffer, keyStart, keyEnd)
    if (valueStart < 0) this.values.delete(key)
    else this.values.set(key, byteString(buffer, valueStart, valueEnd))
  }
}
