/**
 * Windows: state objects of a key and a stretch of time, or a number of messages. A message runs the computation once
 * for each window that it falls into. What that returns are early results; the final ones are a source, `closed`.
 */
import type { StateDefinition, Upgrade, WindowShape } from './definition.js'
import { checkFunction, checkName, invalid, isPromise, shown } from './names.js'
import { OpenWindows, upgradeWindows, windowsFromPlain, windowsToPlain } from './open-windows.js'
import {
  literalShapeOf,
  type AnyStateObject,
  type Packing,
  type StateObject,
  type StateOptions,
  type state,
} from './state-object.js'
import { isDurationMs, originKey, type Origin } from './topic.js'

export const windowsKey: unique symbol = Symbol.for('potoroo.windows')

/** Created with tumbling(), hopping() or counting(). */
export interface Windows {
  readonly kind: 'tumbling' | 'hopping' | 'counting'
}
/** Created with session(). */
export interface Sessions {
  readonly kind: 'session'
}

export interface AnyWindowed {
  readonly name: string
  readonly [windowsKey]: StateDefinition
}
export interface Windowed<in out S extends object> extends AnyWindowed {
  /** Each window once, when it has closed: when the task's time has passed its end, or its last message has come. */
  readonly closed: Origin<Closed<S>, 'keyed'>
  /** Exists only for the type checker. */
  readonly [state]?: (state: S) => S
}

/** The type of a state object, of a table's entries, or of the windows of a key. */
export type State<T extends AnyStateObject | AnyWindowed> =
  T extends Windowed<infer S>
    ? readonly Closed<S>[]
    : T extends StateObject<infer S>
      ? S
      : T extends { readonly [state]?: { readonly entry: () => infer V } }
        ? V
        : never

/** A window as it is, or as it was when it closed. */
export interface Closed<S> {
  readonly key: string
  /**
   * Its start, ms since the epoch: of a session, its first message's timestamp; of a counting window, the smallest one.
   */
  readonly startMs: number
  /**
   * Its end, exclusive: of a session, its last message's timestamp plus the gap; of a counting window, the greatest
   * timestamp plus 1.
   */
  readonly endMs: number
  /** How many messages it has got. */
  readonly messages: number
  readonly state: S
}

export type WindowOptions<S extends object> = Pick<StateOptions<S>, 'partitions' | 'upgrades'> &
  (Packing<S> | { readonly pack?: never; readonly unpack?: never }) & {
    /**
     * What happens to a message for which one or more of its windows have closed: `dead-letter` (default) sends it to
     * the dead letters, code LATE, with the windows for which it was late; `drop` counts it in `potoroo.windows.late`.
     * Its windows that are still open take it in any case.
     */
    readonly late?: 'dead-letter' | 'drop'
  }

/** The options of a session, which needs `merge`. */
export type SessionOptions<S extends object> = WindowOptions<S> & {
  /**
   * A message has closed the gap between two sessions: `earlier`, the one that started first, takes over what `later`
   * has. It is synchronous. Sessions do not depend on the order of messages as long as `merge` doesn't.
   */
  readonly merge: (earlier: S, later: S) => void
}

/** For one key, at once. */
export const MAX_OPEN_WINDOWS = 1_000

/** Windows of this many ms, one after the other, counted from the epoch. Throws INVALID_DEFINITION. */
export function tumbling(sizeMs: number): Windows {
  checkMs('tumbling()', 'a size', sizeMs)
  const shape: WindowShape = { kind: 'tumbling', sizeMs }
  return shape
}

/**
 * Windows of `sizeMs` that start every `everyMs`, counted from the epoch: a message falls into several. At most 1,000
 * of them overlap. Throws INVALID_DEFINITION.
 */
export function hopping(sizeMs: number, everyMs: number): Windows {
  checkMs('hopping()', 'a size', sizeMs)
  checkMs('hopping()', 'a distance', everyMs)
  if (everyMs > sizeMs)
    throw invalid(
      `hopping() was given a hop of ${String(everyMs)} ms, longer than the size, ${String(sizeMs)} ms: messages between two windows would be ` +
        'in neither. If that is what you want, filter them out first.',
    )
  if (Math.ceil(sizeMs / everyMs) > MAX_OPEN_WINDOWS)
    throw invalid(
      `hopping() was given size ${String(sizeMs)} and hop ${String(everyMs)}: each message would be in ` +
        `${String(Math.ceil(sizeMs / everyMs))} windows, and a key may have at most ${String(MAX_OPEN_WINDOWS)} open.`,
    )
  const shape: WindowShape = { kind: 'hopping', sizeMs, everyMs }
  return shape
}

/**
 * Messages less than `gapMs` apart are in one session, which closes when nothing has come for that long. Throws
 * INVALID_DEFINITION.
 */
export function session(gapMs: number): Sessions {
  checkMs('session()', 'a gap', gapMs)
  const shape: WindowShape = { kind: 'session', gapMs }
  return shape
}

/** Windows of this many messages of a key, one after the other, whatever their time. Throws INVALID_DEFINITION. */
export function counting(messages: number): Windows {
  if (!Number.isSafeInteger(messages) || messages < 1)
    throw invalid(`counting() was given ${shown(messages)}: it must be a whole number of messages, 1 or more.`)
  const shape: WindowShape = { kind: 'counting', messages }
  return shape
}

