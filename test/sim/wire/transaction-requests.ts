/** Transactions of both versions: InitProducerId, AddPartitionsToTxn, AddOffsetsToTxn, Produce, TxnOffsetCommit, EndTxn. */
import { partitionKey } from '../../../src/memory/network.js'
import type { TopicPartition } from '../../../src/ports/log.js'
import { readProduced } from './batches.js'
import { errorName, errors, KafkaError } from './errors.js'
import {
  byId,
  codeFrom,
  coordinates,
  end,
  type Handlers,
  mapTopics,
  readTopics,
  reply,
  type Request,
  writeTopics,
} from './request.js'
import type { Identity } from './transactions.js'

/** A request of this version, or a later one, begins with version 2 of transactions. */
const version2 = { Produce: 12, TxnOffsetCommit: 5, EndTxn: 5 } as const
/** Codes of a Produce after which the batch is in the leader's log all the same. */
const appended: ReadonlySet<number> = new Set([errors.REQUEST_TIMED_OUT, errors.NOT_ENOUGH_REPLICAS_AFTER_APPEND])

/** What no client that keeps to the protocol is ever answered. */
const never: ReadonlySet<number> = new Set([
  errors.CORRUPT_MESSAGE,
  errors.INVALID_RECORD,
  errors.UNSUPPORTED_FOR_MESSAGE_FORMAT,
  errors.OUT_OF_ORDER_SEQUENCE_NUMBER,
])

const identityOf = (body: Request['body']): Identity => ({ producerId: body.int64(), epoch: body.int16() })

/** Clients of old versions know no PRODUCER_FENCED. */
const known = (code: number, version: number, since: number): number =>
  code === errors.PRODUCER_FENCED && version < since ? errors.INVALID_PRODUCER_EPOCH : code

/** What a leader makes of the coordinator's answer when it adds a partition or a group to a transaction, or asks for it. */
function verified(code: number, version: 1 | 2): number {
  switch (code) {
    case errors.PRODUCER_FENCED:
      return errors.INVALID_PRODUCER_EPOCH
    case errors.CONCURRENT_TRANSACTIONS:
      return version === 2 ? code : errors.NOT_ENOUGH_REPLICAS
    default:
      return code
  }
}

/** Says why the transaction does not take it; 0 where it does. */
function joins(
  { cluster, broker, client, isClientThere }: Request,
  transactionalId: string,
  identity: Identity,
  to: { readonly partition: TopicPartition } | { readonly group: string },
  version: 1 | 2,
): number {
  if (isClientThere && cluster.coordinated.gaveAnother(client, transactionalId, identity))
    cluster.nonsense(`${client} goes on at epoch ${identity.epoch} of ${transactionalId}, though it was given another`)
  if (!cluster.reaches(broker, cluster.coordinatorOf('transaction', transactionalId))) return errors.NOT_ENOUGH_REPLICAS
  return verified(
    codeFrom(() => {
      const participant = 'group' in to ? cluster.offsetsOf(to.group) : cluster.producersOf(to.partition)
      if (version === 2) cluster.coordinated.add(transactionalId, identity, [participant], 2)
      else if (cluster.verifies) cluster.coordinated.verify(transactionalId, identity, participant)
    }),
    version,
  )
}

