/** Where dead letters go when they are replayed: to the partition that they came from, if it is there and takes them. */
import { dueText } from '../../core/processing/dead-letter.js'
import { RecordWriter } from '../../core/records/records.js'
import type { Log, TopicInfo } from '../../ports/log.js'
import type { Letter } from './letters.js'

export type Timestamps = 'original' | 'now'

export const timestampFor = ({ block }: Letter, timestamps: Timestamps, nowMs: number): number =>
  timestamps === 'now' ? nowMs : block.origin.timestampMs

export class Targets {
  readonly #topics = new Map<string, TopicInfo | undefined>()

  constructor(private readonly log: Pick<Log, 'describeTopics'>) {}

  /** Undefined where there is no such topic. */
  async topic(name: string): Promise<TopicInfo | undefined> {
    if (!this.#topics.has(name)) this.#topics.set(name, (await this.log.describeTopics([name])).get(name))
    return this.#topics.get(name)
  }

  /** Why it can't be replayed with that timestamp; undefined: it can. */
  async refusal({ key, value, block }: Letter, timestampMs: number, nowMs: number): Promise<string | undefined> {
    const { origin, due, code, headers, fullSize } = block
    if (due !== undefined)
      return `it did not come from a record but from ${dueText(due)}, which has passed: send a message that does the work instead`
    if (fullSize !== undefined)
      return `the dead letter has only the beginning of it: its value had ${String(fullSize)} bytes, more than the dead-letter topic takes`
    if (code === 'LATE')
      return 'it was late for windows that have closed, and everything else that it does is done: it would be late again, and the rest would be done twice'
    const topic = await this.topic(origin.topic)
    if (topic === undefined) return `topic ${origin.topic}, which it came from, does not exist any more`
    if (origin.partition >= topic.partitions)
      return `topic ${topic.name} has ${String(topic.partitions)} partitions, and it came from partition ${String(origin.partition)}`
    if (RecordWriter.bytesAlone(key, value, headers) > topic.maxMessageBytes)
      return `topic ${topic.name} takes records of ${String(topic.maxMessageBytes)} bytes only (max.message.bytes)`
    // Before anybody has read it, maybe.
    if (timestampMs >= 0 && nowMs - timestampMs > (topic.retentionMs ?? Infinity))
      return `it is older than topic ${topic.name} keeps its records (retention.ms ${String(topic.retentionMs)}), and would be deleted there: --timestamps now gives it the current time`
    return undefined
  }
}
