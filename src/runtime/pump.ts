/**
 * Gives the tasks of a worker time to run, in turns, and lets IO have its turn between them.
 *
 * Invariants
 * 1. After so long, IO gets its turn, so that heartbeats and answers are not kept waiting.
 * 2. A message that may take long begins only when nothing else of the worker is under way: while it is computed, the worker
 *    answers nothing, so a transaction that is open by then may time out, and a group that it is joining may go on without it.
 *    It is committed before the next one begins.
 * 3. Tasks with slow messages take turns, one message each.
 */
import type { Clock } from '../ports/clock.js'
import type { Watchdog } from '../ports/watchdog.js'
import { atMost } from './options.js'

/** The pump's view of a task. */
export interface Pumped {
  readonly id: string
  /** Whether its messages may take long: then each starts alone. */
  readonly isSlow: boolean
  /** Processes until the deadline, on the monotonic clock; returns whether there is more. */
  run(deadlineMs: number): boolean
  /** Its work was ended from outside. */
  cutOff(): void
  /** Resolves when it has nothing in progress that may time out. Never rejects. */
  settle(): Promise<void>
}

/** Tasks run this long before IO gets its turn. */
const PUMP_MS = 10
const SLICE_MS = 5
/** How long to wait for work in progress before a message that may take long. */
const SETTLE_MS = 3000

export class Pump {
  #ready = new Set<Pumped>()
  #pumping = false
  /** Whose turn it is. */
  #running: Pumped | undefined
  /** Those with slow messages take turns, one message each. */
  #slowTurns: Promise<void> = Promise.resolve()
  readonly #waitingForTurn = new Set<Pumped>()
  /** The task whose slow message comes next: the others' work in progress is ending, or has ended. */
  #settledFor: Pumped | undefined

  constructor(
    /** Those of the worker, now, by id. */
    private readonly tasks: ReadonlyMap<string, Pumped>,
    private readonly clock: Clock,
    private readonly watchdog: Watchdog,
    private readonly maxComputationMs: number,
    /** Resolves when the group has confirmed the worker's membership, after all joins under way. */
    private readonly confirmed: () => Promise<void>,
  ) {}

  /** The task has something to do. */
  runSoon(task: Pumped): void {
    if (this.tasks.get(task.id) !== task) return
    this.#ready.add(task)
    if (this.#pumping) return
    this.#pumpOn()
  }

  /** The task no longer belongs to the worker. */
  forget(task: Pumped): void {
    this.#ready.delete(task)
    if (this.#settledFor === task) this.#settledFor = undefined
  }

  #pumpSoon(): void {
    this.watchdog.run(
      () => {
        this.#pump()
      },
      () => {
        this.#cutOff()
      },
    )
  }

  #pump(): void {
    const { clock } = this
    const deadline = clock.monotonic() + PUMP_MS
    for (const task of this.#ready) {
      // While the event loop is about to be blocked, no task starts anything.
      if (this.#settledFor !== undefined && this.#settledFor !== task) continue
      this.#ready.delete(task)
      if (task.isSlow && this.#settledFor !== task) {
        this.#takeSlowTurn(task)
        continue
      }
      this.#settledFor = undefined
      const now = clock.monotonic()
      this.#running = task
      const hasMore = task.run(Math.min(deadline, now + SLICE_MS))
      this.#running = undefined
      if (hasMore) this.#ready.add(task)
      if (clock.monotonic() >= deadline) break
    }
    this.#pumpOn()
  }

  #pumpOn(): void {
    const isHeld = this.#settledFor !== undefined && !this.#ready.has(this.#settledFor)
    this.#pumping = this.#ready.size > 0 && !isHeld
    if (this.#pumping) this.#pumpSoon()
  }

  /** The watchdog ended the pump's current work, which did not return. */
  #cutOff(): void {
    const task = this.#running
    this.#running = undefined
    task?.cutOff()
    this.#pumpOn()
  }

  /** Invariant 2 */
  #takeSlowTurn(task: Pumped): void {
    if (this.#waitingForTurn.has(task)) return
    this.#waitingForTurn.add(task)
    this.#slowTurns = this.#slowTurns.then(async () => {
      await this.#settle()
      this.#waitingForTurn.delete(task)
      if (this.tasks.get(task.id) !== task) return
      this.#settledFor = task
      const settling = [...this.tasks.values()].map((one) => one.settle())
      await atMost(this.clock, SETTLE_MS, Promise.all(settling))
      // Unless it moved to another worker meanwhile.
      if (this.#isSettledFor(task)) this.#ready = new Set([task, ...this.#ready])
      if (!this.#pumping) this.#pumpOn()
    })
  }

  // A method, so that the compiler forgets what it knew before an await.
  #isSettledFor(task: Pumped): boolean {
    return this.#settledFor === task
  }

  /** Resolves when the group has confirmed its membership; or when it takes too long. */
  async #settle(): Promise<void> {
    await atMost(this.clock, Math.max(SETTLE_MS, this.maxComputationMs), this.confirmed())
  }
}
