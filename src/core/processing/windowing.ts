/**
 * Windows of a task: what a message does in those that it lies in, and what becomes of those that close.
 *
 * Invariants
 * 1. All open windows of a key are one state object. Its header says when the next of them closes, so that the due index has it;
 *    what ends later with each message, as a session does, writes no entry for that.
 * 2. A window closes once: it is out of the state object in the transaction of its outputs.
 * 3. A message that is late for a window is in the dead letters, or counted. Its other effects stay.
 */
import type { OpenWindow, StateDefinition, WindowsDefinition } from '../../api/definition.js'
import type { OpenWindows } from '../../api/open-windows.js'
import { hasTimeWindows } from '../../api/window-ranks.js'
import { PotorooError } from '../../errors.js'
import type { Operator, SubTopology } from '../plan/topology.js'
import type { ByteString } from '../records/byte-string.js'
import { pack, unpack } from '../state/packing.js'
import type { DueObject, StateTable } from '../state/state-table.js'
import { iso, type Closings, type Reached } from './closings.js'
import type { Context } from './context.js'
import type { CurrentRecord } from './current-record.js'
import type { Emit } from './emit.js'
import { firstEnd, placesFor, remove, type LateWindow } from './window-places.js'

/** What the processor does it with. */
export interface WindowingParts {
  readonly states: StateTable
  readonly context: Context
  readonly record: CurrentRecord
  readonly closings: Closings
  /** Where the state object of the record's key is in memory now. Throws bad input. */
  placeOf(definition: StateDefinition): number
  /** With what a computation gave. */
  goOn(next: readonly Operator[], result: unknown, emit: Emit): void
  run(operators: readonly Operator[], message: unknown, emit: Emit): void
}

export class Windowing {
  readonly #closed: ReadonlyMap<StateDefinition, readonly (readonly Operator[])[]>

  constructor(
    { states, timed }: SubTopology,
    private readonly parts: WindowingParts,
  ) {
    this.#closed = new Map(
      states.map((state) => [
        state,
        timed.flatMap(({ origin, operators }) =>
          origin.kind === 'closed' && origin.state === state ? [operators] : [],
        ),
      ]),
    )
  }

  /** Does a message in each window that it lies in. Throws as a computation. */
  take(
    { state: definition, compute, next }: Extract<Operator, { readonly kind: 'window' }>,
    message: unknown,
    emit: Emit,
  ): void {
    const { parts } = this
    const { states, context, record, closings } = parts
    const windows = windowsOf(definition)
    const place = parts.placeOf(definition)
    const key = record.key()
    const open = states.touch(definition, key, place) as OpenWindows
    record.hasEffects = true
    const isTimed = hasTimeWindows(definition)
    const { boundMs, closedMs } = isTimed ? closings.reached(definition) : NEVER
    const moment = { atMs: Math.max(0, context.timestampMs), boundMs, closedMs }
    const places = placesFor(open, windows, moment, key)
    // Most messages lie in one.
    const results: unknown[] | undefined = places.windows.length > 1 ? [] : undefined
    let result: unknown
    for (const window of places.windows) {
      window.messages++
      context.beginWindow(key, definition, window)
      result = compute(window.state, message, context)
      results?.push(result)
      if (context.forgotten) remove(open, window)
    }
    const full = isTimed ? undefined : takeFull(open, windows)
    this.#keep(definition, open, isTimed)
    if (places.late.length > 0) this.#late(definition, windows, places.late)
    if (results === undefined) parts.goOn(next, result, emit)
    else for (const one of results) parts.goOn(next, one, emit)
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
    open.list = due.length === open.list.length ? [] : open.list.filter((window) => !due.includes(window))
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
    return dueMs - this.parts.closings.rankOf(definition) - 1
  }

  #dueIn({ definition, what: { dueMs } }: DueObject, { list }: OpenWindows): readonly OpenWindow[] {
    const endMs = dueMs - this.parts.closings.rankOf(definition)
    // Most keys have one open.
    if (list.length === 1 && list[0] !== undefined && list[0].endMs <= endMs) return list
    return list.filter((window) => window.endMs <= endMs)
  }

  /** Invariant 1 */
  #keep(definition: StateDefinition, open: OpenWindows, isTimed: boolean): void {
    const { states, closings } = this.parts
    if (open.list.length === 0) states.forget()
    else if (isTimed) states.setEnd(firstEnd(open) + closings.rankOf(definition))
  }

  #give(definition: StateDefinition, key: string, closed: readonly OpenWindow[], emit: Emit): void {
    if (closed.length === 0) return
    this.parts.closings.closed(definition, closed.length)
    const readers = this.#closed.get(definition) ?? NONE
    for (const { startMs, endMs, messages, state } of closed)
      for (const operators of readers) this.parts.run(operators, { key, startMs, endMs, messages, state }, emit)
  }

  /** Invariant 3 */
  #late(definition: StateDefinition, { late }: WindowsDefinition, windows: readonly LateWindow[]): void {
    const by = windows.some((window) => window.by === 'records') ? 'records' : 'clock'
    const error = late === 'drop' ? undefined : this.#lateError(definition, windows)
    this.parts.closings.late(definition, by, error)
  }

  #lateError({ name }: StateDefinition, windows: readonly LateWindow[]): PotorooError {
    const [first] = windows
    const which =
      windows.length === 1
        ? `the window ${stretch(first)} of ${name}`
        : `${String(windows.length)} windows of ${name}, from ${stretch(first)} to ${stretch(windows.at(-1))}`
    return new PotorooError(
      'LATE',
      `the message was late for ${which}: ${this.parts.closings.reasonOf(first?.by ?? 'clock')}`,
    )
  }
}

const NONE: readonly never[] = []
const NEVER: Reached = { boundMs: -Infinity, closedMs: -Infinity }

function windowsOf({ windows, name }: StateDefinition): WindowsDefinition {
  if (windows === undefined) throw new RangeError(`${name} is not a windowed state`)
  return windows
}

/** The window that has all its messages, out of those that are open. */
function takeFull(open: OpenWindows, { shape }: WindowsDefinition): OpenWindow | undefined {
  const [window] = open.list
  if (window === undefined || shape.kind !== 'counting' || window.messages < shape.messages) return undefined
  remove(open, window)
  return window
}

const stretch = (window: LateWindow | undefined): string =>
  window === undefined ? '' : `[${iso(window.startMs)}, ${iso(window.endMs)})`
