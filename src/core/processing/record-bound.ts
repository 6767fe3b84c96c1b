import type { CurrentRecord } from './current-record.js'
import type { Watermark } from './watermark.js'

/**
 * What the partition of the record at hand has come to by its records alone: what is older is late. What falls due is of no partition:
 * -Infinity, as where there is no time.
 */
export function boundOf({ inputIndex }: CurrentRecord, time: Watermark | undefined): number {
  return inputIndex < 0 || time === undefined ? -Infinity : time.boundMs(inputIndex)
}
