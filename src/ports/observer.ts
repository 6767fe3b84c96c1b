/**
 * What happens in the runtime, for anyone interested: the log is one observer, others may count, measure or show it.
 * There are events for what happens to a worker, a task, a commit or a write, and for what is wrong; there is none for a
 * message that is right, so that it costs nothing to have observers.
 *
 * Times are ms, sizes bytes; `atMs` is ms since the epoch. Positions are exclusive: the offset of the next record.
 */
import type { Positions } from '../core/commit/commit-record.js'
import type { HandOff } from '../core/group/worker-status.js'
import type { WindowCounts } from '../core/processing/closings.js'
import type { DeadLetter } from '../core/processing/outbox.js'
import type { TracedRecord } from '../core/processing/traced-records.js'
import type { StoredNaN } from '../core/state/nan-fields.js'
import type { ErrorCode } from '../errors.js'

export interface Observer {
  /** How many traced messages of a commit it wants to know, at most. Default 0: then nobody looks for them. */
  readonly tracedPerCommit?: number
  /** Called at once, in the order of what happens. It has to return soon: the task that the event is about waits. */
  observe(event: RuntimeEvent): void
}

/** What decoding records needs, and is not available. */
export interface Lack {
  /** Of the first record that waits. */
  readonly position: number
  readonly code: ErrorCode
  readonly error: string
  readonly waitedMs: number
}

/** One attempt of a call. */
export interface CallAttempt {
  readonly outcome: 'succeeded' | 'failed' | 'timed out'
  readonly tookMs: number
}

export type RuntimeEvent = WorkerEvent | MembershipEvent | TopicsEvent | TaskEvent | StandbyEvent | ChangelogEvent

export type WorkerEvent =
  | { readonly kind: 'worker-started'; readonly worker: string; readonly group: string; readonly tasks: number }
  /** It was told to stop while it had tasks: others are to have them first. */
  | { readonly kind: 'handing-over'; readonly tasks: readonly string[] }
  /** Not everything was handed over in time. */
  | { readonly kind: 'handing-over-ended'; readonly tasks: readonly string[]; readonly waitedMs: number }
  /** Something is wrong that only its end can cure. `task`: which has found it, if one has. */
  | { readonly kind: 'worker-stops'; readonly task?: string; readonly code: ErrorCode; readonly error: string }
  | { readonly kind: 'closing-failed'; readonly error: string }
  | { readonly kind: 'worker-stopped'; readonly worker: string }
  | {
      readonly kind: 'worker-failed'
      readonly worker: string
      readonly code: ErrorCode
      readonly cure: string
      readonly error: string
    }
  /** The group gave this worker its tasks, after a rebalance. */
  | {
      readonly kind: 'tasks-assigned'
      readonly generation: number
      readonly active: readonly string[]
      readonly standby: readonly string[]
      readonly gained: readonly string[]
      readonly lost: readonly string[]
    }
  /** A task that this worker's application does not have. */
  | { readonly kind: 'unknown-task'; readonly task: string }
  /** Somebody has asked this worker for state objects, and got an answer, or none. */
  | {
      readonly kind: 'queried'
      readonly state: string
      readonly what: 'get' | 'scan'
      /** `unanswered`: nobody could answer in time. `refused`: what was asked can't be answered. */
      readonly outcome: 'answered' | 'unanswered' | 'refused'
      readonly tookMs: number
    }
  | { readonly kind: 'peer-gone'; readonly memberId: string; readonly address: string }
  /** The worker's copy of a broadcast was read to its end: its tasks may come. */
  | {
      readonly kind: 'broadcast-loaded'
      readonly broadcast: string
      readonly topic: string
      readonly entries: number
      readonly bytes: number
      readonly tookMs: number
    }
  /** A record that no entry of the broadcast could be made of: its key keeps what it had. */
  | {
      readonly kind: 'broadcast-record-refused'
      readonly broadcast: string
      readonly topic: string
      readonly partition: number
      readonly offset: number
      readonly code: ErrorCode
      readonly error: string
    }
  /** Messages wait for a broadcast whose broker does not say that there is nothing new. */
  | {
      readonly kind: 'broadcast-awaited'
      readonly broadcast: string
      readonly topic: string
      readonly waitedMs: number
    }
  /** They go on. */
  | {
      readonly kind: 'broadcast-caught-up'
      readonly broadcast: string
      readonly topic: string
      readonly waitedMs: number
    }
  /** What decoding its records needs could not be got: they wait, and messages with them. Said as `source-holds`. */
  | ({
      readonly kind: 'broadcast-holds'
      readonly broadcast: string
      readonly topic: string
      readonly partition: number
    } & Lack)
  | {
      readonly kind: 'broadcast-goes-on'
      readonly broadcast: string
      readonly topic: string
      readonly partition: number
      readonly waitedMs: number
    }
  /** Its log begins behind where the worker was: it is read again, from its beginning. */
  | { readonly kind: 'broadcast-again'; readonly broadcast: string; readonly topic: string; readonly error: string }
  /** At its start: what a topic is read or written with can't begin yet. Said at first, and now and then while that continues. */
  | {
      readonly kind: 'codec-waits'
      readonly topic: string
      readonly use: 'read' | 'write'
      readonly code: ErrorCode
      readonly error: string
      readonly waitedMs: number
    }
  /** The member of this worker's earlier life could not be made to leave. */
  | { readonly kind: 'former-member-stays'; readonly former: string; readonly error: string }

