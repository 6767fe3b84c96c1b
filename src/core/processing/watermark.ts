/**
 * The time of a task: up to where it has everything. Each input has a bound, which nothing of it lies below any more but what
 * is late; the least of the bounds is the task's time.
 *
 * Records move bounds: the newest timestamp of what was taken, less the lateness of their topic. Where nothing comes, records
 * can't: then the clock does, in a tick, but only where an answer has shown that nothing was left when it was asked for. What is
 * written since has timestamps that are no older than that moment less the lateness, if producers keep their word. Where what came
 * last shows that they don't, because it is older than it may be by then (a topic that is filled with the past, say), the clock moves
 * the bound on from there, no further.
 *
 * The bound of a repartition is the least of what its writers say in it (marks.ts): each how far it is by its records, its
 * *frontier*, and how far the clock would bring it, its tick.
 *
 * Invariants
 * 1. Time and bounds never go back, and are committed with the positions of the records that moved them. Ticks move no bound: they
 *    hold for the moment, and what they bring about is what time has come to.
 * 2. A tick needs an answer, asked for at that clock, that left the input empty with no transaction open. It leaves a second to
 *    clocks that differ.
 * 3. What was rolled back has moved nothing (`rollBack`).
 * 4. Whether a record is late is decided by its own partition's bound, as it was before the record; after a repartition, by the
 *    one that it brings along.
 * 5. A repartition's bound is over all of its writers that the plan has, those that have never said anything included.
 * 6. Frontiers are committed, ticks of writers are not; and they bring time no further than to the next message that is here.
 * 7. A record from the future, by more than an hour, moves no time: one wrong clock of a producer would end all that is open.
 */
import type { CommittedTime } from '../commit/commit-record.js'
import { decodeFrontiers, encodeFrontiers } from './frontiers.js'
import type { Claim, Mark } from './marks.js'

/** What is known of an input of the task. Times are ms since the epoch, -Infinity where there is none. */
export interface TimedInputState {
  readonly hasHead: boolean
  /** Timestamp of its head, where it has one. */
  readonly headMs: number
  /** `provenMs` when the head came: it was written later than that. */
  readonly headProvenMs: number
  /** When an answer was asked for, by the clock, that has shown that nothing was left; see Input. */
  readonly provenMs: number
  /** Whether there was more than the last answer brought. */
  readonly hasMore?: boolean
  /** The bound that its head brings along, because it was late where it came from; undefined: it was not. */
  readonly headBoundMs?: number | undefined
}
export interface TimedTopic {
  readonly topic: string
  readonly latenessMs: number
  /** Whether the clock may move its bound. */
  readonly ticks: boolean
  /** Of a repartition: the tasks that say in it how far they are; none: time does not wait for it. Undefined for a topic. */
  readonly writers?: readonly string[] | undefined
}
/** What time waits for: a topic, and, of a repartition, the task that writes there and is not as far as others. */
export interface Holder {
  readonly topic: string
  readonly task?: string | undefined
}

/** What a tick leaves to clocks that differ. */
export const TICK_MARGIN_MS = 1000
/** What lies further ahead of the clock is wrong; it is what brokers take at most, since Kafka 4 (`message.timestamp.after.max.ms`). */
export const FUTURE_MS = 3_600_000
/** Timers by the wall clock wait for their inputs to be drained, but no longer than this. */
export const WALL_PATIENCE_MS = 10_000

/** As it was at some moment. */
export interface WatermarkState {
  readonly behindMs: readonly number[]
  readonly timeMs: number
  readonly wallMs: number
  readonly bounds: readonly number[]
  readonly frontiers: readonly ReadonlyMap<string, number>[]
  readonly ticks: readonly ReadonlyMap<string, number>[]
}

const NO_FRONTIERS: ReadonlyMap<string, number> = new Map()
const NO_TICKS = NO_FRONTIERS

export class Watermark {
  /** The bound by which the message in question, or what is due, is late; undefined: it is not. */
  lateBoundMs: number | undefined

