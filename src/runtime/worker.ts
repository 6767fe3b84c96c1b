/**
 * A worker: one member of the consumer group, and the tasks that the group gives it. Tasks restore, commit, fail and
 * move each alone; the worker starts and closes them as assignments come. The pump gives them time to run.
 */
import type { ApplicationDefinition, StateDefinition } from '../api/definition.js'
import type { Queries } from '../api/queries.js'
import { CommitPhase } from '../core/commit/commit-phase.js'
import { topologyOf, namesOf } from '../core/plan/topology.js'
import { answeredBy, type Question, type TaskAnswer } from '../core/query/question.js'
import type { WorkerStatus } from '../core/group/worker-status.js'
import { messageOf, PotorooError } from '../errors.js'
import type { Timer } from '../ports/clock.js'
import type { NotReady, Readiness, WorkerFigures } from '../ports/figures.js'
import type { Fetcher } from '../ports/log.js'
import { knownIn, type TaskPlan } from './task-plan.js'
import type { TaskAssignment } from '../core/group/group-metadata.js'
import { unfailing } from '../ports/logger.js'
import { allOf } from '../ports/observer.js'
import type { Peer } from '../ports/peers.js'
import type { QueryService } from '../ports/queries.js'
import { unwatched, type Watchdog } from '../ports/watchdog.js'
import { openCodecs } from './codecs.js'
import { Lately } from './lately.js'
import { logObserver } from './log-lines.js'
import { Broadcasts } from './broadcasts.js'
import { GroupMembership } from './membership.js'
import { PeerClocks } from './peer-clocks.js'
import { Pump } from './pump.js'
import { Purge } from './purge.js'
import { Standby } from './standby.js'
import type { StoreHolder } from './task-store.js'
import {
  atMost,
  MAX_INPUT_BYTES,
  MIN_INPUT_BYTES,
  sleep,
  type ObservedPorts,
  type Ports,
  type RuntimeOptions,
} from './options.js'
import { RecordTime } from './record-time.js'
import { CallTask } from './call-task.js'
import { Task, type TaskEnvironment } from './task.js'
import { planTasks } from './topics.js'
import { TopicsWatch } from './topics-watch.js'
import { StateQueries } from './queries/state-queries.js'
import { QueryRouter } from './queries/router.js'
import { NOT_HERE } from './queries/stored.js'

const FLUSH_MS = 500
const REFRESH_MS = 600_000
const REJOIN_DELAY_MS = 100
/** Before a worker makes the group rebalance, it waits so long for the others to know which tasks they have now. */
const OTHERS_KNOW_MS = 1000
const ASK_AGAIN_MS = 20
/** An owner that the group has confirmed so short ago answers without a proof. */
const OWNER_MS = 1000
const MEMBER_ID_NOTE = 'member-id'

export class Worker {
  private readonly ports: ObservedPorts
  /** Resolves when the worker has stopped because it was told to; rejects with what stopped it otherwise. */
  readonly ended: Promise<void>

  readonly #tasks = new Map<string, Task | CallTask>()
  /** Shares of the memory: of each input, and of each task's state objects. */
  #inputBytes = 0
  #stateBytes = 0
  #unstoredBytes = 0
  readonly #holders = new WeakMap<Task | CallTask, StoreHolder>()
  readonly #watchdog: Watchdog
  readonly #pump: Pump
  #starting: Promise<void> | undefined
  readonly #startAbort = new AbortController()
  readonly #phase = new CommitPhase()
  #plans: ReadonlyMap<string, TaskPlan> = new Map()
  #fetcher: Fetcher | undefined
  #broadcasts: Broadcasts | undefined
  #membership: GroupMembership | undefined
  #environment: TaskEnvironment | undefined
  #queries: QueryRouter | undefined
  /** Slices of scans, one after another. */
  #scanning: Promise<unknown> = Promise.resolve()
  #stopping: Promise<void> | undefined
  #closing: Promise<void> | undefined
  #refreshTimer: Timer | undefined
  #topicsWatch: TopicsWatch | undefined
  /** Undefined where nothing goes by the clock. */
  #clocks: PeerClocks | undefined
  readonly #purge: Purge
  #rejoinTimer: Timer | undefined
  readonly #standbys = new Map<string, Standby>()
  /** By task: what is being opened or closed, one after another. */
  readonly #transitions = new Map<string, Promise<void>>()
  #others: readonly Peer[] = []
  #everybodyLeaves = false
  readonly #lately = new Lately(() => this.ports.clock.monotonic())
  /** While this worker stops: called when an assignment has come. */
  #handedOver: (() => void) | undefined
  #end!: { resolve: () => void; reject: (error: PotorooError) => void }