export type MembershipEvent =
  /** The group begins a new generation: this worker joins again. */
  | { readonly kind: 'group-rebalances'; readonly memberId: string; readonly why: string }
  /** The group does not know this member any more, because it was silent for too long: it joins as a new one. */
  | { readonly kind: 'member-forgotten'; readonly memberId: string }
  /** It is tried again, and this is said once until the group answers. */
  | { readonly kind: 'group-unreachable'; readonly error: string }
  | { readonly kind: 'group-answers' }
  | { readonly kind: 'group-not-left'; readonly error: string }
  /** A member that is certainly dead could not be made to leave. */
  | { readonly kind: 'dead-member-stays'; readonly memberId: string; readonly error: string }

export type TopicsEvent =
  /** Another worker has changed the manifest at the same time. */
  | { readonly kind: 'manifest-overtaken' }
  | {
      readonly kind: 'creating-topics'
      readonly topics: readonly { readonly name: string; readonly partitions: number }[]
    }
  /** A table is new, and its topic was read before: it has what comes from now on. */
  | { readonly kind: 'table-late'; readonly table: string; readonly topic: string }
  | { readonly kind: 'topology-changed'; readonly generation: number; readonly changes: readonly string[] }
  | { readonly kind: 'topics-unchecked'; readonly error: string }
  /** What was processed of a repartition was deleted from it, up to the position. `records`: how many this worker knows of. */
  | {
      readonly kind: 'purged'
      readonly topic: string
      readonly partition: number
      readonly position: number
      readonly records: number
    }
  | { readonly kind: 'purge-failed'; readonly topics: readonly string[]; readonly error: string }
  /** This user may not: nothing is purged until the worker is restarted. */
  | { readonly kind: 'purge-forbidden'; readonly topics: readonly string[]; readonly error: string }
  /** Records that were given this worker's time were refused for it. */
  | {
      readonly kind: 'time-refused'
      readonly topic: string
      readonly partition: number
      /** This worker's, as people read it. */
      readonly clock: string
      /** The broker's words. */
      readonly broker: string
    }

/** Of whoever reads a changelog: a task that becomes active, or a standby. */
export type ChangelogEvent = { readonly topic: string; readonly partition: number } &
  /** It is said to end below where it ended: a leader that was replaced may have answered. It is asked again. */
  (
    | { readonly kind: 'changelog-end-doubted'; readonly end: number; readonly wasAt: number }
    /** It does end there. */
    | { readonly kind: 'changelog-shorter'; readonly end: number; readonly wasAt: number }
    /** The end is not reached yet, after a while. */
    | { readonly kind: 'restoring-slowly'; readonly position: number; readonly end: number }
  )

