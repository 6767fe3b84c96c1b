/**
 * A consumer group of any size without brokers. Its leader is a worker's own membership: what it is told when all have
 * joined, how it decides, and the bytes that it hands out are the real ones. The other members are bookkeeping: they do at
 * once what they are given, and a standby is warm at the next rebalance.
 */
import {
  decodeAssignment,
  encodeSubscription,
  type TaskAssignment,
  type WorkerInfo,
} from '#potoroo/core/group/group-metadata.js'
import { namesOf, taskId } from '#potoroo/core/plan/topology.js'
import { SeededRandom } from '#potoroo/memory/random.js'
import type { Clock } from '#potoroo/ports/clock.js'
import type { GroupClient } from '#potoroo/ports/log.js'
import { GroupMembership, type MembershipPlan } from '#potoroo/runtime/membership.js'
import { defaults } from '#potoroo/runtime/options.js'
import { groupRecordBytes } from './group-record.js'

export interface Rebalance {
  /** What the leader needs, from the answer to its join to its assignments: processing stands still on that worker. */
  readonly leaderMs: number
  /** What all members say of themselves: the answer to the leader's join. */
  readonly subscriptionBytes: number
  /** What the leader hands out: its SyncGroup request. */
  readonly assignmentBytes: number
  /** The group's record in `__consumer_offsets`. */
  readonly recordBytes: number
  /** Tasks that another worker has now. */
  readonly moved: number
  /** Standbys that a worker did not have before. */
  readonly newStandbys: number
}

/** Market Spread's. */
const names = namesOf('', 'market-spread')
const SOURCES = ['market-data', 'orders']
const PROTOCOL = { protocolType: 'consumer', protocol: 'potoroo' }

/** As the application would have it with so many partitions; or one with so many steps that read as many topics each. */
export function planOf(tasks: number, subTopologies = 1): MembershipPlan & Required<Pick<WorkerInfo, 'knows'>> {
  const steps = Array.from({ length: subTopologies }, (_, i) => `symbol${i === 0 ? '' : String(i)}`)
  const each = tasks / subTopologies
  const partitions = new Map(
    steps.flatMap((step) =>
      Array.from({ length: each }, (_, partition) => [
        taskId(step, partition),
        [...SOURCES, names.changelog(step)].map((topic) => ({ topic, partition })),
      ]),
    ),
  )
  return {
    topics: SOURCES,
    tasks: [...partitions.keys()],
    partitionsOf: (task) => partitions.get(task) ?? [],
    knows: steps.map((name) => ({ name, partitions: each, plan: 0, hash: '0123456789abcdef' })),
  }
}

interface SimulatedWorker {
  readonly memberId: string
  readonly clientHost: string
  info: WorkerInfo
}

export class SimulatedGroup {
  readonly #plan: ReturnType<typeof planOf>
  readonly #random = new SeededRandom(1)
  #workers: SimulatedWorker[] = []
  #started = 0

  constructor(
    tasks: number,
    private readonly standbys: number,
    subTopologies = 1,
  ) {
    this.#plan = planOf(tasks, subTopologies)
  }

  /** By worker, the oldest first. */
  get active(): readonly (readonly string[])[] {
    return this.#workers.map(({ info }) => info.active)
  }
  /** By worker, too. */
  get following(): readonly (readonly string[])[] {
    return this.#workers.map(({ info }) => Object.keys(info.standby))
  }

