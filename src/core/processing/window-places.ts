/**
 * Which windows a message lies in. Pure.
 *
 * Invariants
 * 1. A window takes a message if its end is above the message's bound: that of the message's own partition, so that it depends on one
 *    log alone. A session's is the gap from the message on; those that are open and above the bound are one with it.
 * 2. A window that has closed takes nothing more. Where the clock closed it, not records, a message may be late that is not so by
 *    its bound: it is counted apart.
 */
import type { OpenWindow, WindowsDefinition } from '../../api/definition.js'
import type { OpenWindows } from '../../api/open-windows.js'
import { MAX_OPEN_WINDOWS } from '../../api/windows.js'
import { PotorooError } from '../../errors.js'
import { lateBy, type LateBy, type Reached } from './closings.js'

export interface Stretch {
  readonly startMs: number
  readonly endMs: number
}
export interface LateWindow extends Stretch {
  readonly by: LateBy
}
/** A message's place in time. */
export interface Moment extends Reached {
  /** 0 or more. */
  readonly atMs: number
}
export interface Places {
  /** Open, with their states, in the order of their beginning; some are new. */
  readonly windows: readonly OpenWindow[]
  readonly late: readonly LateWindow[]
}

const NONE: readonly never[] = []

/** Takes the message into account: windows are there that it begins, and sessions are one that it has joined; it is not counted in them yet. */
export function placesFor(open: OpenWindows, of: Begin, moment: Moment, key: string): Places {
  const { shape } = of
  switch (shape.kind) {
    case 'tumbling':
      return steady(open, shape.sizeMs, shape.sizeMs, moment, of, key)
    case 'hopping':
      return steady(open, shape.sizeMs, shape.everyMs, moment, of, key)
    case 'session':
      return sessionOf(open, shape.gapMs, moment, of, key)
    case 'counting':
      return counted(open, moment, of, key)
  }
}

/** What a window begins with, and how two become one. */
type Begin = Pick<WindowsDefinition, 'shape' | 'initial' | 'merge'>

function steady(open: OpenWindows, sizeMs: number, everyMs: number, moment: Moment, begin: Begin, key: string): Places {
  const { atMs } = moment
  const lastMs = Math.floor(atMs / everyMs) * everyMs
  const firstMs = everyMs === sizeMs ? lastMs : (Math.floor((atMs - sizeMs) / everyMs) + 1) * everyMs
  if (firstMs === lastMs && lateBy(lastMs + sizeMs, moment) === undefined)
    return { windows: [at(open, lastMs, lastMs + sizeMs, begin, key)], late: NONE }
  const windows: OpenWindow[] = []
  let late: LateWindow[] | undefined
  for (let startMs = firstMs; startMs <= lastMs; startMs += everyMs) {
    const endMs = startMs + sizeMs
    const by = lateBy(endMs, moment)
    if (by !== undefined) (late ??= []).push({ startMs, endMs, by })
    else windows.push(at(open, startMs, endMs, begin, key))
  }
  return { windows, late: late ?? NONE }
}

function at(open: OpenWindows, startMs: number, endMs: number, begin: Begin, key: string): OpenWindow {
  const { list } = open
  // Most messages lie in the newest.
  let i = list.length
  for (; i > 0; i--) {
    const window = list[i - 1]
    if (window === undefined || window.startMs < startMs) break
    if (window.startMs === startMs) return window
  }
  return insert(open, i, startMs, endMs, begin, key)
}

function insert(open: OpenWindows, at: number, startMs: number, endMs: number, begin: Begin, key: string): OpenWindow {
  const { list } = open
  if (list.length >= MAX_OPEN_WINDOWS)
    throw new PotorooError(
      'TOO_MANY_WINDOWS',
      `a window from ${new Date(startMs).toISOString()} on would begin, and the key has ${String(MAX_OPEN_WINDOWS)} open, the first from ` +
        `${new Date(list[0]?.startMs ?? 0).toISOString()} on`,
    )
  const made = { startMs, endMs, messages: 0, state: begin.initial(key) }
  // A list that something is pushed to gets room for many.
  if (list.length === 0) open.list = [made]
  else if (at === list.length) list.push(made)
  else list.splice(at, 0, made)
  return made
}

function sessionOf(open: OpenWindows, gapMs: number, moment: Moment, begin: Begin, key: string): Places {
  const [startMs, endMs] = [moment.atMs, moment.atMs + gapMs]
  const by = lateBy(endMs, moment)
  if (by !== undefined) return { windows: NONE, late: [{ startMs, endMs, by }] }
  const joined = open.list.filter(
    (window) => window.endMs > startMs && window.startMs < endMs && window.endMs > moment.boundMs,
  )
  const [one, ...others] = joined
  if (one === undefined) {
    const place = open.list.findIndex((window) => window.startMs > startMs)
    return { windows: [insert(open, place < 0 ? open.list.length : place, startMs, endMs, begin, key)], late: NONE }
  }
  for (const other of others) {
    begin.merge?.(one.state, other.state)
    one.messages += other.messages
    one.endMs = Math.max(one.endMs, other.endMs)
  }
  one.startMs = Math.min(one.startMs, startMs)
  one.endMs = Math.max(one.endMs, endMs)
  if (others.length > 0) open.list = open.list.filter((window) => !others.includes(window))
  return { windows: [one], late: NONE }
}

function counted(open: OpenWindows, { atMs }: Moment, begin: Begin, key: string): Places {
  const window = open.list[0] ?? insert(open, 0, atMs, atMs + 1, begin, key)
  window.startMs = Math.min(window.startMs, atMs)
  window.endMs = Math.max(window.endMs, atMs + 1)
  return { windows: [window], late: NONE }
}

/** Out of those that are open. */
export function remove(open: OpenWindows, window: OpenWindow): void {
  const at = open.list.indexOf(window)
  if (at >= 0) open.list.splice(at, 1)
}

/** When the first of them ends; Infinity where there is none. */
export function firstEnd({ list }: OpenWindows): number {
  let first = Infinity
  for (const { endMs } of list) if (endMs < first) first = endMs
  return first
}
