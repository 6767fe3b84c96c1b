/**
 * What stands in front of a packed state object where there is more to say of it than its fields:
 *
 *     Packed => [Header] Body                  Body: see packing.ts
 *       Header => 0xc0 Flags Field*
 *         Flags  => varint; bit n is set where field n is there
 *         Field  => varint, in the order of their bits
 *           0: version, how many upgrades the state object has been through, 1 or more
 *         varint => unsigned LEB128, in its shortest form, at most 2^53 - 1
 *
 * 0xc0 is MessagePack's nil, with which no body begins. Bits 1 to 3 are left for what a state object's time needs: when it
 * was changed, when it is due, its timers.
 *
 * Invariants
 * 1. Where there is nothing to say there is no header: what is of version 0 has the bytes that it had before there were versions.
 * 2. The same header has the same bytes, and no others: what `encodeHeader` would not have written is `damaged`.
 * 3. What is not known is `unknown`, never passed over: whoever passed over a field would write the state object back without it.
 */

export const HEADER = 0xc0

const VERSION = 1
const KNOWN = VERSION

export interface Header {
  /** 0: it has been through none. */
  readonly version: number
}

/** `end`: where the body begins. */
export type ReadHeader =
  | { readonly kind: 'known'; readonly header: Header; readonly end: number }
  | { readonly kind: 'unknown'; readonly flags: number }
  | { readonly kind: 'damaged' }

/** Nothing for what has nothing to say. */
export function encodeHeader({ version }: Header): Uint8Array {
  return version === 0 ? new Uint8Array() : Uint8Array.from([HEADER, ...varint(VERSION), ...varint(version)])
}

/** Of the packed state object in bytes[start, end). Never throws. */
export function readHeader(bytes: Uint8Array, start: number, end: number): ReadHeader {
  if (start >= end || bytes[start] !== HEADER) return { kind: 'known', header: { version: 0 }, end: start }
  const flags = readVarint(bytes, start + 1, end)
  if (flags === undefined || flags.value === 0) return damaged
  if (flags.value > KNOWN) return { kind: 'unknown', flags: flags.value }
  const version = readVarint(bytes, flags.end, end)
  if (version === undefined || version.value === 0) return damaged
  return { kind: 'known', header: { version: version.value }, end: version.end }
}

const damaged: ReadHeader = { kind: 'damaged' }

/** Without bit operations, which end at 32 bits. */
function varint(value: number): number[] {
  const bytes: number[] = []
  let left = value
  for (; left > 0x7f; left = Math.floor(left / 0x80)) bytes.push((left % 0x80) + 0x80)
  return [...bytes, left]
}

/** Undefined for what is cut off, too large, or longer than it had to be. */
function readVarint(
  bytes: Uint8Array,
  start: number,
  end: number,
): { readonly value: number; readonly end: number } | undefined {
  let value = 0
  let scale = 1
  for (let at = start; at < end; at++, scale *= 0x80) {
    const byte = bytes[at] ?? 0
    value += (byte & 0x7f) * scale
    if (value > Number.MAX_SAFE_INTEGER) return undefined
    if (byte > 0x7f) continue
    return byte === 0 && at > start ? undefined : { value, end: at + 1 }
  }
  return undefined
}
