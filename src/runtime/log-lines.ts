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
interface LineTemplate<K extends Kind> {
  readonly level: keyof Logger | ((event: EventOf<K>) => keyof Logger)
  readonly message: string | ((event: EventOf<K>) => string)
  readonly fields?: (event: EventOf<K>) => object
}

const say = (level: keyof Logger, message: string): { readonly level: keyof Logger; readonly message: string } => ({
  level,
  message,
})

/** Undefined: the log does not say it, for it happens all the time, or another line says it. */
const templates: { readonly [K in Kind]: LineTemplate<K> | undefined } = {
  'worker-started': say('info', 'worker started'),
  'handing-over': say('info', 'stopping: handing tasks over'),
  'handing-over-ended': say(
    'warn',
    'not everything was handed over in time: the new owners restore the remaining tasks',
  ),
  'worker-stops': say('warn', 'the worker cannot continue: it stops'),
  'closing-failed': say('warn', 'closing'),
  'worker-stopped': say('info', 'worker stopped'),
  'worker-failed': say('error', 'worker stopped by an error'),
  'tasks-assigned': say('info', 'tasks assigned'),
  'unknown-task': say(
    'warn',
    'the leader assigned this worker a task that it does not know: the leader runs a version of Potoroo that does not check this',
  ),
  'peer-gone': say('info', 'a worker is gone: its address refuses connections'),
  queried: undefined,
  'codec-waits': say('warn', 'the codec of a topic is not ready: the worker waits for it before it starts'),
  'former-member-stays': say('debug', 'the previous member of this worker could not be removed from the group'),

  'broadcast-loaded': say('info', 'broadcast was read to its end'),
  'broadcast-record-refused': say(
    'warn',
    'a record of a broadcast was rejected: its key keeps its old entry, on every worker',
  ),
  'broadcast-awaited': say(
    'warn',
    'messages wait for a broadcast: for a while, its brokers have not confirmed that it has been read to its end',
  ),
  'broadcast-caught-up': say('info', 'the broadcast has caught up: messages are processed again'),
  'broadcast-holds': say(
    'warn',
    "something needed to decode a broadcast's records is unavailable: they wait, and so do messages that read the broadcast",
  ),
  'broadcast-goes-on': say('info', "what a broadcast's records need is available: reading continues"),
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
  'dead-member-stays': say('debug', 'a dead member could not be removed from the group'),

  'manifest-overtaken': say('info', 'another worker changed the manifest at the same time: planning again'),
  'creating-topics': say('info', 'creating topics'),
  'topology-changed': say('info', 'the topology has changed'),
  'table-late': say(
    'warn',
    'a table is new, but its topic was read before: the table has only what is written from now on',
  ),
  'topics-unchecked': say('debug', 'the topics could not be checked'),
  purged: undefined,
  'purge-failed': say('debug', 'repartition topics could not be purged'),
  'purge-forbidden': say(
    'warn',
    'repartition topics are not purged, and grow: grant this user Delete on them, and restart the worker',
  ),
  'time-refused': say(
    'warn',
    "the broker rejects this worker's timestamps: correct its clock. Until then, records of changelogs and dead letters have no timestamp",
  ),

  'changelog-end-doubted': say(
    'info',
    'the broker lists a changelog end below the known one: a former leader may have answered',
  ),
  'changelog-shorter': say(
    'warn',
    'the changelog has lost records: its end is lower than before. Either it was recreated, or a leader was elected that ' +
      'did not have all records (unclean.leader.election.enable, or lost disks)',
  ),
  'restoring-slowly': say('info', 'restoring: still reading the changelog, or waiting for a transaction on it to end'),

  'restore-progress': undefined,
  'source-begins': {
    level: ({ wasActive }) => (wasActive ? 'warn' : 'info'),
    message: ({ wasActive }) =>
      wasActive
        ? 'the group has no offset for this source, although the task was active before: it starts where the topic declares, so ' +
          'messages may be processed again, or skipped'
        : 'the group has no offset for this source: it starts where the topic declares',
    fields: ({ kind: _kind, wasActive: _wasActive, ...fields }) => fields,
  },
  'position-corrected': {
    level: 'warn',
    message: ({ warning }) => warning,
    fields: ({ task, topic, partition }) => ({ task, topic, partition }),
  },
  'task-active': say('info', 'task is active'),
  'task-closed': undefined,
  'task-outdated': say('warn', 'the task is suspended here'),
  'handed-over': say('info', 'task was handed over'),
  fenced: say('info', 'fenced: another activation of this task started'),
  'task-again': say('warn', 'the task restarts from its last commit'),
  committed: undefined,
  windows: undefined,
  'commit-failed': undefined,
  'dead-letter': {
    level: 'warn',
    message: ({ cut }) =>
      cut
        ? 'too large for the dead-letter topic: only its beginning was written there'
        : 'a record went to the dead letters',
    fields: ({ kind: _kind, cut: _cut, ...fields }) => fields,
  },
  'nan-stored': {
    level: 'warn',
    message:
      'a state object is stored with NaN where a number was meant: is the field missing in older objects (undefined + ' +
      '1)? Add it with upgrades of stateObject()',
  },
  'outputs-short-lived': {
    level: 'warn',
    message: ({ likeSeconds }) =>
      likeSeconds
        ? 'outputs have timestamps that look like seconds: they must be milliseconds, or the broker deletes the outputs as too old'
        : 'outputs are older than retention.ms of their topic: the broker deletes them',
    fields: ({ kind: _kind, likeSeconds: _likeSeconds, ...fields }) => fields,
  },
  'rolled-back': say('debug', 'a message failed: the interval is rolled back and repeated message by message'),
  'slow-message': say(
    'warn',
    'a computation blocked the event loop: for a while, messages of this task are committed one by one',
  ),
  'failing-message-found': undefined,
  'source-waived': say(
    'warn',
    'a source gave no answer in time: records of the other sources go first, whatever their timestamps',
  ),
  'record-ahead': say(
    'warn',
    "a record is more than an hour ahead of this worker's clock: it is processed, but does not advance time; either the producer's clock or this one is wrong",
  ),
  'transaction-open': say(
    'warn',
    'a producer has an open transaction: records after it on this partition of the source wait until it ends',
  ),
  'transaction-ended': say('info', 'the transaction has ended: the source continues'),
  'source-holds': say(
    'warn',
    "something needed to decode a source's records is unavailable: they wait, and other partitions continue",
  ),
  'source-goes-on': say('info', "what a source's records need is available: reading continues"),
  'calls-attempted': undefined,
  'store-written': undefined,
  'store-not-written': say('warn', 'could not write to the store'),
  'store-not-closed': say('warn', 'could not close the store'),
  'store-set-aside': say('warn', 'the store is set aside, and rebuilt from the changelog'),

  'standby-follows': say('debug', 'a standby follows its changelog'),
  'standby-progress': undefined,
  'standby-again': say('warn', 'a standby restarts'),
  'snapshot-absent': say('info', 'the owner has no snapshot: the changelog is read instead'),
  'snapshot-taken': say('info', 'took a snapshot of the store'),
  'snapshot-failed': say('warn', 'no snapshot: the changelog is read instead'),
}

/** Undefined: the log does not say it. */
export function lineOf<K extends Kind>(event: EventOf<K>): LogLine | undefined {
  const saying: LineTemplate<K> | undefined = templates[event.kind]
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
