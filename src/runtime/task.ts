/**
 * A task at work: becomes active, processes, commits; when something fails, becomes active again.
 *
 * Becoming active, in this order (docs/design.md):
 *   A1. InitProducerId: fences every earlier owner, and ends its open transaction.
 *   A2. Store writes of an earlier activation end; then the changelog is replayed up to its end as listed after A1.
 *   A3. Input positions from the changelog's last commit record.
 *   A4. Fetch from there; run.
 * Commit, in this order:
 *   C1. At once, without awaiting: pack what messages touched, take outputs and positions. Processing goes on.
 *   C2. One Kafka transaction.
 *   C3. Then, for all commits of some time together, one write to the store. Positions never go backwards.
 * So the store never runs ahead of Kafka, and a crash at any point loses and repeats nothing.
 */
import { errorKinds, isPotorooError, messageOf, PotorooError, type ErrorCode } from '../errors.js'
import { nextCommitMs } from '../core/commit/commit-pace.js'
import type { CommitRecord, Positions, TopicIds } from '../core/commit/commit-record.js'
import { offsetsDueMs, takesOffsets } from '../core/commit/group-offsets.js'
import { Input } from '../core/processing/input.js'
import { LongerChangelog, MARKER_RECORDS } from '../core/commit/landing.js'
import { Merge } from '../core/processing/merge.js'
import type { Destination } from '../core/processing/outbox.js'
import { OpenTransactionWatch } from '../core/processing/open-transaction-watch.js'
import { Processor, Retake, type Collected } from '../core/processing/processor.js'
import { isCulprit, isOver, suspect, trust, type Place, type Suspicion } from '../core/processing/suspicion.js'
import { TaskLife, type TaskState } from '../core/commit/task-life.js'
import type { HandOff } from '../core/group/worker-status.js'
import type { Timer } from '../ports/clock.js'
import {
  RecordsRefused,
  type Fetched,
  type FetchInput,
  type PartitionPosition,
  type Transaction,
} from '../ports/log.js'
import type { StoreMeta } from '../ports/store.js'
import { activate, type Activation } from './activation.js'
import { inputReplaced } from './cures.js'
import type { TaskPlan } from './task-plan.js'
import type { StoreHolder } from './task-store.js'
import { atMost, sleep, type Ports, type RuntimeOptions } from './options.js'
import type { RecordTime } from './record-time.js'
import type { Fetcher } from '../ports/log.js'

export interface TaskEnvironment extends Ports {
  readonly fetcher: Fetcher
  readonly options: RuntimeOptions
  /** Of records that the runtime writes for itself. */
  readonly recordTime: RecordTime
  /** Bytes of fetched records that each input may keep in memory, now. */
  inputBytes(): number
  /** What the state objects of each task may take in memory, now. */
  stateBytes(): number
  /** Bytes of changes that each task may let wait for its store, now: more would take long to replay. */
  unstoredBytes(): number
  /** How many tasks of this worker have a backlog. */
  backlogs(): number
  /** Resolves once the group has confirmed, after the call, which tasks are this worker's. */
  confirmOwnership(): Promise<void>
  /** The worker can't go on. */
  fatal(error: PotorooError, task: string): void
  /** The task has something to do: `run` it. */
  ready(task: Task): void
  /** Whether the slice has lasted so long that it is to end with the record that it is at. */
  isOverdue(): boolean
  /** A commit was acknowledged that has worked off a repartition up to there. */
  acknowledged(at: PartitionPosition): void
  /** The task has processed its first message here, after it was another worker's. */
  handedOver(handOff: HandOff): void
}

/** Why a task came to this worker. */
export interface TaskArrival {
  readonly reason: string
}

interface Running {
  readonly number: number
  readonly activation: Activation
  readonly inputs: readonly Input[]
  readonly fetchInputs: readonly FetchInput[]
  readonly merge: Merge
  readonly processor: Processor
  /** Positions of the last commit, in the order of the inputs. */
  committed: readonly number[]
  lastCommitMs: number
  /** When the last transaction was ended, on the monotonic clock. */
  endedMs: number
  /** What the group was given last, and when; undefined until the first commit. */
  group: GroupOffsets | undefined
  /** What the store's meta is to be once it has what was committed; undefined until the first commit. */
  meta: Omit<StoreMeta, 'atEndMs'> | undefined
  lastStoreMs: number
  /** When it was last certain that nobody else had the task, by the wall clock: then the store, with what is unstored, was at the end. */
  ownedAtMs: number
}

interface GroupOffsets {
  readonly positions: Positions
  readonly atMs: number
  /** Messages in the commits since. */
  readonly messages: number
}

/** What is left to process: more at once, nothing for now, or more once a commit is through. */
type Left = 'more' | 'nothing' | 'blocked'

/** A message was slow: the next ones are done one by one, each committed before the next begins. */
interface Slow {
  /** Positions behind that message, by input: a failed commit may have come before them. */
  readonly until: readonly number[]
  /** So many more, behind these. */
  readonly left: number
}

