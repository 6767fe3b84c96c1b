/**
 * Brings time on while nothing comes: when what is due next would be due by the clock, the inputs that time waits for are looked
 * at once more, and if nothing is left in them, the clock moves time (core/processing/watermark.ts).
 *
 * Invariants
 * 1. A task that has nothing due looks at nothing; one that has, once it may be due by the clock, and after that no more often than
 *    its fetches come back by themselves.
 * 2. When an answer was asked for is never taken for later than it was: two fetches of an input may be under way, so it is the
 *    time of the last question but one.
 */
import type { Input } from '../../core/processing/input.js'
import type { Firings } from '../../core/processing/firings.js'
import type { Processor } from '../../core/processing/processor.js'
import { TickClock } from '../../core/processing/tick-clock.js'
import { WALL_PATIENCE_MS, type Watermark } from '../../core/processing/watermark.js'
import type { Clock, Timer } from '../../ports/clock.js'
import type { Fetcher } from '../../ports/log.js'

export interface TimekeeperEnvironment {
  readonly clock: Clock
  readonly fetcher: Pick<Fetcher, 'wake'>
  /** What the clock may be at most, by those of other workers; default: anything. */
  readonly clockLimitMs?: (() => number) | undefined
}

interface Current {
  readonly firings: Firings
  readonly time: Watermark
  readonly inputs: readonly Input[]
  /** By input, by the clock: the last question, and the one before; the question of the newest answer. */
  readonly asked: { lastMs: number; formerMs: number; answeredMs: number }[]
  /** By input: what is needed is an answer that was asked for then or later. -Infinity: nothing is. */
  needed: readonly number[]
  /** When time was last wanted without anything being due; -Infinity: it has come, or never was. */
  wantedMs: number
}

export class Timekeeper {
  readonly #clock = new TickClock()
  #current: Current | undefined
  #timer: Timer | undefined
  #looksAtMs = Infinity

  constructor(
    private readonly env: TimekeeperEnvironment,
    /** Time may have come on. */
    private readonly ready: () => void,
  ) {}

  /** What has no time needs no keeper. */
  begin({ firings, time }: Pick<Processor, 'firings' | 'time'>, inputs: readonly Input[]): void {
    if (firings === undefined || time === undefined) return
    const asked = inputs.map(() => ({ lastMs: -Infinity, formerMs: -Infinity, answeredMs: -Infinity }))
    this.#current = { firings, time, inputs, asked, needed: inputs.map(() => -Infinity), wantedMs: -Infinity }
  }

  end(): void {
    this.#current = undefined
    this.#cancelTimer()
  }

  /** The wall clock, as time may go by it. */
  readonly nowMs = (): number => {
    const { clock, clockLimitMs } = this.env
    const nowMs = this.#clock.read(clock.now(), clock.monotonic())
    return clockLimitMs === undefined ? nowMs : Math.min(nowMs, clockLimitMs())
  }

  /** An input is about to be asked for more. */
  asks(index: number): void {
    const asked = this.#current?.asked[index]
    if (asked === undefined) return
    asked.formerMs = asked.lastMs
    asked.lastMs = this.nowMs()
  }

  /**
   * An answer has come: when it was asked for, at the earliest. `mayLag`: it proves nothing, because its leader was elected a moment
   * ago; who waits for one that does has the leader asked (core/processing/election-proof.ts).
   */
  answered(index: number, mayLag = false): number {
    const asked = this.#current?.asked[index]
    if (asked === undefined) return -Infinity
    if (!mayLag) asked.answeredMs = Math.max(asked.answeredMs, asked.formerMs)
    return asked.formerMs
  }

  /** Whether the answer of that input is waited for, even if it is empty. */
  awaits(index: number): boolean {
    const current = this.#current
    return (
      current !== undefined && (current.needed[index] ?? -Infinity) > (current.asked[index]?.answeredMs ?? Infinity)
    )
  }

  /** Whether all inputs that the clock moves have shown what they had that many ms ago, or have something. */
  isAnswered(agoMs: number): boolean {
    const current = this.#current
    return current === undefined || this.#unanswered(current, this.nowMs() - agoMs).length === 0
  }

  /** Asks those that have not. `ready` is called when they answer. */
  askAgain(agoMs: number): void {
    const current = this.#current
    if (current !== undefined) current.wantedMs = this.nowMs() - agoMs
  }

  #unanswered({ time, inputs }: Current, atMs: number): readonly Input[] {
    const needed = time.wanted(atMs)
    return inputs.filter(({ hasHead, provenMs }, i) => !hasHead && provenMs < (needed[i] ?? -Infinity))
  }

  /** To be called when all is done that can be: looks when something may be due. */
  lookWhenDue(): void {
    const current = this.#current
    if (current === undefined) return
    const nowMs = this.nowMs()
    const goals = goalsOf(current)
    const reached = goals.filter((goal) => latestOf(goal) <= nowMs)
    current.needed = current.inputs.map(({ provenMs }, i) => {
      const neededMs = Math.max(-Infinity, ...reached.map((goal) => goal[i] ?? -Infinity))
      return neededMs > provenMs ? neededMs : -Infinity
    })
    if (current.inputs.some((_, i) => this.awaits(i))) this.env.fetcher.wake()
    const later = goals.map(latestOf).filter((ms) => ms > nowMs && ms < Infinity)
    const wallMs = current.firings.nextMs('wall')
    if (wallMs !== undefined && wallMs + WALL_PATIENCE_MS > nowMs) later.push(wallMs + WALL_PATIENCE_MS)
    this.#lookAt(Math.min(Infinity, ...later), nowMs)
  }

  #lookAt(atMs: number, nowMs: number): void {
    if (this.#timer !== undefined && this.#looksAtMs === atMs) return
    this.#cancelTimer()
    if (atMs === Infinity) return
    this.#looksAtMs = atMs
    this.#timer = this.env.clock.after(Math.min(Math.ceil(atMs - nowMs), LONGEST_TIMER_MS), () => {
      this.#timer = undefined
      this.ready()
    })
  }

  #cancelTimer(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }
}

/** Node's timers take no more than 2^31 - 1 ms. */
const LONGEST_TIMER_MS = 86_400_000

/** By input, what has to be shown for what is due next: by the task's time, and by the wall clock. */
function goalsOf({ firings, time, inputs, wantedMs }: Current): readonly (readonly number[])[] {
  const [timeMs, wallMs] = [firings.nextMs('time'), firings.nextMs('wall')]
  return [
    ...(timeMs === undefined ? [] : [time.needed(timeMs)]),
    ...(wallMs === undefined ? [] : [inputs.map(() => wallMs)]),
    ...(wantedMs === -Infinity ? [] : [time.wanted(wantedMs)]),
  ]
}

const latestOf = (goal: readonly number[]): number => Math.max(-Infinity, ...goal)