  #timeMs: number
  #wallMs: number
  /** What lies behind this is ahead of the clock, as it was when it was looked at last. */
  #aheadMs = -Infinity
  #bounds: number[]
  /** By how much what came last of an input was older than it may be; 0: it was not. */
  #behindMs: number[]
  /** By input and writer; a map is never changed once it is here. Also of writers that this version does not know. */
  #frontiers: ReadonlyMap<string, number>[]
  /** By input and writer: how far the clock would bring it, as it said last; maps as those of frontiers. */
  #ticks: ReadonlyMap<string, number>[]
  /** As of the last commit that was collected. */
  #mark: WatermarkState
  /** Of topics that this version of the application does not read. */
  readonly #foreign: Pick<CommittedTime, 'bounds' | 'behind' | 'frontiers'>

  constructor(
    private readonly topics: readonly TimedTopic[],
    committed: CommittedTime | undefined,
    /** The clock that time may go by. */
    private readonly nowMs: () => number = () => Infinity,
    /** Told of a record from the future. */
    private readonly ahead: (topic: string, timestampMs: number) => void = () => undefined,
  ) {
    const { timeMs = -Infinity, wallMs = -Infinity, bounds = {}, behind = {}, frontiers = {} } = committed ?? {}
    this.#timeMs = timeMs
    this.#wallMs = wallMs
    this.#bounds = topics.map(({ topic }) => bounds[topic] ?? -Infinity)
    this.#behindMs = topics.map(({ topic }) => behind[topic] ?? 0)
    this.#frontiers = topics.map(({ topic }) => decodeFrontiers(frontiers[topic]))
    this.#ticks = topics.map(() => NO_TICKS)
    const others = <T>(of: Readonly<Record<string, T>>): Readonly<Record<string, T>> =>
      Object.fromEntries(Object.entries(of).filter(([name]) => !topics.some(({ topic }) => topic === name)))
    this.#foreign = { bounds: others(bounds), behind: others(behind), frontiers: others(frontiers) }
    this.#mark = this.state()
  }

  get timeMs(): number {
    return this.#timeMs
  }
  /** Up to where timers by the wall clock have fired. */
  get wallMs(): number {
    return this.#wallMs
  }
  /** Of an input, in the order of the topics, by its records alone. */
  boundMs(index: number): number {
    return this.#bounds[index] ?? -Infinity
  }

  /** By its name in Kafka. */
  topicOf(index: number): string {
    return this.topics[index]?.topic ?? ''
  }

