/**
 * Virtual time. Everything that happens in a simulated world is an event with a time; events happen one after another,
 * and time is that of the event. Nothing waits for real time, and the same calls give the same run, to the letter.
 *
 * Invariants
 * 1. Events happen in the order of their times, and events of one time in the order in which they were scheduled.
 * 2. Between two events all promises are drained: whatever an event sets going runs until it waits for another event.
 * 3. An event that belongs to a process happens only while that process lives; while it is paused, its events wait for
 *    it, in their order. So nothing of a killed process runs any more, as after SIGKILL.
 * 4. While a process computes, its time goes on and its events wait; what it begins in that event, it begins when it has
 *    computed. Another thread of it continues meanwhile.
 */
import { PotorooError } from '../errors.js'
import type { Clock, Timer } from '../ports/clock.js'

interface Event {
  readonly atMs: number
  readonly order: number
  readonly owner: SimulatedProcess | undefined
  call: (() => void) | undefined
}

export interface SchedulerOptions {
  /** The wall clock at the beginning, ms since the epoch. */
  readonly startMs?: number
}

/** 2024-01-01T00:00:00Z: any fixed time does. */
const DEFAULT_START_MS = 1_704_067_200_000
/** How much time a turn for waiting IO takes. Not 0, else a process that does nothing but take turns would stop time. */
const SOON_MS = 0.01

export class Scheduler {
  readonly startMs: number
  readonly #queue: Event[] = []
  #elapsedMs = 0
  #skippedMs = 0
  #order = 0
  #happened = 0
  #running = false

  constructor(options: SchedulerOptions = {}) {
    this.startMs = options.startMs ?? DEFAULT_START_MS
  }

  /** ms since the beginning. */
  get elapsedMs(): number {
    return this.#elapsedMs
  }

  /** Wall clock, ms since the epoch. */
  get nowMs(): number {
    return this.startMs + this.#elapsedMs + this.#skippedMs
  }

  /** How many events have happened. */
  get happened(): number {
    return this.#happened
  }

  /** Schedules an event of a process, or of the world around the processes. */
  after(owner: SimulatedProcess | undefined, ms: number, call: () => void): Timer {
    const event: Event = { atMs: this.#elapsedMs + Math.max(0, ms), order: this.#order++, owner, call }
    this.#push(event)
    return {
      cancel: () => {
        event.call = undefined
      },
    }
  }

  process(name: string): SimulatedProcess {
    return new SimulatedProcess(this, name)
  }

  /**
   * Lets the world run until the promise is settled. Rejects with INTERNAL when it can't be any more, because nothing is
   * scheduled, or when `limitMs` of virtual time have gone by.
   */
  async run<T>(promise: Promise<T>, limitMs = 3_600_000): Promise<T> {
    let settled = false
    const settle = (): void => {
      settled = true
    }
    promise.then(settle, settle)
    const untilMs = this.#elapsedMs + limitMs
    const ended = await this.#happen(untilMs, () => settled)
    if (!ended) {
      const why = this.#queue.length === 0 ? 'nothing is scheduled any more' : `${String(limitMs)} ms went by`
      throw new PotorooError(
        'INTERNAL',
        `The simulated world stands still: ${why}, and what was waited for is not there`,
      )
    }
    return promise
  }

  /** Lets the world run until the condition holds, which is looked at after every event; else as `run`. */
  async until(condition: () => boolean, limitMs = 3_600_000): Promise<void> {
    if (await this.#happen(this.#elapsedMs + limitMs, condition)) return
    throw new PotorooError(
      'INTERNAL',
      `The simulated world went on for ${String(limitMs)} ms without what was waited for`,
    )
  }

  /** Lets the world run for that long. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#elapsedMs + ms
    await this.#happen(untilMs, () => false)
    this.#elapsedMs = Math.max(this.#elapsedMs, untilMs)
  }

  /** Sets every wall clock forward. Nothing else happens by it: what was to happen in some time happens in that time. */
  skip(ms: number): void {
    this.#skippedMs += ms
  }

  /** True when `enough` held; false when no event is left up to that time. */
  async #happen(untilMs: number, enough: () => boolean): Promise<boolean> {
    if (this.#running)
      throw new PotorooError('INTERNAL', 'The simulated world runs already: await what was begun first')
    this.#running = true
    try {
      await drained()
      while (!enough()) {
        const event = this.#queue[0]
        if (event === undefined || event.atMs > untilMs) return false
        this.#pop()
        const { call, owner } = event
        if (call === undefined || owner?.takes(event) === false) continue
        this.#elapsedMs = Math.max(this.#elapsedMs, event.atMs)
        this.#happened++
        call()
        await drained()
      }
      return true
    } finally {
      this.#running = false
    }
  }

  // A binary heap by (atMs, order).
  #push(event: Event): void {
    const queue = this.#queue
    let at = queue.length
    queue.push(event)
    while (at > 0) {
      const parentAt = (at - 1) >> 1
      const parent = queue[parentAt]
      if (parent === undefined || before(parent, event)) break
      queue[at] = parent
      at = parentAt
    }
    queue[at] = event
  }

  #pop(): void {
    const queue = this.#queue
    const last = queue.pop()
    if (last === undefined || queue.length === 0) return
    let at = 0
    for (;;) {
      let childAt = 2 * at + 1
      let child = queue[childAt]
      if (child === undefined) break
      const right = queue[childAt + 1]
      if (right !== undefined && before(right, child)) {
        child = right
        childAt++
      }
      if (before(last, child)) break
      queue[at] = child
      at = childAt
    }
    queue[at] = last
  }
}

