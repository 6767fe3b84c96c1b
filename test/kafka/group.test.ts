import { beforeAll, expect, test } from 'vitest'
import { GroupError, type GroupClient, type Joined } from '../../src/ports/log.js'
import { uniqueName } from '../support/broker.js'
import { openLog, openProxied } from '../support/open-logs.js'
import { api } from '../support/proxy.js'
import { until } from '../support/until.js'

const request = {
  memberId: '',
  sessionTimeoutMs: 6_000,
  rebalanceTimeoutMs: 60_000,
  protocol: 'test',
  // A subscription to nothing, version 0: brokers read it, and one that is no such thing can cost them all their memory.
  metadata: Buffer.alloc(10),
}

/** The first group of a broker waits until the broker has made its topic for groups. */
beforeAll(async () => {
  const { log } = await openLog()
  const group = log.group(uniqueName('group'))
  const joined = await until('the broker has a coordinator', () => joinAlone(group).catch(unlessUnavailable))
  await group.leave(joined.memberId)
})
function unlessUnavailable(error: unknown): undefined {
  if (!(error instanceof GroupError && error.kind === 'unavailable')) throw error
}

async function joinAlone(group: GroupClient): Promise<Joined> {
  const joined = await group.join(request)
  await group.sync(joined, new Map([[joined.memberId, Buffer.from('mine')]]))
  return joined
}

test('the member id is told before the join completes', async () => {
  const { log } = await openLog()
  const id = uniqueName('group')
  const first = log.group(id)
  await joinAlone(first)
  const second = log.group(id)
  let told = ''
  const joining = second.join(request, (memberId) => (told = memberId))
  // The first member has not joined again: the second's join can't be complete.
  await until('its id is told', () => told !== '')
  const left = expect(joining).rejects.toMatchObject({ kind: 'unknown-member' })
  await second.leave(told)
  await left
})

test('while a join waits for the others, heartbeats and leaving are answered', async () => {
  const { log } = await openLog()
  const id = uniqueName('group')
  const first = log.group(id)
  const joined = await joinAlone(first)
  const second = log.group(id)
  const joining = second.join(request)
  await until('the group rebalances', async () => (await kindOf(second.heartbeat(joined))) === 'rebalance-in-progress')
  // That was on the client whose join is under way.
  await second.leave(joined.memberId)
  const alone = await joining
  expect(alone.leaderId).toBe(alone.memberId)
})

test('a dead member of which only the id is known is made to leave', async () => {
  const { log } = await openLog()
  const id = uniqueName('group')
  const dead = await joinAlone(log.group(id))
  const heir = log.group(id)
  await heir.leave(dead.memberId)
  await heir.leave(dead.memberId)
  // It need not wait for the dead one's session to end.
  const joined = await heir.join(request)
  expect(joined.members).toHaveLength(1)
})

test('closing ends what waits, and nothing of other clients', async () => {
  const { log } = await openLog()
  const id = uniqueName('group')
  const first = log.group(id)
  const joined = await joinAlone(first)
  const second = log.group(id)
  let told = false
  const joining = second.join(request, () => (told = true))
  await until('it waits', () => told)
  const ended = expect(joining).rejects.toMatchObject({ kind: 'unavailable' })
  await second.close()
  await ended
  await expect(second.heartbeat(joined)).rejects.toMatchObject({ kind: 'unavailable' })
  expect(await kindOf(first.heartbeat(joined))).toBe('rebalance-in-progress')
})

test('a group whose members use another protocol is named', async () => {
  const { log } = await openLog()
  const id = uniqueName('group')
  await joinAlone(log.group(id))
  const joining = log.group(id).join({ ...request, protocol: 'other' })
  await expect(joining).rejects.toMatchObject({ kind: 'inconsistent-protocol' })
  await expect(joining).rejects.toThrow(id)
})

test('a group in the new consumer protocol takes no member of ours: it names no leader', async () => {
  const { log, proxy } = await openProxied()
  proxy.rule = ({ apiKey }) =>
    apiKey === api.joinGroup ? { kind: 'answer', body: leaderless('test', 'member-1') } : undefined
  const joining = log.group(uniqueName('group')).join(request)
  await expect(joining).rejects.toMatchObject({ kind: 'inconsistent-protocol' })
  await expect(joining).rejects.toThrow('KIP-848')
  // The broker took it in; it does not stay.
  const left = proxy.seen.filter(({ apiKey }) => apiKey === api.leaveGroup)
  expect(left.map(({ bytes }) => bytes.includes('member-1'))).toEqual([true])
})

test.each([14, 15, 16])('a coordinator that answers %i is unavailable, and found again', async (code) => {
  const { log, proxy } = await openProxied()
  const group = log.group(uniqueName('group'))
  const joined = await joinAlone(group)
  let once = true
  proxy.rule = ({ apiKey }) => {
    if (apiKey !== api.heartbeat || !once) return undefined
    once = false
    return { kind: 'answer', body: Buffer.from([0, 0, 0, 0, 0, code]) }
  }
  expect(await kindOf(group.heartbeat(joined))).toBe('unavailable')
  await group.heartbeat(joined)
})

test('a connection that is cut is unavailable, and the next call opens another', async () => {
  const { log, proxy } = await openProxied()
  const group = log.group(uniqueName('group'))
  const joined = await joinAlone(group)
  proxy.cutAll()
  await until('it is heard again', async () => (await kindOf(group.heartbeat(joined))) === 'none')
  proxy.rule = ({ apiKey }) => (apiKey === api.heartbeat ? { kind: 'cut' } : undefined)
  expect(await kindOf(group.heartbeat(joined))).toBe('unavailable')
  proxy.rule = undefined
  await group.heartbeat(joined)
})

const kindOf = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => 'none',
    (error: unknown) => (error instanceof Error && 'kind' in error ? error.kind : error),
  )

/** JoinGroup's answer, version 5: ThrottleTimeMs ErrorCode Generation Protocol Leader Member [Member] */
function leaderless(protocol: string, memberId: string): Buffer {
  const text = (value: string): Buffer => Buffer.from([0, value.length, ...Buffer.from(value)])
  return Buffer.concat([Buffer.alloc(10), text(protocol), text(''), text(memberId), Buffer.alloc(4)])
}
