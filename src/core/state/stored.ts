/** Packed bytes as whoever looks at them sees them, without the application that has packed them. */
import type { StateDefinition } from '../../api/definition.js'
import { readHeader } from './header.js'
import { unpackRange } from './packing.js'

export interface StoredFields {
  /** How many upgrades it has been through. */
  readonly version: number
  /** Plain data: its fields, or what a `pack` gave. */
  readonly fields: object
}

const bare: StateDefinition = {
  name: 'of some application',
  partitions: undefined,
  beginsAlike: true,
  prototype: Object.prototype,
  initial: () => ({}),
  toPlain: (state) => state,
  fromPlain: (plain) => plain as object,
  upgrades: [],
  ttlMs: undefined,
}

/** Undefined for what can't be read. */
export function storedFields(packed: Uint8Array): StoredFields | undefined {
  const bytes = Buffer.from(packed)
  const found = readHeader(bytes, 0, bytes.length)
  if (found.kind !== 'known') return undefined
  try {
    const fields = unpackRange(bare, bytes.subarray(found.end), 0, bytes.length - found.end, '')
    return { version: found.header.version, fields }
  } catch {
    return undefined
  }
}
