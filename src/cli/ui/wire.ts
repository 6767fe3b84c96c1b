/** What the page of `potoroo ui` is told, as JSON. null stands for what is not known. */
import type { HandOff } from '../../core/group/worker-status.js'
import type { StatusReport, TaskReport, TopicReport, WorkerReport } from '../status/report.js'

/** The first thing that it is told on a stream. */
export interface Begin {
  readonly application: string
  readonly group: string
  /** The command line that starts a worker, and others, as a person would copy it. */
  readonly commands: { readonly run: string; readonly deadLetters: string }
  /** Names of state objects and tables. */
  readonly states: readonly string[]
  /** The oldest first: ten minutes at most. */
  readonly history: readonly Sample[]
}

/** Some figures of one moment. */
export interface Sample {
  readonly atMs: number
  readonly workers: number | null
  /** Records of its sources, by positions; null for the first. */
  readonly recordsPerSecond: number | null
  readonly lag: number
  readonly p50Ms: number | null
  readonly p99Ms: number | null
  /** The same of what was committed since the look before, where that is known. */
  readonly newP50Ms: number | null
  readonly newP99Ms: number | null
  /** Dead letters that are open; null while that is not known. */
  readonly deadLetters: number | null
}

export interface UiWorker extends Omit<WorkerReport, 'active' | 'standby' | 'latency' | 'broadcasts'> {
  readonly active: number
  readonly standby: number
}
export type UiTask = Omit<TaskReport, 'inputs'>

/** By topic, in records a second since the look before; null for the first. */
export type UiTopic = TopicReport & { readonly recordsPerSecond: number | null }

export interface Now {
  readonly atMs: number
  readonly state: StatusReport['state']
  readonly describedMsAgo: number | null
  readonly workers: readonly UiWorker[]
  readonly tasks: readonly UiTask[]
  readonly topics: readonly UiTopic[]
  readonly handOffs: readonly HandOff[]
  readonly sample: Sample
}

/** Kafka does not answer, or not well. */
export interface Away {
  readonly code: string
  readonly message: string
  /** For how long nothing was seen. */
  readonly forMs: number
}

/** Events of a stream by their names. */
export interface UiEvents {
  readonly begin: Begin
  readonly now: Now
  readonly away: Away
}
export type UiEvent = {
  readonly [K in keyof UiEvents]: { readonly event: K; readonly data: UiEvents[K] }
}[keyof UiEvents]

/** Some of the last dead letters, the latest first. */
export interface LetterList {
  readonly open: number
  /** There are older ones, which are not counted. */
  readonly isCut: boolean
  readonly letters: readonly {
    /** `<partition>:<offset>` */
    readonly letter: string
    readonly writtenMs: number
    readonly code: string
    readonly message: string
    readonly source?: { readonly topic: string; readonly partition: number; readonly offset: number }
    readonly key?: string | null
    readonly keyBase64?: string
    readonly state: 'open' | 'replayed' | 'dropped'
  }[]
}

export interface GraphNode {
  readonly id: string
  readonly kind: 'source' | 'sink' | 'repartition' | 'broadcast' | 'state' | 'table' | 'step' | 'call' | 'timer'
  readonly name: string
  /** Of the sub-topology; null for topics. */
  readonly group: string | null
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}
export interface GraphEdge {
  readonly from: string
  readonly to: string
  /** By its name in Kafka: whose rate and lag it has. */
  readonly topic: string | null
  /** It is looked into. */
  readonly isRead: boolean
  readonly points: readonly (readonly [x: number, y: number])[]
}
export interface LaidOut {
  readonly width: number
  readonly height: number
  readonly nodes: readonly GraphNode[]
  readonly edges: readonly GraphEdge[]
}
