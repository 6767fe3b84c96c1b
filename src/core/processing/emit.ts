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

/** Careful mode's: nothing is put out before all of it is known to be right. */
export const collecting =
  (outputs: Parameters<Emit>[]): Emit =>
  (to, partition, key, value, headers = []) => {
    const keyBytes = key === null ? 0 : Buffer.byteLength(key)
    const valueBytes = value === null ? 0 : Buffer.byteLength(value)
    if (!fits(to, keyBytes, valueBytes, headersBytes(headers))) throw tooLarge(to)
    outputs.push([to, partition, key, value, headers])
  }