export const transactionRequests: Handlers = {
  /**
   *     Request => TransactionalId TransactionTimeoutMs
   *     Response => ThrottleTimeMs ErrorCode ProducerId ProducerEpoch
   */
  InitProducerId(request) {
    const { body, cluster } = request
    const transactionalId = body.string()
    const timeoutMs = body.int32()
    end(body)
    let given: Identity = { producerId: -1, epoch: -1 }
    const code =
      coordinates(request, 'transaction', transactionalId) ||
      codeFrom(() => {
        given = cluster.coordinated.init(transactionalId, timeoutMs)
      })
    reply(request, (writer) => writer.int16(code).int64(given.producerId).int16(given.epoch))
  },

  /**
   *     Request => TransactionalId ProducerId ProducerEpoch [Name [Partition]]
   *     Response => ThrottleTimeMs [Name [Partition ErrorCode]]
   */
  AddPartitionsToTxn(request) {
    const { body, cluster, version } = request
    const transactionalId = body.string()
    const identity = identityOf(body)
    const topics = readTopics(body, () => body.int32())
    end(body)
    let missing = false
    const there = mapTopics(topics, (partition, topic) => {
      const isThere = cluster.has({ topic, partition })
      missing ||= !isThere
      return { topic, partition, isThere }
    })
    const code =
      coordinates(request, 'transaction', transactionalId) ||
      codeFrom(() => {
        if (missing) throw new KafkaError(errors.OPERATION_NOT_ATTEMPTED)
        const participants = there.flatMap(({ partitions }) => partitions.map((of) => cluster.producersOf(of)))
        cluster.coordinated.add(transactionalId, identity, participants, 1)
      })
    reply(request, (writer) => {
      writeTopics(writer, there, ({ partition, isThere }) => {
        writer.int32(partition).int16(isThere ? known(code, version, 2) : errors.UNKNOWN_TOPIC_OR_PARTITION)
      })
    })
  },

  /**
   *     Request => TransactionalId ProducerId ProducerEpoch GroupId
   *     Response => ThrottleTimeMs ErrorCode
   */
  AddOffsetsToTxn(request) {
    const { body, cluster, version } = request
    const transactionalId = body.string()
    const identity = identityOf(body)
    const group = body.string()
    end(body)
    const code =
      coordinates(request, 'transaction', transactionalId) ||
      codeFrom(() => {
        cluster.coordinated.add(transactionalId, identity, [cluster.offsetsOf(group)], 1)
      })
    reply(request, (writer) => writer.int16(known(code, version, 2)))
  },

  /**
   *     Request => TransactionalId Acks TimeoutMs [Topic [Partition Records]]
   *     Response => [Topic [Partition ErrorCode BaseOffset LogAppendTimeMs LogStartOffset [RecordError] ErrorMessage]] ThrottleTimeMs
   *       (the record errors and the message since version 8; a topic is named by its id since 13)
   */
  Produce(request) {
    const { body, cluster, broker, version, refused, answer } = request
    const transactionalId = body.string()
    if (body.int16() !== -1) throw new RangeError('a transactional Produce waits for all replicas')
    body.int32()
    const read = () => ({ partition: body.int32(), records: body.data() })
    const topics = version >= 13 ? readTopics(body, read, byId(request)) : readTopics(body, read)
    end(body)
    const transactionVersion = version >= version2.Produce ? 2 : 1
    const answers = mapTopics(topics, ({ partition, records }, topic, topicId) => {
      // Replicas of one partition may be gone, and those of another not.
      const refusal =
        refused && cluster.chance(0.7) ? cluster.refusal(transactionVersion === 2 ? 'produce2' : 'produce') : 0
      let baseOffset = -1
      const batch = { isWellFormed: false }
      const to = { topic, topicId, partition }
      const code = codeFrom(() => {
        if (refusal !== errors.NONE && !appended.has(refusal)) throw new KafkaError(refusal)
        const log = cluster.ledBy(broker, to)
        const { chunk, producerId, producerEpoch: epoch, baseSequence } = readProduced(Buffer.from(records))
        batch.isWellFormed = true
        if (chunk.end > (cluster.describeTopic(topic)?.maxMessageBytes ?? 0))
          throw new KafkaError(errors.MESSAGE_TOO_LARGE)
        const producers = cluster.producersOf(to)
        const refusedBy = joins(request, transactionalId, { producerId, epoch }, { partition: to }, transactionVersion)
        if (refusedBy !== errors.NONE) throw new KafkaError(refusedBy)
        cluster.checkRecords(to, chunk)
        const before = producers.states.check(producerId, epoch, baseSequence, chunk.count)
        baseOffset = before ?? log.append(chunk, { producerId, ...cluster.appendTime(topic) })
        if (before === undefined) producers.states.appended(producerId, epoch, baseSequence, chunk.count, baseOffset)
        if (refusal !== errors.NONE) throw new KafkaError(refusal)
      })
      // What a topic does not take is no breach of the protocol.
      if (never.has(code) && !(batch.isWellFormed && code === errors.INVALID_RECORD))
        cluster.nonsense(`a Produce of ${transactionalId} to ${topic} is answered ${errorName(code)}`)
      return { partition, code, baseOffset: code === errors.NONE ? baseOffset : -1 }
    })
    const throttleMs = cluster.throttleMs()
    answer((writer) => {
      writeTopics(writer, answers, ({ partition, code, baseOffset }) => {
        writer.int32(partition).int16(code).int64(baseOffset).int64(-1).int64(0)
        if (version >= 8) writer.array([], () => undefined).string(undefined)
      })
      writer.int32(throttleMs).tags()
    }, throttleMs)
  },

  /**
   *     Request => TransactionalId GroupId ProducerId ProducerEpoch [GenerationId MemberId GroupInstanceId]
   *                [Name [Partition Offset [LeaderEpoch] Metadata]]      (the generation since version 3, the epoch since 2)
   *     Response => ThrottleTimeMs [Name [Partition ErrorCode]]
   */
  TxnOffsetCommit(request) {
    const { body, cluster, version } = request
    const transactionalId = body.string()
    const group = body.string()
    const identity = identityOf(body)
    if (version >= 3) {
      body.int32()
      body.string()
      body.nullableString()
    }
    const topics = readTopics(body, () => {
      const partition = body.int32()
      const position = body.int64()
      if (version >= 2) body.int32()
      return { partition, position, note: body.nullableString() ?? '' }
    })
    end(body)
    const transactionVersion = version >= version2.TxnOffsetCommit ? 2 : 1
    let code = coordinates(request, 'group', group)
    if (code === errors.NONE) {
      code = joins(request, transactionalId, identity, { group }, transactionVersion)
      // The group coordinator has names of its own for what its log says.
      if (code === errors.NOT_ENOUGH_REPLICAS) code = errors.COORDINATOR_NOT_AVAILABLE
    }
    if (code === errors.NONE)
      code = codeFrom(() => {
        const offsets = topics.flatMap(({ topic, partitions }) =>
          partitions.map(({ partition, ...offset }) => [partitionKey({ topic, partition }), offset] as const),
        )
        cluster.offsetsOf(group).pend(identity, new Map(offsets))
      })
    reply(request, (writer) => {
      writeTopics(writer, topics, ({ partition }) => writer.int32(partition).int16(code))
    })
  },

  /**
   *     Request => TransactionalId ProducerId ProducerEpoch Committed
   *     Response => ThrottleTimeMs ErrorCode [ProducerId ProducerEpoch]      (both since version 5)
   */
  EndTxn(request) {
    const { body, cluster, version, client } = request
    const transactionalId = body.string()
    const identity = identityOf(body)
    const kind = body.boolean() ? 'commit' : 'abort'
    end(body)
    let next: Identity = { producerId: -1, epoch: -1 }
    const code =
      coordinates(request, 'transaction', transactionalId) ||
      codeFrom(() => {
        next = cluster.coordinated.end(client, transactionalId, identity, kind, version >= version2.EndTxn ? 2 : 1)
      })
    reply(request, (writer) => {
      writer.int16(known(code, version, 2))
      if (version >= version2.EndTxn) writer.int64(next.producerId).int16(next.epoch)
    })
  },
}
