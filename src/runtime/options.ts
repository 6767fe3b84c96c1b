/** What a worker can be told. Bounds and defaults of numbers are in option-table.ts; the command line and startWorker fill in the rest. */
import type { Clock, Random } from '../ports/clock.js'
import type { Log } from '../ports/log.js'
import type { Logger } from '../ports/logger.js'
import type { Observer } from '../ports/observer.js'
import type { Peers } from '../ports/peers.js'
import type { StateStores } from '../ports/store.js'
import type { Outside } from '../ports/outside.js'
import type { Watchdog } from '../ports/watchdog.js'
import { wholeNumberOptions as numbers } from './option-table.js'

export interface RuntimeOptions {
  /** The worker's name, in logs and in the group's metadata. */
  readonly name: string
  /** Put in front of the names of topics, group and transactional ids. Default ''. */
  readonly topicPrefix: string
  /**
   * How long the changes of messages are gathered before they are committed, ms, 1 to 10,000; default 15. Downstream
   * sees an output this much later at most; every commit costs one transaction per busy task.
   */
  readonly commitIntervalMs: number
  /**
   * The same while a task works off a backlog, where throughput counts, ms, 1 to 10,000; default 200. While more than ten of a
   * worker's tasks do so it grows with their number, to 1,000: see core/commit/commit-pace.ts.
   */
  readonly backlogCommitIntervalMs: number
  /**
   * How long what was committed is gathered before the store on disk has it, ms, 0 to 60,000; default 1,000. The log has
   * it already: a worker that is killed replays this much from the changelog when it is started again.
   */
  readonly storeIntervalMs: number
  /**
   * The same while a task works off a backlog, ms, 0 to 600,000; default 30,000. A state object that changes again
   * meanwhile is written once.
   */
  readonly backlogStoreIntervalMs: number
  /**
   * Bytes of changes that may wait for the stores, of all tasks of the worker: each is written when it has its share.
   * Default 256 MiB, some two seconds of replay for a worker that was killed.
   */
  readonly maxUnstoredBytes: number
  /**
   * How long an empty source may hold the others of its task back, ms; default 60,000. It does so only until a fetch has
   * shown that it has nothing older: about a millisecond, unless its broker is slow or away. Shorter, and a slow
   * broker makes orders overtake the quotes before them (said in the log). See core/processing/merge.ts.
   */
  readonly maxHoldMs: number
  /**
   * What fetched records and state objects may take in memory, in bytes, about; what the process itself takes comes on top
   * (docs/configuration.md). Each task of the application has an equal share, here or elsewhere.
   */
  readonly memoryBytes: number
  /**
   * The part of it for fetched records, of all inputs; default 192 MiB, a quarter of `memoryBytes` at most. Each input gets
   * a share, 1 to 8 MiB; half of one is processed before it has to be committed.
   */
  readonly bufferBytes: number
  /** What happens to a message whose computation throws; default 'dead-letter'. */
  readonly onError: 'dead-letter' | 'stop'
  /**
   * Whether the dead letter of a failed computation carries the state objects that its message met, as they were before it: up
   * to 64 KiB, packed, in headers. Default true; false where who reads the dead letters must not see them.
   */
  readonly deadLetterState: boolean
  /** Of topics that the runtime creates; default: the broker's. */
  readonly replicationFactor: number | undefined
  /** After which silence the group gives this worker's tasks away, ms (Kafka's session.timeout.ms); default 6,000, the least that brokers allow. */
  readonly sessionTimeoutMs: number
  /** ms; default 300. The shorter, the sooner a rebalance is noticed. */
  readonly heartbeatIntervalMs: number
  /** How long the group waits for a member to join again, ms (Kafka's rebalance timeout); default 3,000. */
  readonly rebalanceTimeoutMs: number
  /**
   * How long one message may be computed, ms; default 60,000. Meanwhile the worker stays in its group, and rebalances wait
   * for it. After that the computation is ended, and `onError` decides. 0: without a bound and without such heartbeats, so
   * that a computation longer than the session timeout costs the worker its tasks.
   */
  readonly maxComputationMs: number
  /** Workers beside the owner that keep a copy of each task's store, 0 to 10; default 0. With 1, a worker that dies costs no restore. */
  readonly standbys: number
  /** A standby this many changelog records behind at most may take its task over; default 10,000. More, and a hand-off pauses longer. */
  readonly warmLag: number
  /** How long a worker that stops waits for others to become warm for its tasks, ms; default 10,000. Then it leaves all the same. */
  readonly handOverTimeoutMs: number
  /** When what was processed is deleted from repartition topics. */
  readonly purge: PurgePace
}

/** When a partition of a repartition topic is purged. */
export interface PurgePace {
  /** How often that is asked, ms; default 10,000. */
  readonly lookMs: number
  /** When so many records may go; default 10,000. */
  readonly records: number
  /** When any may go for so long, ms; default 30,000. */
  readonly afterMs: number
}

/** The least of fetched records that an input may keep, whatever its share. */
export const MIN_INPUT_BYTES = 1024 * 1024
/** The most: records wait in it for no other purpose than to be there when those before them are done. */
export const MAX_INPUT_BYTES = 8 * 1024 * 1024

export const defaults = {
  topicPrefix: '',
  commitIntervalMs: numbers.commitIntervalMs.default,
  backlogCommitIntervalMs: numbers.backlogCommitIntervalMs.default,
  storeIntervalMs: numbers.storeIntervalMs.default,
  backlogStoreIntervalMs: numbers.backlogStoreIntervalMs.default,
  maxUnstoredBytes: numbers.maxUnstoredBytes.default,
  maxHoldMs: numbers.maxHoldMs.default,
  memoryBytes: numbers.memoryBytes.default,
  bufferBytes: numbers.bufferBytes.default,
  onError: 'dead-letter',
  deadLetterState: true,
  replicationFactor: numbers.replicationFactor.default,
  sessionTimeoutMs: numbers.sessionTimeoutMs.default,
  heartbeatIntervalMs: numbers.heartbeatIntervalMs.default,
  rebalanceTimeoutMs: numbers.rebalanceTimeoutMs.default,
  maxComputationMs: numbers.maxComputationMs.default,
  standbys: numbers.standbys.default,
  warmLag: numbers.warmLag.default,
  handOverTimeoutMs: numbers.handOverTimeoutMs.default,
  purge: { lookMs: 10_000, records: 10_000, afterMs: 30_000 },
} as const satisfies Partial<RuntimeOptions>

/** The world as the runtime sees it. */
export interface Ports {
  readonly log: Log
  readonly stores: StateStores
  readonly peers: Peers
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Who else is told what happens, beside the log. Default: nobody. What they throw is ignored. */
  readonly observers?: readonly Observer[] | undefined
  /** Default: nobody watches. */
  readonly watchdog?: Watchdog | undefined
  /** Who makes calls; default: the application. */
  readonly outside?: Outside | undefined
}

/** The same within the worker, where what happens is told to one observer, the log among those behind it. */
export interface ObservedPorts extends Omit<Ports, 'logger' | 'observers'> {
  readonly observer: Observer
}

export const sleep = (clock: Clock, ms: number): Promise<void> =>
  new Promise((resolve) => {
    clock.after(ms, resolve)
  })

/** Resolves with what the work resolves with, or with undefined once the time is over. The work goes on. */
export function atMost<T>(clock: Clock, ms: number, work: Promise<T>): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(ms, () => {
      resolve(undefined)
    })
    work.then(resolve, reject).finally(() => {
      timer.cancel()
    })
  })
}
