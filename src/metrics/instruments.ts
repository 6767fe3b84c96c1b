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
  /** What had closed the window: `records`, or the `clock`, for nothing was left to read. */
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
    help: 'Messages whose processing is committed, dead letters among them, by source.',
  },
  sent: {
    name: 'messaging.client.sent.messages',
    kind: 'counter',
    unit: '{message}',
    attributes: ['topic'],
    help: 'Records that are committed, by the topic they went to: sinks, repartitions, dead letters. Changelogs are not counted.',
  },
  processing: {
    name: 'messaging.process.duration',
    kind: 'histogram',
    unit: 's',
    attributes: ['subTopology'],
    help: 'What the computing of the messages of one commit took.',
    buckets: SECONDS,
  },
  latency: {
    name: 'potoroo.message.latency',
    kind: 'histogram',
    unit: 's',
    attributes: ['topic'],
    help: "From the timestamp of the oldest message of a commit until it was committed, by source: no other of that commit's messages took longer.",
    buckets: LONG_SECONDS,
  },
  commitDuration: {
    name: 'potoroo.commit.duration',
    kind: 'histogram',
    unit: 's',
    attributes: ['subTopology'],
    help: 'Of a transaction that was committed, from its beginning to the acknowledgement.',
    buckets: SECONDS,
  },
  commitSize: {
    name: 'potoroo.commit.size',
    kind: 'histogram',
    unit: 'By',
    attributes: ['subTopology'],
    help: 'What a commit wrote, changelog included.',
    buckets: BYTES,
  },
  commitFailures: {
    name: 'potoroo.commit.failures',
    kind: 'counter',
    unit: '{commit}',
    attributes: ['subTopology', 'error'],
    help: 'Commits without an acknowledgement. Their messages are done again, unless the brokers have them after all.',
  },
  lag: {
    name: 'potoroo.input.lag',
    kind: 'observed gauge',
    unit: '{record}',
    attributes: ['topic', 'partition'],
    help: 'Records from the last commit to the end of the partition, as the last fetch saw it. 0 for one that this worker has given away.',
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
    help: 'Windows that have closed, those that a pipeline threw at not among them.',
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
    help: 'Messages whose computation held the event loop up for more than a second.',
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
    help: 'Partitions and broadcasts that messages of running tasks have waited for during more than a second: what decoding them needs, such as a schema, is not there, or a broadcast has not caught up. `potoroo status` says which, and why.',
  },
  callDuration: {
    name: 'potoroo.call.duration',
    kind: 'histogram',
    unit: 's',
    attributes: ['subTopology', 'outcome'],
    help: 'Of the attempts of calls that have ended, and how: what has failed for the last time is among the dead letters, too.',
    buckets: LONG_SECONDS,
  },
  callsUnderWay: {
    name: 'potoroo.calls.under_way',
    kind: 'observed gauge',
    unit: '{call}',
    attributes: ['subTopology'],
    help: 'Calls that are being made, those that wait for their next attempt among them. 0 for what makes none.',
  },
  callsOldest: {
    name: 'potoroo.calls.oldest',
    kind: 'observed gauge',
    unit: 's',
    attributes: ['subTopology'],
    help: 'How long the oldest message has waited whose call is not done. Where it grows, its key is stuck, and in the end its partition: `potoroo status` says which, and why.',
  },
  timeLag: {
    name: 'potoroo.time.lag',
    kind: 'observed gauge',
    unit: 's',
    attributes: ['subTopology'],
    help: 'How far the time of the slowest running task is behind the clock; only of what has a time. Idle, it is the lateness of its topics and about two seconds; in a backlog as much as that is old. Where it grows, windows do not close and timers do not fire: `potoroo status` says what each task waits for.',
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
    help: 'How often it was said that the codec of a topic waits for what it needs: at first, and each 30 s while that goes on.',
  },
  nans: {
    name: 'potoroo.state.nans',
    kind: 'counter',
    unit: '{field}',
    attributes: ['subTopology'],
    help: 'Fields of state objects in which NaN was stored where a number was meant, each once for a task and worker.',
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
    help: '1 while the worker is in its group and all tasks that it has are running, as /readyz says it, else 0.',
  },
  rebalances: {
    name: 'potoroo.group.rebalances',
    kind: 'counter',
    unit: '{rebalance}',
    attributes: [],
    help: 'Assignments that this worker was given.',
  },
  handOffPause: {
    name: 'potoroo.hand_off.pause',
    kind: 'histogram',
    unit: 's',
    attributes: ['reason'],
    help: "Of a task that came to this worker from another one: to its first message here, from the last commit there, or from that message's own timestamp where it is later.",
    buckets: LONG_SECONDS,
  },
  restore: {
    name: 'potoroo.restore.duration',
    kind: 'histogram',
    unit: 's',
    attributes: ['subTopology'],
    help: 'Of a task that became active: fencing, the replay of its changelog, positions.',
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
    help: 'How often a task began again from its last commit; FENCED: another activation of it began, here or elsewhere.',
  },
  standbyLag: {
    name: 'potoroo.standby.lag',
    kind: 'observed gauge',
    unit: '{record}',
    attributes: ['subTopology'],
    help: 'Changelog records that the standbys here are behind, of the one that is furthest.',
  },
  stateObjects: {
    name: 'potoroo.state.objects',
    kind: 'observed gauge',
    unit: '{object}',
    attributes: ['subTopology', 'place'],
    help: 'State objects of running tasks. In memory: keys that were used last, about, those without a state object among them.',
  },
  stateSize: {
    name: 'potoroo.state.size',
    kind: 'observed gauge',
    unit: 'By',
    attributes: ['subTopology', 'place'],
    help: 'What they take: of memory, and of the disk.',
  },
  unstored: {
    name: 'potoroo.state.unstored',
    kind: 'observed gauge',
    unit: 'By',
    attributes: ['subTopology'],
    help: 'Of changes that are committed and not written to the store yet: what a worker that is killed now has to replay.',
  },
  storeWrite: {
    name: 'potoroo.store.write.duration',
    kind: 'histogram',
    unit: 's',
    attributes: ['subTopology'],
    help: 'Of writing what was committed to the store on disk. Messages go on meanwhile.',
    buckets: SECONDS,
  },
  setAside: {
    name: 'potoroo.store.set_aside',
    kind: 'counter',
    unit: '{store}',
    attributes: ['subTopology'],
    help: 'Stores that could not be believed, and were rebuilt from their changelog.',
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
    help: 'Deletions of processed records that failed: while they do, the repartition grows.',
  },
  queries: {
    name: 'potoroo.query.duration',
    kind: 'histogram',
    unit: 's',
    attributes: ['state', 'query', 'queryOutcome'],
    help: 'Of questions for state objects that this worker was asked, a page of a scan each, whichever worker had the answer.',
    buckets: SECONDS,
  },
  eventLoop: {
    name: 'potoroo.event_loop.delay',
    kind: 'observed gauge',
    unit: 's',
    attributes: ['quantile'],
    help: 'How late the event loop was, since it was asked for last: the median, the 99th percentile, and the longest (1).',
  },
} as const satisfies Readonly<Record<string, Instrument>>

export type InstrumentName = keyof typeof instruments

export const taskStates = ['created', 'restoring', 'running', 'outdated', 'standby'] as const
