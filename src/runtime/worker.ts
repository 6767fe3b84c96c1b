/**
 * A worker: one member of the consumer group, and the tasks that the group gives it. Tasks restore, commit, fail and
 * move each alone; the worker gives them time to run, and starts and closes them as assignments come.
 */
import type { ApplicationDefinition } from '../api/definition.js'
import { topologyOf, namesOf } from '../core/topology.js'
import { messageOf, type PotorooError } from '../errors.js'
import type { Timer } from '../ports/clock.js'
import type { Fetcher } from '../ports/log.js'
import type { TaskPlan } from './activation.js'
import { GroupMembership } from './membership.js'
import { atMost, type Ports, type RuntimeOptions } from './options.js'
import { Task, type TaskEnvironment } from './task.js'
import { planTasks } from './topics.js'

/** Tasks run for this long before IO gets its turn, so that heartbeats and answers are not kept waiting. */
const PUMP_MS = 10
const SLICE_MS = 5
const FLUSH_MS = 500
const REFRESH_MS = 600_000
const MEMBER_ID_NOTE = 'member-id'

export class Worker {
  /** Resolves when the worker has stopped because it was told to; rejects with what stopped it otherwise. */
  readonly ended: Promise<void>

  readonly #tasks = new Map<string, Task>()
  #ready = new Set<Task>()
  #pumping = false
  #plans: ReadonlyMap<string, TaskPlan> = new Map()
  #fetcher: Fetcher | undefined
  #membership: GroupMembership | undefined
  #environment: TaskEnvironment | undefined
  #closing: Promise<void> | undefined
  #refreshTimer: Timer | undefined
  #end!: { resolve: () => void; reject: (error: PotorooError) => void }

  constructor(
    private readonly application: ApplicationDefinition,
    private readonly options: RuntimeOptions,
    private readonly ports: Ports,
  ) {
    this.ended = new Promise((resolve, reject) => {
      this.#end = { resolve, reject }
    })
    // Whoever does not wait for the end still gets the failure from start() or the log.
    this.ended.catch(() => undefined)
  }

