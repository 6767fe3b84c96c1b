/**
 * The running of messages: slice by slice, in the order of the merge, until the time is over, nothing is left, or a commit
 * has to go first.
 *
 * Invariants
 * 1. The clock is looked at now and then, not for each message; a slice ends with the record that the watchdog found it at.
 * 2. Neither outputs nor fetched records that wait for a commit take more memory than they may (`isFull`).
 * 3. While messages are isolated, what goes into a commit is committed before the next message begins.
 * 4. What is due takes its turn as messages do: so a commit may come between, and one that does harm is isolated.
 */
import type { Rollback } from '../../core/processing/failures.js'
import type { Processor } from '../../core/processing/processor.js'
import { takeMarks } from '../../core/processing/taken-marks.js'
import type { Clock, Timer } from '../../ports/clock.js'
import type { Fetcher } from '../../ports/log.js'
import type { Observer } from '../../ports/observer.js'
import type { RecordTime } from '../record-time.js'
import type { Committer, Load } from './committer.js'
import { placeOf, type Isolation } from './isolation.js'
import type { Sources } from './sources.js'
import type { Timekeeper } from './timekeeper.js'

export interface RunnerEnvironment {
  readonly clock: Clock
  readonly observer: Observer
  readonly fetcher: Pick<Fetcher, 'wake'>
  /** Of records that the runtime writes for itself. */
  readonly recordTime: Pick<RecordTime, 'now'>
  /** Bytes of fetched records that each input may keep in memory, now. */
  inputBytes(): number
  /** Whether the slice has lasted so long that it is to end with the record that it is at. */
  isOverdue(): boolean
}

/** What is left to process: more at once, nothing for now, or more once a commit is through. */
type Remaining = 'more' | 'nothing' | 'blocked'

/** Records between two looks at the clock. */
const RECORDS_PER_LOOK = 64

export class Runner implements Load {
  #processor: Processor | undefined
  #holdTimer: Timer | undefined
  /** Whether the last run stopped before it had processed all that is here. */
  #hasLeft = false

  constructor(
    private readonly task: string,
    private readonly env: RunnerEnvironment,
    private readonly sources: Sources,
    private readonly isolation: Isolation,
    private readonly committer: Committer,
    private readonly time: Timekeeper,
    /** Records that were held back may go. */
    private readonly ready: () => void,
  ) {}

  begin(processor: Processor): void {
    this.#processor = processor
  }

  end(): void {
    this.#processor = undefined
    this.#holdTimer?.cancel()
    this.#holdTimer = undefined
  }

  /** Whether it has more to read than it can do at once, though its sources may give nothing. */
  get hasBacklog(): boolean {
    return this.#hasLeft || this.sources.hasMore
  }

  /** Whether it has more to read than it can do at once; not while it waits for a source that gives nothing. */
  get isBacklogged(): boolean {
    return this.#hasLeft || (this.sources.hasMore && !this.sources.isDry)
  }

  /** Whether as much as may wait for a commit does so. */
  get isFull(): boolean {
    const inputBytes = this.env.inputBytes()
    const outputBytes = this.#processor?.outputBytes ?? 0
    return outputBytes >= inputBytes || this.sources.inputs.some((input) => input.takenBytes >= inputBytes / 2)
  }

  /**
   * Processes what is there, until the deadline (on the monotonic clock). Returns whether more is there that can be
   * processed at once. Throws Rollback, or what the task can't continue with.
   */
  run(deadlineMs: number): boolean {
    const processor = this.#processor
    if (processor === undefined) return false
    this.#holdTimer?.cancel()
    this.#holdTimer = undefined
    const beganMs = this.env.clock.monotonic()
    let left: Remaining
    try {
      left = this.isolation.isOn ? this.#processFew(processor, deadlineMs) : this.#processUntil(processor, deadlineMs)
    } finally {
      // The task may have failed meanwhile.
      const inputs = this.#processor === undefined ? [] : this.sources.inputs
      const tookMs = this.env.clock.monotonic() - beganMs
      this.committer.computed(tookMs)
      this.isolation.computed(Math.round(tookMs), inputs)
    }
    this.#hasLeft = left !== 'nothing'
    return left === 'more'
  }

