/**
 * The running of a call's task: takes messages, has calls made for them, and gives on what comes of them.
 *
 * Invariants
 * 1. A call is made only for a message that was read committed, and only when its generation is: it is part of the call's id.
 * 2. Which call is next, and when it is done: core/processing/calls/window.ts.
 * 3. A message is done in the interval in which its result was put out, or its dead letter: the commit has both.
 * 4. What was fetched is let go at once. What is not done is kept as a copy, up to as many bytes as an input may keep.
 * 5. The task's time is committed as it was before the first message that is not done was taken: its next owner finds it late if it was,
 *    and only then. What is told of it to others is in core/processing/calls/claim.ts.
 */
import type { CallDefinition } from '../../api/definition.js'
import { isPotorooError, messageOf, PotorooError } from '../../errors.js'
import type { CommitRecord, CommittedCalls, CommittedTime } from '../../core/commit/commit-record.js'
import { claimWith, takenAt, type Taken } from '../../core/processing/calls/claim.js'
import { copyOf } from '../../core/processing/calls/record-copy.js'
import { callId, pauseBeforeMs } from '../../core/processing/calls/resumed.js'
import { CallWindow, type Pending } from '../../core/processing/calls/window.js'
import { Input } from '../../core/processing/input.js'
import type { Claim } from '../../core/processing/marks.js'
import { Processor, type Collected, type ProcessorPlan } from '../../core/processing/processor.js'
import { recordKey, requirePlace } from '../../core/processing/record-key.js'
import { takeMarks } from '../../core/processing/taken-marks.js'
import type { Watermark, WatermarkState } from '../../core/processing/watermark.js'
import type { RecordBatch, RecordCursor } from '../../core/records/records.js'
import type { SourceInput, SubTopology } from '../../core/plan/topology.js'
import type { Clock } from '../../ports/clock.js'
import type { CallsStatus, TimeStatus } from '../../core/group/worker-status.js'
import type { CallAttempt, Observer } from '../../ports/observer.js'
import { applicationsOwn, type Outside } from '../../ports/outside.js'
import type { RecordTime } from '../record-time.js'
import type { TaskPlan } from '../task-plan.js'
import type { Committer } from '../task/committer.js'
import type { Isolation } from '../task/isolation.js'
import type { Sources } from '../task/sources.js'
import { Attempts, type Attempt, type Outcome, type Request } from './attempts.js'
import { CalledInput } from './called-input.js'

export interface CallerEnvironment {
  readonly clock: Clock
  readonly observer: Observer
  readonly recordTime: Pick<RecordTime, 'now'>
  /** Default: the application. */
  readonly outside?: Outside | undefined
  /** Bytes of fetched records that each input may keep in memory, now. */
  inputBytes(): number
  /** Whether the slice has lasted so long that it is to end. */
  isOverdue(): boolean
}

/** What an activation works on. */
export interface CallerWork {
  readonly generation: string
  /** Whether a commit has that generation. */
  readonly isCommitted: boolean
  readonly position: number
  readonly done: string | undefined
  readonly plan: Omit<ProcessorPlan, 'subTopology'>
}

/** A message until it is done. */
interface Kept extends Request, Pending {
  readonly batch: RecordBatch
  readonly bytes: number
  /** When it came, on the monotonic clock. */
  readonly sinceMs: number
  /** How many have begun. */
  attempts: number
  /** What the last one failed with. */
  why: string | undefined
  /** Undefined where nobody after it uses time. */
  readonly taken: Taken | undefined
  /** Of time, before it was taken. */
  readonly before: WatermarkState | undefined
}

interface Current {
  readonly work: CallerWork
  readonly window: CallWindow<Kept>
  readonly input: Input
  readonly called: CalledInput
  readonly processor: Processor
  isCommitted: boolean
  /** Messages are here that there was no room for. */
  isBehind: boolean
  /** Of what is kept. */
  keptBytes: number
  /** Messages of this interval that nothing came of. */
  silent: number
  /** Keys of what has failed, as the commit under way says. */
  failed: readonly string[]
}

/** Of what an attempt failed with, in characters. */
const MAX_WHY = 200

/** What the last run has left: `blocked`: until a commit has ended. */
type Remaining = 'nothing' | 'more' | 'blocked'
const RECORDS_PER_LOOK = 64

export class Caller {
  readonly #attempts: Attempts<Kept>
  readonly #source: SourceInput
  readonly #isRepartition: boolean
  /** The record whose result is given on. */
  readonly #slot: Input
  #slotKey = ''
  /** Since that was told. */
  #attempted: CallAttempt[] = []
  #current: Current | undefined