  /** What time is once the head of that input is taken, or, without one, as of now. */
  reached(inputs: readonly TimedInputState[], next: number | undefined): number {
    let least = Infinity
    for (let i = 0; i < this.topics.length; i++) least = Math.min(least, this.#boundOf(i, inputs[i], i === next))
    return least === Infinity ? this.#timeMs : Math.max(this.#timeMs, least)
  }

  /** The head of that input is about to be taken, and all that is due by what time is then was seen to. */
  reach(inputs: readonly TimedInputState[], next: number): void {
    this.#timeMs = this.reached(inputs, next)
    const [input, topic] = [inputs[next], this.topics[next]]
    if (input === undefined || topic === undefined) return
    if (topic.writers !== undefined) {
      this.lateBoundMs = input.headBoundMs
      return
    }
    const boundMs = this.boundMs(next)
    this.lateBoundMs = input.headMs < boundMs ? boundMs : undefined
    if (this.#isAhead(input.headMs)) {
      this.ahead(topic.topic, input.headMs)
      return
    }
    this.#bounds[next] = this.#boundOf(next, input, true)
    if (input.headProvenMs === -Infinity) return
    const behindMs = input.headProvenMs - input.headMs
    this.#behindMs[next] = behindMs > topic.latenessMs + TICK_MARGIN_MS ? behindMs : 0
  }

  /** A mark of a writer was the head of that input: whatever it wrote before is taken, and what it writes later is behind that. */
  say(index: number, { task, boundMs, tickMs }: Mark): void {
    const before = this.#frontiers[index] ?? NO_FRONTIERS
    if (boundMs > (before.get(task) ?? -Infinity)) {
      this.#frontiers[index] = new Map(before).set(task, boundMs)
      this.#bounds[index] = Math.max(this.boundMs(index), this.#leastFrontier(index))
    }
    // It may have gone back: something has come that is older.
    this.#ticks[index] = new Map(this.#ticks[index]).set(task, tickMs)
  }

  /** What a task may say of what it writes from now on. `nextDueMs`: what is due next; undefined: nothing is. */
  claim(inputs: readonly TimedInputState[], nextDueMs = Infinity): Claim {
    let [boundMs, tickMs] = [Infinity, Infinity]
    for (const [i, { writers }] of this.topics.entries()) {
      if (writers?.length === 0) continue
      boundMs = Math.min(boundMs, this.boundMs(i))
      tickMs = Math.min(tickMs, this.#boundOf(i, inputs[i], false))
    }
    if (boundMs === Infinity) return { boundMs: -Infinity, tickMs: -Infinity }
    return { boundMs: Math.min(boundMs, nextDueMs - 1), tickMs: Math.min(tickMs, nextDueMs - 1) }
  }

  /** A task says that much: nothing is left that was due by then. */
  claimed({ boundMs }: Claim): void {
    this.#timeMs = Math.max(this.#timeMs, boundMs)
  }

  /** Something is due, and nothing before it is left. */
  fire(dueMs: number): void {
    this.#timeMs = Math.max(this.#timeMs, dueMs)
  }

  /** What is due, by whichever clock, is about to be done: whether it comes too late, because a late message has set it. */
  begin(dueMs: number): void {
    this.lateBoundMs = dueMs < this.#timeMs ? this.#timeMs : undefined
  }

  /** What the wall clock's timers may go by: what every input was read up to, or the clock some time ago. */
  wallReached(inputs: readonly TimedInputState[], nowMs: number): number {
    const drainedMs = Math.min(...inputs.map(({ hasHead, provenMs }) => (hasHead ? -Infinity : provenMs)))
    return Math.max(this.#wallMs, drainedMs, nowMs - WALL_PATIENCE_MS)
  }
  fireWall(dueMs: number): void {
    this.#wallMs = Math.max(this.#wallMs, dueMs)
  }

  /**
   * What has to be shown of each input for time to come to `dueMs` without records: that it had nothing left at this clock. -Infinity
   * where its bound is there already; Infinity where the clock may not move it.
   */
  needed(dueMs: number): readonly number[] {
    return this.topics.map(({ latenessMs, ticks, writers }, i) => {
      // Of a repartition its writers bring it.
      if (writers !== undefined || this.boundMs(i) >= dueMs) return -Infinity
      return ticks ? dueMs + latenessMs + TICK_MARGIN_MS + (this.#behindMs[i] ?? 0) : Infinity
    })
  }

  /** As `needed`, for the clock to move time as far as it can at that moment. */
  wanted(atMs: number): readonly number[] {
    return this.topics.map(({ ticks, writers }) => (ticks && writers === undefined ? atMs : -Infinity))
  }

  /** The input whose bound is the least, as of now: what time waits for. Undefined without inputs. */
  heldBy(inputs: readonly TimedInputState[]): Holder | undefined {
    const bounds = this.topics.map((_, i) => this.#boundOf(i, inputs[i], false))
    const index = bounds.indexOf(Math.min(...bounds))
    const topic = this.topics[index]
    if (topic?.writers === undefined) return topic && { topic: topic.topic }
    const least = this.#leastOf(index, (task) => this.#tickOf(index, task))
    return { topic: topic.topic, task: topic.writers.find((task) => this.#tickOf(index, task) === least) }
  }

  /** How far each writer of an input is, by its records and by the clock; -Infinity: it has said nothing. */
  frontiersOf(index: number): ReadonlyMap<string, number> {
    return new Map((this.topics[index]?.writers ?? []).map((task) => [task, this.#tickOf(index, task)]))
  }

  /** For a commit record, as of now, or as of then. */
  committed({ timeMs, wallMs, behindMs, bounds, frontiers: all }: WatermarkState = this.state()): CommittedTime {
    const own = (of: readonly number[], none: number): Readonly<Record<string, number>> =>
      Object.fromEntries(this.topics.flatMap(({ topic }, i) => (of[i] === none ? [] : [[topic, of[i] ?? none]])))
    const behind = { ...this.#foreign.behind, ...own(behindMs, 0) }
    const frontiers = {
      ...this.#foreign.frontiers,
      ...Object.fromEntries(
        this.topics.flatMap(({ topic }, i) => {
          const of = all[i] ?? NO_FRONTIERS
          return of.size === 0 ? [] : [[topic, encodeFrontiers(of)]]
        }),
      ),
    }
    return {
      timeMs: finite(timeMs),
      bounds: { ...this.#foreign.bounds, ...own(bounds, -Infinity) },
      ...(Object.keys(behind).length > 0 && { behind }),
      ...(Object.keys(frontiers).length > 0 && { frontiers }),
      wallMs: finite(wallMs),
    }
  }

  /** A commit has collected what there was. */
  mark(): void {
    this.#mark = this.state()
  }

  /** What came since the mark has not been. */
  rollBack(): void {
    this.#timeMs = this.#mark.timeMs
    this.#wallMs = this.#mark.wallMs
    this.#bounds = [...this.#mark.bounds]
    this.#behindMs = [...this.#mark.behindMs]
    this.#frontiers = [...this.#mark.frontiers]
    this.#ticks = [...this.#mark.ticks]
  }

  state(): WatermarkState {
    const [bounds, behindMs] = [[...this.#bounds], [...this.#behindMs]]
    const [frontiers, ticks] = [[...this.#frontiers], [...this.#ticks]]
    return { timeMs: this.#timeMs, wallMs: this.#wallMs, bounds, behindMs, frontiers, ticks }
  }

  /** Over the writers of an input that the plan has (invariant 5). */
  #leastOf(index: number, of: (task: string) => number): number {
    let least = Infinity
    for (const task of this.topics[index]?.writers ?? []) least = Math.min(least, of(task))
    return least
  }
  #leastFrontier(index: number): number {
    const frontiers = this.#frontiers[index] ?? NO_FRONTIERS
    return this.#leastOf(index, (task) => frontiers.get(task) ?? -Infinity)
  }
  #tickOf(index: number, task: string): number {
    return Math.max(this.#frontiers[index]?.get(task) ?? -Infinity, this.#ticks[index]?.get(task) ?? -Infinity)
  }

  /** Invariant 7. The clock is looked at where what was known of it is not enough to say no. */
  #isAhead(timestampMs: number): boolean {
    if (timestampMs <= this.#aheadMs) return false
    this.#aheadMs = this.nowMs() + FUTURE_MS
    return timestampMs > this.#aheadMs
  }

  #boundOf(i: number, input: TimedInputState | undefined, isNext: boolean): number {
    const bound = this.boundMs(i)
    const topic = this.topics[i]
    if (topic?.writers?.length === 0) return Infinity
    if (input === undefined || topic === undefined) return bound
    if (topic.writers !== undefined) {
      // The end of a transaction, with what it says, may not be here yet.
      if (!input.hasHead && input.hasMore === true) return bound
      const ticks = this.#leastOf(i, (task) => this.#tickOf(i, task))
      return Math.max(bound, input.hasHead ? Math.min(ticks, input.headMs) : ticks)
    }
    if (isNext) return this.#isAhead(input.headMs) ? bound : Math.max(bound, input.headMs - topic.latenessMs)
    // What is here already may be older than what is still to come.
    if (input.hasHead || !topic.ticks) return bound
    return Math.max(bound, input.provenMs - (this.#behindMs[i] ?? 0) - topic.latenessMs - TICK_MARGIN_MS)
  }
}

const finite = (ms: number): number | undefined => (Number.isFinite(ms) ? ms : undefined)
