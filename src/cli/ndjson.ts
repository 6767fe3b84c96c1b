/** A record's value as one line of output. */
import { printableBytes } from './printable.js'

const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20
const NULL_LINE = Buffer.from('null\n')

/**
 * The bytes as they are, and a line end. JSON that goes over several lines is put on one: a line end in JSON can only
 * stand between tokens, where a space means the same. What is no JSON stays as it is. No value at all is `null`.
 */
export function lineOf(value: Uint8Array | undefined): Buffer {
  if (value === undefined) return NULL_LINE
  const line = Buffer.allocUnsafe(value.length + 1)
  line.set(value)
  line[value.length] = LF
  const text = line.subarray(0, value.length)
  if ((text.includes(LF) || text.includes(CR)) && isJson(text))
    text.forEach((byte, i) => {
      if (byte === LF || byte === CR) text[i] = SPACE
    })
  return line
}

/** The same for a terminal: anything that is not text, or can't be seen, is escaped. */
export const textLineOf = (value: Uint8Array | undefined): Buffer => {
  const line = lineOf(value)
  return Buffer.from(`${printableBytes(line.subarray(0, -1))}\n`)
}

const isJson = (bytes: Buffer): boolean => {
  try {
    JSON.parse(bytes.toString('utf8'))
    return true
  } catch {
    return false
  }
}
