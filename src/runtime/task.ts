/**
 * A task: becomes active, runs, closes; when something fails, becomes active again. It is put together of parts, each with
 * the invariants that it keeps:
 *
 *   task/activations.ts   its life, and what is done about failures
 *   task/sources.ts       what it reads, and the order of it
 *   task/runner.ts        the running of messages
 *   task/committer.ts     when a commit is due, C1 and C2
 *   task/store-writer.ts  C3
 *   task/isolation.ts     messages that make commits fail, or take too long
 *   task/failures.ts      what is done about a failure
 *   task/timekeeper.ts    how time goes on while nothing comes
 *   task/answers.ts       what it tells of its state objects to who asks
 *   task/marker.ts        when those after repartitions are told how far it is
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
 * Invariant: the store is closed when nobody works on it any more.
 */
import { messageOf } from '../errors.js'
import type { CommitPhase } from '../core/commit/commit-phase.js'
import type { TaskState } from '../core/commit/task-life.js'
import type { CallsStatus, HandOff, HeldStatus, TimeStatus } from '../core/group/worker-status.js'
import { Rollback } from '../core/processing/failures.js'
import { Processor } from '../core/processing/processor.js'
import type { Question, TaskAnswer } from '../core/query/question.js'
import type { RunningFigures, TaskFigures } from '../ports/figures.js'
import type { Fetcher, PartitionPosition } from '../ports/log.js'
import { activate, type Activation } from './activation.js'
import type { Broadcasts } from './broadcasts.js'
import type { ObservedPorts, RuntimeOptions } from './options.js'
import type { Pumped } from './pump.js'
import type { RecordTime } from './record-time.js'
import { Activations, type ActivationsEnvironment, type RunningActivation } from './task/activations.js'
import { Answers } from './task/answers.js'
import { Committer } from './task/committer.js'
import { Isolation } from './task/isolation.js'
import { Marker } from './task/marker.js'
import { isTimed, lagOf, processorTime, waitingIn } from './task/processor-time.js'
import { Runner } from './task/runner.js'
import { Sources } from './task/sources.js'
import { StoreWriter } from './task/store-writer.js'
import { Timekeeper } from './task/timekeeper.js'
import type { TaskPlan } from './task-plan.js'
import type { StoreHolder } from './task-store.js'

