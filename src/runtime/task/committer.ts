/**
 * Commits of a task: when one is due, C1, and C2.
 *
 * Invariants
 * 1. C1 awaits nothing: state objects, outputs and positions are those behind the same message.
 * 2. One commit is under way at a time, whichever activation began it. The next one waits for a store that is far behind, too.
 * 3. What a commit changes here and in the store, it changes once Kafka has acknowledged it, and only while its activation
 *    is the current one. Whether one that failed was committed is unknown: only the next activation finds out.
 * 4. Positions are in every commit record. Where they are nowhere but in the group it has them with each commit, else late
 *    (core/commit/group-offsets.ts).
 * 5. The changelog's records have to land where the last commit ended (core/commit/landing.ts).
 * 6. A proof of ownership is the acknowledgement of a commit that began after it was asked for, by the activation that is current
 *    then. It keeps the pace of other commits.
 */
import { nextCommitMs } from '../../core/commit/commit-pace.js'
import type { CommitPhase } from '../../core/commit/commit-phase.js'
import { groupWith, type CommitRecord, type Positions, type TopicIds } from '../../core/commit/commit-record.js'
import { offsetsDueMs, takesOffsets } from '../../core/commit/group-offsets.js'
import { MARKER_RECORDS } from '../../core/commit/landing.js'
import { encodeOffsetNote } from '../../core/commit/offset-note.js'
import { isPotorooError, messageOf } from '../../errors.js'
import type { AsOf } from '../../core/query/question.js'
import type { Input } from '../../core/processing/input.js'
import { tracedAmong, type TracedRecord } from '../../core/processing/traced-records.js'
import type { Collected, Processor } from '../../core/processing/processor.js'
import type { Watermark } from '../../core/processing/watermark.js'
import type { Clock, Timer } from '../../ports/clock.js'
import type { Fetcher, PartitionPosition, Transaction } from '../../ports/log.js'
import type { CommittedFrom, Observer } from '../../ports/observer.js'
import type { Activation } from '../activation.js'
import type { RuntimeOptions } from '../options.js'
import type { RecordTime } from '../record-time.js'
import type { TaskPlan } from '../task-plan.js'
import type { Isolation } from './isolation.js'
import type { Marker } from './marker.js'
import { ShortLivedOutputs } from './short-lived.js'
import { DRY_MS } from './sources.js'
import type { StoreWriter } from './store-writer.js'

export interface CommitterEnvironment {
  readonly clock: Clock
  readonly observer: Observer
  readonly fetcher: Pick<Fetcher, 'wake'>
  readonly options: Pick<RuntimeOptions, 'name' | 'commitIntervalMs' | 'backlogCommitIntervalMs'>
  /** Of records that the runtime writes for itself. */
  readonly recordTime: Pick<RecordTime, 'now'>
  /** When in its interval a task commits. */
  readonly phase: CommitPhase
  /** How many tasks of this worker have a backlog. */
  backlogs(): number
  /** A commit was acknowledged that has worked off a repartition up to there. */
  acknowledged(at: PartitionPosition): void
}

/** An input, as commits see it. */
export type CommittedInput = Pick<Input, 'topic' | 'position' | 'taken' | 'takenRecords' | 'firstTimestampMs' | 'mark'>

/** An activation, as its commits see it. */
export interface CommitWork {
  readonly activation: Pick<
    Activation,
    'producer' | 'identity' | 'notes' | 'foreign' | 'positions' | 'committed' | 'time' | 'before' | 'asOf'
  >
  readonly inputs: readonly CommittedInput[]
  readonly processor: Pick<Processor, 'messages' | 'collect' | 'committed'> & {
    readonly time?: Pick<Watermark, 'committed'> | undefined
  }
  /** Aborted when the activation has ended. */
  readonly signal: AbortSignal
  /** Whether what comes of it may still change anything. */
  isCurrent(): boolean
  /** C1 has thrown: Rollback, or what the task can't continue with. */
  notCollected(error: unknown): void
  /** Kafka has it. Only while it is current. */
  committed(collected: Collected): void
  /** Kafka may have it, or not. Only while it is current. */
  failed(collected: Collected, error: unknown): void
}

