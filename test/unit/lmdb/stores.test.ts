import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { GatheredChanges } from '../../../src/core/state/changes.js'
import { openStateStores, type StateStoresOptions } from '../../../src/lmdb/stores.js'
import type { StateStores, StoreMeta } from '../../../src/ports/store.js'
import { silentLogger } from '../../support/silent-logger.js'
import { temporaryFolder } from '../../support/temporary.js'

async function open(directory: string, options: Partial<StateStoresOptions> = {}): Promise<StateStores> {
  const stores = await openStateStores({ directory, worker: 'w', logger: silentLogger, ...options })
  onTestFinished(() => stores.close())
  return stores
}
const meta: StoreMeta = { changelogPosition: 5, identity: 'i', inputPositions: { a: 1 }, atEndMs: 0 }
const changes = [{ key: 'k', value: 'v' }]
const mode = (...path: string[]): number => statSync(join(...path)).mode & 0o777

describe('openStateStores', () => {
  it('creates the directory, for nobody else to read', async () => {
    const directory = join(temporaryFolder(), 'a', 'b')
    const stores = await open(directory)
    await stores.open('symbol_0')
    stores.writeNote('member-id', 'x')
    expect([mode(directory), mode(directory, 'symbol_0'), mode(directory, 'note-member-id')]).toEqual([
      0o700, 0o700, 0o600,
    ])
  })

  it('refuses a directory in use, and takes it after close', async () => {
    const directory = temporaryFolder()
    const stores = await open(directory)
    await expect(open(directory)).rejects.toMatchObject({ code: 'STATE_DIRECTORY_LOCKED', exitCode: 5 })
    await stores.close()
    await open(directory)
  })

  it('says so where no directory can be', async () => {
    const file = join(temporaryFolder(), 'file')
    writeFileSync(file, '')
    for (const path of [file, join(file, 'below')])
      await expect(open(path)).rejects.toMatchObject({ code: 'STORE_FAILED' })
  })

  it('keeps the stores of tasks apart, and their contents over a restart', async () => {
    const directory = temporaryFolder()
    const stores = await open(directory)
    // a name with a dot: LMDB would take it for a file's
    const [first, second] = [await stores.open('a.b_0'), await stores.open('a.b_1')]
    await first.write([GatheredChanges.of(changes)], meta)
    expect([first.size(), second.size()]).toEqual([1, 0])
    await stores.close()
    const again = await open(directory)
    expect((await again.open('a.b_0')).meta()).toEqual(meta)
    expect((await again.open('a.b_1')).meta()).toBeUndefined()
  })

  it('opens a store once at a time', async () => {
    const stores = await open(temporaryFolder())
    const store = await stores.open('symbol_0')
    await expect(stores.open('symbol_0')).rejects.toMatchObject({ code: 'INTERNAL' })
    await store.close()
    await stores.open('symbol_0')
  })

  it('closes what is open, waiting for its writes', async () => {
    const directory = temporaryFolder()
    const stores = await open(directory)
    const written = (await stores.open('symbol_0')).write([GatheredChanges.of(changes)], meta)
    await stores.close()
    await written
    await expect(stores.open('symbol_0')).rejects.toMatchObject({ code: 'INTERNAL' })
    expect((await (await open(directory)).open('symbol_0')).meta()).toEqual(meta)
  })

  it.each(['', '.', '..', '../x', 'a/b', 'lock.1', 'a_0.discarded-x', '-a'])('has no store %j', async (task) => {
    const stores = await open(temporaryFolder())
    await expect(stores.open(task)).rejects.toMatchObject({ code: 'INTERNAL' })
    await expect(stores.discard(task)).rejects.toMatchObject({ code: 'INTERNAL' })
  })
})

describe('discard', () => {
  it('makes room for a new store, and keeps the last one set aside', async () => {
    const directory = temporaryFolder()
    const time = Date.UTC(2026, 0, 1)
    const stores = await open(directory, { now: () => time })
    const other = await stores.open('symbol_1')
    for (let i = 0; i < 3; i++) {
      await (await stores.open('symbol_0')).write([GatheredChanges.of(changes)], meta)
      await stores.discard('symbol_0')
      expect(readdirSync(directory).filter((name) => name.startsWith('symbol_0'))).toHaveLength(1)
    }
    await stores.discard('symbol_0')
    expect(readdirSync(directory).filter((name) => name.startsWith('symbol_'))).toEqual([
      expect.stringMatching(/^symbol_0\.discarded-2026-01-01T/),
      'symbol_1',
    ])
    expect((await stores.open('symbol_0')).meta()).toBeUndefined()
    await other.write([GatheredChanges.of(changes)], meta)
  })

  it('helps where a store is damaged', async () => {
    const directory = temporaryFolder()
    const stores = await open(directory)
    mkdirSync(join(directory, 'symbol_0'))
    writeFileSync(join(directory, 'symbol_0', 'data.mdb'), 'rubbish '.repeat(2000))
    await expect(stores.open('symbol_0')).rejects.toMatchObject({ code: 'STORE_DAMAGED' })
    await stores.discard('symbol_0')
    expect((await stores.open('symbol_0')).size()).toBe(0)
  })
})

describe('notes', () => {
  it('last, whole, until they are written again', async () => {
    const directory = temporaryFolder()
    const stores = await open(directory)
    expect(stores.readNote('member-id')).toBeUndefined()
    for (const text of ['first', '', 'späte\nNotiz']) {
      stores.writeNote('member-id', text)
      expect(stores.readNote('member-id')).toBe(text)
    }
    await stores.close()
    expect((await open(directory)).readNote('member-id')).toBe('späte\nNotiz')
  })

  it('can be written again after a crash in the middle of writing one', async () => {
    const directory = temporaryFolder()
    const stores = await open(directory)
    stores.writeNote('n', 'old')
    writeFileSync(join(directory, 'note-n.new'), 'ne', { mode: 0o644 })
    expect(stores.readNote('n')).toBe('old')
    stores.writeNote('n', 'new')
    expect([stores.readNote('n'), mode(directory, 'note-n')]).toEqual(['new', 0o600])
  })

  it('say why they could not be written', async () => {
    const directory = temporaryFolder()
    const stores = await open(directory)
    mkdirSync(join(directory, 'note-n'))
    expect(() => {
      stores.writeNote('n', 'x')
    }).toThrow(expect.objectContaining({ code: 'STORE_FAILED' }) as Error)
    expect(() => stores.readNote('n')).toThrow(expect.objectContaining({ code: 'STORE_FAILED' }) as Error)
  })
})