  /** Task ids that are processing now. */
  get active(): readonly string[] {
    return [...this.#tasks.values()].filter(({ state }) => state === 'running').map(({ id }) => id)
  }

  /** Checks everything that can be checked, and joins the group. Rejects with what is wrong; the worker is closed then. */
  async start(): Promise<void> {
    try {
      await this.#start()
    } catch (error) {
      await this.#close(undefined)
      throw error
    }
  }

  /** Commits, leaves the group, closes everything. Never rejects; see `ended`. */
  async stop(): Promise<void> {
    await this.#close(undefined)
  }

  async #start(): Promise<void> {
    const { application, options, ports } = this
    const { log, stores, logger } = ports
    const topology = topologyOf(application)
    await log.connect()
    this.#plans = await planTasks(topology, log, options, logger)
    if (this.#closing !== undefined) return
    const fetcher = (this.#fetcher = log.fetcher())
    const inputs = [...this.#plans.values()].reduce((n, plan) => n + plan.sources.length, 0)
    this.#environment = {
      ...ports,
      fetcher,
      options,
      inputBytes: Math.max(1 << 20, Math.floor(options.bufferBytes / Math.max(1, inputs))),
      confirmOwnership: () => this.#membership?.confirmed() ?? Promise.resolve(),
      fatal: (error, task) => {
        logger.warn({ task, code: error.code, error: error.message }, 'the worker cannot go on: it stops')
        void this.#close(error)
      },
      ready: (task) => {
        this.#runSoon(task)
      },
    }
    const names = namesOf(options.topicPrefix, application.name)
    const client = log.group(names.group)
    const former = stores.readNote(MEMBER_ID_NOTE)
    if (former !== undefined && former !== '') {
      // An earlier life on this state directory: without this, the group would wait for its session to time out.
      await client.leave(former).catch((error: unknown) => {
        logger.debug({ former, error: messageOf(error) }, 'the earlier member could not be made to leave')
      })
    }
    this.#membership = new GroupMembership(
      client,
      {
        topics: [...new Set([...this.#plans.values()].flatMap(({ sources }) => sources.map(({ topic }) => topic)))],
        tasks: [...this.#plans.keys()],
        partitionsOf: (task) => partitionsOf(this.#plans.get(task)),
      },
      options,
      ports,
      {
        active: () => [...this.#tasks.keys()],
        beforeRejoin: async () => {
          await atMost(ports.clock, FLUSH_MS, Promise.all([...this.#tasks.values()].map((task) => task.flush())))
        },
        assigned: (tasks, generation) => {
          this.#assigned(tasks, generation)
        },
        failed: (error) => {
          logger.warn({ code: error.code, error: error.message }, 'the worker cannot go on: it stops')
          void this.#close(error)
        },
        memberId: (id) => {
          stores.writeNote(MEMBER_ID_NOTE, id)
        },
      },
    )
    this.#membership.start()
    this.#refreshLater()
    logger.info({ worker: options.name, group: names.group, tasks: this.#plans.size }, 'worker started')
  }

  #assigned(ids: readonly string[], generation: number): void {
    const { logger } = this.ports
    const environment = this.#environment
    if (environment === undefined || this.#closing !== undefined) return
    const wanted = new Set(ids)
    const gone = [...this.#tasks.values()].filter(({ id }) => !wanted.has(id))
    const come = ids.filter((id) => !this.#tasks.has(id))
    logger.info({ generation, active: ids, gained: come, lost: gone.map(({ id }) => id) }, 'tasks assigned')
    for (const task of gone) {
      this.#tasks.delete(task.id)
      this.#ready.delete(task)
      this.#leaving.set(task.id, task.close({ commit: false }))
    }
    for (const id of come) {
      const plan = this.#plans.get(id)
      if (plan === undefined) {
        logger.warn(
          { task: id },
          'the leader gave this worker a task that it does not know: do all workers run the same version?',
        )
        continue
      }
      const task = new Task(plan, environment)
      this.#tasks.set(id, task)
      void this.#startWhenLeft(task)
    }
  }

  /** Tasks that were closed, until their stores are. */
  readonly #leaving = new Map<string, Promise<void>>()

  /** A task that comes back opens its store only when its former life has closed it. */
  async #startWhenLeft(task: Task): Promise<void> {
    await this.#leaving.get(task.id)
    this.#leaving.delete(task.id)
    if (this.#tasks.get(task.id) === task && this.#closing === undefined) task.start()
  }

  #refreshLater(): void {
    this.#refreshTimer = this.ports.clock.after(REFRESH_MS, () => {
      for (const task of this.#tasks.values()) task.refresh()
      this.#refreshLater()
    })
  }

  #runSoon(task: Task): void {
    if (this.#tasks.get(task.id) !== task) return
    this.#ready.add(task)
    if (this.#pumping) return
    this.#pumping = true
    this.ports.clock.soon(() => {
      this.#pump()
    })
  }

  #pump(): void {
    const { clock } = this.ports
    const deadline = clock.monotonic() + PUMP_MS
    for (const task of this.#ready) {
      this.#ready.delete(task)
      const now = clock.monotonic()
      if (task.run(Math.min(deadline, now + SLICE_MS))) this.#ready.add(task)
      if (clock.monotonic() >= deadline) break
    }
    if (this.#ready.size === 0) {
      this.#pumping = false
      return
    }
    clock.soon(() => {
      this.#pump()
    })
  }

  #close(error: PotorooError | undefined): Promise<void> {
    this.#closing ??= this.#closeAll(error)
    return this.#closing
  }

  async #closeAll(error: PotorooError | undefined): Promise<void> {
    const { logger, log, stores } = this.ports
    this.#refreshTimer?.cancel()
    // What was processed before the failure is committed all the same: it is right.
    await Promise.all([...this.#tasks.values()].map((task) => task.close({ commit: true })))
    await Promise.all(this.#leaving.values())
    await this.#membership?.leave()
    const failures: unknown[] = []
    for (const close of [() => this.#fetcher?.close(), () => log.close(), () => stores.close()])
      await Promise.resolve(close()).catch((failure: unknown) => failures.push(failure))
    for (const failure of failures) logger.warn({ error: messageOf(failure) }, 'closing')
    if (error === undefined) {
      logger.info({ worker: this.options.name }, 'worker stopped')
      this.#end.resolve()
    } else {
      // The last line that a worker logs says why it stopped.
      logger.error(
        { worker: this.options.name, code: error.code, cure: error.cure, error: error.message },
        'worker stopped by an error',
      )
      this.#end.reject(error)
    }
  }
}

const partitionsOf = (plan: TaskPlan | undefined): { topic: string; partition: number }[] =>
  plan === undefined
    ? []
    : [...plan.sources, ...(plan.changelog ? [plan.changelog] : [])].map(({ topic }) => ({
        topic,
        partition: plan.partition,
      }))
