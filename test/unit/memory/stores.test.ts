import { GatheredChanges } from '../../../src/core/state/changes.js'
import type { ByteString } from '../../../src/core/records/byte-string.js'
import { expect, test } from 'vitest'
import { noFaults, type WriteFate } from '../../../src/memory/faults.js'
import { Scheduler } from '../../../src/memory/scheduler.js'
import { MemoryDisk } from '../../../src/memory/stores.js'
import type { StoreMeta } from '../../../src/ports/store.js'

const key = (text: string): ByteString => text
const meta = (changelogPosition: number): StoreMeta => ({
  changelogPosition,
  identity: 'i',
  inputPositions: {},
  atEndMs: 0,
})

const scene = (fates: readonly WriteFate[] = []) => {
  const scheduler = new Scheduler()
  const disk = new MemoryDisk()
  let writes = 0
  const faults = { ...noFaults, write: () => fates[writes++] ?? { durableAfterMs: 1, knownAfterMs: 1 } }
  const open = (name: string) => {
    const process = scheduler.process(name)
    return { process, stores: disk.open({ process, faults }) }
  }
  return { scheduler, disk, open }
}

test('what was written is there for the next process', async () => {
  const { scheduler, open } = scene()
  const a = open('a')
  const store = await scheduler.run(a.stores.open('t_0'))
  expect(store.meta()).toBe(undefined)
  await scheduler.run(
    store.write(
      [
        GatheredChanges.of([
          { key: key('a'), value: key('1') },
          { key: key('b'), value: key('2') },
        ]),
      ],
      meta(5),
    ),
  )
  await scheduler.run(store.write([GatheredChanges.of([{ key: key('a'), value: undefined }])], meta(6)))
  a.stores.writeNote('member', 'm-1')
  a.process.kill()
  const b = open('b')
  const again = await scheduler.run(b.stores.open('t_0'))
  expect(again.meta()?.changelogPosition).toBe(6)
  expect(again.size()).toBe(1)
  expect(again.get(key('a'))).toBe(undefined)
  expect(again.get(key('b'))).toEqual(key('2'))
  expect(b.stores.readNote('member')).toBe('m-1')
})

test('a process killed before a write is on the disk has written nothing; after that, all (invariant 1)', async () => {
  for (const [killAfterMs, position] of [
    [0.9, 1],
    [1.1, 2],
  ] as const) {
    const { scheduler, disk, open } = scene()
    const { process, stores } = open('a')
    const store = await scheduler.run(stores.open('t_0'))
    await scheduler.run(store.write([GatheredChanges.of([{ key: key('a'), value: key('1') }])], meta(1)))
    let known = false
    void store.write([GatheredChanges.of([{ key: key('a'), value: key('2') }])], meta(2)).then(() => (known = true))
    void store.write([GatheredChanges.of([{ key: key('a'), value: key('3') }])], meta(3))
    await scheduler.advance(killAfterMs)
    process.kill()
    await scheduler.advance(100)
    expect(known).toBe(false)
    expect(disk.look('t_0').meta?.changelogPosition).toBe(position)
  }
})

test('a write that fails changes nothing, nor do those after it, until the store is reopened (invariant 2)', async () => {
  const { scheduler, disk, open } = scene([{ durableAfterMs: 1, knownAfterMs: 1, fails: true }])
  const { stores } = open('a')
  const store = await scheduler.run(stores.open('t_0'))
  const failed = (write: Promise<void>): Promise<unknown> => scheduler.run(write.catch((error: unknown) => error))
  expect(await failed(store.write([GatheredChanges.of([{ key: key('a'), value: key('1') }])], meta(1)))).toMatchObject({
    code: 'STORE_FAILED',
  })
  expect(await failed(store.write([], meta(2)))).toMatchObject({ code: 'STORE_FAILED' })
  expect(disk.look('t_0').meta).toBe(undefined)
  await scheduler.run(store.close())
  const again = await scheduler.run(stores.open('t_0'))
  await scheduler.run(again.write([], meta(3)))
  expect(again.meta()?.changelogPosition).toBe(3)
})

test('a write without meta leaves it as it is', async () => {
  const { scheduler, open } = scene()
  const store = await scheduler.run(open('a').stores.open('t_0'))
  await scheduler.run(store.write([], meta(3)))
  await scheduler.run(store.write([GatheredChanges.of([{ key: key('a'), value: key('1') }])], undefined))
  expect(store.meta()?.changelogPosition).toBe(3)
  expect(store.size()).toBe(1)
})

test('closing waits for writes under way, and gives the lock back (invariant 3)', async () => {
  const { scheduler, disk, open } = scene()
  const { stores } = open('a')
  const store = await scheduler.run(stores.open('t_0'))
  expect(() => open('b')).toThrow(expect.objectContaining({ code: 'STATE_DIRECTORY_LOCKED' }))
  void store.write([], meta(1))
  await scheduler.run(stores.close())
  expect(disk.look('t_0').meta?.changelogPosition).toBe(1)
  await expect(store.write([], meta(2))).rejects.toMatchObject({ code: 'STORE_FAILED' })
  open('b')
})

test('a damaged store is refused until it is discarded', async () => {
  const { scheduler, disk, open } = scene()
  const { stores } = open('a')
  disk.damage('t_0')
  await expect(scheduler.run(stores.open('t_0'))).rejects.toMatchObject({ code: 'STORE_DAMAGED' })
  await scheduler.run(stores.discard('t_0'))
  const store = await scheduler.run(stores.open('t_0'))
  expect(store.meta()).toBe(undefined)
})

test('a store that was open when power failed may hold anything, and is refused; one that was closed is whole', async () => {
  const scheduler = new Scheduler()
  const disk = new MemoryDisk()
  const write = async (name: string, value: string, ends: 'closed' | 'killed'): Promise<void> => {
    const process = scheduler.process(name)
    const stores = disk.open({ process })
    const store = await scheduler.run(stores.open('t_0'))
    await scheduler.run(store.write([GatheredChanges.of([{ key: 'k', value }])], meta(1)))
    if (ends === 'closed') await scheduler.run(store.close())
    process.kill()
  }
  const reopened = (name: string) => scheduler.run(disk.open({ process: scheduler.process(name) }).open('t_0'))
  await write('a', 'first', 'closed')
  disk.losePower(() => false)
  await write('b', 'second', 'killed')
  const again = scheduler.process('c')
  const store = await scheduler.run(disk.open({ process: again }).open('t_0'))
  expect(store.get('k')).toBe('second')
  again.kill()
  disk.losePower(() => false)
  expect(disk.look('t_0')).toMatchObject({ isRefused: true })
  expect(disk.look('t_0').values.get('k')).toBe('first')
  await expect(reopened('d')).rejects.toMatchObject({ code: 'STORE_DAMAGED' })
})
