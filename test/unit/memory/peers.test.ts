import { expect, test } from 'vitest'
import { GatheredChanges } from '../../../src/core/state/changes.js'
import { noFaults } from '../../../src/memory/faults.js'
import { MemoryPeerNetwork } from '../../../src/memory/peers.js'
import { Scheduler } from '../../../src/memory/scheduler.js'
import { MemoryDisk } from '../../../src/memory/stores.js'
import type { Faults } from '../../../src/memory/faults.js'
import type { Peer, PeerService } from '../../../src/ports/peers.js'
import type { StoreMeta } from '../../../src/ports/store.js'

const key = (text: string): string => text
const meta: StoreMeta = { changelogPosition: 7, identity: 'i', inputPositions: { a: 3 }, atEndMs: 5 }
const { signal } = new AbortController()

const scene = () => {
  const scheduler = new Scheduler()
  const network = new MemoryPeerNetwork(scheduler)
  const worker = (name: string, options: { readonly address?: string; readonly faults?: Faults } = {}) => {
    const process = scheduler.process(name)
    const stores = new MemoryDisk().open({ process })
    return { process, stores, peers: network.peers({ process, ...options }) }
  }
  type Worker = ReturnType<typeof worker>
  const listen = async ({ peers, stores }: Worker, memberId: string): Promise<Peer> => {
    const service = {
      memberId: () => memberId,
      snapshot: (task: string) => (task === 't_0' ? stores.snapshot(task) : Promise.resolve(undefined)),
    } satisfies Omit<PeerService, 'status' | 'answer' | 'queries'>
    const address = await scheduler.run(peers.listen(service as unknown as PeerService))
    return { memberId, address }
  }
  const filled = async ({ stores }: Worker): Promise<void> => {
    const store = await scheduler.run(stores.open('t_0'))
    const changes = Array.from({ length: 200 }, (_, i) => ({ key: key(`k${String(i)}`), value: key('v'.repeat(20)) }))
    await scheduler.run(store.write([GatheredChanges.of(changes)], meta))
  }
  return { scheduler, worker, listen, filled }
}

test('a copy of a store is a store with the same contents', async () => {
  const { scheduler, worker, listen, filled } = scene()
  const [a, b] = [worker('a'), worker('b')]
  const peer = await listen(a, 'm-a')
  await filled(a)
  expect(await scheduler.run(b.peers.snapshot(peer, 't_1', signal))).toBe(undefined)
  const snapshot = await scheduler.run(b.peers.snapshot(peer, 't_0', signal))
  if (snapshot === undefined) throw new Error('there is one')
  await scheduler.run(b.stores.adopt('t_0', snapshot, signal))
  const store = await scheduler.run(b.stores.open('t_0'))
  expect(store.meta()).toEqual(meta)
  expect(store.size()).toBe(200)
  expect(store.get(key('k199'))).toEqual(key('v'.repeat(20)))
})

test('a copy that breaks off, or is called off, changes nothing', async () => {
  for (const how of ['dies', 'breaks off', 'is called off'] as const) {
    const { scheduler, worker, listen, filled } = scene()
    const a = worker('a')
    let chunks = 0
    const request: Faults['request'] = ({ api }) => {
      const fault = how === 'breaks off' && api === 'peerChunk' && ++chunks === 3 ? 'cut' : undefined
      return { toBrokerMs: 10, toClientMs: 1, fault }
    }
    const b = worker('b', { faults: { ...noFaults, request } })
    const peer = await listen(a, 'm-a')
    await filled(a)
    const off = new AbortController()
    const snapshot = await scheduler.run(b.peers.snapshot(peer, 't_0', signal))
    if (snapshot === undefined) throw new Error('there is one')
    const outcome = b.stores.adopt('t_0', snapshot, off.signal).then(
      () => 'adopted',
      () => 'rejected',
    )
    await scheduler.advance(25)
    if (how === 'dies') a.process.kill()
    if (how === 'is called off') off.abort()
    expect(await scheduler.run(outcome)).toBe('rejected')
    expect((await scheduler.run(b.stores.open('t_0'))).meta()).toBe(undefined)
  }
})

test('a peer that was greeted and is gone has died; one that is paused, or was never there, has not', async () => {
  const { scheduler, worker, listen } = scene()
  const [a, b, watcher] = [worker('a'), worker('b'), worker('w')]
  const [dies, pauses] = [await listen(a, 'm-a'), await listen(b, 'm-b')]
  const died: string[] = []
  const nobody = { memberId: 'm-n', address: 'nobody:1' }
  watcher.peers.watch([dies, pauses, nobody], ({ memberId }) => died.push(memberId))
  await scheduler.advance(100)
  a.process.kill()
  b.process.pause()
  await scheduler.advance(5_000)
  expect(died).toEqual(['m-a'])
})

test('another member at the same address means that the former one is dead', async () => {
  const { scheduler, worker, listen } = scene()
  const [a, watcher] = [worker('a', { address: 'host:1' }), worker('w')]
  const former = await listen(a, 'm-1')
  const died: Peer[] = []
  watcher.peers.watch([former], (peer) => died.push(peer))
  await scheduler.advance(100)
  a.process.kill()
  await listen(worker('a2', { address: 'host:1' }), 'm-2')
  await scheduler.advance(1_000)
  expect(died).toEqual([former])
})

test('a peer that is not to be watched any more is not told of', async () => {
  const { scheduler, worker, listen } = scene()
  const [a, watcher] = [worker('a'), worker('w')]
  const peer = await listen(a, 'm-a')
  const died: Peer[] = []
  watcher.peers.watch([peer], (one) => died.push(one))
  await scheduler.advance(100)
  watcher.peers.watch([], (one) => died.push(one))
  a.process.kill()
  await scheduler.advance(1_000)
  expect(died).toEqual([])
})
