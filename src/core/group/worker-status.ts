/** What a worker says of itself while it works, to whoever asks it: more, and fresher, than the group's metadata has. */
import { isList, isNumber, isRecord, isText, parseOr } from '../json-shape.js'
import { isTaskState, type TaskState } from '../commit/task-life.js'
import type { LatencyCounts } from './recent-latency.js'

export interface WorkerStatus {
  readonly v: 1
  readonly worker: string
  /** '' while the group has given it none. */
  readonly memberId: string
  /** Of the group, as of this worker's last assignment; -1 before the first. */
  readonly generation: number
  readonly active: readonly ActiveStatus[]
  readonly standby: readonly StandbyStatus[]
  /** Its clock, ms since the epoch; absent from earlier versions. */
  readonly nowMs?: number | undefined
  /** Absent where it has none, and from earlier versions. */
  readonly broadcasts?: readonly BroadcastStatus[]
  /** Of the messages of the last 10 to 20 s; absent from earlier versions. */
  readonly latency?: LatencyCounts | undefined
  /** Tasks that came to this worker, the latest last; a bounded number. They are forgotten when the worker ends. */
  readonly handOffs: readonly HandOff[]
}
export interface ActiveStatus {
  readonly task: string
  readonly state: TaskState
  /** Absent where nothing uses time, and while the task is not running. */
  readonly time?: TimeStatus | undefined
  /** Absent where nothing is held, and from earlier versions. */
  readonly held?: readonly HeldStatus[] | undefined
  /** Of a task that makes calls; absent elsewhere, and while it is not running. */
  readonly calls?: CallsStatus | undefined
}
/** The calls of a task, as of now. */
export interface CallsStatus {
  readonly call: string
  readonly underWay: number
  /** Messages that have come, and whose calls have not begun. */
  readonly waiting: number
  /** The first message that is not done; absent where there is none. */
  readonly oldest?: OldestCall | undefined
}
export interface OldestCall {
  readonly topic: string
  readonly offset: number
  /** How many attempts have begun. */
  readonly attempts: number
  /** Since it came to this worker. */
  readonly waitedMs: number
  /** What the last attempt failed with; absent where none has. */
  readonly why?: string | undefined
}
/** Messages of a task that stand still. */
export interface HeldStatus {
  /** Of the messages; of the broadcast, where they wait for one. */
  readonly topic: string
  /** Its name; absent where what decoding them needs is not there. */
  readonly broadcast?: string | undefined
  /** Why what they wait for is not there; absent where that is not known. */
  readonly why?: string | undefined
  readonly waitedMs: number
}
/** A task's time, as of now. */
export interface TimeStatus {
  /** ms since the epoch; absent while there is none. */
  readonly timeMs?: number | undefined
  /** The topic that it waits for: its bound is the least. */
  readonly heldBy?: string | undefined
  /** When something is due next by it, a timer, an end or a window, at the earliest; absent: nothing is, or not known. */
  readonly nextDueMs?: number | undefined
  /**
   * How many state objects wait for a time, for timers, ends or windows, by either clock: about, and as the store has them, which is
   * written some time after commits. Absent without a store, and from earlier versions.
   */
  readonly waiting?: number | undefined
  /** Messages that were late for windows since the task is here; absent: none. */
  readonly late?: number | undefined
  /** Where that is a repartition, the task that writes to it and is not as far as others. Absent from earlier versions. */
  readonly heldByTask?: string | undefined
  /** Of a task that makes calls: the call, where its time waits for one that is not done. */
  readonly heldByCall?: string | undefined
}
/** The worker's own copy of a broadcast. */
export interface BroadcastStatus {
  readonly broadcast: string
  readonly topic: string
  /** Keys. */
  readonly entries: number
  /** What it takes in memory, of what `maxBytes` counts. */
  readonly bytes: number
}
export interface StandbyStatus {
  readonly task: string
  /** Changelog records that it is behind; absent while that is not known. */
  readonly lag?: number
}

