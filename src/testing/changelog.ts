/** A sub-topology's changelog, as a driver follows it: what is committed of its state objects. */
import { decodeCommitRecord, isCommitKey, type CommitRecord } from '../core/commit-record.js'
import { storeKeyOf } from '../core/state-table.js'
import type { PartitionLog } from '../memory/partition.js'
import { PartitionReader } from './partition-reader.js'

interface Followed {
  readonly reader: PartitionReader
  commit: CommitRecord | undefined
}

export class Changelog {
  /** Packed, by store key in latin1. A key lies in one partition alone. */
  readonly #values = new Map<string, Buffer>()
  readonly #partitions: readonly Followed[]

  constructor(
    readonly topic: string,
    partitions: readonly PartitionLog[],
  ) {
    this.#partitions = partitions.map((partition) => ({ reader: new PartitionReader(partition), commit: undefined }))
  }

  get(stateObject: string, key: string): Buffer | undefined {
    this.#update()
    return this.#values.get(storeKeyOf(stateObject, Buffer.from(key)).toString('latin1'))
  }

  /** Keys in the order in which they came to be. */
  entries(stateObject: string): [key: string, bytes: Buffer][] {
    this.#update()
    const prefix = storeKeyOf(stateObject, Buffer.alloc(0)).toString('latin1')
    return [...this.#values].flatMap(([storeKey, bytes]) =>
      storeKey.startsWith(prefix) ? [[Buffer.from(storeKey.slice(prefix.length), 'latin1').toString(), bytes]] : [],
    )
  }

  /** The last commit record of a partition. */
  commit(partition: number): CommitRecord | undefined {
    this.#update()
    return this.#partitions[partition]?.commit
  }

  #update(): void {
    for (const followed of this.#partitions)
      followed.reader.read(({ buffer, keyStart, keyEnd, valueStart, valueEnd }) => {
        if (isCommitKey(buffer, keyStart, keyEnd)) {
          followed.commit = decodeCommitRecord(buffer.subarray(valueStart, valueEnd), this.topic)
          return
        }
        const storeKey = buffer.toString('latin1', keyStart, keyEnd)
        if (valueStart < 0) this.#values.delete(storeKey)
        else this.#values.set(storeKey, Buffer.from(buffer.subarray(valueStart, valueEnd)))
      })
  }
}
