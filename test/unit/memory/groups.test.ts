/** What the conformance suite can't show on a shared real broker: dead members, and a coordinator that restarts. */
import { expect, test } from 'vitest'
import { MemoryCluster } from '../../../src/memory/cluster.js'
import { Scheduler, type SimulatedProcess } from '../../../src/memory/scheduler.js'
import { GroupError, type GroupClient, type JoinRequest } from '../../../src/ports/log.js'

const scene = () => {
  const scheduler = new Scheduler()
  const cluster = new MemoryCluster({ scheduler })
  const member = (name: string): { process: SimulatedProcess; client: GroupClient } => {
    const process = scheduler.process(name)
    return { process, client: cluster.log({ process }).group('g') }
  }
  return { scheduler, cluster, member }
}
const request = (memberId: string, metadata = 'm'): JoinRequest => ({
  memberId,
  sessionTimeoutMs: 6_000,
  rebalanceTimeoutMs: 3_000,
  protocol: 'potoroo',
  metadata: Buffer.from(metadata),
})
async function enter(client: GroupClient, metadata: string, memberId = '') {
  const joined = await client.join(request(memberId, metadata))
  const assignments = new Map(joined.members.map((one) => [one.memberId, one.metadata]))
  return { joined, mine: Buffer.from(await client.sync(joined, assignments)).toString() }
}
const kindOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'none',
    (error: unknown) => (error instanceof GroupError ? error.kind : String(error)),
  )

test('a process that dies while it joins is a member until its session ends', async () => {
  const { scheduler, cluster, member } = scene()
  const [a, b] = [member('a'), member('b')]
  const first = await scheduler.run(enter(a.client, 'a'))
  void b.client.join(request('', 'b'))
  await scheduler.until(() => cluster.describeGroup('g').members.length === 2)
  b.process.kill()
  const again = await scheduler.run(enter(a.client, 'a', first.joined.memberId))
  expect(again.joined.members).toHaveLength(2)
  expect(cluster.describeGroup('g').state).toBe('stable')
  const began = scheduler.elapsedMs
  const beat = (): void => {
    a.client.heartbeat(again.joined).catch(() => undefined)
    a.process.clock.after(200, beat)
  }
  beat()
  await scheduler.until(() => cluster.describeGroup('g').members.length === 1)
  // It never asked for its assignment, for which it has the rebalance timeout.
  expect(scheduler.elapsedMs - began).toBeGreaterThan(2_900)
  expect(scheduler.elapsedMs - began).toBeLessThan(3_100)
})

test('a group that rebalances tells nothing about its members but their ids', async () => {
  const { scheduler, cluster, member } = scene()
  const [a, b] = [member('a'), member('b')]
  await scheduler.run(enter(a.client, 'a'))
  const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString()
  const stable = cluster.describeGroup('g').members[0]
  expect([text(stable?.metadata), text(stable?.assignment)]).toEqual(['a', 'a'])
  void b.client.join(request('', 'b'))
  await scheduler.until(() => cluster.describeGroup('g').state === 'joining')
  expect(cluster.describeGroup('g').members.map(({ metadata }) => text(metadata))).toEqual(['', ''])
})

test('a coordinator that restarts remembers the last stable generation, not the rebalance (invariant 4)', async () => {
  const { scheduler, cluster, member } = scene()
  const [a, b] = [member('a'), member('b')]
  const first = await scheduler.run(enter(a.client, 'a'))
  const told: string[] = []
  const lost = kindOf(b.client.join(request('', 'b'), (id) => told.push(id)))
  await scheduler.until(() => cluster.describeGroup('g').state === 'joining')
  cluster.restartBroker(0, 100)
  expect(await scheduler.run(lost)).toBe('unavailable')
  expect(await scheduler.run(kindOf(a.client.heartbeat(first.joined)))).toBe('unavailable')
  await scheduler.advance(200)
  expect(await scheduler.run(kindOf(a.client.heartbeat(first.joined)))).toBe('none')
  expect(await scheduler.run(kindOf(b.client.join(request(told[0] ?? '', 'b'))))).toBe('unknown-member')
})

test('a coordinator that is restarted while it is down comes back once, and members that joined since stay', async () => {
  const { scheduler, cluster, member } = scene()
  const a = member('a')
  const late = kindOf(a.client.heartbeat({ memberId: 'nobody', generation: 1 }))
  cluster.restartBroker(0, 100)
  cluster.restartBroker(0, 300)
  expect(await scheduler.run(late)).toBe('unavailable')
  await scheduler.advance(200)
  expect(await scheduler.run(kindOf(a.client.join(request('', 'a'))))).toBe('unavailable')
  await scheduler.advance(200)
  const { joined } = await scheduler.run(enter(a.client, 'a'))
  await scheduler.advance(1000)
  expect(await scheduler.run(kindOf(a.client.heartbeat(joined)))).toBe('none')
  expect(cluster.describeGroup('g').protocol).not.toBe('')
})

test('all leave: the group is empty, and stays so over a restart', async () => {
  const { scheduler, cluster, member } = scene()
  const a = member('a')
  const { joined } = await scheduler.run(enter(a.client, 'a'))
  await scheduler.run(a.client.leave(joined.memberId))
  expect(cluster.describeGroup('g').state).toBe('empty')
  cluster.restartBroker(0, 1)
  await scheduler.advance(10)
  expect(cluster.describeGroup('g')).toMatchObject({ state: 'empty', members: [] })
})

test('an id that nobody joins with holds a rebalance up no longer than the session timeout', async () => {
  const { scheduler, cluster, member } = scene()
  const [a, b] = [member('a'), member('b')]
  await scheduler
    .run(
      b.client
        .join(request('', 'b'), () => {
          b.process.kill()
        })
        .catch(() => undefined)
        .then(
          () => undefined,
          () => undefined,
        ),
      50,
    )
    .catch(() => undefined)
  const began = scheduler.elapsedMs
  await scheduler.run(enter(a.client, 'a'))
  expect(cluster.describeGroup('g').members).toHaveLength(1)
  expect(scheduler.elapsedMs - began).toBeLessThan(6_000)
})
