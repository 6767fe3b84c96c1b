/**
 * Keeps one message from harming the rest: one whose records brokers refuse, one whose computation takes so long that
 * the event loop stands still, or has to be ended from outside. While there is such a message, few go into a commit, or one.
 *
 * Invariants
 * 1. Who is a failing message, and when suspicion is over: core/processing/suspicion.ts.
 * 2. After a slow message the next ones are done one by one, each committed before the next begins, until so many were
 *    quick. That outlasts activations, because the next may meet that message again.
 * 3. A message whose computation was ended from outside is not computed again.
 * 4. A refusal of the worker's own time blames no message, as often as its tasks may have made records before it was known.
 * 5. Nothing is computed or packed between what was ended from outside and `cutOff`: `isCutOff`.
 */
import { visible } from '../../api/visible.js'
import { PotorooError } from '../../errors.js'
import type { Input } from '../../core/processing/input.js'
import type { Firing } from '../../core/processing/firings.js'
import {
  isFailingMessage,
  isOver,
  suspect,
  trust,
  type Place,
  type Suspicion,
} from '../../core/processing/suspicion.js'
import type { Observer } from '../../ports/observer.js'
import { RecordsRefused } from '../../ports/log.js'
import type { RecordTime } from '../record-time.js'
import type { TaskPlan } from '../task-plan.js'
import { isOfRecords } from './failures.js'

/** A message was slow: the next ones are done one by one, each committed before the next begins. */
interface Slow {
  /** Positions behind that message, by input: a failed commit may have come before them. */
  readonly until: readonly number[]
  /** So many more, behind these. */
  readonly left: number
}

/** An input, as far as it matters where it is. */
export type PlacedInput = Pick<Input, 'index' | 'topic' | 'position'>

/** What a task is to fail with for a commit that failed. */
export interface Verdict {
  readonly error: unknown
  /** The next commit is another one. */
  readonly narrowed: boolean
}

/** Commits in a row that are refused for their time, some of whose records were made before another task of the worker was. */
const MOST_UNTIMELY = 3
/** A slice that lasts longer has a slow message in it. */
const SLOW_MS = 1000
/** Behind a slow message, so many are done one by one. */
const CALM_MESSAGES = 100

export class Isolation {
  /** The input whose record is being computed, or what was due and is. */
  current: Input | Firing | undefined
  /** Whether what the messages since the last commit changed is being packed. */
  isPacking = false
  /** The last message that was processed; known while messages are done few by few, or where it was seen to be slow. */
  lastTaken: Place | undefined
  /** After a commit that the brokers refuse for its records. */
  #suspicion: Suspicion | undefined
  #slow: Slow | undefined
  /** Commits in a row that were refused for the time of the worker's own records. */
  #untimely = 0

  constructor(
    private readonly plan: TaskPlan,
    private readonly env: {
      readonly observer: Observer
      readonly recordTime: Pick<RecordTime, 'refused'>
      readonly options: { readonly maxComputationMs: number }
    },
  ) {}

  /** Whether messages are to be done few by few, `atMost` to a commit. */
  get isOn(): boolean {
    return this.#suspicion !== undefined || this.#slow !== undefined
  }

  /** Whether messages may take long. */
  get isSlow(): boolean {
    return this.#slow !== undefined
  }

  /** What was computed or packed was ended from outside, and `cutOff` is about to be called. */
  get isCutOff(): boolean {
    return this.current !== undefined || this.isPacking
  }

  /** Messages of a commit. What is there already is committed first: a slow message is not to be done again where the next one fails. */
  get atMost(): number {
    return this.#slow === undefined ? (this.#suspicion?.atMost ?? 1) : 1
  }

  /** Whether all that is suspected is done; false where nothing is. `doneMs`: the task's times up to which nothing due is left. */
  isPastSuspects(inputs: readonly PlacedInput[], doneMs: readonly number[] = []): boolean {
    return this.#suspicion !== undefined && isOver(this.#suspicion, [...inputs.map(positionOf), ...doneMs])
  }

  /** Nobody is suspected any more. */
  clear(): void {
    this.#suspicion = undefined
  }