const FIRST_BACK_OFF_MS = 50
const MAX_BACK_OFF_MS = 2000
const STOP_COMMIT_MS = 10_000
/** So many commits in a row with an answer that nobody expects are taken for a broker that went wrong for a while: some 10 s. */
const MOST_UNEXPECTED = 10
/** Commits in a row that are refused for their time, some of whose records were made before another task of the worker was. */
const MOST_UNTIMELY = 3
/** The part of the state objects in memory that may be committed and not stored, one divided by this. */
const STORE_SHARE = 4
/** Without records for so long, a source that has more is dry: its broker is away, or what comes next can't be read. */
const DRY_MS = 100
/** Today's time in seconds, taken for milliseconds, is in 1970; so is all of this century. */
const LIKE_SECONDS_MS = 10_000_000_000
/** Records between two looks at the clock. */
const RECORDS_PER_LOOK = 64
/** A slice that lasts longer has a slow message in it. */
const SLOW_MS = 1000
/** Behind a slow message, so many are done one by one. */
const CALM_MESSAGES = 100

export class Task {
  readonly id: string
  readonly #life: TaskLife
  /** Sinks that delete what is old, but for those of which that was said. */
  readonly #sinksByAge: Map<string, Destination>
  /** Of the sources, where brokers have ids. */
  readonly #topicIds: TopicIds | undefined
  #running: Running | undefined
  /** The commit under way: C1 done, C2 not yet. Never rejects. */
  #committing: Promise<void> | undefined
  /** C3 under way, or the last one. Never rejects. */
  #storing: Promise<void> = Promise.resolve()
  #isStoring = false
  #storeTimer: Timer | undefined
  #commitTimer: Timer | undefined
  /** When it goes off, on the monotonic clock. */
  #commitLooksAtMs = 0
  /** When records came last, on the monotonic clock. */
  #arrivedMs = -Infinity
  #holdTimer: Timer | undefined
  #abort = new AbortController()
  #backOffMs = FIRST_BACK_OFF_MS
  /** After a commit that the brokers refuse for its records. */
  #suspicion: Suspicion | undefined
  /** Under suspicion: the last message that was processed. */
  #lastTaken: Place | undefined
  /** Commits in a row with an answer that nobody expects. */
  #unexpected = 0
  /** Commits in a row that were refused for the time of the worker's own records. */
  #untimely = 0
  /** Since a message was slow. It outlasts activations, for the next may meet that message again. */
  #slow: Slow | undefined
  /** The input whose record is being computed. */
  #current: Input | undefined
  #isPacking = false
  #stopping = false
  /** Whether the last run stopped before it had processed all that is here. */
  #hasLeft = false
  /** The activation under way, or the last one. Never rejects. */
  #activating: Promise<void> = Promise.resolve()
  /** A producer is let go. Never rejects. */
  #lettingGo: Promise<void> = Promise.resolve()
  /** Where the changelog ends, or ended when that was last known. */
  #changelogEnd = 0
  /** Positions of the inputs when the store was found damaged last. */
  #damagedAt: readonly number[] | undefined

  /** `holder`: of a store that is open already, as a standby's; the task closes it. */
  constructor(
    readonly plan: TaskPlan,
    private readonly env: TaskEnvironment,
    private readonly holder: StoreHolder = { store: undefined },
    /** Why the task is here now; undefined once that was said. */
    private arrival?: TaskArrival,
  ) {
    this.id = plan.id
    const ids = plan.sources.flatMap(({ topic, id }) => (id === undefined ? [] : [[topic, id] as const]))
    const sinks = [...plan.processor.sinks.values()].filter(({ retentionMs }) => retentionMs !== undefined)
    this.#sinksByAge = new Map(sinks.map((sink) => [sink.topic, sink]))
    this.#topicIds = ids.length === 0 ? undefined : Object.fromEntries(ids)
    this.#life = new TaskLife(plan.id)
  }

  get state(): TaskState {
    return this.#life.state
  }

