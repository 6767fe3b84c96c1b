import { copyFileSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { open as openLmdb } from 'lmdb'
import { describe, expect, it, onTestFinished } from 'vitest'
import { GatheredChanges } from '../../../src/core/state/changes.js'
import { byteString, bytesOf, type ByteString } from '../../../src/core/records/byte-string.js'
import { checkDataFile } from '../../../src/lmdb/data-file.js'
import { MAX_KEY_BYTES, openStore, type LmdbStore, type StoreOptions } from '../../../src/lmdb/store.js'
import type { StateStore, StoreMeta } from '../../../src/ports/store.js'
import { silentLogger } from '../../support/silent-logger.js'
import { temporaryFolder } from '../../support/temporary.js'
import { run } from './child/run.js'

async function open(directory: string, options: Partial<StoreOptions> = {}): Promise<LmdbStore> {
  const store = await openStore({ directory, logger: silentLogger, bootId: 'boot-1', ...options })
  onTestFinished(() => store.close())
  return store
}
const metaAt = (changelogPosition: number): StoreMeta => ({
  changelogPosition,
  identity: '0123456789abcdef',
  inputPositions: { orders: 2 ** 53 - 1, 'market-data': 0 },
  atEndMs: 1_767_225_600_000,
})
const key = (text: string): ByteString => byteString(Buffer.from(text))
const value = (store: StateStore, text: string): string | undefined => {
  const found = store.get(key(text))
  return found && bytesOf(found).toString()
}
const put = (text: string, to: string | undefined) => ({
  key: key(text),
  value: to === undefined ? undefined : key(to),
})

describe('a store', () => {
  it('is empty when new', async () => {
    const store = await open(temporaryFolder())
    expect(store.meta()).toBeUndefined()
    expect(store.size()).toBe(0)
    expect(store.get(key('absent'))).toBeUndefined()
  })

  it('shows a write as soon as it resolves, and after it is opened again', async () => {
    const directory = temporaryFolder()
    const store = await open(directory)
    for (let i = 1; i <= 50; i++) {
      // a read just before: LMDB would go on showing what was there then
      expect(value(store, 'k')).toBe(i === 1 ? undefined : String(i - 1))
      await store.write([GatheredChanges.of([put('k', String(i)), put(`k${String(i)}`, '')])], metaAt(i))
      expect(value(store, 'k')).toBe(String(i))
      expect(value(store, `k${String(i)}`)).toBe('')
      expect(store.meta()).toEqual(metaAt(i))
      expect(store.size()).toBe(i + 1)
    }
    await store.close()
    const again = await open(directory)
    expect(value(again, 'k')).toBe('50')
    expect(again.meta()).toEqual(metaAt(50))
    expect(again.size()).toBe(51)
  })

  it('leaves the positions as they are where a write has none', async () => {
    const directory = temporaryFolder()
    const store = await open(directory)
    await store.write([GatheredChanges.of([put('a', '1')])], undefined)
    expect([store.meta(), store.size()]).toEqual([undefined, 1])
    await store.close()
    const again = await open(directory)
    expect([again.meta(), again.size()]).toEqual([undefined, 1])
    await Promise.all([again.write([], metaAt(1)), again.write([GatheredChanges.of([put('b', '1')])], undefined)])
    await again.write([GatheredChanges.of([put('c', '1')])], undefined)
    expect([again.meta(), again.size()]).toEqual([metaAt(1), 3])
    await again.close()
    expect((await open(directory)).meta()).toEqual(metaAt(1))
  })

  it('deletes, also what is not there, and lets the last change of a key win', async () => {
    const store = await open(temporaryFolder())
    await store.write(
      [GatheredChanges.of([put('a', '1'), put('b', '1'), put('c', '1'), put('c', undefined)])],
      metaAt(1),
    )
    await store.write(
      [GatheredChanges.of([put('a', undefined), put('absent', undefined), put('b', undefined), put('b', '2')])],
      metaAt(2),
    )
    expect(['a', 'b', 'c', 'absent'].map((name) => value(store, name))).toEqual([undefined, '2', undefined, undefined])
    expect(store.size()).toBe(1)
  })

  it('applies writes in the order of the calls, whether or not they are awaited', async () => {
    const store = await open(temporaryFolder())
    const done: number[] = []
    await Promise.all(
      Array.from({ length: 100 }, async (_, i) => {
        await store.write([GatheredChanges.of([put('k', String(i)), put(`k${String(i)}`, 'x')])], metaAt(i))
        done.push(i)
      }),
    )
    expect(done).toEqual(Array.from({ length: 100 }, (_, i) => i))
    expect(value(store, 'k')).toBe('99')
    expect(store.size()).toBe(101)
    expect(store.meta()?.changelogPosition).toBe(99)
  })

  it('takes any bytes as keys and values, up to its limits', async () => {
    const directory = temporaryFolder()
    const store = await open(directory)
    const keys = [[0], [0, 0], [255], [0, 1, 255, 0], Array<number>(MAX_KEY_BYTES).fill(7)].map((bytes) =>
      byteString(Buffer.from(bytes)),
    )
    const any = byteString(Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)))
    const values = ['', '\xff', any, any.repeat(800), any.repeat(12_000)]
    await store.write([GatheredChanges.of(keys.map((bytes, i) => ({ key: bytes, value: values[i] })))], metaAt(1))
    await store.close()
    const again = await open(directory)
    for (const [i, bytes] of keys.entries()) expect(again.get(bytes) === values[i]).toBe(true)
  })

  it('gives copies: what the next read does not overwrite', async () => {
    const store = await open(temporaryFolder())
    await store.write([GatheredChanges.of([put('a', 'aaaa'), put('b', 'bbbb')])], metaAt(1))
    const a = store.get(key('a'))
    store.get(key('b'))
    expect(a).toBe('aaaa')
  })

  it('has no key that LMDB could not have, and writes nothing of a batch with one', async () => {
    const store = await open(temporaryFolder())
    for (const bad of ['', 'k'.repeat(MAX_KEY_BYTES + 1), 'k'.repeat(10_000)]) {
      expect(store.get(bad)).toBeUndefined()
      const changes = [put('a', '1'), { key: bad, value: '1' }]
      await expect(store.write([GatheredChanges.of(changes)], metaAt(1))).rejects.toMatchObject({
        code: 'KEY_TOO_LONG',
      })
    }
    expect(store.size()).toBe(0)
  })

  it('grows beyond its first map, also while it is read', async () => {
    const store = await open(temporaryFolder())
    const mebibyte = '\x01'.repeat(1024 * 1024)
    for (let i = 0; i < 300; i += 20) {
      const written = store.write(
        [GatheredChanges.of(Array.from({ length: 20 }, (_, j) => ({ key: key(String(i + j)), value: mebibyte })))],
        metaAt(i),
      )
      if (i > 0) expect(store.get(key(String(i - 1)))?.length).toBe(mebibyte.length)
      await written
    }
    expect(store.get(key('0')) === mebibyte).toBe(true)
    expect(store.get(key('299')) === mebibyte).toBe(true)
  })

  it('leaves a file that passes the check, though its last pages were freed in the same transaction', async () => {
    const directory = temporaryFolder()
    const store = await open(directory)
    await store.write([GatheredChanges.of([put('a', '1')])], metaAt(1))
    await store.write([GatheredChanges.of([put('big', 'x'.repeat(500_000)), put('big', undefined)])], metaAt(2))
    checkDataFile(join(directory, 'data.mdb'))
    await store.close()
    expect((await open(directory)).size()).toBe(1)
  })

  it('does a large write in parts, the positions with the last one: whoever dies in between begins where he was', async () => {
    const store = await open(temporaryFolder())
    await store.write([GatheredChanges.of([put('0', 'old'), put('gone', 'old')])], metaAt(1))
    const numbers = Array.from({ length: 100_000 }, (_, i) => i)
    // two commits, of which the second changes objects of the first
    const changes = [
      GatheredChanges.of(numbers.map((i) => put(String(i), 'new'))),
      GatheredChanges.of([put('5', 'newer')]),
    ]
    changes[0]?.supersede(5)
    const directory = temporaryFolder()
    let copying: Promise<void> | undefined
    let turns = 0
    const progress = { isWritten: false }
    const writing = store.write([...changes, GatheredChanges.of([put('gone', undefined)])], metaAt(2)).then(() => {
      progress.isWritten = true
    })
    for (; !progress.isWritten; turns++) {
      if (store.size() > 2) copying ??= store.copyTo(directory)
      await new Promise(setImmediate)
    }
    await writing
    await copying
    expect([store.size(), value(store, '5'), value(store, '99999'), value(store, 'gone')]).toEqual([100_000, 'newer', 'new', undefined]) // prettier-ignore
    expect(store.meta()).toEqual(metaAt(2))

    const half = await open(directory)
    expect(half.meta()).toEqual(metaAt(1))
    expect(half.size()).toBeGreaterThan(2)
    expect(half.size()).toBeLessThan(100_000)
    expect([value(half, '0'), value(half, 'gone')]).toEqual(['new', 'old'])
    expect(turns).toBeGreaterThan(3)
  })

  it('waits for its writes when it is closed, and is of no use then', async () => {
    const directory = temporaryFolder()
    const store = await open(directory)
    const writes = [
      store.write([GatheredChanges.of([put('a', '1')])], metaAt(1)),
      store.write([GatheredChanges.of([put('b', '1')])], metaAt(2)),
    ]
    await Promise.all([store.close(), store.close()])
    await Promise.all(writes)
    expect(() => store.get(key('a'))).toThrow(expect.objectContaining({ code: 'INTERNAL' }) as Error)
    expect(() => store.size()).toThrow(expect.objectContaining({ code: 'INTERNAL' }) as Error)
    await expect(store.write([], metaAt(3))).rejects.toMatchObject({ code: 'INTERNAL' })
    expect((await open(directory)).size()).toBe(2)
  })

  it('can be read by nobody else', async () => {
    const directory = temporaryFolder()
    await (await open(directory)).close()
    const mode = (name: string): number => statSync(join(directory, name)).mode & 0o777
    expect([mode('data.mdb'), mode('lock.mdb')]).toEqual([0o600, 0o600])
  })
})

