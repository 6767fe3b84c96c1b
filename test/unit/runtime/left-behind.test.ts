/** A store that its reader brings on, and for how long that may be away (changelog reader, invariant 3). */
import { describe, expect, it } from 'vitest'
import { COMMIT_KEY, encodeCommitRecord } from '../../../src/core/commit/commit-record.js'
import type { Clock } from '../../../src/ports/clock.js'
import type { FetchInput } from '../../../src/ports/log.js'
import type { StateStore, StoreMeta } from '../../../src/ports/store.js'
import { ChangelogReader, StoreLeftBehind } from '../../../src/runtime/changelog-reader.js'
import { batchOf, fetchedOf } from '../../support/records.js'
import { silentObserver } from '../../support/silent-logger.js'

const RETENTION_MS = 3_600_000
const START_MS = 1_000_000_000_000

/** A reader of a changelog on clocks that the test sets, for a store that was at the end then, or is empty; up to an end, or for ever. */
function follow(atEndMs?: number, end?: number) {
  let [wallMs, monotonicMs] = [START_MS, 0]
  const clock: Clock = {
    now: () => wallMs,
    monotonic: () => monotonicMs,
    after: () => ({ cancel: () => undefined }),
    soon: () => undefined,
  }
  let meta: StoreMeta | undefined =
    atEndMs === undefined ? undefined : { changelogPosition: 0, identity: 'i', inputPositions: {}, atEndMs }
  const store: StateStore = {
    meta: () => meta,
    get: () => undefined,
    scan: () => undefined,
    write: (_, next) => {
      meta = next ?? meta
      return Promise.resolve()
    },
    hasDues: false,
    dues: () => [],
    duesSize: () => 0,
    size: () => 0,
    bytes: () => 0,
    close: () => Promise.resolve(),
  }
  let input: FetchInput | undefined
  const failures: Error[] = []
  const reader = new ChangelogReader(
    { topic: 'c', partition: 0, subTopology: 's', from: 0, end, deleteRetentionMs: RETENTION_MS },
    store,
    { add: (added) => (input = added), remove: () => undefined, wake: () => undefined, close: () => Promise.resolve() },
    { clock, observer: silentObserver },
    { failed: (error) => failures.push(error) },
  )
  reader.start()
  let position = 0
  return {
    failures,
    /** Both clocks go on; the wall clock alone where the machine sleeps, the other alone where it is set back. */
    pass: (ms: number, clocks: 'both' | 'wall' | 'monotonic' = 'both'): void => {
      if (clocks !== 'monotonic') wallMs += ms
      if (clocks !== 'wall') monotonicMs += ms
    },
    ask: (): void => void input?.wanted(),
    /** One commit comes, with which the reader has all there is, unless there is more behind it. */
    commitComes: async (behind = 0): Promise<void> => {
      const value = encodeCommitRecord({ identity: 'i', positions: {}, by: 'w', atMs: 1 })
      const batch = batchOf(position, [{ key: COMMIT_KEY, value }])
      input?.deliver(fetchedOf([batch], { position, lastStableOffset: position + 1 + behind }))
      position++
      await Promise.resolve()
    },
    nothingComes: async (): Promise<void> => {
      input?.deliver(fetchedOf([], { position, nextPosition: position }))
      await Promise.resolve()
    },
    atEndMs: (): number => (meta?.atEndMs ?? NaN) - START_MS,
  }
}

describe('a store that is brought on', () => {
  it('is not left behind as long as its reader sees the end in time', async () => {
    const { ask, commitComes, nothingComes, pass, failures } = follow(START_MS)
    for (let i = 0; i < 10; i++) {
      pass(RETENTION_MS * 0.4)
      ask()
      await (i % 2 === 0 ? commitComes() : nothingComes())
    }
    expect(failures).toEqual([])
  })

  it.each(['both', 'wall', 'monotonic'] as const)(
    'is left behind when its reader was away from the end for half of delete.retention.ms, by %s of its clocks',
    async (clocks) => {
      const { ask, commitComes, pass, failures, atEndMs } = follow(START_MS)
      ask()
      await commitComes()
      const before = atEndMs()
      pass(RETENTION_MS / 2 + 1, clocks)
      ask()
      await commitComes()
      expect(failures).toHaveLength(1)
      expect(failures[0]).toBeInstanceOf(StoreLeftBehind)
      expect(failures[0]?.message).toMatch(/c, partition 0: the store has not had all of it for 1800 s/)
      expect(atEndMs(), 'nothing of it is believed').toBe(before)
    },
  )

  it('counts from when the answer was asked for, for it may have been under way since', async () => {
    const { ask, commitComes, nothingComes, pass, failures, atEndMs } = follow(START_MS)
    ask()
    pass(RETENTION_MS * 0.4)
    await commitComes()
    expect(atEndMs()).toBe(0)
    pass(RETENTION_MS * 0.2)
    await nothingComes()
    expect(failures).toHaveLength(1)
  })

  it('counts from the end alone: not from answers that leave something behind', async () => {
    const { ask, commitComes, pass, failures, atEndMs } = follow(START_MS)
    for (let i = 0; i < 3; i++) {
      expect(failures).toEqual([])
      pass(RETENTION_MS * 0.2)
      ask()
      await commitComes(100)
    }
    expect(atEndMs()).toBe(0)
    expect(failures).toHaveLength(1)
  })

  it('counts from when another process left it at the end', async () => {
    const { ask, commitComes, failures } = follow(START_MS - RETENTION_MS / 2 - 1)
    ask()
    await commitComes()
    expect(failures).toHaveLength(1)
  })

  it('has all of delete.retention.ms to be filled from nothing, and half of it once it was at the end', async () => {
    const { ask, commitComes, pass, failures, atEndMs } = follow()
    pass(RETENTION_MS * 0.9)
    ask()
    await commitComes(1)
    expect(atEndMs(), 'as of the beginning').toBe(0)
    pass(RETENTION_MS * 0.1)
    ask()
    await commitComes()
    expect(failures).toEqual([])
    pass(RETENTION_MS * 0.6)
    await commitComes()
    expect(failures).toHaveLength(1)
  })

  it('is at the end as of when its restore began, for who knows what has become of the task since', async () => {
    const { ask, commitComes, pass, atEndMs } = follow(undefined, 1)
    ask()
    pass(1000)
    await commitComes()
    await new Promise((resolve) => setImmediate(resolve))
    expect(atEndMs()).toBe(0)
  })

  it('is told now and then that it is at the end, though nothing comes', async () => {
    const { ask, commitComes, nothingComes, pass, atEndMs } = follow(START_MS)
    ask()
    await commitComes()
    for (let i = 0; i < 20; i++) {
      pass(60_000)
      ask()
      await nothingComes()
    }
    expect(atEndMs()).toBe(1_200_000)
  })
})