export type TaskEvent = { readonly task: string } &
  /** Changelog records that are left to be replayed; after each answer of the changelog's. */
  (
    | { readonly kind: 'restore-progress'; readonly left: number }
    /** The group has no position of a source that has messages: it begins as its topic declares. */
    | {
        readonly kind: 'source-begins'
        readonly topic: string
        readonly partition: number
        readonly group: string
        readonly start: string
        readonly position: number | undefined
        readonly earliest: number
        readonly end: number
        /** The task was active before: what was done already may be done again, or skipped. */
        readonly wasActive: boolean
      }
    /** What the group and the changelog say of a source's position differs. */
    | {
        readonly kind: 'position-corrected'
        readonly topic: string
        readonly partition: number
        readonly warning: string
      }
    | {
        readonly kind: 'task-active'
        /** Changelog records. */
        readonly replayed: number
        /** Undefined without a changelog. */
        readonly replayedFrom: number | undefined
        /** The store was set aside. */
        readonly rebuilt: boolean
        readonly tookMs: number
        /** Of the sources, by topic. */
        readonly positions: Positions
      }
    | { readonly kind: 'task-closed' }
    /** A newer version of the application has processed: here it stands still, until a worker of that version has it. */
    | { readonly kind: 'task-outdated'; readonly code: ErrorCode; readonly cure: string; readonly error: string }
    /** The first message here is done, after it was another worker's task. */
    | ({ readonly kind: 'handed-over' } & HandOff)
    /** Another activation of the task began, here or elsewhere. */
    | { readonly kind: 'fenced' }
    /** It becomes active again, after a pause. */
    | { readonly kind: 'task-again'; readonly code: ErrorCode; readonly error: string; readonly retryInMs: number }
    /** Kafka has acknowledged a commit. */
    | {
        readonly kind: 'committed'
        /** Of the transaction. */
        readonly tookMs: number
        readonly messages: number
        /** Records for sinks and repartitions. */
        readonly outputs: number
        readonly deadLetters: number
        /** Of all that was written, changelog included. */
        readonly bytes: number
        /** What the computing of the messages took, that of messages which were rolled back and done again included. */
        readonly computedMs: number
        /** When the computing of the first of them began; of the commit, where it has none. */
        readonly beganAtMs: number
        /** When Kafka's acknowledgement was here. */
        readonly atMs: number
        /** Messages whose producers have traces recorded: no more than an observer asks for. */
        readonly traced: readonly TracedRecord[]
        /** Where the messages came from: sources that gave none are not there. */
        readonly from: readonly CommittedFrom[]
        /** Records by the topic that they went to, the changelog's not among them. */
        readonly to: readonly { readonly topic: string; readonly records: number }[]
      }
    /** What happened to windows in a commit that Kafka has acknowledged. */
    | ({ readonly kind: 'windows' } & WindowCounts)
    /** Whether Kafka has it is unknown. `code`: undefined for a defect. */
    | {
        readonly kind: 'commit-failed'
        readonly tookMs: number
        readonly messages: number
        readonly code: ErrorCode | undefined
        readonly error: string
      }
    | ({ readonly kind: 'dead-letter' } & DeadLetter)
    /** A number in a state object is NaN from now on, and did not begin so. Once for each field and task. */
    | ({ readonly kind: 'nan-stored' } & StoredNaN)
    /** The broker deletes outputs at once, because they are older than their topic keeps them. Once for each sink. */
    | {
        readonly kind: 'outputs-short-lived'
        readonly topic: string
        readonly partition: number
        readonly timestampMs: number
        readonly retentionMs: number
        /** The timestamp looks like seconds that were taken for milliseconds. */
        readonly likeSeconds: boolean
      }
    /** A computation threw: what was done since the last commit is rolled back, and done again message by message. */
    | { readonly kind: 'rolled-back'; readonly reason: string }
    /** A computation held up the event loop. The place is undefined where it was one of several. */
    | {
        readonly kind: 'slow-message'
        readonly topic: string | undefined
        readonly partition: number
        readonly offset: number | undefined
        readonly tookMs: number
      }
    /** This message alone makes commits fail, or its computation was ended: it goes to the dead letters, or stops the worker. */
    | {
        readonly kind: 'failing-message-found'
        readonly topic: string
        readonly partition: number
        readonly offset: number
        /** What it was instead, where it was no message but something that was due. */
        readonly due?: string
        readonly code: ErrorCode
      }
    /** A source that may have older records was waited for for nothing. */
    | {
        readonly kind: 'source-waived'
        readonly topic: string
        readonly partition: number
        readonly position: number
        readonly waitedMs: number
      }
    /** A record's timestamp is so far in the future that it moves no time; once for each topic and activation. */
    | {
        readonly kind: 'record-ahead'
        readonly topic: string
        readonly partition: number
        /** Of the record, ms since the epoch. */
        readonly timestampMs: number
      }
    /** A source can't be read further while a transaction of its producer is open. */
    | {
        readonly kind: 'transaction-open'
        readonly topic: string
        readonly partition: number
        readonly waitedMs: number
        readonly position: number
        /** So many follow it. */
        readonly records: number
      }
    | {
        readonly kind: 'transaction-ended'
        readonly topic: string
        readonly partition: number
        readonly waitedMs: number
      }
    /**
     * What decoding fetched records needs could not be got, such as a schema: the input waits, and it is tried again. Said at
     * first, and now and then while that continues.
     */
    | ({
        readonly kind: 'source-holds'
        readonly topic: string
        readonly partition: number
      } & Lack)
    | {
        readonly kind: 'source-goes-on'
        readonly topic: string
        readonly partition: number
        readonly waitedMs: number
      }
    /** Attempts that a run of a call's task has seen end, in their order. */
    | { readonly kind: 'calls-attempted'; readonly attempts: readonly CallAttempt[] }
    /** The store has what was committed. */
    | { readonly kind: 'store-written'; readonly changes: number; readonly tookMs: number }
    | { readonly kind: 'store-not-written'; readonly error: string }
    | { readonly kind: 'store-not-closed'; readonly error: string }
    /** It can't be believed, and is rebuilt from the changelog. `snapshotBytes`: of the copy that it came from. */
    | { readonly kind: 'store-set-aside'; readonly why: string; readonly snapshotBytes: number | undefined }
  )

