/** What a worker can be asked at any time, by metrics or displays. While no one asks, it costs nothing. */
import type { CallsStatus, HeldStatus, TimeStatus } from '../core/group/worker-status.js'
import type { TaskState } from '../core/commit/task-life.js'
import type { TopicPartition } from '../core/records/fetched.js'

export interface WorkerFigures {
  /** Those of the application; none until its topics have been checked. */
  readonly subTopologies: readonly string[]
  readonly tasks: readonly TaskFigures[]
  readonly standbys: readonly StandbyFigures[]
}

export interface TaskFigures {
  readonly task: string
  readonly subTopology: string
  readonly state: TaskState
  /** A newer version of the application has processed messages of it: here it is suspended. */
  readonly isOutdated: boolean
  /** Undefined while it is not running. */
  readonly running: RunningFigures | undefined
}

export interface RunningFigures {
  /** Sources without an answer yet are missing. */
  readonly inputs: readonly InputFigures[]
  /** What is waiting, and for what. */
  readonly held: readonly HeldStatus[]
  /** Of a task that makes calls. */
  readonly calls?: CallsStatus | undefined
  /** Undefined if nothing uses time. */
  readonly time?: TimeStatus | undefined
  /** How far that is behind the clock, as of now; undefined before there is a time. */
  readonly timeLagMs?: number | undefined
  readonly state: StateFigures
  /** Undefined without state. */
  readonly store: Stored | undefined
}

export interface InputFigures extends TopicPartition {
  /** Records from the last commit to the end as of the last fetch, including those that only Kafka sees. */
  readonly lag: number
}

export interface StateFigures {
  /** Keys in memory; approximate. */
  readonly objects: number
  /** Their size there, including the table that finds them. */
  readonly bytes: number
  /** The size of changes that are committed, but not in the store yet. */
  readonly unstoredBytes: number
}

export interface Stored {
  readonly objects: number
  /** State objects that wait for a time, by either clock; about. Undefined where none of them can. */
  readonly waiting?: number | undefined
  /** On disk. */
  readonly bytes: number
}

export interface StandbyFigures {
  readonly task: string
  readonly subTopology: string
  /** Changelog records that it is behind; undefined while that is not known. */
  readonly lag: number | undefined
}

/** Whether a worker does everything that it should. */
export type Readiness =
  { readonly ready: true } | { readonly ready: false; readonly reason: NotReady; readonly tasks: readonly string[] }

/**
 * Why not:
 * `starting`: it checks its topics, or waits for brokers.
 * `joining`: it is not in its group yet, or the group has forgotten it.
 * `group unreachable`: the group does not answer.
 * `restoring`: `tasks` are not running yet.
 * `outdated`: `tasks` are suspended here, because a newer version of the application has processed messages of them.
 * `stopping`: it was told to stop, or has to.
 */
export type NotReady = 'starting' | 'joining' | 'group unreachable' | 'restoring' | 'outdated' | 'stopping'
