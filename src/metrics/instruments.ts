/**
 * Which metrics there are: one table, from which the instruments are made and docs/metrics.md is checked. Names and attributes
 * are OpenTelemetry's for messaging where those fit; whatever is ours begins with `potoroo.`.
 *
 * https://opentelemetry.io/docs/specs/semconv/messaging/messaging-metrics/
 */

/** Every series has these. */
export const commonAttributes = {
  application: 'potoroo.application',
  worker: 'potoroo.worker',
  system: 'messaging.system',
} as const

export const attributes = {
  topic: 'messaging.destination.name',
  partition: 'messaging.destination.partition.id',
  /** A code of docs/errors.md and of `PotorooError`, or `INTERNAL`. */
  error: 'error.type',
  subTopology: 'potoroo.sub_topology',
  taskState: 'potoroo.task.state',
  /** Why a task moved. */
  reason: 'potoroo.hand_off.reason',
  /** Where state objects are: `memory` or `store`. */
  place: 'potoroo.state.place',
  /** Of an attempt: `succeeded`, `failed` or `timed out`. */
  outcome: 'potoroo.call.outcome',
  quantile: 'potoroo.quantile',
  windows: 'potoroo.windows',
  /** What became of late messages: `dead letter` or `dropped`. */
  lateOutcome: 'potoroo.windows.late.outcome',
  /** What had closed the window: `records`, or the `clock`, because nothing was left to read. */
  lateBy: 'potoroo.windows.late.by',
  /** The name of a state object or a table. */
  state: 'potoroo.state.name',
  /** `get` or `scan`: a page of one. */
  query: 'potoroo.query.kind',
  /** Of a query: `answered`, `unanswered` or `refused`. */
  queryOutcome: 'potoroo.query.outcome',
} as const

export type Attribute = keyof typeof attributes

/** `observed`: asked for when somebody collects; else counted when it happens. */
export type InstrumentKind = 'counter' | 'histogram' | 'observed gauge'

export interface Instrument {
  readonly name: string
  readonly kind: InstrumentKind
  /** In the way of UCUM, as OpenTelemetry has it: `s`, `By`, `{record}`. */
  readonly unit: string
  readonly attributes: readonly Attribute[]
  readonly help: string
  /** Upper bounds of a histogram's buckets. */
  readonly buckets?: readonly number[]
}

/** From a millisecond to where somebody has to look. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
/** Of what may wait for a person, or for a backlog. */
const LONG_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200]
const BYTES = [1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216]

