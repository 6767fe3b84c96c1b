/**
 * Checks of options, for programs without types. Not a schema library's work: loading one takes a worker longer than all
 * else that it does before it joins its group.
 */

/** What is wrong with a value that goes by this name; undefined: nothing. The value is not told: it may be a secret. */
export type Check = (value: unknown, name: string) => string | undefined

const must =
  (be: string, is: (value: unknown) => boolean): Check =>
  (value, name) =>
    is(value) ? undefined : `${name} must be ${be}`

/** One that can be called is one, too. */
export const anObject = must('an object', (value) => Object(value) === value)
export const aBoolean = must('true or false', (value) => typeof value === 'boolean')
export const aNumber = must('a number', (value) => typeof value === 'number')
export const aString = must('a string', (value) => typeof value === 'string')
export const someText = must('a string, and not empty', (value) => typeof value === 'string' && value !== '')

export const stringUpTo = (length: number): Check =>
  must(
    `a string of ${String(length)} characters at most`,
    (value) => typeof value === 'string' && value.length <= length,
  )

export const wholeNumber = (least: number, most = Number.MAX_SAFE_INTEGER): Check =>
  must(
    `a whole number, ${String(least)} ${most === Number.MAX_SAFE_INTEGER ? 'or more' : `to ${String(most)}`}`,
    (value) => Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most,
  )

export const oneOf = (...words: readonly string[]): Check =>
  must(words.join(' or '), (value) => typeof value === 'string' && words.includes(value))

export const someStrings = must(
  'a list of strings, and not empty',
  (value) => Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'string'),
)

export const optional =
  (check: Check): Check =>
  (value, name) =>
    value === undefined ? undefined : check(value, name)

export const either =
  (...checks: readonly Check[]): Check =>
  (value, name) => {
    const wrong = checks.map((check) => check(value, name))
    return wrong.includes(undefined) ? undefined : wrong.join(', or ')
  }

/** An object with these fields, among others. */
export const withFields =
  (checks: Readonly<Record<string, Check>>): Check =>
  (value, name) =>
    anObject(value, name) ?? wrongFields(checks, value as object, `${name}.`)

/** What is wrong with these fields of an object, each named with the prefix. */
export function wrongFields(checks: Readonly<Record<string, Check>>, of: object, prefix = ''): string | undefined {
  const values = of as Readonly<Record<string, unknown>>
  const wrong = Object.entries(checks).flatMap(([name, check]) => check(values[name], prefix + name) ?? [])
  return wrong.length === 0 ? undefined : wrong.join('; ')
}