/** How much there is to do, when it is asked whether a commit is due. */
export interface Load {
  /** There is as much as may wait for a commit. */
  readonly isFull: boolean
  readonly isBacklogged: boolean
}

/** A commit that Kafka has acknowledged. */
export interface Commitment {
  readonly asOf: AsOf
  /** The task's time as of it; -Infinity where there is none. */
  readonly timeMs: number
}

interface Current {
  readonly work: CommitWork
  /** The last one. */
  made: Commitment
  /** Positions of the last commit, in the order of the inputs. */
  committed: readonly number[]
  lastCommitMs: number
  /** When it was asked last. */
  isBacklogged: boolean
  /** When the last transaction was ended, on the monotonic clock. */
  endedMs: number
  /** What the group was given last, and when; undefined until the first commit. */
  group: GroupOffsets | undefined
  /** Of the version that has written state objects of the task, as the commit record says. */
  upgrades: number
}

/** What a commit says of the messages in it, beside what it writes. */
interface Work {
  readonly from: readonly CommittedFrom[]
  readonly computedMs: number
  readonly beganAtMs: number
  readonly traced: readonly TracedRecord[]
}

interface GroupOffsets {
  readonly positions: Positions
  readonly atMs: number
  /** Messages in the commits since. */
  readonly messages: number
}

export class Committer {
  #current: Current | undefined
  /** The commit under way: C1 done, C2 not yet. Resolves with undefined where it has failed, or its activation has ended. Never rejects. */
  #underWay: Promise<Commitment | undefined> | undefined
  /** Called with whether it is proven that the task is this worker's (invariant 6). */
  #proofs: ((isProven: boolean) => void)[] = []
  #timer: Timer | undefined
  /** When it goes off, on the monotonic clock. */
  #looksAtMs = 0
  /** Where the changelog ends, or ended when that was last known. */
  #changelogEnd = 0
  /** Since the last commit; and when that began, undefined before it does. */
  #computedMs = 0
  #beganAtMs: number | undefined
  readonly #shortLived: ShortLivedOutputs
  /** Of the sources, where brokers have ids. */
  readonly #topicIds: TopicIds | undefined

  constructor(
    private readonly plan: TaskPlan,
    private readonly env: CommitterEnvironment,
    private readonly store: StoreWriter,
    /** Packing may be ended from outside, as computing may. */
    private readonly isolation: Pick<Isolation, 'isPacking' | 'isCutOff'>,
    /** A commit has ended, or may be due. */
    private readonly ready: () => void,
    private readonly marker?: Pick<Marker, 'dueMs' | 'collects'>,
  ) {
    const ids = plan.sources.flatMap(({ topic, id }) => (id === undefined ? [] : [[topic, id] as const]))
    this.#topicIds = ids.length === 0 ? undefined : Object.fromEntries(ids)
    this.#shortLived = new ShortLivedOutputs(plan.processor.sinks.values())
  }

  /** Where the changelog ends at least, as far as is known. */
  get changelogEnd(): number {
    return this.#changelogEnd
  }

  /** The changelog is longer than it was taken for. */
  changelogEndsAt(end: number): void {
    this.#changelogEnd = Math.max(this.#changelogEnd, end)
  }

  /** So long it took to compute messages that are to be committed. */
  computed(ms: number): void {
    this.#computedMs += ms
    this.#beganAtMs ??= this.env.clock.now() - ms
  }

  /** One commit at a time, and the store not far behind. When this turns true, `ready` is called. */
  get canCommit(): boolean {
    return this.#underWay === undefined && !this.store.holdsCommits
  }

  /** The last commit that is acknowledged; undefined while there is no activation. */
  get made(): Commitment | undefined {
    return this.#current?.made
  }

  /** The commit under way, once it is acknowledged; undefined: it has failed, or there is none. Never rejects. */
  async underWay(): Promise<Commitment | undefined> {
    return this.#underWay
  }

