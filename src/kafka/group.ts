/**
 * One member's requests to its group's coordinator. JoinGroup and SyncGroup are answered when the whole group is ready,
 * and Kafka works off a connection in order: they have a connection of their own, so that heartbeats and leaving don't
 * queue after them.
 */
import { isPotorooError, messageOf, PotorooError } from '../errors.js'
import {
  type GroupClient,
  GroupError,
  type GroupErrorKind,
  type Joined,
  type JoinRequest,
  type Membership,
} from '../ports/log.js'
import type { Cluster } from './cluster.js'
import type { JudgedApi } from './error-table.js'
import { BrokerError, codes, isPassing, isUnexpected, toPotorooError } from './errors.js'
import type { Request } from './prepared.js'
import * as requests from './requests.js'
import { newProtocol } from './transactions.js'

/** Protocol type of all groups whose members read topics; tools expect it. */
const CONSUMER = 'consumer'
/** A heartbeat that takes longer is as good as lost; the next one needs a new connection in time for the session. */
const HEARTBEAT_TIMEOUT_MS = 2_000
const LEAVE_TIMEOUT_MS = 2_000

const kinds: ReadonlyMap<number, GroupErrorKind> = new Map<number, GroupErrorKind>([
  [codes.REBALANCE_IN_PROGRESS, 'rebalance-in-progress'],
  [codes.UNKNOWN_MEMBER_ID, 'unknown-member'],
  [codes.ILLEGAL_GENERATION, 'illegal-generation'],
  [codes.INCONSISTENT_GROUP_PROTOCOL, 'inconsistent-protocol'],
])

export class KafkaGroup implements GroupClient {
  /** How long a join may take, as of the last one. */
  #patienceMs: number
  #closed = false

  constructor(
    private readonly cluster: Cluster,
    private readonly groupId: string,
    /** Its connections have names of their own: two clients of one group don't end each other's. */
    private readonly id: number,
  ) {
    this.#patienceMs = cluster.settings.requestTimeoutMs
  }

  async join(request: JoinRequest, onMemberId?: (memberId: string) => void): Promise<Joined> {
    const { sessionTimeoutMs, rebalanceTimeoutMs, protocol, metadata } = request
    // The group waits for all members, each for its own rebalance timeout; a dead one counts until its session ends.
    this.#patienceMs = sessionTimeoutMs + rebalanceTimeoutMs + this.cluster.settings.requestTimeoutMs
    let { memberId } = request
    for (;;) {
      const answer = await this.#call(
        this.#lane('join'),
        requests.joinGroup({
          groupId: this.groupId,
          memberId,
          sessionTimeout: sessionTimeoutMs,
          rebalanceTimeout: rebalanceTimeoutMs,
          protocolType: CONSUMER,
          groupProtocols: [{ name: protocol, metadata: asBuffer(metadata) }],
        }),
        this.#patienceMs,
      )
      if (answer.errorCode === codes.MEMBER_ID_REQUIRED && memberId === '' && answer.memberId) {
        memberId = answer.memberId
        onMemberId?.(memberId)
        continue
      }
      this.#check(answer.errorCode, 'JoinGroup')
      // A group in the new protocol takes classic members in, but assigns by itself: it names no leader.
      if (!answer.leaderId || answer.groupProtocol !== protocol) {
        await this.leave(answer.memberId ?? memberId)
        throw new GroupError('inconsistent-protocol', newProtocol(this.groupId))
      }
      if (request.memberId === '' && memberId === '') onMemberId?.(answer.memberId ?? '')
      return {
        memberId: answer.memberId ?? memberId,
        generation: answer.generationId,
        leaderId: answer.leaderId,
        members: answer.members.map((member) => ({
          memberId: member.memberId,
          metadata: member.memberMetadata ?? new Uint8Array(),
        })),
      }
    }
  }

  async sync(member: Membership, assignments: ReadonlyMap<string, Uint8Array>): Promise<Uint8Array> {
    const { errorCode, memberAssignment } = await this.#call(
      this.#lane('join'),
      requests.syncGroup({
        groupId: this.groupId,
        generationId: member.generation,
        memberId: member.memberId,
        groupAssignment: [...assignments].map(([memberId, bytes]) => ({ memberId, memberAssignment: asBuffer(bytes) })),
      }),
      this.#patienceMs,
    )
    this.#check(errorCode, 'SyncGroup')
    return memberAssignment ?? new Uint8Array()
  }

  async heartbeat({ memberId, generation }: Membership): Promise<void> {
    const request = requests.heartbeat({ groupId: this.groupId, groupGenerationId: generation, memberId })
    const { errorCode } = await this.#call(this.#lane('group'), request, HEARTBEAT_TIMEOUT_MS)
    this.#check(errorCode, 'Heartbeat')
  }

  async leave(memberId: string): Promise<void> {
    const request = requests.leaveGroup({ groupId: this.groupId, memberId })
    const { errorCode, members } = await this.#call(this.#lane('group'), request, LEAVE_TIMEOUT_MS)
    const code = errorCode || (members?.[0]?.errorCode ?? 0)
    if (code !== codes.UNKNOWN_MEMBER_ID) this.#check(code, 'LeaveGroup')
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- the port's close may wait; this one has nothing to wait for
  async close(): Promise<void> {
    this.#closed = true
    this.cluster.closeLanes(this.#lane('join'), this.#lane('group'))
  }

  #lane(which: 'join' | 'group'): string {
    return `${which}-${String(this.id)}`
  }

  async #call<T>(lane: string, request: Request<T>, timeoutMs: number): Promise<T> {
    try {
      if (this.#closed) throw new GroupError('unavailable', `the client of group ${this.groupId} was closed`)
      return await this.cluster.call(lane, await this.cluster.coordinator('group', this.groupId), request, timeoutMs)
    } catch (error) {
      throw this.#groupError(error)
    }
  }

  #check(errorCode: number, api: JudgedApi): void {
    if (errorCode !== 0) throw this.#groupError(new BrokerError(errorCode, `${api} of group ${this.groupId}`, api))
  }

  #groupError(error: unknown): GroupError {
    if (error instanceof GroupError) return error
    this.cluster.noteCoordinatorFailure('group', this.groupId, error)
    const kind =
      (error instanceof BrokerError && error.kind === 'special' ? kinds.get(error.errorCode) : undefined) ??
      (isPassing(error) || (isPotorooError(error) && error.retriable)
        ? 'unavailable'
        : isUnexpected(error)
          ? 'unexpected'
          : 'refused')
    const hint =
      kind === 'inconsistent-protocol'
        ? `. Other software, or another version of this application, is in group ${this.groupId} with its own protocols`
        : ''
    return new GroupError(kind, `${messageOf(error)}${hint}`, { cause: kind === 'refused' ? refusal(error) : error })
  }
}

const refusal = (error: unknown): PotorooError =>
  error instanceof BrokerError && error.errorCode === codes.INVALID_SESSION_TIMEOUT
    ? new PotorooError(
        'INVALID_CONFIGURATION',
        `the brokers' group.min.session.timeout.ms and group.max.session.timeout.ms don't allow this worker's session timeout`,
        { cause: error },
      )
    : toPotorooError(error, 'the group')

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
