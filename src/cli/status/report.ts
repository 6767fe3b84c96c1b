/**
 * What `potoroo status` tells, put together from three sources: the group's metadata (who is there, what the leader
 * gave whom), the workers themselves (how far they are), and the positions in Kafka. This is also the shape of --json,
 * where null stands for what is not known.
 *
 * Invariant: what a worker says itself goes before what the group's metadata says of it.
 */
import type { TaskState } from '../../core/commit/task-life.js'
import type {
  BroadcastStatus,
  CallsStatus,
  HandOff,
  HeldStatus,
  TimeStatus,
  WorkerStatus,
} from '../../core/group/worker-status.js'
import type { LatencyCounts } from '../../core/group/recent-latency.js'
import type { GroupMember } from '../../kafka/group-view.js'
import type { InputLag } from '../lag.js'

export interface StatusReport {
  readonly application: string
  readonly group: string
  /** When this was looked up, ms since the epoch. */
  readonly atMs: number
  readonly state: 'stable' | 'rebalancing' | 'no workers'
  /**
   * How old the group's word on its workers is: 0 where it is of now. While a group rebalances it tells nothing, so then
   * its last word counts; null where there is none, for `workers` is empty then although there may be some.
   */
  readonly describedMsAgo: number | null
  /** By name. */
  readonly workers: readonly WorkerReport[]
  /** All tasks of the application, in the order of their declaration; then those that only workers know. */
  readonly tasks: readonly TaskReport[]
  /** What the tasks read, in the order of their declaration. */
  readonly topics: readonly TopicReport[]
  /** The latest first. */
  readonly handOffs: readonly HandOff[]
}

export interface WorkerReport {
  readonly worker: string
  readonly memberId: string
  /** Where its peers reach it; null where it has none. */
  readonly address: string | null
  /** It stops, and gives its tasks away. */
  readonly leaving: boolean
  /** Whether it answered; else lags and states are what it said at its last join, or not known. */
  readonly live: boolean
  /** Why it did not answer. */
  readonly problem: string | null
  /** Of the group, as of its last assignment. */
  readonly generation: number | null
  readonly active: readonly {
    readonly task: string
    readonly state: TaskState | null
    readonly time?: TimeStatus | undefined
    readonly held?: readonly HeldStatus[] | undefined
    readonly calls?: CallsStatus | undefined
  }[]
  /** With their lag in changelog records. */
  readonly standby: readonly { readonly task: string; readonly lag: number | null }[]
  /** Of its messages of the last 10 to 20 s; empty where it did not answer. */
  readonly latency: LatencyCounts
  /** Its own copies; empty where it did not answer. */
  readonly broadcasts: readonly BroadcastStatus[]
}

export interface TaskReport {
  readonly task: string
  /** Name of the worker that has it active. */
  readonly worker: string | null
  readonly state: TaskState | null
  /** Of its inputs together; null where they are not known. */
  readonly lag: number | null
  readonly inputs: readonly InputReport[]
  /** Its time, and the topic that time waits for; absent where nothing uses time, or it is not known. */
  readonly time?: {
    readonly timeMs: number | null
    readonly heldBy: string | null
    readonly nextDueMs: number | null
    /** State objects that wait for a time, about; absent where it is not known. */
    readonly waiting?: number
    readonly late: number
    /** Where that is a repartition, the task that writes to it and is not as far as others. */
    readonly heldByTask: string | null
    /** The call that it waits for. */
    readonly heldByCall?: string
  }
  /** What of its input stands still, and for what; absent where nothing does, or it is not known. */
  readonly held?: readonly HeldStatus[]
  /** Of a task that makes calls, where it is known. */
  readonly calls?: CallsStatus
  readonly standbys: readonly { readonly worker: string; readonly lag: number | null; readonly live: boolean }[]
}
export interface InputReport {
  readonly topic: string
  readonly partition: number
  readonly committed: number | null
  readonly end: number
  readonly lag: number
}

export interface TopicReport {
  readonly topic: string
  /** Whether it is a repartition: what is unread of it takes room on the brokers' disks until it is read. */
  readonly isRepartition: boolean
  readonly partitions: number
  /** Records that are unread, of all its partitions; and of the one where there are most. */
  readonly lag: number
  readonly mostLag: number
}

/** What a worker answered, or why it did not. */
export type Answer = { readonly status: WorkerStatus } | { readonly problem: string }

export interface Known {
  readonly application: string
  readonly group: string
  readonly atMs: number
  readonly state: StatusReport['state']
  readonly describedMsAgo: number | null
  readonly members: readonly GroupMember[]
  /** By member id. */
  readonly answers: ReadonlyMap<string, Answer>
  /** All tasks of the application, in their order, with their inputs. */
  readonly inputs: ReadonlyMap<string, readonly InputLag[]>
  /** Which of the topics among the inputs are repartitions. */
  readonly repartitions: ReadonlySet<string>
}

