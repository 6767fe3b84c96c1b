/**
 * A function that makes an object literal with these fields of an array of their values: objects of one shape, made at
 * once. Undefined where the process may not compile code (node --disallow-code-generation-from-strings).
 */
export function literalOf(names: readonly string[]): ((values: readonly unknown[]) => object) | undefined {
  const fields = names.map((name, i) => `${JSON.stringify(name)}: values[${String(i)}]`)
  try {
    // eslint-disable-next-line @typescript-eslint/no-implied-eval -- of texts that JSON.stringify has quoted
    return new Function('values', `return { ${fields.join(', ')} }`) as (values: readonly unknown[]) => object
  } catch {
    return undefined
  }
}
