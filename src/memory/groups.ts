/**
 * Kafka's group coordinator (the classic protocol), for one group.
 *
 *     empty ──join──▶ joining ──all joined, or time is up──▶ syncing ──leader's sync──▶ stable
 *       ▲               ▲ ▲                                     │                        │
 *       │               │ └──member gone, or joins again────────┘                        │
 *       │               └────member gone, or new, or joins again with other metadata─────┘
 *       └──last member gone (from any)
 *
 * Invariants
 * 1. A generation has one leader, one set of members and one assignment; requests of another generation are refused.
 * 2. Members that haven't joined again within the longest rebalance timeout are out, and so are those that haven't
 *    synced in that time, even when the group is stable by then; in between, a member that is silent for its session timeout is out.
 * 3. A member whose join or sync waits is not expired: the coordinator can't know that its process is dead.
 * 4. What the coordinator remembers beyond a restart is the last generation that became stable, or that all have gone.
 */
import { BrokerError } from './broker-error.js'
import type { Scheduler } from './scheduler.js'
import type { JoinRequest, Joined, Membership } from '../ports/log.js'
import type { Random, Timer } from '../ports/clock.js'

/** How an answer that may come later is given. */
export interface Reply<T> {
  answer(value: T): void
  refuse(error: BrokerError): void
}

interface Member {
  readonly memberId: string
  readonly clientId: string
  sessionTimeoutMs: number
  rebalanceTimeoutMs: number
  metadata: Uint8Array
  assignment: Uint8Array
  joining: Reply<Joined> | undefined
  syncing: Reply<Uint8Array> | undefined
  /** Whether it has asked for its assignment in this generation. */
  synced: boolean
  aliveUntilMs: number
}

export type GroupState = 'empty' | 'joining' | 'syncing' | 'stable'

export interface GroupDescription {
  readonly state: GroupState
  readonly protocol: string
  readonly generation: number
  /** Member ids that were given out, and that nobody has joined with yet: a rebalance waits for them. */
  readonly awaited: readonly string[]
  /** Metadata and assignments are empty unless the group is stable, as Kafka's DescribeGroups has it. */
  readonly members: readonly {
    readonly memberId: string
    readonly clientId: string
    readonly metadata: Uint8Array
    readonly assignment: Uint8Array
  }[]
}

interface Remembered {
  readonly generation: number
  readonly leaderId: string
  readonly protocol: string
  readonly members: readonly Member[]
}

const NOTHING = new Uint8Array(0)
const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

export interface GroupOptions {
  readonly scheduler: Scheduler
  readonly random: Random
  /** `group.initial.rebalance.delay.ms` */
  readonly initialRebalanceDelayMs: number
  /** Called with what the members of a generation have said, and what its leader gives them. */
  readonly onAssigned?: ((members: readonly AssignedMember[]) => void) | undefined
}

export interface AssignedMember {
  readonly memberId: string
  readonly metadata: Uint8Array
  readonly assignment: Uint8Array
}

export class Group {
  #state: GroupState = 'empty'
  #generation = 0
  #protocol = ''
  #leaderId = ''
  readonly #members = new Map<string, Member>()
  /** Ids given out that nobody has joined with yet. */
  readonly #pending = new Map<string, Timer>()
  #phase: Timer | undefined
  #initialDelayOver = true
  #remembered: Remembered = { generation: 0, leaderId: '', protocol: '', members: [] }

  constructor(
    readonly groupId: string,
    private readonly options: GroupOptions,
  ) {}