describe('a full disk', { timeout: 30_000 }, () => {
  it('fails the write before it starts, and every later one; what is there can be read', async () => {
    const directory = temporaryFolder()
    let free = 1e12
    const store = await open(directory, { freeBytes: () => free })
    await store.write([GatheredChanges.of([put('a', '1')])], metaAt(1))
    free = 100_000
    const full = { code: 'STORE_FAILED', message: expect.stringContaining('disk is full') as string }
    await expect(store.write([GatheredChanges.of([put('a', 'x'.repeat(100_000))])], metaAt(2))).rejects.toMatchObject(
      full,
    )
    free = 1e12
    await expect(store.write([GatheredChanges.of([put('b', '1')])], metaAt(3))).rejects.toMatchObject(full)
    expect([value(store, 'a'), value(store, 'b'), store.meta()]).toEqual(['1', undefined, metaAt(1)])
    await store.close()
    const again = await open(directory)
    await again.write([GatheredChanges.of([put('b', '1')])], metaAt(2))
    expect([value(again, 'a'), value(again, 'b'), again.meta()]).toEqual(['1', '1', metaAt(2)])
  })

  it('met in the middle of a transaction keeps what was there; opened again, the store goes on', async () => {
    const directory = temporaryFolder()
    const child = run('fill-disk.ts', [directory], 3000)
    const said: string[] = []
    for (let line = await child.line(); line !== undefined; line = await child.line()) said.push(line)
    expect(await child.ended).toEqual({ code: 0, signal: null })
    // the first that failed, and the ones that were asked for after it; nothing unhandled
    const [, first = ''] = /^failed: (\d+) STORE_FAILED(, \d+ STORE_FAILED)*$/.exec(said[0] ?? '') ?? []
    const last = Number(first) - 1
    expect(last).toBeGreaterThan(2)
    expect(said.slice(1)).toEqual([
      `position: ${String(last)}, objects: ${String(last * 600)}`,
      'later: STORE_FAILED',
      `again: ${String(last)}, objects: ${String(last * 600)}`,
      expect.stringMatching(new RegExp(`^went on: \\d+, objects: ${String(last * 600 + 1)}$`)),
    ])
  })
})

