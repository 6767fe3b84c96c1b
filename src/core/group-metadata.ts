/**
 * What travels in the consumer group's own metadata, in the consumer protocol's encoding, so that every Kafka tool can
 * read who holds which partitions:
 *
 *     Subscription => Version:int16 [Topic:string] UserData:bytes
 *     Assignment   => Version:int16 [Topic:string [Partition:int32]] UserData:bytes
 *
 * The user data is JSON. Source: ConsumerProtocolSubscription.json and ConsumerProtocolAssignment.json of Apache Kafka.
 */
import type { TopicPartition } from './fetched.js'

export interface WorkerInfo {
  readonly v: 1
  readonly worker: string
  /** Tasks that are active on this worker. */
  readonly active: readonly string[]
}
export interface TaskAssignment {
  readonly v: 1
  readonly active: readonly string[]
}

const VERSION = 0

export function encodeSubscription(topics: readonly string[], info: WorkerInfo): Buffer {
  return Buffer.concat([int16(VERSION), int32(topics.length), ...topics.map(string), bytes(JSON.stringify(info))])
}

/** Undefined where the bytes are not this protocol's. */
export function decodeSubscription(metadata: Uint8Array): WorkerInfo | undefined {
  return parseOr(() => {
    const reader = new Reader(metadata)
    reader.int16()
    for (let n = reader.int32(); n > 0; n--) reader.string()
    const info = JSON.parse(reader.bytes()) as Partial<WorkerInfo>
    return info.v === 1 && typeof info.worker === 'string' && isTexts(info.active)
      ? { v: 1, worker: info.worker, active: info.active }
      : undefined
  })
}

export function encodeAssignment(partitions: readonly TopicPartition[], assignment: TaskAssignment): Buffer {
  const byTopic = new Map<string, number[]>()
  for (const { topic, partition } of partitions) byTopic.set(topic, [...(byTopic.get(topic) ?? []), partition])
  const topics = [...byTopic].map(([topic, ps]) => Buffer.concat([string(topic), int32(ps.length), ...ps.map(int32)]))
  return Buffer.concat([int16(VERSION), int32(byTopic.size), ...topics, bytes(JSON.stringify(assignment))])
}

/** Undefined where the bytes are not this protocol's; an empty assignment is one without tasks. */
export function decodeAssignment(assignment: Uint8Array): TaskAssignment | undefined {
  if (assignment.length === 0) return { v: 1, active: [] }
  return parseOr(() => {
    const reader = new Reader(assignment)
    reader.int16()
    for (let n = reader.int32(); n > 0; n--) {
      reader.string()
      for (let m = reader.int32(); m > 0; m--) reader.int32()
    }
    const tasks = JSON.parse(reader.bytes()) as Partial<TaskAssignment>
    return tasks.v === 1 && isTexts(tasks.active) ? { v: 1, active: tasks.active } : undefined
  })
}

const isTexts = (value: unknown): value is string[] => Array.isArray(value) && value.every((v) => typeof v === 'string')

function parseOr<T>(parse: () => T | undefined): T | undefined {
  try {
    return parse()
  } catch {
    return undefined
  }
}

function int16(value: number): Buffer {
  const buffer = Buffer.alloc(2)
  buffer.writeInt16BE(value)
  return buffer
}
function int32(value: number): Buffer {
  const buffer = Buffer.alloc(4)
  buffer.writeInt32BE(value)
  return buffer
}
function string(value: string): Buffer {
  const text = Buffer.from(value)
  return Buffer.concat([int16(text.length), text])
}
function bytes(value: string): Buffer {
  const text = Buffer.from(value)
  return Buffer.concat([int32(text.length), text])
}

class Reader {
  readonly #bytes: Buffer
  #at = 0
  constructor(source: Uint8Array) {
    this.#bytes = Buffer.from(source.buffer, source.byteOffset, source.byteLength)
  }
  int16(): number {
    this.#at += 2
    return this.#bytes.readInt16BE(this.#at - 2)
  }
  int32(): number {
    this.#at += 4
    return this.#bytes.readInt32BE(this.#at - 4)
  }
  string(): string {
    return this.#take(this.int16())
  }
  bytes(): string {
    return this.#take(this.int32())
  }
  #take(length: number): string {
    if (length < 0 || this.#at + length > this.#bytes.length) throw new RangeError('cut short')
    this.#at += length
    return this.#bytes.toString('utf8', this.#at - length, this.#at)
  }
}
