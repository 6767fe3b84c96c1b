/** Fetch, at a read-committed reader's leader, and OffsetFetch. */
import type { IntendedPartition } from '../../../src/memory/brokers.js'
import { partitionKey } from '../../../src/memory/network.js'
import type { AbortedRange, PartitionLog } from '../../../src/memory/partition.js'
import { encodeStored } from './batches.js'
import { errors } from './errors.js'
import {
  byId,
  codeOfError,
  coordinates,
  end,
  type Handlers,
  mapTopics,
  readTopics,
  reply,
  type Request,
  writeTopics,
} from './request.js'

interface Asked extends IntendedPartition {
  readonly position: number
  readonly maxBytes: number
  /** Drawn for it: the broker says this instead. */
  readonly refusal: number
}
interface Answered {
  readonly partition: number
  readonly code: number
  readonly highWatermark: number
  readonly lastStableOffset: number
  readonly logStart: number
  readonly aborted: readonly AbortedRange[]
  readonly records: Buffer
}
const NOTHING = Buffer.alloc(0)

const failed = (partition: number, code: number): Answered => ({
  partition,
  code,
  highWatermark: -1,
  lastStableOffset: -1,
  logStart: -1,
  aborted: [],
  records: NOTHING,
})

class Fetching {
  readonly #answers = new Map<Asked, Answered>()
  #leftBytes: number

  constructor(
    private readonly request: Request,
    private readonly asked: readonly Asked[],
    maxBytes: number,
    private readonly done: (answers: ReadonlyMap<Asked, Answered>) => void,
  ) {
    this.#leftBytes = maxBytes
  }

  /** Answers as soon as there is something to say, or after that time. */
  begin(maxWaitMs: number): void {
    if (maxWaitMs === 0 || this.#isReady()) {
      this.#read(0)
      return
    }
    const { cluster } = this.request
    const answer = (): void => {
      timer.cancel()
      for (const stop of stops) stop()
      this.#read(0)
    }
    const timer = cluster.scheduler.after(undefined, maxWaitMs, answer)
    const stops = this.asked.map((one) => {
      const log = this.#log(one)
      return typeof log === 'number' ? () => undefined : log.watch(() => this.#isReady() && answer())
    })
  }

  #isReady(): boolean {
    return this.asked.some((one) => {
      const log = this.#log(one)
      if (typeof log === 'number') return true
      return one.position < log.lastStableOffset || one.position > log.highWatermark || one.position < log.logStart
    })
  }

  /** From that partition on: a broker reads them one after the other, and what is appended meanwhile is seen in later ones. */
  #read(from: number): void {
    const { cluster } = this.request
    for (let i = from; i < this.asked.length; i++) {
      const one = this.asked[i]
      if (one === undefined) break
      this.#answers.set(one, this.#readOne(one))
      const pauseMs = cluster.faults.readMs()
      if (pauseMs === 0) continue
      cluster.scheduler.after(undefined, pauseMs, () => {
        this.#read(i + 1)
      })
      return
    }
    this.done(this.#answers)
  }

