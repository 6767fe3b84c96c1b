/**
 * A task's life: becomes active, runs, closes; when something fails, becomes active again. What it does meanwhile is
 * done by its parts, each with the invariants that it keeps:
 *
 *   task/sources.ts       what it reads, and the order of it
 *   task/runner.ts        the running of messages
 *   task/committer.ts     when a commit is due, C1 and C2
 *   task/store-writer.ts  C3
 *   task/isolation.ts     messages that make commits fail, or take too long
 *   task/failures.ts      what is done about a failure
 *   task/timekeeper.ts    how time goes on while nothing comes
 *   task/answers.ts       what it tells of its state objects to who asks
 *   task/marker.ts        when those behind repartitions are told how far it is
 *
 * They live as long as the task. `begin` gives each what an activation works on, `end` takes it away again.
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
 *
 * Invariants
 * 1. At most one activation is current. What an earlier one still has under way compares its number before it changes anything.
 * 2. A failure ends the activation first: what it had in memory is not used again.
 * 3. The store is closed when nobody works on it any more.
 */
import { messageOf, type PotorooError } from '../errors.js'
import type { CommitPhase } from '../core/commit/commit-phase.js'
import { LongerChangelog } from '../core/commit/landing.js'
import { TaskLife, type TaskState } from '../core/commit/task-life.js'
import type { CallsStatus, HandOff, HeldStatus, TimeStatus } from '../core/group/worker-status.js'
import { Retake } from '../core/processing/failures.js'
import type { ProcessorTime } from '../core/processing/firings.js'
import { Processor } from '../core/processing/processor.js'
import { Marks } from '../core/processing/marks.js'
import { Watermark } from '../core/processing/watermark.js'
import { hasDues, usesTime } from '../core/plan/topology.js'
import type { Question, TaskAnswer } from '../core/query/question.js'
import type { RunningFigures, TaskFigures } from '../ports/figures.js'
import type { Fetcher, PartitionPosition } from '../ports/log.js'
import { activate, type Activation } from './activation.js'
import type { Broadcasts } from './broadcasts.js'
import { atMost, sleep, type ObservedPorts, type RuntimeOptions } from './options.js'
import type { Pumped } from './pump.js'
import type { RecordTime } from './record-time.js'
import { Answers } from './task/answers.js'
import { Committer } from './task/committer.js'
import { Failures } from './task/failures.js'
import { Isolation } from './task/isolation.js'
import { Marker } from './task/marker.js'
import { Runner } from './task/runner.js'
import { Sources } from './task/sources.js'
import { StoreWriter } from './task/store-writer.js'
import { Timekeeper } from './task/timekeeper.js'
import type { TaskPlan } from './task-plan.js'
import type { StoreHolder } from './task-store.js'

export interface TaskEnvironment extends ObservedPorts {
  readonly fetcher: Fetcher
  readonly options: RuntimeOptions
  /** Of records that the runtime writes for itself. */
  readonly recordTime: RecordTime
  /** Bytes of fetched records that each input may keep in memory, now. */
  inputBytes(): number
  /** Undefined where the application has none. */
  readonly broadcasts?: Broadcasts | undefined
  /** What the state objects of each task may take in memory, now. */
  stateBytes(): number
  /** Bytes of changes that each task may let wait for its store, now: more would take long to replay. */
  unstoredBytes(): number
  /** How many tasks of this worker have a backlog. */
  backlogs(): number
  /** Resolves once the group has confirmed, after the call, which tasks are this worker's. */
  confirmOwnership(): Promise<void>
  /** Another number whenever somebody else may have had this worker's tasks meanwhile. */
  tenure(): number
  /** The worker can't go on. */
  fatal(error: PotorooError, task: string): void
  /** The task has something to do: `run` it. */
  ready(task: Pumped): void
  /** Whether the slice has lasted so long that it is to end with the record that it is at. */
  isOverdue(): boolean
  /** When in its interval a task commits. */
  readonly phase: CommitPhase
  /** What the clock may be at most for time to go by it, ms since the epoch; by those of other workers. Default: anything. */
  readonly clockLimitMs?: () => number
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
  readonly processor: Processor
}

