/**
 * The time of a task: up to where it has everything. Each input has a bound, which nothing of it lies below any more but what
 * is late; the least of the bounds is the task's time.
 *
 * Records move bounds: the newest timestamp of what was taken, less the lateness of their topic. Where nothing comes, records
 * can't: then the clock does, in a tick, but only where an answer has shown that nothing was left when it was asked for. What is
 * written since has timestamps that are no older than that moment less the lateness, if producers keep their word. Where what came
 * last shows that they don't, for it is older than it may be by then (a topic that is filled with the past, say), the clock moves
 * the bound on from there, no further.
 *
 * Invariants
 * 1. Time and bounds never go back, and are committed with the positions of the records that moved them. Ticks move no bound: they
 *    hold for the moment, and what they bring about is what time has come to.
 * 2. A tick needs an answer, asked for at that clock, that left the input empty with no transaction open. It leaves a second to
 *    clocks that differ.
 * 3. What was taken back has moved nothing (`retake`).
 * 4. Whether a record is late is decided by its own partition's bound, as it was before the record.
 */
import type { CommittedTime } from '../commit/commit-record.js'

/** What is known of an input of the task. Times are ms since the epoch, -Infinity where there is none. */
export interface TimedInputState {
  readonly hasHead: boolean
  /** Timestamp of its head, where it has one. */
  readonly headMs: number
  /** `provenMs` when the head came: it was written later than that. */
  readonly headProvenMs: number
  /** When an answer was asked for, by the clock, that has shown that nothing was left; see Input. */
  readonly provenMs: number
}
export interface TimedTopic {
  readonly topic: string
  readonly latenessMs: number
  /** Whether the clock may move its bound. */
  readonly ticks: boolean
}

/** What a tick leaves to clocks that differ. */
export const TICK_MARGIN_MS = 1000
/** Timers by the wall clock wait for their inputs to be drained, but no longer than this. */
export const WALL_PATIENCE_MS = 10_000

interface State {
  readonly behindMs: readonly number[]
  readonly timeMs: number
  readonly wallMs: number
  readonly bounds: readonly number[]
}

export class Watermark {
  #timeMs: number
  #wallMs: number
  #bounds: number[]
  /** By how much what came last of an input was older than it may be; 0: it was not. */
  #behindMs: number[]
  /** As of the last commit that was collected. */
  #mark: State
  /** Bounds of topics that this version of the application does not read. */
  readonly #foreign: Pick<CommittedTime, 'bounds' | 'behind'>

  constructor(
    private readonly topics: readonly TimedTopic[],
    committed: CommittedTime | undefined,
  ) {
    const { timeMs = -Infinity, wallMs = -Infinity, bounds = {}, behind = {} } = committed ?? {}
    this.#timeMs = timeMs
    this.#wallMs = wallMs
    this.#bounds = topics.map(({ topic }) => bounds[topic] ?? -Infinity)
    this.#behindMs = topics.map(({ topic }) => behind[topic] ?? 0)
    const others = (of: Readonly<Record<string, number>>): Readonly<Record<string, number>> =>
      Object.fromEntries(Object.entries(of).filter(([name]) => !topics.some(({ topic }) => topic === name)))
    this.#foreign = { bounds: others(bounds), behind: others(behind) }
    this.#mark = this.#state()
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
    return Math.max(this.#timeMs, least)
  }

  /** The head of that input is about to be taken, and all that is due by what time is then was seen to. */
  reach(inputs: readonly TimedInputState[], next: number): void {
    this.#timeMs = this.reached(inputs, next)
    const [input, topic] = [inputs[next], this.topics[next]]
    if (input === undefined || topic === undefined) return
    this.#bounds[next] = this.#boundOf(next, input, true)
    if (input.headProvenMs === -Infinity) return
    const behindMs = input.headProvenMs - input.headMs
    this.#behindMs[next] = behindMs > topic.latenessMs + TICK_MARGIN_MS ? behindMs : 0
  }

  /** Something is due, and nothing before it is left. */
  fire(dueMs: number): void {
    this.#timeMs = Math.max(this.#timeMs, dueMs)
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
    return this.topics.map(({ latenessMs, ticks }, i) => {
      if (this.boundMs(i) >= dueMs) return -Infinity
      return ticks ? dueMs + latenessMs + TICK_MARGIN_MS + (this.#behindMs[i] ?? 0) : Infinity
    })
  }

  /** The topic whose bound is the least, as of now: what time waits for. Undefined without topics. */
  heldBy(inputs: readonly TimedInputState[]): string | undefined {
    const bounds = this.topics.map((_, i) => this.#boundOf(i, inputs[i], false))
    return this.topics[bounds.indexOf(Math.min(...bounds))]?.topic
  }

  /** For a commit record, as of now. */
  committed(): CommittedTime {
    const own = (of: readonly number[], none: number): Readonly<Record<string, number>> =>
      Object.fromEntries(this.topics.flatMap(({ topic }, i) => (of[i] === none ? [] : [[topic, of[i] ?? none]])))
    const behind = { ...this.#foreign.behind, ...own(this.#behindMs, 0) }
    return {
      timeMs: finite(this.#timeMs),
      bounds: { ...this.#foreign.bounds, ...own(this.#bounds, -Infinity) },
      ...(Object.keys(behind).length > 0 && { behind }),
      wallMs: finite(this.#wallMs),
    }
  }

  /** A commit has collected what there was. */
  mark(): void {
    this.#mark = this.#state()
  }

  /** What came since the mark has not been. */
  retake(): void {
    this.#timeMs = this.#mark.timeMs
    this.#wallMs = this.#mark.wallMs
    this.#bounds = [...this.#mark.bounds]
    this.#behindMs = [...this.#mark.behindMs]
  }

  #state(): State {
    const [bounds, behindMs] = [[...this.#bounds], [...this.#behindMs]]
    return { timeMs: this.#timeMs, wallMs: this.#wallMs, bounds, behindMs }
  }

  #boundOf(i: number, input: TimedInputState | undefined, isNext: boolean): number {
    const bound = this.boundMs(i)
    const topic = this.topics[i]
    if (input === undefined || topic === undefined) return bound
    if (isNext) return Math.max(bound, input.headMs - topic.latenessMs)
    // What is here already may be older than what is still to come.
    if (input.hasHead || !topic.ticks) return bound
    return Math.max(bound, input.provenMs - (this.#behindMs[i] ?? 0) - topic.latenessMs - TICK_MARGIN_MS)
  }
}

const finite = (ms: number): number | undefined => (Number.isFinite(ms) ? ms : undefined)
