/** What a worker can be asked at any time, by whoever measures it or shows it. While nobody asks, it costs nothing. */
import type { CallsStatus, HeldStatus, TimeStatus } from '../core/group/worker-status.js'
import type { TaskState } from '../core/commit/task-life.js'
import type { TopicPartition } from '../core/records/fetched.js'

export interface WorkerFigures {
  /** Of the application; none until its topics were checked. */
  readonly subTopologies: readonly string[]
  readonly tasks: readonly TaskFigures[]
  readonly standbys: readonly StandbyFigures[]
}

export interface TaskFigures {
  readonly task: string
  readonly subTopology: string
  readonly state: TaskState
  /** A newer version of the application has processed: here it stands still. */
  readonly isOutdated: boolean
  /** Undefined while it does not run. */
  readonly running: RunningFigures | undefined
}

export interface RunningFigures {
  /** Sources without an answer yet are not there. */
  readonly inputs: readonly InputFigures[]
  /** What stands still, and for what. */
  readonly held: readonly HeldStatus[]
  /** Of a task that makes calls. */
  readonly calls?: CallsStatus | undefined
  /** Undefined where nothing uses time. */
  readonly time?: TimeStatus | undefined
  /** How far that is behind the clock, as it is now; undefined before there is a time. */
  readonly timeLagMs?: number | undefined
  readonly state: StateFigures
  /** Undefined without state. */
  readonly store: Stored | undefined
}

export interface InputFigures extends TopicPartition {
  /** Records from the last commit to the end as the last fetch saw it, those that only Kafka sees among them. */
  readonly lag: number
}

export interface StateFigures {
  /** Keys in memory; about. */
  readonly objects: number
  /** What they take there, the table that finds them included. */
  readonly bytes: number
  /** Of changes that are committed, and that the store does not have yet. */
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

/** Whether a worker does all that it should. */
export type Readiness =
  { readonly ready: true } | { readonly ready: false; readonly reason: NotReady; readonly tasks: readonly string[] }

/**
 * Why not:
 * `starting`: it checks its topics, or waits for brokers.
 * `joining`: it is not in its group yet, or the group has forgotten it.
 * `group unreachable`: the group does not answer.
 * `restoring`: `tasks` are not running yet.
 * `outdated`: `tasks` stand still here, for a newer version of the application has processed them.
 * `stopping`: it was told to stop, or has to.
 */
export type NotReady = 'starting' | 'joining' | 'group unreachable' | 'restoring' | 'outdated' | 'stopping'