/** What was done is to be committed before a task closes, within that time. */
export const STOP_COMMIT_MS = 10_000

export class Task {
  readonly id: string
  readonly #life: TaskLife
  readonly #failures: Failures
  readonly #isolation: Isolation
  readonly #sources: Sources
  readonly #store: StoreWriter
  readonly #committer: Committer
  readonly #runner: Runner
  readonly #time: Timekeeper
  readonly #answers: Answers
  readonly #marker: Marker
  #running: Running | undefined
  #abort = new AbortController()
  #stopping = false
  #isOutdated = false
  /** Messages that were late for windows. */
  #late = 0
  /** In which it was certain last that nobody else had it, or has had it since its activation. */
  #tenure = -1
  /** The activation under way, or the last one. Never rejects. */
  #activating: Promise<void> = Promise.resolve()
  /** A producer is let go. Never rejects. */
  #lettingGo: Promise<void> = Promise.resolve()

  /** `holder`: of a store that is open already, as a standby's; the task closes it. */
  constructor(
    readonly plan: TaskPlan,
    private readonly env: TaskEnvironment,
    private readonly holder: StoreHolder = { store: undefined },
    /** Why the task is here now; undefined once that was said. */
    private arrival?: TaskArrival,
  ) {
    this.id = plan.id
    const ready = (): void => {
      env.ready(this)
    }
    this.#life = new TaskLife(plan.id)
    this.#failures = new Failures(plan.id)
    this.#isolation = new Isolation(plan, env)
    this.#time = new Timekeeper(env, ready)
    this.#sources = new Sources(plan, env, this.#time, ready)
    this.#store = new StoreWriter(plan.id, holder, env, ready)
    this.#marker = new Marker(env.clock, this.#time)
    this.#committer = new Committer(plan, env, this.#store, this.#isolation, ready, this.#marker)
    this.#runner = new Runner(plan.id, env, this.#sources, this.#isolation, this.#committer, this.#time, ready)
    this.#answers = new Answers(plan, holder, env.clock, this.#committer, this.#store, this.#isolation)
  }

  get state(): TaskState {
    return this.#life.state
  }

