/** Restoring a task's store: the changelog is read from a position to its end, and written to the store in slices. */
import { COMMIT_KEY, decodeCommitRecord, isCommitKey, type CommitRecord } from '../core/commit-record.js'
import { RecordCursor } from '../core/records.js'
import { PotorooError } from '../errors.js'
import type { Fetched, Fetcher, FetchInput } from '../ports/log.js'
import type { StateStore, StoreChange } from '../ports/store.js'
import type { Ports } from './options.js'

export interface ReplayPlan {
  readonly topic: string
  readonly partition: number
  readonly from: number
  /** The end, exclusive, as listed after fencing: what lies behind it is not this activation's. */
  readonly end: number
  /** What the store says of itself; undefined for an empty one. */
  readonly store: { readonly identity: string; readonly atEndMs: number } | undefined
}

export interface Replayed {
  /** State objects' records, commit records not counted. */
  readonly records: number
  readonly bytes: number
  /** The last commit record and its position; undefined when the changelog has none. */
  readonly commit: (CommitRecord & { readonly position: number }) | undefined
}

/** The store is of another changelog. */
export class IdentityMismatch extends Error {
  override readonly name = 'IdentityMismatch'
}

const SLICE_BYTES = 4 * 1024 * 1024
/** After which wait it is said for whom. */
const COMPLAIN_MS = 1000

/**
 * Reads read-committed up to `end`, waiting for open transactions below it, and applies the records to the store.
 * Rejects with IdentityMismatch, OFFSET_OUT_OF_RANGE, or what the log or the store throw; when `signal` is aborted, with
 * its reason.
 */
export function replay(
  plan: ReplayPlan,
  store: StateStore,
  fetcher: Fetcher,
  { clock, logger }: Pick<Ports, 'clock' | 'logger'>,
  signal: AbortSignal,
): Promise<Replayed> {
  const cursor = new RecordCursor()
  const { topic, partition, end } = plan
  let position = plan.from
  let commit: (CommitRecord & { position: number }) | undefined
  let records = 0
  let bytes = 0
  let slice: StoreChange[] = []
  let sliceBytes = 0
  let writing: Promise<void> | undefined
  let verified = plan.store === undefined
  let done = false

  return new Promise((resolve, reject) => {
    const complaint = clock.after(COMPLAIN_MS, () => {
      logger.info(
        { topic, partition, position, end },
        'restoring: still reading the changelog, or waiting for a transaction on it to end',
      )
    })
    const input: FetchInput = {
      topic,
      partition,
      wanted: () => (sliceBytes > SLICE_BYTES && writing !== undefined ? undefined : position),
      hurried: () => false,
      deliver: (fetched) => {
        try {
          if (fetched.position === position) take(fetched)
        } catch (error) {
          finish(error)
        }
      },
      failed: (error) => {
        finish(error)
      },
    }
    const onAbort = (): void => {
      finish(signal.reason)
    }
    signal.addEventListener('abort', onAbort)
    if (signal.aborted) onAbort()
    else if (position >= end) finish(undefined)
    else fetcher.add(input)

    function take(fetched: Fetched): void {
      for (const batch of fetched.batches) {
        cursor.open(batch)
        while (cursor.next()) {
          if (cursor.offset < position) continue
          if (cursor.offset >= end) break
          takeRecord()
        }
      }
      position = Math.min(fetched.nextPosition, Math.max(end, position))
      bytes += fetched.bytes
      if (position >= end) finish(undefined)
      else if (sliceBytes > SLICE_BYTES) void writeSlice()
    }

    function takeRecord(): void {
      const { buffer, keyStart, keyEnd, valueStart, valueEnd, offset } = cursor
      if (isCommitKey(buffer, keyStart, keyEnd)) {
        if (valueStart < 0) return
        const found = decodeCommitRecord(
          buffer.subarray(valueStart, valueEnd),
          `${topic}, partition ${String(partition)}, offset ${String(offset)}`,
        )
        if (plan.store !== undefined && found.identity !== plan.store.identity)
          throw new IdentityMismatch(
            `its changelog has the identity ${plan.store.identity}, this one ${found.identity}`,
          )
        verified = true
        commit = { ...found, position: offset }
        return
      }
      // The first record that a store's position points at is a commit record, unless the changelog is another.
      if (!verified) throw new IdentityMismatch('there is no commit record of this changelog at its position')
      records++
      slice.push({
        key: Buffer.from(buffer.subarray(keyStart, keyEnd)),
        value: valueStart < 0 ? undefined : Buffer.from(buffer.subarray(valueStart, valueEnd)),
      })
      sliceBytes += keyEnd - keyStart + (valueStart < 0 ? 0 : valueEnd - valueStart)
    }

    /** Up to here the store has it; its position stays that of a commit record, so that the next replay can verify it. */
    async function writeSlice(): Promise<void> {
      if (writing !== undefined) return
      const changes = slice
      slice = []
      sliceBytes = 0
      // Without a commit record there is no position to name: the next restart begins where this one did.
      const meta = commit && {
        changelogPosition: commit.position,
        identity: commit.identity,
        inputPositions: commit.positions,
        atEndMs: plan.store?.atEndMs ?? clock.now(),
      }
      writing = store.write(changes, meta)
      try {
        await writing
      } catch (error) {
        finish(error)
        return
      }
      writing = undefined
      if (sliceBytes > SLICE_BYTES) await writeSlice()
      fetcher.wake()
    }

    function finish(error: unknown): void {
      if (done) return
      done = true
      complaint.cancel()
      signal.removeEventListener('abort', onAbort)
      fetcher.remove(input)
      if (error !== undefined) {
        reject(
          error instanceof Error
            ? error
            : new PotorooError('INTERNAL', 'restoring ended without a reason', { cause: error }),
        )
        return
      }
      lastSlice().then(resolve, reject)
    }

    async function lastSlice(): Promise<Replayed> {
      await writing
      if (commit !== undefined)
        await store.write(slice, {
          changelogPosition: commit.position,
          identity: commit.identity,
          inputPositions: commit.positions,
          atEndMs: clock.now(),
        })
      else if (slice.length > 0)
        throw new PotorooError(
          'CHANGELOG_UNFIT',
          `${topic}, partition ${String(partition)} has records, but no commit record under the reserved key ${COMMIT_KEY.toString('hex')}: it is no changelog of Potoroo`,
        )
      return { records, bytes, commit }
    }
  })
}
