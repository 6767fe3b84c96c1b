/** Invariants of runtime/task/store-writer.ts, on a store that takes its time. */
import { expect, test } from 'vitest'
import { Scheduler } from '../../../../src/memory/scheduler.js'
import type { StateStore, StoreMeta } from '../../../../src/ports/store.js'
import { StoreWriter } from '../../../../src/runtime/task/store-writer.js'

const metaOf = (changelogPosition: number): Omit<StoreMeta, 'atEndMs'> => ({
  changelogPosition,
  identity: 'mine',
  inputPositions: { in: changelogPosition },
})

/** Writes take 100 ms; the store is due after 1,000, or 30,000 while there is a backlog; memory is 400 bytes. */
function writer() {
  const scheduler = new Scheduler()
  const { clock } = scheduler.process('w')
  const written: number[] = []
  const failures: unknown[] = []
  let ready = 0
  const is = { committing: false, unstored: 1, backlog: false, fails: undefined as Error | undefined }
  const store = {
    meta: () => undefined,
    write: async (_: unknown, meta: StoreMeta): Promise<void> => {
      await new Promise<void>((resolve) => clock.after(100, resolve))
      if (is.fails !== undefined) throw is.fails
      written.push(meta.changelogPosition)
    },
  } as unknown as StateStore
  const one = new StoreWriter(
    'sub_0',
    { store },
    {
      clock,
      observer: { observe: () => undefined },
      options: { storeIntervalMs: 1000, backlogStoreIntervalMs: 30_000 },
      stateBytes: () => 400,
      unstoredBytes: () => 1000,
    },
    () => ready++,
  )
  const begin = (): void => {
    one.begin({
      asOf: { commitMs: 0, changelogPosition: -1 },
      processor: {
        get isCommitting() {
          return is.committing
        },
        get unstoredBytes() {
          return is.unstored
        },
        takeUnstored: () => ({ batch: 0, changes: [] }),
        stored: () => undefined,
      },
      ownedAtMs: 0,
      hasBacklog: () => is.backlog,
      failed: (error) => failures.push(error),
    })
  }
  begin()
  return { one, begin, scheduler, is, written, failures, ready: (): number => ready }
}

test('commits of some time are written together, as of the last one', async () => {
  const { one, scheduler, written } = writer()
  one.committed(metaOf(1), 0, 0)
  await scheduler.advance(500)
  one.committed(metaOf(2), 0, 0)
  await scheduler.advance(500 + 99)
  expect(written).toEqual([])
  await scheduler.advance(2)
  expect(written).toEqual([2])
})

test('while there is a backlog they are gathered for longer', async () => {
  const { one, scheduler, is, written } = writer()
  is.backlog = true
  one.committed(metaOf(1), 0, 0)
  await scheduler.advance(29_000)
  expect(written).toEqual([])
  is.backlog = false
  one.committed(metaOf(2), 0, 0)
  await scheduler.advance(101)
  expect(written).toEqual([2])
})

test('nothing is written while a commit is under way (invariant 1)', async () => {
  const { one, scheduler, is, written } = writer()
  one.committed(metaOf(1), 0, 0)
  is.committing = true
  one.refresh(0)
  await scheduler.advance(5000)
  expect([written, one.writeRest()]).toEqual([[], undefined])
  is.committing = false
  one.committed(metaOf(2), 0, 0)
  await scheduler.advance(101)
  expect(written).toEqual([2])
})

test('one write at a time; who waits for it is told when it has ended (invariant 2)', async () => {
  const { one, scheduler, is, written, ready } = writer()
  is.unstored = 100
  one.committed(metaOf(1), 0, 0)
  one.committed(metaOf(2), 0, 0)
  let ended = false
  void one.written.then(() => (ended = true))
  await scheduler.advance(99)
  expect([written, ended, ready()]).toEqual([[], false, 0])
  await scheduler.advance(2)
  expect([written, ended, ready()]).toEqual([[1], true, 1])
  await scheduler.advance(101)
  expect(written).toEqual([1, 2])
})

test('a quarter of the memory is written at once, and holds commits while as much waits behind a write (invariant 4)', async () => {
  const { one, scheduler, is } = writer()
  is.unstored = 99
  one.committed(metaOf(1), 0, 0)
  await scheduler.advance(1)
  expect(one.holdsCommits).toBe(false)
  is.unstored = 100
  expect(one.holdsCommits).toBe(false)
  one.committed(metaOf(2), 0, 0)
  expect(one.holdsCommits).toBe(true)
  is.unstored = 99
  expect(one.holdsCommits).toBe(false)
  is.unstored = 100
  await scheduler.advance(101)
  expect(one.holdsCommits).toBe(false)
})

test('that a backlog is over brings the write forward', async () => {
  const { one, scheduler, is, written } = writer()
  is.backlog = true
  one.committed(metaOf(1), 0, 0)
  await scheduler.advance(500)
  is.backlog = false
  one.committed(metaOf(2), 0, 0)
  await scheduler.advance(601)
  expect(written).toEqual([2])
})

test('what a write fails with is the failure of the activation that began it', async () => {
  const { one, scheduler, is, failures } = writer()
  is.unstored = 100
  is.fails = new Error('disk full')
  one.committed(metaOf(1), 0, 0)
  await scheduler.advance(101)
  expect(failures).toEqual([is.fails])
})

test('an activation that has ended writes nothing more by itself', async () => {
  const { one, begin, scheduler, written } = writer()
  one.committed(metaOf(1), 0, 0)
  one.end()
  one.committed(metaOf(2), 0, 0)
  await scheduler.advance(5000)
  expect(written).toEqual([])
  begin()
  await scheduler.advance(5000)
  expect(written).toEqual([])
})