export const instruments = {
  consumed: {
    name: 'messaging.client.consumed.messages',
    kind: 'counter',
    unit: '{message}',
    attributes: ['topic'],
    help: 'Messages processed and committed, including dead letters, by source.',
  },
  sent: {
    name: 'messaging.client.sent.messages',
    kind: 'counter',
    unit: '{message}',
    attributes: ['topic'],
    help: 'Records committed, by the topic they went to: sinks, repartitions, dead letters. Changelogs are not counted.',
  },
  processing: {
    name: 'messaging.process.duration',
    kind: 'histogram',
    unit: 's',
    attributes: ['subTopology'],
    help: 'Time spent computing the messages of one commit.',
    buckets: SECONDS,
  },
  latency: {
    name: 'potoroo.message.latency',
    kind: 'histogram',
    unit: 's',
    attributes: ['topic'],
    help: "From the timestamp of a commit's oldest message to the commit, by source: the longest latency of that commit's messages.",
    buckets: LONG_SECONDS,
  },
  commitDuration: {
    name: 'potoroo.commit.duration',
    kind: 'histogram',
    unit: 's',
    attributes: ['subTopology'],
    help: 'Duration of a committed transaction, from its start to the acknowledgement.',
    buckets: SECONDS,
  },
  commitSize: {
    name: 'potoroo.commit.size',
    kind: 'histogram',
    unit: 'By',
    attributes: ['subTopology'],
    help: 'Bytes that a commit wrote, changelog included.',
    buckets: BYTES,
  },
  commitFailures: {
    name: 'potoroo.commit.failures',
    kind: 'counter',
    unit: '{commit}',
    attributes: ['subTopology', 'error'],
    help: 'Commits without an acknowledgement. Their messages are processed again, unless the brokers committed them after all.',
  },
  lag: {
    name: 'potoroo.input.lag',
    kind: 'observed gauge',
    unit: '{record}',
    attributes: ['topic', 'partition'],
    help: 'Records from the last commit to the end of the partition, as the last fetch saw it. 0 for a partition that this worker has given away.',
  },
  deadLetters: {
    name: 'potoroo.dead_letters',
    kind: 'counter',
    unit: '{message}',
    attributes: ['topic', 'error'],
    help: 'Messages that went to the dead letters, by source and code.',
  },
  windowsClosed: {
    name: 'potoroo.windows.closed',
    kind: 'counter',
    unit: '{window}',
    attributes: ['windows'],
    help: 'Windows that have closed, except those for which a pipeline threw.',
  },
  windowsLate: {
    name: 'potoroo.windows.late',
    kind: 'counter',
    unit: '{message}',
    attributes: ['windows', 'lateOutcome', 'lateBy'],
    help: 'Messages that were late for one window or more. By the clock: their producer wrote them later than latenessMs and a second after their timestamp, so another run may find them in time.',
  },
  slow: {
    name: 'potoroo.slow_messages',
    kind: 'counter',
    unit: '{message}',
    attributes: ['subTopology'],
    help: 'Messages whose computation blocked the event loop for more than a second.',
  },
  waived: {
    name: 'potoroo.source.waived',
    kind: 'counter',
    unit: '{event}',
    attributes: ['topic'],
    help: 'How often a source gave no answer in time, so that messages of the others overtook its own.',
  },
  held: {
    name: 'potoroo.inputs.held',
    kind: 'observed gauge',
    unit: '{input}',
    attributes: ['subTopology'],
    help: 'Partitions and broadcasts for which messages of running tasks have waited for more than a second, because something needed to decode them, such as a schema, is unavailable, or because a broadcast has not caught up. `potoroo status` shows which, and why.',
  },
  callDuration: {
    name: 'potoroo.call.duration',
    kind: 'histogram',
    unit: 's',
    attributes: ['subTopology', 'outcome'],
    help: 'Duration of finished call attempts, by outcome: a call whose last attempt failed is also among the dead letters.',
    buckets: LONG_SECONDS,
  },
  callsUnderWay: {
    name: 'potoroo.calls.under_way',
    kind: 'observed gauge',
    unit: '{call}',
    attributes: ['subTopology'],
    help: 'Calls in flight, including those that wait for their next attempt. 0 where there are none.',
  },
  callsOldest: {
    name: 'potoroo.calls.oldest',
    kind: 'observed gauge',
    unit: 's',
    attributes: ['subTopology'],
    help: 'How long the oldest message whose call is not finished has waited. If it grows, its key is stuck, and in the end its partition: `potoroo status` shows which, and why.',
  },
  timeLag: {
    name: 'potoroo.time.lag',
    kind: 'observed gauge',
    unit: 's',
    attributes: ['subTopology'],
    help: 'How far the time of the slowest running task is behind the clock, for tasks that have a time. When idle, it is the lateness of its topics plus about two seconds; in a backlog, the age of the backlog. If it grows, windows do not close and timers do not fire: `potoroo status` shows what each task waits for.',
  },
  waiting: {
    name: 'potoroo.state.waiting',
    kind: 'observed gauge',
    unit: '{object}',
    attributes: ['subTopology'],
    help: 'State objects in the store that wait for a time, for a timer, the end of a window or their own; about. Only of what has such.',
  },
  codecWaits: {
    name: 'potoroo.codec.waits',
    kind: 'counter',
    unit: '{event}',
    attributes: ['topic', 'error'],
    help: 'How often a codec was reported as waiting for something that it needs: at first, then every 30 s while it waits.',
  },
  nans: {
    name: 'potoroo.state.nans',
    kind: 'counter',
    unit: '{field}',
    attributes: ['subTopology'],
    help: 'Fields of state objects in which NaN was stored where a number was meant, each counted once per task and worker.',
  },
  tasks: {
    name: 'potoroo.tasks',
    kind: 'observed gauge',
    unit: '{task}',
    attributes: ['taskState'],
    help: 'Tasks that this worker has: created, restoring, running, outdated (a newer version of the application has processed), standby.',
  },
  ready: {
    name: 'potoroo.ready',
    kind: 'observed gauge',
    unit: '{worker}',
    attributes: [],
    help: '1 while the worker is in its group and all of its tasks are running, as /readyz reports; otherwise 0.',
  },
  rebalances: {
    name: 'potoroo.group.rebalances',
    kind: 'counter',
    unit: '{rebalance}',
    attributes: [],
    help: 'Assignments that this worker received.',
  },
  handOffPause: {
    name: 'potoroo.hand_off.pause',
    kind: 'histogram',
    unit: 's',
    attributes: ['reason'],
    help: 'Pause of a task that moved to this worker: from the last commit on the old owner, or from the timestamp of its first message here if that is later, to that first message.',
    buckets: LONG_SECONDS,
  },
  restore: {
    name: 'potoroo.restore.duration',
    kind: 'histogram',
    unit: 's',
    attributes: ['subTopology'],
    help: 'Time that a task took to become active: fencing, replay of its changelog, positions.',
    buckets: LONG_SECONDS,
  },
  restored: {
    name: 'potoroo.restore.records',
    kind: 'counter',
    unit: '{record}',
    attributes: ['subTopology'],
    help: 'Changelog records that were replayed by tasks that became active.',
  },
  restoreLeft: {
    name: 'potoroo.restore.left',
    kind: 'observed gauge',
    unit: '{record}',
    attributes: ['subTopology'],
    help: 'Changelog records that tasks which are restoring have still to replay.',
  },
  restarts: {
    name: 'potoroo.task.restarts',
    kind: 'counter',
    unit: '{restart}',
    attributes: ['subTopology', 'error'],
    help: 'How often a task restarted from its last commit. FENCED: another activation of it started, here or elsewhere.',
  },
  standbyLag: {
    name: 'potoroo.standby.lag',
    kind: 'observed gauge',
    unit: '{record}',
    attributes: ['subTopology'],
    help: 'Changelog records by which the slowest standby on this worker is behind.',
  },
  stateObjects: {
    name: 'potoroo.state.objects',
    kind: 'observed gauge',
    unit: '{object}',
    attributes: ['subTopology', 'place'],
    help: 'State objects of running tasks. In memory: roughly the most recently used keys, including those without a state object.',
  },
  stateSize: {
    name: 'potoroo.state.size',
    kind: 'observed gauge',
    unit: 'By',
    attributes: ['subTopology', 'place'],
    help: 'Bytes that they take in memory and on disk.',
  },
  unstored: {
    name: 'potoroo.state.unstored',
    kind: 'observed gauge',
    unit: 'By',
    attributes: ['subTopology'],
    help: 'Changes that are committed but not yet written to the store: what a worker killed now would have to replay.',
  },
  storeWrite: {
    name: 'potoroo.store.write.duration',
    kind: 'histogram',
    unit: 's',
    attributes: ['subTopology'],
    help: 'Duration of writing committed changes to the store on disk. Messages are processed meanwhile.',
    buckets: SECONDS,
  },
  setAside: {
    name: 'potoroo.store.set_aside',
    kind: 'counter',
    unit: '{store}',
    attributes: ['subTopology'],
    help: 'Stores that could not be trusted, and were rebuilt from their changelog.',
  },
  purged: {
    name: 'potoroo.purge.records',
    kind: 'counter',
    unit: '{record}',
    attributes: ['topic'],
    help: 'Processed records that were deleted from repartitions.',
  },
  purgeFailures: {
    name: 'potoroo.purge.failures',
    kind: 'counter',
    unit: '{event}',
    attributes: ['topic'],
    help: 'Failed deletions of processed records: while they fail, the repartition grows.',
  },
  queries: {
    name: 'potoroo.query.duration',
    kind: 'histogram',
    unit: 's',
    attributes: ['state', 'query', 'queryOutcome'],
    help: 'Duration of queries that this worker received, one per page of a scan, whichever worker had the answer.',
    buckets: SECONDS,
  },
  eventLoop: {
    name: 'potoroo.event_loop.delay',
    kind: 'observed gauge',
    unit: 's',
    attributes: ['quantile'],
    help: 'Delay of the event loop since the last scrape: median, 99th percentile, and maximum (1).',
  },
} as const satisfies Readonly<Record<string, Instrument>>

export type InstrumentName = keyof typeof instruments

export const taskStates = ['created', 'restoring', 'running', 'outdated', 'standby'] as const
