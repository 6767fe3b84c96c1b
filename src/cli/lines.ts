/** Lines of a byte stream, as bytes: what isn't UTF-8 must reach the decoder as it is, to be refused there. */

export interface Line {
  /** From 1. */
  readonly number: number
  /** Without its line end. Undefined when the line is longer than maxLineBytes. */
  readonly bytes: Buffer | undefined
}

const LF = 0x0a
const CR = 0x0d
const BOM = Buffer.from([0xef, 0xbb, 0xbf])

/** Yields all lines that a chunk of input completes together, so that who sends them waits for nothing. Blank lines are left out. */
export async function* linesOf(input: AsyncIterable<Buffer>, maxLineBytes: number): AsyncGenerator<readonly Line[]> {
  let number = 0
  let parts: Buffer[] = []
  let pending = 0
  const take = (last: Buffer): Line => {
    number += 1
    const length = pending + last.length
    const whole = parts.length === 0 ? last : Buffer.concat([...parts, last])
    parts = []
    pending = 0
    return { number, bytes: length > maxLineBytes ? undefined : trimmed(whole, number === 1) }
  }
  const keep = (part: Buffer): void => {
    pending += part.length
    // Of a line that is too long, its length is all that is needed.
    if (pending > maxLineBytes) parts = []
    else if (part.length > 0) parts.push(part)
  }
  for await (const chunk of input) {
    const lines: Line[] = []
    let start = 0
    for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, start)) {
      lines.push(take(chunk.subarray(start, end)))
      start = end + 1
    }
    keep(chunk.subarray(start))
    const filled = lines.filter(isFilled)
    if (filled.length > 0) yield filled
  }
  if (pending > 0) yield [take(Buffer.alloc(0))].filter(isFilled)
}

const trimmed = (bytes: Buffer, first: boolean): Buffer => {
  const start = first && bytes.subarray(0, BOM.length).equals(BOM) ? BOM.length : 0
  const end = bytes.at(-1) === CR ? bytes.length - 1 : bytes.length
  return bytes.subarray(start, Math.max(start, end))
}

const isFilled = ({ bytes }: Line): boolean => bytes === undefined || bytes.length > 0
