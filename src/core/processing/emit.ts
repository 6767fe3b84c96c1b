import type { RecordHeader } from '../records/records.js'
import { tooLarge } from './failures.js'
import { fits, headersBytes, type Destination } from './outbox.js'

/** Puts an output out. Throws RECORD_TOO_LARGE. */
export type Emit = (
  to: Destination,
  partition: number,
  key: Uint8Array | string | null,
  value: Uint8Array | string | null,
  headers?: readonly RecordHeader[],
) => void

/** What is to be put out, with its timestamp. */
export type Output = readonly [timestampMs: number, ...Parameters<Emit>]

/** Careful mode's: nothing is put out before all of it is known to be right. `context`: has the timestamp of each. */
export const collecting =
  (outputs: Output[], context: { readonly timestampMs: number }): Emit =>
  (to, partition, key, value, headers = []) => {
    const keyBytes = key === null ? 0 : Buffer.byteLength(key)
    const valueBytes = value === null ? 0 : Buffer.byteLength(value)
    if (!fits(to, keyBytes, valueBytes, headersBytes(headers))) throw tooLarge(to)
    outputs.push([context.timestampMs, to, partition, key, value, headers])
  }
