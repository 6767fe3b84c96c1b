/**
 * Windows: state objects of a key and a stretch of time, or of so many messages. A message runs the computation once for each
 * window that it lies in. What that gives are early results; the final ones are a source, `closed`.
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

/** Made with tumbling(), hopping() or counting(). */
export interface Windows {
  readonly kind: 'tumbling' | 'hopping' | 'counting'
}
/** Made with session(). */
export interface Sessions {
  readonly kind: 'session'
}

export interface AnyWindowed {
  readonly name: string
  readonly [windowsKey]: StateDefinition
}
export interface Windowed<in out S extends object> extends AnyWindowed {
  /** Each window once, when it is over: when the task's time has passed its end, or its last message has come. */
  readonly closed: Origin<Closed<S>, 'keyed'>
  /** Exists for the type checker alone. */
  readonly [state]?: (state: S) => S
}

/** The type of a state object, of a table's entries, or of what windows have of a key. */
export type State<T extends AnyStateObject | AnyWindowed> =
  T extends Windowed<infer S>
    ? readonly Closed<S>[]
    : T extends StateObject<infer S>
      ? S
      : T extends { readonly [state]?: { readonly entry: () => infer V } }
        ? V
        : never

/** A window as it is, or was when it closed. */
export interface Closed<S> {
  readonly key: string
  /** Its beginning, ms since the epoch: of a session its first message's timestamp, of a counting window the least one. */
  readonly startMs: number
  /** Its end, exclusive: of a session its last message's timestamp and the gap, of a counting window the greatest timestamp and 1. */
  readonly endMs: number
  /** How many came to it. */
  readonly messages: number
  readonly state: S
}

export type WindowOptions<S extends object> = Pick<StateOptions<S>, 'partitions' | 'upgrades'> &
  (Packing<S> | { readonly pack?: never; readonly unpack?: never }) & {
    /**
     * What becomes of a message whose window has closed, or several of whose have: `dead-letter` (default) sends it to the dead
     * letters, code LATE, with the windows that it was late for; `drop` counts it, in `potoroo.windows.late`. Those of its windows
     * that are open take it in any case.
     */
    readonly late?: 'dead-letter' | 'drop'
  }

/** A session's; `merge` has to be there. */
export type SessionOptions<S extends object> = WindowOptions<S> & {
  /**
   * A message has closed the gap between two sessions: `earlier`, the one that began first, takes over what `later` has. It is synchronous.
   * Where it gives the same for the same messages, whatever their order, so do sessions.
   */
  readonly merge: (earlier: S, later: S) => void
}

/** Of a key, at once. */
export const MAX_OPEN_WINDOWS = 1_000

/** Windows of so many ms, one after the other, from the epoch on. Throws INVALID_DEFINITION. */
export function tumbling(sizeMs: number): Windows {
  checkMs('tumbling()', 'a size', sizeMs)
  const shape: WindowShape = { kind: 'tumbling', sizeMs }
  return shape
}

/**
 * Windows of `sizeMs` that begin every `everyMs`, from the epoch on: a message lies in several. At most 1,000 of them overlap. Throws
 * INVALID_DEFINITION.
 */
export function hopping(sizeMs: number, everyMs: number): Windows {
  checkMs('hopping()', 'a size', sizeMs)
  checkMs('hopping()', 'a distance', everyMs)
  if (everyMs > sizeMs)
    throw invalid(
      `hopping() was given a distance of ${String(everyMs)} ms, more than the size, ${String(sizeMs)} ms: messages between two windows ` +
        'would be in none. Filter them out before, if that is meant.',
    )
  if (Math.ceil(sizeMs / everyMs) > MAX_OPEN_WINDOWS)
    throw invalid(
      `hopping() was given size ${String(sizeMs)} and distance ${String(everyMs)}: each message would lie in ` +
        `${String(Math.ceil(sizeMs / everyMs))} windows, and a key may have ${String(MAX_OPEN_WINDOWS)} open.`,
    )
  const shape: WindowShape = { kind: 'hopping', sizeMs, everyMs }
  return shape
}

/**
 * Messages that are less than `gapMs` apart lie in one session; it is over when nothing has come for so long. Throws
 * INVALID_DEFINITION.
 */
export function session(gapMs: number): Sessions {
  checkMs('session()', 'a gap', gapMs)
  const shape: WindowShape = { kind: 'session', gapMs }
  return shape
}

/** Windows of so many messages of a key, one after the other, whatever their time. Throws INVALID_DEFINITION. */
export function counting(messages: number): Windows {
  if (!Number.isSafeInteger(messages) || messages < 1)
    throw invalid(`counting() was given ${shown(messages)}: it has to be a whole number of messages, 1 or more.`)
  const shape: WindowShape = { kind: 'counting', messages }
  return shape
}

/**
 * Declares windows; `name` is part of the name of their changelog topic. Each begins as `initial` gives it: an object literal, or with
 * `pack` and `unpack` whatever they take. A key may have 1,000 open at once (TOO_MANY_WINDOWS), all in one record of the changelog.
 * Size, distance, gap and number stay what they are once there are state objects. Throws INVALID_DEFINITION.
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
  if (ttlMs !== undefined) throw invalid(`Windows ${name} have ttlMs: they end by themselves.`)
  const { late = 'dead-letter', merge }: { readonly late?: unknown; readonly merge?: unknown } = options
  if (late !== 'dead-letter' && late !== 'drop')
    throw invalid(`Windows ${name} have late: ${shown(late)}. It has to be 'dead-letter' or 'drop'.`)
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

/** What windows are, in words that stay the same: the manifest has them. */
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

/** Checked once more: whoever has no types may have made it by hand. */
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
    `Windows ${name} are ${shown(windows)}: they have to be made with tumbling(), hopping(), session() or counting().`,
  )
}

function checkMs(where: string, what: string, ms: unknown): void {
  if (!isDurationMs(ms) || ms < 1)
    throw invalid(`${where} was given ${what} of ${shown(ms)}: it has to be whole milliseconds, 1 or more.`)
}

type Merge = (earlier: object, later: object) => void

function mergeOf(name: string, { kind }: WindowShape, merge: unknown): Merge | undefined {
  if (kind !== 'session') {
    if (merge !== undefined) throw invalid(`Windows ${name} have merge, which is of sessions alone.`)
    return undefined
  }
  if (merge === undefined)
    throw invalid(`Sessions ${name} have no merge: two become one when a message closes the gap.`)
  checkFunction(`merge of sessions ${name}`, merge)
  return (earlier, later) => {
    const given = (merge as (earlier: object, later: object) => unknown)(earlier, later)
    if (!isPromise(given)) return
    given.then(undefined, () => undefined) // its failure would end the process
    throw invalid(`merge of sessions ${name} gave a promise. It is synchronous.`)
  }
}

/** Of each window's state by itself. */
const upgradeOf =
  (step: Upgrade): Upgrade =>
  (stored) =>
    upgradeWindows(stored, (one) => {
      const given = step(one)
      if (isPromise(given)) {
        given.then(undefined, () => undefined) // its failure would end the process
        throw new TypeError('it gave a promise: upgrades are synchronous')
      }
      if (typeof given === 'object' && given !== null && Object.getPrototypeOf(given) === Object.prototype) return given
      throw new TypeError(
        `it gave ${shown(given)}: it has to give an object literal, with what is to be stored as its fields`,
      )
    })
