/**
 * Keeps a number of worker processes alive. What it knows of the world is a way to start one and a clock, so that all of
 * it can be tried without a process.
 *
 * Invariants
 * 1. A worker that ended without having been told to is started again, after a pause that doubles with every death in a
 *    row. Ending with 0 is no exception: somebody stopped that process, nobody stopped the supervisor.
 * 2. A worker whose exit code says that it would only end so again is not started again: the command line is wrong, a
 *    computation failed under `onError: 'stop'`, or an operator must decide about positions. All workers have the same
 *    command line, application and input, and the tasks of this one go to the others: so these are stopped, too, and the
 *    supervisor ends with that code, for who supervises it to see.
 * 3. Brokers and the state directory are taken for wrong only where a worker's very first start fails over them. Once it
 *    has run they are taken for away, and waited for.
 * 4. Topics don't go away by themselves: brokers have answered that they don't fit. Where that stopped a worker that ran
 *    (partitions were added to a source), one more start tells whether the application fits them as they are now; without
 *    state it does. A start that fails over topics, or a second end of that kind within a minute, is as in 2.
 * 5. After a stop nothing is started. The supervisor ends when all its workers have, with the worst of their codes.
 */
import { exitCodes } from '../errors.js'
import type { Clock, Timer } from '../ports/clock.js'
import type { Logger } from '../ports/logger.js'

const FIRST_PAUSE_MS = 200
const LONGEST_PAUSE_MS = 10_000
/** A worker that lived for so long was well: its next death is the first in a row again. */
const HEALTHY_MS = 60_000

export interface Exit {
  /** Null after a signal, or when there never was a process. */
  readonly code: number | null
  readonly signal: string | null
  /** Why there never was a process. */
  readonly error?: string
}

/** One life of a worker, and what went before it. */
export interface Life {
  /** Whether the worker had started, in this life or one before: topics, broker and state directory were fit once. */
  readonly hasStarted: boolean
  /** Whether it had in this one. */
  readonly startedNow: boolean
  /** How the life before this one ended; null after a signal, undefined when there was none. */
  readonly codeBefore: number | null | undefined
  /** How many lives there were before this one. */
  readonly before: number
  /** How many of them ended in a row, since one last lived long enough. */
  readonly deathsInARow: number
  readonly livedMs: number
}

export type Decision = { readonly restartInMs: number; readonly deathsInARow: number } | { readonly endWith: number }

const neverRestarted: ReadonlySet<number> = new Set([exitCodes.usage, exitCodes.stoppedByOnError, exitCodes.positions])
const cannotStart: ReadonlySet<number> = new Set([exitCodes.broker, exitCodes.state])

/** What becomes of a worker that ended while nobody had stopped the supervisor. */
export function afterDeath({ code }: Exit, life: Life): Decision {
  const { hasStarted, startedNow, before, deathsInARow, codeBefore, livedMs } = life
  const healthy = livedMs >= HEALTHY_MS
  if (code !== null && neverRestarted.has(code)) return { endWith: code }
  if (code !== null && cannotStart.has(code) && before === 0 && !hasStarted) return { endWith: code }
  if (code === exitCodes.topics && (!startedNow || (codeBefore === code && !healthy))) return { endWith: code }
  const deaths = healthy ? 0 : deathsInARow
  return { restartInMs: Math.min(FIRST_PAUSE_MS * 2 ** deaths, LONGEST_PAUSE_MS), deathsInARow: deaths + 1 }
}

/** The code of a worker that was told to stop. One that SIGTERM found before it could listen had not begun anything. */
const codeAfterStop = ({ code, signal }: Exit): number =>
  code ?? (signal === 'SIGTERM' || signal === 'SIGINT' ? exitCodes.ok : exitCodes.failure)

/** A code that forbids a restart goes before all others, so that it is not hidden from who supervises the supervisor. */
export const worseOf = (a: number, b: number): number => (rank(a) >= rank(b) ? a : b)
const rank = (code: number): number => (neverRestarted.has(code) ? 1000 : 0) + code

export interface WorkerProcess {
  /** Undefined when there is no process. */
  readonly pid: number | undefined
  signal(name: 'SIGTERM' | 'SIGKILL'): void
}

/** Called later, never within the start itself. */
export interface WorkerEvents {
  /** It has checked its topics and is joining the group, under this name. */
  started(name: string): void
  /** The process is gone, and all that it had written was passed on. */
  ended(exit: Exit): void
}

export type StartWorker = (worker: number, events: WorkerEvents) => WorkerProcess

