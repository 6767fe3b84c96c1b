/** Stands among the values for a number that lies in `numbers` at the same place: there it is no object on the heap. */
export const number = Symbol('number')

export type Literal = (values: readonly unknown[], numbers: Float64Array) => object

/**
 * A function that makes an object literal with these fields of an array of their values: objects of one shape, made at
 * once. Undefined where the process may not compile code (node --disallow-code-generation-from-strings).
 */
export function literalOf(names: readonly string[]): Literal | undefined {
  const fields = names.map((name, i) => {
    const at = `[${String(i)}]`
    return `${JSON.stringify(name)}: values${at} === number ? numbers${at} : values${at}`
  })
  try {
    // eslint-disable-next-line @typescript-eslint/no-implied-eval -- of texts that JSON.stringify has quoted
    const bind = new Function('number', `return (values, numbers) => ({ ${fields.join(', ')} })`) as (
      standsFor: typeof number,
    ) => Literal
    return bind(number)
  } catch {
    return undefined
  }
}