describe('a killed process', { timeout: 30_000 }, () => {
  it('loses nothing that was written, and leaves nothing half written', async () => {
    const directory = temporaryFolder()
    let written = 0
    for (let life = 0; life < 5; life++) {
      const child = run('write-on.ts', [directory])
      const until = written + 1 + life * 7
      while (written < until) written = Number(await child.line())
      child.process.kill('SIGKILL')
      for (let line = await child.line(); line !== undefined; line = await child.line()) written = Number(line)
      await child.ended
    }
    const { openStateStores } = await import('../../../src/lmdb/stores.js')
    const stores = await openStateStores({ directory, worker: 'test', logger: silentLogger })
    onTestFinished(() => stores.close())
    const store = await stores.open('symbol_0')
    const generation = store.meta()?.changelogPosition
    // it may have been killed between the write and its saying so
    expect([written, written + 1]).toContain(generation)
    expect(store.size()).toBe(500)
    for (let i = 0; i < 500; i++) expect(value(store, `symbol\0${String(i)}`)?.split(' ')[0]).toBe(String(generation))
  })
})

describe('a power loss', () => {
  it('while the store was open makes it damaged; after a clean close it is not', async () => {
    const directory = temporaryFolder()
    const store = await open(directory)
    await store.write([GatheredChanges.of([put('a', '1')])], metaAt(1))
    // what the next boot finds if the machine goes down now
    const other = temporaryFolder()
    for (const name of ['data.mdb', 'open-since-boot'])
      writeFileSync(join(other, name), readFileSync(join(directory, name)))
    await expect(open(other, { bootId: 'boot-2' })).rejects.toMatchObject({
      code: 'STORE_DAMAGED',
      message: expect.stringContaining('the machine crashed') as string,
    })
    await store.close()
    const next = await open(directory, { bootId: 'boot-2' })
    expect(value(next, 'a')).toBe('1')
  })

  it('cannot be told from a clean close without boot ids: then each write waits for the disk', async () => {
    const directory = temporaryFolder()
    const store = await open(directory, { bootId: undefined })
    await store.write([GatheredChanges.of([put('a', '1')])], metaAt(1))
    await store.close()
    expect(value(await open(directory, { bootId: undefined }), 'a')).toBe('1')
    // where lmdb writes down the transaction that it has seen to the disk: 0 when it does not look after that
    expect(readFileSync(join(directory, 'data.mdb')).readBigUInt64LE(2048 + 152)).toBeGreaterThan(0n)
  })

  const MARK = 'open-since-boot'

  it.each([
    ['as it is', (mark: string) => mark],
    ['of a version that noted down the boot alone', (mark: string) => mark.split(' ')[0] ?? ''],
  ])('is not the death of the process: under the same boot the store is as it was, by a mark %s', async (_, left) => {
    const directory = temporaryFolder()
    const store = await open(directory)
    await store.write([GatheredChanges.of([put('a', '1')])], metaAt(1))
    const mark = readFileSync(join(directory, MARK), 'utf8')
    expect(mark).toMatch(/^boot-1 \d+:\d+$/)
    await store.close()
    // as a process leaves it that dies
    writeFileSync(join(directory, MARK), left(mark))
    expect(value(await open(directory), 'a')).toBe('1')
  })

  it('is like a copy of what was open, under the same boot, too: it may have pages of two moments', async () => {
    const directory = temporaryFolder()
    const store = await open(directory)
    await store.write([GatheredChanges.of([put('a', '1')])], metaAt(1))
    const copy = temporaryFolder()
    for (const name of ['data.mdb', MARK]) copyFileSync(join(directory, name), join(copy, name))
    await expect(open(copy)).rejects.toMatchObject({
      code: 'STORE_DAMAGED',
      message: expect.stringContaining('it was copied while it was open') as string,
    })
    await store.close()
    // what is closed may be copied
    const later = temporaryFolder()
    copyFileSync(join(directory, 'data.mdb'), join(later, 'data.mdb'))
    expect(value(await open(later), 'a')).toBe('1')
  })
})