export interface CommittedFrom {
  readonly topic: string
  readonly messages: number
  /** Of the first of them, which is the oldest where producers' clocks don't jump; below zero where it has none. */
  readonly firstTimestampMs: number
}

export type StandbyEvent = { readonly task: string } & (
  | {
      readonly kind: 'standby-follows'
      readonly owner: string | undefined
      /** Changelog records. */
      readonly behind: number
      readonly rebuilt: boolean
      readonly snapshotBytes: number | undefined
    }
  /** It is another number of changelog records behind. */
  | { readonly kind: 'standby-progress'; readonly lag: number }
  | { readonly kind: 'standby-again'; readonly error: string }
  | { readonly kind: 'snapshot-absent'; readonly from: string }
  | { readonly kind: 'snapshot-taken'; readonly from: string; readonly bytes: number; readonly tookMs: number }
  | { readonly kind: 'snapshot-failed'; readonly from: string; readonly error: string }
)

/**
 * Tells all of them, in their order. What one throws or rejects with goes nowhere: it must not end what it tells of, nor
 * keep the others from knowing.
 */
export function allOf(observers: readonly Observer[]): Observer {
  // By its type it returns nothing, and yet it may be asynchronous.
  const told: readonly { observe(event: RuntimeEvent): unknown }[] = observers
  return {
    tracedPerCommit: Math.max(0, ...observers.map(({ tracedPerCommit = 0 }) => tracedPerCommit)),
    observe: (event) => {
      for (const observer of told)
        try {
          const outcome = observer.observe(event)
          if (outcome instanceof Promise) outcome.catch(() => undefined)
        } catch {
          // There is nobody to tell it to.
        }
    },
  }
}
