/**
 * The life of a task that makes calls: becomes active, runs, closes; when something fails, becomes active again, as any task
 * (task.ts). It has no state objects and no store: what it goes on with is the last commit record of its changelog.
 *
 *   calls/last-commit.ts    A2: that record
 *   calls/caller.ts         messages in, calls, results out
 *   calls/attempts.ts       attempts, their time, their signals
 *   task/…                  sources, commits and failures, as of any task
 *
 * Invariants
 * 1. At most one activation is current. What an earlier one still has under way compares its number before it changes anything.
 * 2. When an activation ends, its calls are aborted at once, also where the worker stops as it should: whoever has the task next makes them
 *    again, under the same ids. Waiting for them would hold the task up for as long as the slowest call takes.
 */
import type { PotorooError } from '../errors.js'
import { LongerChangelog } from '../core/commit/landing.js'
import { TaskLife, type TaskState } from '../core/commit/task-life.js'
import type { CallsStatus, HeldStatus, TimeStatus } from '../core/group/worker-status.js'
import { generationOf, resumedCalls } from '../core/processing/calls/resumed.js'
import type { CallDefinition } from '../api/definition.js'
import type { TaskFigures } from '../ports/figures.js'
import { activate, type Activation } from './activation.js'
import { Caller } from './calls/caller.js'
import { atMost, sleep } from './options.js'
import { Committer } from './task/committer.js'
import { Failures } from './task/failures.js'
import { Isolation } from './task/isolation.js'
import { Sources } from './task/sources.js'
import { StoreWriter } from './task/store-writer.js'
import { Timekeeper } from './task/timekeeper.js'
import { handOffOf, STOP_COMMIT_MS, type TaskArrival, type TaskEnvironment } from './task.js'
import type { TaskPlan } from './task-plan.js'

interface Running {
  readonly number: number
  readonly activation: Activation
}

const NO_STORE = { store: undefined } as const

export class CallTask {
  readonly id: string
  readonly #life: TaskLife
  readonly #failures: Failures
  readonly #isolation: Isolation
  readonly #sources: Sources
  readonly #committer: Committer
  readonly #caller: Caller
  #running: Running | undefined
  #abort = new AbortController()
  #stopping = false
  #isOutdated = false
  /** Whether the last run stopped before it had done all that is here. */
  #hasLeft = false
  /** The activation under way, or the last one. Never rejects. */
  #activating: Promise<void> = Promise.resolve()
  /** A producer is let go. Never rejects. */
  #lettingGo: Promise<void> = Promise.resolve()

  constructor(
    readonly plan: TaskPlan,
    call: CallDefinition,
    application: string,
    private readonly env: TaskEnvironment,
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
    this.#sources = new Sources(plan, env, new Timekeeper(env, ready), ready)
    this.#committer = new Committer(plan, env, new StoreWriter(plan.id, NO_STORE, env, ready), this.#isolation, ready)
    this.#caller = new Caller(plan, call, application, env, this.#sources, this.#isolation, this.#committer, ready)
  }

  get state(): TaskState {
    return this.#life.state
  }

  /** Whether it stands still, for a newer version of the application has processed. */
  get isOutdated(): boolean {
    return this.#isOutdated
  }

  get isBacklogged(): boolean {
    return this.#running !== undefined && (this.#hasLeft || (this.#sources.hasMore && !this.#sources.isDry))
  }

  /** What takes long of a call is waited for, and not computed. */
  readonly isSlow = false
  readonly time: TimeStatus | undefined = undefined

  /** What its input waits for; undefined where that is nothing. */
  get held(): readonly HeldStatus[] | undefined {
    const { held } = this.#sources
    return this.#running === undefined || held.length === 0 ? undefined : held
  }

  get calls(): CallsStatus | undefined {
    return this.#caller.status
  }

