/** A group's membership: JoinGroup, SyncGroup, Heartbeat, LeaveGroup. */
import { BrokerError } from '../../../src/memory/broker-error.js'
import { MemberIdRequired, type Reply } from '../../../src/memory/groups.js'
import type { Joined } from '../../../src/ports/log.js'
import { errors } from './errors.js'
import { codeFrom, codeOfError, coordinates, end, type Handlers, reply, type Request } from './request.js'

const NOTHING = new Uint8Array(0)

/** Answers with what the work gives, now or later, or with its error. */
function later<T>(
  request: Request,
  code: number,
  answer: (value: T | BrokerError | number) => void,
  work: (reply: Reply<T>) => void,
): void {
  if (code !== errors.NONE) {
    answer(code)
    return
  }
  try {
    work({ answer, refuse: answer })
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error
    answer(error)
  }
}
const isJoined = (outcome: Joined | BrokerError | number): outcome is Joined =>
  typeof outcome === 'object' && !(outcome instanceof BrokerError)
const codeOfOutcome = (outcome: unknown): number =>
  typeof outcome === 'number' ? outcome : outcome instanceof BrokerError ? codeOfError(outcome) : errors.NONE

export const groupRequests: Handlers = {
  /**
   *     Request => GroupId SessionTimeoutMs RebalanceTimeoutMs MemberId GroupInstanceId ProtocolType [Name Metadata]
   *     Response => ThrottleTimeMs ErrorCode GenerationId ProtocolName Leader MemberId [MemberId GroupInstanceId Metadata]
   */
  JoinGroup(request) {
    const { body, cluster, clientId } = request
    const groupId = body.string()
    const [sessionTimeoutMs, rebalanceTimeoutMs] = [body.int32(), body.int32()]
    const memberId = body.string()
    body.nullableString()
    body.string()
    const [protocol] = body.array(() => ({ name: body.string(), metadata: Buffer.from(body.data()) }))
    end(body)
    if (protocol === undefined) throw new RangeError('a member joins with a protocol')
    const { name, metadata } = protocol
    const answer = (outcome: Joined | BrokerError | number): void => {
      const joined = isJoined(outcome) ? outcome : { memberId, generation: -1, leaderId: '', members: [] }
      const given = outcome instanceof MemberIdRequired ? outcome.memberId : joined.memberId
      reply(request, (writer) => {
        writer.int16(codeOfOutcome(outcome)).int32(joined.generation)
        writer
          .string(isJoined(outcome) ? name : '')
          .string(joined.leaderId)
          .string(given)
        writer.array(joined.members, (member) => {
          writer.string(member.memberId).string(undefined).data(member.metadata)
        })
      })
    }
    later<Joined>(request, coordinates(request, 'group', groupId), answer, (to) => {
      const join = { memberId, sessionTimeoutMs, rebalanceTimeoutMs, protocol: name, metadata }
      cluster.group(groupId).join(clientId, join, to)
    })
  },

  /**
   *     Request => GroupId GenerationId MemberId GroupInstanceId [MemberId Assignment]
   *     Response => ThrottleTimeMs ErrorCode Assignment
   */
  SyncGroup(request) {
    const { body, cluster } = request
    const groupId = body.string()
    const generation = body.int32()
    const memberId = body.string()
    body.nullableString()
    const assignments = new Map(body.array(() => [body.string(), Buffer.from(body.data())] as const))
    end(body)
    const answer = (outcome: Uint8Array | BrokerError | number): void => {
      reply(request, (writer) => {
        writer.int16(codeOfOutcome(outcome)).data(outcome instanceof Uint8Array ? outcome : NOTHING)
      })
    }
    later<Uint8Array>(request, coordinates(request, 'group', groupId), answer, (to) => {
      cluster.group(groupId).sync({ memberId, generation }, assignments, to)
    })
  },

  /**
   *     Request => GroupId GenerationId MemberId GroupInstanceId
   *     Response => ThrottleTimeMs ErrorCode
   */
  Heartbeat(request) {
    const { body, cluster } = request
    const groupId = body.string()
    const generation = body.int32()
    const memberId = body.string()
    body.nullableString()
    end(body)
    const code =
      coordinates(request, 'group', groupId) ||
      codeFrom(() => {
        cluster.group(groupId).heartbeat({ memberId, generation })
      })
    reply(request, (writer) => writer.int16(code))
  },

  /**
   *     Request => GroupId [MemberId GroupInstanceId]
   *     Response => ThrottleTimeMs ErrorCode [MemberId GroupInstanceId ErrorCode]
   */
  LeaveGroup(request) {
    const { body, cluster } = request
    const groupId = body.string()
    const members = body.array(() => {
      const memberId = body.string()
      body.nullableString()
      return memberId
    })
    end(body)
    const code = coordinates(request, 'group', groupId)
    const leave = (memberId: string): number =>
      codeFrom(() => {
        cluster.group(groupId).leave(memberId)
      })
    const answers = (code === errors.NONE ? members : []).map((memberId) => ({ memberId, code: leave(memberId) }))
    reply(request, (writer) => {
      writer.int16(code)
      writer.array(answers, (one) => writer.string(one.memberId).string(undefined).int16(one.code))
    })
  },
}
