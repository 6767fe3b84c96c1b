/**
 * What falls due: timers, state objects that end, and windows that close. When each has its turn, and what it does then; as messages, it is done with
 * all of its effects or none.
 *
 * Invariants
 * 1. Before a record moves the task's time, all is done that is due by then (`before`).
 * 2. What was due is out of its state object's header in the transaction of its outputs: it is done once, and rolled back as a
 *    record is.
 * 3. Its outputs carry when it was due as their timestamp, whenever it is done; those of windows the last moment that lies in
 *    them, so that they go into larger windows.
 */
import type { StateDefinition } from '../../api/definition.js'
import { visible } from '../../api/visible.js'
import { messageOf, PotorooError } from '../../errors.js'
import type { Operator, SourceInput, SubTopology, TimedInput } from '../plan/topology.js'
import { byteString, bytesOf, utf8Text } from '../records/byte-string.js'
import { RecordCursor } from '../records/records.js'
import type { DueClock, DueIndex, LoadDues } from '../state/due-index.js'
import type { DueObject, StateTable } from '../state/state-table.js'
import { MAX_KEY_BYTES, storeKeyOf } from '../state/store-key.js'
import type { Context } from './context.js'
import type { CurrentRecord } from './current-record.js'
import { dueText, type LetterOfDue } from './dead-letter.js'
import type { Closings } from './closings.js'
import { collecting, type Emit, type Output } from './emit.js'
import { asPotorooError, isNotOfTheMessage, Rollback } from './failures.js'
import type { Input } from './input.js'
import type { Marks } from './marks.js'
import type { Destination, Outbox } from './outbox.js'
import type { Pairing } from './pairing.js'
import type { Watermark } from './watermark.js'
import type { Windowing } from './windowing.js'

export interface ProcessorTime {
  readonly watermark: Watermark
  /** What is said to those after repartitions; undefined where nobody there uses time. */
  readonly marks?: Marks | undefined
  /** Entries of the store. */
  readonly load: LoadDues
  /** For records that the runtime writes for itself. */
  readonly nowMs: () => number
}

/** Something is due, and its turn has come. */
export type Firing = DueObject

export interface FiringPlan {
  readonly subTopology: SubTopology
  readonly partition: number
  readonly deadLetters: Destination
  readonly onError: 'dead-letter' | 'stop'
}

/** What the processor does it with, which messages are done with, too. */
export interface FiringParts {
  readonly states: StateTable
  readonly outbox: Outbox
  readonly context: Context
  readonly record: CurrentRecord
  isCareful(): boolean
  /** One more is done in this interval. */
  begins(): void
  /** One more has failed. */
  failed(): void
  run(operators: readonly Operator[], message: unknown, emit: Emit): void
  readonly closings: Closings
  /** Undefined where the sub-topology has no windows. */
  readonly windowing: Windowing | undefined
  /** Undefined where it has no interval joins. */
  readonly pairing: Pairing | undefined
  /** Normal mode's. */
  readonly put: Emit
}

export class Firings {
  /** Of its own, for what is due: its key, and no more. */
  readonly #cursor = new RecordCursor()
  readonly #source: SourceInput | undefined
  /** What is being done. */
  #current: Firing | undefined
  /** By source: state objects with a time to live. */
  readonly #ending: readonly (readonly StateDefinition[])[]

  constructor(
    private readonly plan: FiringPlan,
    private readonly time: Watermark,
    private readonly dues: DueIndex,
    private readonly parts: FiringParts,
    /** For records that the runtime writes for itself. */
    private readonly clock: () => number,
  ) {
    const { sources } = plan.subTopology
    this.#ending = sources.map(({ states }) => states.filter(({ ttlMs }) => ttlMs !== undefined))
    const like = sources.find(({ topic }) => topic.partitioner !== undefined) ?? sources[0]
    this.#source = like && sourceLike(like)
  }

  /**
   * What is due before the head of that input is taken, or now, where it is undefined: to be done before it, one after the other.
   * When there is nothing left, time moves. `nowMs`: the clock that timers may go by.
   */
  before(inputs: readonly Input[], next: Input | undefined, nowMs: () => number): Firing | undefined {
    const { time } = this
    const { states } = this.parts
    const due = states.due('time', time.reached(inputs, next?.index))
    if (due !== undefined) return due
    if (this.dues.least('wall') !== undefined) {
      const byWall = states.due('wall', time.wallReached(inputs, nowMs()))
      if (byWall !== undefined) return byWall
    }
    const ended = next && this.#endedBefore(next)
    if (ended !== undefined) return ended
    if (next !== undefined) time.reach(inputs, next.index)
    return undefined
  }