/** So many hand-offs are told. */
const MAX_HAND_OFFS = 20

export function reportOf({ members, answers, inputs, repartitions, ...known }: Known): StatusReport {
  const workers = members
    .map((member) => workerOf(member, answers.get(member.memberId)))
    .sort((a, b) => a.worker.localeCompare(b.worker) || a.memberId.localeCompare(b.memberId))
  const held = workers.flatMap(({ active, standby }) => [...active, ...standby].map(({ task }) => task))
  const undeclared = [...new Set(held)].filter((task) => !inputs.has(task)).sort()
  return {
    ...known,
    workers,
    tasks: [...inputs.keys(), ...undeclared].map((task) => taskOf(task, inputs.get(task), workers)),
    topics: topicsOf([...inputs.values()].flat(), repartitions),
    handOffs: [...answers.values()]
      .flatMap((answer) => ('status' in answer ? answer.status.handOffs : []))
      .sort((a, b) => b.atMs - a.atMs)
      .slice(0, MAX_HAND_OFFS),
  }
}

const timeOf = ({
  timeMs,
  heldBy,
  heldByTask,
  heldByCall,
  nextDueMs,
  waiting,
  late,
}: TimeStatus): NonNullable<TaskReport['time']> => ({
  timeMs: timeMs ?? null,
  heldBy: heldBy ?? null,
  heldByTask: heldByTask ?? null,
  ...(heldByCall !== undefined && { heldByCall }),
  nextDueMs: nextDueMs ?? null,
  ...(waiting !== undefined && { waiting }),
  late: late ?? 0,
})

function topicsOf(inputs: readonly InputLag[], repartitions: ReadonlySet<string>): readonly TopicReport[] {
  return [...new Set(inputs.map(({ topic }) => topic))].map((topic) => {
    const lags = inputs.filter((one) => one.topic === topic).map(({ lag }) => lag)
    return {
      topic,
      isRepartition: repartitions.has(topic),
      partitions: lags.length,
      lag: lags.reduce((sum, lag) => sum + lag, 0),
      mostLag: Math.max(...lags),
    }
  })
}

function workerOf({ memberId, info, assignment }: GroupMember, answer: Answer | undefined): WorkerReport {
  const status = answer !== undefined && 'status' in answer ? answer.status : undefined
  const identity = {
    worker: info?.worker ?? memberId,
    memberId,
    address: info?.address ?? null,
    leaving: info?.leaving ?? false,
  }
  if (status !== undefined)
    return {
      ...identity,
      live: true,
      problem: null,
      generation: status.generation,
      active: status.active,
      standby: status.standby.map(({ task, lag = null }) => ({ task, lag })),
      latency: status.latency ?? [],
      broadcasts: status.broadcasts ?? [],
    }
  return {
    ...identity,
    live: false,
    problem: answer !== undefined && 'problem' in answer ? answer.problem : 'it was not asked',
    generation: null,
    active: (assignment?.active ?? []).map((task) => ({ task, state: null })),
    standby: (assignment?.standby ?? []).map(({ task }) => ({ task, lag: lagAtJoin(info?.standby ?? {}, task) })),
    latency: [],
    broadcasts: [],
  }
}

function lagAtJoin(lags: Readonly<Record<string, number>>, task: string): number | null {
  const lag = Object.hasOwn(lags, task) ? lags[task] : undefined
  return lag === undefined || lag < 0 ? null : lag
}

function taskOf(task: string, inputs: readonly InputLag[] | undefined, workers: readonly WorkerReport[]): TaskReport {
  const owners = workers.flatMap(({ worker, active }) =>
    active
      .filter((one) => one.task === task)
      .map(({ state, time, held, calls }) => ({ worker, state, time, held, calls })),
  )
  // Between two assignments an old owner may still have what the new one has begun.
  const owner = owners.find(({ state }) => state === 'running') ?? owners[0]
  return {
    task,
    worker: owner?.worker ?? null,
    state: owner?.state ?? null,
    lag: inputs === undefined ? null : inputs.reduce((sum, { lag }) => sum + lag, 0),
    inputs: (inputs ?? []).map(({ topic, partition, committed = null, end, lag }) => ({
      topic,
      partition,
      committed,
      end,
      lag,
    })),
    ...(owner?.time && { time: timeOf(owner.time) }),
    ...(owner?.held && { held: owner.held }),
    ...(owner?.calls && { calls: owner.calls }),
    standbys: workers.flatMap(({ worker, live, standby }) =>
      standby.filter((one) => one.task === task).map(({ lag }) => ({ worker, lag, live })),
    ),
  }
}