const before = (a: Event, b: Event): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)

/** Kept, for a test runner's fake timers take the global one's place. */
const realSetImmediate = setImmediate

/** Node runs every microtask and every tick before an immediate. */
const drained = (): Promise<void> =>
  new Promise((resolve) => {
    realSetImmediate(resolve)
  })

/** A process of the simulated world: its clock, and its life. */
export class SimulatedProcess {
  readonly clock: Clock
  #state: 'alive' | 'paused' | 'dead' = 'alive'
  #held: (() => void)[] = []
  #offWallMs = 0
  #computesUntilMs = 0
  readonly #threads = new Set<SimulatedProcess>()
  readonly #onDeath = new Set<() => void>()

  constructor(
    private readonly scheduler: Scheduler,
    readonly name: string,
  ) {
    this.clock = {
      now: () => Math.floor(scheduler.nowMs + this.aheadMs + this.#offWallMs),
      monotonic: () => scheduler.elapsedMs + this.aheadMs,
      after: (ms, call) => (this.#state === 'dead' ? DEAD_TIMER : scheduler.after(this, this.aheadMs + ms, call)),
      soon: (call) => {
        if (this.#state !== 'dead') scheduler.after(this, this.aheadMs + SOON_MS, call)
      },
    }
  }

  /** How far its time is ahead of the world's, because it computes: what it sends now leaves so much later. */
  get aheadMs(): number {
    return Math.max(0, this.#computesUntilMs - this.scheduler.elapsedMs)
  }

  /** Called within an event of this process: it takes that long (invariant 4). */
  compute(ms: number): void {
    this.#computesUntilMs = this.scheduler.elapsedMs + this.aheadMs + ms
    this.scheduler.after(undefined, this.aheadMs, () => {
      if (this.aheadMs === 0) this.#letGo()
    })
  }

  /** Another thread of the process: lives, stands still and ends with it, and continues while this one computes. */
  thread(): SimulatedProcess {
    const thread = new SimulatedProcess(this.scheduler, this.name)
    thread.#state = this.#state
    this.#threads.add(thread)
    return thread
  }

  get alive(): boolean {
    return this.#state !== 'dead'
  }

  get paused(): boolean {
    return this.#state === 'paused'
  }

  /** As SIGKILL: nothing of it runs any more. What it sent is under way still. */
  kill(): void {
    if (this.#state === 'dead') return
    this.#state = 'dead'
    this.#held = []
    for (const thread of this.#threads) thread.kill()
    for (const call of [...this.#onDeath]) call()
    this.#onDeath.clear()
  }

  /** Calls when the process is killed, for what the world around it notices; until rolled back by the function returned. */
  onDeath(call: () => void): () => void {
    this.#onDeath.add(call)
    return () => {
      this.#onDeath.delete(call)
    }
  }

  /** As SIGSTOP. */
  pause(): void {
    if (this.#state === 'alive') this.#state = 'paused'
    for (const thread of this.#threads) thread.pause()
  }

  /** As SIGCONT: what came meanwhile happens now. */
  resume(): void {
    if (this.#state !== 'paused') return
    this.#state = 'alive'
    for (const thread of this.#threads) thread.resume()
    if (this.aheadMs === 0) this.#letGo()
  }

  #letGo(): void {
    if (this.#state !== 'alive') return
    const held = this.#held
    this.#held = []
    for (const call of held) this.scheduler.after(this, 0, call)
  }

  /** Sets this process's wall clock off that of the world. */
  setWallClockOff(ms: number): void {
    this.#offWallMs = ms
  }

  /** The scheduler asks before an event of this process happens. */
  takes(event: { readonly call: (() => void) | undefined }): boolean {
    if (this.#state === 'alive' && this.aheadMs === 0) return true
    if (this.#state !== 'dead') this.#held.push(() => event.call?.())
    return false
  }
}

const DEAD_TIMER: Timer = { cancel: () => undefined }