  figures(): TaskFigures {
    const { id: task, state } = this
    const { partition, processor } = this.plan
    const figures = { task, subTopology: processor.subTopology.name, state, isOutdated: this.#isOutdated }
    if (this.#running === undefined) return { ...figures, running: undefined }
    const inputs = this.#caller.inputs.flatMap(({ topic, lag }) =>
      Number.isNaN(lag) ? [] : [{ topic, partition, lag }],
    )
    const none = { objects: 0, bytes: 0, unstoredBytes: 0 }
    return {
      ...figures,
      running: { inputs, held: this.#sources.held, calls: this.calls, state: none, store: undefined },
    }
  }

  /** Becomes active, in the background. */
  start(): void {
    this.#activateSoon()
  }

  /** Does what is there, until the deadline (on the monotonic clock). Returns whether more is there that can be done at once. */
  run(deadlineMs: number): boolean {
    const running = this.#running
    if (running === undefined || this.#stopping || this.#isolation.isCutOff) return false
    const firstMs = this.arrival && this.#sources.oldestHeadMs
    const beganMs = this.env.clock.monotonic()
    try {
      const left = this.#caller.run(deadlineMs)
      this.#hasLeft = left !== 'nothing'
      this.#committer.computed(this.env.clock.monotonic() - beganMs)
      if (this.arrival !== undefined && this.#caller.messages > 0) this.#sayHandOff(running, this.arrival, firstMs)
      this.#committer.commitWhenDue({ isFull: this.#caller.isFull, isBacklogged: this.isBacklogged })
      return left === 'more'
    } catch (error) {
      this.#isolation.current = undefined
      this.#fail(running.number, error)
      return false
    }
  }

  /** What it was at was ended from outside: see task.ts. */
  cutOff(): void {
    const running = this.#running
    if (running === undefined) return
    this.#fail(running.number, this.#isolation.cutOff(this.#caller.taken, this.#caller.messages))
  }

  /** Everything that was done when this was called is committed when it resolves, or the task has failed meanwhile. Never rejects. */
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
    const reason = new Error('the task is closed')
    this.#drop(reason)
    this.#life.become('closed')
    this.#abort.abort(reason)
    await this.#lettingGo
    await this.#activating
    this.env.observer.observe({ kind: 'task-closed', task: this.id })
  }

  /** There is no store that could be left behind. */
  refresh(): void {
    // nothing
  }

  // ---- becoming active ----

  #activateSoon(): void {
    this.#isOutdated = false
    this.#activating = this.#activate()
  }

  async #activate(): Promise<void> {
    const number = this.#life.become('restoring')
    const { signal } = (this.#abort = new AbortController())
    try {
      const { changelogEnd } = this.#committer
      const activation = await activate(this.plan, this.env, signal, Promise.resolve(), NO_STORE, changelogEnd)
      if (!this.#life.isCurrent(number)) {
        await activation.producer.close()
        return
      }
      this.#begin(number, activation)
    } catch (error) {
      this.#fail(number, error)
    }
  }

  /** A4 */
  #begin(number: number, activation: Activation): void {
    const { env, plan } = this
    const [source] = plan.sources
    const [position = 0] = activation.positions
    const failed = (error: unknown): void => {
      this.#fail(number, error)
    }
    if (source === undefined) throw new RangeError(`task ${plan.id} has no source`)
    const { generation, done } = resumedCalls(activation.commit, source, position)
    this.#sources.begin(activation.positions, failed)
    const caller = this.#caller
    caller.begin({
      generation: generation ?? generationOf(env.random.id()),
      isCommitted: generation !== undefined,
      position,
      done,
      plan: {
        ...plan.processor,
        maxStateBytes: () => 0,
        load: () => undefined,
        storeWasEmpty: true,
        secret: '',
        lookUp: env.broadcasts && ((broadcast, key) => env.broadcasts?.lookup(broadcast, key)),
      },
    })
    this.#committer.begin(
      {
        activation,
        inputs: caller.inputs,
        processor: {
          get messages() {
            return caller.messages
          },
          collect: (commit, nowMs) => caller.collect(commit, nowMs),
          committed: () => {
            caller.committed()
          },
        },
        signal: this.#abort.signal,
        isCurrent: () => this.#life.isCurrent(number),
        notCollected: failed,
        committed: ({ messages }) => {
          this.#failures.committed()
          this.#isolation.committed(messages)
        },
        failed: ({ messages }, error) => {
          const verdict = this.#isolation.failed(messages, caller.taken, error)
          if (verdict.narrowed) this.#failures.narrowed()
          failed(verdict.error)
        },
      },
      activation.changelogEnd ?? 0,
    )
    this.#running = { number, activation }
    this.#life.become('running')
    this.#sources.start()
    env.ready(this)
  }

  // ---- failure ----

  #fail(number: number, error: unknown): void {
    if (!this.#life.isCurrent(number) || (this.#running === undefined && this.state === 'running')) return
    const positions = this.#running && this.#caller.inputs.map(({ position }) => position)
    this.#drop(error)
    this.#abort.abort(error)
    if (error instanceof LongerChangelog) this.#committer.changelogEndsAt(error.end)
    if (this.#stopping) return
    const remedy = this.#failures.remedy(error, positions)
    switch (remedy.kind) {
      case 'stop':
        this.env.fatal(remedy.error, this.id)
        return
      case 'confirm':
        this.env.observer.observe({ kind: 'fenced', task: this.id })
        void this.#whenConfirmed(number)
        return
      case 'rest':
        this.#rest(remedy.error)
        return
      case 'again': {
        const { code, message } = remedy.error
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

  #rest({ code, cure, message }: PotorooError): void {
    this.#isOutdated = true
    this.env.observer.observe({ kind: 'task-outdated', task: this.id, code, cure, error: message })
  }

  async #whenConfirmed(number: number): Promise<void> {
    await this.env.confirmOwnership()
    if (this.#life.isCurrent(number)) this.#activateSoon()
  }

  async #afterBackOff(number: number, ms: number): Promise<void> {
    await sleep(this.env.clock, ms)
    if (this.#life.isCurrent(number)) this.#activateSoon()
  }

  /** What this activation had in memory is gone, and its calls are aborted (invariant 2). */
  #drop(reason: unknown): void {
    const running = this.#running
    this.#running = undefined
    this.#committer.end()
    this.#caller.end(reason)
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
    const handOff = handOffOf(this.id, activation, reason, firstMs, {}, this.env)
    if (handOff === undefined) return
    this.env.observer.observe({ kind: 'handed-over', ...handOff })
    this.env.handedOver(handOff)
  }
}
