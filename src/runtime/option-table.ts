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
    help: 'the same while there is a backlog to work off',
  },
  storeIntervalMs: {
    flag: '--store-interval',
    unit: 'ms',
    least: 0,
    most: 60_000,
    default: 1000,
    help: 'how long what is committed is gathered before the store on disk has it',
  },
  backlogStoreIntervalMs: {
    flag: '--backlog-store-interval',
    unit: 'ms',
    least: 0,
    most: 600_000,
    default: 30_000,
    help: 'the same while there is a backlog to work off',
  },
  maxUnstoredBytes: {
    unit: 'bytes',
    least: 0,
    default: 256 * MIB,
    help: 'changes that may wait for the stores, of all tasks',
  },
  maxHoldMs: {
    unit: 'ms',
    least: 0,
    most: HOUR_MS,
    default: 60_000,
    help: 'how long an empty source may hold others back',
  },
  memoryBytes: {
    flag: '--memory',
    unit: 'bytes',
    least: 2 * MIB,
    // Of a runtime that is put together without startWorker, which takes a share of the machine.
    default: 256 * MIB,
    help: 'for fetched records and state objects, beside what the process itself takes',
  },
  bufferBytes: {
    unit: 'bytes',
    least: MIB,
    default: 192 * MIB,
    help: 'the part of it for fetched records, of all inputs',
  },
  replicationFactor: {
    flag: '--replication-factor',
    unit: 'copies',
    least: 1,
    most: 100,
    default: undefined,
    help: 'of topics that it creates',
  },
  sessionTimeoutMs: {
    unit: 'ms',
    least: 1000,
    most: 1_800_000,
    default: 6000,
    help: "after which silence the group gives a worker's tasks away",
  },
  heartbeatIntervalMs: {
    unit: 'ms',
    least: 10,
    most: 60_000,
    default: 300,
    help: 'how often a worker shows that it lives',
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
    help: 'how long one message may be computed, before it is ended as if it had thrown; 0: no bound',
  },
  standbys: {
    flag: '--standbys',
    unit: 'workers',
    least: 0,
    most: 10,
    default: 0,
    help: 'workers that keep a copy of each task beside its owner',
  },
  warmLag: {
    unit: 'changelog records',
    least: 0,
    default: 10_000,
    help: 'up to how far behind a worker may take a task over',
  },
  handOverTimeoutMs: {
    unit: 'ms',
    least: 0,
    most: HOUR_MS,
    default: 10_000,
    help: 'how long a worker that stops waits for others to be warm',
  },
} as const satisfies Readonly<Record<string, WholeNumberOption>>