  constructor(
    private readonly application: ApplicationDefinition,
    private readonly options: RuntimeOptions,
    { logger, observers = [], ...ports }: Ports,
  ) {
    this.ports = { ...ports, observer: allOf([logObserver(unfailing(logger)), this.#lately, ...observers]) }
    this.#watchdog = ports.watchdog ?? unwatched(ports.clock)
    this.#purge = new Purge(this.ports, options.purge)
    this.#pump = new Pump(this.#tasks, ports.clock, this.#watchdog, options.maxComputationMs, () => {
      return this.#membership?.confirmed() ?? Promise.resolve()
    })
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

  /** Whether it is in its group, and all tasks that it has are running. */
  get readiness(): Readiness {
    const membership = this.#membership
    const no = (reason: NotReady, tasks: readonly string[] = []): Readiness => ({ ready: false, reason, tasks })
    if (this.#stopping !== undefined || this.#isClosing()) return no('stopping')
    if (membership === undefined) return no('starting')
    if (membership.isUnreachable) return no('group unreachable')
    if (!membership.isMember) return no('joining')
    const waiting = [...this.#tasks.values()].filter(({ state }) => state !== 'running')
    if (waiting.length === 0) return { ready: true }
    const ids = waiting.map(({ id }) => id)
    return no(waiting.every(({ isOutdated }) => isOutdated) ? 'outdated' : 'restoring', ids)
  }

  figures(): WorkerFigures {
    const plans = [...this.#plans.values()]
    return {
      subTopologies: [...new Set(plans.map(({ processor }) => processor.subTopology.name))],
      tasks: [...this.#tasks.values()].map((task) => task.figures()),
      standbys: [...this.#standbys.values()].map(({ id: task, lag, plan }) => ({
        task,
        subTopology: plan.processor.subTopology.name,
        lag: Number.isFinite(lag) ? lag : undefined,
      })),
    }
  }

  /**
   * Checks everything that can be checked, and joins the group. Rejects with what is wrong; the worker is closed then.
   * Resolves, too, where the worker was told to stop meanwhile.
   */
  async start(): Promise<void> {
    this.#starting = this.#start()
    try {
      await this.#starting
    } catch (error) {
      const wasTold = this.#isClosing()
      await this.#close(undefined)
      if (!wasTold) throw error
    }
  }

  /** Hands over, commits, leaves the group, closes everything; at any time, also while it starts. Never rejects; see `ended`. */
  stop(): Promise<void> {
    this.#stopping ??= this.#handOver().then(() => this.#close(undefined))
    return this.#stopping
  }

  /**
   * Goes on working until others are warm for this worker's tasks and the group has moved them. Bounded: without others,
   * or when they are too slow, whoever comes next restores from the changelog.
   */
  async #handOver(): Promise<void> {
    if (this.#closing !== undefined || this.#handedOver !== undefined) return
    if (this.#others.length === 0 || this.#tasks.size === 0) return
    this.ports.observer.observe({ kind: 'handing-over', tasks: [...this.#tasks.keys()] })
    const done = new Promise<void>((resolve) => {
      this.#handedOver = () => {
        if (this.#tasks.size === 0 || this.#others.length === 0 || this.#everybodyLeaves) resolve()
      }
    })
    await this.#othersKnow()
    this.#membership?.rejoin()
    const inTime = atMost(
      this.ports.clock,
      this.options.handOverTimeoutMs,
      done.then(() => true),
    )
    const ended = this.ended.then(
      () => true,
      () => true,
    )
    if ((await Promise.race([inTime, ended])) === undefined)
      this.ports.observer.observe({
        kind: 'handing-over-ended',
        tasks: [...this.#tasks.keys()],
        waitedMs: this.options.handOverTimeoutMs,
      })
    await this.#othersKnow()
  }

  /**
   * Resolves when the others have the assignment that this worker has, or soon after. When it leaves or joins again, the
   * group rebalances, and who has not fetched its assignment by then never gets it: its new tasks would stand still until
   * the next one.
   */
  async #othersKnow(): Promise<void> {
    const { clock, peers } = this.ports
    const generation = this.#membership?.generation ?? -1
    const asking = new AbortController()
    const knows = async (peer: Peer): Promise<void> => {
      for (;;) {
        const status = await peers.status(peer, asking.signal).catch(() => undefined)
        if (asking.signal.aborted || (status?.generation ?? -1) >= generation) return
        if (status === undefined) {
          // Who can't be asked mostly knows by then.
          await sleep(clock, this.options.heartbeatIntervalMs)
          return
        }
        await sleep(clock, ASK_AGAIN_MS)
      }
    }
    if (!this.#everybodyLeaves) await atMost(clock, OTHERS_KNOW_MS, Promise.all(this.#others.map(knows)))
    asking.abort()
  }

  /** Among the tasks that are here. */
  #shareMemory(): void {
    const { memoryBytes, bufferBytes, maxUnstoredBytes } = this.options
    const tasks = [...this.#tasks.values()]
    const inputs = tasks.reduce((n, { plan }) => n + plan.sources.length, 0)
    const share = bufferBytes / Math.max(1, inputs)
    this.#inputBytes = Math.min(MAX_INPUT_BYTES, Math.max(MIN_INPUT_BYTES, share))
    // What few inputs have no use for is the state objects'.
    const taken = Math.min(bufferBytes, inputs * this.#inputBytes)
    this.#stateBytes = (memoryBytes - taken) / Math.max(1, tasks.length)
    this.#unstoredBytes = maxUnstoredBytes / Math.max(1, tasks.length)
  }

  async #start(): Promise<void> {
    if (this.#isClosing()) return
    const { application, options, ports } = this
    const { log, stores, observer } = ports
    const topology = topologyOf(application)
    await log.connect()
    if (this.#isClosing()) return
    // Before anything is made in Kafka: a package may be missing, or a schema.
    await openCodecs(application, ports, this.#startAbort.signal)
    if (this.#isClosing()) return
    this.#plans = await planTasks(topology, ports, options, this.#startAbort.signal)
    if (this.#isClosing()) return
    if ([...this.#plans.values()].some(({ time }) => time !== undefined)) this.#clocks = new PeerClocks(ports)
    const fetcher = (this.#fetcher = log.fetcher())
    await this.#loadBroadcasts()
    if (this.#isClosing()) return
    this.#environment = {
      ...ports,
      fetcher,
      options,
      broadcasts: this.#broadcasts,
      recordTime: new RecordTime(ports),
      inputBytes: () => this.#inputBytes,
      stateBytes: () => this.#stateBytes,
      unstoredBytes: () => this.#unstoredBytes,
      backlogs: () => [...this.#tasks.values()].filter(({ isBacklogged }) => isBacklogged).length,
      confirmOwnership: () => this.#membership?.confirmed() ?? Promise.resolve(),
      tenure: () => this.#membership?.tenure ?? 0,
      fatal: (error, task) => {
        observer.observe({ kind: 'worker-stops', task, code: error.code, error: error.message })
        void this.#close(error)
      },
      ready: (task) => {
        this.#pump.runSoon(task)
      },
      isOverdue: () => this.#watchdog.isOverdue(),
      phase: this.#phase,
      clockLimitMs: () => this.#clocks?.limitMs ?? Infinity,
      acknowledged: (at) => {
        this.#purge.acknowledged(at)
      },
      handedOver: (handOff) => {
        this.#lately.handedOver(handOff)
      },
    }
    const names = namesOf(options.topicPrefix, application.name)
    const queries = this.#openQueries(names.group)
    const address = await ports.peers.listen({
      answer: (question) => this.#answer(question).then((answer) => answeredBy(options.name, answer)),
      queries,
      memberId: () => this.#membership?.memberId ?? '',
      snapshot: async (id) => (this.#hasState(id) ? stores.snapshot(id) : undefined),
      status: () => this.#status(),
    })
    if (this.#isClosing()) return
    const client = log.group(names.group)
    const former = stores.readNote(MEMBER_ID_NOTE)
    if (former !== undefined && former !== '') {
      // An earlier life on this state directory: without this, the group would wait for its session to time out.
      await client.leave(former).catch((error: unknown) => {
        observer.observe({ kind: 'former-member-stays', former, error: messageOf(error) })
      })
    }
    if (this.#isClosing()) {
      await client.close()
      return
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
        info: () => ({
          v: 1,
          worker: options.name,
          address,
          active: [...this.#tasks.keys()],
          standby: Object.fromEntries([...this.#standbys].map(([id, standby]) => [id, standby.report()])),
          leaving: this.#handedOver !== undefined,
          knows: knownIn(this.#plans.values()),
        }),
        beforeRejoin: async () => {
          await atMost(ports.clock, FLUSH_MS, Promise.all([...this.#tasks.values()].map((task) => task.flush())))
        },
        assigned: (assignment, generation) => {
          this.#assigned(assignment, generation)
        },
        failed: (error) => {
          observer.observe({ kind: 'worker-stops', code: error.code, error: error.message })
          void this.#close(error)
        },
        memberId: (id) => {
          stores.writeNote(MEMBER_ID_NOTE, id)
        },
      },
      this.#watchdog,
    )
    this.#membership.start()
    this.#refreshLater()
    this.#topicsWatch = new TopicsWatch(this.#plans, ports, this.#membership, (error) => {
      void this.#close(error)
    })
    observer.observe({ kind: 'worker-started', worker: options.name, group: names.group, tasks: this.#plans.size })
  }

  /** State objects of any key, once it has started; undefined before. */
  get queries(): QueryService | undefined {
    return this.#queries
  }

  /** Throws STATE_UNKNOWN. */
  query<S>(definition: StateDefinition): Queries<S> {
    return new StateQueries<S>(definition, () => this.#queries)
  }

  #openQueries(group: string): QueryService {
    const { clock, observer, log, peers } = this.ports
    this.#queries = new QueryRouter(this.#plans.values(), {
      ...{ clock, observer, log, peers, group },
      memberId: () => this.#membership?.memberId ?? '',
      answer: (question) => this.#answer(question).then((answer) => answeredBy(this.options.name, answer)),
    })
    return this.#queries
  }

  /** Of tasks that are here. Never rejects. */
  async #answer(question: Question): Promise<TaskAnswer> {
    const { clock } = this.ports
    if (question.kind === 'scan') {
      // One slice at a time, and what else is to be done in between.
      const before = this.#scanning
      const turn = before.then(
        () =>
          new Promise<void>((resolve) => {
            clock.soon(resolve)
          }),
      )
      this.#scanning = turn
      await turn
    }
    const id = this.#queries?.taskOf(question)
    if (id === undefined) return NOT_HERE
    const { consistency } = question
    const task = this.#tasks.get(id)
    if (task instanceof Task && task.state === 'running') {
      const maxAgeMs = consistency === 'committed' ? OWNER_MS : consistency === 'fenced' ? -1 : consistency
      const ageMs = clock.monotonic() - (this.#membership?.confirmedMs ?? -Infinity)
      return task.answer(question, ageMs > maxAgeMs)
    }
    if (typeof consistency !== 'number') return NOT_HERE
    return this.#standbys.get(id)?.answer(question, consistency) ?? NOT_HERE
  }

  /** Before the group gives this worker anything: what would wait for them goes on where it is. */
  async #loadBroadcasts(): Promise<void> {
    const plans = [...new Set([...this.#plans.values()].flatMap(({ broadcasts }) => broadcasts))]
    if (plans.length === 0) return
    const env = { ...this.ports, fetcher: this.ports.log.fetcher() }
    this.#broadcasts = new Broadcasts(plans, env, (error) => {
      this.ports.observer.observe({ kind: 'worker-stops', code: error.code, error: error.message })
      void this.#close(error)
    })
    await this.#broadcasts.load(this.#startAbort.signal)
  }

  /** Whether the task is active here and its store worth copying: one without a position says less than the changelog. */
  #hasState(id: string): boolean {
    const task = this.#tasks.get(id)
    return task?.state === 'running' && this.#holders.get(task)?.store?.meta() !== undefined
  }

  #hasStages(): boolean {
    return [...this.#plans.values()].some(({ processor }) => processor.subTopology.depth > 0)
  }

  #status(): WorkerStatus {
    return {
      v: 1,
      worker: this.options.name,
      memberId: this.#membership?.memberId ?? '',
      generation: this.#membership?.generation ?? -1,
      active: [...this.#tasks].map(([task, { state, time, held, calls }]) => {
        return { task, state, ...(time && { time }), ...(held && { held }), ...(calls && { calls }) }
      }),
      standby: [...this.#standbys].map(([task, { lag }]) => (Number.isFinite(lag) ? { task, lag } : { task })),
      ...(this.#broadcasts && { broadcasts: this.#broadcasts.status }),
      nowMs: this.ports.clock.now(),
      ...this.#lately.status,
    }
  }

  #assigned(
    { active, standby, peers, arrivals = [], everybodyLeaves = false }: TaskAssignment,
    generation: number,
  ): void {
    const { observer } = this.ports
    const environment = this.#environment
    if (environment === undefined || this.#closing !== undefined) return
    this.#topicsWatch?.assigned()
    this.#queries?.moved()
    const me = this.#membership?.memberId
    this.#others = peers.filter(({ memberId }) => memberId !== me)
    this.#everybodyLeaves = everybodyLeaves
    this.#clocks?.peersAre(this.#others)
    this.ports.peers.watch(this.#others, (peer) => {
      observer.observe({ kind: 'peer-gone', ...peer })
      void this.#membership?.bury(peer.memberId)
    })
    // Clocks are set; assignments are rare enough, and frequent enough.
    if (this.#hasStages()) this.#phase.align(this.ports.clock.now() - this.ports.clock.monotonic())
    const follows = new Map(standby.map((one) => [one.task, one]))
    const gained = active.filter((id) => !this.#tasks.has(id))
    const lost = [...this.#tasks.keys()].filter((id) => !active.includes(id))
    observer.observe({ kind: 'tasks-assigned', generation, active, standby: [...follows.keys()], gained, lost })
    for (const id of lost) {
      const task = this.#tasks.get(id)
      if (task === undefined) continue
      this.#tasks.delete(id)
      this.#shareMemory()
      this.#pump.forget(task)
      this.#afterwards(id, () => task.close({ commit: false }))
    }
    for (const [id, running] of this.#standbys)
      if (!follows.has(id) && !active.includes(id)) {
        this.#standbys.delete(id)
        this.#afterwards(id, () => running.close())
      }
    const reasons = new Map(arrivals.map(({ task, reason }) => [task, reason]))
    for (const id of gained) this.#gain(id, reasons.get(id), environment)
    for (const [id, { owner, awaited = true }] of follows) {
      this.#followTask(id, owner, environment)
      const following = this.#standbys.get(id)
      if (following !== undefined) following.awaited = awaited
    }
    this.#handedOver?.()
  }

  #gain(id: string, reason: string | undefined, environment: TaskEnvironment): void {
    const plan = this.#planOf(id)
    if (plan === undefined) return
    const standby = this.#standbys.get(id)
    this.#standbys.delete(id)
    const holder: StoreHolder = { store: undefined }
    const arrival = reason === undefined ? undefined : { reason }
    const { call } = plan.processor.subTopology
    const task =
      call === undefined
        ? new Task(plan, environment, holder, arrival)
        : new CallTask(plan, call, this.application.name, environment, arrival)
    this.#tasks.set(id, task)
    this.#shareMemory()
    this.#holders.set(task, holder)
    this.#afterwards(id, async () => {
      // What the standby has open the task goes on with.
      if (standby !== undefined) Object.assign(holder, await standby.release())
      if (this.#tasks.get(id) === task && this.#closing === undefined) task.start()
      else await task.close({ commit: false })
    })
  }

  #followTask(id: string, owner: string, environment: TaskEnvironment): void {
    const plan = this.#planOf(id)
    if (plan === undefined || this.#standbys.has(id) || this.#tasks.has(id)) return
    const peer = this.#others.find(({ memberId }) => memberId === owner)
    const standby = new Standby(
      plan,
      { ...environment, warmLag: this.options.warmLag, warm: () => this.#rejoinSoon() },
      peer,
    )
    this.#standbys.set(id, standby)
    this.#afterwards(id, () => {
      if (this.#standbys.get(id) === standby && this.#closing === undefined) standby.start()
      return Promise.resolve()
    })
  }

  #planOf(id: string): TaskPlan | undefined {
    const plan = this.#plans.get(id)
    if (plan === undefined) this.ports.observer.observe({ kind: 'unknown-task', task: id })
    return plan
  }

  /** One thing after another for each task: a store is opened only when whoever had it open has closed it. */
  #afterwards(id: string, work: () => Promise<void>): void {
    const next = (this.#transitions.get(id) ?? Promise.resolve()).then(work).catch((error: unknown) => {
      // What opens and closes says its failures itself: this is another. Later transitions of the task go on.
      const what = `opening or closing ${id}: ${messageOf(error)}`
      void this.#close(new PotorooError('INTERNAL', what, { cause: error }))
    })
    this.#transitions.set(id, next)
    void next.then(() => {
      if (this.#transitions.get(id) === next) this.#transitions.delete(id)
    })
  }

  /** Several standbys become warm at about the same time: one rebalance for all of them. */
  #rejoinSoon(): void {
    this.#rejoinTimer ??= this.ports.clock.after(REJOIN_DELAY_MS, () => {
      void this.#othersKnow().then(() => {
        this.#rejoinTimer = undefined
        // There may have been a rebalance in between.
        if ([...this.#standbys.values()].some(({ untold }) => untold)) this.#membership?.rejoin()
      })
    })
  }

  #refreshLater(): void {
    this.#refreshTimer = this.ports.clock.after(REFRESH_MS, () => {
      // Without the group's word the tasks may be others' since long, and their stores far from the end.
      void this.#membership?.confirmed().then(() => {
        if (this.#closing !== undefined) return
        for (const task of this.#tasks.values()) task.refresh()
        this.#refreshLater()
      })
    })
  }

  /** Never rejects: `ended` is settled, whatever fails on the way. */
  #close(error: PotorooError | undefined): Promise<void> {
    this.#closing ??= this.#closeAll(error).catch((failure: unknown) => {
      this.#end.reject(error ?? new PotorooError('INTERNAL', `closing: ${messageOf(failure)}`, { cause: failure }))
    })
    return this.#closing
  }

  // A method, for the compiler to forget what it knew before an await.
  #isClosing(): boolean {
    return this.#closing !== undefined
  }

  async #closeAll(error: PotorooError | undefined): Promise<void> {
    const { observer, log, stores, peers } = this.ports
    this.#refreshTimer?.cancel()
    this.#topicsWatch?.stop()
    this.#clocks?.stop()
    this.#queries?.close()
    this.#purge.stop()
    this.#rejoinTimer?.cancel()
    // A start that is under way waits for answers, and these for connections: they end first.
    this.#startAbort.abort()
    if (this.#membership === undefined) await log.close().catch(() => undefined)
    await this.#starting?.catch(() => undefined)
    // What was processed before the failure is committed all the same: it is right. But not to another changelog: it would
    // be taken for one that has all state objects.
    const commit = error?.code !== 'CHANGELOG_LOST'
    const failures: unknown[] = []
    const steps: readonly (() => Promise<unknown> | undefined)[] = [
      () => Promise.all([...this.#tasks.values()].map((task) => task.close({ commit }))),
      () => Promise.all(this.#transitions.values()),
      () => this.#membership?.leave(),
      () => Promise.all([...this.#standbys.values()].map((standby) => standby.close())),
      () => this.#watchdog.close(),
      () => peers.close(),
      () => this.#broadcasts?.close(),
      () => this.#fetcher?.close(),
      () => log.close(),
      () => stores.close(),
    ]
    for (const step of steps)
      try {
        await step()
      } catch (failure) {
        failures.push(failure)
      }
    for (const failure of failures) observer.observe({ kind: 'closing-failed', error: messageOf(failure) })
    if (error === undefined) {
      observer.observe({ kind: 'worker-stopped', worker: this.options.name })
      this.#end.resolve()
    } else {
      // The last line that a worker logs says why it stopped.
      const { code, cure, message } = error
      observer.observe({ kind: 'worker-failed', worker: this.options.name, code, cure, error: message })
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
