import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { GatheredChanges } from '../../../src/core/state/changes.js'
import { openStore } from '../../../src/lmdb/store.js'
import { openStateStores, type StateStoresOptions } from '../../../src/lmdb/stores.js'
import type { Snapshot } from '../../../src/ports/peers.js'
import type { StateStore, StateStores, StoreMeta } from '../../../src/ports/store.js'
import { silentLogger } from '../../support/silent-logger.js'
import { temporaryFolder } from '../../support/temporary.js'

interface Opened {
  readonly directory: string
  readonly stores: StateStores
}
async function open(options: Partial<StateStoresOptions> = {}): Promise<Opened> {
  const directory = temporaryFolder()
  const stores = await openStateStores({ directory, worker: 'w', logger: silentLogger, ...options })
  onTestFinished(() => stores.close())
  return { directory, stores }
}
const metaAt = (changelogPosition: number): StoreMeta => ({
  changelogPosition,
  identity: 'i',
  inputPositions: {},
  atEndMs: 0,
})
const objects = (text: string, count = 3000) =>
  Array.from({ length: count }, (_, i) => ({ key: `k${String(i)}`, value: text.repeat(20) }))
const value = (store: StateStore, key: string): string => store.get(key) ?? ''
const never = new AbortController().signal
/** What is neither the lock nor a store. */
const left = (directory: string): string[] => readdirSync(directory).filter((name) => !/^lock|^symbol_\d$/.test(name))

async function bytesOf(snapshot: Snapshot): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const chunk of snapshot.chunks()) parts.push(chunk)
  return Buffer.concat(parts)
}
/** A snapshot that says what became of it. */
function sent(
  bytes: Buffer,
  options: { size?: number; fails?: Error; hangs?: boolean } = {},
): Snapshot & { released: () => boolean } {
  let released = false
  return {
    bytes: options.size ?? bytes.length,
    async *chunks() {
      try {
        for (let at = 0; at < bytes.length; at += 10_000) yield await Promise.resolve(bytes.subarray(at, at + 10_000))
        if (options.hangs === true) await new Promise(() => undefined)
        if (options.fails !== undefined) throw options.fails
      } finally {
        released = true
      }
    },
    discard: () => {
      released = true
      return Promise.resolve()
    },
    released: () => released,
  }
}

async function filled(): Promise<Opened & { store: StateStore }> {
  const opened = await open()
  const store = await opened.stores.open('symbol_0')
  await store.write([GatheredChanges.of(objects('a'))], metaAt(1))
  return { ...opened, store }
}

describe('a snapshot', () => {
  it('is the store as it was, whatever is written meanwhile, and can be adopted elsewhere', async () => {
    const from = await filled()
    const written = from.stores.snapshot('symbol_0')
    const later = from.store.write([GatheredChanges.of(objects('b'))], metaAt(2))
    const snapshot = await written
    await later
    const to = await open()
    await to.stores.adopt('symbol_0', snapshot, never)
    const store = await to.stores.open('symbol_0')
    const position = store.meta()?.changelogPosition
    expect([1, 2]).toContain(position)
    expect(store.size()).toBe(3000)
    for (let i = 0; i < 3000; i++) expect(value(store, `k${String(i)}`)).toBe((position === 1 ? 'a' : 'b').repeat(20))
    await store.write([GatheredChanges.of(objects('c'))], metaAt(3))
    expect(value(store, 'k7')).toBe('c'.repeat(20))
    expect(left(from.directory)).toEqual([])
    expect(left(to.directory)).toEqual([])
    expect(statSync(join(to.directory, 'symbol_0', 'data.mdb')).mode & 0o777).toBe(0o600)
    expect(statSync(join(to.directory, 'symbol_0')).mode & 0o777).toBe(0o700)
  })

  it('leaves nothing behind when it is read, broken off or discarded', async () => {
    const { stores, directory } = await filled()
    const bytes = await bytesOf(await stores.snapshot('symbol_0'))
    const snapshot = await stores.snapshot('symbol_0')
    expect(snapshot.bytes).toBe(bytes.length)
    for await (const chunk of snapshot.chunks()) {
      expect(chunk.length).toBeGreaterThan(0)
      break
    }
    await (await stores.snapshot('symbol_0')).discard()
    expect(left(directory)).toEqual([])
  })

  it('that a killed process left is removed at the next start', async () => {
    const { stores, directory } = await filled()
    await stores.close()
    mkdirSync(join(directory, 'symbol_0.copy-0123'))
    writeFileSync(join(directory, 'symbol_0.copy-0123', 'data.mdb'), 'half a store')
    const again = await openStateStores({ directory, worker: 'w', logger: silentLogger })
    onTestFinished(() => again.close())
    expect(left(directory)).toEqual([])
  })

  it('is waited for when the store is closed: the file must not be unmapped under it', async () => {
    const store = await openStore({ directory: temporaryFolder(), logger: silentLogger, bootId: 'boot-1' })
    await store.write([GatheredChanges.of(objects('a', 50_000))], metaAt(1))
    const copy = temporaryFolder()
    let copied = false
    const copying = store.copyTo(copy).then(() => (copied = true))
    await store.close()
    expect(copied).toBe(true)
    await copying
    await expect(store.copyTo(copy)).rejects.toMatchObject({ code: 'STORE_FAILED' })
    const again = await openStore({ directory: copy, logger: silentLogger, bootId: 'boot-1' })
    onTestFinished(() => again.close())
    expect(again.size()).toBe(50_000)
  })

  it('needs an open store, and room on the disk', async () => {
    const { stores } = await filled()
    await expect(stores.snapshot('symbol_1')).rejects.toMatchObject({ code: 'STORE_FAILED' })
    let free = 1e12
    const tight = await open({ freeBytes: () => free })
    await (await tight.stores.open('symbol_0')).write([GatheredChanges.of(objects('a'))], metaAt(1))
    free = 1e6
    await expect(tight.stores.snapshot('symbol_0')).rejects.toMatchObject({ code: 'STORE_FAILED' })
    expect(left(tight.directory)).toEqual([])
  })
})