  /** Goes on when what the merge holds back has waited long enough. */
  holdOn(): void {
    this.time.lookWhenDue()
    const { heldUntilMs } = this.sources.merge
    if (heldUntilMs === undefined) return
    const { clock, fetcher } = this.env
    fetcher.wake()
    this.#holdTimer = clock.after(Math.max(0, heldUntilMs - clock.monotonic()) + 1, this.ready)
  }

  /** Takes the interval back, for it to be done again. */
  rollBack(reason: Rollback): void {
    this.env.observer.observe({ kind: 'rolled-back', task: this.task, reason: reason.message })
    this.#processor?.rollBack()
    for (const input of this.sources.inputs) input.rewind()
  }

  #processUntil(processor: Processor, deadlineMs: number): Remaining {
    const { isolation } = this
    const { merge, inputs } = this.sources
    const { firings } = processor
    const { clock, recordTime } = this.env
    const monotonic = (): number => clock.monotonic()
    const now = (): number => recordTime.now()
    isolation.lastTaken = undefined
    const { time } = processor
    const marked = time === undefined ? [] : this.sources.marked
    for (let n = 0; ; n++) {
      if (n % RECORDS_PER_LOOK === 0) {
        if (n > 0 && clock.monotonic() >= deadlineMs) return 'more'
        if (this.isFull) return this.committer.canCommit ? 'more' : 'blocked'
      }
      if (marked.length > 0) takeMarks(marked, time)
      const input = merge.next(monotonic)
      if (firings !== undefined) {
        const firing = firings.before(inputs, input, this.time.nowMs)
        if (firing !== undefined) {
          isolation.current = firing
          firings.fire(firing, now)
          const isOverdue = this.env.isOverdue()
          if (isOverdue) isolation.lastTaken = placeOf(firing)
          isolation.current = undefined
          if (isOverdue) return 'more'
          continue
        }
      }
      if (input === undefined) return 'nothing'
      isolation.current = input
      processor.process(input.index, input, now)
      // Asked before the cursor moves on: with this answer, nothing of it can be ended from outside any more.
      if (this.env.isOverdue()) {
        isolation.lastTaken = placeOf(input)
        isolation.current = undefined
        input.advance()
        return 'more'
      }
      input.advance()
    }
  }

  /** Few messages, one commit: see isolation.ts. */
  #processFew(processor: Processor, deadlineMs: number): Remaining {
    if (!this.committer.canCommit) return 'blocked'
    const { isolation } = this
    const { merge, inputs } = this.sources
    const { clock, recordTime } = this.env
    const now = (): number => recordTime.now()
    const { atMost } = isolation
    const { firings } = processor
    while (processor.messages < atMost && !this.isFull && clock.monotonic() < deadlineMs) {
      if (isolation.isPastSuspects(inputs, firings?.doneMs)) break
      takeMarks(this.sources.marked, processor.time)
      const input = merge.next(() => clock.monotonic())
      const firing = firings?.before(inputs, input, this.time.nowMs)
      if (firings !== undefined && firing !== undefined) {
        const guilt = isolation.take(firing, inputs)
        if (guilt === undefined) firings.fire(firing, now)
        else firings.condemn(firing, guilt, now)
        isolation.current = undefined
        continue
      }
      if (input === undefined) break
      const guilt = isolation.take(input, inputs)
      if (guilt === undefined) processor.process(input.index, input, now)
      else processor.condemn(input, guilt, now)
      isolation.current = undefined
      input.advance()
    }
    if (processor.messages > 0) {
      this.committer.commit()
      return 'blocked'
    }
    if (isolation.isPastSuspects(inputs, firings?.doneMs)) {
      isolation.clear()
      return 'more'
    }
    return clock.monotonic() < deadlineMs ? 'nothing' : 'more'
  }
}
