/** The open windows of a key, as they are stored: all in one state object. */
import type { OpenWindow } from './definition.js'

export class OpenWindows {
  /** In the order in which they begin. */
  list: OpenWindow[] = []
}

/** `{ w: [start, length, messages, state, …] }`: field names would take more space than their values. */
export function windowsToPlain({ list }: OpenWindows, toPlain: (state: object) => unknown): object {
  const w: unknown[] = []
  for (const { startMs, endMs, messages, state } of list) w.push(startMs, endMs - startMs, messages, toPlain(state))
  return { w }
}

/** Of a window. */
export const WINDOW_FIELDS = 4

/** Throws a TypeError for anything that `windowsToPlain` did not write. */
export function windowsFromPlain(plain: unknown, fromPlain: (plain: unknown) => object): OpenWindows {
  const open = new OpenWindows()
  const w = fieldsOf(plain)
  for (let i = 0; i < w.length; i += WINDOW_FIELDS) {
    const [startMs, lengthMs, messages, state] = [w[i], w[i + 1], w[i + 2], w[i + 3]]
    if (typeof startMs !== 'number' || typeof lengthMs !== 'number' || typeof messages !== 'number') throw noWindows()
    open.list.push({ startMs, endMs: startMs + lengthMs, messages, state: fromPlain(state) })
  }
  return open
}

/** The same windows, with `step` applied to each stored state. Throws as `windowsFromPlain`. */
export function upgradeWindows(plain: unknown, step: (stored: object) => object): object {
  const w = fieldsOf(plain).map((field, i) => (i % WINDOW_FIELDS === WINDOW_FIELDS - 1 ? step(field as object) : field))
  return { w }
}

function fieldsOf(plain: unknown): readonly unknown[] {
  if (
    typeof plain === 'object' &&
    plain !== null &&
    'w' in plain &&
    Array.isArray(plain.w) &&
    plain.w.length % WINDOW_FIELDS === 0
  )
    return plain.w as unknown[]
  throw noWindows()
}

const noWindows = (): TypeError => new TypeError('the stored value is not a list of windows')