  /** The input's head is taken, or what is due. Returns why it is not to be computed; undefined: it is. */
  take(next: Input | Firing, inputs: readonly PlacedInput[]): PotorooError | undefined {
    this.#countDownSlow(inputs)
    const place = (this.lastTaken = placeOf(next))
    this.current = next
    return isFailingMessage(this.#suspicion, place) ? this.#suspicion?.failingMessage?.error : undefined
  }

  /** One more message is taken since one was slow. */
  #countDownSlow(inputs: readonly PlacedInput[]): void {
    if (this.#slow === undefined || !isBehindAll(inputs, this.#slow.until)) return
    const left = this.#slow.left - 1
    this.#slow = left === 0 ? undefined : { ...this.#slow, left }
  }

  /** To be called after messages were computed, or one has thrown. */
  computed(tookMs: number, inputs: readonly PlacedInput[]): void {
    const thrown = this.lastTaken === undefined ? this.current : undefined
    const taken = thrown === undefined ? this.lastTaken : placeOf(thrown)
    this.current = undefined
    if (tookMs < SLOW_MS) return
    this.#slow = { until: inputs.map(positionOf), left: CALM_MESSAGES }
    // Where nobody watches, it was one of several.
    const topic = inputs[taken?.input ?? -1]?.topic
    const { id: task, partition } = this.plan
    this.env.observer.observe({ kind: 'slow-message', task, topic, partition, offset: taken?.offset, tookMs })
  }

  /**
   * A computation, or the packing, was ended from outside. Returns what the task is to fail with. `messages`: since the last commit.
   * `times`: the task's, by each clock.
   */
  cutOff(inputs: readonly PlacedInput[], messages: number, times: readonly number[] = []): PotorooError {
    const after = `was ended after ${String(this.env.options.maxComputationMs)} ms`
    // Without a current one it was packing, of all messages since the last commit: one of them alone, if it was alone.
    const last = messages === 1 ? this.lastTaken : undefined
    const at = this.current === undefined ? last : placeOf(this.current)
    this.current = undefined
    this.isPacking = false
    const topic = at === undefined ? undefined : inputs[at.input]?.topic
    const where = `partition ${String(this.plan.partition)}, offset ${String(at?.offset)}`
    const error = new PotorooError(
      'COMPUTATION_TOO_LONG',
      at?.due !== undefined
        ? `task ${this.plan.id}, ${at.due}: its computation ${after}`
        : topic === undefined
          ? `task ${this.plan.id}: the packing of state objects ${after}`
          : `${topic}, ${where}: its computation ${after}`,
    )
    const until = inputs.map(({ index, position }) => (index === at?.input ? at.offset + 1 : position))
    this.#suspicion = { until: [...until, ...times], atMost: 1, failingMessage: at && { ...at, error } }
    this.#slow = { until, left: CALM_MESSAGES }
    this.#reportFailingMessage()
    return error
  }

  /** A commit of so many messages was acknowledged. */
  committed(messages: number): void {
    this.#untimely = 0
    if (this.#suspicion !== undefined) this.#suspicion = trust(this.#suspicion, { messages, last: this.lastTaken })
  }

  /** A commit of so many messages has failed. `inputs` are behind all that it held, and so are `times`. */
  failed(messages: number, inputs: readonly PlacedInput[], error: unknown, times: readonly number[] = []): Verdict {
    if (!isOfRecords(error) || this.#timeIsRefused(error)) return { error, narrowed: false }
    const refused = { messages, last: this.lastTaken, positions: [...inputs.map(positionOf), ...times], error }
    const before = this.#suspicion
    this.#suspicion = suspect(before, refused)
    if (this.#suspicion === undefined)
      return { error: this.#cannotContinue(error, before?.failingMessage), narrowed: false }
    this.#reportFailingMessage()
    return { error, narrowed: true }
  }

  #reportFailingMessage(): void {
    const failingMessage = this.#suspicion?.failingMessage
    if (failingMessage === undefined) return
    const { id: task, sources, partition } = this.plan
    const topic = sources[failingMessage.input]?.topic ?? ''
    const { offset, due, error } = failingMessage
    const what = due === undefined ? {} : { due }
    this.env.observer.observe({
      kind: 'failing-message-found',
      task,
      topic,
      partition,
      offset,
      ...what,
      code: error.code,
    })
  }

  /** Whether it is this worker's own records that are refused, for their time, and they may be taken without one. */
  #timeIsRefused({ cause }: PotorooError): boolean {
    const { changelog, processor } = this.plan
    if (!(cause instanceof RecordsRefused) || cause.what !== 'timestamp') return false
    if (cause.topic !== changelog?.topic && cause.topic !== processor.deadLetters.topic) return false
    this.env.recordTime.refused(cause)
    return ++this.#untimely <= MOST_UNTIMELY
  }

  /** What the runtime itself has to write is refused: no message can be passed over, because that is written, too. */
  #cannotContinue(error: PotorooError, failingMessage: Place | undefined): PotorooError {
    const { id, sources, partition } = this.plan
    const message =
      failingMessage === undefined
        ? `task ${id}: ${error.message}`
        : `${failingMessage.due ?? sources[failingMessage.input]?.topic ?? ''}, partition ${String(partition)}, offset ${String(failingMessage.offset)} can't be ` +
          `skipped, because its dead letter or the commit is refused: ${error.message}`
    // How large records may be is asked at the start: a worker that is started again may know more.
    const code = error.code === 'RECORD_TOO_LARGE' ? 'REQUEST_REFUSED' : 'INVALID_CONFIGURATION'
    return new PotorooError(code, message, { cause: error })
  }
}

const positionOf = ({ position }: PlacedInput): number => position

/** The record under the input's cursor, or what is due. */
export const placeOf = (of: Input | Firing): Place =>
  'cursor' in of ? { input: of.index, offset: of.cursor.offset } : { input: -1, offset: -1, due: nameOf(of) }

function nameOf({ definition, keyBytes, what }: Firing): string {
  const name = what.kind === 'timer' ? `timer ${what.name} '${visible(what.id)}'` : 'the end'
  return `${name} of state object ${definition.name}, key '${visible(keyBytes.toString())}', due ${String(what.dueMs)}`
}

const isBehindAll = (inputs: readonly PlacedInput[], positions: readonly number[]): boolean =>
  inputs.every((input, i) => input.position >= (positions[i] ?? 0))