  #readOne(one: Asked): Answered {
    const { cluster } = this.request
    const { partition, position } = one
    const log = this.#log(one)
    if (typeof log === 'number') return failed(partition, log)
    const { highWatermark, lastStableOffset, logStart } = log
    if (position < logStart || position > highWatermark) return failed(partition, errors.OFFSET_OUT_OF_RANGE)
    const common = { partition, code: errors.NONE, highWatermark, lastStableOffset, logStart }
    if (this.#leftBytes <= 0) return { ...common, aborted: [], records: NOTHING }
    const limitBytes = Math.min(one.maxBytes, this.#leftBytes)
    const parts: Buffer[] = []
    let bytes = 0
    let upTo = position
    for (const batch of log.stored(position)) {
      const encoded = encodeStored(batch)
      const fits = bytes + encoded.length <= limitBytes
      // The first batch of an answer comes however large it is.
      if (!fits && (bytes > 0 || !this.#isFirst())) {
        // A leader sends a piece of its file, whose end falls where it falls.
        if (bytes > 0 && cluster.chance(0.3)) parts.push(encoded.subarray(0, limitBytes - bytes))
        break
      }
      parts.push(encoded)
      bytes += encoded.length
      upTo = batch.lastOffset + 1
    }
    this.#leftBytes -= bytes
    return { ...common, aborted: log.abortedIn(position, upTo), records: Buffer.concat(parts) }
  }

  #isFirst(): boolean {
    return [...this.#answers.values()].every(({ records }) => records.length === 0)
  }

  #log(one: Asked): PartitionLog | number {
    if (one.refusal !== errors.NONE) return one.refusal
    try {
      return this.request.cluster.ledBy(this.request.broker, one)
    } catch (error) {
      return codeOfError(error)
    }
  }
}

export const fetchRequests: Handlers = {
  /**
   *     Request => ReplicaId MaxWaitMs MinBytes MaxBytes IsolationLevel SessionId SessionEpoch [Topic [Partition]] [Forgotten]
   *                RackId
   *       Partition => Index LeaderEpoch FetchOffset [LastFetchedEpoch] LogStartOffset MaxBytes
   *     Response => ThrottleTimeMs ErrorCode SessionId [Topic [Partition]]
   *       Partition => Index ErrorCode HighWatermark LastStableOffset LogStartOffset [ProducerId FirstOffset]
   *                    PreferredReadReplica Records
   *       (the epoch last fetched since version 12; a topic is named by its id since 13)
   */
  Fetch(request) {
    const { body, cluster, refused, version } = request
    body.int32()
    const maxWaitMs = body.int32()
    body.int32()
    const maxBytes = body.int32()
    if (body.int8() !== 1) throw new RangeError('a worker reads read-committed')
    body.int32()
    body.int32()
    const read = () => {
      const partition = body.int32()
      body.int32()
      const position = body.int64()
      if (version >= 12) body.int32()
      body.int64()
      return { partition, position, maxBytes: body.int32() }
    }
    const topics = mapTopics(
      version >= 13 ? readTopics(body, read, byId(request)) : readTopics(body, read),
      (one, topic, topicId): Asked => ({
        ...one,
        topic,
        topicId,
        refusal: refused && cluster.chance(0.7) ? cluster.refusal('fetch') : errors.NONE,
      }),
    )
    if (body.array(() => undefined).length > 0) throw new RangeError('nobody forgets topics, without a session')
    body.string()
    end(body)
    const asked = topics.flatMap(({ partitions }) => partitions)
    new Fetching(request, asked, maxBytes, (answers) => {
      reply(request, (writer) => {
        writer.int16(errors.NONE).int32(0)
        writeTopics(writer, topics, (one) => {
          const { code, highWatermark, lastStableOffset, logStart, aborted, records } =
            answers.get(one) ?? failed(one.partition, errors.UNKNOWN_SERVER_ERROR)
          writer.int32(one.partition).int16(code).int64(highWatermark).int64(lastStableOffset).int64(logStart)
          writer.array(aborted, ({ producerId, firstOffset }) => writer.int64(producerId).int64(firstOffset).tags())
          writer.int32(-1).data(records)
        })
      })
    }).begin(maxWaitMs)
  },

  /**
   *     Request => GroupId [Name [Partition]] RequireStable
   *     Response => ThrottleTimeMs [Name [Partition Offset LeaderEpoch Metadata ErrorCode]] ErrorCode
   */
  OffsetFetch(request) {
    const { body, cluster } = request
    const group = body.string()
    const topics = readPlainTopics(body)
    const requireStable = body.boolean()
    end(body)
    const code = coordinates(request, 'group', group)
    const offsets = cluster.offsets(group)
    reply(request, (writer) => {
      writeTopics(writer, code === errors.NONE ? topics : [], ({ topic, partition }) => {
        const key = partitionKey({ topic, partition })
        const unstable = requireStable && offsets.isPending(key)
        writer
          .int32(partition)
          .int64(unstable ? -1 : (offsets.get(key) ?? -1))
          .int32(-1)
          .string(offsets.committed(key)?.note ?? '')
        writer.int16(unstable ? errors.UNSTABLE_OFFSET_COMMIT : errors.NONE)
      })
      writer.int16(code)
    })
  },
}

/** As `readTopics`, of partitions that have no tagged fields, because they are mere numbers. */
const readPlainTopics = (body: Request['body']) =>
  body.array(() => {
    const topic = body.string()
    const partitions = body.array(() => ({ topic, partition: body.int32() }))
    body.tags()
    return { topic, partitions }
  })
