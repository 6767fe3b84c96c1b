/** The log as an observer: which events are said, how loud, and in which words. People search for these: they stay. */
import type { Logger } from '../ports/logger.js'
import type { Observer, RuntimeEvent } from '../ports/observer.js'

export interface LogLine {
  readonly level: keyof Logger
  readonly fields: object
  readonly message: string
}

type Kind = RuntimeEvent['kind']
type EventOf<K extends Kind> = RuntimeEvent & { readonly kind: K }
/** Fields of the line are those of the event, unless it says others. */
interface Saying<K extends Kind> {
  readonly level: keyof Logger | ((event: EventOf<K>) => keyof Logger)
  readonly message: string | ((event: EventOf<K>) => string)
  readonly fields?: (event: EventOf<K>) => object
}

const say = (level: keyof Logger, message: string): { readonly level: keyof Logger; readonly message: string } => ({
  level,
  message,
})

/** Undefined: the log does not say it, for it happens all the time, or another line says it. */
const sayings: { readonly [K in Kind]: Saying<K> | undefined } = {
  'worker-started': say('info', 'worker started'),
  'handing-over': say('info', 'stopping: handing tasks over'),
  'handing-over-ended': say('warn', 'not everything was handed over in time: whoever gets the rest restores it'),
  'worker-stops': say('warn', 'the worker cannot go on: it stops'),
  'closing-failed': say('warn', 'closing'),
  'worker-stopped': say('info', 'worker stopped'),
  'worker-failed': say('error', 'worker stopped by an error'),
  'tasks-assigned': say('info', 'tasks assigned'),
  'unknown-task': say(
    'warn',
    'the leader gave this worker a task that it does not know: the leader is of a version of Potoroo that does not ask for that',
  ),
  'peer-gone': say('info', 'a worker is gone: its address refuses connections'),
  queried: undefined,
  'codec-waits': say('warn', 'the codec of a topic is not ready: the worker waits for it before it starts'),
  'former-member-stays': say('debug', 'the earlier member could not be made to leave'),

  'broadcast-loaded': say('info', 'broadcast was read to its end'),
  'broadcast-record-refused': say(
    'warn',
    'a record of a broadcast can not be taken: its key keeps what it had, on every worker',
  ),
  'broadcast-awaited': say(
    'warn',
    'messages wait for a broadcast: its brokers have not said for a while that there is nothing new',
  ),
  'broadcast-caught-up': say('info', 'the broadcast has caught up: messages go on'),
  'broadcast-holds': say(
    'warn',
    "what decoding a broadcast's records needs is not to be had: they wait, and messages that read the broadcast with them",
  ),
  'broadcast-goes-on': say('info', "what a broadcast's records need is there: it goes on"),
  'broadcast-again': say(
    'warn',
    'records of a broadcast were deleted before they were read: it is read from its beginning',
  ),

  'group-rebalances': {
    ...say('debug', 'the group rebalances'),
    fields: ({ memberId, why }) => ({ memberId, kind: why }),
  },
  'member-forgotten': say('info', 'the group has forgotten this worker: joining as a new member'),
  'group-unreachable': say('warn', 'the group cannot be reached: trying again'),
  'group-answers': say('info', 'the group answers again'),
  'group-not-left': say('warn', 'could not leave the group: its members wait for the session timeout'),
  'dead-member-stays': say('debug', 'a dead member could not be made to leave'),

  'manifest-overtaken': say('info', 'another worker has changed the manifest at the same time: planning again'),
  'creating-topics': say('info', 'creating topics'),
  'topology-changed': say('info', 'the topology has changed'),
  'table-late': say(
    'warn',
    'a table is new, and its topic was read before: it has what comes from now on, and nothing of what was there',
  ),
  'topics-unchecked': say('debug', 'the topics could not be checked'),
  purged: undefined,
  'purge-failed': say('debug', 'repartition topics could not be purged'),
  'purge-forbidden': say(
    'warn',
    'repartition topics are not purged, and grow: give this user the operation Delete on them, and restart the worker',
  ),
  'time-refused': say(
    'warn',
    "the broker refuses this worker's time: put the clock right. Until then changelogs and dead letters get records without a time",
  ),

  'changelog-end-doubted': say(
    'info',
    'the changelog is said to end below where it ended: a leader that was replaced may have answered',
  ),
  'changelog-shorter': say(
    'warn',
    'the changelog has lost records: it ends below where it ended. Either it was made anew, or a leader was elected that ' +
      'lacked records (unclean.leader.election.enable, or disks that were lost)',
  ),
  'restoring-slowly': say('info', 'restoring: still reading the changelog, or waiting for a transaction on it to end'),

  'restore-progress': undefined,
  'source-begins': {
    level: ({ wasActive }) => (wasActive ? 'warn' : 'info'),
    message: ({ wasActive }) =>
      wasActive
        ? 'the group has no position of this source, though the task was active before: it begins as its topic declares, and what ' +
          'was done already may be done again, or skipped'
        : 'the group has no position of this source: it begins as its topic declares',
    fields: ({ kind: _kind, wasActive: _wasActive, ...fields }) => fields,
  },
  'position-corrected': {
    level: 'warn',
    message: ({ warning }) => warning,
    fields: ({ task, topic, partition }) => ({ task, topic, partition }),
  },
  'task-active': say('info', 'task is active'),
  'task-closed': undefined,
  'task-outdated': say('warn', 'the task stands still here'),
  'handed-over': say('info', 'task was handed over'),
  fenced: say('info', 'fenced: another activation of this task began'),
  'task-again': say('warn', 'the task starts again from its last commit'),
  committed: undefined,
  windows: undefined,
  'commit-failed': undefined,
  'dead-letter': {
    level: 'warn',
    message: ({ cut }) =>
      cut ? 'too large for the dead letters: only its beginning went there' : 'a record went to the dead letters',
    fields: ({ kind: _kind, cut: _cut, ...fields }) => fields,
  },
  'nan-stored': {
    level: 'warn',
    message:
      'a state object is stored with NaN where a number was meant: is the field missing in older ones (undefined + 1)? ' +
      'upgrades of stateObject() give it to them',
  },
  'outputs-short-lived': {
    level: 'warn',
    message: ({ likeSeconds }) =>
      likeSeconds
        ? 'outputs have timestamps that look like seconds: they must be milliseconds, or the broker deletes the outputs as too old'
        : 'outputs are older than retention.ms of their topic: the broker deletes them',
    fields: ({ kind: _kind, likeSeconds: _likeSeconds, ...fields }) => fields,
  },
  'rolled-back': say('debug', 'a message failed: the interval is done again, message by message'),
  'slow-message': say(
    'warn',
    'the event loop was held up while a message was computed: for a while messages of this task are committed one by one',
  ),
  'culprit-found': undefined,
  'source-waived': say(
    'warn',
    'a source gave no answer in time: records of the others go first, whatever their timestamps',
  ),
  'record-ahead': say(
    'warn',
    "a record is more than an hour ahead of this worker's clock: it is processed, and moves no time; one of the clocks is wrong, the producer's or this one",
  ),
  'transaction-open': say(
    'warn',
    'a transaction of a producer is open: what follows it on this partition of the source waits for its end',
  ),
  'transaction-ended': say('info', 'the transaction has ended: the source goes on'),
  'source-holds': say(
    'warn',
    "what decoding a source's records needs is not to be had: they wait here, and other partitions go on",
  ),
  'source-goes-on': say('info', "what a source's records need is there: it goes on"),
  'calls-attempted': undefined,
  'store-written': undefined,
  'store-not-written': say('warn', 'could not write to the store'),
  'store-not-closed': say('warn', 'could not close the store'),
  'store-set-aside': say('warn', 'the store is set aside, and rebuilt from the changelog'),

  'standby-follows': say('debug', 'a standby follows its changelog'),
  'standby-progress': undefined,
  'standby-again': say('warn', 'a standby starts again'),
  'snapshot-absent': say('info', 'the owner has no snapshot to give: the changelog is read'),
  'snapshot-taken': say('info', 'took a snapshot of the store'),
  'snapshot-failed': say('warn', 'no snapshot: the changelog is read instead'),
}

/** Undefined: the log does not say it. */
export function lineOf<K extends Kind>(event: EventOf<K>): LogLine | undefined {
  const saying: Saying<K> | undefined = sayings[event.kind]
  if (saying === undefined) return undefined
  const { level, message, fields = withoutKind } = saying
  return {
    level: typeof level === 'string' ? level : level(event),
    fields: fields(event),
    message: typeof message === 'string' ? message : message(event),
  }
}

const withoutKind = ({ kind: _kind, ...fields }: RuntimeEvent): object => fields

export function logObserver(logger: Logger): Observer {
  /** Fields of state objects are those of all tasks. */
  const nanFields = new Set<string>()
  return {
    observe: (event) => {
      if (event.kind === 'nan-stored') {
        const field = `${event.state}.${event.field}`
        if (nanFields.has(field)) return
        nanFields.add(field)
      }
      const line = lineOf(event)
      if (line !== undefined) logger[line.level](line.fields, line.message)
    },
  }
}
