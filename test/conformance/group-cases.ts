/** What every `GroupClient` has to do, on the real Kafka and on the one in memory. */
import { expect, test } from 'vitest'
import { decodeSubscription, encodeSubscription } from '../../src/core/group/group-metadata.js'
import { GroupError } from '../../src/ports/log.js'
import { eventually, type World, type Worlds } from './world.js'
import type { GroupClient, Joined, JoinRequest } from '../../src/ports/log.js'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (of: Uint8Array): string => new TextDecoder().decode(of)

/** A subscription to nothing: coordinators read what members say, and other bytes can make them fail. */
const subscription = (worker: string): Uint8Array =>
  encodeSubscription([], { v: 1, worker, active: [], standby: {}, leaving: false })
const workerIn = (metadata: Uint8Array): string | undefined => decodeSubscription(metadata)?.worker

const requestOf = (memberId = '', metadata = 'm', protocol = 'potoroo'): JoinRequest => ({
  memberId,
  sessionTimeoutMs: 6_000,
  rebalanceTimeoutMs: 3_000,
  protocol,
  metadata: subscription(metadata),
})

const kindOf = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise
    return 'none'
  } catch (error) {
    return error instanceof GroupError ? error.kind : String(error)
  }
}

const assign = (joined: Joined): Map<string, Uint8Array> =>
  new Map(joined.members.map(({ memberId, metadata }) => [memberId, bytes(`for ${String(workerIn(metadata))}`)]))

/** Joins and syncs, again as long as the group changes meanwhile. */
async function enter(client: GroupClient, metadata: string, memberId = ''): Promise<{ joined: Joined; mine: string }> {
  for (;;) {
    try {
      const joined = await client.join(requestOf(memberId, metadata), (id) => (memberId = id))
      return { joined, mine: text(await client.sync(joined, assign(joined))) }
    } catch (error) {
      if (!(error instanceof GroupError) || !['rebalance-in-progress', 'illegal-generation'].includes(error.kind))
        throw error
    }
  }
}

