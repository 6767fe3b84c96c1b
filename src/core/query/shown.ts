/** What is stored of a state object, as JSON: its fields, or what its `pack` gave. */
import { storedFields } from '../state/stored.js'

/** Throws what JSON.stringify throws for what is too large for a text. Undefined for what can't be read. */
export function shownState(packed: Uint8Array): unknown {
  const stored = storedFields(packed)
  return stored === undefined ? undefined : shown(stored.fields, [])
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