  /** Invariant 6. Resolves with false where that can't be proven now. Never rejects. */
  proven(): Promise<boolean> {
    if (this.#current === undefined) return Promise.resolve(false)
    return new Promise((resolve) => {
      this.#proofs.push(resolve)
      this.ready()
    })
  }

  /** `changelogEnd`: as it was replayed. */
  begin(work: CommitWork, changelogEnd: number): void {
    const { committed, before } = work.activation
    this.#changelogEnd = changelogEnd
    this.#computedMs = 0
    this.#beganAtMs = undefined
    const never = { lastCommitMs: -Infinity, endedMs: -Infinity }
    // Those of an older plan are of other state objects.
    const upgrades = (before?.plan ?? 0) === this.plan.version.number ? (before?.upgrades ?? 0) : 0
    const { asOf, time } = work.activation
    const made = { asOf, timeMs: time?.timeMs ?? -Infinity }
    this.#current = { work, made, committed, isBacklogged: false, group: undefined, upgrades, ...never }
    // The owner before may have ended before it has purged what it committed last, and nothing may come any more.
    this.#sayAcknowledged((_, i) => work.activation.positions[i])
  }

  /** Commits no more; one that is under way goes on. */
  end(): void {
    this.#current = undefined
    this.#cancelTimer()
    for (const tell of this.#takeProofs()) tell(false)
  }

  #takeProofs(): readonly ((isProven: boolean) => void)[] {
    const taken = this.#proofs
    this.#proofs = []
    return taken
  }

  /** Everything that was processed when this was called is committed when it resolves, or the task has failed meanwhile. Never rejects. */
  async flush(): Promise<void> {
    await this.#underWay
    const current = this.#current
    if (current === undefined) return
    const isGroupBehind = current.group !== undefined && isBehind(current.group, current)
    if (!isDirty(current) && !isGroupBehind) return
    this.#commit(current, true)
    await this.#underWay
  }

  commit(): void {
    if (this.#current !== undefined) this.#commit(this.#current, false)
  }

  /** Commits if that is due, or calls `ready` when it may be. */
  commitWhenDue(load: Load): void {
    const current = this.#current
    if (current === undefined || !this.canCommit) return
    current.isBacklogged = load.isBacklogged
    const { clock } = this.env
    const workMs = this.#dueMs(current, load) ?? Infinity
    const dueMs = Math.min(workMs, this.marker?.dueMs() ?? Infinity)
    if (dueMs === Infinity) return
    const dueInMs = dueMs - clock.monotonic()
    if (dueInMs <= 0) {
      this.#commit(current, !isDirty(current) && this.#proofs.length === 0 && workMs <= dueMs)
      return
    }
    // A backlog may be over by then, or its source dry.
    const looksAtMs = Math.min(dueMs, clock.monotonic() + DRY_MS)
    // It was to be later while there was a backlog.
    if (this.#timer !== undefined && looksAtMs < this.#looksAtMs) this.#cancelTimer()
    if (this.#timer !== undefined) return
    this.#looksAtMs = looksAtMs
    this.#timer = clock.after(looksAtMs - clock.monotonic(), () => {
      this.#timer = undefined
      if (this.#current === current) this.ready()
    })
  }

  /** Undefined: there is nothing to commit. */
  #dueMs(current: Current, load: Load): number | undefined {
    const { group, lastCommitMs } = current
    if (!isDirty(current) && this.#proofs.length === 0)
      return group && isBehind(group, current) ? offsetsDueMs(group.atMs, lastCommitMs) : undefined
    if (load.isFull) return 0
    const phaseMs = this.env.phase.of(this.plan.processor.subTopology.depth)
    return nextCommitMs(this.env.options, load.isBacklogged ? this.env.backlogs() : 0, lastCommitMs, phaseMs)
  }

  #cancelTimer(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  /** C1. `withOffsets`: the group is to have the positions, even if it could wait. */
  #commit(current: Current, withOffsets: boolean): void {
    if (this.#underWay !== undefined || this.isolation.isCutOff) return
    const { work, group } = current
    const { inputs, processor, activation } = work
    const { foreign, identity, producer } = activation
    this.marker?.collects(isDirty(current))
    const nowMs = this.env.clock.monotonic()
    const positions = inputs.map((input) => input.position)
    const byTopic = Object.fromEntries(inputs.map((input, i) => [input.topic, positions[i] ?? 0]))
    const messages = processor.messages + (group?.messages ?? 0)
    const sinceTransactionMs = nowMs - current.endedMs
    const keepsOffsets =
      this.plan.changelog !== undefined &&
      group !== undefined &&
      !withOffsets &&
      !takesOffsets({ sinceMs: nowMs - group.atMs, messages, sinceTransactionMs, endingMs: producer.endingMs })
    const record: CommitRecord = {
      identity: identity ?? '',
      positions: { ...foreign.positions, ...byTopic },
      group: groupWith(foreign, keepsOffsets ? group.positions : undefined),
      topicIds: this.#idsWith(foreign.topicIds),
      plan: this.plan.version.number,
      upgrades: current.upgrades,
      by: this.env.options.name,
      atMs: this.env.clock.now(),
      // What uses no time keeps what another version of the application has.
      time: processor.time?.committed() ?? activation.time,
    }
    let collected: Collected
    this.isolation.isPacking = true
    try {
      collected = processor.collect(record, this.env.recordTime.now())
      this.isolation.isPacking = false
    } catch (error) {
      this.isolation.isPacking = false
      work.notCollected(error)
      return
    }
    const did = {
      from: takenFrom(inputs),
      computedMs: this.#computedMs,
      beganAtMs: this.#beganAtMs ?? record.atMs,
      traced: tracedIn(inputs, this.env.observer.tracedPerCommit),
    }
    this.#computedMs = 0
    this.#beganAtMs = undefined
    for (const input of inputs) input.mark()
    current.committed = positions
    current.lastCommitMs = nowMs
    if (collected.changes.length > 0) current.upgrades = this.plan.version.upgrades
    current.group = keepsOffsets ? { ...group, messages } : { positions: byTopic, atMs: nowMs, messages: 0 }
    this.#cancelTimer()
    const proofs = this.#takeProofs()
    this.#underWay = this.#transact(current, record, collected, did, !keepsOffsets).then((made) => {
      this.#underWay = undefined
      for (const tell of proofs) tell(made !== undefined)
      this.env.fetcher.wake()
      this.ready()
      return made
    })
  }

  #idsWith(foreign: TopicIds | undefined): TopicIds | undefined {
    return foreign === undefined ? this.#topicIds : { ...foreign, ...this.#topicIds }
  }

