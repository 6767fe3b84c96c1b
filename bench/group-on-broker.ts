/** Groups on a real broker: how large one may be, and how long its rebalances take. */
import { encodeSubscription, type WorkerInfo } from '#potoroo/core/group/group-metadata.js'
import { GroupError, type Log, type Membership } from '#potoroo/ports/log.js'
import { GroupMembership } from '#potoroo/runtime/membership.js'
import { defaults } from '#potoroo/runtime/options.js'
import { systemClock } from '#potoroo/system.js'
import { groupRecordBytes } from './group-record.js'
import { planOf } from './simulated-group.js'
import { delay, until } from './waiting.js'

const PROTOCOL = { protocolType: 'consumer', protocol: 'potoroo' }
const JOIN = { memberId: '', sessionTimeoutMs: 6000, rebalanceTimeoutMs: 3000, protocol: PROTOCOL.protocol }
/** The first group of a cluster waits for its coordinator's topic to be made. */
const COORDINATOR_MS = 30_000
/** Lengths take a few bytes more as they grow. */
const VARINTS = 8
const ignore = (): void => undefined
const observer = { observe: ignore }

/**
 * The largest record of a group that the broker writes, found by halving; `atMost` where it takes that. What it is told
 * apart by is the size that was calculated for the record: where the result is the topic's `max.message.bytes`, the
 * calculation is right.
 */
export async function largestGroupRecord(log: Log, clientId: string, id: string, atMost: number): Promise<number> {
  const client = log.group(id)
  const subscription = encodeSubscription([], { v: 1, worker: 'probe', active: [], standby: {}, leaving: false })
  let [memberId, generation] = ['', -1]
  const join = (): Promise<boolean> =>
    trueUnlessRefused(
      client.join({ ...JOIN, memberId, metadata: subscription }).then((joined) => {
        ;({ memberId, generation } = joined)
      }),
    )
  const takes = async (bytes: number): Promise<boolean> => {
    await until('the coordinator lets the probe join', () => join(), { timeoutMs: COORDINATOR_MS })
    const sizeWith = (length: number): number =>
      groupRecordBytes({
        id,
        ...PROTOCOL,
        leader: memberId,
        members: [{ memberId, clientId, clientHost: '/127.0.0.1', subscription, assignment: { length } }],
      })
    let length = Math.max(0, bytes - sizeWith(0) - VARINTS)
    while (sizeWith(length) < bytes) length++
    const assignment = new Uint8Array(length)
    return trueUnlessRefused(client.sync({ memberId, generation }, new Map([[memberId, assignment]])))
  }
  try {
    let [fits, tooLarge] = [1000, atMost + 1]
    if (await takes(atMost)) return atMost
    while (tooLarge - fits > 1) {
      const middle = Math.floor((fits + tooLarge) / 2)
      if (await takes(middle)) fits = middle
      else tooLarge = middle
    }
    return fits
  } finally {
    await client.leave(memberId)
    await client.close()
  }
}

const trueUnlessRefused = (request: Promise<unknown>): Promise<boolean> =>
  request.then(
    () => true,
    (error: unknown) => {
      // Too large a record is UNKNOWN_SERVER_ERROR to whoever sent the assignment: `unexpected`.
      if (error instanceof GroupError && (error.kind === 'unavailable' || error.kind === 'unexpected')) return false
      throw error
    },
  )

export interface RealRebalance {
  readonly members: number
  /** From the start of all of them until all have their assignment in one and the same generation; undefined: they never did. */
  readonly startMs: number | undefined
  /** From the start of one more until all have theirs in one and the same generation. */
  readonly joinMs: number | undefined
}

/** So many workers' memberships, with all that they ask of the coordinator, and ten tasks each; no tasks are run. */
export async function realRebalance(log: Log, id: string, members: number, patienceMs: number): Promise<RealRebalance> {
  const plan = planOf(members * 10)
  const generations = new Map<GroupMembership, Membership['generation']>()
  const all: GroupMembership[] = []
  let failure: Error | undefined
  const add = (number: number): void => {
    let info: WorkerInfo = {
      v: 1,
      worker: `worker-${String(number)}`,
      address: `10.0.0.${String(number)}:39300`,
      active: [],
      standby: {},
      leaving: false,
      knows: plan.knows,
    }
    const options = { ...defaults, name: info.worker }
    const membership: GroupMembership = new GroupMembership(
      log.group(id),
      plan,
      options,
      { clock: systemClock, observer },
      {
        info: () => info,
        beforeRejoin: () => Promise.resolve(),
        assigned: ({ active, standby }, generation) => {
          info = { ...info, active, standby: Object.fromEntries(standby.map(({ task }) => [task, 0])) }
          generations.set(membership, generation)
        },
        failed: (error) => {
          failure = error
        },
        memberId: ignore,
      },
    )
    all.push(membership)
    membership.start()
  }
  /** ms until all of them are in one generation. */
  const together = async (): Promise<number | undefined> => {
    const startMs = performance.now()
    while (generations.size < all.length || new Set(generations.values()).size > 1) {
      if (failure !== undefined) throw failure
      if (performance.now() - startMs > patienceMs) return undefined
      await delay(5)
    }
    return performance.now() - startMs
  }
  try {
    for (let i = 0; i < members; i++) add(i)
    const startMs = await together()
    if (startMs === undefined) return { members, startMs, joinMs: undefined }
    add(members)
    return { members, startMs, joinMs: await together() }
  } finally {
    await Promise.all(all.map((membership) => membership.leave()))
  }
}