  constructor(
    private readonly plan: TaskPlan,
    private readonly call: CallDefinition,
    private readonly application: string,
    private readonly env: CallerEnvironment,
    private readonly sources: Sources,
    private readonly isolation: Isolation,
    private readonly committer: Committer,
    ready: () => void,
  ) {
    this.#attempts = new Attempts(call, env.clock, env.outside ?? applicationsOwn, ready)
    const [source] = plan.processor.subTopology.sources
    if (source === undefined) throw new RangeError(`call ${call.name} has no source`)
    this.#source = source
    this.#isRepartition = source.isRepartition
    this.#slot = new Input(0, plan.sources[0]?.topic ?? '', 0)
  }

  begin(work: CallerWork): Processor {
    const { position, done, isCommitted } = work
    const [input] = this.sources.inputs
    if (input === undefined) throw new RangeError(`call ${this.call.name} has no input`)
    const window = new CallWindow<Kept>(this.call.overlap, position, done)
    const called = new CalledInput(input, window)
    const processor = new Processor({ ...work.plan, subTopology: this.#resultsOf() })
    const state = { isCommitted, isBehind: false, keptBytes: 0, silent: 0, failed: [] }
    this.#current = { work, window, input, called, processor, ...state }
    this.#attempts.begin()
    return processor
  }

  /** Aborts what is under way. */
  end(reason: unknown): void {
    this.#attempts.end(reason)
    this.#current = undefined
  }

  get inputs(): readonly CalledInput[] {
    return this.#current === undefined ? [] : [this.#current.called]
  }

  /** Behind all that was taken: what is suspected of a commit's failure is before it. */
  get taken(): readonly Input[] {
    return this.#current === undefined ? [] : [this.#current.input]
  }

  /** Messages of this interval. */
  get messages(): number {
    const current = this.#current
    return current === undefined ? 0 : current.processor.messages + current.silent
  }

  get isFull(): boolean {
    const current = this.#current
    return current !== undefined && current.processor.outputBytes >= this.env.inputBytes()
  }

  /** Whether messages are here that wait for those before them: calls are not made as fast as they come. */
  get isBehind(): boolean {
    return this.#current?.isBehind === true
  }

  /** Undefined while nothing runs. */
  get status(): CallsStatus | undefined {
    const current = this.#current
    if (current === undefined) return undefined
    const { underWay, unfinished, oldest } = current.window
    const status = { call: this.call.name, underWay, waiting: unfinished - underWay }
    if (oldest === undefined) return status
    const { offset, attempts, sinceMs, why } = oldest
    const waitedMs = this.env.clock.monotonic() - sinceMs
    return {
      ...status,
      oldest: { topic: current.input.topic, offset, attempts, waitedMs, ...(why !== undefined && { why }) },
    }
  }

  /** Undefined where nobody after it uses time. */
  get time(): TimeStatus | undefined {
    const { input, window, processor: { time } = {} } = this.#current ?? {}
    if (input === undefined || window === undefined || time === undefined) return undefined
    const [byInput, { tickMs }] = [time.claim([input]), this.claim(time)]
    const timeMs = Number.isFinite(tickMs) ? tickMs : undefined
    if (tickMs < byInput.tickMs) return { timeMs, heldBy: input.topic, heldByCall: this.call.name }
    const holder = time.heldBy([input])
    return { timeMs, heldBy: holder?.topic, heldByTask: holder?.task }
  }

  /** What others are told. */
  claim(time: Watermark): Claim {
    const { input, window } = this.#current ?? {}
    if (input === undefined || window === undefined) throw new RangeError('nothing is under way')
    return claimWith(time.claim([input]), heldIn(window.pending))
  }

  /** Invariant 5 */
  committedTime(time: Watermark): CommittedTime {
    return time.committed(this.#current?.window.oldest?.before)
  }

  /** C1 */
  collect(commit: CommitRecord, nowMs: number): Collected {
    const current = this.#current
    if (current === undefined) throw new RangeError('nothing is under way')
    const { processor, window, input, work, silent } = current
    const done = window.done(input.position)
    const calls: CommittedCalls = { generation: work.generation, ...(done === undefined ? {} : { done }) }
    const collected = processor.collect({ ...commit, calls }, nowMs)
    current.silent = 0
    current.failed = window.takeFailed()
    return { ...collected, messages: collected.messages + silent }
  }

  /** Kafka has what was collected last. */
  committed(): void {
    const current = this.#current
    if (current === undefined) return
    current.processor.committed()
    current.isCommitted = true
    current.window.passOn(current.failed)
    current.failed = []
  }

  /** Does what can be done, until the deadline (on the monotonic clock). Throws what the task can't continue with. */
  run(deadlineMs: number): Remaining {
    const left = this.#run(deadlineMs)
    if (this.#attempted.length > 0) {
      const attempts = this.#attempted
      this.#attempted = []
      this.env.observer.observe({ kind: 'calls-attempted', task: this.plan.id, attempts })
    }
    return left
  }

  #run(deadlineMs: number): Remaining {
    const current = this.#current
    if (current === undefined) return 'nothing'
    if (!current.isCommitted) {
      // Invariant 1
      if (this.committer.canCommit) this.committer.commit()
      return 'blocked'
    }
    const { isolation } = this
    if (isolation.isPastSuspects(this.inputs)) isolation.clear()
    const isLate = (): boolean => this.env.isOverdue() || this.env.clock.monotonic() >= deadlineMs
    let left = this.#settle(current, isLate)
    if (left === 'nothing') left = this.#take(current, isLate)
    // Few to a commit: see task/isolation.ts.
    if (isolation.isOn && this.messages > 0 && this.committer.canCommit) {
      this.committer.commit()
      left = 'blocked'
    }
    return left === 'nothing' ? this.#make(current, isLate) : left
  }

  /** What has come of calls. */
  #settle(current: Current, isLate: () => boolean): Remaining {
    while (this.#attempts.hasMore) {
      if (!this.#mayDoMore()) return this.committer.canCommit ? 'more' : 'blocked'
      const outcome = this.#attempts.take()
      if (outcome === undefined) break
      this.#settleOne(current, outcome)
      if (isLate()) return 'more'
    }
    return 'nothing'
  }

  #mayDoMore(): boolean {
    if (this.isFull) return false
    const { isolation } = this
    return !isolation.isOn || (this.committer.canCommit && this.messages < isolation.atMost)
  }

  #settleOne(current: Current, outcome: Outcome<Kept>): void {
    const { request, attempt } = outcome
    this.#attempted.push({ outcome: wordFor(outcome), tookMs: outcome.tookMs })
    if ('error' in outcome) request.why = messageOf(outcome.error).slice(0, MAX_WHY)
    if ('error' in outcome && attempt < this.call.attempts) {
      this.#attempts.makeLater({ request, attempt: attempt + 1 }, pauseBeforeMs(attempt + 1))
      return
    }
    this.#open(request)
    const { isolation } = this
    isolation.lastTaken = { input: 0, offset: request.offset }
    isolation.current = this.#slot
    if ('error' in outcome) this.#failed(current, request, outcome.error)
    else this.#give(current, request, outcome.result)
    isolation.current = undefined
    if ('error' in outcome) current.window.fail(request)
    else current.window.finish(request)
    current.called.done(request.batch)
    current.keptBytes -= request.bytes
  }

