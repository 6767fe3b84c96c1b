/**
 * Windows of a task: what a message does in those that it lies in, and what becomes of those that close.
 *
 * Invariants
 * 1. All open windows of a key are one state object. Its header says when the next of them closes, so that the due index has it;
 *    what ends later with each message, as a session does, writes no entry for that.
 * 2. A window closes once: it is out of the state object in the transaction of its outputs.
 * 3. A message that is late for a window is in the dead letters, or counted. Its other effects stay.
 * 4. What a message has counted or sent to the dead letters before it failed in careful mode has not been.
 */
import type { OpenWindow, StateDefinition, WindowsDefinition } from '../../api/definition.js'
import type { OpenWindows } from '../../api/open-windows.js'
import { hasTimeWindows } from '../../api/window-ranks.js'
import { PotorooError } from '../../errors.js'
import { ranksIn, type Operator, type SubTopology } from '../plan/topology.js'
import type { ByteString } from '../records/byte-string.js'
import { pack, unpack } from '../state/packing.js'
import type { DueObject, StateTable } from '../state/state-table.js'
import type { Context } from './context.js'
import type { CurrentRecord } from './current-record.js'
import type { Emit } from './emit.js'
import type { Watermark } from './watermark.js'
import { firstEnd, placesFor, remove, type LateWindow } from './window-places.js'

/** What happened to windows of one kind, in a commit interval. */
export interface WindowCounts {
  /** Name of the windows. */
  readonly windows: string
  closed: number
  /** What becomes of messages that are late. */
  readonly late: WindowsDefinition['late']
  /** Messages that were late for one of them or more. */
  lateByRecords: number
  /** Because the clock has closed the window, not records: a producer has written later than it may, or it was late in one run alone. */
  lateByClock: number
}

/** What the processor does it with. */
export interface WindowingParts {
  readonly states: StateTable
  readonly context: Context
  readonly record: CurrentRecord
  isCareful(): boolean
  /** Where the state object of the record's key is in memory now. Throws bad input. */
  placeOf(definition: StateDefinition): number
  /** With what a computation gave. */
  goOn(next: readonly Operator[], result: unknown, emit: Emit): void
  run(operators: readonly Operator[], message: unknown, emit: Emit): void
  /** To the dead letters, beside what it does else. */
  late(error: PotorooError): void
}

export class Windowing {
  readonly #ranks: ReadonlyMap<StateDefinition, number>
  readonly #closed: ReadonlyMap<StateDefinition, readonly (readonly Operator[])[]>
  #counts = new Map<StateDefinition, WindowCounts>()
  /** Careful mode's, of the message under way. */
  #pending: (() => void)[] = []

