/** `GroupClient` on a simulated cluster. */
import { isBrokerError } from './broker-error.js'
import { MemberIdRequired } from './groups.js'
import { Connections } from './network.js'
import { GroupError } from '../ports/log.js'
import type { BrokerErrorCode } from './broker-error.js'
import type { Api } from './faults.js'
import type { Brokers } from './brokers.js'
import type { Reply } from './groups.js'
import type { GroupClient, GroupErrorKind, JoinRequest, Joined, Membership } from '../ports/log.js'
import { messageOf } from '../errors.js'

const kinds: Partial<Record<BrokerErrorCode, GroupErrorKind>> = {
  REBALANCE_IN_PROGRESS: 'rebalance-in-progress',
  UNKNOWN_MEMBER_ID: 'unknown-member',
  ILLEGAL_GENERATION: 'illegal-generation',
  INCONSISTENT_GROUP_PROTOCOL: 'inconsistent-protocol',
}

/** How much longer than the group may take a client waits for it. */
const GRACE_MS = 5_000

export class MemoryGroupClient implements GroupClient {
  readonly #connections: Connections

  constructor(
    private readonly cluster: Brokers,
    client: Connections,
    private readonly groupId: string,
    private readonly requestTimeoutMs: number,
  ) {
    this.#connections = new Connections(client.process, client.clientId, client)
  }

  async join(request: JoinRequest, onMemberId?: (memberId: string) => void): Promise<Joined> {
    try {
      return await this.#join(request)
    } catch (error) {
      if (!(error instanceof GroupError && error.cause instanceof MemberIdRequired)) throw error
      const { memberId } = error.cause
      onMemberId?.(memberId)
      return await this.#join({ ...request, memberId })
    }
  }

  sync(member: Membership, assignments: ReadonlyMap<string, Uint8Array>): Promise<Uint8Array> {
    return this.#send<Uint8Array>(
      'syncGroup',
      (reply) => {
        this.cluster.group(this.groupId).sync(member, assignments, reply)
      },
      this.requestTimeoutMs,
    )
  }

  heartbeat(member: Membership): Promise<void> {
    return this.#send<undefined>('heartbeat', (reply) => {
      this.cluster.group(this.groupId).heartbeat(member)
      reply.answer(undefined)
    })
  }

  async leave(memberId: string): Promise<void> {
    try {
      await this.#send<undefined>('leaveGroup', (reply) => {
        this.cluster.group(this.groupId).leave(memberId)
        reply.answer(undefined)
      })
    } catch (error) {
      if (!(error instanceof GroupError && error.kind === 'unknown-member')) throw error
    }
  }

  async close(): Promise<void> {
    this.#connections.close()
    await Promise.resolve()
  }

  #join(request: JoinRequest): Promise<Joined> {
    return this.#send<Joined>(
      'joinGroup',
      (reply) => {
        this.cluster.group(this.groupId).join(this.#connections.clientId, request, reply)
      },
      request.rebalanceTimeoutMs + GRACE_MS,
    )
  }

  async #send<T>(api: Api, work: (reply: Reply<T>) => void, hangsForMs?: number): Promise<T> {
    const broker = this.cluster.coordinator
    const target = {
      broker,
      api,
      subject: this.groupId,
      timeoutMs: hangsForMs ?? this.requestTimeoutMs,
      hangs: hangsForMs !== undefined,
    }
    try {
      return await this.cluster.network.send<T>(this.#connections, target, (reply) => {
        this.cluster.coordinate(broker, () => {
          work(reply)
        })
      })
    } catch (error) {
      if (!isBrokerError(error)) throw error
      const kind = kinds[error.code] ?? 'unavailable'
      throw new GroupError(kind, `${api} of ${this.groupId}: ${messageOf(error)}`, { cause: error })
    }
  }
}
