/**
 * A worker's membership in its consumer group: join, sync, heartbeat, join again. Processing goes on meanwhile; who may
 * commit is decided by fencing, never by this.
 *
 * Invariants
 * 1. Heartbeats go out whatever else is going on, except while a join or sync is under way: the coordinator takes those
 *    as signs of life. While a computation holds the event loop up, the watchdog sends them.
 * 2. `confirmed` resolves only after a heartbeat or a join that was *sent after* the call succeeded.
 * 3. Before a worker joins again its commits are awaited (bounded), so that a task that moves has little to repeat.
 * 4. Rebalances wait for a member as long as a computation may take: it can't join again meanwhile, and were its task
 *    given away, the next owner would begin with the same message.
 * 5. After `leave`, the group has neither this member nor an id that it waits for, also where the first join had not been
 *    answered yet.
 */
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
  type TaskAssignment,
  type WorkerInfo,
} from '../core/group/group-metadata.js'
import type { TopicPartition } from '../core/records/fetched.js'
import { assignmentsOf } from '../core/group/leading.js'
import { isPotorooError, messageOf, PotorooError } from '../errors.js'
import { GroupError, type GroupClient, type Joined } from '../ports/log.js'
import type { Watchdog } from '../ports/watchdog.js'
import { atMost, sleep, type ObservedPorts, type RuntimeOptions } from './options.js'

/** The assignor's name in the group: workers with a different one can't join. */
const PROTOCOL = 'potoroo'
const RETRY_MS = 100
/** This many unexpected answers in a row are tolerated as a temporary fault of a broker: some 10 s. */
const MAX_UNEXPECTED_ANSWERS = 100
/** From the end of the longest computation until the member has rejoined. */
const REJOIN_MS = 3000
/** The answer to a first join brings the member id immediately, unless the coordinator is unreachable. */
const NAMED_MS = 1000

export interface MembershipEvents {
  /** What the group is to know about this worker now. */
  info(): WorkerInfo
  /** Awaited before rejoining. */
  beforeRejoin(): Promise<void>
  assigned(assignment: TaskAssignment, generation: number): void
  /** The membership can't continue: other software is in the group, or access was refused. */
  failed(error: PotorooError): void
  /** The coordinator gave this worker a member id. */
  memberId(id: string): void
}

export interface MembershipPlan {
  readonly topics: readonly string[]
  /** All tasks of the application. */
  readonly tasks: readonly string[]
  /** The partitions that a task reads. */
  partitionsOf(task: string): readonly TopicPartition[]
}

export class GroupMembership {
  #memberId = ''
  #generation = -1
  #isLeader = false
  #stopped = false
  #sent = 0
  #confirmedMs = -Infinity
  #ownershipEpoch = 0
  #confirmations: { readonly after: number; readonly resolve: () => void }[] = []
  #loop: Promise<void> = Promise.resolve()
  #wakeHeartbeat: (() => void) | undefined
  #complained = false
  #isMember = false
  #unexpected = 0
  #rejoinWanted = false
  readonly #named: Promise<void>
  #name: () => void = () => undefined

  constructor(
    private readonly client: GroupClient,
    private readonly plan: MembershipPlan,
    private readonly options: RuntimeOptions,
    private readonly ports: Pick<ObservedPorts, 'clock' | 'observer'>,
    private readonly events: MembershipEvents,
    /** Keeps the membership while this event loop is blocked. */
    private readonly watchdog?: Pick<Watchdog, 'attend'>,
  ) {
    this.#named = new Promise((resolve) => (this.#name = resolve))
  }

  get memberId(): string {
    return this.#memberId
  }
  get generation(): number {
    return this.#generation
  }
  /** Whether the group has given it an assignment, and still knows it, as far as this worker can tell. */
  get isMember(): boolean {
    return this.#isMember && !this.#stopped
  }
  /** Whether the last request to the group got no answer. */
  get isUnreachable(): boolean {
    return this.#complained
  }
  /**
   * When the last successful heartbeat or join was sent, on the monotonic clock: at that time its tasks belonged to
   * this worker.
   */
  get confirmedMs(): number {
    return this.#isMember && !this.#stopped ? this.#confirmedMs : -Infinity
  }
  /**
   * Changes whenever others may have had its tasks meanwhile, even if it got the same ones again: the group had
   * forgotten it, or has had a generation without it.
   */
  get ownershipEpoch(): number {
    return this.#ownershipEpoch
  }
  /** Whether this worker calculated the group's last assignment. */
  get isLeader(): boolean {
    return this.#isLeader
  }

