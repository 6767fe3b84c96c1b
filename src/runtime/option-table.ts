/**
 * The options of a worker that are whole numbers, once: what startWorker and the command line check, what they take where nothing is
 * given, and what docs/configuration.md says of them.
 */
export interface WholeNumberOption {
  readonly unit: 'ms' | 'bytes' | 'changelog records' | 'copies' | 'workers'
  readonly least: number
  /** Without one there is no bound. */
  readonly most?: number
  readonly default: number | undefined
  /** What it is, in a line. */
  readonly help: string
  /** Of `potoroo run`. */
  readonly flag?: `--${string}`
}

const MIB = 1024 * 1024
const HOUR_MS = 3_600_000

export const wholeNumberOptions = {
  commitIntervalMs: {
    flag: '--commit-interval',
    unit: 'ms',
    least: 1,
    most: 10_000,
    default: 15,
    help: 'how long changes are gathered before they are committed',
  },
  backlogCommitIntervalMs: {
    flag: '--backlog-commit-interval',
    unit: 'ms',
    least: 1,
    most: 10_000,
    default: 200,
    help: 'the same while there is a backlog',
  },
  storeIntervalMs: {
    flag: '--store-interval',
    unit: 'ms',
    least: 0,
    most: 60_000,
    default: 1000,
    help: 'how long committed changes are gathered before they are written to the store on disk',
  },
  backlogStoreIntervalMs: {
    flag: '--backlog-store-interval',
    unit: 'ms',
    least: 0,
    most: 600_000,
    default: 30_000,
    help: 'the same while there is a backlog',
  },
  maxUnstoredBytes: {
    unit: 'bytes',
    least: 0,
    default: 256 * MIB,
    help: 'how many bytes of changes may wait for the stores, over all tasks',
  },
  maxHoldMs: {
    unit: 'ms',
    least: 0,
    most: HOUR_MS,
    default: 60_000,
    help: 'how long an empty source may hold back others',
  },
  memoryBytes: {
    flag: '--memory',
    unit: 'bytes',
    least: 2 * MIB,
    // Of a runtime that is put together without startWorker, which takes a share of the machine.
    default: 256 * MIB,
    help: 'for fetched records and state objects, on top of what the process itself takes',
  },
  bufferBytes: {
    unit: 'bytes',
    least: MIB,
    default: 192 * MIB,
    help: 'the part of it for fetched records, over all inputs',
  },
  replicationFactor: {
    flag: '--replication-factor',
    unit: 'copies',
    least: 1,
    most: 100,
    default: undefined,
    help: 'for topics that it creates',
  },
  sessionTimeoutMs: {
    unit: 'ms',
    least: 1000,
    most: 1_800_000,
    default: 6000,
    help: 'how long a worker may be silent before the group gives its tasks to others',
  },
  heartbeatIntervalMs: {
    unit: 'ms',
    least: 10,
    most: 60_000,
    default: 300,
    help: 'how often a worker sends a heartbeat',
  },
  rebalanceTimeoutMs: {
    unit: 'ms',
    least: 500,
    most: 1_800_000,
    default: 3000,
    help: 'how long a rebalance waits for a member',
  },
  maxComputationMs: {
    flag: '--max-computation',
    unit: 'ms',
    least: 0,
    most: HOUR_MS,
    default: 60_000,
    help: 'how long the computation of one message may take before it is ended as if it had thrown; 0: no limit',
  },
  standbys: {
    flag: '--standbys',
    unit: 'workers',
    least: 0,
    most: 10,
    default: 0,
    help: 'workers besides the owner that keep a copy of each task',
  },
  warmLag: {
    unit: 'changelog records',
    least: 0,
    default: 10_000,
    help: 'the largest lag at which a worker may take over a task',
  },
  handOverTimeoutMs: {
    unit: 'ms',
    least: 0,
    most: HOUR_MS,
    default: 10_000,
    help: 'how long a stopping worker waits for others to become warm',
  },
} as const satisfies Readonly<Record<string, WholeNumberOption>>
