/**
 * A task that makes calls. It has no state objects and no store: it continues from the last commit record of its
 * changelog.
 *   calls/last-commit.ts    A2: that record
 *   calls/caller.ts         messages in, calls, results out
 *   calls/attempts.ts       attempts, their time, their signals
 *   task/marker.ts          when tasks after repartitions are told how far it is
 *   task/…                  activations, sources, commits and failures, as in any task (task.ts)
 *
 * Invariant: when an activation ends, its calls are aborted at once, even if the worker stops gracefully: the task's
 * next owner makes them again, with the same ids. Waiting for them would delay the task by the slowest call.
 */
import type { TaskState } from '../core/commit/task-life.js'
import type { CallsStatus, HeldStatus, TimeStatus } from '../core/group/worker-status.js'
import { generationOf, resumedCalls } from '../core/processing/calls/resumed.js'
import type { CallDefinition } from '../api/definition.js'
import type { TaskFigures } from '../ports/figures.js'
import { activate } from './activation.js'
import { Caller } from './calls/caller.js'
import { Activations, type RunningActivation } from './task/activations.js'
import { Committer } from './task/committer.js'
import { Isolation } from './task/isolation.js'
import { Marker } from './task/marker.js'
import { lagOf, processorTime } from './task/processor-time.js'
import { Sources } from './task/sources.js'
import { StoreWriter } from './task/store-writer.js'
import { Timekeeper } from './task/timekeeper.js'
import { sayHandOff, type TaskArrival, type TaskEnvironment } from './task.js'
import type { TaskPlan } from './task-plan.js'

const NO_STORE = { store: undefined } as const

export class CallTask {
  readonly id: string
  readonly #activations: Activations
  readonly #isolation: Isolation
  readonly #sources: Sources
  readonly #committer: Committer
  readonly #caller: Caller
  readonly #time: Timekeeper
  readonly #marker: Marker
  /** Whether the last run stopped before it had done all that is here. */
  #hasLeft = false