  /** Whether it has more to read than it can do at once; not while it waits for a source that gives nothing. */
  get isBacklogged(): boolean {
    if (this.#running === undefined) return false
    const isDry = this.env.clock.monotonic() >= this.#arrivedMs + DRY_MS
    return this.#hasLeft || (hasBacklog(this.#running) && !isDry)
  }

  /** Whether messages of it may take long: then they are done one by one, when nothing else is under way. */
  get isSlow(): boolean {
    if (this.#slow === undefined || this.#running === undefined) return false
    return this.#canCommit() && this.#running.inputs.some(({ hasHead }) => hasHead)
  }

  /** Becomes active, in the background. */
  start(): void {
    this.#activateSoon()
  }

  #activateSoon(): void {
    this.#activating = this.#activate()
  }

  /**
   * Processes what is there, until the deadline (on the monotonic clock). Returns whether more is there that can be
   * processed at once.
   */
  run(deadlineMs: number): boolean {
    const running = this.#running
    if (running === undefined || this.#stopping || this.#isCutOff()) return false
    this.#holdTimer?.cancel()
    this.#holdTimer = undefined
    const firstMs = this.arrival && oldestHeadMs(running.inputs)
    const beganMs = this.env.clock.monotonic()
    let left: Left
    try {
      if (this.#suspicion === undefined && this.#slow === undefined) {
        this.#lastTaken = undefined
        left = this.#processUntil(running, deadlineMs)
      } else left = this.#processFew(running, this.#suspicion, deadlineMs)
      this.#sayIfSlow(beganMs)
    } catch (error) {
      this.#sayIfSlow(beganMs)
      if (error instanceof Retake) {
        this.#retake(running, error)
        return true
      }
      this.#fail(running.number, error)
      return false
    }
    this.#hasLeft = left !== 'nothing'
    if (this.arrival !== undefined && running.processor.messages > 0) this.#sayHandOff(running, this.arrival, firstMs)
    this.#commitWhenDue(running)
    const { heldUntilMs } = running.merge
    if (heldUntilMs !== undefined) {
      this.env.fetcher.wake()
      this.#holdTimer = this.env.clock.after(Math.max(0, heldUntilMs - this.env.clock.monotonic()) + 1, () => {
        this.env.ready(this)
      })
    }
    return left === 'more'
  }

  /** After messages were computed, or one has thrown. */
  #sayIfSlow(beganMs: number): void {
    const tookMs = Math.round(this.env.clock.monotonic() - beganMs)
    const isThrown = this.#current !== undefined && this.#lastTaken === undefined
    const taken = isThrown ? takenOf(this.#current) : this.#lastTaken
    this.#current = undefined
    if (tookMs < SLOW_MS) return
    this.#slow = { until: this.#running?.inputs.map(({ position }) => position) ?? [], left: CALM_MESSAGES }
    // Where nobody watches, it was one of several.
    const topic = this.#running?.inputs[taken?.input ?? -1]?.topic
    this.env.logger.warn(
      { task: this.id, topic, partition: this.plan.partition, offset: taken?.offset, tookMs },
      'the event loop was held up while a message was computed: for a while messages of this task are committed one by one',
    )
  }

  /**
   * To be called when a message's computation was ended from outside: all that this activation has in memory is as it
   * happened to be. The task begins again from its last commit, and that message goes to the dead letters, or stops the
   * worker, as `onError` says.
   */
  cutOff(): void {
    const running = this.#running
    if (running === undefined) return
    const { maxComputationMs } = this.env.options
    const after = `was ended after ${String(maxComputationMs)} ms`
    // Without a current one it was packing, of all messages since the last commit: one of them alone, if it was alone.
    const at = takenOf(this.#current) ?? (running.processor.messages === 1 ? this.#lastTaken : undefined)
    this.#current = undefined
    this.#isPacking = false
    const topic = at === undefined ? undefined : running.inputs[at.input]?.topic
    const where = `partition ${String(this.plan.partition)}, offset ${String(at?.offset)}`
    const error = new PotorooError(
      'COMPUTATION_TOO_LONG',
      topic === undefined
        ? `task ${this.id}: the packing of state objects ${after}`
        : `${topic}, ${where}: its computation ${after}`,
    )
    const until = running.inputs.map(({ index, position }) => (index === at?.input ? at.offset + 1 : position))
    this.#suspicion = { until, atMost: 1, culprit: at && { ...at, error } }
    this.#slow = { until, left: CALM_MESSAGES }
    this.#fail(running.number, error)
  }

  /**
   * One line for each hand-off, with its pause: to the first record of the new owner, from the last commit of the old one,
   * or from that record's own timestamp where it is later.
   */
  #sayHandOff({ activation: { before, replayed } }: Running, { reason }: TaskArrival, firstMs = 0): void {
    const { clock, logger, options } = this.env
    this.arrival = undefined
    if (before === undefined) return
    // Before the first record came, nobody waited.
    const pauseMs = Math.max(0, clock.now() - Math.max(before.atMs, firstMs))
    const { snapshotBytes = 0, snapshotsDiscarded } = this.holder
    const handOff: HandOff = {
      task: this.id,
      from: before.by,
      to: options.name,
      reason,
      snapshotBytes,
      snapshotsDiscarded,
      replayed,
      pauseMs,
      atMs: clock.now(),
    }
    logger.info(handOff, 'task was handed over')
    this.env.handedOver(handOff)
  }

  /** Everything that was processed when this was called is committed when it resolves, or the task has failed meanwhile. Never rejects. */
  async flush(): Promise<void> {
    await this.#committing
    const running = this.#running
    if (running === undefined) return
    const isGroupBehind = running.group !== undefined && isBehind(running.group, running)
    if (!isDirty(running) && !isGroupBehind) return
    this.#commit(running, true)
    await this.#committing
  }

  /** Resolves when nothing of it is under way that may time out: an activation, or a commit. Never rejects. */
  async settle(): Promise<void> {
    if (this.state === 'restoring') await this.#activating
    await this.flush()
  }

