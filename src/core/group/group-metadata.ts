/**
 * What travels in the consumer group's own metadata, in the consumer protocol's encoding, so that every Kafka tool can
 * read who holds which partitions:
 *
 *     Subscription => Version:int16 [Topic:string] UserData:bytes
 *     Assignment   => Version:int16 [Topic:string [Partition:int32]] UserData:bytes
 *
 * The user data is JSON. Source: ConsumerProtocolSubscription.json and ConsumerProtocolAssignment.json of Apache Kafka.
 */
import type { KnownSubTopology } from './assignor-group.js'
import type { TopicPartition } from '../records/fetched.js'
import { isList, isRecord, isText, isTexts, parseOr } from '../json-shape.js'

/** What a worker says of itself when it joins. */
export interface WorkerInfo {
  readonly v: 1
  readonly worker: string
  /** `host:port` that its peers reach it at. */
  readonly address?: string
  /** Tasks that are active on this worker. */
  readonly active: readonly string[]
  /** Its standby tasks, each with its lag in changelog records. Not finite: not known, which travels as -1. */
  readonly standby: Readonly<Record<string, number>>
  /** It stops, and wants to give everything away. */
  readonly leaving: boolean
  /**
   * The sub-topologies that it can work on: the leader may be of another version of the application. Absent in versions of
   * Potoroo from before this; see rule 14 of assignor.ts.
   */
  readonly knows?: readonly KnownSubTopology[]
}
export interface StandbyTask {
  readonly task: string
  /** Member id of its active owner, to copy the store from; '' where there is nothing to copy, or it was copied before. */
  readonly owner: string
  /**
   * Whether the group waits for it to become warm, and has to be told: absent means yes, so that with a leader of a version
   * that does not say, no hand-off waits forever.
   */
  readonly awaited?: false
}
/** A task that is active here from now on and was not before. */
export interface Arrival {
  readonly task: string
  /** Member id of the owner so far, '' where it is gone. */
  readonly from: string
  readonly reason: string
}
/** What the leader gives a worker. */
export interface TaskAssignment {
  readonly v: 1
  readonly active: readonly string[]
  readonly standby: readonly StandbyTask[]
  /** Those that it watches, and those that its standbys may copy from. */
  readonly peers: readonly Peer[]
  readonly arrivals?: readonly Arrival[]
  /** All members stop: nobody is there to hand over to. */
  readonly everybodyLeaves?: boolean
}
export interface Peer {
  readonly memberId: string
  readonly address: string
}

const VERSION = 0
/** A leader lists the tasks of what members know: what a member says must not fill its memory. */
const MOST_PARTITIONS = 100_000

export function encodeSubscription(topics: readonly string[], info: WorkerInfo): Buffer {
  return Buffer.concat([int16(VERSION), int32(topics.length), ...topics.map(string), bytes(textOf(info))])
}

/** Undefined where the bytes are not this protocol's. */
export function decodeSubscription(metadata: Uint8Array): WorkerInfo | undefined {
  return parseOr(() => {
    const reader = new Reader(metadata)
    reader.int16()
    for (let n = reader.int32(); n > 0; n--) reader.string()
    return workerInfo(JSON.parse(reader.bytes()))
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
  if (assignment.length === 0) return { v: 1, active: [], standby: [], peers: [] }
  return parseOr(() => {
    const reader = new Reader(assignment)
    reader.int16()
    for (let n = reader.int32(); n > 0; n--) {
      reader.string()
      for (let m = reader.int32(); m > 0; m--) reader.int32()
    }
    return taskAssignment(JSON.parse(reader.bytes()))
  })
}

const textOf = (info: WorkerInfo): string => {
  const lags = Object.entries(info.standby).map(([task, lag]) => [task, Number.isFinite(lag) ? lag : -1] as const)
  // Every member says it, and all of it must fit into one record of the group.
  const knows = info.knows?.map(({ name, partitions, plan, hash, upgrades = 0 }) => [
    ...[name, partitions, plan, hash],
    ...(upgrades > 0 ? [upgrades] : []),
  ])
  return JSON.stringify({ ...info, standby: Object.fromEntries(lags), knows })
}

function workerInfo(value: unknown): WorkerInfo | undefined {
  if (!isRecord(value) || value.v !== 1) return undefined
  const { worker, address, active, standby, leaving, knows } = value
  if (!isText(worker) || !isTexts(active) || !isLags(standby) || typeof leaving !== 'boolean') return undefined
  if (knows !== undefined && !isList(knows, isKnown)) return undefined
  const known = knows?.map(([name, partitions, plan, hash, upgrades]) => {
    return { name, partitions, plan, hash, ...(upgrades === undefined ? {} : { upgrades }) }
  })
  const info = { v: 1, worker, active, standby, leaving, ...(known && { knows: known }) } as const
  if (address === undefined) return info
  return isText(address) ? { ...info, address } : undefined
}

function taskAssignment(value: unknown): TaskAssignment | undefined {
  if (!isRecord(value) || value.v !== 1) return undefined
  const { active, standby, peers, arrivals, everybodyLeaves } = value
  if (!isTexts(active) || !isList(standby, isStandby) || !isList(peers, isPeer)) return undefined
  const assignment = { v: 1, active, standby, peers, ...(everybodyLeaves === true ? { everybodyLeaves } : {}) } as const
  if (arrivals === undefined) return assignment
  return isList(arrivals, isArrival) ? { ...assignment, arrivals } : undefined
}

const isLags = (value: unknown): value is Record<string, number> =>
  isRecord(value) && Object.values(value).every((lag) => typeof lag === 'number')
/** Versions of Potoroo that know no upgrades pass over what is behind the hash. */
type Known = readonly [name: string, partitions: number, plan: number, hash: string, upgrades?: number]
const isKnown = (value: unknown): value is Known => {
  if (!Array.isArray(value)) return false
  const [name, partitions, plan, hash, upgrades = 0] = value as readonly unknown[]
  if (!isText(name) || !isText(hash) || !isCount(plan) || !isCount(upgrades)) return false
  return isCount(partitions) && partitions <= MOST_PARTITIONS
}
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
const isStandby = (value: unknown): value is StandbyTask =>
  isRecord(value) &&
  isText(value.task) &&
  isText(value.owner) &&
  (value.awaited === undefined || value.awaited === false)
const isPeer = (value: unknown): value is Peer => isRecord(value) && isText(value.memberId) && isText(value.address)
const isArrival = (value: unknown): value is Arrival =>
  isRecord(value) && isText(value.task) && isText(value.from) && isText(value.reason)

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