  /** C2. Resolves with undefined where it has failed, or another activation is the current one by then. Never rejects. */
  async #transact(
    current: Current,
    record: CommitRecord,
    collected: Collected,
    did: Work,
    withOffsets: boolean,
  ): Promise<Commitment | undefined> {
    const { plan } = this
    const { work } = current
    const { activation, inputs } = work
    const begunMs = this.env.clock.monotonic()
    let ends: readonly number[]
    try {
      if (plan.versions !== undefined && collected.changes.length > 0) await plan.versions.say(work.signal)
      const positions: PartitionPosition[] = withOffsets
        ? inputs.map(({ topic }, i) => {
            const position = record.positions[topic] ?? 0
            return { topic, partition: plan.partition, position, note: this.#noteOf(i, activation, record) }
          })
        : []
      ends = await activation.producer.commit({ records: this.#landing(collected), group: plan.group, positions })
    } catch (error) {
      if (!work.isCurrent()) return undefined
      this.#sayFailed(collected, begunMs, error)
      work.failed(collected, error)
      return undefined
    }
    // Whoever has the task by now: Kafka has this.
    this.#sayCommitted(collected, did, begunMs)
    if (!work.isCurrent()) return undefined
    current.endedMs = this.env.clock.monotonic()
    if (!current.isBacklogged) this.env.phase.transacted(current.endedMs - begunMs)
    work.committed(collected)
    const changelogEnd = ends[0]
    if (plan.changelog === undefined || changelogEnd === undefined) return undefined
    this.#sayAcknowledged(({ topic }) => record.positions[topic])
    work.processor.committed()
    this.#changelogEnd = changelogEnd + MARKER_RECORDS
    // The changelog is the first in `records`, and the commit record its last record: its position is one below the end.
    const { identity, positions: inputPositions } = record
    const asOf = { commitMs: record.atMs, changelogPosition: changelogEnd - 1 }
    current.made = { asOf, timeMs: record.time?.timeMs ?? -Infinity }
    this.store.committed({ changelogPosition: asOf.changelogPosition, identity, inputPositions }, record.atMs, begunMs)
    return current.made
  }

  /** A task without a changelog has its time with its positions. */
  #noteOf(index: number, { notes }: CommitWork['activation'], { time }: CommitRecord): string | undefined {
    const source = this.plan.sources[index]
    if (this.plan.changelog !== undefined || time === undefined || source === undefined) return notes[index]
    const { id: topicId, topic } = source
    return encodeOffsetNote({ topicId, boundMs: time.bounds[topic], behindMs: time.behind?.[topic] })
  }

  /** So far repartitions may be purged. */
  #sayAcknowledged(positionOf: (source: TaskPlan['sources'][number], index: number) => number | undefined): void {
    for (const [i, source] of this.plan.sources.entries()) {
      if (!source.isRepartition) continue
      const position = positionOf(source, i) ?? 0
      this.env.acknowledged({ topic: source.topic, partition: this.plan.partition, position })
    }
  }

  /** With where the changelog's records have to land, which are the first: nobody else writes there. */
  #landing({ records }: Collected): Transaction['records'] {
    if (this.plan.changelog === undefined) return records
    return records.map((entry, i) => (i === 0 ? { ...entry, end: this.#changelogEnd } : entry))
  }

  #sayCommitted(
    { records, deadLetters, marks, nans, messages, windows = [] }: Collected,
    did: Work,
    begunMs: number,
  ): void {
    const { clock, observer } = this.env
    const { changelog, id: task } = this.plan
    for (const letter of deadLetters) observer.observe({ kind: 'dead-letter', task, ...letter })
    for (const counts of windows) observer.observe({ kind: 'windows', task, ...counts })
    for (const nan of nans) observer.observe({ kind: 'nan-stored', task, ...nan })
    for (const outputs of this.#shortLived.among(records, clock.now()))
      observer.observe({ kind: 'outputs-short-lived', task, ...outputs })
    let [all, bytes] = [0, 0]
    const to = new Map<string, number>()
    for (const [i, { topic, chunks }] of records.entries()) {
      let count = 0
      for (const chunk of chunks) {
        bytes += chunk.end
        count += chunk.count
      }
      // The changelog is the first.
      if (changelog !== undefined && i === 0) continue
      all += count
      to.set(topic, (to.get(topic) ?? 0) + count)
    }
    // What tasks tell each other is no output.
    for (const [topic, count] of marks) {
      all -= count
      const left = (to.get(topic) ?? 0) - count
      if (left > 0) to.set(topic, left)
      else to.delete(topic)
    }
    observer.observe({
      kind: 'committed',
      task,
      tookMs: clock.monotonic() - begunMs,
      messages,
      outputs: all - deadLetters.length,
      deadLetters: deadLetters.length,
      bytes,
      ...did,
      atMs: clock.now(),
      to: [...to].map(([topic, count]) => ({ topic, records: count })),
    })
  }

  #sayFailed({ messages }: Collected, begunMs: number, error: unknown): void {
    this.env.observer.observe({
      kind: 'commit-failed',
      task: this.plan.id,
      tookMs: this.env.clock.monotonic() - begunMs,
      messages,
      code: isPotorooError(error) ? error.code : undefined,
      error: messageOf(error),
    })
  }
}

/** To be asked before they are marked. */
const takenFrom = (inputs: readonly CommittedInput[]): readonly CommittedFrom[] =>
  inputs.flatMap(({ topic, takenRecords: messages, firstTimestampMs }) =>
    messages === 0 ? [] : [{ topic, messages, firstTimestampMs }],
  )

/** The same. */
const tracedIn = (inputs: readonly CommittedInput[], most = 0): readonly TracedRecord[] =>
  most === 0
    ? []
    : tracedAmong(
        inputs.filter(({ takenRecords }) => takenRecords > 0).map(({ taken }) => taken),
        most,
      )

/** Whether a commit has left the group behind. */
const isBehind = ({ positions }: GroupOffsets, { work, committed }: Current): boolean =>
  work.inputs.some(({ topic }, i) => positions[topic] !== committed[i])

/** Whether there is something to commit: also a position that moved over control batches alone, so that lag ends at 0. */
const isDirty = ({ work: { processor, inputs }, committed }: Current): boolean =>
  processor.messages > 0 || inputs.some((input, i) => input.position !== committed[i])
