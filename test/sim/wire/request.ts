/** What the handlers of requests share: the request as they see it, and how they answer. */
import { BrokerError } from '../../../src/memory/broker-error.js'
import type { Reader, Writer } from './bytes.js'
import type { WireCluster } from './cluster.js'
import { codeOf, errors, KafkaError } from './errors.js'
import type { Call } from './network.js'

interface TopicName {
  /** '' for an id that nobody has. */
  readonly topic: string
  /** Where the request names it by this. */
  readonly topicId?: string
}
export interface Topic<T> extends TopicName {
  readonly partitions: readonly T[]
}

export interface Request extends Omit<Call, 'answer'> {
  readonly cluster: WireCluster
  readonly answer: (write: (writer: Writer) => void, mutedMs?: number) => void
}
export type Handler = (request: Request) => void
export type Handlers = Readonly<Record<string, Handler>>

/**
 * An answer that begins with the throttle time, as nearly all do. A client that is throttled gets its answer at once; what
 * it sends next waits (KIP-219).
 */
export function reply({ answer, cluster }: Request, write: (writer: Writer) => void): void {
  const throttleMs = cluster.throttleMs()
  answer((writer) => {
    writer.int32(throttleMs)
    write(writer)
    writer.tags()
  }, throttleMs)
}

/** Nothing may be left of a request. */
export function end(body: Reader): void {
  body.tags()
  body.end()
}

/** Topics with their partitions, as requests have them. */
export const readTopics = <T>(
  body: Reader,
  read: () => T,
  readTopic: () => TopicName = () => ({ topic: body.string() }),
): Topic<T>[] =>
  body.array(() => {
    const topic = readTopic()
    const partitions = body.array(() => {
      const partition = read()
      body.tags()
      return partition
    })
    body.tags()
    return { ...topic, partitions }
  })

/** How requests name a topic by its id. */
export const byId =
  ({ body, cluster }: Request) =>
  (): TopicName => {
    const topicId = body.uuid()
    return { topic: cluster.nameOf(topicId) ?? '', topicId }
  }

/** `write` writes a partition, without the end of its tagged fields. */
export function writeTopics<T>(writer: Writer, topics: readonly Topic<T>[], write: (partition: T) => void): void {
  writer.array(topics, ({ topic, topicId, partitions }) => {
    if (topicId === undefined) writer.string(topic)
    else writer.uuid(topicId)
    writer.array(partitions, (partition) => {
      write(partition)
      writer.tags()
    })
    writer.tags()
  })
}

export const mapTopics = <T, R>(
  topics: readonly Topic<T>[],
  map: (partition: T, topic: string, topicId: string | undefined) => R,
): Topic<R>[] =>
  topics.map((one) => ({
    ...one,
    partitions: one.partitions.map((partition) => map(partition, one.topic, one.topicId)),
  }))

/** The code that says why this broker does not coordinate the group or transactional id now; 0 where it does. */
export function coordinates({ cluster, broker, refused }: Request, kind: 'group' | 'transaction', of: string): number {
  if (refused) return cluster.refusal('coordinator')
  if (cluster.coordinatorOf(kind, of) !== broker) return errors.NOT_COORDINATOR
  return cluster.isLoading(broker) ? errors.COORDINATOR_LOAD_IN_PROGRESS : errors.NONE
}

/** The code of the work's error, which is one of Kafka's; 0 where it has none. */
export function codeFrom(work: () => void): number {
  try {
    work()
    return errors.NONE
  } catch (error) {
    return codeOfError(error)
  }
}
export function codeOfError(error: unknown): number {
  if (error instanceof KafkaError) return error.code
  if (error instanceof BrokerError) return codeOf(error.code)
  throw error
}
