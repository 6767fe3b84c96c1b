/**
 * The activations of a task, one after the other: it becomes active; when something fails, active again, until it is closed.
 *
 * Invariants
 * 1. At most one activation is current. What an earlier one still has under way compares its number before it changes anything.
 * 2. A failure ends the activation first: what it had in memory is not used again.
 */
import { LongerChangelog } from '../../core/commit/landing.js'
import { TaskLife, type TaskState } from '../../core/commit/task-life.js'
import type { PotorooError } from '../../errors.js'
import type { Clock } from '../../ports/clock.js'
import type { Observer } from '../../ports/observer.js'
import type { Activation } from '../activation.js'
import { atMost, sleep } from '../options.js'
import { Failures } from './failures.js'

export interface ActivationsEnvironment {
  readonly clock: Clock
  readonly observer: Observer
  /** Resolves once the group has confirmed, after the call, which tasks are this worker's. */
  confirmOwnership(): Promise<void>
  /** The worker can't go on. */
  fatal(error: PotorooError, task: string): void
}

/** What becomes active. */
export interface Activated {
  /** A1 to A3. */
  activate(signal: AbortSignal): Promise<Activation>
  /** A4: gets what it works on. */
  begin(running: RunningActivation): void
  /** A4: begins to work. */
  started(): void
  /** What the activation had in memory is gone. `wasRunning`: false where it had not come so far. */
  end(reason: unknown, wasRunning: boolean): void
  /** Of the inputs, while it runs. */
  positions(): readonly number[]
  /** It was longer than was listed. */
  changelogEndsAt(end: number): void
  /** The store can't be believed, and is to be set aside. */
  damaged(what: string): void
}

export interface RunningActivation {
  readonly number: number
  readonly activation: Activation
  /** Aborted when the activation has ended. */
  readonly signal: AbortSignal
}

/** What was done is to be committed before a task closes, within that time. */
const STOP_COMMIT_MS = 10_000

export class Activations {
  readonly failures: Failures
  readonly #life: TaskLife
  #running: RunningActivation | undefined
  #abort = new AbortController()
  #stopping = false
  #isOutdated = false
  /** The activation under way, or the last one. Never rejects. */
  #activating: Promise<void> = Promise.resolve()
  /** A producer is let go. Never rejects. */
  #lettingGo: Promise<void> = Promise.resolve()

  constructor(
    private readonly task: string,
    private readonly env: ActivationsEnvironment,
    private readonly activated: Activated,
  ) {
    this.#life = new TaskLife(task)
    this.failures = new Failures(task)
  }

  get state(): TaskState {
    return this.#life.state
  }
  /** Whether it is suspended, because a newer version of the application has processed. */
  get isOutdated(): boolean {
    return this.#isOutdated
  }
  get isStopping(): boolean {
    return this.#stopping
  }
  /** Undefined while it does not run. */
  get running(): RunningActivation | undefined {
    return this.#running
  }

  /** Whether what was begun under that activation may still change anything. */
  isCurrent(number: number): boolean {
    return this.#life.isCurrent(number)
  }

  /** Becomes active, in the background. */
  start(): void {
    this.#isOutdated = false
    this.#activating = this.#activate()
  }

  /** Resolves when no activation is under way. Never rejects. */
  async settled(): Promise<void> {
    if (this.state === 'restoring') await this.#activating
  }

  /** Ends: behind `commit`, or at once. `rest`: what is to be closed when nobody works on it any more. Never rejects. */
  async close(
    commit: (() => Promise<void>) | undefined,
    rest: (wasRunning: boolean) => Promise<void> = () => Promise.resolve(),
  ): Promise<void> {
    if (this.state === 'closed') return
    this.#stopping = true
    if (commit !== undefined) await atMost(this.env.clock, STOP_COMMIT_MS, commit())
    if (this.#isClosed()) return
    const wasRunning = this.#running !== undefined
    const reason = new Error('the task is closed')
    this.#drop(reason)
    this.#life.become('closed')
    this.#abort.abort(reason)
    await this.#lettingGo
    // It may be opening the store: that is closed only when nobody works on it. Nothing else is waited for.
    await this.#activating
    await rest(wasRunning)
    this.env.observer.observe({ kind: 'task-closed', task: this.task })
  }

  /** Something of that activation has failed: what is done about it is what Failures says. */
  fail(number: number, error: unknown): void {
    const running = this.#running
    if (!this.#life.isCurrent(number) || (running === undefined && this.state === 'running')) return
    const positions = running && this.activated.positions()
    this.#drop(error)
    this.#abort.abort(error)
    if (error instanceof LongerChangelog) this.activated.changelogEndsAt(error.end)
    if (this.#stopping) return
    const { observer } = this.env
    const remedy = this.failures.remedy(error, positions)
    switch (remedy.kind) {
      case 'stop':
        this.env.fatal(remedy.error, this.task)
        return
      case 'confirm':
        observer.observe({ kind: 'fenced', task: this.task })
        void this.#againAfter(number, this.env.confirmOwnership())
        return
      case 'rest': {
        const { code, cure, message } = remedy.error
        this.#isOutdated = true
        observer.observe({ kind: 'task-outdated', task: this.task, code, cure, error: message })
        return
      }
      case 'again': {
        const { code, message } = remedy.error
        if (remedy.damage !== undefined) this.activated.damaged(remedy.damage)
        observer.observe({
          kind: 'task-again',
          task: this.task,
          code,
          error: message,
          retryInMs: remedy.afterMs,
        })
        void this.#againAfter(number, sleep(this.env.clock, remedy.afterMs))
      }
    }
  }

  async #activate(): Promise<void> {
    const number = this.#life.become('restoring')
    const { signal } = (this.#abort = new AbortController())
    try {
      const activation = await this.activated.activate(signal)
      if (!this.#life.isCurrent(number)) {
        await activation.producer.close()
        return
      }
      const running = { number, activation, signal }
      this.activated.begin(running)
      this.#running = running
      this.#life.become('running')
      this.activated.started()
    } catch (error) {
      this.fail(number, error)
    }
  }

  async #againAfter(number: number, wait: Promise<void>): Promise<void> {
    await wait
    if (this.#life.isCurrent(number)) this.start()
  }

  #drop(reason: unknown): void {
    const running = this.#running
    this.#running = undefined
    this.activated.end(reason, running !== undefined)
    if (running !== undefined) this.#lettingGo = running.activation.producer.close()
  }

  // A method, so that the compiler forgets what it knew before an await.
  #isClosed(): boolean {
    return this.state === 'closed'
  }
}