  join(count: number): void {
    for (let i = 0; i < count; i++) {
      const number = this.#started++
      const [host, worker] = [`10.0.${String(number >> 8)}.${String(number & 255)}`, `worker-${String(number)}`]
      const uuid = this.#random.id().replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
      const { knows } = this.#plan
      const info = { v: 1, worker, address: `${host}:39300`, active: [], standby: {}, leaving: false, knows } as const
      this.#workers.push({ memberId: `${worker}-${uuid}`, clientHost: `/${host}`, info })
    }
  }
  /** The oldest ones want to stop, and hand over. */
  stop(count: number): void {
    for (const worker of this.#workers.slice(0, count)) worker.info = { ...worker.info, leaving: true }
  }
  /** The oldest ones are gone. */
  kill(count: number): void {
    this.#workers = this.#workers.slice(count)
  }

  /** Until one changes nothing. Those that stop go when they have handed over. */
  async settle(): Promise<readonly Rebalance[]> {
    const all: Rebalance[] = []
    for (;;) {
      const before = JSON.stringify([this.active, this.following])
      all.push(await this.rebalance())
      this.#workers = this.#workers.filter(({ info }) => !info.leaving || info.active.length > 0)
      if (JSON.stringify([this.active, this.following]) === before) return all
    }
  }

  async rebalance(): Promise<Rebalance> {
    const subscriptions = new Map(
      this.#workers.map(({ memberId, info }) => [memberId, encodeSubscription(this.#plan.topics, info)]),
    )
    const { leader, assignments, leaderMs } = await this.#lead(subscriptions)
    const owners = new Map(this.#workers.flatMap(({ memberId, info }) => info.active.map((task) => [task, memberId])))
    let [moved, newStandbys] = [0, 0]
    const members = this.#workers.map(({ memberId, clientHost, info }) => {
      const [subscription, assignment] = [subscriptions.get(memberId) ?? NOTHING, assignments.get(memberId) ?? NOTHING]
      return { memberId, clientId: info.worker, clientHost, subscription, assignment }
    })
    for (const worker of this.#workers) {
      const given = taken(assignments.get(worker.memberId))
      const { info, memberId } = worker
      moved += given.active.filter((task) => owners.get(task) !== memberId).length
      newStandbys += given.standby.filter(({ task }) => !(task in info.standby)).length
      // What a worker has to say of a standby that it was just given is for the next rebalance: it is warm then.
      worker.info = {
        ...info,
        active: given.active,
        standby: Object.fromEntries(given.standby.map(({ task }) => [task, 0])),
      }
    }
    return {
      leaderMs,
      subscriptionBytes: total(subscriptions.values()),
      assignmentBytes: total(assignments.values()),
      recordBytes: groupRecordBytes({ id: names.group, ...PROTOCOL, leader, members }),
      moved,
      newStandbys,
    }
  }

  /** One membership, from its join to its assignments. The first worker leads, as in Kafka who joined first. */
  async #lead(subscriptions: ReadonlyMap<string, Uint8Array>): Promise<{
    readonly leader: string
    readonly assignments: ReadonlyMap<string, Uint8Array>
    readonly leaderMs: number
  }> {
    const [first] = this.#workers
    if (first === undefined) throw new RangeError('a group has at least one member')
    const leader = first.memberId
    const members = [...subscriptions].map(([memberId, metadata]) => ({ memberId, metadata }))
    let joinedMs = 0
    let led: { assignments: ReadonlyMap<string, Uint8Array>; leaderMs: number } | undefined
    const client: GroupClient = {
      join: () => {
        joinedMs = performance.now()
        return Promise.resolve({ memberId: leader, leaderId: leader, generation: 1, members })
      },
      sync: ({ memberId }, assignments) => {
        led = { assignments, leaderMs: performance.now() - joinedMs }
        return Promise.resolve(assignments.get(memberId) ?? NOTHING)
      },
      heartbeat: () => Promise.resolve(),
      leave: () => Promise.resolve(),
      close: () => Promise.resolve(),
    }
    const options = { ...defaults, name: first.info.worker, standbys: this.standbys }
    await new Promise<void>((resolve, reject) => {
      const membership: GroupMembership = new GroupMembership(
        client,
        this.#plan,
        options,
        { clock: stopped, observer },
        {
          info: () => first.info,
          beforeRejoin: () => Promise.resolve(),
          assigned: () => {
            // Not before it is done with what it was given.
            setImmediate(() => void membership.leave().then(resolve, reject))
          },
          failed: reject,
          memberId: () => undefined,
        },
      )
      membership.start()
    })
    if (led === undefined) throw new Error('the leader did not lead')
    return { leader, ...led }
  }
}

function taken(assignment: Uint8Array | undefined): TaskAssignment {
  const decoded = decodeAssignment(assignment ?? NOTHING)
  if (decoded === undefined) throw new Error('the leader sent what members do not understand')
  return decoded
}

const NOTHING = new Uint8Array()
const total = (buffers: Iterable<Uint8Array>): number => {
  let sum = 0
  for (const { length } of buffers) sum += length
  return sum
}

/** No heartbeat ever goes out: there is nobody to hear it. */
const stopped: Clock = {
  now: () => 0,
  monotonic: () => 0,
  after: () => ({ cancel: () => undefined }),
  soon: (call) => void setImmediate(call),
}
const ignore = (): void => undefined
const observer = { observe: ignore }
