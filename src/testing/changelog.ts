/** A sub-topology's changelog, as a driver follows it: the committed state objects. */
import { decodeCommitRecord, isCommitKey, type CommitRecord } from '../core/commit/commit-record.js'
import { byteString, bytesOf, type ByteString } from '../core/records/byte-string.js'
import { CLOCKS, nextDueOf, timesOf } from '../core/state/due-index.js'
import { NO_TIMES, type Times } from '../core/state/header.js'
import { storeKeyOf } from '../core/state/store-key.js'
import type { PartitionLog } from '../memory/partition.js'
import { PartitionReader } from './partition-reader.js'

interface Followed {
  readonly reader: PartitionReader
  commit: CommitRecord | undefined
}

const behindMsOf = ({ commit }: Followed): number => Math.max(0, ...Object.values(commit?.time?.behind ?? {}))

export class Changelog {
  /** Packed, by store key. A key is in one partition only. */
  readonly #values = new Map<ByteString, ByteString>()
  /** Of those that have timers. */
  readonly #timed = new Map<ByteString, { readonly times: Times; readonly followed: Followed }>()
  readonly #partitions: readonly Followed[]

  constructor(
    readonly topic: string,
    partitions: readonly PartitionLog[],
  ) {
    this.#partitions = partitions.map((partition) => ({ reader: new PartitionReader(partition), commit: undefined }))
  }

  get(stateObject: string, key: string): ByteString | undefined {
    this.#update()
    return this.#values.get(storeKeyOf(stateObject, key))
  }

  /** Keys in the order in which they first appeared. */
  entries(stateObject: string): [key: string, packed: ByteString][] {
    this.#update()
    const prefix = storeKeyOf(stateObject, '')
    return [...this.#values].flatMap(([storeKey, packed]) =>
      storeKey.startsWith(prefix) ? [[bytesOf(storeKey.slice(prefix.length)).toString(), packed]] : [],
    )
  }

  /** By how much the last message was older than allowed: if the past is piped, the clock advances time from there. */
  get behindMs(): number {
    this.#update()
    return Math.max(0, ...this.#partitions.map(behindMsOf))
  }

  /**
   * Whether something of a state object is due at that time or before, by the clock. `leastBehindMs`: how old its
   * messages are.
   */
  hasDue(atMs: number, leastBehindMs = 0): boolean {
    this.#update()
    return [...this.#timed.values()].some(({ times, followed }) => {
      const behindMs = Math.max(leastBehindMs, behindMsOf(followed))
      return CLOCKS.some(
        (clock) => (nextDueOf(times, clock)?.dueMs ?? Infinity) <= atMs - (clock === 'time' ? behindMs : 0),
      )
    })
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
        const storeKey = byteString(buffer, keyStart, keyEnd)
        if (valueStart < 0) this.#values.delete(storeKey)
        else this.#values.set(storeKey, byteString(buffer, valueStart, valueEnd))
        const times = valueStart < 0 ? NO_TIMES : timesOf(buffer, valueStart, valueEnd)
        if (times === NO_TIMES) this.#timed.delete(storeKey)
        else this.#timed.set(storeKey, { times, followed })
      })
  }
}