/** A task that was another worker's and is this one's now. */
export interface HandOff {
  readonly task: string
  /** Worker names. */
  readonly from: string
  readonly to: string
  readonly reason: string
  /** Bytes of the copy of the former owner's store that was gone on with; 0 without one. */
  readonly snapshotBytes: number
  /** Copies that came, did not fit, and were set aside; absent where there was none, and from earlier versions. */
  readonly snapshotsDiscarded?: number | undefined
  /** Changelog records that were replayed. */
  readonly replayed: number
  /**
   * To the first record of the new owner, from the last commit of the old one, or from that record's own timestamp where it
   * is later; by the clocks of both.
   */
  readonly pauseMs: number
  /** When, ms since the epoch. */
  readonly atMs: number
}

export const encodeWorkerStatus = (status: WorkerStatus): string => JSON.stringify(status)

/** Undefined where it is no status of this version. */
export function decodeWorkerStatus(text: string): WorkerStatus | undefined {
  return parseOr(() => {
    const value: unknown = JSON.parse(text)
    if (!isRecord(value) || value.v !== 1) return undefined
    const { worker, memberId, generation, active, standby, nowMs, broadcasts, latency, handOffs } = value
    if (!isText(worker) || !isText(memberId) || !isNumber(generation)) return undefined
    if (!isList(active, isActive) || !isList(standby, isStandby) || !isList(handOffs, isHandOff)) return undefined
    if (broadcasts !== undefined && !isList(broadcasts, isBroadcastStatus)) return undefined
    if (nowMs !== undefined && !isNumber(nowMs)) return undefined
    if (latency !== undefined && !isList(latency, isLatencyCount)) return undefined
    const own = { v: 1, worker, memberId, generation, active, standby, nowMs, latency, handOffs } as const
    return broadcasts === undefined ? own : { ...own, broadcasts }
  })
}

const isActive = (value: unknown): value is ActiveStatus =>
  isRecord(value) &&
  isText(value.task) &&
  isTaskState(value.state) &&
  (value.time === undefined || isTime(value.time)) &&
  (value.held === undefined || isList(value.held, isHeld)) &&
  (value.calls === undefined || isCalls(value.calls))
const isCalls = (value: unknown): value is CallsStatus =>
  isRecord(value) &&
  isText(value.call) &&
  isNumber(value.underWay) &&
  isNumber(value.waiting) &&
  (value.oldest === undefined || isOldest(value.oldest))
const isOldest = (value: unknown): value is OldestCall =>
  isRecord(value) &&
  isText(value.topic) &&
  [value.offset, value.attempts, value.waitedMs].every(isNumber) &&
  (value.why === undefined || isText(value.why))
const isHeld = (value: unknown): value is HeldStatus =>
  isRecord(value) &&
  isText(value.topic) &&
  isNumber(value.waitedMs) &&
  (value.broadcast === undefined || isText(value.broadcast)) &&
  (value.why === undefined || isText(value.why))
const isTime = (value: unknown): value is TimeStatus =>
  isRecord(value) &&
  (value.timeMs === undefined || isNumber(value.timeMs)) &&
  (value.heldBy === undefined || isText(value.heldBy)) &&
  (value.nextDueMs === undefined || isNumber(value.nextDueMs)) &&
  (value.waiting === undefined || isNumber(value.waiting)) &&
  (value.late === undefined || isNumber(value.late)) &&
  (value.heldByTask === undefined || isText(value.heldByTask)) &&
  (value.heldByCall === undefined || isText(value.heldByCall))
const isBroadcastStatus = (value: unknown): value is BroadcastStatus =>
  isRecord(value) && isText(value.broadcast) && isText(value.topic) && isNumber(value.entries) && isNumber(value.bytes)
const isLatencyCount = (value: unknown): value is LatencyCounts[number] =>
  Array.isArray(value) && value.length === 2 && value.every(isNumber)
const isStandby = (value: unknown): value is StandbyStatus =>
  isRecord(value) && isText(value.task) && (value.lag === undefined || isNumber(value.lag))
const isHandOff = (value: unknown): value is HandOff =>
  isRecord(value) &&
  [value.task, value.from, value.to, value.reason].every(isText) &&
  [value.snapshotBytes, value.replayed, value.pauseMs, value.atMs].every(isNumber) &&
  (value.snapshotsDiscarded === undefined || isNumber(value.snapshotsDiscarded))