  constructor(
    readonly plan: TaskPlan,
    call: CallDefinition,
    application: string,
    private readonly env: TaskEnvironment,
    /** Why the task is here now; undefined once that was reported. */
    private arrival?: TaskArrival,
  ) {
    this.id = plan.id
    const ready = (): void => {
      env.ready(this)
    }
    this.#activations = new Activations(plan.id, env, {
      activate: (signal) => activate(plan, env, signal, Promise.resolve(), NO_STORE, this.#committer.changelogEnd),
      begin: (running) => {
        this.#begin(running)
      },
      started: () => {
        this.#sources.start()
        ready()
      },
      end: (reason, wasRunning) => {
        this.#committer.end()
        this.#time.end()
        this.#marker.end()
        this.#caller.end(reason)
        if (wasRunning) this.#sources.end()
      },
      positions: () => this.#caller.inputs.map(({ position }) => position),
      changelogEndsAt: (end) => {
        this.#committer.changelogEndsAt(end)
      },
      damaged: () => undefined,
    })
    this.#isolation = new Isolation(plan, env)
    this.#time = new Timekeeper(env, ready)
    this.#sources = new Sources(plan, env, this.#time, ready)
    this.#marker = new Marker(env.clock, this.#time)
    const noStore = new StoreWriter(plan.id, NO_STORE, env, ready)
    this.#committer = new Committer(plan, env, noStore, this.#isolation, ready, this.#marker)
    this.#caller = new Caller(plan, call, application, env, this.#sources, this.#isolation, this.#committer, ready)
  }

  get state(): TaskState {
    return this.#activations.state
  }

  /** Whether it is suspended, because a newer version of the application has processed messages of it. */
  get isOutdated(): boolean {
    return this.#activations.isOutdated
  }

  get isBacklogged(): boolean {
    if (this.#activations.running === undefined) return false
    return this.#hasLeft || this.#caller.isBehind || (this.#sources.hasMore && !this.#sources.isDry)
  }

  /** A slow call is waiting, not computing. */
  readonly isSlow = false

  /** Undefined if nothing downstream uses time, and while the task is not running. */
  get time(): TimeStatus | undefined {
    return this.#caller.time
  }

  /** What its input waits for; undefined where that is nothing. */
  get held(): readonly HeldStatus[] | undefined {
    const { held } = this.#sources
    return this.#activations.running === undefined || held.length === 0 ? undefined : held
  }

  get calls(): CallsStatus | undefined {
    return this.#caller.status
  }

  figures(): TaskFigures {
    const { id: task, state } = this
    const { partition, processor } = this.plan
    const figures = { task, subTopology: processor.subTopology.name, state, isOutdated: this.isOutdated }
    if (this.#activations.running === undefined) return { ...figures, running: undefined }
    const inputs = this.#caller.inputs.flatMap(({ topic, lag }) =>
      Number.isNaN(lag) ? [] : [{ topic, partition, lag }],
    )
    const { time } = this
    const none = { objects: 0, bytes: 0, unstoredBytes: 0 }
    return {
      ...figures,
      running: {
        inputs,
        held: this.#sources.held,
        calls: this.calls,
        time,
        timeLagMs: lagOf(time, this.env.clock),
        state: none,
        store: undefined,
      },
    }
  }

  /** Becomes active, in the background. */
  start(): void {
    this.#activations.start()
  }

  /**
   * Processes what is there, until the deadline (on the monotonic clock). Returns whether there is more that can be
   * processed now.
   */
  run(deadlineMs: number): boolean {
    const { running, isStopping } = this.#activations
    if (running === undefined || isStopping || this.#isolation.isCutOff) return false
    const firstMs = this.arrival && this.#sources.oldestHeadMs
    const beganMs = this.env.clock.monotonic()
    try {
      const left = this.#caller.run(deadlineMs)
      this.#hasLeft = left !== 'nothing'
      this.#committer.computed(this.env.clock.monotonic() - beganMs)
      if (this.arrival !== undefined && this.#caller.messages > 0) {
        sayHandOff(this.id, running.activation, this.arrival.reason, firstMs, {}, this.env)
        this.arrival = undefined
      }
      this.#committer.commitWhenDue({ isFull: this.#caller.isFull, isBacklogged: this.isBacklogged })
      this.#time.lookWhenDue()
      return left === 'more'
    } catch (error) {
      this.#isolation.current = undefined
      this.#activations.fail(running.number, error)
      return false
    }
  }

  /** Its work was ended from outside: see task.ts. */
  cutOff(): void {
    const { running } = this.#activations
    if (running === undefined) return
    this.#activations.fail(running.number, this.#isolation.cutOff(this.#caller.taken, this.#caller.messages))
  }

  /**
   * When it resolves, everything processed before the call is committed, or the task has failed meanwhile. Never
   * rejects.
   */
  flush(): Promise<void> {
    return this.#committer.flush()
  }

  /** Resolves when nothing of it is in progress that may time out: an activation, or a commit. Never rejects. */
  async settle(): Promise<void> {
    await this.#activations.settled()
    await this.flush()
  }

  /** Ends: with a last commit, or immediately. Never rejects. */
  close({ commit }: { readonly commit: boolean }): Promise<void> {
    return this.#activations.close(commit ? () => this.flush() : undefined)
  }

  /** There is no store that could be left behind. */
  refresh(): void {
    // nothing
  }

  /** A4 */
  #begin({ number, activation, signal }: RunningActivation): void {
    const { env, plan } = this
    const { failures } = this.#activations
    const [source] = plan.sources
    const [position = 0] = activation.positions
    const failed = (error: unknown): void => {
      this.#activations.fail(number, error)
    }
    if (source === undefined) throw new RangeError(`task ${plan.id} has no source`)
    const { generation, done } = resumedCalls(activation.commit, source, position)
    this.#sources.begin(activation.positions, failed)
    const caller = this.#caller
    const time = processorTime(plan, activation.time, {
      observer: env.observer,
      recordTime: env.recordTime,
      nowMs: this.#time.nowMs,
      load: () => [],
    })
    const processor = caller.begin({
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
        time,
        lookUp: env.broadcasts && ((broadcast, key) => env.broadcasts?.lookup(broadcast, key)),
      },
    })
    this.#time.begin(processor, this.#sources.inputs)
    const { marks, watermark } = time ?? {}
    this.#marker.begin(marks && watermark && { marks, time: watermark, claim: () => caller.claim(watermark) })
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
          time: watermark && { committed: () => caller.committedTime(watermark) },
        },
        signal,
        isCurrent: () => this.#activations.isCurrent(number),
        notCollected: failed,
        committed: ({ messages }) => {
          failures.committed()
          this.#isolation.committed(messages)
        },
        failed: ({ messages }, error) => {
          const verdict = this.#isolation.failed(messages, caller.taken, error)
          if (verdict.narrowed) failures.narrowed()
          failed(verdict.error)
        },
      },
      activation.changelogEnd ?? 0,
    )
  }
}