  describe(): GroupDescription {
    const stable = this.#state === 'stable'
    const members = [...this.#members.values()].map(({ memberId, clientId, metadata, assignment }) => ({
      memberId,
      clientId,
      metadata: stable ? metadata : NOTHING,
      assignment: stable ? assignment : NOTHING,
    }))
    const awaited = [...this.#pending.keys()]
    return { state: this.#state, protocol: this.#protocol, generation: this.#generation, awaited, members }
  }

  join(clientId: string, request: JoinRequest, reply: Reply<Joined>): void {
    if (this.#members.size > 0 && request.protocol !== this.#protocol) {
      throw new BrokerError('INCONSISTENT_GROUP_PROTOCOL', `the members have ${this.#protocol}`)
    }
    if (request.memberId === '') throw this.#giveMemberId(clientId, request.sessionTimeoutMs)
    const member = this.#members.get(request.memberId)
    if (member === undefined) {
      const waiting = this.#pending.get(request.memberId)
      if (waiting === undefined) throw new BrokerError('UNKNOWN_MEMBER_ID', request.memberId)
      waiting.cancel()
      this.#pending.delete(request.memberId)
      this.#joinNew(clientId, request, reply)
    } else {
      this.#joinAgain(member, request, reply)
    }
  }

  sync(membership: Membership, assignments: ReadonlyMap<string, Uint8Array>, reply: Reply<Uint8Array>): void {
    const member = this.#memberOf(membership)
    switch (this.#state) {
      case 'empty':
        throw new BrokerError('UNKNOWN_MEMBER_ID', membership.memberId)
      case 'joining':
        throw new BrokerError('REBALANCE_IN_PROGRESS')
      case 'stable':
        member.synced = true
        this.#heard(member)
        reply.answer(member.assignment)
        return
      case 'syncing':
        member.synced = true
        member.syncing = reply
        if (member.memberId === this.#leaderId) this.#becomeStable(assignments)
    }
  }

  heartbeat(membership: Membership): void {
    const member = this.#memberOf(membership)
    this.#heard(member)
    if (this.#state === 'joining') throw new BrokerError('REBALANCE_IN_PROGRESS')
  }

  /** Throws UNKNOWN_MEMBER_ID. */
  leave(memberId: string): void {
    const pending = this.#pending.get(memberId)
    const member = this.#members.get(memberId)
    if (pending !== undefined) {
      pending.cancel()
      this.#pending.delete(memberId)
      this.#completeJoinIfAllAreThere()
    } else if (member !== undefined) {
      this.#remove(member)
    } else {
      throw new BrokerError('UNKNOWN_MEMBER_ID', memberId)
    }
  }

  /** The coordinator goes down: whoever waits for an answer waits for nothing. */
  stop(): void {
    this.#phase?.cancel()
    for (const pending of this.#pending.values()) pending.cancel()
    this.#pending.clear()
    this.#members.clear()
  }

  /** The coordinator starts again, from what it remembers. */
  start(): void {
    const { generation, leaderId, protocol, members } = this.#remembered
    this.#generation = generation
    this.#leaderId = leaderId
    this.#protocol = protocol
    this.#state = members.length === 0 ? 'empty' : 'stable'
    for (const member of members) {
      const copy = { ...member, joining: undefined, syncing: undefined }
      this.#members.set(copy.memberId, copy)
      this.#heard(copy)
      this.#watch(copy)
    }
  }

  #giveMemberId(clientId: string, sessionTimeoutMs: number): BrokerError {
    const memberId = `${clientId}-${this.options.random.id()}`
    const forget = this.options.scheduler.after(undefined, sessionTimeoutMs, () => {
      this.#pending.delete(memberId)
      this.#completeJoinIfAllAreThere()
    })
    this.#pending.set(memberId, forget)
    return new MemberIdRequired(memberId)
  }

  #joinNew(clientId: string, request: JoinRequest, reply: Reply<Joined>): void {
    const { memberId, sessionTimeoutMs, rebalanceTimeoutMs, metadata } = request
    if (this.#members.size === 0) this.#protocol = request.protocol
    const member: Member = {
      memberId,
      clientId,
      sessionTimeoutMs,
      rebalanceTimeoutMs,
      metadata,
      assignment: NOTHING,
      joining: reply,
      syncing: undefined,
      synced: false,
      aliveUntilMs: 0,
    }
    this.#members.set(memberId, member)
    this.#watch(member)
    this.#rebalance()
  }

  #joinAgain(member: Member, request: JoinRequest, reply: Reply<Joined>): void {
    const changed = !equal(member.metadata, request.metadata)
    const isLeader = member.memberId === this.#leaderId
    // A member that lost the answer is told it again; what asks for a rebalance is other metadata, or the leader.
    if (!changed && (this.#state === 'syncing' || (this.#state === 'stable' && !isLeader))) {
      this.#heard(member)
      reply.answer(this.#joined(member))
      return
    }
    member.sessionTimeoutMs = request.sessionTimeoutMs
    member.rebalanceTimeoutMs = request.rebalanceTimeoutMs
    member.metadata = request.metadata
    member.joining = reply
    this.#rebalance()
  }

  #rebalance(): void {
    if (this.#state === 'joining') {
      this.#completeJoinIfAllAreThere()
      return
    }
    for (const member of this.#members.values()) {
      this.#heard(member)
      const waiting = member.syncing
      member.syncing = undefined
      waiting?.refuse(new BrokerError('REBALANCE_IN_PROGRESS'))
    }
    const first = this.#state === 'empty'
    this.#state = 'joining'
    this.#phase?.cancel()
    this.#initialDelayOver = !first
    const waitMs = first
      ? this.options.initialRebalanceDelayMs
      : Math.max(...[...this.#members.values()].map((member) => member.rebalanceTimeoutMs))
    this.#phase = this.options.scheduler.after(undefined, waitMs, () => {
      this.#initialDelayOver = true
      this.#completeJoin()
    })
    this.#completeJoinIfAllAreThere()
  }

  #completeJoinIfAllAreThere(): void {
    if (this.#state !== 'joining' || !this.#initialDelayOver || this.#pending.size > 0) return
    for (const member of this.#members.values()) if (member.joining === undefined) return
    this.#completeJoin()
  }

  #completeJoin(): void {
    this.#phase?.cancel()
    for (const member of [...this.#members.values()]) {
      if (member.joining === undefined) this.#members.delete(member.memberId)
    }
    this.#generation++
    const first = this.#members.values().next().value
    if (first === undefined) {
      this.#becomeEmpty()
      return
    }
    if (!this.#members.has(this.#leaderId)) this.#leaderId = first.memberId
    this.#state = 'syncing'
    for (const member of this.#members.values()) {
      const waiting = member.joining
      member.joining = undefined
      member.assignment = NOTHING
      member.synced = false
      this.#heard(member)
      waiting?.answer(this.#joined(member))
    }
    const waitMs = Math.max(...[...this.#members.values()].map((member) => member.rebalanceTimeoutMs))
    this.#phase = this.options.scheduler.after(undefined, waitMs, () => {
      for (const member of [...this.#members.values()].filter(({ synced }) => !synced)) this.#remove(member)
    })
  }

  #becomeStable(assignments: ReadonlyMap<string, Uint8Array>): void {
    this.#state = 'stable'
    for (const member of this.#members.values()) member.assignment = assignments.get(member.memberId) ?? NOTHING
    this.options.onAssigned?.([...this.#members.values()])
    this.#remembered = {
      generation: this.#generation,
      leaderId: this.#leaderId,
      protocol: this.#protocol,
      members: [...this.#members.values()].map((member) => ({ ...member })),
    }
    for (const member of this.#members.values()) {
      const waiting = member.syncing
      member.syncing = undefined
      this.#heard(member)
      waiting?.answer(member.assignment)
    }
  }

  #becomeEmpty(): void {
    this.#phase?.cancel()
    this.#state = 'empty'
    this.#leaderId = ''
    this.#remembered = { generation: this.#generation, leaderId: '', protocol: '', members: [] }
  }

  #remove(member: Member): void {
    this.#members.delete(member.memberId)
    member.joining?.refuse(new BrokerError('UNKNOWN_MEMBER_ID', member.memberId))
    member.syncing?.refuse(new BrokerError('UNKNOWN_MEMBER_ID', member.memberId))
    if (member.memberId === this.#leaderId) this.#leaderId = this.#members.keys().next().value ?? ''
    if (this.#state === 'joining') this.#completeJoinIfAllAreThere()
    else if (this.#members.size > 0) this.#rebalance()
    else {
      this.#generation++
      this.#becomeEmpty()
    }
  }

  #joined({ memberId }: Member): Joined {
    const members =
      memberId === this.#leaderId
        ? [...this.#members.values()].map((member) => ({ memberId: member.memberId, metadata: member.metadata }))
        : []
    return { memberId, generation: this.#generation, leaderId: this.#leaderId, members }
  }

  #memberOf({ memberId, generation }: Membership): Member {
    const member = this.#members.get(memberId)
    if (member === undefined) throw new BrokerError('UNKNOWN_MEMBER_ID', memberId)
    if (generation !== this.#generation) throw new BrokerError('ILLEGAL_GENERATION', String(generation))
    return member
  }

  #heard(member: Member): void {
    member.aliveUntilMs = this.options.scheduler.elapsedMs + member.sessionTimeoutMs
  }

  /** One timer a member: it looks whether the member was heard meanwhile. */
  #watch(member: Member): void {
    const leftMs = Math.max(member.aliveUntilMs - this.options.scheduler.elapsedMs, 0)
    this.options.scheduler.after(undefined, leftMs === 0 ? member.sessionTimeoutMs : leftMs, () => {
      if (this.#members.get(member.memberId) !== member) return
      const waits = member.joining !== undefined || member.syncing !== undefined
      if (waits) this.#heard(member)
      if (member.aliveUntilMs <= this.options.scheduler.elapsedMs) this.#remove(member)
      else this.#watch(member)
    })
  }
}

/** MEMBER_ID_REQUIRED brings the id that the member has to join with. */
export class MemberIdRequired extends BrokerError {
  constructor(readonly memberId: string) {
    super('MEMBER_ID_REQUIRED', memberId)
  }
}