export function groupCases(worlds: Worlds): void {
  const check = (what: string, body: (world: World, group: string) => Promise<void>): void => {
    test(what, () => worlds.run((world) => body(world, world.name('group'))))
  }

  check('a member is told its id before it has joined', async (world, group) => {
    const client = world.log().group(group)
    const told: string[] = []
    const joined = await client.join(requestOf(), (id) => told.push(id))
    expect(told).toEqual([joined.memberId])
    expect(joined.leaderId).toBe(joined.memberId)
    expect(joined.members.map(({ metadata }) => workerIn(metadata))).toEqual(['m'])
    expect(text(await client.sync(joined, assign(joined)))).toBe('for m')
    await client.heartbeat(joined)
    await client.leave(joined.memberId)
    expect(await kindOf(client.heartbeat(joined))).toBe('unknown-member')
  })

  check('a second member makes the first join again; both get what the leader assigns', async (world, group) => {
    const [a, b] = [world.log().group(group), world.log().group(group)]
    const first = await enter(a, 'a')
    const second = enter(b, 'b')
    await eventually(
      world,
      'the heartbeat says so',
      async () => (await kindOf(a.heartbeat(first.joined))) === 'rebalance-in-progress',
    )
    const [again, other] = await Promise.all([enter(a, 'a2', first.joined.memberId), second])
    expect(again.joined.generation).toBe(other.joined.generation)
    expect(again.joined.generation).toBeGreaterThan(first.joined.generation)
    expect(again.joined.leaderId).toBe(other.joined.leaderId)
    expect([again.mine, other.mine]).toEqual(['for a2', 'for b'])
    const leader = again.joined.members.length > 0 ? again.joined : other.joined
    expect(leader.members.map(({ metadata }) => workerIn(metadata)).sort()).toEqual(['a2', 'b'])
    expect(await kindOf(a.heartbeat(first.joined))).toBe('illegal-generation')
    await b.leave(other.joined.memberId)
    expect(await kindOf(a.heartbeat(again.joined))).toBe('rebalance-in-progress')
    const alone = await enter(a, 'a3', again.joined.memberId)
    expect(alone.joined.members.length).toBe(1)
  })

  check('a member that joins again with other metadata makes the group rebalance', async (world, group) => {
    const [a, b] = [world.log().group(group), world.log().group(group)]
    const first = await enter(a, 'a')
    const second = enter(b, 'b')
    await eventually(
      world,
      'the second comes',
      async () => (await kindOf(a.heartbeat(first.joined))) === 'rebalance-in-progress',
    )
    const [ownA, ownB] = await Promise.all([enter(a, 'a', first.joined.memberId), second])
    const isLeader = ownA.joined.leaderId === ownA.joined.memberId
    const [leader, leaderClient] = isLeader ? [ownA, a] : [ownB, b]
    const [follower, followerClient] = isLeader ? [ownB, b] : [ownA, a]
    const warm = enter(followerClient, 'warm', follower.joined.memberId)
    await eventually(
      world,
      'the leader hears of it',
      async () => (await kindOf(leaderClient.heartbeat(leader.joined))) === 'rebalance-in-progress',
    )
    const [after] = await Promise.all([enter(leaderClient, 'leader', leader.joined.memberId), warm])
    expect(after.joined.members.map(({ metadata }) => workerIn(metadata)).sort()).toEqual(['leader', 'warm'])
    expect((await warm).mine).toBe('for warm')
  })

  check('a follower that joins again unchanged is told the generation again', async (world, group) => {
    const [a, b] = [world.log().group(group), world.log().group(group)]
    const first = await enter(a, 'a')
    const second = enter(b, 'b')
    await eventually(
      world,
      'the second comes',
      async () => (await kindOf(a.heartbeat(first.joined))) === 'rebalance-in-progress',
    )
    const [ownA, ownB] = await Promise.all([enter(a, 'a', first.joined.memberId), second])
    const isLeader = ownA.joined.leaderId === ownA.joined.memberId
    const [follower, client, metadata] = isLeader ? [ownB, b, 'b'] : [ownA, a, 'a']
    const again = await enter(client, metadata, follower.joined.memberId)
    expect(again.joined.generation).toBe(follower.joined.generation)
    expect(again.mine).toBe(follower.mine)
  })

  check('anybody can make a member leave, also one that is gone already', async (world, group) => {
    const [a, b] = [world.log().group(group), world.log().group(group)]
    const { joined } = await enter(a, 'a')
    await b.leave(joined.memberId)
    await b.leave(joined.memberId)
    expect(await kindOf(a.heartbeat(joined))).toBe('unknown-member')
    expect(await kindOf(a.join(requestOf(joined.memberId)))).toBe('unknown-member')
    await enter(b, 'b')
  })

  check('a member that does not join again within the rebalance timeout is out', async (world, group) => {
    const [a, b] = [world.log().group(group), world.log().group(group)]
    const silent = await enter(a, 'a')
    const began = world.clock.monotonic()
    const other = await enter(b, 'b')
    expect(other.joined.members.length).toBe(1)
    expect(world.clock.monotonic() - began).toBeGreaterThan(2_500)
    expect(await kindOf(a.heartbeat(silent.joined))).toBe('unknown-member')
  })

  check(
    'a member that only sends heartbeats stays through a rebalance, up to its rebalance timeout',
    async (world, group) => {
      const [a, b] = [world.log().group(group), world.log().group(group)]
      // Longer than the session timeout: what it lives by is the heartbeats.
      const patient = (metadata: string, memberId = '') => ({
        ...requestOf(memberId, metadata),
        rebalanceTimeoutMs: 20_000,
      })
      const joined = await a.join(patient('a'))
      await a.sync(joined, assign(joined))
      const other = b.join(patient('b'))
      const began = world.clock.monotonic()
      const answers = new Set<string>()
      await eventually(world, 'longer than a session', async () => {
        answers.add(await kindOf(a.heartbeat(joined)))
        return world.clock.monotonic() - began > 8_000
      })
      expect([...answers].filter((kind) => kind !== 'none')).toEqual(['rebalance-in-progress'])
      const again = await a.join(patient('a2', joined.memberId))
      expect(again.memberId).toBe(joined.memberId)
      expect((await other).generation).toBe(again.generation)
    },
  )

  check('a member that is silent for its session timeout is out', async (world, group) => {
    const client = world.log().group(group)
    const { joined } = await enter(client, 'a')
    const began = world.clock.monotonic()
    // A heartbeat of another generation doesn't count as one.
    const wrong = { ...joined, generation: joined.generation + 1 }
    await eventually(world, 'it is out', async () => (await kindOf(client.heartbeat(wrong))) === 'unknown-member')
    expect(world.clock.monotonic() - began).toBeGreaterThan(5_000)
  })

  check('another protocol is refused', async (world, group) => {
    const [a, b] = [world.log().group(group), world.log().group(group)]
    await enter(a, 'a')
    expect(await kindOf(b.join(requestOf('', 'b', 'range')))).toBe('inconsistent-protocol')
  })

  check('an unknown member and a wrong generation are told apart', async (world, group) => {
    const client = world.log().group(group)
    const { joined } = await enter(client, 'a')
    expect(await kindOf(client.heartbeat({ ...joined, memberId: 'nobody' }))).toBe('unknown-member')
    expect(await kindOf(client.heartbeat({ ...joined, generation: joined.generation + 1 }))).toBe('illegal-generation')
    expect(await kindOf(client.sync({ ...joined, generation: joined.generation - 1 }, new Map()))).toBe(
      'illegal-generation',
    )
    expect(text(await client.sync(joined, new Map()))).toBe('for a')
  })
}
