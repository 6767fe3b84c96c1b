/** Up to here a loop is faster than a call of the native code. */
const SHORT_BYTES = 64

/** Copies from[start, end) to `to`, from `at` on; returns where it ends there. */
export function copyBytes(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): number {
  if (end - start > SHORT_BYTES) {
    to.set(from.subarray(start, end), at)
    return at + end - start
  }
  for (let i = start; i < end; i++) to[at++] = from[i] ?? 0
  return at
}

/** Whether a[aStart, aEnd) and b[bStart, bEnd) are the same bytes. */
export function sameBytes(a: Buffer, aStart: number, aEnd: number, b: Buffer, bStart: number, bEnd: number): boolean {
  const length = aEnd - aStart
  if (bEnd - bStart !== length) return false
  if (length > SHORT_BYTES) return a.compare(b, bStart, bEnd, aStart, aEnd) === 0
  for (let i = 0; i < length; i++) if (a[aStart + i] !== b[bStart + i]) return false
  return true
}