  /** When something may be due next by that clock, at the earliest; undefined: nothing is. */
  nextMs(clock: DueClock): number | undefined {
    return this.dues.least(clock)?.dueMs
  }

  /**
   * What is due next by the task's time gives nothing that is a millisecond older than that, or more; undefined: nothing is due. Windows that
   * others lead into close later than what they give: see api/window-ranks.ts.
   */
  get nextOutputMs(): number | undefined {
    const nextMs = this.nextMs('time')
    return nextMs === undefined ? undefined : nextMs - this.parts.closings.maxRank
  }

  /** Whether something may be due now, before the next record. */
  mayBeDue(inputs: readonly Input[], nowMs: () => number): boolean {
    const { time } = this
    if ((this.nextMs('time') ?? Infinity) <= time.reached(inputs, undefined)) return true
    const wallMs = this.nextMs('wall')
    return wallMs !== undefined && wallMs <= time.wallReached(inputs, nowMs())
  }

  /** Up to where all is done that was due, by each clock. */
  get doneMs(): readonly number[] {
    const done = (clock: DueClock, ms: number): number => {
      const nextMs = this.nextMs(clock)
      return nextMs !== undefined && nextMs <= ms ? nextMs - 1 : ms
    }
    return [done('time', this.time.timeMs), done('wall', this.time.wallMs)]
  }

  /** Does what is due. Throws Rollback (normal mode only), or STOPPED_BY_ON_ERROR: then it has had no effect. */
  fire(firing: Firing, nowMs: () => number): void {
    const { states, outbox, context, put } = this.parts
    this.#begin(firing)
    if (!this.parts.isCareful()) {
      try {
        this.#run(firing, put)
      } catch (error) {
        throw new Rollback(messageOf(error), { cause: error })
      }
      return
    }
    const outputs: Output[] = []
    try {
      this.#run(firing, collecting(outputs, context))
      states.settle()
    } catch (error) {
      states.undo()
      this.parts.closings.undo()
      if (isNotOfTheMessage(error)) throw error
      this.#failed(firing, error, nowMs)
      return
    }
    this.parts.closings.settle()
    for (const [timestampMs, to, partition, key, value, headers] of outputs)
      outbox.add(to, partition, timestampMs, key, value, headers)
  }

  /** Sends what is due to the dead letters without doing it: it makes commits fail. */
  condemn(firing: Firing, error: PotorooError, nowMs: () => number): void {
    this.#begin(firing)
    this.#failed(firing, error, nowMs)
  }

