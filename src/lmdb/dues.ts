/**
 * The index of what falls due, as an LMDB database of its own beside the objects. What an entry says is in its key:
 *
 *     Key => Clock(1) Due(8) StoreKey       Clock: 0 the task's time, 1 the wall clock; Due: ms since the epoch, big-endian
 *
 * and one more, COMPLETE, which says that all that was there when the index was made is in it.
 */
import type { Database, RootDatabase } from 'lmdb'
import { bytesOf, byteString, type ByteString } from '../core/records/byte-string.js'
import {
  ReplayedDues,
  type ClockedEntry,
  type DueChanges,
  type DueClock,
  type DueEntry,
} from '../core/state/due-index.js'
import { hasTimes } from '../core/state/header.js'
import { storeKeys, type StoreKey } from './changes.js'

export const DUES = 'dues'

const COMPLETE: ByteString = '\u00ff'
const PRESENT = Uint8Array.of(1)
const CLOCK_BYTES: Readonly<Record<DueClock, string>> = { time: '\u0000', wall: '\u0001' }
const HEAD_BYTES = 9

export class Dues {
  private constructor(private readonly database: Database<Uint8Array, StoreKey>) {}

  /** Makes it from the objects that are there, where there is none, or where it is not complete. */
  static async open(
    root: RootDatabase<Uint8Array, Uint8Array>,
    objects: Database<Uint8Array, StoreKey>,
  ): Promise<Dues> {
    const byteStrings = { encoding: 'binary', keyEncoder: storeKeys } as const
    const database = root.openDB<Uint8Array, StoreKey>(DUES, byteStrings)
    const dues = new Dues(database)
    if (database.getBinary(COMPLETE) !== undefined) return dues
    const found = new ReplayedDues()
    for (const { key, value } of objects.getRange()) {
      const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
      if (typeof key === 'string' && hasTimes(bytes, 0, bytes.length)) found.add(key, undefined, bytes)
    }
    const all = found.take()
    await database.batch(() => {
      if (all !== undefined) dues.putAll([all])
      void database.put(COMPLETE, PRESENT)
    })
    return dues
  }

  /** Within a batch. */
  putAll(changes: readonly DueChanges[]): void {
    for (const { put } of changes) for (const entry of put) void this.database.put(keyOf(entry.clock, entry), PRESENT)
  }

  /** Within a batch. An entry that a later one of the changes puts again stays. */
  removeAll(changes: readonly DueChanges[]): void {
    for (const [i, { remove }] of changes.entries()) {
      const later = new Set(changes.slice(i + 1).flatMap(({ put }) => put.map((entry) => keyOf(entry.clock, entry))))
      for (const entry of remove) {
        const key = keyOf(entry.clock, entry)
        if (!later.has(key)) void this.database.remove(key)
      }
    }
  }

  /** LMDB knows how many it has. */
  size(): number {
    const { entryCount } = this.database.getStats() as { readonly entryCount: number }
    return Math.max(0, entryCount - 1)
  }

  read(clock: DueClock, after: DueEntry | undefined, most: number): readonly DueEntry[] {
    const first = CLOCK_BYTES[clock]
    const start = after === undefined ? first : keyOf(clock, after)
    const found: DueEntry[] = []
    for (const key of this.database.getKeys({ start, limit: most + 1 })) {
      if (typeof key !== 'string' || !key.startsWith(first)) break
      if (key === start) continue
      found.push(entryOf(key))
      if (found.length === most) break
    }
    return found
  }
}

function keyOf(clock: DueClock, { dueMs, key }: Omit<ClockedEntry, 'clock'>): ByteString {
  const head = Buffer.allocUnsafe(HEAD_BYTES - 1)
  head.writeBigUInt64BE(BigInt(dueMs))
  return CLOCK_BYTES[clock] + byteString(head) + key
}

const entryOf = (key: ByteString): DueEntry => ({
  dueMs: Number(bytesOf(key.slice(1, HEAD_BYTES)).readBigUInt64BE()),
  key: key.slice(HEAD_BYTES),
})