/**
 * Declares windows; `name` is part of the name of their changelog topic. Each starts with what `initial` returns: an
 * object literal, or with `pack` and `unpack` whatever they take. A key may have 1,000 open at once (TOO_MANY_WINDOWS),
 * all in one record of the changelog. Size, hop, gap and number of messages can't change once there are state objects.
 * Throws INVALID_DEFINITION.
 */
export function windowed<S extends object>(
  name: string,
  windows: Windows,
  initial: (key: string) => S,
  options?: WindowOptions<S>,
): Windowed<S>
export function windowed<S extends object>(
  name: string,
  windows: Sessions,
  initial: (key: string) => S,
  options: SessionOptions<S>,
): Windowed<S>
export function windowed<S extends object>(
  name: string,
  windows: Windows | Sessions,
  initial: (key: string) => S,
  options: WindowOptions<S> & Partial<Pick<SessionOptions<S>, 'merge'>> = {},
): Windowed<S> {
  checkName('windows', name)
  const shape = checkedShape(name, windows)
  const { shape: inner, partitions, upgrades, ttlMs } = literalShapeOf(name, initial, options)
  if (ttlMs !== undefined) throw invalid(`Windows ${name} have ttlMs: windows end on their own, and don't take it.`)
  const { late = 'dead-letter', merge }: { readonly late?: unknown; readonly merge?: unknown } = options
  if (late !== 'dead-letter' && late !== 'drop')
    throw invalid(`Windows ${name} have late: ${shown(late)}. It must be 'dead-letter' or 'drop'.`)
  const definition: StateDefinition = {
    name,
    partitions,
    initial: () => new OpenWindows(),
    beginsAlike: true,
    prototype: undefined,
    toPlain: (open) => windowsToPlain(open as OpenWindows, inner.toPlain),
    fromPlain: (plain, key) => windowsFromPlain(plain, (one) => inner.fromPlain(one, key)),
    upgrades: upgrades.map((step) => upgradeOf(step)),
    windows: {
      shape,
      late,
      initial: inner.initial,
      toPlain: inner.toPlain,
      fromPlain: inner.fromPlain,
      merge: mergeOf(name, shape, merge),
    },
  }
  const closed = { name: `${name}-closed`, [originKey]: { kind: 'closed', state: definition } as const }
  return { name, closed, [windowsKey]: definition }
}

/** A description of the windows that never changes, because the manifest stores it. */
export function shapeText(shape: WindowShape): string {
  switch (shape.kind) {
    case 'tumbling':
      return `tumbling(${String(shape.sizeMs)})`
    case 'hopping':
      return `hopping(${String(shape.sizeMs)}, ${String(shape.everyMs)})`
    case 'session':
      return `session(${String(shape.gapMs)})`
    case 'counting':
      return `counting(${String(shape.messages)})`
  }
}

/** The definition behind windows; undefined for anything else. */
export const windowsDefinition = (value: unknown): StateDefinition | undefined =>
  typeof value === 'object' && value !== null && windowsKey in value
    ? (value[windowsKey] as StateDefinition)
    : undefined

/** Checked again: a caller without types may have made it by hand. */
function checkedShape(name: string, windows: Windows | Sessions): WindowShape {
  const given = windows as unknown as Readonly<Record<string, unknown>> | null | undefined
  const [kind, size, every, gap, messages] = [
    given?.kind,
    given?.sizeMs as number,
    given?.everyMs as number,
    given?.gapMs as number,
    given?.messages as number,
  ]
  if (kind === 'tumbling') return tumbling(size) as WindowShape
  if (kind === 'hopping') return hopping(size, every) as WindowShape
  if (kind === 'session') return session(gap) as WindowShape
  if (kind === 'counting') return counting(messages) as WindowShape
  throw invalid(
    `Windows ${name} are ${shown(windows)}: they must be created with tumbling(), hopping(), session() or counting().`,
  )
}

function checkMs(where: string, what: string, ms: unknown): void {
  if (!isDurationMs(ms) || ms < 1)
    throw invalid(`${where} was given ${what} of ${shown(ms)}: it must be whole milliseconds, 1 or more.`)
}

type Merge = (earlier: object, later: object) => void

function mergeOf(name: string, { kind }: WindowShape, merge: unknown): Merge | undefined {
  if (kind !== 'session') {
    if (merge !== undefined) throw invalid(`Windows ${name} have merge, which only sessions take.`)
    return undefined
  }
  if (merge === undefined)
    throw invalid(`Sessions ${name} have no merge: two sessions become one when a message closes the gap between them.`)
  checkFunction(`merge of sessions ${name}`, merge)
  return (earlier, later) => {
    const given = (merge as (earlier: object, later: object) => unknown)(earlier, later)
    if (!isPromise(given)) return
    given.then(undefined, () => undefined) // its failure would end the process
    throw invalid(`merge of sessions ${name} returned a promise. It is synchronous.`)
  }
}

/** Applied to the state of each window. */
const upgradeOf =
  (step: Upgrade): Upgrade =>
  (stored) =>
    upgradeWindows(stored, (one) => {
      const given = step(one)
      if (isPromise(given)) {
        given.then(undefined, () => undefined) // its failure would end the process
        throw new TypeError('it returned a promise: upgrades are synchronous')
      }
      if (typeof given === 'object' && given !== null && Object.getPrototypeOf(given) === Object.prototype) return given
      throw new TypeError(
        `it returned ${shown(given)}: it must return an object literal whose fields are what is to be stored`,
      )
    })