  /** Between two events nothing is computed or packed: it was ended from outside, and `cutOff` is about to be called. */
  #isCutOff(): boolean {
    return this.#current !== undefined || this.#isPacking
  }

  /** Ends: with a last commit, or at once. Never rejects. */
  async close({ commit }: { readonly commit: boolean }): Promise<void> {
    if (this.state === 'closed') return
    this.#stopping = true
    if (commit) await atMost(this.env.clock, STOP_COMMIT_MS, this.flush())
    if (this.#isClosed()) return
    const running = this.#running
    this.#drop()
    this.#life.become('closed')
    this.#abort.abort(new Error('the task is closed'))
    await this.#lettingGo
    // It may be opening the store: that is closed only when nobody works on it. Nothing else is waited for.
    await this.#activating
    await this.#storing
    if (running !== undefined && commit && !running.processor.isCommitting)
      await this.#write(running).catch((error: unknown) => {
        this.env.logger.warn({ task: this.id, error: messageOf(error) }, 'could not write to the store')
      })
    await this.holder.store?.close().catch((error: unknown) => {
      this.env.logger.warn({ task: this.id, error: messageOf(error) }, 'could not close the store')
    })
  }

  /**
   * Writes down that the store is at the changelog's end now, as an owner's always is: a store that was away from it for
   * too long can't be trusted (core/commit/restore-plan.ts). To be called now and then, for an idle task commits nothing.
   */
  refresh(): void {
    const running = this.#running
    if (running === undefined) return
    running.ownedAtMs = this.env.clock.now()
    if (!this.#isStoring && !running.processor.isCommitting) this.#store(running)
  }

  // ---- becoming active ----

  async #activate(): Promise<void> {
    const number = this.#life.become('restoring')
    const abort = (this.#abort = new AbortController())
    try {
      // Before A1: whoever fences this worker does so later.
      const ownedAtMs = this.env.clock.now()
      const activation = await activate(
        this.plan,
        this.env,
        abort.signal,
        this.#storing,
        this.holder,
        this.#changelogEnd,
      )
      if (!this.#life.isCurrent(number)) {
        await activation.producer.close()
        return
      }
      this.#begin(number, activation, ownedAtMs)
    } catch (error) {
      this.#fail(number, error)
    }
  }

  /** A4 */
  #begin(number: number, activation: Activation, ownedAtMs: number): void {
    const { env, plan } = this
    this.#changelogEnd = activation.changelogEnd ?? 0
    const inputs = plan.sources.map((source, i) => new Input(i, source.topic, activation.positions[i] ?? 0))
    const merge = new Merge(inputs, env.options.maxHoldMs, ({ topic, position }) => {
      env.logger.warn(
        { task: plan.id, topic, partition: plan.partition, position, waitedMs: env.options.maxHoldMs },
        'a source gave no answer in time: records of the others go first, whatever their timestamps',
      )
    })
    const store = this.holder.store
    const processor = new Processor({
      ...plan.processor,
      maxStateBytes: () => env.stateBytes(),
      load: (storeKey) => store?.get(storeKey),
      storeWasEmpty: (store?.size() ?? 0) === 0,
      secret: activation.identity ?? '',
    })
    const fetchInputs = inputs.map((input, i) => this.#fetchInput(input, plan.sources[i]?.id, merge, number))
    this.#running = {
      number,
      activation,
      inputs,
      fetchInputs,
      merge,
      processor,
      committed: activation.committed,
      lastCommitMs: -Infinity,
      endedMs: -Infinity,
      group: undefined,
      meta: undefined,
      lastStoreMs: env.clock.monotonic(),
      ownedAtMs,
    }
    this.#life.become('running')
    for (const input of fetchInputs) env.fetcher.add(input)
    env.ready(this)
  }

  #fetchInput(input: Input, topicId: string | undefined, merge: Merge, number: number): FetchInput {
    const { env, plan } = this
    const watch = new OpenTransactionWatch()
    return {
      topic: input.topic,
      topicId,
      partition: plan.partition,
      wanted: () => (input.pinnedBytes < env.inputBytes() ? input.end : undefined),
      hurried: () => merge.awaits(input),
      deliver: (fetched) => {
        try {
          if (input.accept(fetched)) {
            if (fetched.batches.length > 0) this.#arrivedMs = env.clock.monotonic()
            env.ready(this)
          }
          this.#sayOpenTransaction(watch, fetched)
        } catch (error) {
          this.#fail(number, error)
        }
      },
      failed: (error) => {
        this.#fail(
          number,
          isPotorooError(error, 'TOPIC_REPLACED') ? inputReplaced(plan, input.topic, error.message, env) : error,
        )
      },
    }
  }

  #sayOpenTransaction(watch: OpenTransactionWatch, fetched: Fetched): void {
    const found = watch.observe(fetched, this.env.clock.monotonic())
    if (found === undefined) return
    const { topic, partition, lastStableOffset } = fetched
    const fields = { task: this.id, topic, partition, waitedMs: Math.round(found.waitedMs) }
    if (found.kind === 'over') this.env.logger.info(fields, 'the transaction has ended: the source goes on')
    else
      this.env.logger.warn(
        { ...fields, position: lastStableOffset, records: found.records },
        'a transaction of a producer is open: what follows it on this partition of the source waits for its end',
      )
  }

  // ---- processing ----

  #processUntil(running: Running, deadlineMs: number): Left {
    const { merge, processor } = running
    const { clock, recordTime } = this.env
    const monotonic = (): number => clock.monotonic()
    const now = (): number => recordTime.now()
    for (let n = 0; ; n++) {
      if (n % RECORDS_PER_LOOK === 0) {
        if (n > 0 && clock.monotonic() >= deadlineMs) return 'more'
        if (this.#isFull(running)) return this.#canCommit() ? 'more' : 'blocked'
      }
      const input = merge.next(monotonic)
      if (input === undefined) return 'nothing'
      this.#current = input
      processor.process(input.index, input, now)
      // Asked before the cursor moves on: with this answer, nothing of it can be ended from outside any more.
      if (this.env.isOverdue()) {
        this.#lastTaken = { input: input.index, offset: input.cursor.offset }
        this.#current = undefined
        input.advance()
        return 'more'
      }
      input.advance()
    }
  }

  /** Few messages, one commit: see core/processing/suspicion.ts. After a slow one they are done one by one. */
  #processFew(running: Running, suspicion: Suspicion | undefined, deadlineMs: number): Left {
    if (!this.#canCommit()) return 'blocked'
    const { merge, processor, inputs } = running
    const { clock, recordTime } = this.env
    const now = (): number => recordTime.now()
    // What is there already is committed first: a slow message is not to be done again where the next one fails.
    const atMost = this.#slow === undefined ? (suspicion?.atMost ?? 1) : 1
    while (processor.messages < atMost && !this.#isFull(running) && clock.monotonic() < deadlineMs) {
      if (suspicion !== undefined && isOver(suspicion, inputs.map(positionOf))) break
      const input = merge.next(() => clock.monotonic())
      if (input === undefined) break
      this.#calmDown(inputs)
      const place = (this.#lastTaken = { input: input.index, offset: input.cursor.offset })
      this.#current = input
      if (isCulprit(suspicion, place) && suspicion?.culprit) processor.condemn(input, suspicion.culprit.error, now)
      else processor.process(input.index, input, now)
      this.#current = undefined
      input.advance()
    }
    if (processor.messages > 0) {
      this.#commit(running)
      return 'blocked'
    }
    if (suspicion !== undefined && isOver(suspicion, inputs.map(positionOf))) {
      this.#suspicion = undefined
      return 'more'
    }
    return clock.monotonic() < deadlineMs ? 'nothing' : 'more'
  }

  /** One more message is taken since one was slow. */
  #calmDown(inputs: readonly Input[]): void {
    if (this.#slow === undefined || !isBehindAll(inputs, this.#slow.until)) return
    const left = this.#slow.left - 1
    this.#slow = left === 0 ? undefined : { ...this.#slow, left }
  }

  /** One commit at a time, and the store not far behind. When this turns true, the task is made ready. */
  #canCommit(): boolean {
    return this.#committing === undefined && !(this.#isStoring && this.#isStoreFarBehind())
  }

  #isFull({ inputs, processor }: Running): boolean {
    const inputBytes = this.env.inputBytes()
    return processor.outputBytes >= inputBytes || inputs.some((input) => input.takenBytes >= inputBytes / 2)
  }

  #retake(running: Running, reason: Error): void {
    this.env.logger.debug(
      { task: this.id, reason: reason.message },
      'a message failed: the interval is done again, message by message',
    )
    running.processor.retake()
    for (const input of running.inputs) input.rewind()
  }

  // ---- commit ----

  #commitWhenDue(running: Running): void {
    if (!this.#canCommit()) return
    const { clock } = this.env
    const dueMs = this.#commitDueMs(running)
    if (dueMs === undefined) return
    const dueInMs = dueMs - clock.monotonic()
    if (dueInMs <= 0) {
      this.#commit(running, !isDirty(running))
      return
    }
    // A backlog may be over by then, or its source dry.
    const looksAtMs = Math.min(dueMs, clock.monotonic() + DRY_MS)
    // It was to be later while there was a backlog.
    if (this.#commitTimer !== undefined && looksAtMs < this.#commitLooksAtMs) this.#cancelCommitTimer()
    if (this.#commitTimer !== undefined) return
    this.#commitLooksAtMs = looksAtMs
    this.#commitTimer = clock.after(looksAtMs - clock.monotonic(), () => {
      this.#commitTimer = undefined
      if (this.#running === running) this.env.ready(this)
    })
  }

  /** Undefined: there is nothing to commit. */
  #commitDueMs(running: Running): number | undefined {
    const { group, lastCommitMs } = running
    if (!isDirty(running)) return group && isBehind(group, running) ? offsetsDueMs(group.atMs, lastCommitMs) : undefined
    if (this.#isFull(running)) return 0
    return nextCommitMs(this.env.options, this.isBacklogged ? this.env.backlogs() : 0, lastCommitMs)
  }

  #cancelCommitTimer(): void {
    this.#commitTimer?.cancel()
    this.#commitTimer = undefined
  }

  /** C1. `withOffsets`: the group is to have the positions, even if it could wait. */
  #commit(running: Running, withOffsets = false): void {
    if (this.#committing !== undefined || this.#isCutOff()) return
    const { processor, inputs, activation, group } = running
    const { producer } = activation
    const nowMs = this.env.clock.monotonic()
    const positions = inputs.map((input) => input.position)
    const byTopic = Object.fromEntries(inputs.map((input, i) => [input.topic, positions[i] ?? 0]))
    const messages = processor.messages + (group?.messages ?? 0)
    const sinceTransactionMs = nowMs - running.endedMs
    const keepsOffsets =
      this.plan.changelog !== undefined &&
      group !== undefined &&
      !withOffsets &&
      !takesOffsets({ sinceMs: nowMs - group.atMs, messages, sinceTransactionMs, endingMs: producer.endingMs })
    const record: CommitRecord = {
      identity: activation.identity ?? '',
      positions: { ...activation.foreign.positions, ...byTopic },
      group: keepsOffsets ? group.positions : undefined,
      topicIds: this.#idsWith(activation.foreign.topicIds),
      by: this.env.options.name,
      atMs: this.env.clock.now(),
    }
    let collected: Collected
    this.#isPacking = true
    try {
      collected = processor.collect(record, this.env.recordTime.now())
      this.#isPacking = false
    } catch (error) {
      this.#isPacking = false
      if (error instanceof Retake) {
        this.#retake(running, error)
        this.env.ready(this)
      } else this.#fail(running.number, error)
      return
    }
    for (const input of inputs) input.mark()
    running.committed = positions
    running.lastCommitMs = nowMs
    running.group = keepsOffsets ? { ...group, messages } : { positions: byTopic, atMs: nowMs, messages: 0 }
    this.#cancelCommitTimer()
    this.#committing = this.#transact(running, record, collected).finally(() => {
      this.#committing = undefined
      this.env.fetcher.wake()
      this.env.ready(this)
    })
  }

  #idsWith(foreign: TopicIds | undefined): TopicIds | undefined {
    return foreign === undefined ? this.#topicIds : { ...foreign, ...this.#topicIds }
  }

  /** C2 and C3. Never rejects. */
  async #transact(running: Running, record: CommitRecord, collected: Collected): Promise<void> {
    const { plan } = this
    const { number, activation, inputs } = running
    let ends: readonly number[]
    try {
      const positions: PartitionPosition[] =
        record.group === undefined
          ? inputs.map(({ topic }, i) => {
              const position = record.positions[topic] ?? 0
              return { topic, partition: plan.partition, position, note: activation.notes[i] }
            })
          : []
      ends = await activation.producer.commit({ records: this.#landing(collected), group: plan.group, positions })
    } catch (error) {
      this.#commitFailed(running, collected, error)
      return
    }
    if (!this.#life.isCurrent(number)) return
    running.endedMs = this.env.clock.monotonic()
    this.#backOffMs = FIRST_BACK_OFF_MS
    this.#unexpected = this.#untimely = 0
    if (this.#suspicion !== undefined)
      this.#suspicion = trust(this.#suspicion, { messages: collected.messages, last: this.#lastTaken })
    this.#sayDeadLetters(collected)
    this.#sayShortLived(collected)
    const changelogEnd = ends[0]
    if (plan.changelog === undefined || changelogEnd === undefined) return
    for (const { topic, isRepartition } of plan.sources)
      if (isRepartition)
        this.env.acknowledged({ topic, partition: plan.partition, position: record.positions[topic] ?? 0 })
    running.processor.committed()
    this.#changelogEnd = changelogEnd + MARKER_RECORDS
    // The changelog is the first in `records`, and the commit record its last record: its position is one below the end.
    running.meta = {
      changelogPosition: changelogEnd - 1,
      identity: record.identity,
      inputPositions: record.positions,
    }
    running.ownedAtMs = record.atMs
    this.#storeWhenDue(running)
  }

  /** With where the changelog's records have to land, which are the first: nobody else writes there. */
  #landing({ records }: Collected): Transaction['records'] {
    if (this.plan.changelog === undefined) return records
    return records.map((entry, i) => (i === 0 ? { ...entry, end: this.#changelogEnd } : entry))
  }

  // ---- the store ----

  /** Committed state objects are in memory until the store has them: a share of what may be there. */
  #isStoreFarBehind(): boolean {
    return (this.#running?.processor.unstoredBytes ?? 0) * STORE_SHARE >= this.env.stateBytes()
  }

  #storeWhenDue(running: Running): void {
    // A commit that is under way comes here when it is through.
    if (this.#isStoring || running.meta === undefined || running.processor.isCommitting) return
    const { clock, options } = this.env
    // What was fetched last and waits to be processed is the backlog's end: a store that is written meanwhile holds it up.
    const interval =
      this.#hasLeft || hasBacklog(running)
        ? Math.max(options.storeIntervalMs, options.backlogStoreIntervalMs)
        : options.storeIntervalMs
    const isFull = this.#isStoreFarBehind() || running.processor.unstoredBytes >= this.env.unstoredBytes()
    const dueInMs = isFull ? 0 : running.lastStoreMs + interval - clock.monotonic()
    if (dueInMs <= 0) {
      this.#store(running)
      return
    }
    // It was to be later while there was a backlog.
    this.#storeTimer?.cancel()
    this.#storeTimer = clock.after(dueInMs, () => {
      this.#storeTimer = undefined
      if (this.#running === running) this.#storeWhenDue(running)
    })
  }

  /** C3. */
  #store(running: Running): void {
    this.#storeTimer?.cancel()
    this.#storeTimer = undefined
    this.#isStoring = true
    this.#storing = this.#write(running)
      .catch((error: unknown) => {
        this.#fail(running.number, error)
      })
      .finally(() => {
        this.#isStoring = false
        if (this.#running === running) this.#storeWhenDue(running)
        this.env.ready(this)
      })
  }

  async #write(running: Running): Promise<void> {
    const { store } = this.holder
    const meta = running.meta ?? store?.meta()
    if (store === undefined || meta === undefined) return
    running.meta = undefined
    running.lastStoreMs = this.env.clock.monotonic()
    const unstored = running.processor.takeUnstored()
    await store.write(unstored.changes, { ...meta, atEndMs: running.ownedAtMs })
    running.processor.stored(unstored)
  }

  #sayDeadLetters({ deadLetters }: Collected): void {
    const { logger } = this.env
    for (const { cut, ...letter } of deadLetters)
      logger.warn(
        { task: this.id, ...letter },
        cut ? 'too large for the dead letters: only its beginning went there' : 'a record went to the dead letters',
      )
  }

  /** Outputs have the timestamps of their causes. What is older than its topic keeps is deleted by the broker at once. */
  #sayShortLived({ records }: Collected): void {
    for (const { topic, partition, chunks } of records) {
      const retentionMs = this.#sinksByAge.get(topic)?.retentionMs
      if (retentionMs === undefined) continue
      const newestMs = Math.max(...chunks.map(({ maxTimestampMs }) => maxTimestampMs))
      // Without timestamps the age of the broker's file counts.
      if (newestMs < 0 || newestMs >= this.env.clock.now() - retentionMs) continue
      // Once: it comes with each commit.
      this.#sinksByAge.delete(topic)
      this.env.logger.warn(
        { task: this.id, topic, partition, timestampMs: newestMs, retentionMs },
        newestMs > 0 && newestMs < LIKE_SECONDS_MS
          ? 'outputs have timestamps that look like seconds: they must be milliseconds, or the broker deletes the outputs as too old'
          : 'outputs are older than retention.ms of their topic: the broker deletes them',
      )
    }
  }

  // ---- failure ----

  #commitFailed(running: Running, { messages }: Collected, error: unknown): void {
    if (!this.#life.isCurrent(running.number)) return
    if (isPotorooError(error) && comesAgain.has(error.code) && !this.#timeIsRefused(error)) {
      const positions = running.inputs.map(positionOf)
      const refused = { messages, last: this.#lastTaken, positions, error }
      const before = this.#suspicion
      this.#suspicion = suspect(before, refused)
      if (this.#suspicion === undefined) {
        this.#fail(running.number, this.#cannotGoOn(error, before?.culprit))
        return
      }
      // Each refusal narrows it down: waiting helps nobody.
      this.#backOffMs = FIRST_BACK_OFF_MS
    }
    this.#fail(running.number, error)
  }

  /** Whether it is this worker's own records that are refused, for their time, and they may be taken without one. */
  #timeIsRefused({ cause }: PotorooError): boolean {
    const { changelog, processor } = this.plan
    if (!(cause instanceof RecordsRefused) || cause.what !== 'timestamp') return false
    if (cause.topic !== changelog?.topic && cause.topic !== processor.deadLetters.topic) return false
    this.env.recordTime.refused(cause)
    return ++this.#untimely <= MOST_UNTIMELY
  }

  /** What the runtime itself has to write is refused: no message can be passed over, for that is written, too. */
  #cannotGoOn(error: PotorooError, culprit: Place | undefined): PotorooError {
    const { sources, partition } = this.plan
    const message =
      culprit === undefined
        ? `task ${this.id}: ${error.message}`
        : `${sources[culprit.input]?.topic ?? ''}, partition ${String(partition)}, offset ${String(culprit.offset)} can't be ` +
          `passed over, for its dead letter or the commit is refused: ${error.message}`
    // How large records may be is asked at the start: a worker that is started again may know more.
    const code = error.code === 'RECORD_TOO_LARGE' ? 'REQUEST_REFUSED' : 'INVALID_CONFIGURATION'
    return new PotorooError(code, message, { cause: error })
  }

  #fail(number: number, error: unknown): void {
    const running = this.#running
    if (!this.#life.isCurrent(number) || (running === undefined && this.state === 'running')) return
    this.#drop()
    this.#abort.abort(error)
    if (error instanceof LongerChangelog) this.#changelogEnd = Math.max(this.#changelogEnd, error.end)
    const { logger } = this.env
    if (this.#stopping) return
    if (isPotorooError(error, 'FENCED')) {
      logger.info({ task: this.id }, 'fenced: another activation of this task began')
      void this.#whenConfirmed(number)
      return
    }
    if (isPotorooError(error) && !errorKinds[error.code].retriable && !comesAgain.has(error.code)) {
      this.env.fatal(error, this.id)
      return
    }
    if (!isPotorooError(error)) {
      this.env.fatal(new PotorooError('INTERNAL', `task ${this.id}: ${messageOf(error)}`, { cause: error }), this.id)
      return
    }
    if (error.code === 'UNEXPECTED_ANSWER' && ++this.#unexpected >= MOST_UNEXPECTED) {
      const message = `${error.message}; ${String(MOST_UNEXPECTED)} times in a row`
      this.env.fatal(new PotorooError('REQUEST_REFUSED', message, { cause: error }), this.id)
      return
    }
    if (error.code === 'STORE_DAMAGED') {
      const at = running?.inputs.map(({ position }) => position)
      if (at?.every((position, i) => position <= (this.#damagedAt?.[i] ?? -1)) === true) {
        // The store was rebuilt, and came to the same message.
        const why = `${error.message} It was rebuilt from the changelog, which has the same bytes.`
        this.env.fatal(new PotorooError('STORE_DAMAGED', why, { cause: error }), this.id)
        return
      }
      this.#damagedAt = at
      this.holder.damage = error.message
    }
    logger.warn(
      { task: this.id, code: error.code, error: error.message, retryInMs: this.#backOffMs },
      'the task starts again from its last commit',
    )
    void this.#afterBackOff(number)
  }

  /**
   * Fenced: only when the group has confirmed *after* the failure that the task is still this worker's may it fence in
   * turn, else two owners would fence each other for ever.
   */
  async #whenConfirmed(number: number): Promise<void> {
    await this.env.confirmOwnership()
    if (this.#life.isCurrent(number)) this.#activateSoon()
  }

  async #afterBackOff(number: number): Promise<void> {
    const ms = this.#backOffMs
    this.#backOffMs = Math.min(MAX_BACK_OFF_MS, ms * 2)
    await sleep(this.env.clock, ms)
    if (this.#life.isCurrent(number)) this.#activateSoon()
  }

  /** What this activation had in memory is gone. */
  #drop(): void {
    const running = this.#running
    this.#running = undefined
    this.#cancelCommitTimer()
    this.#holdTimer?.cancel()
    this.#storeTimer?.cancel()
    this.#holdTimer = this.#storeTimer = undefined
    if (running === undefined) return
    for (const input of running.fetchInputs) this.env.fetcher.remove(input)
    this.#lettingGo = running.activation.producer.close()
  }

  // A method, for the compiler to forget what it knew before an await.
  #isClosed(): boolean {
    return this.#life.state === 'closed'
  }
}

/** The record under the input's cursor. */
const takenOf = (input: Input | undefined) => input && { input: input.index, offset: input.cursor.offset }

const isBehindAll = (inputs: readonly Input[], positions: readonly number[]): boolean =>
  inputs.every((input, i) => input.position >= (positions[i] ?? 0))

const oldestHeadMs = (inputs: readonly Input[]): number | undefined => {
  const heads = inputs.filter(({ hasHead }) => hasHead).map(({ cursor }) => cursor.timestampMs)
  return heads.length === 0 ? undefined : Math.min(...heads)
}

/** Whether there was more in a source than its last fetch brought. */
const hasBacklog = ({ inputs }: Running): boolean => inputs.some(({ hasMore }) => hasMore)

const positionOf = ({ position }: Input): number => position

/** Failures that would come again with the same records. */
const comesAgain: ReadonlySet<ErrorCode> = new Set(['RECORD_TOO_LARGE', 'RECORD_REFUSED', 'COMPUTATION_TOO_LONG'])

/** Whether a commit has left the group behind. */
const isBehind = ({ positions }: GroupOffsets, { inputs, committed }: Running): boolean =>
  inputs.some(({ topic }, i) => positions[topic] !== committed[i])

/** Whether there is something to commit: also a position that moved over control batches alone, so that lag ends at 0. */
const isDirty = ({ processor, inputs, committed }: Running): boolean =>
  processor.messages > 0 || inputs.some((input, i) => input.position !== committed[i])