export interface TaskEnvironment extends ObservedPorts, ActivationsEnvironment {
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
  /** Another number whenever somebody else may have had this worker's tasks meanwhile. */
  ownershipEpoch(): number
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

export class Task {
  readonly id: string
  readonly #activations: Activations
  readonly #isolation: Isolation
  readonly #sources: Sources
  readonly #store: StoreWriter
  readonly #committer: Committer
  readonly #runner: Runner
  readonly #time: Timekeeper
  readonly #answers: Answers
  readonly #marker: Marker
  /** Undefined while it does not run. */
  #processor: Processor | undefined
  /** Messages that were late for windows. */
  #late = 0
  /** In which it was certain last that nobody else had it, or has had it since its activation. */
  #ownershipEpoch = -1
  /** When the last activation began, or before. */
  #ownedAtMs = 0

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
    this.#activations = new Activations(plan.id, env, {
      activate: (signal) => this.#activate(signal),
      begin: (running) => {
        this.#begin(running)
      },
      started: () => {
        this.#sources.start()
        ready()
      },
      end: (_, wasRunning) => {
        this.#end(wasRunning)
      },
      positions: () => this.#sources.inputs.map(({ position }) => position),
      changelogEndsAt: (end) => {
        this.#committer.changelogEndsAt(end)
      },
      damaged: (what) => {
        holder.damage = what
      },
    })
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
    return this.#activations.state
  }

  /** Undefined where nothing uses time, and while the task is not running. */
  get time(): TimeStatus | undefined {
    const { time, firings } = this.#processor ?? {}
    if (time === undefined || !isTimed(this.plan)) return undefined
    const { inputs } = this.#sources
    const timeMs = time.reached(inputs, undefined)
    const holder = time.heldBy(inputs)
    return {
      timeMs: Number.isFinite(timeMs) ? timeMs : undefined,
      heldBy: holder?.topic,
      heldByTask: holder?.task,
      nextDueMs: firings?.nextMs('time'),
      waiting: waitingIn(this.holder.store),
      late: this.#late === 0 ? undefined : this.#late,
    }
  }

  /** It makes none: see call-task.ts. */
  readonly calls: CallsStatus | undefined = undefined

  /** What of its input stands still, and for what; undefined for nothing. */
  get held(): readonly HeldStatus[] | undefined {
    const { held } = this.#sources
    return this.#processor === undefined || held.length === 0 ? undefined : held
  }

  /** Whether it is suspended, because a newer version of the application has processed. */
  get isOutdated(): boolean {
    return this.#activations.isOutdated
  }

  /** Whether it has more to read than it can do at once; not while it waits for a source that gives nothing. */
  get isBacklogged(): boolean {
    return this.#processor !== undefined && this.#runner.isBacklogged
  }

  /** Whether messages of it may take long: then they are done one by one, when nothing else is under way. */
  get isSlow(): boolean {
    const processor = this.#processor
    if (!this.#isolation.isSlow || processor === undefined) return false
    const { inputs, hasHead } = this.#sources
    return this.#committer.canCommit && (hasHead || processor.firings?.mayBeDue(inputs, this.#time.nowMs) === true)
  }

  /** What it is and has, now. */
  figures(): TaskFigures {
    const { id: task, state } = this
    const { partition, processor: plan } = this.plan
    const figures = { task, subTopology: plan.subTopology.name, state, isOutdated: this.isOutdated }
    const processor = this.#processor
    if (processor === undefined) return { ...figures, running: undefined }
    const { store } = this.holder
    const { time } = this
    const running: RunningFigures = {
      inputs: this.#sources.inputs.flatMap(({ topic, lag }) => (Number.isNaN(lag) ? [] : [{ topic, partition, lag }])),
      held: this.#sources.held,
      time,
      timeLagMs: lagOf(time, this.env.clock),
      state: { ...processor.inMemory, unstoredBytes: processor.unstoredBytes },
      store: store && { objects: store.size(), waiting: waitingIn(store), bytes: store.bytes() },
    }
    return { ...figures, running }
  }

  /**
   * What it has committed. `isFenced`: after it was proven that the task is this worker's; so it is, too, where somebody else may
   * have had the task since it became active here, which only a commit would find out. Never rejects.
   */
  async answer(question: Question, isFenced: boolean): Promise<TaskAnswer> {
    const ownershipEpoch = this.env.ownershipEpoch()
    const answer = await this.#answers.answer(question, isFenced || ownershipEpoch !== this.#ownershipEpoch)
    // An activation that has begun meanwhile has begun in that epoch of ownership, or in a later one.
    if (answer.kind !== 'not here') this.#ownershipEpoch = Math.max(this.#ownershipEpoch, ownershipEpoch)
    return answer
  }

  /** Becomes active, in the background. */
  start(): void {
    this.#activations.start()
  }

  /**
   * Processes what is there, until the deadline (on the monotonic clock). Returns whether more is there that can be
   * processed at once.
   */
  run(deadlineMs: number): boolean {
    const [{ running, isStopping }, processor] = [this.#activations, this.#processor]
    if (running === undefined || processor === undefined || isStopping || this.#isolation.isCutOff) return false
    const firstMs = this.arrival && this.#sources.oldestHeadMs
    let hasMore: boolean
    try {
      hasMore = this.#runner.run(deadlineMs)
    } catch (error) {
      if (error instanceof Rollback) {
        this.#runner.rollBack(error)
        return true
      }
      this.#activations.fail(running.number, error)
      return false
    }
    if (this.arrival !== undefined && processor.messages > 0) {
      sayHandOff(this.id, running.activation, this.arrival.reason, firstMs, this.holder, this.env)
      this.arrival = undefined
    }
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
    const [{ running }, processor] = [this.#activations, this.#processor]
    if (running === undefined || processor === undefined) return
    this.#activations.fail(
      running.number,
      this.#isolation.cutOff(this.#sources.inputs, processor.messages, timesOf(processor)),
    )
  }

  /** Everything that was processed when this was called is committed when it resolves, or the task has failed meanwhile. Never rejects. */
  flush(): Promise<void> {
    return this.#committer.flush()
  }

  /** Resolves when nothing of it is under way that may time out: an activation, or a commit. Never rejects. */
  async settle(): Promise<void> {
    await this.#activations.settled()
    await this.flush()
  }

  /** Ends: with a last commit, or at once. Never rejects. */
  close({ commit }: { readonly commit: boolean }): Promise<void> {
    return this.#activations.close(commit ? () => this.flush() : undefined, (wasRunning) =>
      this.#closeStore(wasRunning && commit),
    )
  }

  async #closeStore(isToBeComplete: boolean): Promise<void> {
    await this.#store.written
    if (isToBeComplete)
      await this.#store.writeRest()?.catch((error: unknown) => {
        this.env.observer.observe({ kind: 'store-not-written', task: this.id, error: messageOf(error) })
      })
    await this.holder.store?.close().catch((error: unknown) => {
      this.env.observer.observe({ kind: 'store-not-closed', task: this.id, error: messageOf(error) })
    })
  }

  /**
   * Writes down that the store is at the changelog's end now, as an owner's always is: a store that was away from it for
   * too long can't be trusted (core/commit/restore-plan.ts). To be called now and then, for an idle task commits nothing.
   */
  refresh(): void {
    if (this.#processor !== undefined) this.#store.refresh(this.env.clock.now())
  }

  // ---- becoming active ----

  #activate(signal: AbortSignal): Promise<Activation> {
    // Before A1: whoever fences this worker does so later.
    this.#ownedAtMs = this.env.clock.now()
    this.#ownershipEpoch = this.env.ownershipEpoch()
    return activate(this.plan, this.env, signal, this.#store.written, this.holder, this.#committer.changelogEnd)
  }

  /** A4 */
  #begin({ number, activation, signal }: RunningActivation): void {
    const { env, plan } = this
    const ownedAtMs = this.#ownedAtMs
    const { failures } = this.#activations
    const failed = (error: unknown): void => {
      this.#activations.fail(number, error)
    }
    const store = this.holder.store
    const time = processorTime(plan, activation.time, {
      observer: env.observer,
      recordTime: env.recordTime,
      nowMs: this.#time.nowMs,
      load: (clock, after, most) => store?.dues(clock, after, most) ?? [],
    })
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
    const { marks, watermark } = time ?? {}
    this.#marker.begin(
      marks &&
        watermark && {
          marks,
          time: watermark,
          claim: () => watermark.claim(inputs, processor.firings?.nextOutputMs),
        },
    )
    this.#store.begin({ processor, ownedAtMs, hasBacklog: () => this.#runner.hasBacklog, failed, asOf })
    this.#answers.begin(processor)
    this.#committer.begin(
      {
        activation,
        inputs,
        processor,
        signal,
        isCurrent: () => this.#activations.isCurrent(number),
        notCollected: (error) => {
          if (!(error instanceof Rollback)) {
            failed(error)
            return
          }
          this.#runner.rollBack(error)
          env.ready(this)
        },
        committed: ({ messages, windows = [] }) => {
          for (const { lateByRecords, lateByClock } of windows) this.#late += lateByRecords + lateByClock
          failures.committed()
          this.#isolation.committed(messages)
        },
        failed: ({ messages }, error) => {
          const verdict = this.#isolation.failed(messages, inputs, error, timesOf(processor))
          if (verdict.narrowed) failures.narrowed()
          failed(verdict.error)
        },
      },
      activation.changelogEnd ?? 0,
    )
    this.#runner.begin(processor)
    this.#processor = processor
  }

  #end(wasRunning: boolean): void {
    this.#processor = undefined
    this.#committer.end()
    this.#runner.end()
    this.#time.end()
    this.#marker.end()
    this.#store.end()
    this.#answers.end()
    if (wasRunning) this.#sources.end()
  }
}

