/** Invariants are those of peer-clocks.ts. */
import { expect, it } from 'vitest'
import { Scheduler } from '../../../src/memory/scheduler.js'
import { PeerClocks } from '../../../src/runtime/peer-clocks.js'
import type { Peer } from '../../../src/ports/peers.js'
import { MemoryWorkers } from '../../support/memory-workers.js'
import { pinging } from '../../support/pinging.js'

const peers = ['a', 'b', 'c'].map((memberId): Peer => ({ memberId, address: memberId }))

it('the limit is the median of those that answer, and a second, and stays where nobody does (invariants 1 to 3)', async () => {
  const scheduler = new Scheduler()
  const { clock } = scheduler.process('w')
  let offMs: Readonly<Record<string, number | undefined>> = { a: 5_000, b: -100, c: 90_000 }
  const clocks = new PeerClocks({
    clock,
    peers: {
      status: ({ memberId }) => {
        const off = offMs[memberId]
        if (off === undefined) return Promise.reject(new Error('gone'))
        const nowMs = clock.now() + off
        return Promise.resolve({
          v: 1,
          worker: '',
          memberId,
          generation: 1,
          active: [],
          standby: [],
          handOffs: [],
          nowMs,
        })
      },
    },
  })
  const beyondMs = (): number => Math.round(clocks.limitMs - clock.now())
  expect(clocks.limitMs).toBe(Infinity)
  clocks.peersAre([])
  await scheduler.advance(10)
  expect(clocks.limitMs).toBe(Infinity)
  clocks.peersAre(peers)
  await scheduler.advance(10)
  expect(beyondMs()).toBe(6_000)
  offMs = { a: 5_000, c: 90_000 }
  await scheduler.advance(10_500)
  expect(beyondMs()).toBe(6_000)
  offMs = { b: -100 }
  await scheduler.advance(10_500)
  expect(beyondMs()).toBe(900)
  offMs = {}
  await scheduler.advance(30_000)
  clocks.peersAre([])
  await scheduler.advance(30_000)
  expect(beyondMs()).toBe(900)
  clocks.stop()
})

it('one of three workers whose clock is an hour ahead brings nothing about early', async () => {
  const workers = new MemoryWorkers({ application: pinging(60_000), topics: ['pings', 'pongs'], partitions: 6 })
  for (const name of ['w1', 'w2']) await workers.start(name)
  await workers.scheduler.advance(5_000)
  for (let n = 0; n < 30; n++) workers.append('pings', `p${String(n)}`, { id: `p${String(n)}` })
  await workers.scheduler.advance(2_000)
  // What it takes over is due within a minute.
  await workers.start('w3')
  workers.process('w3').setWallClockOff(3_600_000)
  await workers.scheduler.advance(20_000)
  expect(workers.active('w3')).toHaveLength(2)
  expect(workers.records('pongs')).toEqual([])
  await workers.scheduler.advance(50_000)
  expect(workers.records('pongs')).toHaveLength(30)
  for (const name of ['w1', 'w2', 'w3']) await workers.stop(name)
})
