/** The state store: what the runtime needs of LMDB. One store per task, in the worker's state directory. */

import type { ByteString } from '../core/records/byte-string.js'
import type { Changes } from '../core/state/changes.js'
import type { DueChanges, DueClock, DueEntry } from '../core/state/due-index.js'
import type { Snapshot } from './peers.js'

export interface StoreMeta {
  /** Position in the changelog up to which the store holds its records. */
  readonly changelogPosition: number
  /** The changelog's identity: a random id that its first transaction wrote. */
  readonly identity: string
  /** Positions of the inputs as of changelogPosition, by topic. */
  readonly inputPositions: Readonly<Record<string, number>>
  /** When the store was last known to be at the changelog's end, ms since the epoch. */
  readonly atEndMs: number
}

export interface StateStore {
  meta(): StoreMeta | undefined
  /** What is stored under the key; undefined when nothing is. Synchronous: the hot path reads cold objects here. Keys up to 1,970 bytes. */
  get(key: ByteString): ByteString | undefined
  /**
   * Goes over what is stored under keys in [from, before), in the order of their bytes, as of one moment, until `take` returns false.
   * Synchronous; `value` is to be copied, and nothing of the store is to be called meanwhile.
   */
  scan(from: ByteString, before: ByteString, take: (key: ByteString, value: Uint8Array) => boolean): void
  /**
   * Applies all of it, the meta with the last of it; resolves when a later open in any process sees it. meta undefined
   * leaves it as it is. Writes are applied in the order of the calls, and the changes in theirs; they are not to be altered
   * any more. Whoever ends in the middle leaves some of the changes, with the meta that was before. Rejects with
   * STORE_FAILED (a full disk, say): so it is then, too, and the store takes no write until it is opened anew, for a later
   * one would leave a gap. `dues`: what becomes of the index of what falls due; entries are put with the first of the
   * changes, and removed with the last.
   */
  write(changes: readonly Changes[], meta: StoreMeta | undefined, dues?: DueChanges): Promise<void>
  /**
   * Entries of the index by that clock, in their order, behind one of them, or from the first; so many at most. None where the
   * store has no index.
   */
  dues(clock: DueClock, after: DueEntry | undefined, most: number): readonly DueEntry[]
  /** Whether it has an index of what falls due. */
  readonly hasDues: boolean
  /** How many entries that has; 0 where there is none, or the store is closed. Not counted one by one. */
  duesSize(): number
  /** Number of stored objects. */
  size(): number
  /** What they take on disk. */
  bytes(): number
  /** Waits for writes under way. */
  close(): Promise<void>
}

/** The stores of one worker, under its lock. */
export interface StateStores {
  /** Where they are, for messages. */
  readonly directory: string
  /**
   * Opens or creates. Rejects with STORE_DAMAGED (not LMDB, of another application, truncated) or STORE_FAILED. `dues`: whether
   * it is to have an index of what falls due; it is made from what is there, where there is none. One that is there is kept.
   */
  open(task: string, options?: { readonly dues: boolean }): Promise<StateStore>
  /** Moves the store out of the way (kept beside it until the next discard of this task) so that `open` creates it anew. */
  discard(task: string): Promise<void>
  /**
   * A consistent copy of an open store, as it is now; writes go on meanwhile. The copy is bounded in time and is made
   * beside the store, so that no reader pins it. Rejects with STORE_FAILED.
   */
  snapshot(task: string): Promise<Snapshot>
  /**
   * Takes a copy as the task's store: into a new directory first, checked, and swapped in only whole. The task's store
   * must not be open; what was there before is discarded. Rejects with STORE_DAMAGED when it is no store of Potoroo's,
   * STORE_FAILED, or what the chunks throw; then nothing has changed. `signal` aborts it at any time before the swap.
   */
  adopt(task: string, snapshot: Snapshot, signal: AbortSignal): Promise<void>
  /** What this worker wrote down under a name, to read after a restart; small. */
  readNote(name: string): string | undefined
  writeNote(name: string, text: string): void
  /** Closes what is open and gives the lock back. */
  close(): Promise<void>
}