  start(): void {
    this.#loop = this.#run()
  }

  /**
   * Resolves when a heartbeat or join sent from now on has succeeded: what was assigned by then belongs to this worker.
   */
  confirmed(): Promise<void> {
    return new Promise((resolve) => {
      this.#confirmations.push({ after: this.#sent, resolve })
      this.#wakeHeartbeat?.()
    })
  }

  /** Rejoins, so that the leader decides again with what this worker reports now. */
  rejoin(): void {
    this.#rejoinWanted = true
    this.#wakeHeartbeat?.()
  }

  /** Removes a member that is certainly dead, so that the group need not wait for its session timeout. */
  async removeDead(memberId: string): Promise<void> {
    try {
      await this.client.leave(memberId)
    } catch (error) {
      this.ports.observer.observe({ kind: 'dead-member-stays', memberId, error: messageOf(error) })
      // The group then waits for the dead one only as long as for any member that does not rejoin.
      this.rejoin()
      return
    }
    // The group rebalances because of that, or already has if another peer was first: a heartbeat shows it, and costs
    // nothing.
    void this.confirmed()
  }

  /** Leaves the group, so that others need not wait for the session timeout. */
  async leave(): Promise<void> {
    this.#stopped = true
    this.watchdog?.attend(undefined)
    this.#wakeHeartbeat?.()
    const { clock, observer } = this.ports
    // The coordinator may have given it an id that is still in transit (invariant 5).
    if (this.#memberId === '') await atMost(clock, NAMED_MS, Promise.race([this.#named, this.#loop]))
    if (this.#memberId !== '')
      await this.client.leave(this.#memberId).catch((error: unknown) => {
        observer.observe({ kind: 'group-not-left', error: messageOf(error) })
      })
    await this.client.close()
    await this.#loop
  }

  async #run(): Promise<void> {
    let first = true
    while (!this.#stopped)
      try {
        if (!first) await this.events.beforeRejoin()
        first = false
        await this.#joinAndSync()
        await this.#heartbeats()
      } catch (error) {
        await this.#handle(error)
      }
  }

  async #joinAndSync(): Promise<void> {
    const { options, plan } = this
    const sent = ++this.#sent
    const sentMs = this.ports.clock.monotonic()
    this.#rejoinWanted = false
    this.watchdog?.attend(undefined)
    const metadata = encodeSubscription(plan.topics, this.events.info())
    const joined = await this.client.join(
      {
        memberId: this.#memberId,
        sessionTimeoutMs: options.sessionTimeoutMs,
        rebalanceTimeoutMs: this.#rebalanceTimeoutMs,
        protocol: PROTOCOL,
        metadata,
      },
      (id) => {
        this.#became(id)
      },
    )
    if (this.#isStopped()) return
    this.#became(joined.memberId)
    this.#isLeader = joined.leaderId === joined.memberId
    const mine = await this.client.sync(joined, this.#isLeader ? this.#lead(joined) : new Map())
    if (this.#isStopped()) return
    if (joined.generation !== this.#generation + 1) this.#ownershipEpoch++
    this.#generation = joined.generation
    const assignment = decodeAssignment(mine)
    if (assignment === undefined)
      throw new GroupError('inconsistent-protocol', 'the assignment is not in a format that this version knows')
    this.#recovered()
    this.#informWatchdog()
    this.#isMember = true
    this.#confirmedMs = sentMs
    this.events.assigned(assignment, joined.generation)
    this.#confirm(sent)
  }

  /** Invariant 4. */
  get #rebalanceTimeoutMs(): number {
    const { rebalanceTimeoutMs, maxComputationMs } = this.options
    return maxComputationMs === 0 ? rebalanceTimeoutMs : Math.max(rebalanceTimeoutMs, maxComputationMs + REJOIN_MS)
  }

  #informWatchdog(): void {
    this.watchdog?.attend({ memberId: this.#memberId, generation: this.#generation })
  }

  /** Only the leader gets the members. */
  #lead({ members }: Joined): Map<string, Uint8Array> {
    const { plan, options } = this
    const joiners = members.map(({ memberId, metadata }) => ({ memberId, info: decodeSubscription(metadata) }))
    const assignments = assignmentsOf(joiners, plan.tasks, options)
    return new Map(
      [...assignments].map(([memberId, assignment]) => [
        memberId,
        encodeAssignment(
          assignment.active.flatMap((task) => plan.partitionsOf(task)),
          assignment,
        ),
      ]),
    )
  }

  async #heartbeats(): Promise<void> {
    const { clock } = this.ports
    while (!this.#stopped) {
      if (this.#rejoinWanted) return
      if (this.#confirmations.length === 0)
        await new Promise<void>((resolve) => {
          const timer = clock.after(this.options.heartbeatIntervalMs, resolve)
          this.#wakeHeartbeat = () => {
            timer.cancel()
            resolve()
          }
        })
      this.#wakeHeartbeat = undefined
      if (this.#isStopped() || this.#isRejoinWanted()) return
      const sent = ++this.#sent
      const sentMs = clock.monotonic()
      try {
        await this.client.heartbeat({ memberId: this.#memberId, generation: this.#generation })
      } catch (error) {
        // A missing answer says nothing about the membership: ask again. Any other refusal ends this generation.
        if (!(error instanceof GroupError && (error.kind === 'unavailable' || error.kind === 'unexpected'))) throw error
        await this.#handle(error)
        continue
      }
      this.#recovered()
      this.#informWatchdog()
      this.#confirmedMs = sentMs
      this.#confirm(sent)
    }
  }

  /** A failure here means to rejoin, to wait and retry, or to stop. */
  async #handle(error: unknown): Promise<void> {
    if (this.#stopped) return
    const { observer } = this.ports
    if (!(error instanceof GroupError)) {
      this.#end(isPotorooError(error) ? error : new PotorooError('INTERNAL', messageOf(error), { cause: error }))
      return
    }
    const { kind } = error
    switch (kind) {
      case 'rebalance-in-progress':
      case 'illegal-generation':
        observer.observe({ kind: 'group-rebalances', memberId: this.#memberId, why: kind })
        return
      case 'unknown-member':
        observer.observe({ kind: 'member-forgotten', memberId: this.#memberId })
        this.#memberId = ''
        this.#isMember = false
        this.#ownershipEpoch++
        return
      case 'unexpected':
        if (++this.#unexpected >= MAX_UNEXPECTED_ANSWERS) {
          const message = `the group answered ${String(this.#unexpected)} times in a row: ${messageOf(error)}`
          this.#end(new PotorooError('REQUEST_REFUSED', message, { cause: error }))
          return
        }
        await this.#pause(error)
        return
      case 'unavailable':
        await this.#pause(error)
        return
      case 'inconsistent-protocol':
      case 'refused': {
        const { cause } = error
        this.#end(
          isPotorooError(cause)
            ? cause
            : new PotorooError('REQUEST_REFUSED', `group: ${messageOf(error)}`, { cause: error }),
        )
      }
    }
  }

  async #pause(error: GroupError): Promise<void> {
    const { observer, clock } = this.ports
    if (!this.#complained) observer.observe({ kind: 'group-unreachable', error: messageOf(error) })
    this.#complained = true
    await sleep(clock, RETRY_MS)
  }

  #end(error: PotorooError): void {
    this.#stopped = true
    this.events.failed(error)
  }

  #became(id: string): void {
    if (id === this.#memberId) return
    this.#memberId = id
    this.#name()
    this.events.memberId(id)
  }

  #confirm(sent: number): void {
    const due = this.#confirmations.filter(({ after }) => sent > after)
    this.#confirmations = this.#confirmations.filter(({ after }) => sent <= after)
    for (const { resolve } of due) resolve()
  }

  #recovered(): void {
    if (this.#complained) this.ports.observer.observe({ kind: 'group-answers' })
    this.#complained = false
    this.#unexpected = 0
  }

  #isRejoinWanted(): boolean {
    return this.#rejoinWanted
  }

  // Methods, so that the compiler forgets what it knew before an await.
  #isStopped(): boolean {
    return this.#stopped
  }
}