  /** A state object of the head's key whose end lies before the head. */
  #endedBefore({ index, cursor }: Input): Firing | undefined {
    const ending = this.#ending[index] ?? []
    const { buffer, keyStart, keyEnd, timestampMs } = cursor
    if (keyStart < 0 || ending.length === 0) return undefined
    const isHexKey = this.plan.subTopology.sources[index]?.topic.hexKeys === true
    const keyBytes = isHexKey
      ? Buffer.from(buffer.toString('hex', keyStart, keyEnd))
      : Buffer.from(buffer.subarray(keyStart, keyEnd))
    if (keyBytes.length > MAX_KEY_BYTES) return undefined
    for (const definition of ending) {
      const endsMs = this.parts.states.endOf(definition, keyBytes, 0, keyBytes.length)
      if (endsMs === undefined || endsMs > timestampMs) continue
      const storeKey = storeKeyOf(definition.name, '') + byteString(keyBytes)
      return { definition, keyBytes, storeKey, what: { kind: 'end', dueMs: endsMs }, clock: undefined }
    }
    return undefined
  }

  /** Sends what is being done to the dead letters, beside what it does else; false: nothing that is due is being done. */
  addLetter(error: PotorooError): boolean {
    const firing = this.#current
    if (firing === undefined || this.parts.record.source !== this.#source) return false
    const { deadLetters, partition } = this.plan
    this.parts.outbox.addDueLetter(deadLetters, partition, letterOf(firing), null, error, this.clock())
    return true
  }

  #begin(firing: Firing): void {
    const { clock, keyBytes, definition } = firing
    const { dueMs } = firing.what
    this.parts.begins()
    this.#current = firing
    this.time.begin(dueMs)
    if (clock === 'time') this.time.fire(dueMs)
    if (clock === 'wall') this.time.fireWall(dueMs)
    if (this.#source === undefined) throw new RangeError('what falls due has a source beside it')
    const cursor = this.#cursor
    cursor.buffer = keyBytes
    cursor.keyStart = 0
    cursor.keyEnd = keyBytes.length
    cursor.timestampMs = this.#closer(definition)?.timestampOf(firing) ?? dueMs
    this.parts.context.begin(cursor)
    this.parts.record.begin(this.#source, cursor, undefined)
    this.parts.record.wasChecked = true
  }

  #run(firing: Firing, emit: Emit): void {
    const key = this.parts.record.key()
    const { what, definition } = firing
    const closer = this.#closer(definition)
    if (closer !== undefined) {
      closer.close(firing, key, emit)
      return
    }
    const state = this.#take(firing, key)
    if (state === undefined) return
    const { timed } = this.plan.subTopology
    const message = what.kind === 'timer' ? { key, id: what.id, dueMs: what.dueMs } : { key, state }
    for (const { origin, operators } of timed) if (isOf(origin, firing)) this.parts.run(operators, message, emit)
  }

  /** Of what has several things that close, each for itself. */
  #closer({ windows, pairs }: StateDefinition): Windowing | Pairing | undefined {
    if (windows !== undefined) return this.parts.windowing
    return pairs === undefined ? undefined : this.parts.pairing
  }

  /** It is not due any more. */
  #take(firing: Firing, key: string): object | undefined {
    const { states } = this.parts
    const closer = this.#closer(firing.definition)
    if (closer !== undefined) {
      closer.takeDue(firing, key)
      return undefined
    }
    const state = states.touchDue(firing, key)
    if (state === undefined) return undefined
    if (firing.what.kind === 'end') states.forget()
    else states.changed(firing.what.dueMs)
    return state
  }

  #failed(firing: Firing, error: unknown, nowMs: () => number): void {
    const { definition, what, keyBytes } = firing
    const { states, outbox } = this.parts
    const key = utf8Text(keyBytes, 0, keyBytes.length)
    const known = asPotorooError(error)
    const letter = letterOf(firing)
    const where = visible(dueText(letter))
    const stopped = (reason: string): PotorooError =>
      new PotorooError(
        'STOPPED_BY_ON_ERROR',
        `${where}, key '${visible(key.slice(0, 100))}', due ${new Date(what.dueMs).toISOString()}: ${reason}`,
        { cause: known.cause ?? known },
      )
    if (this.plan.onError === 'stop') throw stopped(`${known.code}: ${known.message}`)
    this.parts.failed()
    let stored = what.kind === 'end' ? states.packedOf(firing) : undefined
    try {
      // Those that are still open stay where they are.
      if (stored !== undefined) stored = this.#closer(definition)?.packedDue(firing, key, stored) ?? stored
      this.#take(firing, key)
      if (this.parts.isCareful()) states.settle()
    } catch (failure) {
      states.undo()
      if (isNotOfTheMessage(failure)) throw failure
      // Left as it is, it would be due forever.
      throw stopped(`it can't be skipped, because the state object can't be read or written: ${messageOf(failure)}`)
    }
    const value = stored === undefined ? null : bytesOf(stored)
    outbox.addDueLetter(this.plan.deadLetters, this.plan.partition, letter, value, known, nowMs())
  }
}

/** As a dead letter names it. */
const letterOf = ({ definition, what, keyBytes }: Firing): LetterOfDue => ({
  stateObject: definition.name,
  key: utf8Text(keyBytes, 0, keyBytes.length),
  ...(what.kind === 'timer' && { timer: what.name, id: what.id }),
  ...(definition.windows !== undefined && { windows: true as const }),
  dueMs: what.dueMs,
})

/** Where what is due comes from: as if from a source of the sub-topology, by the key of its state object. */
const sourceLike = ({ topic, ...source }: SourceInput): SourceInput => ({
  ...source,
  // Where keys are hex text, they lie elsewhere than a text would.
  topic: {
    ...topic,
    key: undefined,
    hexKeys: false,
    partitioner: topic.hexKeys === true ? undefined : topic.partitioner,
  },
  isRepartition: true,
})

/** Whether what is due is what that source gives. */
const isOf = (origin: TimedInput['origin'], { definition, what }: Firing): boolean =>
  origin.state === definition &&
  (origin.kind === 'timer' ? what.kind === 'timer' && what.name === origin.name : what.kind === 'end')