  /** Undefined where nothing uses time, and while the task is not running. */
  get time(): TimeStatus | undefined {
    const { time, firings } = this.#running?.processor ?? {}
    if (time === undefined || !this.#isTimed) return undefined
    const { inputs } = this.#sources
    const timeMs = time.reached(inputs, undefined)
    const holder = time.heldBy(inputs)
    return {
      timeMs: Number.isFinite(timeMs) ? timeMs : undefined,
      heldBy: holder?.topic,
      heldByTask: holder?.task,
      nextDueMs: firings?.nextMs('time'),
      late: this.#late === 0 ? undefined : this.#late,
    }
  }

  /** What of its input stands still, and for what; undefined for nothing. */
  /** It makes none: see call-task.ts. */
  readonly calls: CallsStatus | undefined = undefined

  get held(): readonly HeldStatus[] | undefined {
    const { held } = this.#sources
    return this.#running === undefined || held.length === 0 ? undefined : held
  }

  /** Whether it stands still, for a newer version of the application has processed. */
  get isOutdated(): boolean {
    return this.#isOutdated
  }

  /** Whether it has more to read than it can do at once; not while it waits for a source that gives nothing. */
  get isBacklogged(): boolean {
    return this.#running !== undefined && this.#runner.isBacklogged
  }

  /** Whether messages of it may take long: then they are done one by one, when nothing else is under way. */
  get isSlow(): boolean {
    if (!this.#isolation.isSlow || this.#running === undefined) return false
    const { inputs, hasHead } = this.#sources
    return (
      this.#committer.canCommit &&
      (hasHead || this.#running.processor.firings?.mayBeDue(inputs, this.#time.nowMs) === true)
    )
  }

  /** What it is and has, now. */
  figures(): TaskFigures {
    const { id: task, state } = this
    const { partition, processor: plan } = this.plan
    const figures = { task, subTopology: plan.subTopology.name, state, isOutdated: this.#isOutdated }
    if (this.#running === undefined) return { ...figures, running: undefined }
    const { processor } = this.#running
    const { store } = this.holder
    const running: RunningFigures = {
      inputs: this.#sources.inputs.flatMap(({ topic, lag }) => (Number.isNaN(lag) ? [] : [{ topic, partition, lag }])),
      held: this.#sources.held,
      state: { ...processor.inMemory, unstoredBytes: processor.unstoredBytes },
      store: store && { objects: store.size(), bytes: store.bytes() },
    }
    return { ...figures, running }
  }

  /**
   * What it has committed. `isFenced`: after it was proven that the task is this worker's; so it is, too, where somebody else may
   * have had the task since it became active here, which only a commit would find out. Never rejects.
   */
  async answer(question: Question, isFenced: boolean): Promise<TaskAnswer> {
    const [tenure, number] = [this.env.tenure(), this.#running?.number]
    const answer = await this.#answers.answer(question, isFenced || tenure !== this.#tenure)
    if (answer.kind !== 'not here' && number === this.#running?.number) this.#tenure = tenure
    return answer
  }

  /** Becomes active, in the background. */
  start(): void {
    this.#activateSoon()
  }

  /**
   * Processes what is there, until the deadline (on the monotonic clock). Returns whether more is there that can be
   * processed at once.
   */
  run(deadlineMs: number): boolean {
    const running = this.#running
    if (running === undefined || this.#stopping || this.#isolation.isCutOff) return false
    const firstMs = this.arrival && this.#sources.oldestHeadMs
    let hasMore: boolean
    try {
      hasMore = this.#runner.run(deadlineMs)
    } catch (error) {
      if (error instanceof Retake) {
        this.#runner.retake(error)
        return true
      }
      this.#fail(running.number, error)
      return false
    }
    if (this.arrival !== undefined && running.processor.messages > 0) this.#sayHandOff(running, this.arrival, firstMs)
    this.#committer.commitWhenDue(this.#runner)
    this.#runner.holdOn()
    return hasMore
  }

  /**
   * To be called when a message's computation was ended from outside: all that this activation has in memory is as it
   * happened to be. The task begins again from its last commit, and that message goes to the dead letters, or stops the
   * worker, as `onError` says.
   */
  cutOff(): void {
    const running = this.#running
    if (running === undefined) return
    this.#fail(
      running.number,
      this.#isolation.cutOff(this.#sources.inputs, running.processor.messages, timesOf(running)),
    )
  }

  /** Everything that was processed when this was called is committed when it resolves, or the task has failed meanwhile. Never rejects. */
  flush(): Promise<void> {
    return this.#committer.flush()
  }

  /** Resolves when nothing of it is under way that may time out: an activation, or a commit. Never rejects. */
  async settle(): Promise<void> {
    if (this.state === 'restoring') await this.#activating
    await this.flush()
  }

  /** Ends: with a last commit, or at once. Never rejects. */
  async close({ commit }: { readonly commit: boolean }): Promise<void> {
    if (this.state === 'closed') return
    this.#stopping = true
    if (commit) await atMost(this.env.clock, STOP_COMMIT_MS, this.flush())
    if (this.#isClosed()) return
    const wasRunning = this.#running !== undefined
    this.#drop()
    this.#life.become('closed')
    this.#abort.abort(new Error('the task is closed'))
    await this.#lettingGo
    // It may be opening the store: that is closed only when nobody works on it. Nothing else is waited for.
    await this.#activating
    await this.#store.written
    if (wasRunning && commit)
      await this.#store.writeRest()?.catch((error: unknown) => {
        this.env.observer.observe({ kind: 'store-not-written', task: this.id, error: messageOf(error) })
      })
    await this.holder.store?.close().catch((error: unknown) => {
      this.env.observer.observe({ kind: 'store-not-closed', task: this.id, error: messageOf(error) })
    })
    this.env.observer.observe({ kind: 'task-closed', task: this.id })
  }

  /**
   * Writes down that the store is at the changelog's end now, as an owner's always is: a store that was away from it for
   * too long can't be trusted (core/commit/restore-plan.ts). To be called now and then, for an idle task commits nothing.
   */
  refresh(): void {
    if (this.#running !== undefined) this.#store.refresh(this.env.clock.now())
  }

  // ---- becoming active ----

  #activateSoon(): void {
    this.#isOutdated = false
    this.#activating = this.#activate()
  }

  async #activate(): Promise<void> {
    const number = this.#life.become('restoring')
    const abort = (this.#abort = new AbortController())
    try {
      // Before A1: whoever fences this worker does so later.
      const ownedAtMs = this.env.clock.now()
      this.#tenure = this.env.tenure()
      const activation = await activate(
        this.plan,
        this.env,
        abort.signal,
        this.#store.written,
        this.holder,
        this.#committer.changelogEnd,
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
    const failed = (error: unknown): void => {
      this.#fail(number, error)
    }
    const store = this.holder.store
    const time = this.#timeOf(activation)
    const processor = new Processor({
      ...plan.processor,
      maxStateBytes: () => env.stateBytes(),
      load: (storeKey) => store?.get(storeKey),
      storeWasEmpty: (store?.size() ?? 0) === 0,
      secret: activation.identity ?? '',
      time,
      lookUp: env.broadcasts && ((broadcast, key) => env.broadcasts?.lookup(broadcast, key)),
    })
    this.#sources.begin(activation.positions, failed)
    const { inputs } = this.#sources
    this.#time.begin(processor, inputs)
    const { asOf } = activation
    this.#marker.begin(processor, time?.marks, inputs)
    this.#store.begin({ processor, ownedAtMs, hasBacklog: () => this.#runner.hasBacklog, failed, asOf })
    this.#answers.begin(processor)
    this.#committer.begin(
      {
        activation,
        inputs,
        processor,
        signal: this.#abort.signal,
        isCurrent: () => this.#life.isCurrent(number),
        notCollected: (error) => {
          if (!(error instanceof Retake)) {
            failed(error)
            return
          }
          this.#runner.retake(error)
          env.ready(this)
        },
        committed: ({ messages, windows = [] }) => {
          for (const { lateByRecords, lateByClock } of windows) this.#late += lateByRecords + lateByClock
          this.#failures.committed()
          this.#isolation.committed(messages)
        },
        failed: ({ messages }, error) => {
          const verdict = this.#isolation.failed(messages, inputs, error, timesOf({ processor }))
          if (verdict.narrowed) this.#failures.narrowed()
          failed(verdict.error)
        },
      },
      activation.changelogEnd ?? 0,
    )
    this.#runner.begin(processor)
    this.#running = { number, activation, processor }
    this.#life.become('running')
    this.#sources.start()
    env.ready(this)
  }

  /** Whether its time is moved by what it reads. */
  get #isTimed(): boolean {
    return this.plan.time !== undefined || usesTime(this.plan.processor.subTopology)
  }

  /** Undefined where nothing falls due, and nobody behind it uses time. */
  #timeOf(activation: Activation): ProcessorTime | undefined {
    const { subTopology } = this.plan.processor
    const isTimed = this.#isTimed
    if (!isTimed && !hasDues(subTopology)) return undefined
    const { writers = [], marks = [] } = this.plan.time ?? {}
    const topics = this.plan.sources.map(({ topic }, i) => {
      const { latenessMs = 0, ticks = false } = subTopology.sources[i]?.topic ?? {}
      // Timers by the wall clock need no bounds.
      return isTimed ? { topic, latenessMs, ticks, writers: writers[i] } : { topic, latenessMs: Infinity, ticks: false }
    })
    const store = this.holder.store
    // Once for each topic.
    const told = new Set<string>()
    return {
      watermark: new Watermark(topics, activation.time, this.#time.nowMs, (topic, timestampMs) => {
        if (told.has(topic)) return
        told.add(topic)
        const { id: task, partition } = this.plan
        this.env.observer.observe({ kind: 'record-ahead', task, topic, partition, timestampMs })
      }),
      marks: marks.length === 0 ? undefined : new Marks(this.id, marks),
      load: (clock, after, most) => store?.dues(clock, after, most) ?? [],
      nowMs: () => this.env.recordTime.now(),
    }
  }

  // ---- failure ----

  #fail(number: number, error: unknown): void {
    const running = this.#running
    if (!this.#life.isCurrent(number) || (running === undefined && this.state === 'running')) return
    this.#drop()
    this.#abort.abort(error)
    if (error instanceof LongerChangelog) this.#committer.changelogEndsAt(error.end)
    if (this.#stopping) return
    const positions = running && this.#sources.inputs.map(({ position }) => position)
    const remedy = this.#failures.remedy(error, positions)
    switch (remedy.kind) {
      case 'stop':
        this.env.fatal(remedy.error, this.id)
        return
      case 'confirm':
        this.env.observer.observe({ kind: 'fenced', task: this.id })
        void this.#whenConfirmed(number)
        return
      case 'rest': {
        const { code, cure, message } = remedy.error
        this.#isOutdated = true
        this.env.observer.observe({ kind: 'task-outdated', task: this.id, code, cure, error: message })
        return
      }
      case 'again': {
        const { code, message } = remedy.error
        if (remedy.damage !== undefined) this.holder.damage = remedy.damage
        this.env.observer.observe({
          kind: 'task-again',
          task: this.id,
          code,
          error: message,
          retryInMs: remedy.afterMs,
        })
        void this.#afterBackOff(number, remedy.afterMs)
      }
    }
  }

  async #whenConfirmed(number: number): Promise<void> {
    await this.env.confirmOwnership()
    if (this.#life.isCurrent(number)) this.#activateSoon()
  }

  async #afterBackOff(number: number, ms: number): Promise<void> {
    await sleep(this.env.clock, ms)
    if (this.#life.isCurrent(number)) this.#activateSoon()
  }

  /** What this activation had in memory is gone. */
  #drop(): void {
    const running = this.#running
    this.#running = undefined
    this.#committer.end()
    this.#runner.end()
    this.#time.end()
    this.#marker.end()
    this.#store.end()
    this.#answers.end()
    if (running === undefined) return
    this.#sources.end()
    this.#lettingGo = running.activation.producer.close()
  }

  // A method, for the compiler to forget what it knew before an await.
  #isClosed(): boolean {
    return this.#life.state === 'closed'
  }

  #sayHandOff({ activation }: Running, { reason }: TaskArrival, firstMs?: number): void {
    this.arrival = undefined
    const handOff = handOffOf(this.id, activation, reason, firstMs, this.holder, this.env)
    if (handOff === undefined) return
    this.env.observer.observe({ kind: 'handed-over', ...handOff })
    this.env.handedOver(handOff)
  }
}

/**
 * What is told of a hand-off, with its pause: to the first record of the new owner, from the last commit of the old one,
 * or from that record's own timestamp where it is later. Undefined where nobody had the task before.
 */
export function handOffOf(
  task: string,
  { before, replayed }: Pick<Activation, 'before' | 'replayed'>,
  reason: string,
  firstMs = 0,
  { snapshotBytes = 0, snapshotsDiscarded }: Pick<StoreHolder, 'snapshotBytes' | 'snapshotsDiscarded'>,
  { clock, options }: Pick<TaskEnvironment, 'clock' | 'options'>,
): HandOff | undefined {
  if (before === undefined) return undefined
  // Before the first record came, nobody waited.
  const pauseMs = Math.max(0, clock.now() - Math.max(before.atMs, firstMs))
  return {
    task,
    from: before.by,
    to: options.name,
    reason,
    snapshotBytes,
    snapshotsDiscarded,
    replayed,
    pauseMs,
    atMs: clock.now(),
  }
}

/** Up to where something due may have been done. */
const timesOf = ({ processor: { time } }: Pick<Running, 'processor'>): readonly number[] =>
  time === undefined ? [] : [time.timeMs, time.wallMs]