  #open({ batch, key }: Kept): void {
    const { cursor } = this.#slot
    this.#slotKey = key
    cursor.open(batch)
    if (!cursor.next()) throw new RangeError('a copy has its record')
  }

  #give(current: Current, { taken }: Kept, result: unknown): void {
    const { processor } = current
    if (result === undefined || result === null) {
      current.silent++
      return
    }
    // Always: calls are not made again to repeat an interval.
    processor.careful = true
    if (processor.time !== undefined) processor.time.lateBoundMs = taken?.lateBoundMs
    processor.give(this.#slot, result, () => this.env.recordTime.now())
  }

  /** The last attempt has. */
  #failed(current: Current, request: Kept, cause: unknown): void {
    const { call, plan } = this
    const { processor } = current
    const now = (): number => this.env.recordTime.now()
    const error = new PotorooError(
      'CALL_FAILED',
      `call ${call.name} has failed, in ${times(call.attempts)}: ${messageOf(cause)}`,
      { cause },
    )
    if (call.failed === 'dead-letter') processor.refuse(this.#slot, error, now)
    else if (call.failed === 'as-on-error') processor.condemn(this.#slot, error, now)
    else if (call.failed === 'stop') {
      const where = `${this.#slot.topic}, partition ${String(plan.partition)}, offset ${String(request.offset)}`
      throw new PotorooError('STOPPED_BY_ON_ERROR', `${where}: ${error.code}: ${error.message}`, { cause })
    } else {
      let instead: unknown
      try {
        instead = call.failed(request.message(), cause)
      } catch (thrown) {
        const what = `failed() of call ${call.name} failed as well: ${messageOf(thrown)}`
        processor.condemn(this.#slot, new PotorooError('COMPUTATION_FAILED', what, { cause: thrown }), now)
        return
      }
      this.#give(current, request, instead)
    }
  }

  /** Messages that have come. */
  #take(current: Current, isLate: () => boolean): Remaining {
    const { input, window } = current
    const { merge } = this.sources
    const monotonic = (): number => this.env.clock.monotonic()
    let left: Remaining = 'nothing'
    current.isBehind = false
    for (let n = 1; left === 'nothing'; n++) {
      // They are no messages: also where there is no room for any, or nobody needs to know.
      if (this.#isRepartition) takeMarks([input], current.processor.time)
      if (!this.#mayDoMore() || merge.next(monotonic) === undefined) break
      const isKeptFull = current.keptBytes > 0 && current.keptBytes >= this.env.inputBytes()
      current.isBehind = isKeptFull || !window.hasRoomFor(input.cursor.offset)
      if (current.isBehind) break
      this.#takeOne(current)
      input.advance()
      if (n % RECORDS_PER_LOOK === 0 && isLate()) left = 'more'
    }
    input.mark()
    return left
  }

  #takeOne(current: Current): void {
    const { input, window, processor, work, called } = current
    const { cursor } = input
    const { offset } = cursor
    const { time } = processor
    const before = time?.state()
    time?.reach([input], 0)
    if (window.wasDone(offset)) return
    const { isolation } = this
    const guilt = isolation.isOn ? isolation.take(input, this.inputs) : undefined
    isolation.current = input
    const checked = guilt === undefined ? this.#check(cursor) : { error: guilt }
    if ('error' in checked) {
      const now = (): number => this.env.recordTime.now()
      isolation.lastTaken = { input: 0, offset }
      if (guilt === undefined) processor.refuse(input, checked.error, now)
      else processor.condemn(input, guilt, now)
      window.pass(offset)
      called.done(copyOf(cursor))
      isolation.current = undefined
      return
    }
    isolation.current = undefined
    const batch = copyOf(cursor)
    const { key } = checked
    let { message }: { message: unknown } = checked
    let isFirst = true
    const request: Kept = {
      offset,
      key,
      id: callId(this.application, work.generation, this.call, this.plan.partition, offset),
      batch,
      bytes: batch.end,
      sinceMs: this.env.clock.monotonic(),
      attempts: 0,
      why: undefined,
      taken: time && takenAt(cursor.timestampMs, time.lateBoundMs, time.boundMs(0)),
      before,
      message: () => {
        if (!isFirst) return this.#decoded(batch)
        isFirst = false
        const first = message
        message = undefined
        return first
      },
    }
    window.take(request)
    current.keptBytes += request.bytes
  }

  /** Bad input is found before a call is made for it. */
  #check(cursor: RecordCursor): { readonly message: unknown; readonly key: string } | { readonly error: PotorooError } {
    const { topic } = this.#source
    try {
      const message = this.#decode(cursor)
      const key = recordKey(topic, cursor, message)
      requirePlace(topic, cursor, key, this.plan.processor)
      return { message, key }
    } catch (error) {
      if (!(error instanceof PotorooError) || error.code === 'INVALID_DEFINITION') throw error
      return { error }
    }
  }

  #decode({ buffer, valueStart, valueEnd }: RecordCursor): unknown {
    const { topic } = this.#source
    if (valueStart >= 0) return topic.decode(buffer, valueStart, valueEnd)
    if (topic.nullIsMessage === true) return null
    throw new PotorooError('VALUE_NULL', 'the value is null')
  }

  #decoded(batch: RecordBatch): unknown {
    const cursor = this.#slot.cursor
    cursor.open(batch)
    cursor.next()
    return this.#decode(cursor)
  }

  /** Calls whose turn it is. */
  #make(current: Current, isLate: () => boolean): Remaining {
    const { isolation } = this
    const { window } = current
    for (;;) {
      const attempt = this.#attempts.takeDue() ?? first(window.next())
      if (attempt === undefined) return 'nothing'
      this.#open(attempt.request)
      attempt.request.attempts = attempt.attempt
      isolation.current = this.#slot
      this.#attempts.make(attempt)
      isolation.current = undefined
      if (isLate()) return 'more'
    }
  }

  /** What results run through: as if they were what the source's records say. */
  #resultsOf(): SubTopology {
    const { subTopology } = this.plan.processor
    const { topic, ...source } = this.#source
    const key = topic.key && { raw: () => this.#slotKey, of: () => this.#slotKey }
    return { ...subTopology, sources: [{ ...source, topic: { ...topic, key } }] }
  }
}

const first = (request: Kept | undefined): Attempt<Kept> | undefined => request && { request, attempt: 1 }

const wordFor = (outcome: Outcome<Kept>): CallAttempt['outcome'] => {
  if (!('error' in outcome)) return 'succeeded'
  return isPotorooError(outcome.error, 'CALL_TIMED_OUT') ? 'timed out' : 'failed'
}

function* heldIn(pending: Iterable<Kept>): Iterable<Taken> {
  for (const { taken } of pending) if (taken !== undefined) yield taken
}

const times = (attempts: number): string => (attempts === 1 ? 'its one attempt' : `${String(attempts)} attempts`)