interface Worker {
  /** From 1. */
  readonly number: number
  name: string
  state: 'running' | 'pausing' | 'ended'
  process: WorkerProcess | undefined
  pause: Timer | undefined
  begunMs: number
  hasStarted: boolean
  startedNow: boolean
  codeBefore: number | null | undefined
  before: number
  deathsInARow: number
}

export interface SupervisorPorts {
  readonly start: StartWorker
  readonly clock: Clock
  readonly logger: Logger
}

export class Supervisor {
  readonly #workers: readonly Worker[]
  #stopping = false
  #killed = false
  #code: number = exitCodes.ok
  #done: (code: number) => void = () => undefined

  /** One worker for each name; names are for log lines until a worker says its own. */
  constructor(
    names: readonly string[],
    private readonly ports: SupervisorPorts,
  ) {
    this.#workers = names.map((name, i) => ({
      number: i + 1,
      name,
      state: 'ended',
      process: undefined,
      pause: undefined,
      begunMs: 0,
      hasStarted: false,
      startedNow: false,
      codeBefore: undefined,
      before: 0,
      deathsInARow: 0,
    }))
  }

  /** To be called once. Resolves with the exit code when all workers have ended for good. */
  run(): Promise<number> {
    const done = new Promise<number>((resolve) => (this.#done = resolve))
    if (!this.#stopping) for (const worker of this.#workers) this.#start(worker)
    this.#endWhenAllHave()
    return done
  }

  /** SIGTERM to all. */
  stop(): void {
    if (this.#stopping) return
    this.#stopping = true
    this.ports.logger.info({ workers: this.#running().map(({ name }) => name) }, 'stopping all workers')
    for (const worker of this.#workers) {
      worker.process?.signal('SIGTERM')
      worker.pause?.cancel()
      if (worker.state === 'pausing') worker.state = 'ended'
    }
    this.#endWhenAllHave()
  }

  /** SIGKILL to all: for when a stop takes too long. Nothing is lost; their tasks wait for the group to notice. */
  kill(): void {
    this.#killed = true
    this.stop()
    const running = this.#running()
    if (running.length === 0) return
    this.ports.logger.warn({ workers: running.map(({ name }) => name) }, 'killing the workers that have not stopped')
    for (const { process } of running) process?.signal('SIGKILL')
  }

  #start(worker: Worker): void {
    worker.state = 'running'
    worker.pause = undefined
    worker.startedNow = false
    worker.begunMs = this.ports.clock.monotonic()
    worker.process = this.ports.start(worker.number, {
      started: (name) => {
        worker.name = name
        worker.hasStarted = true
        worker.startedNow = true
      },
      ended: (exit) => {
        this.#ended(worker, exit)
      },
    })
    const { pid } = worker.process
    if (pid !== undefined)
      this.ports.logger.info(
        { worker: worker.name, workerPid: pid, starts: worker.before + 1 },
        'worker process started',
      )
  }

  #ended(worker: Worker, exit: Exit): void {
    const { clock, logger } = this.ports
    const what = { worker: worker.name, workerPid: worker.process?.pid, ...howItEnded(exit) }
    worker.process = undefined
    worker.state = 'ended'
    if (this.#stopping) {
      this.#code = worseOf(this.#code, this.#killed ? exitCodes.failure : codeAfterStop(exit))
      logger.info(what, 'worker process ended')
      this.#endWhenAllHave()
      return
    }
    const decision = afterDeath(exit, { ...worker, livedMs: clock.monotonic() - worker.begunMs })
    worker.before += 1
    worker.codeBefore = exit.code
    if ('endWith' in decision) {
      this.#code = decision.endWith
      logger.error(what, 'worker ended in a way that a restart does not fix: it is not restarted')
      this.stop()
      return
    }
    worker.deathsInARow = decision.deathsInARow
    worker.state = 'pausing'
    worker.pause = clock.after(decision.restartInMs, () => {
      this.#start(worker)
    })
    logger.warn({ ...what, restartInMs: decision.restartInMs }, 'worker died: restarting it')
  }

  #running(): readonly Worker[] {
    return this.#workers.filter(({ state }) => state === 'running')
  }

  #endWhenAllHave(): void {
    if (this.#stopping && this.#workers.every(({ state }) => state === 'ended')) this.#done(this.#code)
  }
}

const howItEnded = ({ code, signal, error }: Exit): object =>
  error === undefined ? (signal === null ? { exitCode: code } : { signal }) : { error }