describe('a damaged store', () => {
  async function filled(): Promise<string> {
    const directory = temporaryFolder()
    const store = await open(directory)
    await store.write(
      [GatheredChanges.of(Array.from({ length: 2000 }, (_, i) => put(`k${String(i)}`, 'x'.repeat(100))))],
      metaAt(1),
    )
    await store.close()
    return directory
  }
  const foreign = async (name: string | undefined): Promise<string> => {
    const directory = temporaryFolder()
    const root = openLmdb({ path: directory, noSubdir: false })
    await (name === undefined ? root : root.openDB({ name })).put('k', 'v')
    await root.close()
    return directory
  }
  const patched = (patch: (bytes: Buffer) => void) => async (): Promise<string> => {
    const directory = await filled()
    const file = join(directory, 'data.mdb')
    const bytes = readFileSync(file)
    patch(bytes)
    writeFileSync(file, bytes)
    return directory
  }
  const withMeta = (json: string) => async (): Promise<string> => {
    const directory = await filled()
    const root = openLmdb({ path: directory, noSubdir: false })
    const meta = root.openDB<Buffer, Buffer>({ name: 'meta', encoding: 'binary', keyEncoding: 'binary' })
    await meta.put(Buffer.from('store'), Buffer.from(json))
    await root.close()
    return directory
  }

  const cases: readonly [what: string, make: () => Promise<string>, found: RegExp][] = [
    ...[0.9, 0.5, 0.1].map((part): [string, () => Promise<string>, RegExp] => [
      `truncated to ${String(part)}`,
      async () => {
        const directory = await filled()
        const file = join(directory, 'data.mdb')
        truncateSync(file, Math.floor(statSync(file).size * part))
        return directory
      },
      /truncated: \d+ bytes of \d+/,
    ]),
    ['of 100 bytes', patchedTo(100), /too short/],
    ['of one page', patchedTo(4096), /second page.*too short/],
    ['overwritten with rubbish', patched((bytes) => bytes.fill('rubbish ')), /not an LMDB file/],
    ['overwritten with zeros', patched((bytes) => bytes.fill(0)), /not an LMDB file/],
    ['with a second meta page overwritten', patched((bytes) => bytes.fill(1, 4096, 8192)), /second page/],
    ['with its trees overwritten', patched((bytes) => bytes.fill(1, 8192)), /page \d+ is overwritten/],
    ['with an impossible page size', patched((bytes) => bytes.writeUInt32LE(12345, 48)), /page size is 12345/],
    ['of another LMDB format', patched((bytes) => bytes.writeUInt32LE(1, 28)), /data format 1, not 2/],
    ['a text file', textFile, /not an LMDB file|too short/],
    ['a directory', dataDirectory, /not a file/],
    ['of another application, with a database', () => foreign('theirs'), /another application.*"theirs"/],
    ['of another application, with keys', () => foreign(undefined), /another application/],
    ['of another application, with our names', () => foreign('objects'), /another application/],
    ['of a newer format', withMeta('{"format":2}'), /newer Potoroo \(store format 2; this one knows 1\)/],
    ['without a format', withMeta('{}'), /which store format/],
    ['with positions that are not JSON', withMeta('{'), /not JSON/],
    ['with positions that are no object', withMeta('7'), /not an object/],
    ['with incomplete positions', withMeta('{"format":1,"changelogPosition":1}'), /incomplete/],
  ]
  function patchedTo(bytes: number) {
    return async (): Promise<string> => {
      const directory = await filled()
      truncateSync(join(directory, 'data.mdb'), bytes)
      return directory
    }
  }
  function textFile(): Promise<string> {
    const directory = temporaryFolder()
    writeFileSync(join(directory, 'data.mdb'), 'hello\n'.repeat(5000))
    return Promise.resolve(directory)
  }
  async function dataDirectory(): Promise<string> {
    const directory = temporaryFolder()
    await mkdir(join(directory, 'data.mdb'))
    return directory
  }

  it.each(cases)('%s is refused, saying what was found', async (_, make, found) => {
    await expect(open(await make())).rejects.toMatchObject({
      code: 'STORE_DAMAGED',
      message: expect.stringMatching(found) as string,
    })
  })

  it('that is empty is a new one', async () => {
    const directory = temporaryFolder()
    writeFileSync(join(directory, 'data.mdb'), '')
    expect((await open(directory)).meta()).toBeUndefined()
  })
})