/**
 * Tells of a hand-off, with its pause: to the first record of the new owner, from the last commit of the old one, or from
 * that record's own timestamp where it is later. Of none where nobody had the task before.
 */
export function sayHandOff(
  task: string,
  { before, replayed }: Pick<Activation, 'before' | 'replayed'>,
  reason: string,
  firstMs = 0,
  { snapshotBytes = 0, snapshotsDiscarded }: Pick<StoreHolder, 'snapshotBytes' | 'snapshotsDiscarded'>,
  env: Pick<TaskEnvironment, 'clock' | 'observer' | 'options' | 'handedOver'>,
): void {
  if (before === undefined) return
  const atMs = env.clock.now()
  // Before the first record came, nobody waited.
  const pauseMs = Math.max(0, atMs - Math.max(before.atMs, firstMs))
  const [from, to] = [before.by, env.options.name]
  const handOff = { task, from, to, reason, snapshotBytes, snapshotsDiscarded, replayed, pauseMs, atMs }
  env.observer.observe({ kind: 'handed-over', ...handOff })
  env.handedOver(handOff)
}

/** Up to where something due may have been done. */
const timesOf = ({ time }: Pick<Processor, 'time'>): readonly number[] =>
  time === undefined ? [] : [time.timeMs, time.wallMs]
