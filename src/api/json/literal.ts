/** Code that is compiled at run time, where the process may do that. */

/**
 * A function that makes an object literal with these fields: objects of one shape, made at once, whose numbers were never
 * objects on the heap of their own. `valueOf` gives the code of a field's value, of its place among the names and of the
 * parameters. Undefined where the process may not compile code (node --disallow-code-generation-from-strings).
 */
export function literalOf(
  names: readonly string[],
  parameters: readonly string[],
  valueOf: (index: number) => string,
): ((...values: never[]) => object) | undefined {
  const fields = names.map((name, i) => `${JSON.stringify(name)}: ${valueOf(i)}`)
  try {
    // eslint-disable-next-line @typescript-eslint/no-implied-eval -- of texts that JSON.stringify has quoted, and code of ours
    return new Function(...parameters, `return { ${fields.join(', ')} }`) as () => object
  } catch {
    return undefined
  }
}

type TextMaker = (bytes: Uint8Array, start: number) => string
/** What Buffer.toString calls, without its checks. */
interface Latin1Slice {
  latin1Slice(start: number, end: number): string
}

/** A call that leaves JavaScript takes twice as long as the characters of a short text. */
const MAX_MADE = 32
const textMakers: readonly TextMaker[] = makersOfTexts()

/** bytes[start, end) as characters, U+0000 to U+00FF each. */
export function latin1Text(bytes: Buffer, start: number, end: number): string {
  const maker = textMakers[end - start]
  return maker === undefined ? (bytes as Buffer & Latin1Slice).latin1Slice(start, end) : maker(bytes, start)
}

/** By length. */
function makersOfTexts(): TextMaker[] {
  const makerOf = (length: number): TextMaker => {
    const codes = Array.from({ length }, (_, i) => `bytes[start + ${String(i)}]`)
    // eslint-disable-next-line @typescript-eslint/no-implied-eval -- of numbers
    return new Function('bytes', 'start', `return String.fromCharCode(${codes.join(', ')})`) as TextMaker
  }
  try {
    return Array.from({ length: MAX_MADE + 1 }, (_, length) => makerOf(length))
  } catch {
    return []
  }
}