describe('adopt', () => {
  async function copied(): Promise<Buffer> {
    const { stores } = await filled()
    return bytesOf(await stores.snapshot('symbol_0'))
  }
  /** A worker that has an older store of the task, closed. */
  async function holder(): Promise<Opened> {
    const opened = await open()
    const store = await opened.stores.open('symbol_0')
    await store.write([GatheredChanges.of(objects('old', 10))], metaAt(0))
    await store.close()
    return opened
  }
  async function expectUnchanged({ stores, directory }: Opened): Promise<void> {
    expect(left(directory)).toEqual([])
    const store = await stores.open('symbol_0')
    expect([store.size(), value(store, 'k1')]).toEqual([10, 'old'.repeat(20)])
  }

  it('sets the store that was there aside', async () => {
    const to = await holder()
    await to.stores.adopt('symbol_0', sent(await copied()), never)
    expect(left(to.directory)).toEqual([expect.stringContaining('symbol_0.discarded-')])
    expect((await to.stores.open('symbol_0')).size()).toBe(3000)
  })

  it.each([
    [
      'breaks off with an error',
      (bytes: Buffer) => sent(bytes.subarray(0, 50_000), { fails: new Error('gone') }),
      /gone/,
    ],
    ['ends too early', (bytes: Buffer) => sent(bytes.subarray(0, 50_000), { size: bytes.length }), /50000 bytes/],
    ['is longer than announced', (bytes: Buffer) => sent(bytes, { size: 50_000 }), /instead of 50000/],
    ['announces what is too short', (bytes: Buffer) => sent(bytes.subarray(0, 50_000)), /truncated/],
    ['is no store', () => sent(Buffer.alloc(50_000, 'rubbish ')), /not an LMDB file/],
  ])('changes nothing when the snapshot %s', async (_, make, message) => {
    const to = await holder()
    const snapshot = make(await copied())
    await expect(to.stores.adopt('symbol_0', snapshot, never)).rejects.toThrow(message)
    expect(snapshot.released()).toBe(true)
    await expectUnchanged(to)
  })

  it('is aborted at any time, also while the sender says nothing', async () => {
    const to = await holder()
    const bytes = await copied()
    const abort = new AbortController()
    const hanging = to.stores.adopt('symbol_0', sent(bytes, { hangs: true }), abort.signal)
    setImmediate(() => {
      abort.abort(new Error('became active'))
    })
    await expect(hanging).rejects.toThrow('became active')
    const late = sent(bytes)
    await expect(to.stores.adopt('symbol_0', late, abort.signal)).rejects.toThrow('became active')
    expect(late.released()).toBe(true)
    await expectUnchanged(to)
  })

  it('never takes the place of an open store, not of one opened meanwhile either', async () => {
    const to = await holder()
    const adopting = to.stores.adopt('symbol_0', sent(await copied()), never)
    const store = await to.stores.open('symbol_0')
    await expect(adopting).rejects.toMatchObject({ code: 'INTERNAL' })
    expect(store.size()).toBe(10)
    await store.close()
    await expectUnchanged(to)
  })

  it('needs room on the disk', async () => {
    const bytes = await copied()
    const to = await open({ freeBytes: () => 1e6 })
    const snapshot = sent(bytes)
    await expect(to.stores.adopt('symbol_0', snapshot, never)).rejects.toMatchObject({ code: 'STORE_FAILED' })
    expect(snapshot.released()).toBe(true)
    expect(left(to.directory)).toEqual([])
  })
})
