/** The index of what falls due in a store on disk: dues.ts, and invariant 4 of store.ts. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { open as openLmdb } from 'lmdb'
import { expect, it } from 'vitest'
import { byteString, bytesOf, type ByteString } from '../../../src/core/records/byte-string.js'
import { GatheredChanges } from '../../../src/core/state/changes.js'
import type { DueChanges, DueClock } from '../../../src/core/state/due-index.js'
import { encodeHeader, type Times } from '../../../src/core/state/header.js'
import { openStateStores } from '../../../src/lmdb/stores.js'
import { silentLogger } from '../../support/silent-logger.js'
import { temporaryFolder } from '../../support/temporary.js'

const meta = { changelogPosition: 7, identity: 'mine', inputPositions: {}, atEndMs: 1 }
const entry = (clock: DueClock, dueMs: number, key: ByteString) => ({ clock, dueMs, key })
const packed = (times: Partial<Times>): ByteString =>
  byteString(Buffer.concat([encodeHeader({ version: 0, ...times }), Buffer.from('80', 'hex')]))
const changesOf = (values: Readonly<Record<string, ByteString>>) =>
  GatheredChanges.of(Object.entries(values).map(([key, value]) => ({ key, value })))

const storesIn = (directory: string) => openStateStores({ directory, worker: 'w', logger: silentLogger })

it('gives entries in their order by each clock, behind any of them, also when it is opened again', async () => {
  const directory = temporaryFolder()
  let stores = await storesIn(directory)
  let store = await stores.open('task', { dues: true })
  expect([store.hasDues, store.dues('time', undefined, 10)]).toEqual([true, []])
  const late = 2 ** 52 + 1
  const put = [
    entry('time', 256, 'b'),
    entry('time', 255, 'z\u00ff'),
    entry('time', 256, 'a'),
    entry('wall', 1, 'a'),
    entry('time', late, 'a'),
    entry('time', 0, 'a'),
  ]
  await store.write([], meta, { put, remove: [] })
  await store.write([], meta, { put: [], remove: [entry('time', 0, 'a')] })
  await stores.close()
  stores = await storesIn(directory)
  // Whoever does not ask for it keeps it, too.
  store = await stores.open('task')
  const all = store.dues('time', undefined, 10)
  expect(all).toEqual([
    { dueMs: 255, key: 'z\u00ff' },
    { dueMs: 256, key: 'a' },
    { dueMs: 256, key: 'b' },
    { dueMs: late, key: 'a' },
  ])
  expect(store.dues('time', all[0], 2)).toEqual(all.slice(1, 3))
  expect(store.dues('time', { dueMs: 256, key: 'aa' }, 10)).toEqual(all.slice(2))
  expect(store.dues('wall', undefined, 10)).toEqual([{ dueMs: 1, key: 'a' }])
  expect(store.dues('wall', { dueMs: 1, key: 'a' }, 10)).toEqual([])
  expect(store.duesSize()).toBe(5)
  await stores.close()
  expect(store.duesSize()).toBe(0)
})

it('is made from what a store has that was written without one', async () => {
  const directory = temporaryFolder()
  let stores = await storesIn(directory)
  const store = await stores.open('task')
  expect([store.hasDues, store.dues('time', undefined, 10), store.duesSize()]).toEqual([false, [], 0])
  const values = {
    plain: byteString(Buffer.from('80', 'hex')),
    ends: packed({ endsMs: 30 }),
    rings: packed({ time: [{ dueMs: 20, name: 't', id: '' }], wall: [{ dueMs: 5, name: 'w', id: '' }] }),
  }
  await store.write([changesOf(values)], meta)
  await stores.close()
  stores = await storesIn(directory)
  const again = await stores.open('task', { dues: true })
  expect(again.dues('time', undefined, 10)).toEqual([
    { dueMs: 20, key: 'rings' },
    { dueMs: 30, key: 'ends' },
  ])
  expect(again.dues('wall', undefined, 10)).toEqual([{ dueMs: 5, key: 'rings' }])
  expect(again.size()).toBe(3)
  await stores.close()
})

it('goes with a copy, and comes to be where a replay brings what is due', async () => {
  const directory = temporaryFolder()
  const stores = await storesIn(directory)
  const store = await stores.open('task')
  const dues: DueChanges = { put: [entry('time', 30, 'ends')], remove: [] }
  await store.write([changesOf({ ends: packed({ endsMs: 30 }) })], meta, dues)
  expect(store.hasDues).toBe(true)
  const snapshot = await stores.snapshot('task')
  const others = await storesIn(temporaryFolder())
  await others.adopt('task', snapshot, new AbortController().signal)
  const copy = await others.open('task', { dues: true })
  expect(copy.dues('time', undefined, 10)).toEqual([{ dueMs: 30, key: 'ends' }])
  await others.close()
  await stores.close()
})

it('is made again where making it was cut short', async () => {
  const directory = temporaryFolder()
  let stores = await storesIn(directory)
  const store = await stores.open('task')
  await store.write([changesOf({ ends: packed({ endsMs: 30 }) })], meta)
  await stores.close()
  // As it is when the process ends right after the database was made.
  mkdirSync(join(directory, 'task'), { recursive: true })
  const root = openLmdb({ path: join(directory, 'task'), noSubdir: false, maxDbs: 3, encoding: 'binary' })
  root.openDB('dues', { encoding: 'binary' })
  await root.close()
  stores = await storesIn(directory)
  const again = await stores.open('task', { dues: true })
  expect(again.dues('time', undefined, 10)).toEqual([{ dueMs: 30, key: 'ends' }])
  expect(bytesOf(again.get('ends') ?? '').length).toBeGreaterThan(0)
  await stores.close()
})
