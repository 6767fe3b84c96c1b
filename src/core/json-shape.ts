/** What JSON from elsewhere has to look like before it is believed. */

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
export const isList = <T>(value: unknown, isOne: (one: unknown) => one is T): value is T[] =>
  Array.isArray(value) && value.every(isOne)
export const isText = (value: unknown): value is string => typeof value === 'string'
export const isTexts = (value: unknown): value is string[] => isList(value, isText)
export const isNumber = (value: unknown): value is number => typeof value === 'number'

/** Undefined also where parsing throws. */
export function parseOr<T>(parse: () => T | undefined): T | undefined {
  try {
    return parse()
  } catch {
    return undefined
  }
}
