/** What is stored of a state object, as JSON: its fields, or what its `pack` gave; of windows, those of each. */
import type { StateDefinition } from '../../api/definition.js'
import { pairsFromPlain } from '../../api/open-pairs.js'
import { windowsFromPlain } from '../../api/open-windows.js'
import { storedFields } from '../state/stored.js'
import { visibleState } from './visible-state.js'

/** Throws what JSON.stringify throws for what is too large for a text. Undefined for what can't be read. */
export function shownState(definition: StateDefinition, packed: Uint8Array, key: string): unknown {
  const stored = storedFields(packed)
  if (stored === undefined) return undefined
  try {
    return shown(visibleState(definition, opened(definition, stored.fields), key), [])
  } catch (error) {
    // Windows or open messages that nobody has written.
    if (error instanceof TypeError) return undefined
    throw error
  }
}

/** As `fromPlain` gives it, but for what users make of plain values. */
function opened(definition: StateDefinition, fields: object): object {
  if (definition.windows !== undefined) return windowsFromPlain(fields, (plain) => plain as object)
  return definition.pairs === undefined ? fields : pairsFromPlain(fields)
}

/**
 * JSON has no Map, Set, Date, BigInt, typed array, NaN or infinity: they become entries, elements, an ISO text, digits, base64 and
 * a text. What leads back to itself is null there.
 */
function shown(value: unknown, above: readonly object[]): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (typeof value !== 'object' || value === null) return value
  if (above.includes(value)) return null
  const within = [...above, value]
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString()
  if (value instanceof Map) return [...value].map(([key, one]) => [shown(key, within), shown(one, within)])
  if (value instanceof Set) return [...value].map((one) => shown(one, within))
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')
  if (value instanceof ArrayBuffer) return Buffer.from(value).toString('base64')
  if (Array.isArray(value)) return value.map((one) => shown(one, within) ?? null)
  // A field may be called __proto__.
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, shown(one, within)]))
}