  constructor(
    { states, timed }: SubTopology,
    private readonly time: Watermark | undefined,
    private readonly parts: WindowingParts,
  ) {
    this.#ranks = ranksIn({ states, timed })
    this.#closed = new Map(
      states.map((state) => [
        state,
        timed.flatMap(({ origin, operators }) =>
          origin.kind === 'closed' && origin.state === state ? [operators] : [],
        ),
      ]),
    )
  }

  /** The most of all windows of the task. */
  get maxRank(): number {
    return Math.max(0, ...this.#ranks.values())
  }

  /** By how many ms later than it ends a window closes. */
  rankOf(definition: StateDefinition): number {
    return this.#ranks.get(definition) ?? 0
  }

  /** Does a message in each window that it lies in. Throws as a computation. */
  take(
    { state: definition, compute, next }: Extract<Operator, { readonly kind: 'window' }>,
    message: unknown,
    emit: Emit,
  ): void {
    const { parts } = this
    const { states, context, record } = parts
    const windows = windowsOf(definition)
    const place = parts.placeOf(definition)
    const key = record.key()
    const open = states.touch(definition, key, place) as OpenWindows
    record.hasEffects = true
    const isTimed = hasTimeWindows(definition)
    const moment = {
      atMs: Math.max(0, context.timestampMs),
      boundMs: isTimed ? this.#boundMs() : -Infinity,
      closedMs: isTimed && this.time !== undefined ? this.time.timeMs - this.rankOf(definition) : -Infinity,
    }
    const { shape, merge } = windows
    const places = placesFor(open, shape, moment, { initial: () => windows.initial(key), merge })
    const results: unknown[] = []
    for (const window of places.windows) {
      window.messages++
      context.beginWindow(key, definition, window)
      results.push(compute(window.state, message, context))
      if (context.forgotten) remove(open, window)
    }
    const full = isTimed ? undefined : takeFull(open, windows)
    this.#keep(definition, open, isTimed)
    if (places.late.length > 0) this.#late(definition, windows, places.late)
    for (const result of results) parts.goOn(next, result, emit)
    if (full !== undefined) this.#give(definition, key, [full], emit)
  }

  /** The windows that were due have closed. */
  close(firing: DueObject, key: string, emit: Emit): void {
    this.#give(firing.definition, key, this.takeDue(firing, key), emit)
  }

  /** Those that are due, out of the state object; none where they have closed already. Throws as `touch`. */
  takeDue(firing: DueObject, key: string): readonly OpenWindow[] {
    const open = this.parts.states.touchDue(firing, key) as OpenWindows | undefined
    if (open === undefined) return []
    const due = this.#dueIn(firing, open)
    open.list = open.list.filter((window) => !due.includes(window))
    this.#keep(firing.definition, open, true)
    return due
  }

  /** What is stored of those that are due, `stored` being what is of all. */
  packedDue(firing: DueObject, key: string, stored: ByteString): ByteString {
    const open = unpack(firing.definition, stored, key) as OpenWindows
    open.list = [...this.#dueIn(firing, open)]
    return pack(firing.definition, open)
  }

  /** The timestamp of what closes then. */
  timestampOf({ definition, what: { dueMs } }: DueObject): number {
    return dueMs - this.rankOf(definition) - 1
  }

  /** Careful mode: the message under way is done. */
  settle(): void {
    const pending = this.#pending
    this.#pending = []
    for (const happens of pending) happens()
  }
  /** Careful mode: the message under way has not been. */
  undo(): void {
    this.#pending = []
  }

  /** Of the interval; the next one begins. */
  takeCounts(): readonly WindowCounts[] {
    if (this.#counts.size === 0) return NONE
    const counts = [...this.#counts.values()]
    this.#counts = new Map()
    return counts
  }
  /** The interval has not been. */
  retake(): void {
    this.#pending = []
    this.#counts = new Map()
  }

  #dueIn({ definition, what: { dueMs } }: DueObject, { list }: OpenWindows): readonly OpenWindow[] {
    const endMs = dueMs - this.rankOf(definition)
    return list.filter((window) => window.endMs <= endMs)
  }

  /** Invariant 1 */
  #keep(definition: StateDefinition, open: OpenWindows, isTimed: boolean): void {
    const { states } = this.parts
    if (open.list.length === 0) states.forget()
    else if (isTimed) states.setEnd(firstEnd(open) + this.rankOf(definition))
  }

  /** Of the message's own partition, as it was in its source; of what is due late, the time by which it is. */
  #boundMs(): number {
    return this.time?.lateBoundMs ?? -Infinity
  }

  #give(definition: StateDefinition, key: string, closed: readonly OpenWindow[], emit: Emit): void {
    if (closed.length === 0) return
    this.#count(definition, (counts) => {
      counts.closed += closed.length
    })
    const readers = this.#closed.get(definition) ?? NONE
    for (const { startMs, endMs, messages, state } of closed)
      for (const operators of readers) this.parts.run(operators, { key, startMs, endMs, messages, state }, emit)
  }

  /** Invariant 3 */
  #late(definition: StateDefinition, { late }: WindowsDefinition, windows: readonly LateWindow[]): void {
    this.#count(definition, (counts) => {
      if (windows.some(({ by }) => by === 'records')) counts.lateByRecords++
      else counts.lateByClock++
    })
    if (late === 'drop') return
    const error = this.#lateError(definition, windows)
    const send = (): void => {
      this.parts.late(error)
    }
    if (this.parts.isCareful()) this.#pending.push(send)
    else send()
  }

  #lateError({ name }: StateDefinition, windows: readonly LateWindow[]): PotorooError {
    const [first] = windows
    const [boundMs, timeMs] = [this.#boundMs(), this.time?.timeMs ?? -Infinity]
    const which =
      windows.length === 1
        ? `the window ${stretch(first)} of ${name}`
        : `${String(windows.length)} windows of ${name}, from ${stretch(first)} to ${stretch(windows.at(-1))}`
    const reason =
      first?.by === 'records'
        ? `its partition had come to ${iso(boundMs)}`
        : `time had come to ${iso(timeMs)}, by the clock, for nothing was left to read`
    return new PotorooError('LATE', `the message was late for ${which}: ${reason}`)
  }

  #count(definition: StateDefinition, change: (counts: WindowCounts) => void): void {
    const happens = (): void => {
      let counts = this.#counts.get(definition)
      if (counts === undefined) {
        const { late } = windowsOf(definition)
        counts = { windows: definition.name, closed: 0, late, lateByRecords: 0, lateByClock: 0 }
        this.#counts.set(definition, counts)
      }
      change(counts)
    }
    if (this.parts.isCareful()) this.#pending.push(happens)
    else happens()
  }
}

const NONE: readonly never[] = []

function windowsOf({ windows, name }: StateDefinition): WindowsDefinition {
  if (windows === undefined) throw new RangeError(`${name} is no windows`)
  return windows
}

/** The window that has all its messages, out of those that are open. */
function takeFull(open: OpenWindows, { shape }: WindowsDefinition): OpenWindow | undefined {
  const [window] = open.list
  if (window === undefined || shape.kind !== 'counting' || window.messages < shape.messages) return undefined
  remove(open, window)
  return window
}

const iso = (ms: number): string => (Number.isFinite(ms) ? new Date(ms).toISOString() : 'nowhere')
const stretch = (window: LateWindow | undefined): string =>
  window === undefined ? '' : `[${iso(window.startMs)}, ${iso(window.endMs)})`
