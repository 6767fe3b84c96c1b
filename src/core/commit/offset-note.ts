/**
 * What the group keeps beside each of its offsets (Kafka's metadata of an offset): that a worker has committed it, of which
 * topic, and with which changelog. It tells such offsets from those that somebody else has set (an operator's reset,
 * another consumer before the application's first start): tools write offsets without it.
 *
 * 1. A task without state has its positions in the group alone: the topic's id tells one that was recreated.
 *    So does a bound, where the task has a time: it is of the records up to that offset.
 * 2. An offset that was committed with a changelog proves that this changelog had a commit record: whoever finds none in it
 *    knows that it was lost.
 */
import { subTopologyIn } from './changelog-identity.js'

export interface OffsetNote {
  /** Undefined where brokers have no ids. */
  readonly topicId?: string | undefined
  /** The changelog's identity; undefined without state. */
  readonly changelog?: string | undefined
  /** The bound of the topic's partition, and how far its newest record was behind, where a task without state has a time. */
  readonly boundMs?: number | undefined
  readonly behindMs?: number | undefined
  /** It says nothing else than that a worker has committed the offset. */
  readonly isPlain?: boolean
}

const VERSION = 1
/** Says no more than that a transaction of a worker has committed it: where nothing else is known, or brokers have no room. */
export const PLAIN_NOTE = 'potoroo'

export const encodeOffsetNote = ({ topicId, changelog, boundMs, behindMs }: Omit<OffsetNote, 'isPlain'>): string =>
  JSON.stringify({ potoroo: VERSION, topicId, changelog, boundMs, behindMs })

/** Undefined for what no worker wrote: a note may be any text. */
export function decodeOffsetNote(note: string): OffsetNote | undefined {
  if (note === PLAIN_NOTE) return { isPlain: true }
  try {
    const parsed: unknown = JSON.parse(note)
    if (typeof parsed !== 'object' || parsed === null) return undefined
    const { potoroo, topicId, changelog, boundMs, behindMs } = parsed as Record<string, unknown>
    if (potoroo !== VERSION || !isTextOrNone(topicId) || !isTextOrNone(changelog)) return undefined
    if (boundMs === undefined) return { topicId, changelog }
    return isMs(boundMs) && (behindMs === undefined || isMs(behindMs))
      ? { topicId, changelog, boundMs, behindMs }
      : undefined
  } catch {
    return undefined
  }
}

const isMs = (value: unknown): value is number => Number.isFinite(value)
const isTextOrNone = (value: unknown): value is string | undefined => value === undefined || typeof value === 'string'

/**
 * Whether the offset of a source of a task with state was committed with a changelog of its sub-topology. Sub-topologies
 * change: it may be of another one, or of a task that had no state. A plain note leaves that open, and is taken for one.
 */
export const isOfChangelog = (note: OffsetNote | undefined, subTopology: string): boolean =>
  note?.changelog === undefined
    ? note?.isPlain === true
    : (subTopologyIn(note.changelog) ?? subTopology) === subTopology
