import { describe, expect, it } from 'vitest'
import { COMMIT_KEY, encodeCommitRecord } from '../../../src/core/commit/commit-record.js'
import type { Clock } from '../../../src/ports/clock.js'
import type { Fetcher, FetchInput } from '../../../src/ports/log.js'
import type { RuntimeEvent } from '../../../src/ports/observer.js'
import type { Changes } from '../../../src/core/state/changes.js'
import type { StateStore, StoreMeta } from '../../../src/ports/store.js'
import {
  ChangelogReader,
  ForeignChangelog,
  IdentityMismatch,
  type Replayed,
} from '../../../src/runtime/changelog-reader.js'
import { systemClock } from '../../../src/system.js'
import { batchOf, fetchedOf, type TestRecord } from '../../support/records.js'
import { silentObserver } from '../../support/silent-logger.js'

const commit = (identity = 'mine'): TestRecord => ({
  key: COMMIT_KEY,
  value: encodeCommitRecord({ identity, positions: { t: 1 }, by: 'w', atMs: 1 }),
})

class RecordingStore implements StateStore {
  readonly hasDues = false
  readonly values = new Map<string, string | undefined>()
  constructor(private known: StoreMeta | undefined) {}
  meta(): StoreMeta | undefined {
    return this.known
  }
  get(): undefined {
    return undefined
  }
  scan(): void {
    // Nobody asks.
  }
  write(changes: readonly Changes[], meta: StoreMeta | undefined): Promise<void> {
    for (const { key, value } of changes.flatMap((part) => [...part])) this.values.set(key, value)
    this.known = meta ?? this.known
    return Promise.resolve()
  }
  dues(): [] {
    return []
  }
  duesSize(): number {
    return 0
  }
  size(): number {
    return this.values.size
  }
  bytes(): number {
    return 0
  }
  close(): Promise<void> {
    return Promise.resolve()
  }
}

/** Keeps what is added to it, to be fed. */
class KeptFetcher implements Fetcher {
  input: FetchInput | undefined
  add(input: FetchInput): void {
    this.input = input
  }
  remove(): void {
    // It goes on being kept.
  }
  wake(): void {
    // It is fed by hand.
  }
  close(): Promise<void> {
    return Promise.resolve()
  }
}

/** Feeds a reader from `from` to `end` with these records, the first at offset `at`. */
function read(
  store: StateStore,
  from: number,
  at: number,
  records: readonly TestRecord[],
  end = at + records.length,
): Promise<Replayed> {
  const fetcher = new KeptFetcher()
  return new Promise((resolve, reject) => {
    const plan = {
      topic: 'a-b-c-changelog',
      partition: 0,
      subTopology: 'b-c',
      deleteRetentionMs: 86_400_000,
      from,
      end,
    }
    const ports = { clock: systemClock, observer: silentObserver }
    new ChangelogReader(plan, store, fetcher, ports, { done: resolve, failed: reject }).start()
    fetcher.input?.deliver(fetchedOf([batchOf(at, records)], { position: from, nextPosition: end }))
  })
}
const known = (changelogPosition: number): StoreMeta => ({
  changelogPosition,
  identity: 'mine',
  inputPositions: {},
  atEndMs: Date.now(),
})

describe('ChangelogReader', () => {
  it('brings an empty store up to the end, and stands at the last commit record', async () => {
    const store = new RecordingStore(undefined)
    const records = [{ key: 'a', value: '1' }, commit(), { key: 'b', value: '2' }, { key: 'a', value: null }, commit()]
    const replayed = await read(store, 0, 0, records)
    expect(replayed).toMatchObject({ records: 3, commit: { identity: 'mine', position: 4 } })
    expect([...store.values]).toEqual([
      ['a', undefined],
      ['b', '2'],
    ])
    expect(store.meta()?.changelogPosition).toBe(4)
  })

  it('refuses the changelog of another identity before anything is written (invariant 2)', async () => {
    const store = new RecordingStore(known(1))
    await expect(read(store, 1, 1, [commit('other'), { key: 'a', value: '1' }, commit('other')])).rejects.toThrow(
      IdentityMismatch,
    )
    expect(store.values.size).toBe(0)
  })

  it('refuses the changelog of another application, whose names join to the same topic', async () => {
    for (const store of [new RecordingStore(undefined), new RecordingStore({ ...known(1), identity: 'other/c' })]) {
      const reading = read(store, 1, 1, [commit('other/c'), { key: 'a', value: '1' }, commit('other/c')])
      await expect(reading).rejects.toThrow(ForeignChangelog)
      await expect(reading).rejects.toThrow(
        'a-b-c-changelog is the changelog of application a-b with state object c, and would be that of application a with ' +
          'state object b-c, too: the names join to the same',
      )
      expect(store.values.size).toBe(0)
    }
  })

  it('takes the changelog of its own application, also one that does not say whose it is', async () => {
    for (const identity of ['mine/b-c', 'mine']) {
      const store = new RecordingStore(undefined)
      await read(store, 0, 0, [commit(identity)])
      expect(store.meta()?.identity).toBe(identity)
    }
  })

  it('goes on where compaction has removed the commit record at its position, if a later one names the identity', async () => {
    const store = new RecordingStore(known(1))
    await read(store, 1, 7, [{ key: 'a', value: '1' }, commit()])
    expect([...store.values]).toEqual([['a', '1']])
    const other = new RecordingStore(known(1))
    await expect(read(other, 1, 7, [{ key: 'a', value: '1' }, commit('other')])).rejects.toThrow(IdentityMismatch)
    expect(other.values.size).toBe(0)
  })

  it('refuses a changelog without any commit record', async () => {
    const store = new RecordingStore(known(1))
    await expect(read(store, 1, 1, [{ key: 'a', value: '1' }])).rejects.toThrow(IdentityMismatch)
    await expect(read(new RecordingStore(undefined), 0, 0, [{ key: 'a', value: '1' }])).rejects.toThrow(
      /no changelog of Potoroo/,
    )
  })

  it('says where it stands when the end does not come', () => {
    const said: RuntimeEvent[] = []
    const waits: (() => void)[] = []
    const clock: Clock = {
      ...systemClock,
      after: (_, call) => {
        waits.push(call)
        return { cancel: () => undefined }
      },
    }
    const fetcher = new KeptFetcher()
    const plan = { topic: 't', partition: 3, subTopology: 'b-c', deleteRetentionMs: 86_400_000, from: 0, end: 5 }
    const ports = { clock, observer: { observe: (event: RuntimeEvent): void => void said.push(event) } }
    const never = (): never => expect.unreachable('it ended')
    new ChangelogReader(plan, new RecordingStore(undefined), fetcher, ports, { done: never, failed: never }).start()
    // The last record is gone, and a marker with it: the log says that it goes to 5, and gives nothing behind 4.
    fetcher.input?.deliver(fetchedOf([batchOf(0, [commit()])], { position: 0, nextPosition: 4 }))
    fetcher.input?.deliver(fetchedOf([], { position: 4, nextPosition: 4 }))
    for (const call of waits) call()
    expect(said).toEqual([{ kind: 'restoring-slowly', topic: 't', partition: 3, position: 4, end: 5 }])
  })
})
