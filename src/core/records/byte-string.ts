import { latin1Text } from '../../api/json/literal.js'

/**
 * Bytes as a string, one character (U+0000 to U+00FF) each. A Buffer of 20 bytes takes 130 bytes of memory, and several
 * objects for the garbage collector to look after; a byte string takes 40, and is one. State objects are kept by the
 * million: so their keys and their packed bytes are byte strings in memory. They are compared with ===.
 */
export type ByteString = string

export const byteString = (bytes: Buffer, start = 0, end = bytes.length): ByteString => latin1Text(bytes, start, end)

export const bytesOf = (string: ByteString): Buffer => Buffer.from(string, 'latin1')

/** Up to here a loop is faster than a call of the native code. */
const SHORT_BYTES = 32

/** Returns where the string ends. */
export function writeByteString(string: ByteString, to: Buffer, at: number): number {
  const { length } = string
  if (length > SHORT_BYTES) to.write(string, at, 'latin1')
  else for (let i = 0; i < length; i++) to[at + i] = string.charCodeAt(i)
  return at + length
}

/** The text whose UTF-8 is in bytes[start, end). */
export function utf8Text(bytes: Buffer, start: number, end: number): string {
  if (end - start > SHORT_BYTES) return bytes.toString('utf8', start, end)
  for (let i = start; i < end; i++) if ((bytes[i] ?? 0) > 0x7f) return bytes.toString('utf8', start, end)
  return latin1Text(bytes, start, end)
}

/** The text in UTF-8. */
export function utf8ByteString(text: string): ByteString {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return byteString(Buffer.from(text))
  return text
}

/** Whether bytes[start, end) are the text in UTF-8. A text with a lone surrogate has no UTF-8. */
export function isUtf8Of(text: string, bytes: Uint8Array, start: number, end: number): boolean {
  const { length } = text
  if (end - start < length) return false
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i)
    if (unit > 0x7f) return text.isWellFormed() && Buffer.from(text).equals(bytes.subarray(start, end))
    if (bytes[start + i] !== unit) return false
  }
  return end - start === length
}
